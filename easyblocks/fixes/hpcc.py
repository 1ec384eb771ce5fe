# SPDX-License-Identifier: GPL-2.0-only
"""HPCC: upstream's easyblock without the test that it inherits from HPL.

EB_HPL.test_step (easybuild-easyblocks pull request 3917; seen in 5.1.2 and 5.4.1) runs bin/UNKNOWN/xhpl, which HPCC
does not build: every installation of HPCC ends there, on any machine. This can go once EB_HPCC has a test step
of its own.
"""
from easybuild.easyblocks.generic.configuremake import ConfigureMake

from lumi_hooks_easyblocks.registry.upstream import upstream_class


class EB_HPCC(upstream_class('EB_HPCC', 'hpcc')):
    """Support for building HPCC."""

    def test_step(self):
        """Run what the recipe says (runtest), as for any other software built with make."""
        ConfigureMake.test_step(self)
