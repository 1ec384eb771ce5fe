# SPDX-License-Identifier: GPL-2.0-only
"""SuperLU: upstream's easyblock knows some BLAS libraries for CMake, and LibSci is none of them.

It is told one that it names to CMake without asking for more, and that name is exchanged for LibSci's libraries.

Until EB_SuperLU takes the libraries from $LIBBLAS where it has no name for them (seen in 5.1.2 to 5.4.1).
"""
from lumi_hooks_easyblocks.families import cmake_blas, is_cpe, reworded
from lumi_hooks_easyblocks.registry.upstream import upstream_class

TOLD = 'ATLAS'


class EB_SuperLU(upstream_class('EB_SuperLU', 'superlu')):
    """Support for building SuperLU."""

    def configure_step(self):
        found = self.toolchain
        if not is_cpe(found):
            super().configure_step()
            return
        found.definition = lambda: dict(type(found).definition(found), BLAS=[TOLD])
        try:
            with reworded(self.cfg, {'-DBLA_VENDOR="%s"' % TOLD: ' '.join(cmake_blas())}):
                super().configure_step()
        finally:
            del found.definition
