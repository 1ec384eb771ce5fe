# SPDX-License-Identifier: GPL-2.0-only
"""Toolchain cpeAMD: AMD compilers, Cray MPICH and LibSci."""

from easybuild.tools.toolchain.toolchain import SYSTEM_TOOLCHAIN_NAME

from .compiler.lumi_cpeclang import CpeAmd
from .lumi_crayfftw import CpeFftw
from .lumi_craympich import CpeMpich
from .lumi_libsci import CpeLibSci
from .registry import register


@register
class cpeAMD(CpeAmd, CpeMpich, CpeLibSci, CpeFftw):
    """Cray PE with PrgEnv-amd."""

    NAME = 'cpeAMD'
    SUBTOOLCHAIN = SYSTEM_TOOLCHAIN_NAME
    LIBSCI_COMPILER = 'amd'
