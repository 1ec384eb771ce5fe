# SPDX-License-Identifier: GPL-2.0-only
"""OpenCV: upstream's easyblock names FlexiBLAS to CMake, and goes on without LAPACK, silently, where it is not there.

OpenCV's CMake finds no LAPACK behind the wrappers, which link LibSci without being told. So the easyblock is told that
FlexiBLAS is where LibSci is, and its names are exchanged for LibSci's. OpenCV compiles a test with what it is given,
and says in its summary whether it takes it.

Until EB_OpenCV takes the library from $LIBLAPACK (seen in 5.1.2 to 5.4.1).
"""
import os

from lumi_hooks_easyblocks.families import installed, is_cpe, libsci_with_threads, reworded
from lumi_hooks_easyblocks.registry.upstream import upstream_class


class EB_OpenCV(upstream_class('EB_OpenCV', 'opencv')):
    """Support for building OpenCV."""

    def configure_step(self):
        prefix = self.toolchain.cray_software('cray-libsci')[0] if is_cpe(self.toolchain) else None
        if not prefix:
            super().configure_step()
            return
        words = {os.path.join(prefix, 'lib/libflexiblas.so'): libsci_with_threads(),
                 os.path.join(prefix, 'include/flexiblas'): os.path.join(prefix, 'include'),
                 '-DLAPACK_IMPL=flexiblas': '-DLAPACK_IMPL=LibSci'}
        with installed('FlexiBLAS', prefix), reworded(self.cfg, words):
            super().configure_step()
