# SPDX-License-Identifier: GPL-2.0-only
"""An EasyBuild by its files: its versions, its easyblocks, and what is to be said of its collection of recipes."""
import glob
import os
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from . import sites
from .loaded import OUR_EB, RECIPES, recipes, roots, started
from .schemas import checked
from .versions import version_key

# how `Collection.origin` is put in words
LOADED, NAMED, PYTHON, GIVEN = 'loaded', 'named by LUMI_HOOKS_UPSTREAM', 'of this Python', 'given'


@dataclass(frozen=True)
class Collection:
    """
    A collection of upstream's recipes: what a survey or a plan is true of.

    :ivar folders: where it lies
    :ivar easybuild: the version of EasyBuild that it was released with, None where nothing says it
    :ivar origin: LOADED, NAMED, PYTHON or GIVEN
    """
    folders: Tuple[str, ...]
    easybuild: Optional[str]
    origin: str

    def __str__(self) -> str:
        if not self.folders:
            return 'none'
        if self.easybuild and self.origin != GIVEN:
            return f'EasyBuild {self.easybuild} ({self.origin})'
        return f'{", ".join(self.folders)} ({self.origin})'

    def recipes(self) -> int:
        """How many recipes it holds; every folder of it is listed."""
        number = 0
        for folder in self.folders:
            for _, below, files in os.walk(folder):
                # hidden folders, and archives of recipes that nobody uses any more, hold none that count
                below[:] = [name for name in below if not name.startswith('.') and name != '__archive__']
                number += sum(name.endswith('.eb') for name in files)
        return number

    def as_json(self) -> Dict[str, Any]:
        """As plain data."""
        return {'easybuild': self.easybuild, 'origin': self.origin, 'folders': list(self.folders),
                'recipes': self.recipes()}


def easyblocks(env: Mapping[str, str] = os.environ) -> Optional[str]:
    """The folder with the easyblocks of the loaded EasyBuild, None where it is not found."""
    for root in roots(env):
        found = _packages(root, os.path.join('easybuild', 'easyblocks'))
        if found:
            return found[0]
    return None


def version(root: str, part: str = 'easyconfigs') -> Optional[str]:
    """
    The version of a part of EasyBuild in an installation or in a clone of its repository; None where nothing says it.

    :param part: `framework`, `easyblocks` or `easyconfigs`
    """
    for path in _packages(root, f'easybuild[_-]{part}-*-info'):
        match = re.match(rf'easybuild[_-]{part}-(\d[\w.]*?)(?:-py[\d.]+)?\.(?:dist|egg)-info$', os.path.basename(path))
        if match:
            return match[1]
    try:
        with open(os.path.join(root, 'setup.py'), encoding='utf-8') as handle:
            match = re.search(r'^VERSION = [\'"](\d[\w.]*)', handle.read(), re.M)
    except (OSError, UnicodeDecodeError):
        return None
    return match[1] if match else None


def too_old(env: Mapping[str, str] = os.environ) -> Optional[str]:
    """What to do where the loaded EasyBuild is older than all that lumi-hooks was tried with; None where it is not."""
    oldest = min(checked('eb/patches/known.json')['easybuild'], key=version_key)
    found = next(filter(None, (version(root, 'framework') for root in roots(env))), None)
    if found is None or version_key(found) >= version_key(oldest):
        return None
    script = os.path.join(os.path.dirname(OUR_EB), 'own-easybuild')
    return f'EasyBuild {found} is loaded, and lumi-hooks requires {oldest}: "{script} ${sites.variable("prefix")} ' \
           f'{oldest}" installs that into the prefix, and the module lumi-hooks, loaded again, uses it'


def _packages(root: str, name: str) -> List[str]:
    """What a Python installation has among its packages; the newest Python's first."""
    return sorted(glob.glob(os.path.join(glob.escape(root), 'lib*', 'python3*', 'site-packages', name)), reverse=True)


def collection(folders: Sequence[str], env: Mapping[str, str] = os.environ) -> Collection:
    """
    What is to be said of folders with upstream's recipes.

    :param folders: as `catalogue.upstream_recipes` gives them, or others
    """
    folders = tuple(folders)
    named = tuple(path for path in env.get('LUMI_HOOKS_UPSTREAM', '').split(os.pathsep) if path)
    if folders == tuple(recipes(env)):
        origin = LOADED if started(env) or env.get('EBROOTEASYBUILD') else PYTHON
    else:
        origin = NAMED if folders == named else GIVEN
    found = None
    if len(folders) == 1 and os.path.realpath(folders[0]).endswith(os.sep + RECIPES):
        found = version(os.path.dirname(os.path.dirname(os.path.realpath(folders[0]))))
    return Collection(folders, found, origin)
