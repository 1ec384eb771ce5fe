# SPDX-License-Identifier: GPL-2.0-only
"""What is going to be installed, or was, as a dependency alone: `module avail` does not list it."""
import os
from contextlib import suppress
from typing import Iterable, Mapping

from easybuild.tools.build_log import print_warning

from ... import settings
from ...files import read_text
from ...prefix import visibility
from ...prefix.hidden import DEPENDENCY
from ...presence import is_due
from ...releases import load_machine
from .requested import Requested


def hides(env: Mapping[str, str] = os.environ) -> bool:
    """Are modules hidden that came in as dependencies alone? $LUMI_HOOKS_HIDE (on, off), else the site's data."""
    said = settings.value('HIDE', env)
    return said == 'on' if said else bool(load_machine().get('hide_dependencies', False))


def dependencies(requested: Requested, modules: Iterable[str]) -> None:
    """Modules are going to be installed by jobs: those that were not asked for are noted as hidden."""
    for module in modules:
        if module not in requested and hides() \
                and not os.path.exists(os.path.join(requested.tree, f'{module}.lua')):
            _hide(requested, module)


def installed(requested: Requested, module: str, before: bool) -> None:
    """
    A module was installed: it is listed or hidden.

    :param before: was it installed before? Then it stays listed, or hidden, as it was
    """
    if module not in requested and not before and hides():
        _hide(requested, module)


def _hide(requested: Requested, module: str) -> None:
    try:
        visibility.hide(requested.site.prefix, requested.tree, module, DEPENDENCY)
    except OSError as err:
        print_warning('lumi-hooks: module avail lists %s, which nobody asked for: %s', module, err)


def refresh(requested: Requested) -> None:
    """The list of what is hidden is as it should be, also after an eb that was killed."""
    with suppress(OSError):
        visibility.refresh(requested.site.prefix, requested.tree)


def was_there(module_file: str) -> bool:
    """Was a module there before, if only as what is left where somebody deleted the files?"""
    try:
        return not is_due(read_text(module_file))
    except OSError:
        return os.path.lexists(module_file)  # closed to this user
