# SPDX-License-Identifier: GPL-2.0-only
"""The last look before a Python package is built: does what is loaded suffice, by the package's own metadata?"""
import os
from typing import Any, Iterator, Mapping, Set

from ...errors import LumiHooksError
from ...index import normal_name
from ...metadata import WHAT_TO_DO, missing, unfit, visible
from ...schemas import checked
from ...site import Site


def check(site: Site, app) -> None:
    """
    Compare what the sources of a package ask for with what is loaded: its modules are, already. Where the recipe does
    without EasyBuild's "pip check", which does the same when it is too late, nothing is compared.

    :raises LumiHooksError: something is too old or too new, or missing
    """
    root, pip = os.environ.get('CRAY_PYTHON_PREFIX'), set(checked('releases/pythonbuild.json')['easyblocks'])
    kinds = {kind.__name__ for kind in type(app).__mro__} | {str(app.cfg.get('exts_defaultclass'))}
    if not root or not kinds & pip or app.cfg.get('sanity_pip_check') is False:
        return
    minor = '.'.join(site.release.modules['cray-python'].split('.')[:2])
    path = [folder for folder in os.environ.get('PYTHONPATH', '').split(os.pathsep) if folder]
    there = visible([*path, os.path.join(root, 'lib', f'python{minor}', 'site-packages')])
    paths, own = list(_archives(app)), set(_own(app))
    wrong = unfit(paths, there, site, own) + missing(paths, there, site, own)
    if wrong:
        raise LumiHooksError(f'{app.name} {app.version} was not built: {"; ".join(wrong)}. {WHAT_TO_DO}')


def _own(app) -> Set[str]:
    """Normal names of what a recipe installs itself."""
    parts = [app.name, *(item.get('name') for item in app.exts), *(
        item[0] for kind in ('exts_list', 'components') for item in app.cfg.get(kind) or ()
        if isinstance(item, (list, tuple)) and item)]
    wheels = (os.path.basename(path).partition('-')[0] for path in _archives(app) if path.endswith('.whl'))
    return {normal_name(str(part)) for part in (*parts, *wheels)}


def _archives(app) -> Iterator[str]:
    """
    Paths of the sources of a package and of its extensions, as far as they have been fetched. What is patched, or
    edited by a command before pip, may ask for something else than its source says (ecbundle 2.5.0, deepTools 3.5.5),
    and is left to "pip check".
    """
    for item in (*(() if getattr(app, 'patches', ()) or _edited(app.cfg) else app.src), *app.exts):
        if item.get('patches') or _edited(item.get('options', {})):
            continue
        path = item.get('path') or item.get('src')
        if isinstance(path, str) and os.path.isfile(path):
            yield path


def _edited(options: Mapping[str, Any]) -> bool:
    """Does a command run before pip? One that only sets variables ends without &&."""
    return any('&&' in str(options.get(name) or '') for name in ('preconfigopts', 'prebuildopts', 'preinstallopts'))
