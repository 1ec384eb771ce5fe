# SPDX-License-Identifier: GPL-2.0-only
"""Where things lie that a session needs: our plugin folders, upstream's recipes, the site's own hooks file."""
import glob
import importlib.util
import os
import re
import sys
from typing import List, Mapping

from .. import sites
from ..data import ROOT

CHECKOUT = os.path.dirname(ROOT)


def plugin_package(folder: str):
    """
    One of our plugin folders (toolchains, easyblocks) as a package, from an installation or from a checkout.

    :raises ImportError: it is in neither
    """
    name = f'lumi_hooks_{folder}'
    if name in sys.modules:
        return sys.modules[name]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as err:
        if err.name != name:
            raise
    path = os.path.join(CHECKOUT, folder)
    spec = importlib.util.spec_from_file_location(name, os.path.join(path, '__init__.py'),
                                                  submodule_search_locations=[path])
    if spec is None or spec.loader is None or not os.path.isfile(os.path.join(path, '__init__.py')):
        raise ImportError(f'lumi-hooks is incomplete: it has no folder {folder}')
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def chained_hooks(ours: str, env: Mapping[str, str] = os.environ) -> List[str]:
    """
    The hooks files that are to run behind ours, in this order: those of $LUMI_HOOKS_CHAIN (a list like PATH; empty:
    none), else the one that $EASYBUILD_HOOKS names, else the newest of the site's own that is not newer than the stack.

    :param ours: path of our own hooks file
    """
    if 'LUMI_HOOKS_CHAIN' in env:
        return [path for path in env['LUMI_HOOKS_CHAIN'].split(os.pathsep) if path]
    named = env.get('EASYBUILD_HOOKS')
    if named and named != ours and os.path.realpath(named) != os.path.realpath(ours):
        return [named]
    schemes = env.get('EASYBUILD_INCLUDE_MODULE_NAMING_SCHEMES', '')
    stack = schemes.partition('/easybuild/tools/')[0]
    found = []
    own = sites.site().get('hooks')
    for path in glob.glob(os.path.join(stack, 'easybuild', 'hooks', own)) if stack and own else ():
        match = re.search(r'-(\d\d\.\d\d)\.py$', path)
        if match and match.group(1) <= env.get(sites.variable('stack'), '99'):
            found.append(path)
    return [max(found)] if found else []
