# SPDX-License-Identifier: GPL-2.0-only
"""What Python packages are built with, which upstream's Python brings and cray-python does not (pythonbuild.json)."""
from functools import lru_cache
from typing import Any, Mapping

from ..change import Change
from ..data import load_json
from ..dependency import SYSTEM, Dependency
from ..packages import treatment
from ..selection import choose_version
from ..site import Site
from ..versions import version_key
from .base import rule
from .draft import DEPENDENCY_LISTS, Draft


@lru_cache(maxsize=None)
def _data() -> Mapping[str, Any]:
    return load_json('releases/pythonbuild.json')


@rule('python-build-tools', 'upstream\'s Python brings setuptools, wheel and flit-core to build packages with, '
      'cray-python older ones or none')
def python_build_tools(draft: Draft, site: Site):
    """What pip builds gets buildtools-python, as in LUMI's own recipes, and setuptools where it must be newer."""
    easyblock = draft.parameters.get('easyblock')
    if easyblock == 'Bundle':
        easyblock = draft.parameters.get('exts_defaultclass')
    python = next((item for item in draft.recipe.dependencies() if item.name == 'Python'), None)
    present = [item for parameter in DEPENDENCY_LISTS for item in draft.dependencies(parameter)]
    if easyblock not in _data()['easyblocks'] or python is None \
            or Dependency.external_module(site.release.module('cray-python')) not in present:
        return
    found = treatment('Cython')
    assert found and found.module
    minor = '.'.join(site.release.modules['cray-python'].split('.')[:2])
    tools = Dependency(found.module['name'], found.module['version'],
                       found.module['versionsuffix'].format(python_minor=minor), SYSTEM)
    if tools not in present:
        yield Change('builddependencies', None, tools, 'python-build-tools',
                     'what upstream\'s Python brings for building packages')
    facts = _data()['setuptools']
    made_with = facts['by_python'].get(python.version, '0')
    named = {item.name for item in present}
    if version_key(made_with) < version_key(facts['min']) or 'setuptools' in named or draft.name == 'setuptools':
        return
    chosen = choose_version(Dependency('setuptools', made_with), site)
    yield Change('builddependencies', None, Dependency('setuptools', chosen.version), 'python-build-tools',
                 f'the recipe was made with setuptools {made_with}: {facts["reason"]}', facts['link'])
