# SPDX-License-Identifier: GPL-2.0-only
"""SuperLU: upstream's easyblock knows some BLAS libraries for CMake, and LibSci is none of them.

It is told a BLAS that it names to CMake without asking for more, and that name is exchanged for LibSci's libraries
before CMake runs.

Until EB_SuperLU takes the libraries from $LIBBLAS where it has no name for them (seen in 5.1.2 to 5.4.1).
"""
from easybuild.easyblocks.generic.cmakemake import CMakeMake

from lumi_hooks_easyblocks.families import cmake_blas, is_cpe
from lumi_hooks_easyblocks.registry import upstream_class

TOLD = 'ATLAS'


class WithLibSci(CMakeMake):
    """Comes after upstream's class, so after it has chosen the options."""

    def configure_step(self, *args, **kwargs):
        if is_cpe(self.toolchain):
            named = '-DBLA_VENDOR="%s"' % TOLD
            self.cfg['configopts'] = self.cfg['configopts'].replace(named, ' '.join(cmake_blas()))
        return super().configure_step(*args, **kwargs)


class EB_SuperLU(upstream_class('EB_SuperLU', 'superlu'), WithLibSci):
    """Support for building SuperLU."""

    def configure_step(self):
        found = self.toolchain
        if not is_cpe(found):
            super().configure_step()
            return
        found.definition = lambda: dict(type(found).definition(found), BLAS=[TOLD])
        try:
            super().configure_step()
        finally:
            del found.definition
