# SPDX-License-Identifier: GPL-2.0-only
"""Cray MPICH as the MPI of the cpe* toolchains."""

import os
import shutil

from easybuild.toolchains.mpi.craympich import CrayMPICH
from easybuild.tools.config import build_option


class CpeMpich(CrayMPICH):
    """Cray MPICH: the compiler wrappers are the MPI wrappers.

    Unlike EasyBuild's class it has a module name (easyblocks read MPI_MODULE_NAME[0]) and sets $MPI_INC_DIR,
    $MPI_LIB_DIR and the like, so that software which is told where MPI is finds it.
    """

    MPI_MODULE_NAME = ['cray-mpich']
    MPI_LIBRARY_NAME = 'mpich'

    def _set_mpi_variables(self):
        """Set the variables that say where MPI is, if it is loaded."""
        if self._get_software_root('cray-mpich', required=False):
            super()._set_mpi_variables()
        else:
            self.log.info("cray-mpich is not loaded: no MPI variables")

    def mpi_cmd_for(self, cmd, nr_ranks):
        """Return the command that starts a program with MPI: Cray MPICH has no mpirun, Slurm starts it.

        Where there is no Slurm, or --mpi-cmd-template is given, as EasyBuild does. Outside of a job, where the hooks
        switch the option mpi_tests off, one rank is the command itself: imports of Python packages work so, as the
        hooks tell mpi4py not to start MPI by itself. Under srun it does.
        """
        if nr_ranks in (1, '1') and not build_option('mpi_tests'):
            return cmd
        if build_option('mpi_cmd_template') or not shutil.which('srun') or shutil.which('mpirun'):
            return super().mpi_cmd_for(cmd, nr_ranks)
        start = ' --export=ALL,MPI4PY_RC_INITIALIZE=1' if os.environ.get('MPI4PY_RC_INITIALIZE') == '0' else ''
        return 'srun%s --ntasks=%s %s' % (start, nr_ranks, cmd)
