# SPDX-License-Identifier: GPL-2.0-only
"""LLVM: the folder of the GCC whose libraries Clang is to use, as that GCC itself says it.

Upstream's easyblock looks for it in lib/gcc/x86_64-*/<version> of GCC's prefix. Cray's GCC is the operating system's
(gcc-native): in lib64/gcc/x86_64-suse-linux/<major version> of /usr.

Until EB_LLVM asks the compiler (seen in 5.4.1).
"""
import os

from easybuild.tools.modules import get_software_root
from easybuild.tools.run import run_shell_cmd

from lumi_hooks_easyblocks.families import is_cpe, is_gnu
from lumi_hooks_easyblocks.registry import passed_on, upstream_class


class EB_LLVM(upstream_class('EB_LLVM', 'llvm')):
    """Support for building LLVM."""

    def _set_gcc_prefix_probs(self):
        if not is_cpe(self.toolchain) or not is_gnu(self.toolchain):
            super()._set_gcc_prefix_probs()
        elif self._gcc_root is None:
            answer = run_shell_cmd('cc -print-libgcc-file-name', hidden=True, in_dry_run=True).output.strip()
            self._gcc_root = get_software_root('GCC')
            self._gcc_prefix = os.path.dirname(os.path.realpath(answer))


# other easyblocks take functions from here
__getattr__ = passed_on('llvm')
