# SPDX-License-Identifier: GPL-2.0-only
"""Options of the four cpe* toolchains' compilers: maps of them, targets, and HIP."""

import copy
import json
import os

from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.toolchain.compiler import OPTARCH_GENERIC

# in a clone and where both are installed it lies next to this package
COMPILERS = os.path.join(os.path.dirname(os.path.realpath(__file__)), os.pardir, os.pardir,
                         'lumi_hooks', 'releases', 'compilers.json')


def words_of(family):
    """Return what the compilers of a family are told for toolchain options, and for options of other compilers.

    :param family: as in lumi_hooks/releases/compilers.json
    :return: dictionary with `options` (as in COMPILER_UNIQUE_OPTION_MAP), `fortran` and `gfortran`
    """
    with open(COMPILERS, encoding='utf-8') as handle:
        found = json.load(handle)['families'][family]
    vectorize = found['options']['vectorize']
    return {**found, 'options': {**found['options'], 'vectorize': {False: vectorize['false'], True: vectorize['true']}}}


class HipOptions:
    """Toolchain options for HIP code, for the compilers that are based on Clang and know it."""

    HIP_OPTS = {
        'usehip': (False, "Compile C++ as HIP"),
        'gpu-rdc': (False, "Relocatable device code"),
        'offload-lto': (False, "Link time optimisation of device code"),
    }

    def _set_compiler_flags(self):
        """Set the compiler options, those for HIP in $CXXFLAGS only."""
        super()._set_compiler_flags()
        flags = []
        if self.options.get('usehip'):
            flags.append('-xhip')
        if self.options.get('gpu-rdc'):
            flags.extend(['-fgpu-rdc', '-Xlinker --hip-link'])
        if self.options.get('offload-lto'):
            flags.append('-foffload-lto')
        if flags:
            self.variables.nappend('CXXFLAGS', flags)


def target_modules(optarch):
    """Return the target modules that a value of --optarch stands for.

    :param optarch: None, 'x86-milan', 'x86-milan+network-ofi', or the dictionary that EasyBuild makes of
                    'CPE:x86-milan+...'
    :return: list of module names, empty if optarch doesn't name any
    :raises EasyBuildError: a value that the Cray wrappers can't be told
    """
    if not optarch:
        return []
    if isinstance(optarch, dict):
        # options for other compilers may stand beside
        optarch = optarch.get('CPE', '')
        if not optarch:
            return []
    hint = "use the name of a target, e.g. --optarch=x86-milan or --optarch=CPE:x86-trento+accel-amd-gfx90a"
    if optarch == OPTARCH_GENERIC:
        raise EasyBuildError("--optarch=GENERIC is not possible with a Cray toolchain: " + hint)
    if optarch.startswith('-') or '=' in optarch:
        raise EasyBuildError("--optarch=%s is a compiler option, but the Cray wrappers choose the architecture by "
                             "target modules: %s", optarch, hint)
    return [target if target.startswith('craype-') else 'craype-' + target for target in optarch.split('+') if target]


def options_map(*maps):
    """Return one option map made of several, later ones win; nothing is shared with them.

    EasyBuild fills in templates in place.
    """
    merged = {}
    for option_map in maps:
        merged.update(copy.deepcopy(option_map))
    return merged
