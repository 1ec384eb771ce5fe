# SPDX-License-Identifier: GPL-2.0-only
"""What the compilers of the four cpe* toolchains are told by each toolchain option; see docs/compilers.md."""

# what a build without options tells them: C and C++, Fortran
PLAIN = {
    'cpeGNU': ('-O2 -ftree-vectorize -fno-math-errno', '-O2 -ftree-vectorize -fno-math-errno'),
    'cpeCray': ('-O2', '-O2 -ef'),
    'cpeAOCC': ('-O2 -fno-math-errno', '-O2'),
    'cpeAMD': ('-O2 -fno-math-errno', '-O2'),
}

# option -> toolchain -> (options of C and C++, of Fortran) that a build with it has; None: the toolchains that are left
FLAGS = {
    'openmp': {None: ('-fopenmp', '-fopenmp')},
    'pic': {'cpeCray': ('-fPIC', '-hPIC'), None: ('-fPIC', '-fPIC')},
    'debug': {None: ('-g', '-g')},
    'opt': {None: ('-O3', '-O3')},
    'lowopt': {None: ('-O1', '-O1')},
    'noopt': {None: ('-O0', '-O0')},
    'i8': {'cpeCray': ('', '-sinteger64'), None: ('', '-fdefault-integer-8')},
    'r8': {'cpeCray': ('', '-sreal64'), None: ('', '-fdefault-real-8 -fdefault-double-8')},
    'strict': {
        'cpeGNU': ('-mieee-fp -mno-recip', '-mieee-fp -mno-recip'),
        'cpeCray': ('-ffp=0', '-hfp0'),
        None: ('-ffp-model=strict', '-ffp-contract=off'),
    },
    'precise': {
        'cpeGNU': ('-mno-recip', '-mno-recip'),
        'cpeCray': ('-ffp=1', '-hfp1'),
        None: ('-ffp-model=precise', '-ffp-contract=off'),
    },
    'loose': {
        'cpeGNU': ('-mrecip -mno-ieee-fp', '-mrecip -mno-ieee-fp'),
        'cpeCray': ('-ffp=2', '-hfp2'),
        None: ('-ffp-model=fast', '-ffast-math'),
    },
    'veryloose': {
        'cpeGNU': ('-mrecip=all -mno-ieee-fp', '-mrecip=all -mno-ieee-fp'),
        'cpeCray': ('-ffp=3', '-hfp3'),
        None: ('-ffast-math', '-ffast-math'),
    },
    'ieee': {'cpeGNU': ('-mieee-fp -fno-trapping-math',) * 2, 'cpeCray': ('-ffp=1', '-hfp1'), None: ('', '')},
    'unroll': {
        'cpeGNU': ('-funroll-loops', '-funroll-loops'),
        'cpeCray': ('-funroll-loops', '-hunroll2'),
        None: ('-funroll-loops', ''),
    },
    'vectorize': {'cpeGNU': ('', ''), 'cpeCray': ('-fvectorize', '-hvector2'), None: ('-fvectorize', '')},
    'lto': {'cpeCray': ('-flto', ''), None: ('-flto', '-flto')},
    'verbose': {None: ('-craype-verbose', '-craype-verbose')},
    'mpich-mt': {None: ('-craympich-mt', '-craympich-mt')},
    # by $CRAYPE_LINK_TYPE
    'shared': {None: ('', '')},
    'static': {None: ('', '')},
}


def flags(toolchain, option):
    """Options for C and C++ and for Fortran that a build with a toolchain option has, as two strings."""
    return FLAGS[option].get(toolchain, FLAGS[option].get(None))
