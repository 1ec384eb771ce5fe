# SPDX-License-Identifier: GPL-2.0-only
"""FFTW for the cpe* toolchains: not a part of them, but its variables are set whenever a build has it."""

import os

from easybuild.toolchains.fft.fftw import Fftw
from easybuild.tools.modules import get_software_root
from easybuild.tools.toolchain.fft import Fft

# variables of the module cray-fftw that hold its prefix
PREFIX_VARIABLES = ('CRAY_FFTW_PREFIX', 'FFTW_ROOT')


class CpeFftw(Fftw):
    """FFTW, of cray-fftw or built."""

    FFT_MODULE_NAME = None

    def set_variables(self):
        """Set the variables for FFTW, if the build has one."""
        if self._fftw_prefix():
            super().set_variables()
        else:
            self.log.info("No FFTW among the dependencies: no FFT variables")
            # the next class after those for FFT
            super(Fft, self).set_variables()

    def _fftw_prefix(self):
        """Return the prefix of FFTW: of a dependency by that name, else of a loaded cray-fftw, else None."""
        prefix = get_software_root('FFTW') or get_software_root('FFTW.MPI')
        return prefix or next((os.environ[v] for v in PREFIX_VARIABLES if os.environ.get(v)), None)

    def _set_fftw_variables(self):
        """Choose the libraries."""
        serial = self._fftw_prefix()
        # a recipe may take the MPI library from another module
        mpi = get_software_root('FFTW.MPI') or serial
        self.FFT_LIB = ['fftw3']
        self.FFT_LIB_MT = ['fftw3']
        if self.options.get('openmp'):
            self.FFT_LIB_MT.insert(0, 'fftw3_omp')
        # before the library it calls, for static linking
        if self.options.get('usempi') and self._has_library(mpi, 'fftw3_mpi'):
            self.FFT_LIB.insert(0, 'fftw3_mpi')
        else:
            mpi = serial
        self._fftw_prefixes = [mpi] if mpi == serial else [mpi, serial]

    def _set_fft_variables(self):
        """Set the variables for FFT, under both names."""
        self._set_fftw_variables()
        for prefix in self._fftw_prefixes:
            self.variables.append_exists('FFT_LIB_DIR', prefix, self.FFT_LIB_DIR, suffix='64')
            self.variables.append_exists('FFT_INC_DIR', prefix, self.FFT_INCLUDE_DIR)
            self._add_dependency_cpp_headers(prefix, extra_dirs=['include'])
            self._add_dependency_linker_paths(prefix)
        # EasyBuild looks prefixes up by module name, but the loaded module need not be known by a name
        self.FFT_MODULE_NAME = []
        super()._set_fft_variables()
        self.FFT_MODULE_NAME = None

    @staticmethod
    def _has_library(prefix, name):
        """Tell whether a library is in lib or lib64 of the prefix."""
        return any(os.path.exists(os.path.join(prefix, libdir, 'lib' + name + suffix))
                   for libdir in ('lib', 'lib64') for suffix in ('.so', '.a'))
