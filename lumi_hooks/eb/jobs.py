# SPDX-License-Identifier: GPL-2.0-only
"""
Refusals with --job: told before the first job is submitted.

EasyBuild runs no hook there: it fetches sources without one and submits, and the refusal would be told by the job, on
another node and later. This can go once EasyBuild has a hook before jobs are submitted (seen in 5.1.2 to 5.4.1).
"""
from typing import Callable, Iterable

from easybuild.tools import parallelbuild


def refuse_before_submitting(refuse: Callable[[], None], note: Callable[[Iterable[str]], None]) -> None:
    """
    Have two functions called before jobs are submitted. Idempotent.

    :param refuse: raises EasyBuildError if something that was asked for can't be installed
    :param note: is given the modules that will be installed: each job is an eb that is given one recipe, and does not
        know what was asked for
    """
    original = parallelbuild.build_easyconfigs_in_parallel
    if getattr(original, 'lumi_hooks', False):
        return

    def build_easyconfigs_in_parallel(build_command, easyconfigs, *args, **kwargs):
        refuse()
        note(entry['full_mod_name'] for entry in easyconfigs)
        return original(build_command, easyconfigs, *args, **kwargs)

    setattr(build_easyconfigs_in_parallel, 'lumi_hooks', True)  # noqa: B010 (see modules.py)
    build_easyconfigs_in_parallel.__doc__ = original.__doc__
    parallelbuild.build_easyconfigs_in_parallel = build_easyconfigs_in_parallel
