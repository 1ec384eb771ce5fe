# SPDX-License-Identifier: GPL-2.0-only
"""GROMACS: srun instead of mpirun, and the shared LibSci.

Upstream's easyblock stops where there is no mpirun, and names static BLAS libraries; LibSci's are not made for a
shared library. Its rule for Cray is for another toolchain family (CrayPE), and takes LibSci's MPI libraries.

It switches the GPUs off (-DGMX_GPU=OFF) where there is no CUDA: the recipe's own -DGMX_GPU=HIP stays.

Until EB_GROMACS asks the toolchain how MPI programs are started, and knows HIP (seen in 5.1.2 to 5.4.1).
"""
from easybuild.tools.filetools import IGNORE, which

from lumi_hooks_easyblocks.families import KnownAs, is_cpe
from lumi_hooks_easyblocks.registry.recipe_wins import RecipeWins
from lumi_hooks_easyblocks.registry.upstream import upstream_class


class EB_GROMACS(KnownAs, upstream_class('EB_GROMACS', 'gromacs'), RecipeWins):
    """Support for building GROMACS."""

    KNOWN_AS = {}
    # the one whose shared libraries are taken
    ALSO_KNOWN_AS = {'blas': 'FlexiBLAS', 'lapack': 'FlexiBLAS'}

    def configure_step(self):
        if is_cpe(self.toolchain) and self.cfg['mpiexec'] == 'mpirun' and not which('mpirun', on_error=IGNORE):
            self.cfg['mpiexec'], self.cfg['mpiexec_numproc_flag'] = 'srun', '--ntasks'
        return super().configure_step()
