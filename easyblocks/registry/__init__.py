# SPDX-License-Identifier: GPL-2.0-only
"""Which class EasyBuild finds for the easyblocks of this package.

LUMI includes an easyblock CrayPEToolchain of its own, of the same file name; EasyBuild takes the file that is
included first.

A folder, not a file: --include-easyblocks 'easyblocks/*.py' takes every file for an easyblock.
"""

import importlib
import os
import sys

import easybuild.easyblocks
import easybuild.easyblocks.generic

OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# folder of easyblocks with fixes -> upstream's package that they are looked up in
FIXES = {
    os.path.join(OWN, 'fixes'): easybuild.easyblocks,
    os.path.join(OWN, 'fixes_generic'): easybuild.easyblocks.generic,
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
