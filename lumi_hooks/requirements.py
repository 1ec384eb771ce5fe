# SPDX-License-Identifier: GPL-2.0-only
"""
What Python packages need when they run, by their own metadata (requirements.json, written by ci/requirements).

Facts are of some versions of a package. What an older version asks for a newer one is taken to ask for at least. Which
packages are needed, and what they have to be below, is taken to be known of a version that is recorded, or lies between
two that need the same. What is not known is not guessed: it is read from the package itself, once its source is there,
before it is built.
"""
from functools import lru_cache
from typing import Any, Dict, Iterable, List, Mapping, Tuple

from .index import normal_name
from .schemas import checked
from .versions import bound, version_key

# the easyblocks whose recipe is a package of its own name
PACKAGE = ('PythonPackage', 'VersionIndependentPythonPackage', 'CargoPythonPackage')


@lru_cache(maxsize=None)
def _facts() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Package, by normal name -> version -> what it needs, by normal name -> `versions.bound`."""
    found: Mapping[str, Mapping[str, Mapping[str, str]]] = checked('requirements.json')['packages']
    return found


def of_package(name: str, version: str) -> Tuple[Mapping[str, str], bool]:
    """
    What a version of a package needs, as far as it is known, and whether that is all.

    :return: normal name -> bound, as of `versions.bound`
    """
    known = _facts().get(normal_name(name), {})
    order = sorted(known, key=version_key)
    older = [item for item in order if version_key(item) <= version_key(version)]
    newer = [item for item in order if version_key(item) >= version_key(version)]
    if not older:
        return (dict.fromkeys(known[newer[0]], ''), False) if newer else ({}, False)
    before, after = known[older[-1]], known[newer[0]] if newer else {}
    sure = {name: its if its == after.get(name) else its.partition(',')[0] for name, its in before.items()}
    return sure, bool(newer) and set(before) == set(after)


def of_recipe(name: str, version: str, parameters: Mapping[str, Any]) -> Tuple[Mapping[str, str], bool]:
    """
    What a recipe of Python packages needs of others, as far as it is known, and whether that is all.

    :param parameters: of the recipe
    """
    packages = list(of_parameters(name, version, parameters))
    found: Dict[str, str] = {}
    complete = bool(packages)
    for one, its_version in packages:
        needs, all_of_it = of_package(one, its_version)
        complete = complete and all_of_it
        for needed, its in needs.items():
            found[needed] = bound(f'{found.get(needed, "")},{its}')
    own = {normal_name(one) for one, _ in packages}
    return {needed: its for needed, its in found.items() if needed not in own}, complete


def of_parameters(name: str, version: str, parameters: Mapping[str, Any]) -> Iterable[Tuple[str, str]]:
    """Name and version of the Python packages that a recipe installs."""
    listed: List[Tuple[str, str]] = [(str(item[0]), str(item[1])) for item in parameters.get('exts_list') or ()
                                     if isinstance(item, (list, tuple)) and len(item) > 1]
    if parameters.get('easyblock') in PACKAGE:
        listed.append((name, version))
    return listed
