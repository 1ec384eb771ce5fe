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
import easybuild.easyblocks.generic

_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# folder of easyblocks with fixes -> upstream's package that they are looked up in
FIXES = {
    os.path.join(_OWN, 'fixes'): easybuild.easyblocks,
    os.path.join(_OWN, 'fixes_generic'): easybuild.easyblocks.generic,
}

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
    for folder, package in FIXES.items():
        if folder not in package.__path__:
            package.__path__.insert(0, folder)
    classes = {}
    for name, (own, lookup) in EASYBLOCKS.items():
        module = importlib.import_module(own, __package__.rpartition('.')[0])
        # EasyBuild imports by this name, also where it has no entry points
        sys.modules[lookup] = module
        classes[name] = module.register(getattr(module, name))
    return classes


def upstream_class(name, module):
    """
    The class of an easyblock that a file in fixes/ replaces.

    The module it comes from is a copy of our own: nothing else sees it.

    :param name: name of the class, e.g. EB_HPCC or MesonNinja
    :param module: name of the file without .py, e.g. hpcc
    :raises ImportError: this EasyBuild has no such easyblock
    """
    package = easybuild.easyblocks if name.startswith('EB_') else easybuild.easyblocks.generic
    for folder in package.__path__:
        path = os.path.join(folder, module + '.py')
        if os.path.isfile(path) and not os.path.abspath(path).startswith(_OWN + os.sep):
            spec = importlib.util.spec_from_file_location('lumi_hooks_upstream_' + module, path)
            found = importlib.util.module_from_spec(spec)
            # EasyBuild copies the source of every class of an easyblock, and finds it by its module
            sys.modules[spec.name] = found
            spec.loader.exec_module(found)
            return getattr(found, name)
    # in the words by which EasyBuild tells an easyblock that is not there from one that is broken
    raise ImportError("No module named '%s.%s'" % (package.__name__, module))
