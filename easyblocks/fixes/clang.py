# SPDX-License-Identifier: GPL-2.0-only
"""Clang: the GCC whose libraries it is to use, as the compilers of cpeCray, cpeAOCC and cpeAMD say it.

Upstream's easyblock wants a software GCC or GCCcore, which these toolchains do not have.

Until EB_Clang asks the compiler (seen in 5.1.2 to 5.4.1).
"""
import sys

import easybuild.tools.environment as env
from easybuild.tools.modules import get_software_root_env_var_name

from lumi_hooks_easyblocks.families import gcc_of, is_cpe, is_gnu
from lumi_hooks_easyblocks.registry import upstream_class

# what upstream's looks for
TOLD = get_software_root_env_var_name('GCC')


class EB_Clang(upstream_class('EB_Clang', 'clang')):
    """Support for building Clang."""

    def configure_step(self):
        if not is_cpe(self.toolchain) or is_gnu(self.toolchain):
            super().configure_step()
            return
        env.setvar(TOLD, gcc_of(self.toolchain)[0], verbose=False)
        try:
            super().configure_step()
        finally:
            env.unset_env_vars([TOLD], verbose=False)


def __getattr__(name):
    """The other names of upstream's file, which easyblocks may import too."""
    return getattr(sys.modules['lumi_hooks_upstream_clang'], name)
