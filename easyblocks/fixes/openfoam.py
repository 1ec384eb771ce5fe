# SPDX-License-Identifier: GPL-2.0-only
"""OpenFOAM: its rules for Clang, and the Cray wrappers as MPI compilers.

Upstream's easyblock stops at the compiler families of cpeCray, cpeAOCC and cpeAMD. For any MPI but Open MPI it
compiles with "$MPICC -cc=$CC", which Cray's wrappers do not understand: they are the MPI compilers already.

Until EB_OpenFOAM has WM_COMPILER=Clang (OpenFOAM has), and leaves -cc out where $MPICC is $CC (seen in 5.1.2 to 5.4.1).
"""
import glob
import os

from easybuild.tools.filetools import IGNORE, apply_regex_substitutions

from lumi_hooks_easyblocks.families import KnownAs, is_cpe, is_gnu
from lumi_hooks_easyblocks.registry import upstream_class


class EB_OpenFOAM(KnownAs, upstream_class('EB_OpenFOAM', 'openfoam')):
    """Support for building OpenFOAM."""

    def __init__(self, *args, **kwargs):
        """Choose OpenFOAM's rules."""
        super().__init__(*args, **kwargs)
        if is_cpe(self.toolchain) and not is_gnu(self.toolchain):
            self.wm_compiler = 'Clang'

    def configure_step(self):
        super().configure_step()
        if is_cpe(self.toolchain):
            folder = os.path.join(self.builddir, self.openfoamdir, 'wmake', 'rules')
            rules = [path for path in glob.glob(os.path.join(folder, '**'), recursive=True) if os.path.isfile(path)]
            apply_regex_substitutions([path for path in rules if not path.endswith('.orig.eb')],
                                      [(r' -(cc|cxx)="[^"]*"', '')], backup=False, on_missing_match=IGNORE)
