# SPDX-License-Identifier: GPL-2.0-only
"""Clang: the GCC whose libraries it is to use, as the compilers of cpeCray, cpeAOCC and cpeAMD say it.

Upstream's easyblock wants a software GCC or GCCcore, which these toolchains do not have.

Until EB_Clang asks the compiler (seen in 5.1.2 to 5.4.1).
"""
import sys

from lumi_hooks_easyblocks.families import gcc_of, installed, is_cpe, is_gnu
from lumi_hooks_easyblocks.registry.upstream import upstream_class


class EB_Clang(upstream_class('EB_Clang', 'clang')):
    """Support for building Clang."""

    def configure_step(self):
        if not is_cpe(self.toolchain) or is_gnu(self.toolchain):
            super().configure_step()
            return
        with installed('GCC', gcc_of(self.toolchain)[0]):
            super().configure_step()


def __getattr__(name):
    """The other names of upstream's file, which easyblocks may import too."""
    return getattr(sys.modules['lumi_hooks_upstream_clang'], name)
