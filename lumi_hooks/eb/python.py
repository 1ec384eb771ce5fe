# SPDX-License-Identifier: GPL-2.0-only
"""The last look before a Python package is built: does what is loaded suffice, by the package's own metadata?"""
import os
from typing import Iterator, Mapping

from .. import metadata
from ..errors import LumiHooksError
from ..packages import treatment
from ..releases import python_packages
from ..site import Site
from ..versions import version_key

BUNDLE = 'SciPy-bundle'


def loaded(site: Site, env: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """Versions of the packages that cray-python is known to carry, or the bundle that is loaded before it."""
    python = site.release.modules['cray-python']
    found = {name: str(entry['version']) for name, entry in python_packages(python).items() if entry['verified']}
    if 'mpi4py' in found and env.get('EBVERSIONMPI4PY'):
        found['mpi4py'] = env['EBVERSIONMPI4PY']
    bundle = treatment(BUNDLE)
    held = (bundle.members or {}).get(env.get('EBVERSIONSCIPYMINBUNDLE', ''), {}) if bundle else {}
    return {**found, **held}


def check(site: Site, app) -> None:
    """
    Compare what the sources of a package ask for with what is loaded. Its modules are loaded already.

    :raises LumiHooksError: something is too old
    """
    if 'EBROOTPYTHON' not in os.environ and 'CRAY_PYTHON_PREFIX' not in os.environ:
        return
    python, there = site.release.modules['cray-python'], loaded(site)
    own = {str(item.get('name', '')).lower() for item in app.exts}
    wrong = [f'{os.path.basename(path)} needs {name} {least} or newer, by its own metadata, and {there[name]} is loaded'
             for path in _archives(app) for name, least in metadata.needs(path, python).items()
             if name in there and name not in own and version_key(there[name]) < version_key(least)]
    if wrong:
        raise LumiHooksError(f'{app.name} {app.version} was not built: {"; ".join(wrong)}. LUMI_HOOKS_DISABLE='
                             f'python-carried builds {BUNDLE} for it, with a newer numpy; where that is too old '
                             'as well, take an older version. "ci/requirements" makes it known for all')


def _archives(app) -> Iterator[str]:
    """Paths of the sources of a package and of its extensions, as far as they have been fetched."""
    for item in (*app.src, *app.exts):
        path = item.get('path') or item.get('src')
        if isinstance(path, str) and os.path.isfile(path):
            yield path
