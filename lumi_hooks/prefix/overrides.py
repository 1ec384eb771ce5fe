# SPDX-License-Identifier: GPL-2.0-only
"""
What users change of recipes without a copy of them: overrides/<name>.json in a prefix, with patches next to it.

They are data, checked against schemas/override.schema.json; the rule `override` (rules/override.py) applies them.
The most specific one counts (by version and toolchain, by version, by toolchain, by name alone), of equally specific
ones that of the nearer prefix.
"""
import hashlib
import os
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .. import trust
from ..data import load_json
from ..errors import DataError
from ..files import names_in
from ..schemas import schema
from ..schemas.plain import faults

FOLDER = 'overrides'
VARIABLE = 'LUMI_HOOKS_OVERRIDES'


@dataclass(frozen=True)
class Patch:
    """A patch next to an override: the file, its checksum, and how a recipe names it."""
    path: str
    sha256: str
    notation: Any

    @property
    def name(self) -> str:
        """Name of the file."""
        return os.path.basename(self.path)


@dataclass(frozen=True)
class Override:
    """One entry of a file of overrides; `entry` is as it stands there."""
    path: str
    entry: Mapping[str, Any] = field(compare=False)
    patches: Tuple[Patch, ...] = ()

    @property
    def reason(self) -> str:
        """Why, with the file that says it."""
        return f'{self.entry["reason"]} ({self.path})'

    @property
    def link(self) -> Optional[str]:
        """Where more is said."""
        return self.entry.get('link')

    def fits(self, version: str, toolchain: Tuple[str, str]) -> bool:
        """Is it for this version, and for this toolchain that it is installed with?"""
        name, _, release = self.entry.get('toolchain', '').partition('/')
        return self.entry.get('version', version) == version and (not name or name == toolchain[0]) \
            and (not release or release == toolchain[1])

    @property
    def specific(self) -> int:
        """How specific it is: version and toolchain, version, toolchain, nothing."""
        return 4 * ('version' in self.entry) + 2 * ('toolchain' in self.entry) \
            + ('/' in self.entry.get('toolchain', ''))


class Overrides:
    """
    The overrides of a site. A package's files are read when it is first asked for; what is wrong in them concerns no
    other package.

    :param folders: folders with files of overrides, nearest first
    """

    def __init__(self, folders: Sequence[str] = ()):
        self.folders = tuple(folders)
        self._known: Dict[str, Tuple[Override, ...]] = {}
        # each folder is listed once: to look for every recipe that is read would be round trips on Lustre
        self._files: Optional[Dict[str, List[str]]] = None

    def of(self, name: str) -> Tuple[Override, ...]:
        """
        All overrides of a package, nearest first.

        :raises DataError: a file of them is wrong, or not to be trusted; the message names it
        """
        if name not in self._known:
            self._known[name] = tuple(item for path in self._paths(name) for item in _read(path, name))
        return self._known[name]

    def mention(self, name: str) -> bool:
        """Is there a file of overrides for a package, right or wrong?"""
        return bool(self._paths(name))

    def _paths(self, name: str) -> Sequence[str]:
        """The files of overrides for a package, nearest first."""
        if self._files is None:
            self._files = {}
            for folder in self.folders:
                for entry in names_in(folder):
                    self._files.setdefault(entry, []).append(os.path.join(folder, entry))
        return self._files.get(f'{name}.json', ())

    def fitting(self, name: str, version: str, toolchain: Tuple[str, str]) -> List[Override]:
        """
        The overrides for a recipe, the one that counts most first.

        :param toolchain: that it is installed with
        :raises DataError: see `of`
        """
        found = [item for item in self.of(name) if item.fits(version, toolchain)]
        return sorted(found, key=lambda item: -item.specific)

    def names(self) -> List[str]:
        """Names of the packages that have overrides, sorted."""
        self._paths('')
        return sorted(entry[:-len('.json')] for entry in self._files or () if entry.endswith('.json'))


NONE = Overrides()


def overrides_of(prefixes: Sequence[str], env: Mapping[str, str] = os.environ) -> Overrides:
    """
    The overrides of a stack of prefixes: those in the folders of $LUMI_HOOKS_OVERRIDES (a list like PATH; of a
    repository that has a folder overrides/, that one) are the nearest, then those in the prefixes, top first.
    """
    named = [path for path in env.get(VARIABLE, '').split(os.pathsep) if path]
    folders = [os.path.join(path, FOLDER) if os.path.isdir(os.path.join(path, FOLDER)) else path for path in named]
    folders += [os.path.join(prefix, FOLDER) for prefix in prefixes]
    found = [folder for folder in dict.fromkeys(map(os.path.abspath, folders)) if os.path.isdir(folder)]
    return Overrides(found) if found else NONE


def _read(path: str, name: str) -> Iterator[Override]:
    """The entries of one file."""
    _check_trust(path)
    content = load_json(path)
    found = list(faults(content, schema('override')))
    if not found and content['name'] != name:
        found = [f'name is "{content["name"]}", and the file is named after "{name}"']
    if found:
        more = f' (and {len(found) - 1} more; lumi-eb check-data {path} tells them)' if len(found) > 1 else ''
        raise DataError(f'{path}: {found[0]}{more}')
    for entry in content['overrides']:
        yield Override(path, entry, tuple(_patch(path, item) for item in entry.get('patches', ())))


def _patch(path: str, item: Any) -> Patch:
    name = item if isinstance(item, str) else item['name']
    patch = os.path.join(os.path.dirname(path), name)
    _check_trust(patch)
    try:
        with open(patch, 'rb') as handle:
            digest = hashlib.sha256(handle.read()).hexdigest()
    except OSError as err:
        raise DataError(f'{path}: the patch {patch} cannot be read ({err.strerror})') from err
    return Patch(patch, digest, item)


def _check_trust(path: str) -> None:
    reason = trust.why_not(path)
    if reason:
        raise DataError(f'the override {path} is not taken: {reason}')
