# SPDX-License-Identifier: GPL-2.0-only
"""A look at Python packages whose sources have been fetched: do numpy and its like suffice, by their own metadata?"""
import os
from typing import Iterable, Iterator, Mapping

from ..dependency import Dependency
from ..index import letter_of, normal_name
from ..metadata import BUNDLE, WHAT_TO_DO, at_hand, unfit
from ..prefix import source_folders
from ..requirements import of_parameters
from . import WARNING, Package, Situation, check, no_recipe


@check('python-packages', 'no Python package is known to need newer or older packages than it gets', no_recipe)
def python_packages(situation: Situation):
    """Which numpy a package needs may be said by its source alone, where that is there already."""
    packages = {package.name: package for package in situation.packages}
    folders = [path for path in situation.env.get('EASYBUILD_SOURCEPATH', '').split(os.pathsep) if path]
    folders += [folder for prefix in situation.site.prefixes for folder in source_folders(prefix)]
    for package in situation.packages:
        own = dict(of_parameters(package.name, str(package.parameters.get('version', '')), package.parameters))
        there = at_hand(situation.site, _bundle(package, packages, set()))
        for said in unfit(_fetched(package.name, own, folders), there, situation.site, set(map(normal_name, own))):
            yield WARNING, f'{package.module}: {said}. {WHAT_TO_DO}'


def _bundle(package: Package, packages: Mapping[str, Package], seen: set) -> str:
    """Version of the SciPy-bundle that is loaded with a package, by what is to be built; empty where none is."""
    seen.add(package.name)
    found = ''
    for item in Dependency.all_of(package.parameters.get('dependencies')):
        if item.name == BUNDLE:
            return item.version
        if item.name in packages and item.name not in seen:
            found = found or _bundle(packages[item.name], packages, seen)
    return found


def _fetched(name: str, own: Mapping[str, str], folders: Iterable[str]) -> Iterator[str]:
    """Paths of the archives of a recipe's packages, of those that are in folders of sources."""
    letter = letter_of(name)
    starts = tuple(f'{normal_name(one)}-{normal_name(version)}-' for one, version in own.items())
    for folder in folders:
        for place in (os.path.join(folder, letter, name), os.path.join(folder, letter, name, 'extensions')):
            try:
                files = sorted(os.listdir(place))
            except OSError:
                continue
            yield from (os.path.join(place, file) for file in files if normal_name(file).startswith(starts))
