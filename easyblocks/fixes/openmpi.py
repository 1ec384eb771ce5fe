# SPDX-License-Identifier: GPL-2.0-only
"""Open MPI: its check of mpicc and mpif90 with the compilers behind Cray's wrappers.

EB_OpenMPI looks for the compiler's name, as $CXX has it, in what "mpicxx --version" says. Cray's wrappers say what the
compiler says that they start: "g++ …", "GNU Fortran …", and not CC or ftn. So the first line that they say is looked
for instead.

Until EB_OpenMPI knows compilers that say another name than their own (seen in 5.1.2 to 5.4.1).
"""
import os

from easybuild.tools.run import run_shell_cmd

from lumi_hooks_easyblocks.families import is_cpe
from lumi_hooks_easyblocks.registry.upstream import upstream_class


class EB_OpenMPI(upstream_class('EB_OpenMPI', 'openmpi')):
    """Support for building Open MPI."""

    def compilers_said(self):
        """What the compilers say of themselves, by the variables that name them; empty for other toolchains."""
        named = {name: os.environ[name] for name in ('CC', 'CXX', 'FC', 'F90') if os.environ.get(name)}
        said = {name: run_shell_cmd(f'{compiler} --version', hidden=True, in_dry_run=True).output
                for name, compiler in named.items()} if is_cpe(self.toolchain) else {}
        return {name: text.strip().splitlines()[0] for name, text in said.items() if text.strip()}

    def sanity_check_step(self):
        said = self.compilers_said()
        before = {name: os.environ[name] for name in said}
        os.environ.update(said)
        try:
            super().sanity_check_step()
        finally:
            os.environ.update(before)
