# SPDX-License-Identifier: GPL-2.0-only
"""Toolchain cpeGNU as LUMI has it (in our own words)."""
from easybuild.toolchains.compiler.cpecompgcc import cpeCompGCC
from easybuild.toolchains.linalg.libsci import LibSci
from easybuild.toolchains.mpi.craympich import CrayMPICH
from easybuild.tools.toolchain.toolchain import SYSTEM_TOOLCHAIN_NAME


class cpeGNU(cpeCompGCC, CrayMPICH, LibSci):
    """PrgEnv-gnu with Cray MPICH and LibSci."""
    NAME = 'cpeGNU'
    SUBTOOLCHAIN = SYSTEM_TOOLCHAIN_NAME
