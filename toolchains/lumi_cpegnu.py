# SPDX-License-Identifier: GPL-2.0-only
"""Toolchain cpeGNU: GNU compilers, Cray MPICH and LibSci."""

from easybuild.tools.toolchain.toolchain import SYSTEM_TOOLCHAIN_NAME

from .compiler.lumi_cpegcc import CpeGcc
from .lumi_crayfftw import CpeFftw
from .lumi_craympich import CpeMpich
from .lumi_libsci import CpeLibSci
from .registry import register


@register
class cpeGNU(CpeGcc, CpeMpich, CpeLibSci, CpeFftw):
    """Cray PE with PrgEnv-gnu."""

    NAME = 'cpeGNU'
    SUBTOOLCHAIN = SYSTEM_TOOLCHAIN_NAME
    LIBSCI_COMPILER = 'gnu'
