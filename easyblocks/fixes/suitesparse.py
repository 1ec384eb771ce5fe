# SPDX-License-Identifier: GPL-2.0-only
"""SuiteSparse: upstream's easyblock knows three BLAS libraries for CMake, and LibSci is none of them.

Until EB_SuiteSparse takes the libraries from $LIBLAPACK where it has no name for them (seen in 5.1.2 to 5.4.1).
"""
from lumi_hooks_easyblocks.families import cmake_blas, is_cpe
from lumi_hooks_easyblocks.registry.upstream import upstream_class


class EB_SuiteSparse(upstream_class('EB_SuiteSparse', 'suitesparse')):
    """Support for building SuiteSparse."""

    def configure_step(self):
        if is_cpe(self.toolchain) and '-DBLA_VENDOR=' not in self.cfg['cmake_options']:
            self.cfg['cmake_options'] = ' '.join([self.cfg['cmake_options'], *cmake_blas()])
        super().configure_step()
