# SPDX-License-Identifier: GPL-2.0-only
"""Cray Compiling Environment behind the Cray wrappers (PrgEnv-cray).

cc and CC are Clang with Cray's optimiser, ftn is a compiler of its own (crayftn). Options by language: LUMI user
guide, development/compiling/prgenv-cray (table "Overview"), and HPE's man pages craycc(1) and crayftn(1),
https://cpe.ext.hpe.com/docs/.
"""

from easybuild.tools.toolchain.compiler import DEFAULT_OPT_LEVEL

from .lumi_cpe import FORTRAN_VARIABLES, TC_CONSTANT_CPE, CpeCompiler
from .lumi_cpeoptions import GFORTRAN_ONLY, HipOptions, options_map

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
    COMPILER_UNIQUE_OPTION_MAP = options_map(
        CpeCompiler.COMPILER_UNIQUE_OPTION_MAP,
        {
            # Fortran only, in both
            'i8': '-sinteger64',
            'r8': '-sreal64',
            'unroll': '-funroll-loops',
            'lto': '-flto',
            'vectorize': {False: '-fno-vectorize', True: '-fvectorize'},
            # levels 0 to 4; from 3 on IEEE 754 is left for speed
            'ieee': ['-ffp=1'],
            'strict': ['-ffp=0'],
            'precise': ['-ffp=1'],
            'defaultprec': [],
            'loose': ['-ffp=2'],
            'veryloose': ['-ffp=3'],
            DEFAULT_OPT_LEVEL: ['-O2'],
        },
    )
    FORTRAN_OPTIONS = {
        '-fPIC': '-hPIC',
        '-funroll-loops': '-hunroll2',
        '-fvectorize': '-hvector2',
        '-fno-vectorize': '-hvector0',
        '-ffp=0': '-hfp0',
        '-ffp=1': '-hfp1',
        '-ffp=2': '-hfp2',
        '-ffp=3': '-hfp3',
        # its counterpart -hwp needs a program library (-hpl=…) that build systems do not know of
        '-flto': '',
    }
    # as VASP's makefile for crayftn has them; a line holds 255 characters without -N
    GFORTRAN_OPTIONS = dict(
        GFORTRAN_ONLY,
        **{
            '-ffree-form': '-ffree',
            '-ffixed-form': '-ffixed',
            '-ffree-line-length-none': '-N 1023',
            '-ffree-line-length-0': '-N 1023',
            '-ffree-line-length-150': '-N 255',
            '-cpp': '-eZ',
            '-fconvert=big-endian': '-hbyteswapio',
            '-fdefault-real-8': '-sreal64',
            '-fdefault-integer-8': '-sinteger64',
            '-fdefault-double-8': '',
            '-fno-automatic': '-ev',
            '-fbounds-check': '-Rb',
            '-fcheck=bounds': '-Rb',
        },
    )

    def _set_compiler_flags(self):
        """Set the compiler options; crayftn writes module files in lower case, as build systems and recipes expect."""
        super()._set_compiler_flags()
        for name in FORTRAN_VARIABLES:
            self.variables.nappend(name, ['-ef'])
