# SPDX-License-Identifier: GPL-2.0-only
"""Trilinos: BLAS and LAPACK without GCC's static libgfortran.

With GCC upstream's easyblock demands libgfortran.a in lib64 of GCC's prefix. Cray's GCC is the operating system's
(gcc-native), which has it in a folder of the compiler's own, and LibSci brings its Fortran run time by itself. What
upstream does for compilers that it does not know is right here, for GCC too.

Until EB_Trilinos asks the toolchain for the Fortran run time (seen in 5.1.2 to 5.4.1).
"""
from lumi_hooks_easyblocks.families import KnownAs
from lumi_hooks_easyblocks.registry.upstream import upstream_class


class EB_Trilinos(KnownAs, upstream_class('EB_Trilinos', 'trilinos')):
    """Support for building Trilinos."""

    KNOWN_AS = {'GCC': 'Cray'}
