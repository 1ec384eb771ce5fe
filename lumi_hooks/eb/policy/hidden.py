# SPDX-License-Identifier: GPL-2.0-only
"""What is going to be installed, or was, as a dependency alone: `module avail` does not list it."""
import os
from typing import Iterable

from easybuild.tools.build_log import print_warning

from ...files import read_text
from ...prefix import visibility
from ...presence import is_due
from .requested import Requested


def dependencies(requested: Requested, modules: Iterable[str]) -> None:
    """Modules are going to be installed by jobs: those that were not asked for are noted as hidden."""
    for module in modules:
        if module not in requested and visibility.hides() \
                and not os.path.exists(os.path.join(requested.tree, f'{module}.lua')):
            _hide(requested, module)


def installed(requested: Requested, module: str, before: bool) -> None:
    """
    A module was installed: it is listed or hidden.

    :param before: was it installed before? Then it stays listed, or hidden, as it was
    """
    if module not in requested and not before and visibility.hides():
        _hide(requested, module)


def _hide(requested: Requested, module: str) -> None:
    try:
        visibility.hide(requested.site.prefix, requested.tree, module, visibility.DEPENDENCY)
    except OSError as err:
        print_warning('lumi-hooks: module avail lists %s, which nobody asked for: %s', module, err)


def was_there(module_file: str) -> bool:
    """Was a module there before, if only as what is left where somebody deleted the files?"""
    try:
        return not is_due(read_text(module_file))
    except OSError:
        return os.path.lexists(module_file)  # closed to this user
