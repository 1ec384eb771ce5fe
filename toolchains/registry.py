# SPDX-License-Identifier: GPL-2.0-only
"""Which toolchain class EasyBuild finds for the names cpeGNU, cpeCray, cpeAOCC and cpeAMD.

LUMI's own classes carry the same names and are usually included through $EASYBUILD_INCLUDE_TOOLCHAINS.
EasyBuild takes the first class of a name among all toolchain classes, in the order of their definition;
from 5.3 on a class registered as an entry point goes before them.
"""

import importlib

import easybuild.tools.toolchain as toolchain_constants
from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.toolchain import utilities
from easybuild.tools.toolchain.toolchain import Toolchain
from easybuild.tools.utilities import get_subclasses

try:
    from easybuild.tools.entrypoints import EntrypointToolchain
except ImportError:  # EasyBuild < 5.3
    EntrypointToolchain = None

NAMES = ('cpeGNU', 'cpeCray', 'cpeAOCC', 'cpeAMD')

# set in the namespace of a class that is out of service
_HIDDEN = '_superseded_by_lumi_hooks'


def register(cls):
    """Class decorator: register a toolchain class as an entry point where EasyBuild has them.

    The files may be imported under two package names in one session (included and installed);
    EasyBuild refuses two entry points of one name, so the class imported last counts.

    :param cls: toolchain class
    :return: the class itself
    """
    if EntrypointToolchain is None:
        return cls
    known = EntrypointToolchain.registered.setdefault(EntrypointToolchain.group, set())
    for entry in [e for e in known if e.name == cls.__name__]:
        known.discard(entry)
    return EntrypointToolchain(prepend=True)(cls)


def toolchain_classes():
    """Return a dictionary of toolchain name -> class of this package."""
    module = importlib.import_module('.lumi_toolchains', __package__)
    return {name: getattr(module, name) for name in NAMES}


def supersede():
    """Make EasyBuild use the cpe* toolchain classes of this package, whatever was included before.

    Can be called any number of times; toolchain instances that EasyBuild keeps of other classes are dropped.

    :return: dictionary of toolchain name -> class now in use
    :raises EasyBuildError: EasyBuild still finds another class (this EasyBuild is not supported)
    """
    classes = toolchain_classes()
    # the first search imports everything that was included; only then all other classes are known
    utilities.search_toolchain('')
    _define_constants(classes.values())

    ours = set(classes.values())
    for cls in list(get_subclasses(Toolchain)):
        if cls in ours:
            _show(cls)
        elif getattr(cls, 'NAME', None) in classes:
            _hide(cls)
    for cls in classes.values():
        register(cls)

    instances = utilities._initial_toolchain_instances
    for key in [k for k in instances if k[0] in classes and type(instances[k]) not in ours]:
        del instances[key]

    for name, cls in classes.items():
        found = utilities.search_toolchain(name)[0]
        if found is not cls:
            raise EasyBuildError("Toolchain %s is taken from %s instead of %s: remove it from "
                                 "$EASYBUILD_INCLUDE_TOOLCHAINS", name, found, cls)
    return classes


def _define_constants(classes):
    """Define easybuild.tools.toolchain.CPE and the like, which easyblocks compare families with.

    EasyBuild does this itself for classes below easybuild.toolchains only. Values agree with LUMI's classes.
    """
    for cls in classes:
        for value in (cls.TOOLCHAIN_FAMILY, cls.COMPILER_FAMILY):
            if not hasattr(toolchain_constants, value):
                setattr(toolchain_constants, value, value)


def _hide(cls):
    """Take a foreign class out of the search, without touching what else it does or its subclasses."""
    if _HIDDEN in vars(cls):
        return

    def _is_toolchain_for(klass, name):
        if klass is cls:
            return False
        return super(cls, klass)._is_toolchain_for(name)

    cls._is_toolchain_for = classmethod(_is_toolchain_for)
    setattr(cls, _HIDDEN, True)


def _show(cls):
    """Put a class back that an earlier call, made from another copy of this package, took out."""
    if _HIDDEN in vars(cls):
        delattr(cls, _HIDDEN)
        del cls._is_toolchain_for
