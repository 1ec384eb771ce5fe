# SPDX-License-Identifier: GPL-2.0-only
"""
With --job: refusals, and what sbatch lacks, are told before the first job is submitted.

EasyBuild runs no hook there: it fetches sources without one and submits, and the refusal would be told by the job, on
another node and later.
"""
import os
from typing import Dict, Mapping

from ...queues import load_jobs
from ...site import Site
from .. import messages, patches
from . import hidden


def settings(site: Site, env: Mapping[str, str]) -> Dict[str, str]:
    """
    What sbatch has to be told for a build of a partition and EasyBuild does not tell it, as it knows no account, queue
    or GPU (seen in 5.1.2 to 5.4.1): variables that sbatch reads (man sbatch, INPUT ENVIRONMENT VARIABLES), without
    those that are set.
    """
    facts = load_jobs().get(site.partition, {})
    wanted = {'SBATCH_ACCOUNT': 'project_465000000', 'SBATCH_PARTITION': facts.get('one_task') or facts.get('queue')}
    if 'gpus' in facts:
        wanted['SBATCH_GPUS_PER_NODE'] = '1'
    return {name: value for name, value in wanted.items() if value and name not in env}


def tell_settings(site: Site, env: Mapping[str, str]) -> None:
    """Say what to export where sbatch lacks something, as it may reject the job or put it into another queue."""
    lacks = settings(site, env)
    if lacks:
        messages.say('--job: EasyBuild tells sbatch no project, queue or GPU. Where sbatch rejects the job, give them '
                     'by variables, as: export ' + ' '.join(f'{name}={value}' for name, value in lacks.items()))


@patches.replaces('easybuild.tools.parallelbuild:build_easyconfigs_in_parallel')
def build_easyconfigs_in_parallel(original, build_command, easyconfigs, *args, **kwargs):
    """
    Refuse first, and tell what sbatch lacks. Then note the modules that will be installed: each job is an eb that is
    given one recipe, and does not know what was asked for.
    """
    session = patches.session()
    session.raise_refusals()
    tell_settings(session.site, os.environ)
    hidden.dependencies(session.requested, (entry['full_mod_name'] for entry in easyconfigs))
    return original(build_command, easyconfigs, *args, **kwargs)
