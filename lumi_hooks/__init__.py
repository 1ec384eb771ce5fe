# SPDX-License-Identifier: GPL-2.0-only
"""lumi-hooks: upstream EasyBuild recipes, adapted to the Cray PE of LUMI while they are installed."""
import os

__version__ = '0.2.0'

# EasyBuild's logging imports mpi4py where Python has it, as cray-python does, and MPI_Init can end a program outside of
# a job. `eb` sets this for the same reason; it can go when easybuild.base.fancylogger asks first
os.environ.setdefault('FANCYLOGGER_IGNORE_MPI4PY', '1')
