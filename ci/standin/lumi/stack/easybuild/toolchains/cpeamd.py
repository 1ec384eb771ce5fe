# SPDX-License-Identifier: GPL-2.0-only
"""Toolchain cpeAMD as LUMI has it (in our own words)."""
from easybuild.toolchains.compiler.cpecompamd import cpeCompAMD
from easybuild.toolchains.linalg.libsci import LibSci
from easybuild.toolchains.mpi.craympich import CrayMPICH
from easybuild.tools.toolchain.toolchain import SYSTEM_TOOLCHAIN_NAME


class cpeAMD(cpeCompAMD, CrayMPICH, LibSci):
    """PrgEnv-amd with Cray MPICH and LibSci."""
    NAME = 'cpeAMD'
    SUBTOOLCHAIN = SYSTEM_TOOLCHAIN_NAME
