# SPDX-License-Identifier: GPL-2.0-only
"""Which class EasyBuild finds for the easyblocks of this package.

LUMI includes an easyblock CrayPEToolchain of its own, of the same file name; EasyBuild takes the file that is
included first.

A folder, not a file: --include-easyblocks 'easyblocks/*.py' takes every file for an easyblock.
"""

import importlib
import importlib.util
import os
import sys

import easybuild.easyblocks

# easyblock class -> (module of this package, module where EasyBuild looks for the class)
EASYBLOCKS = {
    'CrayPEToolchain': ('.craypetoolchain', 'easybuild.easyblocks.generic.craypetoolchain'),
}


def supersede():
    """Make EasyBuild use the easyblocks of this package, whatever was included before.

    Can be called any number of times.

    :return: dictionary of easyblock name -> class now in use
    """
    # looked at before upstream's folders, and read only when a recipe asks for one of them
    fixes = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'fixes')
    if fixes not in easybuild.easyblocks.__path__:
        easybuild.easyblocks.__path__.insert(0, fixes)
    classes = {}
    for name, (own, lookup) in EASYBLOCKS.items():
        module = importlib.import_module(own, __package__.rpartition('.')[0])
        # EasyBuild imports by this name, also where it has no entry points
        sys.modules[lookup] = module
        classes[name] = module.register(getattr(module, name))
    return classes


def upstream_class(name, module):
    """
    The class of an easyblock that a file in fixes/ takes the place of.

    :param name: name of the class, e.g. EB_HPCC
    :param module: name of the file without .py, e.g. hpcc
    :raises ImportError: this EasyBuild has no such easyblock
    """
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for folder in easybuild.easyblocks.__path__:
        path = os.path.join(folder, module + '.py')
        if os.path.isfile(path) and not os.path.abspath(path).startswith(own + os.sep):
            spec = importlib.util.spec_from_file_location('lumi_hooks_upstream_' + module, path)
            found = importlib.util.module_from_spec(spec)
            # EasyBuild copies the source of every class of an easyblock, and finds it by its module
            sys.modules[spec.name] = found
            spec.loader.exec_module(found)
            return getattr(found, name)
    raise ImportError("this EasyBuild has no easyblock %s" % module)
