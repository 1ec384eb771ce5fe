# SPDX-License-Identifier: GPL-2.0-only
"""Commands of an easyblock's own sanity check that can't work where it runs."""
import re

from easybuild.framework.easyblock import EasyBlock
from easybuild.tools.config import build_option

_LAUNCHER = re.compile(r'(?<![\w./+-])(?:srun|mpirun|mpiexec)(?![\w./+-])')


class Checks(EasyBlock):
    """To be inherited from behind an easyblock, which hands its commands to EasyBlock's sanity check."""

    # commands of the easyblock's that call MPI_Init without a launcher: in a job they get one
    MPI_COMMANDS = ()

    def sanity_check_step(self, *args, **kwargs):
        """Check without the commands that why_not knows of; the log says which, and why."""
        kept = []
        for command in kwargs.get('custom_commands') or []:
            reason = self.why_not(command)
            if reason:
                self.log.warning('lumi-hooks: not checked, as %s: %s', reason, command)
            else:
                kept.append(self.toolchain.mpi_cmd_for(command, 1) if command in self.MPI_COMMANDS else command)
        if 'custom_commands' in kwargs:
            kwargs['custom_commands'] = kept
        return super().sanity_check_step(*args, **kwargs)

    def why_not(self, command):
        """Return why a command can't work here, None where it can.

        The hooks switch EasyBuild's option mpi_tests off outside of a job.
        """
        if not build_option('mpi_tests') and (command in self.MPI_COMMANDS or _LAUNCHER.search(str(command))):
            return 'MPI programs are started inside a job alone'
        return None
