# SPDX-License-Identifier: GPL-2.0-only
"""AMD's two compilers behind the Cray wrappers: AOCC (PrgEnv-aocc) and ROCm's (PrgEnv-amd)."""

from easybuild.tools.toolchain.compiler import DEFAULT_OPT_LEVEL

from .lumi_cpe import TC_CONSTANT_CPE, CpeCompiler, HipOptions, options_map

TC_CONSTANT_AOCC = 'AOCC'
TC_CONSTANT_AMD = 'AMD'

CLANG_OPTION_MAP = {
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
    'veryloose': ['-ffp-model=fast'],
    DEFAULT_OPT_LEVEL: ['-O2'],
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
