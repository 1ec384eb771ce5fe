# SPDX-License-Identifier: GPL-2.0-only
"""
What is true of each Cray PE release: data files, read once. What a site adds to them: sites/.

cpe/<release>.json       the Cray modules of a release and their versions
rocm.json                how software is built with ROCm here: targets, GTL, libraries, names of modules
toolchains.json          the cpe* toolchains: which modules they load
modules.json             what each Cray module provides, and which variable holds its prefix
libraries.json           what the libraries of the Cray modules are called, by version and toolchain
mpi.json                 names of MPI libraries, and which MPICH a Cray MPICH is like; mpisymbols.json: functions
upstream.json            upstream's toolchains, their compiler families, and generations
compilers.json           what a newer compiler no longer takes, and the option that makes it take it again
rewording.json           rules that replace words in commands and options
python/<version>.json    the Python packages that a cray-python carries
"""
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Mapping, Optional, Tuple

from .. import sites
from ..data import ROOT
from ..errors import DataError
from ..schemas import checked
from ..versions import version_key


@dataclass(frozen=True)
class Release:
    """One release of the Cray PE, as the site installs it."""
    name: str
    cpe: str
    modules: Mapping[str, str]
    generation: str
    easybuild: str
    default: bool
    installation: str
    source: str

    def module(self, name: str) -> str:
        """
        Full name of a Cray module, pinned to this release, e.g. cray-mpich/8.1.32.

        :raises DataError: the release has no such module
        """
        try:
            return f'{name}/{self.modules[name]}'
        except KeyError:
            raise DataError(f'release {self.name} of the Cray PE has no module {name}') from None

    def __hash__(self):
        return hash(self.name)


@dataclass(frozen=True)
class CrayModule:
    """What a Cray module provides to EasyBuild: upstream names, version and the variable of its prefix."""
    name: str
    version: str
    provides: Tuple[str, ...]
    prefix: str
    upstream_version: str

    @property
    def full_name(self) -> str:
        """Module name with its version."""
        return f'{self.name}/{self.version}'


def release_names() -> Tuple[str, ...]:
    """Names of the releases that the site has, oldest first."""
    if sites.site()['releases']:
        return tuple(sorted(sites.site()['releases']))
    folder = os.path.join(ROOT, 'releases', 'cpe')
    return tuple(sorted(name[:-5] for name in os.listdir(folder) if name.endswith('.json')))


@lru_cache(maxsize=None)
def load_release(name: str) -> Release:
    """
    The release of that name, e.g. 25.03.

    :raises DataError: unknown release; the message lists the known ones
    """
    if name not in release_names():
        raise DataError(f'unknown release "{name}" of the Cray PE; known are {", ".join(release_names())}')
    data, here = checked(f'releases/cpe/{name}.json'), sites.site()['releases'].get(name, {})
    data = {**data, **here, 'modules': {**data['modules'], **here.get('modules', {})}}
    return Release(data['release'], data['cpe'], data['modules'], data['generation'], data['easybuild'],
                   data['default'], data['installation'], data['source'])


def default_release() -> Release:
    """The release that the site makes the default."""
    return next(rel for rel in map(load_release, release_names()) if rel.default)


@lru_cache(maxsize=None)
def load_machine() -> Mapping:
    """Facts of the machine: partitions, targets, driver window (machine.json)."""
    found: Mapping = sites.read('machine.json')
    return found


@lru_cache(maxsize=None)
def load_rocm() -> Mapping:
    """How software is built with ROCm on the machine (rocm.json)."""
    return {**checked('releases/rocm.json'), **sites.site()['rocm']}


@lru_cache(maxsize=None)
def load_toolchains() -> Mapping:
    """The cpe* toolchains as data (toolchains.json)."""
    return checked('releases/toolchains.json')


@lru_cache(maxsize=None)
def load_upstream() -> Mapping:
    """Upstream's toolchains and generations as data (upstream.json)."""
    return sites.filled(checked('releases/upstream.json'))


def family_of(toolchain: str) -> Mapping:
    """The compiler family of an upstream toolchain, as data; empty where nothing of it is refused."""
    data = load_upstream()
    return data['families'].get(data['toolchains'].get(toolchain, {}).get('family'), {})


def refused_family(toolchain: str) -> bool:
    """Is every recipe with this upstream toolchain refused?"""
    return bool(family_of(toolchain).get('refused'))


@lru_cache(maxsize=None)
def cray_modules(release_name: str) -> Mapping[str, CrayModule]:
    """What the Cray modules of a release provide, by module name."""
    release, known = load_release(release_name), checked('releases/modules.json')['modules']
    found = {}
    for name, entry in known.items():
        if name in release.modules:
            version = release.modules[name]
            upstream = '.'.join(version.split('.')[:entry['upstream_components']])
            found[name] = CrayModule(name, version, tuple(entry['provides']), entry['prefix'], upstream)
    return found


@lru_cache(maxsize=None)
def library_suffix(module: str, release_name: str, toolchain: str) -> str:
    """
    What the names of a Cray module's libraries end in on a release, for a toolchain: gnu_123, gnu, cray …

    :raises DataError: the release has no such module, or nothing is known of so old a version
    """
    version = load_release(release_name).module(module).partition('/')[2]
    known = checked('releases/libraries.json')['products'].get(module, {'versions': []})['versions']
    found = [names for names in known if version_key(names['from']) <= version_key(version)]
    if not found:
        raise DataError(f'releases/libraries.json has no names for {module}/{version}')
    return found[-1]['suffix'].get(toolchain, '')


@lru_cache(maxsize=None)
def library_versions(release_name: str) -> Mapping[str, Tuple[str, ...]]:
    """
    The versions of each library in the site's own stack for a release (empty where no list exists).

    :return: name -> versions
    """
    return {name: tuple(versions) for name, versions in _stack(release_name).get('libraries', {}).items()}


@lru_cache(maxsize=None)
def library_variants(release_name: str) -> Mapping[str, Mapping[str, Any]]:
    """
    The libraries that the site's own stack for a release has under a suffix where upstream has none, as the same thing.

    :return: name -> {"suffix", "reason"}, and `others`: other suffixes of upstream's -> the site's
    """
    found: Mapping[str, Mapping[str, Any]] = _stack(release_name).get('variants', {})
    return found


@lru_cache(maxsize=None)
def central_bundles(release_name: str) -> Mapping[str, Mapping]:
    """
    The modules of the site's own stack for a release that hold several of upstream's packages.

    :return: name -> {"members": {name: version}, "reason", "link"}
    """
    found: Mapping[str, Mapping] = _stack(release_name).get('provides', {})
    return found


def _stack(release_name: str) -> Mapping[str, Any]:
    """What the site's own stack holds for a release; empty where no list exists."""
    path = f'versions/{release_name}.json'
    return sites.read(path) if sites.has(path) else {}


@lru_cache(maxsize=None)
def python_packages(version: str) -> Mapping[str, Mapping]:
    """
    The packages that a cray-python carries (empty where no list exists).

    :param version: of cray-python, as in its module name
    :return: normal name (central.normal_name) -> {"version", "verified"}
    """
    path = f'releases/python/{version}.json'
    if not os.path.exists(os.path.join(ROOT, path)):
        return {}
    packages: Mapping[str, Mapping] = checked(path)['packages']
    return packages


@lru_cache(maxsize=None)
def load_compilers() -> Mapping:
    """What compilers no longer take, as data (compilers.json)."""
    return checked('releases/compilers.json')


@lru_cache(maxsize=None)
def load_provided() -> Mapping:
    """The names that something answers to here: toolchain options … (provided.json)."""
    return sites.filled(checked('releases/provided.json'))


def compiler_family(name: str) -> Mapping:
    """
    A compiler family by its name (compilers.json).

    :raises DataError: it is not known
    """
    found = load_compilers()['families']
    if name not in found:
        raise DataError(f'releases/compilers.json knows no family "{name}"; known are {", ".join(found)}')
    return found[name]


def generation_of(toolchain: str, version: str) -> Optional[str]:
    """Upstream's generation (2025a …) of a toolchain, None where it has none."""
    data = load_upstream()
    if toolchain in ('GCC', 'GCCcore'):
        return next((gen for gen, gcc in data['generations'].items() if gcc == version), None)
    return version if version in data['generations'] else None
