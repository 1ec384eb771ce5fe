# SPDX-License-Identifier: GPL-2.0-only
"""ESMF: its configurations for Cray's wrappers.

Upstream's easyblock takes the family's name for ESMF's (there is no 'amd'), and mpich2 for the MPI, whose compilers
mpicxx and mpif90 the Cray PE does not have. ESMF's own name for Cray machines is Unicos, with MPI 'mpi', and compilers
gfortran, cce and aocc (build_config/Unicos.*); aocc's, Clang and Flang, serves ROCm's.

Until EB_ESMF knows Cray MPICH (seen in 5.1.2 to 5.4.1).
"""
import easybuild.tools.environment as env

from lumi_hooks_easyblocks.families import KnownAs, is_cpe
from lumi_hooks_easyblocks.registry.upstream import upstream_class


class EB_ESMF(KnownAs, upstream_class('EB_ESMF', 'esmf')):
    """Support for building ESMF."""

    KNOWN_AS = {'AMD': 'AOCC'}
    ALSO_KNOWN_AS = {'mpi': 'MPI'}

    def configure_step(self):
        if is_cpe(self.toolchain):
            env.setvar('ESMF_OS', 'Unicos')
        super().configure_step()
