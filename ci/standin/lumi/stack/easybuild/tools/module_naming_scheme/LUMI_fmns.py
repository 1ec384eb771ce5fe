# SPDX-License-Identifier: GPL-2.0-only
"""LUMI's module naming scheme: EasyBuild's flat one, without the folders of module classes."""
from easybuild.tools.module_naming_scheme.easybuild_mns import EasyBuildMNS


class LUMI_FlatMNS(EasyBuildMNS):
    """Modules are named <name>/<version>-<toolchain>-<version><suffix> and lie in one folder."""

    def det_module_symlink_paths(self, ec):
        """Return no further places for a module."""
        return []
