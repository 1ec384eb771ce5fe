# SPDX-License-Identifier: GPL-2.0-only
"""LLVM: the folder of the GCC whose libraries Clang is to use, as the compiler in hand says it.

Upstream's easyblock looks for it in lib/gcc/x86_64-*/<version> of the prefix of a software GCC, which is nowhere here.

Until EB_LLVM asks the compiler (seen in 5.4.1).
"""
import sys

from lumi_hooks_easyblocks.families import gcc_of, is_cpe
from lumi_hooks_easyblocks.registry.upstream import upstream_class


class EB_LLVM(upstream_class('EB_LLVM', 'llvm')):
    """Support for building LLVM."""

    def _set_gcc_prefix_probs(self):
        if not is_cpe(self.toolchain):
            super()._set_gcc_prefix_probs()
        elif self._gcc_root is None:
            self._gcc_root, self._gcc_prefix = gcc_of(self.toolchain)


def __getattr__(name):
    """The other names of upstream's file, which easyblocks import too (EB_ROCm_minus_LLVM)."""
    return getattr(sys.modules['lumi_hooks_upstream_llvm'], name)
