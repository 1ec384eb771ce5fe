# SPDX-License-Identifier: GPL-2.0-only
"""
What has changed since a module was installed: its recipe, the recipe that it was derived from, an override, the rules.

EasyBuild says "already installed" whatever has changed, so it is asked for what was named, and for nothing else.
"""
import os
from typing import Iterable, Optional

from ..adapt import REFUSED, UNCHANGED, adapt
from ..errors import LumiHooksError
from ..recipe import parse_recipe, read_recipe
from ..render import render
from ..site import Site
from ..store import with_checksums
from .archive import ANEW, differences
from .explanation import DIFFERS, IS_REFUSED, SAME, UNKNOWN, InstalledPackage, Today, find, record_site


def since(module: str, path: str, site: Site) -> Today:
    """
    What a recipe would become now, compared with what is installed under its module name.

    :param module: full name of a module that is installed
    :param path: the recipe that is asked for
    """
    try:
        installation = find(module, site, site.prefixes)[0]
        if not installation.record or not installation.recipe:
            return Today(UNKNOWN, 'it has no record of lumi-hooks')
        return _compared(installation, path, record_site(installation.record, site))
    except (LumiHooksError, OSError) as err:
        return Today(UNKNOWN, str(err))


def _compared(installation: InstalledPackage, path: str, site: Site) -> Today:
    record, recipe = installation.record, read_recipe(path)
    assert record and installation.recipe
    adaptation = adapt(recipe, site)
    if adaptation.status == REFUSED:
        return Today(IS_REFUSED, f'{recipe.filename} is refused today: {adaptation.reason}')
    text = recipe.text if adaptation.status == UNCHANGED else render(with_checksums(adaptation), parse_recipe)
    lines = tuple(differences(read_recipe(installation.recipe), text))
    if not lines:
        return Today(SAME, 'the same would be installed today')
    before = (record.get('source') or record['recipe'])['file']
    if before != recipe.filename:
        return Today(DIFFERS, f'it was installed from {before}, and {recipe.filename} becomes something else', lines)
    return Today(DIFFERS, f'{recipe.filename}, an override of it, or what it is adapted by has changed since it was '
                 'installed', lines)


def change_notice(module: str, path: str, site: Site, arguments: Iterable[str]) -> Optional[str]:
    """
    What `eb` says of an installed module that was asked for, and whose recipe has changed since: a line that says what
    to type; None where there is nothing to say.

    :param path: the recipe that is read
    :param arguments: of eb
    """
    words = list(arguments)
    named = {os.path.basename(word) for word in words if not word.startswith('-')}
    if os.path.basename(path) not in named or set(ANEW).intersection(words) or not site.index.module_file(module):
        return None
    found = since(module, path, site)
    if found.status != DIFFERS:
        return None
    return f'{module} is installed already, but {found.reason}: add --rebuild to install it again ' \
           f'("lumi-eb install {os.path.basename(path)}" shows what differs)'
