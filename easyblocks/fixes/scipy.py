# SPDX-License-Identifier: GPL-2.0-only
"""scipy: upstream's easyblock knows some BLAS libraries for Meson (from 1.9 on), and LibSci is none of them.

It is told one that it names to Meson without a question; that name is exchanged for LibSci's, which pkg-config finds.

Until EB_scipy takes the libraries from $LIBLAPACK where it has no name for them (seen in 5.1.2 to 5.4.1).
"""
import easybuild.tools.environment as env

from lumi_hooks_easyblocks.families import KnownAs, is_cpe, libsci_for_pkg_config, reworded
from lumi_hooks_easyblocks.registry.upstream import upstream_class

WORDS = {'-Dblas=openblas': '-Dblas=libsci', '-Dlapack=openblas': '-Dlapack=libsci'}


class EB_scipy(KnownAs, upstream_class('EB_scipy', 'scipy')):
    """Support for building scipy."""

    KNOWN_AS = {}
    ALSO_KNOWN_AS = {'lapack': 'OpenBLAS'}

    def configure_step(self, *args, **kwargs):
        if not is_cpe(self.toolchain):
            return super().configure_step(*args, **kwargs)
        env.setvar('PKG_CONFIG_PATH', libsci_for_pkg_config())
        with reworded(self.cfg, WORDS):
            return super().configure_step(*args, **kwargs)
