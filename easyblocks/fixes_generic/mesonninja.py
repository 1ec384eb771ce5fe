# SPDX-License-Identifier: GPL-2.0-only
"""MesonNinja: Meson and Ninja from the modules that hold them.

Upstream's easyblock demands builddependencies by these names. On LUMI they are in the modules buildtools and
buildtools-python, which stand in for both; what matters is that the commands are there, and the version of Meson.

Until MesonNinja looks for the commands only (seen in 5.1.2 to 5.4.1).
"""
import re

from easybuild.tools.environment import setvar
from easybuild.tools.filetools import IGNORE, which
from easybuild.tools.modules import get_software_version, get_software_version_env_var_name
from easybuild.tools.run import run_shell_cmd

from lumi_hooks_easyblocks.families import is_cpe
from lumi_hooks_easyblocks.registry.upstream import upstream_class

TOOLS = ('Meson', 'Ninja')


class MesonNinja(upstream_class('MesonNinja', 'mesonninja')):
    """Support for building software with Meson and Ninja."""

    def configure_step(self, *args, **kwargs):
        if not is_cpe(self.toolchain):
            return super().configure_step(*args, **kwargs)
        named = self.cfg.builddependencies
        found = [{'name': tool} for tool in TOOLS if which(tool.lower(), on_error=IGNORE)]
        if not get_software_version('Meson') and which('meson', on_error=IGNORE):
            answer = run_shell_cmd('meson --version', hidden=True, in_dry_run=True).output
            version = re.search(r'\d[\d.]*', answer)
            if version:
                setvar(get_software_version_env_var_name('Meson'), version.group(), verbose=False)
        self.cfg.builddependencies = lambda: named() + found
        try:
            return super().configure_step(*args, **kwargs)
        finally:
            del self.cfg.builddependencies
