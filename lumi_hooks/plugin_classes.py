# SPDX-License-Identifier: GPL-2.0-only
"""
Our toolchains and easyblocks as an installed plugin (groups easybuild.toolchain and easybuild.easyblock).

Without LUMI's variables nothing is registered: an installed plugin changes nothing elsewhere. Nor is it where
LUMI_HOOKS_PATCHES=off leaves EasyBuild as it is.
"""
import importlib
import os

from .eb.plugin_folders import plugin_package
from .site import is_lumi

if is_lumi() and os.environ.get('LUMI_HOOKS_PATCHES') != 'off':
    for folder in ('toolchains', 'easyblocks'):
        plugin_package(folder)
    importlib.import_module('lumi_hooks_toolchains.registry').toolchain_classes()
    importlib.import_module('lumi_hooks_easyblocks.registry').supersede()
