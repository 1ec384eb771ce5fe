# SPDX-License-Identifier: GPL-2.0-only
"""What cray-python carries of Python packages and bundles of them, and which module of ours holds the rest."""
from typing import Mapping, Optional, Tuple

from ..dependency import Dependency
from ..index import normal_name
from ..packages import Treatment, package
from ..releases import python_packages
from ..requirements import of_package, of_recipe
from ..selection import choose_version, source_recipe
from ..site import Site
from ..versions import suits, version_key, worded
from .draft import Draft


def stand_ins(draft: Draft, site: Site, dependency: Dependency, found: Treatment) \
        -> Tuple[Tuple[Dependency, ...], str]:
    """
    The modules that stand in for a Python package or a bundle of them: cray-python, where it carries all that is
    needed; with the module of ours that holds what it lacks (`rest` in the package's data), where that suffices.

    :return: them; none where it is built, and why
    """
    module = site.release.module('cray-python')
    if dependency.versionsuffix:
        return (), f'{dependency.name}{dependency.versionsuffix} is a variant'
    if found.toolchains and site.toolchain not in found.toolchains:
        return (), f'{module} is linked for {", ".join(found.toolchains)}, whose OpenMP run time is not the one of ' \
                   f'{site.toolchain}'
    python, rest = Dependency.external_module(module), rest_of(found, site)
    needed, carried = needs(draft, site, dependency, found), python_packages(site.release.modules['cray-python'])
    lacking = {name: why for name, bound in sorted(needed.items())
               for why in [_lacks(name, bound, carried, module, draft)] if why}
    if not lacking:
        return (python,), ''
    held = members(rest, site) if rest else {}
    # what the rest stands upon has to be carried
    base = [name for name in found.base if name in lacking]
    left = [why for name, why in lacking.items() if name in base or name not in held
            or not suits(held[name], needed[name])]
    return ((python, rest), '') if rest and not left else ((), left[0] if left else next(iter(lacking.values())))


def rest_of(found: Treatment, site: Site) -> Optional[Dependency]:
    """The module of ours that holds what cray-python lacks of a bundle; None where there is none for the site."""
    if not found.rest:
        return None
    version = choose_version(Dependency(found.rest, ''), site).version
    return Dependency(found.rest, version) if version else None


def members(rest: Dependency, site: Site) -> Mapping[str, str]:
    """The packages that a module of ours holds, by its recipe: normal name -> version."""
    source = source_recipe(rest.name, rest.version, rest.versionsuffix, site)
    return site.index.extensions(source) if source else {}


def needs(draft: Draft, site: Site, dependency: Dependency, found: Treatment) -> Mapping[str, str]:
    """
    What a recipe needs of a package or a bundle: by what is stated of it (`needs` in its data file), else by its own
    packages' metadata, else everything that is to be had, of any version.

    :return: normal name -> bound, as of `versions.bound` (empty: any version)
    """
    stated = package(draft.name).get('needs', {}).get(dependency.name)
    if stated:
        return dict(stated.get('packages', {normal_name(dependency.name): stated.get('min')}))
    bounds, complete = of_recipe(draft.name, draft.version, draft.recipe.parameters)
    own, rest = normal_name(dependency.name), rest_of(found, site)
    held = members(rest, site) if rest else {}
    if own in held or not held:
        return {own: bounds.get(own, '')}
    every = {*found.base, *held}
    if complete:
        # what no module of ours holds may still be needed of the bundle
        for version in (found.members or {}).values():
            every.update(name for name in version if name not in found.helpers)
    return {name: bounds.get(name, '') for name in every if name in bounds or not complete}


def unfit(draft: Draft, site: Site, bounds: Mapping[str, str], held: Mapping[str, str], module: str) -> Optional[str]:
    """
    Why the release can't have what a recipe needs: a newer or older package than the module for the release holds.

    :param bounds: normal name -> bound, as of `versions.bound`
    :param held: normal name -> version
    """
    for name, bound in sorted(bounds.items()):
        if name in held and not suits(held[name], bound):
            asked = {source.version: of_package(draft.name, source.version)[0].get(name, bound)
                     for source in site.index.sources(draft.name)}
            fits = [one for one, its in asked.items() if suits(held[name], its)]
            other = f'version {max(fits, key=version_key)} of it fits' if fits else 'another version of it may fit'
            return f'{draft.name} {draft.version} needs {name} {worded(bound)}, and the one for release ' \
                   f'{site.release.name} is {held[name]} ({module}): {other}'
    return None


def _lacks(name: str, bound: str, carried: Mapping[str, Mapping], module: str, draft: Draft) -> Optional[str]:
    """Why cray-python can't stand in for a package; None where it can."""
    entry = carried.get(name)
    if not entry or not entry['verified']:
        waits = ', until its list is captured on the machine (lumi-eb capture)' if entry else ''
        return f'{draft.name} may need {name}, and {module} is not known to carry it{waits}'
    if not suits(entry['version'], bound):
        return f'{draft.name} needs {name} {worded(bound)}, and {module} has {entry["version"]}'
    return None
