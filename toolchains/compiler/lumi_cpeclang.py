# SPDX-License-Identifier: GPL-2.0-only
"""AMD's two compilers behind the Cray wrappers: AOCC (PrgEnv-aocc) and ROCm's (PrgEnv-amd).

Both are Clang; ftn is the classic Flang (AOCC, ROCm before 7) or LLVM's Flang (ROCm from 7 on), and is told what both
know. Their options: lumi_hooks/releases/compilers.json.
"""

from .lumi_cpe import TC_CONSTANT_CPE, CpeCompiler
from .lumi_cpeoptions import HipOptions, options_map, words_of

TC_CONSTANT_AOCC = 'AOCC'
TC_CONSTANT_AMD = 'AMD'

AOCC, AMD = words_of('AOCC'), words_of('AMD')


class CpeAocc(CpeCompiler):
    """Compiler part of cpeAOCC."""

    # stated here too: EasyBuild collects TC_CONSTANT_* from modules whose classes a toolchain imports
    TOOLCHAIN_FAMILY = TC_CONSTANT_CPE
    PRGENV_MODULE_NAME_SUFFIX = 'aocc'
    PE_ENV = 'AOCC'
    COMPILER_MODULE_NAME = ['AOCC']
    COMPILER_FAMILY = TC_CONSTANT_AOCC

    CRAY_SOFTWARE = dict(CpeCompiler.CRAY_SOFTWARE, AOCC=(('CRAY_AOCC_PREFIX',), ('CRAY_AOCC_VERSION',)))

    COMPILER_UNIQUE_OPTION_MAP = options_map(CpeCompiler.COMPILER_UNIQUE_OPTION_MAP, AOCC['options'])
    FORTRAN_OPTIONS, GFORTRAN_OPTIONS = AOCC['fortran'], AOCC['gfortran']


class CpeAmd(HipOptions, CpeCompiler):
    """Compiler part of cpeAMD."""

    TOOLCHAIN_FAMILY = TC_CONSTANT_CPE
    PRGENV_MODULE_NAME_SUFFIX = 'amd'
    PE_ENV = 'AMD'
    COMPILER_MODULE_NAME = ['amd']
    COMPILER_FAMILY = TC_CONSTANT_AMD

    CRAY_SOFTWARE = dict(CpeCompiler.CRAY_SOFTWARE,
                         amd=(('CRAY_AMD_COMPILER_PREFIX',), ('CRAY_AMD_COMPILER_VERSION',)))

    COMPILER_UNIQUE_OPTS = options_map(CpeCompiler.COMPILER_UNIQUE_OPTS, HipOptions.HIP_OPTS)
    COMPILER_UNIQUE_OPTION_MAP = options_map(CpeCompiler.COMPILER_UNIQUE_OPTION_MAP, AMD['options'])
    FORTRAN_OPTIONS, GFORTRAN_OPTIONS = AMD['fortran'], AMD['gfortran']
