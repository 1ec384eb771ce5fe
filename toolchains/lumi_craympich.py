# SPDX-License-Identifier: GPL-2.0-only
"""Cray MPICH as the MPI of the cpe* toolchains."""

from easybuild.toolchains.mpi.craympich import CrayMPICH


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
