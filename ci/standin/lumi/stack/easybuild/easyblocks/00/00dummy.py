# SPDX-License-Identifier: GPL-2.0-only
"""An easyblock that does nothing: EasyBuild stops on an --include-easyblocks pattern without a match."""
from easybuild.framework.easyblock import EasyBlock


class EB_DummyExample(EasyBlock):
    """Used by no recipe."""

    def configure_step(self):
        """Nothing to configure."""

    def build_step(self):
        """Nothing to build."""

    def install_step(self):
        """Nothing to install."""
