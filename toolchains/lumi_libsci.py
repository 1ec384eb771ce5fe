# SPDX-License-Identifier: GPL-2.0-only
"""Cray LibSci as BLAS, LAPACK and ScaLAPACK of the cpe* toolchains, with all the variables that recipes read.

The wrappers link LibSci by themselves; EasyBuild's own class therefore leaves $LIBBLAS and the like empty.
Recipes and easyblocks, however, write --with-blas="$LIBBLAS", take file names from $BLAS_STATIC_LIBS or
call a compiler that is not a wrapper (hipcc, nvcc, gcc). So the libraries are named here, and they must be
the ones that the wrapper takes:

====================  =====================  ==================================
option of the build   BLAS, LAPACK           BLACS, ScaLAPACK
====================  =====================  ==================================
(none)                -lsci_gnu              -lsci_gnu_mpi
openmp                -lsci_gnu_mp           -lsci_gnu_mpi_mp
_MT variables         -lsci_gnu_mp           -lsci_gnu_mpi_mp
====================  =====================  ==================================

Named first on the command line, they serve every reference; what the wrapper adds is linked as needed,
hence not at all. BLAS is not taken from the _mpi libraries even with usempi: those are for BLACS and
ScaLAPACK, and a package that doesn't call them must not get a dependency on MPI.

Upstream's patches write -lflexiblas into makefiles (some 30 recipes), where no change of a recipe reaches. So the
linker finds LibSci under the names of upstream's libraries too, while a package is built: by linker scripts in a
temporary folder at the end of $LIBRARY_PATH. What is linked names LibSci; CMake does not search that folder. Libraries
that Open MPI has beside libmpi (-lmpi_mpifh) are found as well, as the wrappers link all of Cray MPICH.
"""

import glob
import os
import re
import tempfile

import easybuild.tools.environment as env
from easybuild.toolchains.linalg.libsci import TC_CONSTANT_CRAY_LIBSCI, LibSci
from easybuild.tools.filetools import write_file
from easybuild.tools.toolchain.linalg import LinAlg

MODULE_NAME = 'cray-libsci'
# libraries that Open MPI has beside libmpi: all of Cray MPICH is linked by the wrappers
OPEN_MPI = ('mpi_cxx', 'mpi_f77', 'mpi_f90', 'mpi_mpifh', 'mpi_usempi', 'mpi_usempif08', 'mpi_usempi_ignore_tkr')


class CpeLibSci(LibSci):
    """Cray LibSci."""

    # last part of the library names: sci_gnu, sci_cray, ...
    LIBSCI_COMPILER = None

    BLAS_FAMILY = TC_CONSTANT_CRAY_LIBSCI
    BLACS_MODULE_NAME = [MODULE_NAME]
    BLACS_LIB_MAP = {}
    SCALAPACK_MODULE_NAME = [MODULE_NAME]

    # the folder in which the linker finds LibSci under other names
    names_folder = None

    def set_variables(self):
        """Set the variables for linear algebra; none, if the library is not loaded.

        It is unloaded on purpose for software that does not use it.
        """
        if self.dry_run or self._get_software_root(MODULE_NAME, required=False):
            super().set_variables()
            if not self.dry_run:
                self._answer_to_names()
        else:
            self.log.warning("%s is not loaded: no variables for linear algebra", MODULE_NAME)
            # the next class after those for linear algebra
            super(LinAlg, self).set_variables()

    def _set_blas_variables(self):
        """Set the variables for BLAS; those for LAPACK are made of them."""
        # set again each time: EasyBuild's method replaces them by what it made of them
        self.BLAS_LIB = [self.library_name(threads=bool(self.options.get('openmp')))]
        self.BLAS_LIB_MT = [self.library_name(threads=True)]
        super()._set_blas_variables()

    def _set_blacs_variables(self):
        """Set the variables for BLACS, if there is an MPI."""
        if self._get_software_root('cray-mpich', required=False):
            self.BLACS_LIB = [self.library_name(mpi=True, threads=bool(self.options.get('openmp')))]
            self.BLACS_LIB_MT = [self.library_name(mpi=True, threads=True)]
            LinAlg._set_blacs_variables(self)

    def _set_scalapack_variables(self):
        """Set the variables for ScaLAPACK, if there is an MPI."""
        if self._get_software_root('cray-mpich', required=False):
            self.SCALAPACK_LIB = [self.library_name(mpi=True, threads=bool(self.options.get('openmp')))]
            self.SCALAPACK_LIB_MT = [self.library_name(mpi=True, threads=True)]
            LinAlg._set_scalapack_variables(self)

    def _answer_to_names(self):
        """Let the linker find LibSci as -lflexiblas, -lopenblas, -llapacke and -lscalapack, and Open MPI's."""
        threads = bool(self.options.get('openmp'))
        names = dict.fromkeys(('flexiblas', 'openblas', 'lapacke'), self.library_name(threads=threads))
        if self._get_software_root('cray-mpich', required=False):
            names['scalapack'] = self.library_name(mpi=True, threads=threads)
        libdir = os.path.join(self._get_software_root(MODULE_NAME), 'lib')
        self.names_folder = self.names_folder or tempfile.mkdtemp(prefix='libsci-')
        for name, library in names.items():
            path = os.path.join(libdir, 'lib%s.so' % library)
            if os.path.exists(path):
                write_file(os.path.join(self.names_folder, 'lib%s.so' % name), 'INPUT ( %s )\n' % path)
        for name in OPEN_MPI if 'scalapack' in names else ():
            write_file(os.path.join(self.names_folder, 'lib%s.so' % name), 'INPUT ( -lm )\n')
        found = [path for path in os.environ.get('LIBRARY_PATH', '').split(os.pathsep) if path]
        if self.names_folder not in found:
            env.setvar('LIBRARY_PATH', os.pathsep.join([*found, self.names_folder]))

    def library_name(self, mpi=False, threads=False):
        """Return the name of a LibSci library, without 'lib' and suffix.

        :param mpi: the one with BLACS and ScaLAPACK
        :param threads: the one that uses OpenMP
        """
        stem = 'sci_' + self.LIBSCI_COMPILER
        suffix = ('_mpi' if mpi else '') + ('_mp' if threads else '')
        libdir = os.path.join(self._get_software_root(MODULE_NAME, required=False) or '', 'lib')
        if os.path.isdir(libdir) and not glob.glob(os.path.join(libdir, 'lib%s%s.*' % (stem, suffix))):
            # no link without the version of the compiler (sci_gnu_123_mp)
            for path in sorted(glob.glob(os.path.join(libdir, 'lib%s_[0-9]*%s.*' % (stem, suffix)))):
                found = re.match(r'lib(%s_\d+%s)\.' % (stem, suffix), os.path.basename(path))
                if found:
                    return found.group(1)
            self.log.warning("No lib%s%s in %s", stem, suffix, libdir)
        return stem + suffix

    def definition(self):
        """Return the modules that the toolchain consists of; easyblocks ask for BLAS among them."""
        elements = super().definition()
        elements['BLAS'] = [MODULE_NAME]
        elements['LAPACK'] = [MODULE_NAME]
        return elements
