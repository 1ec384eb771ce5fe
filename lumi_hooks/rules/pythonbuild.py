# SPDX-License-Identifier: GPL-2.0-only
"""What upstream's Python brings besides Python, and cray-python does not: to build packages, and for them to run."""
import re
from functools import lru_cache
from typing import Any, Iterator, Mapping, Optional, Set

from ..backends import load_backends, stands_for
from ..change import Change, Refusal
from ..dependency import Dependency
from ..errors import DataError
from ..files import read_text
from ..index import normal_name
from ..packages import package, treatment
from ..recipe import read_recipe
from ..releases import generation_of, load_upstream, python_packages
from ..requirements import of_recipe
from ..schemas import checked
from ..selection import choose_version, same_era
from ..site import Site
from ..versions import suits
from .base import rule
from .carried import members, rest_of, stand_ins, unfit
from .draft import DEPENDENCY_LISTS, Draft
from .provided import brought, setuptools_variant, stand_in
from .texts import in_commands

RUN_TIME = 'python-run-time'
# sed -i 's/license = "MIT"/license = {text = "MIT"}/' pyproject.toml &&
_AS_TABLE = re.compile(r"""sed -i (['"])(?:(?!\1 ).)*\{ ?text = (?:(?!\1 ).)*\1 pyproject\.toml\s*&& ?""")


@lru_cache(maxsize=None)
def _data() -> Mapping[str, Any]:
    return checked('releases/pythonbuild.json')


def _present(draft: Draft):
    return [item for _, item in draft.each()]


def _python(draft: Draft, site: Site) -> Optional[Dependency]:
    """Upstream's Python that a recipe of packages built by pip was made with, where cray-python stands in for it."""
    if Dependency.external_module(site.release.module('cray-python')) not in _present(draft) \
            or not _easyblocks(draft) & set(_data()['easyblocks']):
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


@rule('python-build-tools', 'upstream\'s Python brings setuptools, setuptools-scm, wheel and flit-core to build '
      'packages with, cray-python older ones or none')
def python_build_tools(draft: Draft, site: Site):
    """What pip builds gets the module of build back ends, in the variant by the setuptools it was made with."""
    python = _python(draft, site)
    if python is None:
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
    for parameter, before, after in in_commands(draft, lambda text: _AS_TABLE.sub('', text)) if variant else ():
        yield Change(parameter, before, after, 'python-build-tools', 'build back ends since PEP 639 read a licence as '
                     'the project writes it, and reject the table of their predecessors next to license-files',
                     'https://peps.python.org/pep-0639/')
    cython = Dependency('Cython', brought(python, site).get('cython') or _bundled(draft, site).get('cython', ''))
    bound, named = package('Cython')['version'], {item.name for item in _present(draft)}
    if cython.version and not same_era('Cython', cython.version, stands_for(variant)['Cython']) \
            and 'Cython' not in named and _named_later(draft, site, 'Cython'):
        yield Change('builddependencies', None, Dependency('Cython', choose_version(cython, site).version),
                     'python-build-tools', f'the recipe was made with the Cython {cython.version} that upstream\'s '
                     f'Python brought: {bound["reason"]}', bound['link'])


def _bundled(draft: Draft, site: Site) -> Mapping[str, str]:
    """The packages of upstream's Python-bundle-PyPI of a recipe's generation, which some get by way of others."""
    mine = generation_of(*draft.upstream_toolchain)
    return next((site.index.extensions(source) for source in site.index.sources('Python-bundle-PyPI')
                 if mine and source.generation == mine), {})


def _named_later(draft: Draft, site: Site, tool: str) -> bool:
    """Does a later recipe of upstream's of a software, made with a Python that brings no build tool, name it?"""
    order = list(load_upstream()['generations'])
    mine = generation_of(*draft.upstream_toolchain)
    later = [source.path for source in site.index.sources(draft.name) if source.generation in order
             and mine in order and order.index(source.generation) > order.index(mine)]
    # to read a text is cheap, to read a recipe is not: most do not name it
    return any(tool in read_text(path) and any(item.name == tool for kind in DEPENDENCY_LISTS
                                               for item in read_recipe(path).dependencies(kind)) for path in later)


@rule(RUN_TIME, 'upstream\'s Python brings packages that others need when they run, cray-python older ones or none')
def python_run_time(draft: Draft, site: Site):
    """
    What pip builds gets Python-extras where it needs a package at run time that upstream's Python brings, and
    cray-python does not: by what is stated of it (`needs` in its data file), by its own metadata, and where neither is
    known. What it is known to need and Python-extras leaves out it gets as a module of its own, where there is one.
    """
    python = _python(draft, site)
    brings = brought(python, site) if python else {}
    # what upstream's Python is made of can't stand on it
    if python is None or normal_name(draft.name) in brings:
        return
    bounds, complete = of_recipe(draft.name, draft.version, draft.recipe.parameters)
    stated = package(draft.name).get('needs', {}).get('Python')
    extras = _data()['run_time']
    module = Dependency(extras['module'], choose_version(Dependency(extras['module'], ''), site).version)
    held = members(module, site)
    needed = dict(stated.get('packages', {})) if stated else bounds
    # what cray-python does not have, of what upstream's Python or Python-extras would give
    lacking = [name for name, bound in needed.items() if name in held and not _carries(site, name, bound)]
    refusal = unfit(draft, site, {name: needed[name] for name in lacking}, held, f'{module.name} {module.version}')
    if refusal:
        yield Refusal('python-packages', refusal, RUN_TIME)
        return
    if lacking or not (stated or complete):
        why = stated or dict(extras, reason=f'it needs {", ".join(sorted(lacking))}, by its own metadata' if complete
                             else extras['reason'])
        yield from _added(draft, site, extras['module'], why['reason'], why.get('link'))
    # what Python-extras leaves out of upstream's bundle may have a recipe of its own (cffi)
    for name in sorted(set(needed).intersection(_bundled(draft, site)).difference(held, brings)):
        if not _carries(site, name, needed[name]):
            yield from _added(draft, site, name, f'it needs {name}, by its own metadata, which upstream\'s recipe has '
                              'by way of Python-bundle-PyPI', None)
    yield from _scientific(draft, site, needed)


def _scientific(draft: Draft, site: Site, needed: Mapping[str, str]) -> Iterator[Change]:
    """
    What a recipe needs of SciPy-bundle's members without naming it: upstream's recipe of Seaborn has pandas by way of
    matplotlib, whose own recipe here needs no more than cray-python carries.
    """
    found = treatment('SciPy-bundle')
    rest = rest_of(found, site) if found else None
    if not found or not rest or {rest.name, 'SciPy-bundle'} & {item.name for item in draft.recipe.dependencies()}:
        return
    lacking = [name for name, bound in sorted(needed.items())
               if name in {*found.base, *members(rest, site)} and not _carries(site, name, bound)]
    if lacking:
        bundle = Dependency('SciPy-bundle', choose_version(Dependency('SciPy-bundle', ''), site).version)
        module = rest if rest in stand_ins(draft, site, bundle, found)[0] else bundle
        yield from _added(draft, site, module.name, f'it needs {", ".join(lacking)}, by its own metadata, which '
                          'upstream\'s recipe has by way of another dependency', None)


def _carries(site: Site, name: str, bound: str) -> bool:
    """Is cray-python known to carry a package, of a version that suits?"""
    entry = python_packages(site.release.modules['cray-python']).get(name)
    return bool(entry and entry['verified'] and suits(entry['version'], bound))


def _added(draft: Draft, site: Site, module: str, reason: str, link: Optional[str]) -> Iterator[Change]:
    """A dependency more, where the recipe has none of that name and there is a recipe of it."""
    if module == draft.name or module in {item.name for item in draft.dependencies('dependencies')} \
            or not (site.index.sources(module) or site.index.own_sources(module)):
        return
    chosen = choose_version(Dependency(module, ''), site)
    yield Change('dependencies', None, Dependency(module, chosen.version), RUN_TIME, reason, link)
