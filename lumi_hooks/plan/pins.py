# SPDX-License-Identifier: GPL-2.0-only
"""
Do the Cray modules that recipes name exist? Against the release data, and on LUMI against the module tree:
EasyBuild itself looks for external modules when it builds, and not before.
"""
import os
from functools import cached_property
from typing import Dict, Iterable, Iterator, Optional, Sequence, Set

from .. import sites
from ..dependency import Dependency
from ..fabric.matrix import unproven
from ..index import is_archive, module_version
from ..prefix import holder
from ..releases import load_machine
from ..rules.rocm_system import rocm_problem
from ..site import Site


class Pins:
    """The Cray modules of a site."""

    def __init__(self, site: Site):
        self.site, self.whose = site, f'{sites.name()}\'s own recipe'

    def problem(self, dependency: Dependency) -> Optional[str]:
        """Why a Cray module can't be loaded at the site; None where it can."""
        name, version = dependency.name, dependency.version
        release, machine = self.site.release, load_machine()
        targets = {target for facts in machine['partitions'].values() for target in facts['targets']}
        if name in machine['unversioned_modules'] or name in machine['target_modules'] or name in targets:
            wrong = None
        elif name == 'rocm':
            wrong = rocm_problem(version, self.site)
        elif name == 'libfabric':
            here = machine['libfabric']['version']
            wrong = None if version in ('', here) else f'the machine has libfabric/{here}'
        elif name not in release.modules:
            wrong = self._elsewhere(dependency)
        elif version not in ('', release.modules[name]):
            wrong = f'release {release.name} of the Cray PE has {name}/{release.modules[name]}'
        else:
            wrong = None
        if wrong:
            return f'the module {dependency.module} is not there: {wrong}'
        if self.tree is not None and name in self.site.cray and not self._in_tree(dependency):
            return f'the module {dependency.module} belongs to release {release.name} of the Cray PE, and this ' \
                   'machine\'s module tree does not hold it: tell the support team'
        return None

    def vouched(self, dependency: Dependency, recipe: str) -> bool:
        """
        Is a recipe to be believed that a module is there, of which the release data says otherwise? LUMI's own is: LUMI
        knows its machine, and keeps modules of several releases. Not where the module tree itself is here to be asked.

        :param recipe: path of the recipe that loads it
        """
        return self.lumis(recipe) and (self.tree is None or self._in_tree(dependency))

    def lumis(self, recipe: str) -> bool:
        """Is a recipe file LUMI's own: in a folder of recipes that belongs to no prefix, and is no archive?"""
        folder = next((path for path in self.site.index.recipes if recipe.startswith(os.path.join(path, ''))), None)
        return folder is not None and not is_archive(folder) and holder(folder, self.site.prefixes) is None

    def loaded(self, dependency: Dependency) -> str:
        """Full name of the module that is loaded for a Cray module: one that is named without its version is pinned."""
        version = dependency.version or self.site.release.modules.get(dependency.name)
        return f'{dependency.name}/{version}' if version else dependency.name

    def unproven(self, modules: Iterable[str]) -> Iterator[str]:
        """Of Cray modules that recipes load: which are not known to fit together, or with the release's MPI."""
        ours, loaded = self.site.release.modules, dict(module.partition('/')[::2] for module in modules)
        versions = {**{name: ours[name] for name in ('cray-mpich',) if name in ours},
                    **{name: version or ours.get(name, '') for name, version in loaded.items()}}
        for pair in unproven(versions):
            yield f'{pair.what} with {pair.other} is not proven: {pair.reason} ({pair.source})'

    def _elsewhere(self, dependency: Dependency) -> Optional[str]:
        """A module that is none of the Cray PE's: it is right if the module tree holds it."""
        if self.tree is None or not self._in_tree(dependency):
            return f'release {self.site.release.name} of the Cray PE has no module of that name'
        return None

    def _in_tree(self, dependency: Dependency) -> bool:
        there = (self.tree or {}).get(dependency.name, set()) | set(self.site.index.modules(dependency.name))
        return dependency.version in there if dependency.version else bool(there)

    @cached_property
    def tree(self) -> Optional[Dict[str, Set[str]]]:
        """Versions by name of all modules in the Cray PE's module tree; None where none is on the MODULEPATH."""
        roots = cray_roots(self.site.index.modulepath)
        return module_tree(roots) if roots else None


def cray_roots(modulepath: Sequence[str]) -> Sequence[str]:
    """
    Roots of the Cray PE's hierarchical module trees: a branch of it comes onto the MODULEPATH when the compiler or
    MPI that it belongs to is loaded, so all of it is looked at.
    """
    middle = os.path.join('lmod', 'modulefiles')
    found = [path.partition(middle)[0] + middle for path in modulepath
             if f'{os.sep}{os.path.join("pe", middle)}{os.sep}' in path]
    return tuple(dict.fromkeys(found))


def module_tree(roots: Sequence[str]) -> Dict[str, Set[str]]:
    """Versions by name of the modules below folders, whichever branch they lie in."""
    found: Dict[str, Set[str]] = {}
    for root in roots:
        for folder, _, files in os.walk(root):
            for name in files:
                version = module_version(name)
                if version:
                    found.setdefault(os.path.basename(folder), set()).add(version)
    return found
