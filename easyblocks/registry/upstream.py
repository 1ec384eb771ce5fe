# SPDX-License-Identifier: GPL-2.0-only
"""The easyblocks of upstream's that those in fixes/ replace."""

import importlib.util
import os
import sys

import easybuild.easyblocks
import easybuild.easyblocks.generic

from . import OWN


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
        if os.path.isfile(path) and not os.path.abspath(path).startswith(OWN + os.sep):
            spec = importlib.util.spec_from_file_location('lumi_hooks_upstream_' + module, path)
            found = importlib.util.module_from_spec(spec)
            # EasyBuild copies the source of every class of an easyblock, and finds it by its module
            sys.modules[spec.name] = found
            spec.loader.exec_module(found)
            return getattr(found, name)
    # in the words by which EasyBuild tells an easyblock that is not there from one that is broken
    raise ImportError("No module named '%s.%s'" % (package.__name__, module))
