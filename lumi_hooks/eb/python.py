# SPDX-License-Identifier: GPL-2.0-only
"""The last look before a Python package is built: does what is loaded suffice, by the package's own metadata?"""
import os
from typing import Iterator

from ..central import normal_name
from ..errors import LumiHooksError
from ..metadata import WHAT_TO_DO, at_hand, too_old
from ..site import Site


def check(site: Site, app) -> None:
    """
    Compare what the sources of a package ask for with what is loaded. Its modules are loaded already.

    :raises LumiHooksError: something is too old
    """
    env = os.environ
    if 'EBROOTPYTHON' not in env and 'CRAY_PYTHON_PREFIX' not in env:
        return
    there = at_hand(site, env.get('EBVERSIONSCIPYMINBUNDLE', ''))
    if 'mpi4py' in there:
        there['mpi4py'] = env.get('EBVERSIONMPI4PY') or there['mpi4py']
    wrong = too_old(_archives(app), there, site, {normal_name(str(item.get('name', ''))) for item in app.exts})
    if wrong:
        raise LumiHooksError(f'{app.name} {app.version} was not built: {"; ".join(wrong)}. {WHAT_TO_DO}')


def _archives(app) -> Iterator[str]:
    """Paths of the sources of a package and of its extensions, as far as they have been fetched."""
    for item in (*app.src, *app.exts):
        path = item.get('path') or item.get('src')
        if isinstance(path, str) and os.path.isfile(path):
            yield path
