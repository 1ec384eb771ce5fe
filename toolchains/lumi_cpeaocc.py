# SPDX-License-Identifier: GPL-2.0-only
"""Toolchain cpeAOCC: AOCC compilers, Cray MPICH and LibSci."""

from easybuild.tools.toolchain.toolchain import SYSTEM_TOOLCHAIN_NAME

from .compiler.lumi_cpeclang import CpeAocc
from .lumi_crayfftw import CpeFftw
from .lumi_craympich import CpeMpich
from .lumi_libsci import CpeLibSci
from .registry import register


@register
class cpeAOCC(CpeAocc, CpeMpich, CpeLibSci, CpeFftw):
    """Cray PE with PrgEnv-aocc."""

    NAME = 'cpeAOCC'
    SUBTOOLCHAIN = SYSTEM_TOOLCHAIN_NAME
    LIBSCI_COMPILER = 'aocc'
