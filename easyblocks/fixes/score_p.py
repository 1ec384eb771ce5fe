# SPDX-License-Identifier: GPL-2.0-only
"""Score-P, OTF2, Cube, Scalasca: the compiler suites and the MPI of Cray's machines.

Upstream's easyblock stops at the compiler families of cpeCray, cpeAOCC and cpeAMD although Score-P has suites for
them, and names an MPI whose compilers are mpicc and the like, which the Cray PE does not have (--with-mpi=cray: cc,
CC, ftn; as LUMI's own recipes and Score-P's INSTALL say). LLVM's compiler plugin needs headers of the same LLVM, which
these compilers come without: off, as in LUMI's recipes. The suite gcc calls gcc by its name: where that is the
operating system's own (7.5 on SLES 15), the release's are named, as LUMI's recipes do (CC=gcc-14).

Until EB_Score_minus_P knows these families (seen in 5.1.2 to 5.4.1).
"""
import re

from easybuild.easyblocks.generic.configuremake import ConfigureMake

from lumi_hooks_easyblocks.families import KnownAs, gnu_by_name, is_cpe
from lumi_hooks_easyblocks.registry.upstream import upstream_class

# for --with-nocross-compiler-suite
SUITES = {'GCC': 'gcc', 'CCE': 'cray', 'AOCC': 'aocc', 'AMD': 'amdclang'}


class WithCraySuites(ConfigureMake):
    """Comes after upstream's class, so after it has chosen the options."""

    def configure_step(self, *args, **kwargs):
        if is_cpe(self.toolchain):
            family = self.toolchain.COMPILER_FAMILY
            self._say('--with-nocross-compiler-suite=gcc', '--with-nocross-compiler-suite=%s' % SUITES[family])
            self._say(r'--with-mpi=mpich\d', '--with-mpi=cray')
            if family == 'GCC':
                # the suite calls gcc, which may be the operating system's own
                self.cfg.update('configopts', gnu_by_name())
            else:
                self._say('--(enable|disable)-gcc-plugin', '--disable-llvm-plugin')
        return super().configure_step(*args, **kwargs)

    def _say(self, regex, option):
        """Replace a configure option that upstream chose."""
        self.cfg['configopts'] = re.sub(r'(?<!\S)%s(?!\S)' % regex, option, self.cfg['configopts'])


class EB_Score_minus_P(KnownAs, upstream_class('EB_Score_minus_P', 'score_p'), WithCraySuites):
    """Support for building Score-P and its family."""
