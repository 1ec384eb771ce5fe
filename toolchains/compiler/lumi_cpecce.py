# SPDX-License-Identifier: GPL-2.0-only
"""Cray Compiling Environment behind the Cray wrappers (PrgEnv-cray).

cc and CC are Clang with Cray's optimiser, ftn is a compiler of its own (crayftn). Their options:
lumi_hooks/releases/compilers.json.
"""

from .lumi_cpe import FORTRAN_VARIABLES, TC_CONSTANT_CPE, CpeCompiler
from .lumi_cpeoptions import HipOptions, options_map, words_of

TC_CONSTANT_CCE = 'CCE'
WORDS = words_of('CCE')


class CpeCce(HipOptions, CpeCompiler):
    """Compiler part of cpeCray."""

    # stated here too: EasyBuild collects TC_CONSTANT_* from modules whose classes a toolchain imports
    TOOLCHAIN_FAMILY = TC_CONSTANT_CPE
    PRGENV_MODULE_NAME_SUFFIX = 'cray'
    PE_ENV = 'CRAY'
    COMPILER_MODULE_NAME = ['cce']
    COMPILER_FAMILY = TC_CONSTANT_CCE

    CRAY_SOFTWARE = dict(CpeCompiler.CRAY_SOFTWARE, cce=(('CRAY_CC_PREFIX', 'CCE_PREFIX'), ('CRAY_CC_VERSION',)))

    COMPILER_UNIQUE_OPTS = options_map(CpeCompiler.COMPILER_UNIQUE_OPTS, HipOptions.HIP_OPTS)
    COMPILER_UNIQUE_OPTION_MAP = options_map(CpeCompiler.COMPILER_UNIQUE_OPTION_MAP, WORDS['options'])
    FORTRAN_OPTIONS, GFORTRAN_OPTIONS = WORDS['fortran'], WORDS['gfortran']

    def _set_compiler_flags(self):
        """Set the compiler options; crayftn writes module files in lower case, as build systems and recipes expect."""
        super()._set_compiler_flags()
        for name in FORTRAN_VARIABLES:
            self.variables.nappend(name, ['-ef'])
