# SPDX-License-Identifier: GPL-2.0-only
"""GCC behind the Cray wrappers (PrgEnv-gnu)."""

from easybuild.toolchains.compiler.gcc import TC_CONSTANT_GCC, Gcc

from .lumi_cpe import TC_CONSTANT_CPE, CpeCompiler, tool_version
from .lumi_cpeoptions import options_map


class CpeGcc(CpeCompiler):
    """Compiler part of cpeGNU."""

    # stated here too: EasyBuild collects TC_CONSTANT_* from modules whose classes a toolchain imports
    TOOLCHAIN_FAMILY = TC_CONSTANT_CPE
    PRGENV_MODULE_NAME_SUFFIX = 'gnu'
    PE_ENV = 'GNU'
    COMPILER_MODULE_NAME = ['GCC']
    COMPILER_FAMILY = TC_CONSTANT_GCC

    _GCC = (('GCC_PREFIX', 'GCC_PATH'), ('GCC_VERSION', 'GNU_VERSION'))
    CRAY_SOFTWARE = dict(CpeCompiler.CRAY_SOFTWARE, GCC=_GCC, GCCcore=_GCC)

    COMPILER_UNIQUE_OPTS = options_map(
        CpeCompiler.COMPILER_UNIQUE_OPTS, Gcc.COMPILER_UNIQUE_OPTS,
        {'gfortran9-compat': (False, "Accept Fortran argument mismatches, as GCC 9 did")})
    COMPILER_UNIQUE_OPTION_MAP = options_map(
        CpeCompiler.COMPILER_UNIQUE_OPTION_MAP, Gcc.COMPILER_UNIQUE_OPTION_MAP,
        {'gfortran9-compat': '-fallow-argument-mismatch'})
    COMPILER_F_UNIQUE_OPTIONS = ['f2c', 'gfortran9-compat']

    def __init__(self, *args, **kwargs):
        """Constructor, same parameters as Toolchain."""
        super().__init__(*args, **kwargs)
        self.COMPILER_OPTIONS.append('loop')

    def cray_software(self, name):
        """Return (prefix, version); of GCC, the full version where the module says the major only ('14')."""
        prefix, version = super().cray_software(name)
        if name in ('GCC', 'GCCcore'):
            if not version or '.' not in version:
                version = tool_version('cc', '-dumpfullversion') or version
            # gcc-native modules are about the compiler of the operating system
            prefix = prefix or (version and '/usr')
        return prefix, version
