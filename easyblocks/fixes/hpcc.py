# SPDX-License-Identifier: GPL-2.0-only
"""HPCC: upstream's easyblock without the test that it inherits from HPL, and its program is started by srun.

EB_HPL.test_step (easybuild-easyblocks pull request 3917; seen in 5.1.2 and 5.4.1) runs bin/UNKNOWN/xhpl, which HPCC
does not build: every installation of HPCC ends there, on any machine. This can go once EB_HPCC has a test step
of its own.

Its sanity check runs hpcc alone, which MPI_Init ends outside of srun: it runs by srun in a job, not on a login node.
"""
from easybuild.easyblocks.generic.configuremake import ConfigureMake

from lumi_hooks_easyblocks.registry import upstream_class
from lumi_hooks_easyblocks.registry.checks import Checks


class EB_HPCC(upstream_class('EB_HPCC', 'hpcc'), Checks):
    """Support for building HPCC."""

    MPI_COMMANDS = ('hpcc',)

    def test_step(self):
        """Run what the recipe says (runtest), as for any other software built with make."""
        ConfigureMake.test_step(self)
