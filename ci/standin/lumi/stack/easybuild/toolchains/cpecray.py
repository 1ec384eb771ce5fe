# SPDX-License-Identifier: GPL-2.0-only
"""Toolchain cpeCray as LUMI has it (in our own words)."""
from easybuild.toolchains.compiler.cpecompcce import cpeCompCCE
from easybuild.toolchains.linalg.libsci import LibSci
from easybuild.toolchains.mpi.craympich import CrayMPICH
from easybuild.tools.toolchain.toolchain import SYSTEM_TOOLCHAIN_NAME


class cpeCray(cpeCompCCE, CrayMPICH, LibSci):
    """PrgEnv-cray with Cray MPICH and LibSci."""
    NAME = 'cpeCray'
    SUBTOOLCHAIN = SYSTEM_TOOLCHAIN_NAME
