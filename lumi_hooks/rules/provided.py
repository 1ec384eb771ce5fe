# SPDX-License-Identifier: GPL-2.0-only
"""Can a Cray module stand in for what a recipe asks for? By version, by flavour, and by what a Python carries."""
from typing import Iterator, Mapping, Optional, Tuple

from .. import sites
from ..backends import load_backends, stands_for
from ..dependency import SYSTEM, Dependency
from ..packages import Treatment, package, treatment, uses
from ..releases import load_upstream
from ..selection import same_era
from ..site import Site
from ..versions import version_key
from .carried import stand_ins
from .draft import Draft

_SERIAL, _PARALLEL = ('serial', 'nompi'), ('mpi', 'parallel')


def why_built(draft: Draft, site: Site, dependency: Dependency, found: Treatment) -> Optional[str]:
    """
    Why a Cray module can't stand in for a dependency, so that it is built; None where it can.

    By the package's policy for versions (`versions` in its data file), by what the depending package needs at least
    (`needs` in that one's), and for Python packages by what cray-python carries.
    """
    if found.verb == 'python':
        return stand_ins(draft, site, dependency, found)[1] or None
    if found.verb == 'module':
        return _why_not_held(draft, site, dependency, found)
    need = package(draft.name).get('needs', {}).get(dependency.name)
    if found.verb == 'drop':  # the package may link it as a library
        return str(need['reason']) if need else None
    if found.verb != 'cray':
        return None
    module = next((site.cray[name] for name in (*found.serial, *found.parallel)
                   if name in site.cray and dependency.name in site.cray[name].provides), None)
    if module is None:
        return None
    if need and version_key(module.upstream_version) < version_key(need.get('min', '')):
        return f'{draft.name} needs at least {need["min"]} ({need["reason"]}), and the release has {module.full_name}'
    asked = dependency.version
    policy = found.versions or {}
    if policy.get('policy') == 'same-major' and asked[:1].isdigit() \
            and version_key(asked)[:1] != version_key(module.upstream_version)[:1]:
        return f'{module.full_name} does not stand in for {dependency.name} {asked}: {policy["reason"]}'
    return None


def _why_not_held(draft: Draft, site: Site, dependency: Dependency, found: Treatment) -> Optional[str]:
    """
    Why a module of build tools does not do: the site has none, or its interface breaks between the version that it
    holds and the one that sources are written for (by the package's `breaks`, else with a major version).
    """
    module = found.module['name'] if found.module else ''
    if module not in (load_backends()['name'], *sites.site()['tools']):
        return f'{sites.name()} has no module {module}'
    held = stands_for(setuptools_variant(draft, site)).get(dependency.name)
    if not found.versions or not held or not dependency.version[:1].isdigit() \
            or same_era(dependency.name, held, dependency.version):
        return None
    return f'{module} holds {dependency.name} {held}: {found.versions["reason"]}'


def brought(python: Dependency, site: Site) -> Mapping[str, str]:
    """The packages that upstream's Python of a version brings, by its own recipe; empty where upstream has none."""
    return next((site.index.extensions(source) for source in site.index.sources('Python')
                 if (source.version, source.versionsuffix) == (python.version, python.versionsuffix)), {})


def setuptools_variant(draft: Draft, site: Site) -> str:
    """
    Suffix of the variant of the build back ends that a recipe gets: with a newer setuptools than cray-python's where
    upstream's Python, which the recipe was made with, brings one.
    """
    facts = load_backends()['setuptools']
    made_with = next((brought(item, site).get('setuptools', '0') for item in draft.recipe.dependencies()
                      if item.name == 'Python'), '0')
    return str(facts['suffix']) if version_key(made_with) >= version_key(facts['min']) else ''


def stand_in(found: Treatment, site: Site, setuptools: str = '') -> Dependency:
    """
    The dependency on the module that stands in for a build tool.

    :param setuptools: suffix of the variant, where the module has any
    """
    module = found.module or {}
    minor = '.'.join(site.release.modules['cray-python'].split('.')[:2])
    suffix = module['versionsuffix'].format(python_minor=minor, setuptools=setuptools)
    return Dependency(module['name'], module['version'], suffix, SYSTEM)


def flavour(draft: Draft, site: Site, dependency: Dependency, found: Treatment) -> Tuple[Tuple[str, ...], str]:
    """The modules that stand in for a dependency, and what is to be said of the choice."""
    if not found.serial or not found.parallel or found.serial == found.parallel:
        return found.serial or found.parallel, ''
    known = uses(draft.name, 'parallel-io')
    if known:
        names = found.parallel if known['value'] else found.serial
        return names, f' ({"parallel" if known["value"] else "serial"}: {known["reason"]})'
    if parallel(draft, site, dependency):
        return found.parallel, ' (parallel, as MPI is used)'
    return found.serial, ' (serial, as MPI is not used)'


def parallel(draft: Draft, site: Site, dependency: Dependency) -> bool:
    """
    Is the parallel (MPI) flavour of a library meant? By the suffix of the dependency; else it is if the recipe uses
    MPI, or if upstream's own dependency is the one built with MPI (half of the recipes on top of parallel HDF5 do
    not say usempi).
    """
    parts = dependency.versionsuffix.split('-')
    for words, answer in ((_SERIAL, False), (_PARALLEL, True)):
        if set(words) & set(parts):
            return answer
    if draft.option('usempi'):
        return True
    toolchains = load_upstream()['toolchains']
    toolchain = dependency.toolchain or draft.upstream_toolchain
    facts = toolchains.get(toolchain[0])
    if not facts or not facts['mpi']:
        return False
    sources = [source for source in site.index.sources(dependency.name)
               if (source.version, source.versionsuffix) == (dependency.version, dependency.versionsuffix)]
    generation = next((source.generation for source in sources if source.toolchain == toolchain), None)
    if generation or not sources:
        return True
    return any(toolchains[source.toolchain[0]]['mpi'] for source in sources if source.toolchain)


def notes(draft: Draft, site: Site) -> Iterator[str]:
    """What is built although the Cray PE has such a thing: each dependency with the reason, and the recipe itself."""
    own = treatment(draft.name)
    if own and own.verb == 'cray':
        names = ' or '.join(dict.fromkeys(site.release.module(name) for name in (*own.serial[-1:], *own.parallel[-1:])
                                          if name in site.release.modules))
        yield f'{own.reason} as {names}: other recipes use that, and this one is needed only where it does not suffice'
    for _, dependency in draft.each():
        found = None if dependency.external else treatment(dependency.name)
        why = why_built(draft, site, dependency, found) if found else _although(dependency, site)
        if why:
            yield f'{dependency} is built: {why}'


def _although(dependency: Dependency, site: Site) -> Optional[str]:
    """Why a dependency is built although a Cray module holds it (`built_although` in its data file)."""
    entry = package(dependency.name).get('built_although')
    if dependency.external or not entry or entry['module'] not in site.release.modules:
        return None
    return f'{site.release.module(entry["module"])} does not stand in for it: {entry["reason"]}'
