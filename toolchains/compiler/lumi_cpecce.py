# SPDX-License-Identifier: GPL-2.0-only
"""Cray Compiling Environment behind the Cray wrappers (PrgEnv-cray)."""

from easybuild.tools.toolchain.compiler import DEFAULT_OPT_LEVEL

from .lumi_cpe import TC_CONSTANT_CPE, CpeCompiler, HipOptions, options_map

TC_CONSTANT_CCE = 'CCE'


class CpeCce(HipOptions, CpeCompiler):
    """Compiler part of cpeCray."""

    # stated here too: EasyBuild collects TC_CONSTANT_* from modules whose classes a toolchain imports
    TOOLCHAIN_FAMILY = TC_CONSTANT_CPE
    PRGENV_MODULE_NAME_SUFFIX = 'cray'
    PE_ENV = 'CRAY'
    COMPILER_MODULE_NAME = ['cce']
    COMPILER_FAMILY = TC_CONSTANT_CCE

    CRAY_SOFTWARE = dict(
        CpeCompiler.CRAY_SOFTWARE, cce=(('CRAY_CC_PREFIX', 'CCE_PREFIX'), ('CRAY_CC_VERSION',))
    )

    COMPILER_UNIQUE_OPTS = options_map(CpeCompiler.COMPILER_UNIQUE_OPTS, HipOptions.HIP_OPTS)
    # the Fortran compiler is Cray's own and knows none of Clang's options for precision
    COMPILER_UNIQUE_OPTION_MAP = options_map(
        CpeCompiler.COMPILER_UNIQUE_OPTION_MAP,
        {
            'i8': '-sinteger64',
            'r8': '-sreal64',
            'unroll': '',
            'lto': '-flto',
            'vectorize': {False: '', True: ''},
            'strict': [],
            'precise': [],
            'defaultprec': [],
            'loose': [],
            'veryloose': [],
            DEFAULT_OPT_LEVEL: ['-O2'],
        },
    )
