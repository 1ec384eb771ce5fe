# SPDX-License-Identifier: GPL-2.0-only
"""From one adapted recipe to everything that has to be derived for it."""
from typing import Dict, List, Optional, Tuple

from .adapt import REFUSED, adapt
from .change import Adaptation
from .dependency import SYSTEM, Dependency
from .gpu import site_for_dependency
from .recipe import read_recipe
from .selection import own_recipe, source_recipe
from .site import Site


class Closure:
    """
    The derived recipes that are needed at a site, each adapted once.

    `refused` holds, by module name, why something can't be installed.
    """

    def __init__(self, site: Site):
        self.site = site
        self.derived: Dict[str, Adaptation] = {}
        self.refused: Dict[str, str] = {}

    def follow(self, adaptation: Adaptation) -> Tuple[Adaptation, ...]:
        """
        Adapt what `adaptation` depends on and what that depends on, leaving out what is installed and what has a
        recipe of LUMI's or the user's own.

        :return: the derived recipes that were not known yet, dependencies first
        """
        found: List[Adaptation] = []
        for parameter in ('dependencies', 'builddependencies'):
            for dependency in adaptation.dependencies(parameter):
                derived = self._derive(dependency, adaptation.toolchain[0])
                if derived is None:
                    continue
                if derived.status == REFUSED:
                    self._refuse(adaptation, f'it needs {derived.recipe.filename}: {derived.reason}')
                    continue
                if derived.module not in self.derived:
                    self.derived[derived.module] = derived
                    found.extend(self.follow(derived))
                    found.append(derived)
                if derived.module in self.refused:
                    self._refuse(adaptation, f'it needs {derived.module}, and {self.refused[derived.module]}')
        return tuple(found)

    def _refuse(self, adaptation: Adaptation, reason: str) -> None:
        """Note why something can't be installed, beside what is noted already."""
        known = self.refused.get(adaptation.module)
        if not known or reason not in known:
            self.refused[adaptation.module] = f'{known}; {reason}' if known else reason

    def module(self, dependency: Dependency, toolchain: str = '') -> str:
        """
        Module name of a dependency at the site.

        :param toolchain: name of the toolchain of what has the dependency; the site's where not given
        """
        if dependency.external:
            return str(dependency.module)
        version = dependency.version.replace('%(toolchain_version)s', self.site.toolchain_version)
        middle = '' if dependency.toolchain == SYSTEM \
            else f'-{toolchain or self.site.toolchain}-{self.site.toolchain_version}'
        return f'{dependency.name}/{version}{middle}{dependency.versionsuffix}'

    def _derive(self, dependency: Dependency, toolchain: str) -> Optional[Adaptation]:
        """The derived recipe for a dependency, None where nothing is to be derived."""
        if dependency.external or dependency.toolchain == SYSTEM:
            return None
        site = site_for_dependency(dependency, self.site, toolchain)
        module = self.module(dependency, site.toolchain)
        if module in self.derived:
            return self.derived[module]
        name, version, suffix = dependency.name, dependency.version, dependency.versionsuffix
        if self.site.index.module_file(module) or own_recipe(name, version, suffix, site):
            return None
        source = source_recipe(name, version, suffix, site)
        return adapt(read_recipe(source.path), site) if source else None
