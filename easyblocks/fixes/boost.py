# SPDX-License-Identifier: GPL-2.0-only
"""Boost: the toolset for Clang behind the Cray wrappers, and MPI without mpicxx.

Upstream's easyblock stops at the compiler families of cpeCray, cpeAOCC and cpeAMD, and its rule for Cray is for
another toolchain family (CrayPE). With cpeGNU it writes "using mpi : CC ;", and Boost.Build asks such a wrapper for
its options by -show and -compile_info: Cray's CC does not answer, and Boost.MPI is left out with a warning only.

Until EB_Boost knows these families, and Boost.Build Cray's wrappers (seen in 5.1.2 to 5.4.1, Boost 1.90).
"""
import os

from easybuild.tools.filetools import ERROR, apply_regex_substitutions

from lumi_hooks_easyblocks.families import KnownAs, is_cpe, is_gnu
from lumi_hooks_easyblocks.registry.upstream import upstream_class


class EB_Boost(KnownAs, upstream_class('EB_Boost', 'boost')):
    """Support for building Boost."""

    def configure_step(self):
        cpe = is_cpe(self.toolchain)
        if cpe and not is_gnu(self.toolchain):
            # Boost.Build itself may be built by any C++ compiler, and clang++ need not be on the path
            self.cfg['toolset'] = self.cfg['toolset'] or 'gcc'
            self.cfg['build_toolset'] = self.cfg['build_toolset'] or 'clang'
        super().configure_step()
        if cpe and self.cfg['boost_mpi']:
            # with options given nothing is asked; CC links MPI by itself
            options = '<include>%s' % os.environ.get('MPI_INC_DIR', '.')
            apply_regex_substitutions('user-config.jam', [(r'^using mpi : .*;', 'using mpi : : %s : srun ;' % options)],
                                      on_missing_match=ERROR)
