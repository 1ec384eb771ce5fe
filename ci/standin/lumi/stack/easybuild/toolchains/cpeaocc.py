# SPDX-License-Identifier: GPL-2.0-only
"""Toolchain cpeAOCC as LUMI has it (in our own words)."""
from easybuild.toolchains.compiler.cpecompaocc import cpeCompAOCC
from easybuild.toolchains.linalg.libsci import LibSci
from easybuild.toolchains.mpi.craympich import CrayMPICH
from easybuild.tools.toolchain.toolchain import SYSTEM_TOOLCHAIN_NAME


class cpeAOCC(cpeCompAOCC, CrayMPICH, LibSci):
    """PrgEnv-aocc with Cray MPICH and LibSci."""
    NAME = 'cpeAOCC'
    SUBTOOLCHAIN = SYSTEM_TOOLCHAIN_NAME
