# SPDX-License-Identifier: GPL-2.0-only
"""Options of the four cpe* toolchains' compilers: maps of them, targets, HIP, and what is gfortran's alone."""

import copy

from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.toolchain.compiler import OPTARCH_GENERIC

# what gfortran alone needs to be told, or what other compilers do without being told; the rule fortran-words has the
# same in lumi_hooks/releases/compilers.json
GFORTRAN_ONLY = dict.fromkeys(
    [
        '-ffree-line-length-none',
        '-ffree-line-length-0',
        '-ffree-line-length-150',
        '-fmax-stack-var-size=32768',
        '-fno-second-underscore',
        '-fallow-argument-mismatch',
        '-fallow-invalid-boz',
        '-std=legacy',
        '-fno-range-check',
        '-fbacktrace',
        '-fall-intrinsics',
        '-mpc64',
        '-fno-tree-loop-vectorize',
    ],
    '',
)


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
        raise EasyBuildError(
            "--optarch=%s is a compiler option, but the Cray wrappers choose the architecture by "
            "target modules: %s",
            optarch,
            hint,
        )
    return [
        target if target.startswith('craype-') else 'craype-' + target
        for target in optarch.split('+')
        if target
    ]


def options_map(*maps):
    """Return one option map made of several, later ones win; nothing is shared with them.

    EasyBuild fills in templates in place.
    """
    merged = {}
    for option_map in maps:
        merged.update(copy.deepcopy(option_map))
    return merged
