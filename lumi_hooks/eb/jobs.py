# SPDX-License-Identifier: GPL-2.0-only
"""
With --job: refusals, and what sbatch lacks, are told before the first job is submitted.

EasyBuild runs no hook there: it fetches sources without one and submits, and the refusal would be told by the job, on
another node and later. This can go once EasyBuild has a hook before jobs are submitted (seen in 5.1.2 to 5.4.1).
"""
import os
from typing import Callable, Dict, Iterable, Mapping

from easybuild.tools import parallelbuild

from ..queues import load_jobs
from ..site import Site
from . import messages


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


def refuse_before_submitting(refuse: Callable[[], None], note: Callable[[Iterable[str]], None], site: Site) -> None:
    """
    Have two functions called before jobs are submitted, and tell what sbatch lacks. Idempotent.

    :param refuse: raises EasyBuildError if something that was asked for can't be installed
    :param note: is given the modules that will be installed: each job is an eb that is given one recipe, and does not
        know what was asked for
    """
    original = parallelbuild.build_easyconfigs_in_parallel
    if getattr(original, 'lumi_hooks', False):
        return

    def build_easyconfigs_in_parallel(build_command, easyconfigs, *args, **kwargs):
        refuse()
        tell_settings(site, os.environ)
        note(entry['full_mod_name'] for entry in easyconfigs)
        return original(build_command, easyconfigs, *args, **kwargs)

    setattr(build_easyconfigs_in_parallel, 'lumi_hooks', True)  # noqa: B010 (see modules.py)
    build_easyconfigs_in_parallel.__doc__ = original.__doc__
    parallelbuild.build_easyconfigs_in_parallel = build_easyconfigs_in_parallel
