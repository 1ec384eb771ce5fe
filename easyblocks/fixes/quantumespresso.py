# SPDX-License-Identifier: GPL-2.0-only
"""Quantum ESPRESSO: upstream's easyblock stops at the compiler families of cpeCray, cpeAOCC and cpeAMD.

With CMake (from 7.3.1 on) nothing more is asked of them; before, gfortran's -cpp and the like are put in their words.
There, too, it takes ScaLAPACK only where a software OpenMPI is installed, and goes on without it, silently, where none
is: Cray MPICH stands in for it while that is decided.
The easyblock is two in one, and passes everything on to one of them.

Until EB_QuantumESPRESSO knows these families (seen in 5.1.2 to 5.4.1).
"""
import glob
import os
import sys

from easybuild.tools.filetools import read_file, write_file

from lumi_hooks_easyblocks.families import KnownAs, fortran, installed, is_cpe
from lumi_hooks_easyblocks.registry.upstream import upstream_class

Upstream = upstream_class('EB_QuantumESPRESSO', 'quantumespresso')
upstream = sys.modules[Upstream.__module__]


class QuantumESPRESSOcmake(KnownAs, upstream.EB_QuantumESPRESSOcmake):
    """Support for building Quantum ESPRESSO with CMake."""


class QuantumESPRESSOconfig(KnownAs, upstream.EB_QuantumESPRESSOconfig):
    """Support for building Quantum ESPRESSO with make."""

    def _add_scalapack(self, *args):
        mpi = self.toolchain.cray_software('cray-mpich')[0] if is_cpe(self.toolchain) else None
        if not mpi:
            super()._add_scalapack(*args)
            return
        with installed('OpenMPI', mpi):
            super()._add_scalapack(*args)

    def configure_step(self):
        super().configure_step()
        for path in glob.glob(os.path.join(self.cfg['start_dir'], 'make.*')):
            text = read_file(path)
            own = fortran(text, self.toolchain)
            if own != text:
                write_file(path, own)


# upstream's class takes them by these names
upstream.EB_QuantumESPRESSOcmake = QuantumESPRESSOcmake
upstream.EB_QuantumESPRESSOconfig = QuantumESPRESSOconfig


class EB_QuantumESPRESSO(Upstream):
    """Support for building Quantum ESPRESSO."""
