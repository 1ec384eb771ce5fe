# SPDX-License-Identifier: GPL-2.0-only
"""LLVM: the folder of the GCC whose libraries Clang is to use, as the compiler in hand says it.

Upstream's easyblock looks for it in lib/gcc/x86_64-*/<version> of the prefix of a software GCC. Cray's GCC is the
operating system's (gcc-native): in lib64/gcc/x86_64-suse-linux/<major version> of /usr. The other compilers are made
of Clang, and say which GCC's libraries they have selected.

Until EB_LLVM asks the compiler (seen in 5.4.1).
"""
import os
import re
import sys

from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.run import run_shell_cmd

from lumi_hooks_easyblocks.families import is_cpe, is_gnu
from lumi_hooks_easyblocks.registry import upstream_class


class EB_LLVM(upstream_class('EB_LLVM', 'llvm')):
    """Support for building LLVM."""

    def _set_gcc_prefix_probs(self):
        if not is_cpe(self.toolchain):
            super()._set_gcc_prefix_probs()
        elif self._gcc_root is None:
            command = 'cc -print-libgcc-file-name' if is_gnu(self.toolchain) else 'cc -v'
            answer = run_shell_cmd(command, hidden=True, in_dry_run=True).output
            found = re.search(r'^(/\S+)/libgcc\S*$|Selected GCC installation: *(\S+)', answer, re.M)
            if not found:
                raise EasyBuildError("'%s' does not say which GCC's libraries are used: %s", command, answer)
            self._gcc_prefix = os.path.realpath(found.group(1) or found.group(2))
            self._gcc_root = re.sub('/lib(64)?/gcc/.*', '', self._gcc_prefix)


def __getattr__(name):
    """The other names of upstream's file, which easyblocks import too (EB_ROCm_minus_LLVM)."""
    return getattr(sys.modules['lumi_hooks_upstream_llvm'], name)
