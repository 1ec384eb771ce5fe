# SPDX-License-Identifier: GPL-2.0-only
"""
The generations of environments in a prefix: my-md/1, my-md/2 … Each is an installation of its own and never changes.

`default`, a link next to the module files, says which one "module load my-md" loads (Lmod's documentation, "Picking
modules when there are multiple directories in MODULEPATH"). It is moved by a rename, when everything else is done.
"""
import contextlib
import os
import uuid
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..errors import DataError, LumiHooksError
from ..files import at, names_in, open_folder
from ..prefix import holder
from ..presence import root_of
from ..record.explanation import InstalledPackage
from ..site import Site
from .lock import read_lock, totals
from .recipe import LOCK, SPEC
from .text import ENDINGS

DEFAULT = 'default'
# generations that are kept: the one that is loaded, and the one before
KEPT = 2


@dataclass(frozen=True)
class Generation:
    """A generation that is installed. `default`: it is the one that is loaded by the name alone."""
    name: str
    number: int
    module_file: str
    folder: str
    lock: Mapping[str, Any]
    default: bool
    size: Tuple[int, int] = (0, 0)
    finished: str = ''

    @property
    def module(self) -> str:
        """Its full name."""
        return f'{self.name}/{self.number}'

    @property
    def spec(self) -> str:
        """Path of the copy of its spec; a link in its place leads to what is not this one's to show."""
        return next((path for path in (os.path.join(self.folder, SPEC + ending) for ending in ENDINGS)
                     if os.path.isfile(path) and not os.path.islink(path)), '')


    def as_json(self) -> Dict[str, Any]:
        """As plain data."""
        modules, packages = totals(self.lock)
        return {'module': self.module, 'default': self.default, 'folder': self.folder, 'modules': modules,
                'python_packages': packages, 'bytes': self.size[0], 'inodes': self.size[1],
                'finished': self.finished or None}


def generations(name: str, site: Site) -> List[Generation]:
    """The generations of an environment that are installed in the site's prefixes, the oldest first."""
    found: Dict[int, Tuple[str, str]] = {}
    for version, path in site.index.modules(name).items():
        root = root_of(site.index.module_text(f'{name}/{version}')) if version.isdecimal() else None
        if root and holder(path, site.prefixes) and os.path.isfile(os.path.join(root, LOCK)):
            found[int(version)] = path, root
    if not found:
        return []
    chosen = _default(os.path.dirname(found[max(found)][0]))
    if chosen not in found:
        chosen = max(found)
    return [_generation(name, number, *found[number], number == chosen) for number in sorted(found)]


def _generation(name: str, number: int, path: str, root: str, default: bool) -> Generation:
    record: Mapping[str, Any] = {}
    with contextlib.suppress(LumiHooksError):
        record = InstalledPackage.read(root).record or {}
    size = record.get('size') or {}
    return Generation(name, number, path, root, read_lock(LOCK, root), default,
                      (size.get('bytes', 0), size.get('inodes', 0)), (record.get('times') or {}).get('finished') or '')


def environments(site: Site) -> List[str]:
    """The names of all environments in the site's prefixes, sorted."""
    trees = [path for path in site.index.modulepath if holder(path, site.prefixes)]
    names = {name for tree in trees for name in names_in(tree) if not name.startswith('.')
             and any(entry.removesuffix('.lua').isdecimal() for entry in names_in(os.path.join(tree, name)))}
    found = []
    for name in sorted(names):
        with contextlib.suppress(DataError):  # what is damaged is told where it is named
            found += [name] if generations(name, site) else []
    return found


def current(name: str, site: Site) -> Optional[Generation]:
    """The generation that is loaded by the name alone, None where none is installed."""
    return next((item for item in generations(name, site) if item.default), None)


def chosen(what: str, site: Site) -> Generation:
    """
    The generation that is meant by NAME or NAME/NUMBER.

    :raises LumiHooksError: there is none
    """
    name, _, number = what.partition('/')
    found = generations(name, site)
    if not found:
        known = environments(site)
        raise LumiHooksError(f'there is no environment {name} in {", ".join(site.prefixes)}: '
                             + (f'there are {", ".join(known)}' if known else '"lumi-eb env create" makes one'))
    if not number:
        return next(item for item in found if item.default)
    for item in found:
        if str(item.number) == number:
            return item
    raise LumiHooksError(f'{name} has no generation {number}: it has {", ".join(str(item.number) for item in found)}')


def next_number(name: str, site: Site) -> int:
    """The number of the generation that comes next: no number is used twice, not that of a removed one either."""
    used = [int(version) for version in (*site.index.modules(name), *site.index.fallen(name)) if version.isdecimal()]
    return max(used, default=0) + 1


def make_default(generation: Generation) -> None:
    """
    "module load NAME" loads this generation from now on; in one step.

    :raises LumiHooksError: the folder of modules can't be written
    """
    folder = os.path.dirname(generation.module_file)
    try:
        with open_folder(folder) as place:
            new = at(place, f'.{DEFAULT}.{uuid.uuid4().hex[:8]}~')
            os.symlink(os.path.basename(generation.module_file), new)
            os.replace(new, at(place, DEFAULT))
    except OSError as err:
        raise LumiHooksError(f'{generation.module} cannot be made the default: {err.strerror} ({folder})') from err


def superfluous(found: List[Generation]) -> List[Generation]:
    """Those that need not be kept: all but the default and the newest of the others, KEPT in all."""
    kept = [item for item in found if item.default]
    kept += [item for item in reversed(found) if not item.default][:KEPT - len(kept)]
    return [item for item in found if item not in kept]


def _default(folder: str) -> Optional[int]:
    """The number that the link says; None where there is none, or it leads elsewhere."""
    try:
        target = os.readlink(os.path.join(folder, DEFAULT))
    except OSError:
        return None
    number = target[:-4] if target.endswith('.lua') else target
    return int(number) if number.isdecimal() else None
