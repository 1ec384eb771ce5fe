# SPDX-License-Identifier: GPL-2.0-only
"""What upstream's Python brings besides Python, and cray-python does not: to build packages, and for them to run."""
import os
from functools import lru_cache
from typing import Any, Iterator, Mapping, Optional, Set

from ..backends import load_backends
from ..central import normal_name
from ..change import Change
from ..dependency import Dependency
from ..errors import DataError
from ..files import read_text
from ..packages import package, treatment
from ..recipe import read_recipe
from ..releases import load_upstream, python_packages
from ..schemas import checked
from ..selection import choose_version
from ..site import Site
from ..versions import version_key
from .base import rule
from .draft import DEPENDENCY_LISTS, Draft
from .provided import stand_in

RUN_TIME = 'python-run-time'


@lru_cache(maxsize=None)
def _data() -> Mapping[str, Any]:
    return checked('releases/pythonbuild.json')


def _present(draft: Draft):
    return [item for parameter in DEPENDENCY_LISTS for item in draft.dependencies(parameter)]


def _python(draft: Draft, site: Site) -> Optional[Dependency]:
    """Upstream's Python that a recipe of packages built by pip was made with, where cray-python stands in for it."""
    if not _easyblocks(draft) & set(_data()['easyblocks']) \
            or Dependency.external_module(site.release.module('cray-python')) not in _present(draft):
        return None
    return next((item for item in draft.recipe.dependencies() if item.name == 'Python'), None)


def _easyblocks(draft: Draft) -> Set[str]:
    """The easyblock of a recipe; of a bundle, those of its extensions and components."""
    of = draft.parameters.get
    if of('easyblock') != 'Bundle':
        return {str(of('easyblock'))}
    own = [item[2].get('easyblock') for item in of('components') or ()
           if isinstance(item, (list, tuple)) and len(item) > 2 and isinstance(item[2], dict)]
    return {str(name) for name in (of('exts_defaultclass'), of('default_easyblock'), *own)}


def _brought(python: Dependency, site: Site) -> Mapping[str, str]:
    """The packages that upstream's Python of a version brings, by its own recipe; empty where upstream has none."""
    return next((site.index.extensions(source) for source in site.index.sources('Python')
                 if (source.version, source.versionsuffix) == (python.version, python.versionsuffix)), {})


def setuptools_variant(draft: Draft, site: Site) -> str:
    """
    Suffix of the variant of the build back ends that a recipe gets: with a newer setuptools than cray-python's where
    upstream's Python, which the recipe was made with, brings one.
    """
    facts = load_backends()['setuptools']
    made_with = next((_brought(item, site).get('setuptools', '0') for item in draft.recipe.dependencies()
                      if item.name == 'Python'), '0')
    return str(facts['suffix']) if version_key(made_with) >= version_key(facts['min']) else ''


@rule('python-build-tools', 'upstream\'s Python brings setuptools, setuptools-scm, wheel and flit-core to build '
      'packages with, cray-python older ones or none')
def python_build_tools(draft: Draft, site: Site):
    """What pip builds gets the module of build back ends, in the variant by the setuptools it was made with."""
    if _python(draft, site) is None:
        return
    found = treatment('setuptools')
    if not found or not found.module:
        raise DataError('packages/groups.json: no module is named for setuptools, which the build back ends hold')
    variant = setuptools_variant(draft, site)
    tools = stand_in(found, site, variant)
    if tools not in _present(draft):
        facts = load_backends()['setuptools'] if variant else {}
        newer = f': {facts["reason"]}' if variant else ''
        yield Change('builddependencies', None, tools, 'python-build-tools',
                     f'what upstream\'s Python brings for building packages{newer}', facts.get('link'))


@rule(RUN_TIME, 'upstream\'s Python brings packages that others need when they run, cray-python older ones or none')
def python_run_time(draft: Draft, site: Site):
    """
    What pip builds gets the packages of upstream's Python that it may need at run time, from upstream's recipes of
    them: by what the package is known to need (`needs` in its data file), else all that cray-python is not known to
    carry as new, as nothing in a recipe says which of them are needed.
    """
    python = _python(draft, site)
    brought = _brought(python, site) if python else {}
    own = {normal_name(draft.name)}
    # what upstream's Python is made of can't stand on it
    if python is None or own & set(brought):
        return
    own |= {normal_name(item[0]) for item in draft.parameters.get('exts_list') or ()
            if isinstance(item, (list, tuple)) and item and isinstance(item[0], str)}
    need = package(draft.name).get('needs', {}).get('Python')
    for name, entry in _data()['run_time'].items():
        if need:
            least, why = need.get('packages', {}).get(name), need
        else:
            least = brought.get(name) if entry['when'] == 'always' else None
            why = dict(entry, reason=f'upstream\'s Python {python.version} brings {name}: {entry["reason"]}')
        if least and name in brought and name not in own and not _carries(site, name, least):
            yield from _added(draft, site, entry['module'], why['reason'], why.get('link'))
    yield from _bundle(draft, site, brought)


def _carries(site: Site, name: str, least: str) -> bool:
    """Is cray-python known to carry a package, by major and minor version as new?"""
    entry = python_packages(site.release.modules['cray-python']).get(name)
    return bool(entry and entry['verified'] and version_key(entry['version'])[:2] >= version_key(least)[:2])


def _added(draft: Draft, site: Site, module: str, reason: str, link: Optional[str]) -> Iterator[Change]:
    """A dependency more, where the recipe has none of that name and upstream has a recipe of it."""
    if module == draft.name or module in {item.name for item in draft.dependencies('dependencies')} \
            or not (site.index.sources(module) or site.index.own_sources(module)):
        return
    chosen = choose_version(Dependency(module, ''), site)
    yield Change('dependencies', None, Dependency(module, chosen.version), RUN_TIME, reason, link)


def _bundle(draft: Draft, site: Site, brought: Mapping[str, str]) -> Iterator[Change]:
    """
    Upstream's Python once brought a hundred packages more, which are a bundle of their own since. A recipe of that
    time gets the bundle where upstream's next recipe of the software, made without them, names it.
    """
    facts = _data()['bundle']
    if not any(name in brought for name in facts['told_by']):
        return
    order = list(load_upstream()['generations'])
    bundles = {source.generation for source in site.index.sources(facts['module'])}
    since = next((place for place, generation in enumerate(order) if generation in bundles), len(order))
    later = [source for source in site.index.sources(draft.name) if source.generation in order[since:]]
    source = min(later, key=lambda source: (order.index(source.generation), source.path), default=None)
    # to read a text is cheap, to read a recipe is not: most do not name it
    if source and facts['module'] in read_text(source.path) \
            and any(item.name == facts['module'] for item in read_recipe(source.path).dependencies()):
        yield from _added(draft, site, facts['module'], f'{facts["reason"]}: {os.path.basename(source.path)} names it',
                          facts.get('link'))
