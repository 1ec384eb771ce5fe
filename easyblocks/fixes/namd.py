# SPDX-License-Identifier: GPL-2.0-only
"""NAMD: Charm++ for the Cray wrappers.

Upstream's easyblock stops at the compiler families of cpeCray, cpeAOCC and cpeAMD. With MPI it builds Charm++ for
"mpi-linux-x86_64 … mpicxx", and there is no mpicxx. Charm++ knows the machine as mpi-crayshasta, whose compilers are
cc, CC and ftn whichever PrgEnv is loaded, so it is told none (src/arch/mpi-crayshasta/conv-mach.sh).

Until EB_NAMD has a way to name the machine without a compiler (seen in 5.1.2 to 5.4.1).
"""
from lumi_hooks_easyblocks.families import KnownAs, is_cpe, reworded
from lumi_hooks_easyblocks.registry.upstream import upstream_class

# for: the first word of the recipe's charm_arch
MACHINE = 'mpi-crayshasta'


class EB_NAMD(KnownAs, upstream_class('EB_NAMD', 'namd')):
    """Support for building NAMD."""

    def configure_step(self):
        if not (is_cpe(self.toolchain) and self.toolchain.options.get('usempi')):
            super().configure_step()
            return
        words = self.cfg['charm_arch'].split()
        self.cfg['charm_arch'] = ' '.join([MACHINE if words[0].startswith('mpi-') else words[0], *words[1:]])
        with reworded(self.cfg, {'mpicxx': ''}):
            super().configure_step()
