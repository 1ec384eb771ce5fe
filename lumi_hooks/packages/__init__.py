# SPDX-License-Identifier: GPL-2.0-only
"""
What is known about single packages, as data: one small file a package, and groups of packages treated alike.

<name>.json may hold
  as_dependency  what stands in for it where a recipe depends on it (verb cray, python, drop, module or refuse)
  uses           whether it uses what its upstream toolchain brings along (mpi, blas, fft, rocm), or parallel HDF5
                 and netCDF (parallel-io), where that is known
  dependencies   what its own dependencies become here: needed for the build only, left out, or added
  parameters     parameters of its recipe that are otherwise here
  words          words in its options and commands that are otherwise here
  needs          what it needs at least of a library that the Cray PE provides, of a bundle that cray-python carries, or
                 of the packages that upstream's Python brings
  python         the Python versions that it works with (min, below)
  version        how its version follows the release: any (the default), same-major, same-minor, exact, between the
                 breaks of its interface, the newest of its major version, or not newer than that of another package
  built_although a Cray module that holds it and does not stand in for it
  downloads      what it fetches while it is built
  verify         rules of lumi-eb verify that judge its installation otherwise
  serial         its variant without MPI, which a recipe depends on that uses no MPI itself
groups.json says the same once for many packages. A package's own file wins over its group.
"""
import os
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Dict, FrozenSet, Mapping, Optional, Tuple

from .. import sites
from ..data import ROOT
from ..errors import DataError
from ..schemas import checked


@dataclass(frozen=True)
class Treatment:
    """What to do where a recipe depends on a package, and why."""
    verb: str
    reason: str
    link: Optional[str] = None
    serial: Tuple[str, ...] = ()
    parallel: Tuple[str, ...] = ()
    module: Optional[Mapping[str, str]] = None
    code: Optional[str] = None
    uses: Optional[str] = None
    versions: Optional[Mapping[str, str]] = None
    lists: Tuple[str, ...] = ()
    members: Optional[Mapping[str, Mapping[str, str]]] = None
    helpers: Tuple[str, ...] = ()
    toolchains: Tuple[str, ...] = ()
    rest: Optional[str] = None
    base: Tuple[str, ...] = ()
    folder: Optional[str] = None
    variant: Optional[Mapping[str, Any]] = None


@lru_cache(maxsize=None)
def package(name: str) -> Mapping[str, Any]:
    """What is known about a package, by its own file; empty where there is none."""
    if f'{name}.json' not in _files():
        return {}
    path = os.path.join('packages', f'{name}.json')
    found: Mapping[str, Any] = sites.filled(checked(path))
    if found.get('name') != name:
        raise DataError(f'{path}: its name is "{found.get("name")}", the file says "{name}"')
    return found


@lru_cache(maxsize=None)
def _files() -> FrozenSet[str]:
    """The files of packages, listed once: to look for each name would be a round trip each on Lustre."""
    return frozenset(os.listdir(os.path.join(ROOT, 'packages')))


@lru_cache(maxsize=None)
def _groups() -> Mapping[str, Any]:
    return sites.filled(checked('packages/groups.json'))


@lru_cache(maxsize=None)
def members() -> Mapping[str, Mapping[str, Any]]:
    """
    The packages that are treated as a group: name -> the group's entry, with its name. What an operating system may
    have counts where the site says that its own has it.
    """
    found: Dict[str, Mapping[str, Any]] = {}
    system = sites.read('machine.json').get('operating_system', {}).get('provides', ())
    for group, entry in _groups()['groups'].items():
        for name in entry['members']:
            if entry.get('operating_system') and name not in system:
                continue
            found[name] = dict(entry, group=group)
    return found


@lru_cache(maxsize=None)
def treatment(name: str) -> Optional[Treatment]:
    """
    What to do with a dependency on that package; None where it is installed like any other.
    """
    entry = package(name).get('as_dependency') or members().get(name)
    if not entry:
        return None
    # of a group, its members are those that are treated so
    known = {field.name for field in fields(Treatment)} - ({'members'} if 'group' in entry else set())
    found: Dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
                             if key in known}
    return Treatment(**found)


def uses(name: str, what: str) -> Optional[Mapping[str, Any]]:
    """Is it known whether a package uses mpi, blas or fft? {"value": bool, "reason": text}, or None."""
    found = package(name).get('uses', {}).get(what)
    return found or next((entry for entry in _groups()['uses']
                          if entry['what'] == what and name in entry['members']), None)
