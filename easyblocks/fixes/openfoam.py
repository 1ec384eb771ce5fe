# SPDX-License-Identifier: GPL-2.0-only
"""OpenFOAM: its rules for Clang, and the Cray wrappers as MPI compilers.

Upstream's easyblock stops at the compiler families of cpeCray, cpeAOCC and cpeAMD. For any MPI but Open MPI it
compiles with "$MPICC -cc=$CC", which Cray's wrappers do not understand: they are the MPI compilers already.

Its sanity check asks foamMonitor whether gnuplot is there, which only that script needs and LUMI's OpenFOAM is without.

Until EB_OpenFOAM has WM_COMPILER=Clang (OpenFOAM has), and leaves -cc out where $MPICC is $CC (seen in 5.1.2 to 5.4.1).
"""
import glob
import os

from easybuild.tools.filetools import IGNORE, apply_regex_substitutions
from easybuild.tools.modules import get_software_root

from lumi_hooks_easyblocks.families import KnownAs, is_cpe, is_gnu
from lumi_hooks_easyblocks.registry.checks import Checks
from lumi_hooks_easyblocks.registry.upstream import upstream_class


class EB_OpenFOAM(KnownAs, upstream_class('EB_OpenFOAM', 'openfoam'), Checks):
    """Support for building OpenFOAM."""

    def why_not(self, command):
        """Return why a command of the sanity check can't work here."""
        if 'foamMonitor' in command and not get_software_root('gnuplot'):
            return 'the recipe has no gnuplot, which foamMonitor asks for'
        return super().why_not(command)

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
