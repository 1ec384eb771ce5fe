# SPDX-License-Identifier: GPL-2.0-only
"""What a Python package says that it needs: the metadata in its source (sdist) or wheel. Nothing of it is run."""
import os
import re
import tarfile
import zipfile
import zlib
from typing import Container, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

from .index import normal_name
from .packages import treatment
from .releases import python_packages
from .site import Site
from .versions import bound, suits, version_key, worded

BUNDLE = 'SciPy-bundle'
WHAT_TO_DO = f'LUMI_HOOKS_DISABLE=python-carried builds {BUNDLE} and Python-bundle-PyPI for it, as upstream has ' \
             'them; where these do not suit, take another version. "ci/requirements" makes it known for all'

# metadata is text of some pages; an archive of others may hold anything
_MOST = 1_000_000
_ENTRIES = 20_000
_NEED = re.compile(r'Requires-Dist:\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?')
_INSTALLED = re.compile(r'(.+?)-(\d[^-]*)(?:-.*)?\.(?:dist-info|egg-info|egg)')
# the conditions that are decided here: all others are left to pip
_PYTHON = re.compile(r'''python_version\s*(>=|<=|==|!=|<|>)\s*["']([0-9.]+)["']''')


def needs(path: str, python: str) -> Mapping[str, str]:
    """
    What a package needs when it runs, without extras, as far as its source or wheel says so.

    :param path: of the archive
    :param python: version of the interpreter
    :return: normal name -> bound, as of `versions.bound`; empty where the archive can't be read or says nothing
    """
    text = _text(path)
    found: Dict[str, str] = {}
    # the description follows behind an empty line
    for line in text.replace('\r\n', '\n').split('\n\n')[0].splitlines():
        match = _NEED.match(line)
        if match and _applies(match[3], python):
            name = normal_name(match[1])
            found[name] = bound(f'{found.get(name, "")},{match[2]}')
    return found


def at_hand(site: Site, bundle: str = '') -> Dict[str, str]:
    """
    Versions of the packages that a release's cray-python is known to carry, or that lie before them.

    :param bundle: version of the SciPy-bundle that is loaded too, where one is
    """
    carried, known = python_packages(site.release.modules['cray-python']), treatment(BUNDLE)
    found = {name: str(entry['version']) for name, entry in carried.items() if entry['verified']}
    return {**found, **((known.members or {}).get(bundle, {}) if known else {})}


def visible(folders: Iterable[str]) -> Dict[str, str]:
    """
    Versions of the packages that a Python finds, by the names of their metadata.

    :param folders: on its path, first one first
    """
    found: Dict[str, str] = {}
    for folder in folders:
        try:
            entries = sorted(os.listdir(folder))
        except OSError:
            continue
        for entry in entries:
            match = _INSTALLED.fullmatch(entry)
            if match:
                found.setdefault(normal_name(match[1]), match[2])
    return found


def missing(paths: Iterable[str], there: Container[str], site: Site, own: Container[str] = ()) -> List[str]:
    """What packages need and is not there, as clauses; parameters as of `unfit`, all that is there being known."""
    python = site.release.modules['cray-python']
    return [f'{os.path.basename(path)} needs {name}, by its own metadata, and it is not there'
            for path in paths for name in needs(path, python) if name not in there and name not in own]


def unfit(paths: Iterable[str], there: Mapping[str, str], site: Site, own: Container[str] = ()) -> List[str]:
    """
    What packages need newer or older than it is, as clauses.

    :param paths: of their sources and wheels
    :param there: versions of what is at hand
    :param own: normal names of what the recipe installs itself
    """
    python = site.release.modules['cray-python']
    return [f'{os.path.basename(path)} needs {name} {worded(its)}, by its own metadata, and {there[name]} is there'
            for path in paths for name, its in needs(path, python).items()
            if name in there and name not in own and not suits(there[name], its)]


def _applies(condition: Optional[str], python: str) -> bool:
    """Is a condition of a requirement met? One that is about more than the version of Python is not taken to be."""
    if not condition or not condition.strip():
        return True
    parts = [_PYTHON.fullmatch(part.strip(' ()')) for part in condition.split(' and ')]
    return all(part is not None and _compares(version_key(python)[:2], part[1], version_key(part[2])[:2])
               for part in parts)


def _compares(one: Tuple, sign: str, other: Tuple) -> bool:
    return {'>=': one >= other, '<=': one <= other, '==': one == other, '!=': one != other, '<': one < other,
            '>': one > other}[sign]


def _text(path: str) -> str:
    """The metadata of an archive: METADATA of a wheel, PKG-INFO at the top of a source; empty where there is none."""
    try:
        return next(_texts(path), b'').decode(errors='replace')
    except (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, tarfile.TarError, zipfile.BadZipFile,
            zlib.error):
        return ''


def _texts(path: str) -> Iterator[bytes]:
    if path.endswith(('.whl', '.zip')):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist()[:_ENTRIES]:
                if re.fullmatch(r'[^/]+\.dist-info/METADATA|[^/]+/PKG-INFO', name):
                    with archive.open(name) as stream:
                        yield stream.read(_MOST)
    elif path.endswith(('.tar.gz', '.tgz', '.tar.bz2', '.tar.xz')):
        with tarfile.open(path) as archive:
            for _, member in zip(range(_ENTRIES), archive):
                found = archive.extractfile(member) if member.isfile() \
                    and re.fullmatch(r'[^/]+/PKG-INFO', member.name) else None
                if found:
                    yield found.read(_MOST)
