# SPDX-License-Identifier: GPL-2.0-only
"""Toolchain cpeCray: CCE compilers, Cray MPICH and LibSci."""

from easybuild.tools.toolchain.toolchain import SYSTEM_TOOLCHAIN_NAME

from .compiler.lumi_cpecce import CpeCce
from .lumi_crayfftw import CpeFftw
from .lumi_craympich import CpeMpich
from .lumi_libsci import CpeLibSci
from .registry import register


@register
class cpeCray(CpeCce, CpeMpich, CpeLibSci, CpeFftw):
    """Cray PE with PrgEnv-cray."""

    NAME = 'cpeCray'
    SUBTOOLCHAIN = SYSTEM_TOOLCHAIN_NAME
    LIBSCI_COMPILER = 'cray'
