# SPDX-License-Identifier: GPL-2.0-only
"""PyTorch, without GPUs: upstream's easyblock knows MKL, FlexiBLAS, BLIS and OpenBLAS, and LibSci is none of them.

It is told OpenBLAS, for which it names to CMake no library but a kind (BLAS=Eigen, WITH_BLAS=open): PyTorch's
cmake/Modules/FindBLAS.cmake and FindLAPACK.cmake then look for one library, for a variable BLAS_openblas_LIBRARY, and
try whether it holds sgemm, cheev and cgesdd, as LibSci does. A library that the variable names already is not looked
for; PyTorch's own script tells CMake only the variables of a list, to which it is added.
(BLAS=Generic can't be used: it looks for BLAS and LAPACK in libraries of the names blas and lapack.)

Until EB_PyTorch takes the libraries from $LIBLAPACK where it has no name for them (seen in 5.1.2 to 5.4.1, PyTorch 1.12
to 2.9).
"""
import os

from easybuild.tools.filetools import ERROR, apply_regex_substitutions

from lumi_hooks_easyblocks.families import installed, is_cpe, libsci_with_threads
from lumi_hooks_easyblocks.registry.upstream import upstream_class

LIBRARY = 'BLAS_openblas_LIBRARY'
# the list of variables that are passed from the environment to CMake, in either quotes
SCRIPT = os.path.join('tools', 'setup_helpers', 'cmake.py')
PASSED = (r'''(["'])BLAS\1,''', r'\g<0> \1WITH_BLAS\1, \1%s\1,' % LIBRARY)


class EB_PyTorch(upstream_class('EB_PyTorch', 'pytorch')):
    """Support for building/installing PyTorch."""

    def configure_step(self):
        if not is_cpe(self.toolchain):
            super().configure_step()
            return
        library = libsci_with_threads()
        apply_regex_substitutions(SCRIPT, [PASSED], backup=False, on_missing_match=ERROR)
        self.cfg['custom_opts'] = [*self.cfg['custom_opts'], '%s=%s' % (LIBRARY, library)]
        with installed('OpenBLAS', os.path.dirname(library)):
            super().configure_step()
