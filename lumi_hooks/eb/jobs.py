# SPDX-License-Identifier: GPL-2.0-only
"""
Refusals with --job: told before the first job is submitted.

EasyBuild runs no hook there: it fetches sources without one and submits, and the refusal would be told by the job, on
another node and later.
"""
from . import patches


@patches.replaces('easybuild.tools.parallelbuild:build_easyconfigs_in_parallel')
def build_easyconfigs_in_parallel(original, build_command, easyconfigs, *args, **kwargs):
    """
    Refuse first. Then note the modules that will be installed: each job is an eb that is given one recipe, and does not
    know what was asked for.
    """
    here = patches.session()
    here.raise_refusals()
    here.asked.dependencies(entry['full_mod_name'] for entry in easyconfigs)
    return original(build_command, easyconfigs, *args, **kwargs)
