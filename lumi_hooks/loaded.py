# SPDX-License-Identifier: GPL-2.0-only
"""
The EasyBuild that is loaded: where it is installed, and which recipes it brings.

`eb` and lumi-eb ask here, so that they see the same recipes, whatever else the Python of either one holds. The
environment alone decides: no process is started.
"""
import os
import shutil
import site as python_site
import sys
from typing import List, Mapping, Optional

from .data import ROOT
from .site import is_lumi

# the eb that the module lumi-hooks puts onto PATH: it starts the next one there, with the hooks
OUR_EB = os.path.join(os.path.dirname(ROOT), 'libexec', 'eb')
RECIPES = os.path.join('easybuild', 'easyconfigs')


def roots(env: Mapping[str, str] = os.environ) -> List[str]:
    """
    Folders that the loaded EasyBuild may be installed in, the likeliest first: that of the module EasyBuild, unless
    another `eb` comes first on PATH. Without any `eb`, and without LUMI's modules, that of this Python.
    """
    module, eb = env.get('EBROOTEASYBUILD'), started(env)
    if eb:
        own = [os.path.dirname(os.path.dirname(path)) for path in (os.path.realpath(eb), os.path.abspath(eb))]
        inside = module and (os.path.realpath(eb) + os.sep).startswith(os.path.realpath(module) + os.sep)
        found = [module, *own] if inside else [*own, module]
    elif module:
        found = [module]
    else:
        found = [] if is_lumi(env) else [sys.prefix, python_site.getuserbase()]
    return list(dict.fromkeys(path for path in found if path))


def started(env: Mapping[str, str]) -> Optional[str]:
    """The `eb` that runs (its script says where it is), or else would run; not ours, which starts another one."""
    if env.get('EB_SCRIPT_PATH'):
        return env['EB_SCRIPT_PATH']
    ours = os.path.realpath(OUR_EB)
    folders = [folder for folder in env.get('PATH', '').split(os.pathsep)
               if folder and os.path.realpath(os.path.join(folder, 'eb')) != ours]
    return shutil.which('eb', path=os.pathsep.join(folders))


def recipes(env: Mapping[str, str] = os.environ) -> List[str]:
    """The folder with the recipes of the loaded EasyBuild, as a list: empty where there is none."""
    for root in roots(env):
        path = os.path.realpath(os.path.join(root, RECIPES))
        if os.path.isdir(path):
            return [path]
    return []
