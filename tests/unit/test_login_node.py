# SPDX-License-Identifier: GPL-2.0-only
"""What eb does of MPI outside of a job: easyblocks are told; checks that start MPI programs: test_sanity.py."""
import os

import pytest
from easybuild.tools.config import build_option, update_build_option

from lumi_hooks.eb import session
from toolchains.lumi_craympich import CpeMpich


@pytest.mark.parametrize('job', [None, '123'])
def test_mpi_tests_and_mpi4py_without_srun(options, monkeypatch, job):
    monkeypatch.delenv('MPI4PY_RC_INITIALIZE', raising=False)
    monkeypatch.delenv('SLURM_JOB_ID', raising=False)
    if job:
        monkeypatch.setenv('SLURM_JOB_ID', job)
    session._without_srun()
    assert build_option('mpi_tests') is bool(job)
    assert os.environ.pop('MPI4PY_RC_INITIALIZE', None) == '0', 'the shell of a job is no step of Slurm'


@pytest.mark.parametrize('mpi_tests, ranks, command', [
    (False, 1, 'nc4tonc3 --help'), (False, 4, 'srun --ntasks=4 nc4tonc3 --help'),
    (True, 1, 'srun --ntasks=1 nc4tonc3 --help')])
def test_one_rank_outside_of_a_job_is_the_command_itself(options, monkeypatch, tmp_path, mpi_tests, ranks, command):
    """Imports need no srun: mpi4py does not start MPI there."""
    (tmp_path / 'srun').write_text('#!/bin/sh\n')
    (tmp_path / 'srun').chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.delenv('MPI4PY_RC_INITIALIZE', raising=False)
    update_build_option('mpi_tests', mpi_tests)
    toolchain = CpeMpich.__new__(CpeMpich)
    assert toolchain.mpi_cmd_for('nc4tonc3 --help', ranks) == command
    monkeypatch.setenv('MPI4PY_RC_INITIALIZE', '0')
    started = command.replace('srun ', 'srun --export=ALL,MPI4PY_RC_INITIALIZE=1 ')
    assert toolchain.mpi_cmd_for('nc4tonc3 --help', ranks) == started, 'what srun starts may start MPI'
