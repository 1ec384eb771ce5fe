# SPDX-License-Identifier: GPL-2.0-only
"""AMD's two compilers behind the Cray wrappers: AOCC (PrgEnv-aocc) and ROCm's (PrgEnv-amd).

Both are Clang; ftn is the classic Flang (AOCC, ROCm before 7) or LLVM's Flang (ROCm from 7 on). Clang's options:
https://clang.llvm.org/docs/UsersManual.html (-ffp-model). The classic Flang takes Clang's options (AOCC user guide
57222, Flang Options), LLVM's does not take all of them (https://flang.llvm.org/docs/FlangCommandLineReference.html;
EasyBuild's llvm_compilers.py, FLANG_UNSUPPORTED_VARS): ftn is told what both know.
"""

from easybuild.tools.toolchain.compiler import DEFAULT_OPT_LEVEL

from .lumi_cpe import TC_CONSTANT_CPE, CpeCompiler
from .lumi_cpeoptions import GFORTRAN_ONLY, HipOptions, options_map

TC_CONSTANT_AOCC = 'AOCC'
TC_CONSTANT_AMD = 'AMD'

CLANG_OPTION_MAP = {
    # Fortran only
    'i8': '-fdefault-integer-8',
    'r8': ['-fdefault-real-8', '-fdefault-double-8'],
    'unroll': '-funroll-loops',
    'lto': '-flto',
    'vectorize': {False: '-fno-vectorize', True: '-fvectorize'},
    'ieee': [],
    'strict': ['-ffp-model=strict'],
    'precise': ['-ffp-model=precise'],
    'defaultprec': ['-fno-math-errno'],
    'loose': ['-ffp-model=fast'],
    'veryloose': ['-ffast-math'],
    DEFAULT_OPT_LEVEL: ['-O2'],
}

FLANG_OPTIONS = {
    '-ffp-model=strict': '-ffp-contract=off',
    '-ffp-model=precise': '-ffp-contract=off',
    '-ffp-model=fast': '-ffast-math',
    # Fortran has no errno
    '-fno-math-errno': '',
    # both vectorise from -O2 on
    '-fvectorize': '',
    '-fno-vectorize': '',
    '-funroll-loops': '',
}


class CpeAocc(CpeCompiler):
    """Compiler part of cpeAOCC."""

    # stated here too: EasyBuild collects TC_CONSTANT_* from modules whose classes a toolchain imports
    TOOLCHAIN_FAMILY = TC_CONSTANT_CPE
    PRGENV_MODULE_NAME_SUFFIX = 'aocc'
    PE_ENV = 'AOCC'
    COMPILER_MODULE_NAME = ['AOCC']
    COMPILER_FAMILY = TC_CONSTANT_AOCC

    CRAY_SOFTWARE = dict(CpeCompiler.CRAY_SOFTWARE, AOCC=(('CRAY_AOCC_PREFIX',), ('CRAY_AOCC_VERSION',)))

    COMPILER_UNIQUE_OPTION_MAP = options_map(CpeCompiler.COMPILER_UNIQUE_OPTION_MAP, CLANG_OPTION_MAP)
    FORTRAN_OPTIONS = FLANG_OPTIONS
    GFORTRAN_OPTIONS = GFORTRAN_ONLY


class CpeAmd(HipOptions, CpeCompiler):
    """Compiler part of cpeAMD."""

    TOOLCHAIN_FAMILY = TC_CONSTANT_CPE
    PRGENV_MODULE_NAME_SUFFIX = 'amd'
    PE_ENV = 'AMD'
    COMPILER_MODULE_NAME = ['amd']
    COMPILER_FAMILY = TC_CONSTANT_AMD

    CRAY_SOFTWARE = dict(
        CpeCompiler.CRAY_SOFTWARE, amd=(('CRAY_AMD_COMPILER_PREFIX',), ('CRAY_AMD_COMPILER_VERSION',))
    )

    COMPILER_UNIQUE_OPTS = options_map(CpeCompiler.COMPILER_UNIQUE_OPTS, HipOptions.HIP_OPTS)
    COMPILER_UNIQUE_OPTION_MAP = options_map(CpeCompiler.COMPILER_UNIQUE_OPTION_MAP, CLANG_OPTION_MAP)
    FORTRAN_OPTIONS = FLANG_OPTIONS
    GFORTRAN_OPTIONS = GFORTRAN_ONLY
