# SPDX-License-Identifier: GPL-2.0-only
"""
What an installation is, where it comes from, what would differ today, and how to repeat it: from its record, read as
data. Nothing is installed and no recipe but the installation's own source is read.
"""
import glob
import os
import re
from dataclasses import dataclass, replace
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .. import __version__
from ..adapt import REFUSED, adapt
from ..dependency import Dependency
from ..errors import LumiHooksError, TrustError
from ..files import read_text
from ..finding import find_recipe
from ..gpu import site_for_dependency
from ..prefix.closed import is_open
from ..presence import root_of
from ..recipe import Recipe, parse_recipe, read_recipe
from ..render import render
from ..site import Site, make_site
from ..store import with_checksums
from . import FOLDER, installations, read_record, software_folders
from .archive import differences

SAME, DIFFERS, IS_REFUSED, UNKNOWN = 'same', 'differs', 'refused', 'unknown'


@dataclass(frozen=True)
class Today:
    """
    What the same source recipe would become today: `status` SAME, DIFFERS, IS_REFUSED or UNKNOWN, why, and the lines
    that differ.
    """
    status: str
    reason: str
    differences: Tuple[str, ...] = ()

    def as_json(self) -> Dict[str, Any]:
        """As plain data."""
        return {'status': self.status, 'reason': self.reason, 'differences': list(self.differences)}


@dataclass(frozen=True)
class InstalledPackage:
    """An installation: its folder, its record (None: it has none), and its recipe as it was installed."""
    folder: str
    record: Optional[Mapping[str, Any]]
    recipe: Optional[str]

    @classmethod
    def read(cls, folder: str) -> 'InstalledPackage':
        """
        Read an installation.

        :raises LumiHooksError: there is none, or its record can't be used
        """
        folder = os.path.realpath(folder)
        if os.path.isdir(folder) and not is_open(folder):
            raise LumiHooksError(f'{folder} can\'t be read by you: "ls -ld" of it says whose it is, perhaps a group\'s '
                                 'that has the licence')
        if not os.path.isdir(os.path.join(folder, 'easybuild')):
            raise LumiHooksError(f'{folder} is not an installation of EasyBuild\'s: it has no folder easybuild')
        record = read_record(folder)
        recipes = sorted(glob.glob(os.path.join(glob.escape(os.path.join(folder, 'easybuild')), '*.eb')))
        if record:
            named = os.path.join(folder, 'easybuild', os.path.basename(record['recipe']['file']))
            recipes = [named] if named in recipes else []
        return cls(folder, record, recipes[0] if recipes else None)

    @property
    def module(self) -> str:
        """Name of its module."""
        return str(self.record['module']) if self.record else '/'.join(self.folder.split(os.sep)[-2:])

    @property
    def log(self) -> Optional[str]:
        """Its newest log, plain or compressed."""
        found = [path for path in glob.glob(os.path.join(glob.escape(os.path.join(self.folder, 'easybuild')),
                                                         'easybuild-*.log*')) if re.search(r'\.log(\.\w+)?$', path)]
        return max(found, key=os.path.getmtime, default=None)

    @property
    def source(self) -> Optional[str]:
        """The source recipe that it keeps."""
        kept = (self.record or {}).get('source') or {}
        path = os.path.join(self.folder, FOLDER, os.path.basename(kept.get('kept') or ''))
        return path if os.path.isfile(path) else None

    def patches(self) -> List[str]:
        """The patches that lie in it."""
        names = [os.path.basename(item['file']) for item in (self.record or {}).get('patches', ())]
        paths = [os.path.join(self.folder, 'easybuild', name) for name in names]
        return [path for path in paths if os.path.isfile(path)]


def find(what: str, site: Site, prefixes: Sequence[str], recipes: Sequence[str] = ()) -> List[InstalledPackage]:
    """
    The installations that are meant by a folder, a module or a recipe: `folders_of` them, read.

    :raises LumiHooksError: there is none, or one can't be read
    """
    return [InstalledPackage.read(folder) for folder in folders_of(what, site, prefixes, recipes)]


def folders_of(what: str, site: Site, prefixes: Sequence[str], recipes: Sequence[str] = ()) -> List[str]:
    """
    Folders of the installations that are meant by a folder, a module or a recipe.

    :param what: as the user says it
    :param prefixes: where to look, the first ones first
    :param recipes: folders to look for recipes in
    :raises LumiHooksError: there is none; the message says where it was looked for
    """
    if os.path.isdir(what):
        return [what]
    if os.path.isabs(what) and not what.endswith('.eb'):
        raise LumiHooksError(f'{what}: there is no such folder')
    found: List[str] = []
    if what.endswith('.eb'):
        found = [path for prefix in prefixes if prefix for path in _made_of(os.path.basename(what), prefix)]
        if not found:
            what = adapt(read_recipe(find_recipe(what, recipes)), site).module
    if not found:
        name, _, version = what.partition('/')
        found = list(_folders(name, version, site, prefixes))
    if not found:
        where = ', '.join(prefix for prefix in prefixes if prefix) or 'no prefix at all'
        raise LumiHooksError(f'{what} is not installed in {where}, nor among the modules that can be loaded now; '
                             'give its module as "module avail" shows it, or the folder of its installation')
    return list(dict.fromkeys(map(os.path.realpath, filter(is_open, found)))) or found[:1]


def _made_of(recipe: str, prefix: str) -> Iterator[str]:
    """Folders of installations that were made of a recipe of that file name, or derived from it."""
    for folder in software_folders(prefix):
        for path in installations(folder):
            try:
                record = read_record(path)
            except LumiHooksError:
                continue
            if record and recipe in (record['recipe']['file'], (record.get('source') or {}).get('file')):
                yield path


def _folders(name: str, version: str, site: Site, prefixes: Sequence[str]) -> Iterator[str]:
    if os.sep in name or name in ('', '.', '..') or os.sep in version:
        return
    for module, path in site.index.modules(name).items():
        if version in ('', module):
            root = _root(path)
            if root and (os.path.isdir(os.path.join(root, 'easybuild')) or os.path.isdir(root) and not is_open(root)):
                yield root
    for prefix in prefixes:
        for folder in software_folders(prefix) if prefix else ():
            for path in installations(folder, name):
                if version in ('', os.path.basename(path)):
                    yield path


def _root(module_file: str) -> Optional[str]:
    """The folder that a module file of EasyBuild's says it is for; the file is read, not run."""
    try:
        return root_of(read_text(module_file))
    except OSError:
        return None


def record_site(record: Mapping[str, Any], site: Site) -> Site:
    """
    The site that a record is about: the one given, with the record's release and partition, and with the toolchain and
    the variant (for the GPUs or not) of what was installed.

    :raises SiteError: this library does not know them any more
    """
    facts = record['site']
    same = (facts['release'], facts['partition'], facts['toolchain']) == (site.release.name, site.partition,
                                                                         site.toolchain)
    if not same:
        found = make_site(facts['release'], facts['partition'], facts['toolchain'], facts['mode'], facts['prefix'])
        site = replace(found, index=site.index, prefixes=site.prefixes, overrides=site.overrides)
    installed = Dependency(record['name'], record['version'], record['versionsuffix'])
    return site_for_dependency(installed, site, record['toolchain']['name'])


def today(installation: InstalledPackage, site: Site) -> Today:
    """What its source recipe would become now, compared with what it became then."""
    record = installation.record
    if not record or not installation.recipe:
        return Today(UNKNOWN, 'it has no record')
    try:
        then = read_recipe(installation.recipe)
        here = record_site(record, site)
        found = _now(installation, then, here)
    except TrustError as err:
        return Today(UNKNOWN, f'recorded, not yours: not evaluated ({err})')
    except LumiHooksError as err:
        return Today(UNKNOWN, str(err))
    if isinstance(found, Today):
        return found
    lines = tuple(differences(then, found))
    by = '' if record['library']['version'] == __version__ else f' (lumi-hooks {__version__} instead of ' \
                                                                f'{record["library"]["version"]})'
    if lines:
        return Today(DIFFERS, f'the rules and data of today make something else of the same source recipe{by}', lines)
    return Today(SAME, f'the same recipe would be installed today{by}')


def _now(installation: InstalledPackage, then: Recipe, site: Site):
    """The text that would be installed today, or a Today that says why there is none."""
    record = installation.record
    assert record
    if not record.get('source'):
        path = site.index.recipe(then.name, then.filename)
        if path is None:
            return Today(UNKNOWN, 'it was installed from a recipe as it is, which is not on the robot path now')
        return read_recipe(path).text
    if not installation.source:
        return Today(UNKNOWN, f'its source recipe {record["source"]["file"]} was not kept')
    adaptation = adapt(read_recipe(installation.source), site)
    if adaptation.status == REFUSED:
        return Today(IS_REFUSED, adaptation.reason)
    return render(with_checksums(adaptation), parse_recipe)
