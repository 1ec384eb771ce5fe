# SPDX-License-Identifier: GPL-2.0-only
"""Sanity checks that start MPI programs: tried, set aside where MPI_Init ends them, and kept for a job (R5)."""
import subprocess
from types import SimpleNamespace

import pytest
from easybuild.tools.run import run_shell_cmd
from elves import Place

from lumi_hooks import hooks
from lumi_hooks.eb.lifecycle import attempt, sanity

APP = SimpleNamespace(dry_run=False, full_mod_name='Thing/1.0-cpeGNU-25.03')
# as Cray MPICH says it
FAILS = "echo 'MPID_Init(501).......: PMI2 init failed: 1' >&2; exit 255"


@pytest.fixture
def step(options, monkeypatch, tmp_path):
    """The sanity check of a package, on a login node."""
    monkeypatch.delenv('SLURM_JOB_ID', raising=False)
    monkeypatch.setenv('MPI4PY_RC_INITIALIZE', '0')
    place = Place(tmp_path / 'place')
    for name in ('fds', 'aims.x', 'serial'):
        (tmp_path / name).write_text(f'#!/bin/sh\n{FAILS}\n' if name != 'serial' else '#!/bin/sh\nexit 3\n')
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv('PATH', f'{place.root}/bin:{tmp_path}:/usr/bin:/bin')
    sanity.begin(APP)
    yield place
    sanity._folder = None


def tried(command, stdin=None):
    """What EasyBuild sees of a command: exit code and output, and what is left for a job."""
    instead = hooks.pre_run_shell_cmd_hook(command, interactive=False)
    done = subprocess.run(['bash', '-c', instead or command], input=stdin, stdout=subprocess.PIPE, check=False,
                          stderr=subprocess.STDOUT, **({} if stdin is not None else {'stdin': subprocess.DEVNULL}))
    return done.returncode, done.stdout.decode(), [item['why'] for item in sanity.left(uses_mpi=False)]


@pytest.mark.parametrize('command', [
    # upstream's recipes of FHI-aims, Elk, orthAgogue
    "fds | grep '^Elk code version 9'", 'cd / && fds', 'fds --help', '(echo help; echo quit) | fds',
    'aims.x --version'])
def test_what_mpi_init_ends_is_not_checked(step, command):
    code, output, left = tried(command)
    assert code == 0 and left == ['mpi-init'] and attempt.NOT_CHECKED in output and 'PMI2 init failed' in output
    assert sanity.left(uses_mpi=False) == [{'command': command, 'stdin': '', 'why': 'mpi-init'}]


@pytest.mark.parametrize('command, code', [
    ('true', 0), ('serial', 3), ('serial 2>/dev/null | grep x', 1), ('nothing-of-that-name', 127),
    ("echo 'checking for PMI2_Init in -lpmi2... yes'; exit 1", 1), ('kill -9 $$', 137)])
def test_any_other_failure_stays_one(step, command, code):
    """Nothing is forgiven but MPI_Init: a program that is broken fails the installation."""
    assert tried(command)[::2] == (code, [])


def test_a_program_that_keeps_the_message_to_itself(step):
    """FDS: fds 2>&1 | grep 'MPI version'; the program is linked with MPI, so that MPI_Init may be what ended it."""
    step.program('linked', needs=[step.mpi()])
    step.program('other')
    assert tried("linked 2>&1 | grep 'MPI version'")[::2] == (0, ['mpi-init'])
    assert tried("linked > /dev/null | grep 'MPI version'")[0] == 1, 'its messages are seen'
    assert tried("other 2>&1 | grep 'MPI version'")[0] == 1
    assert tried("echo MPI version; true || linked 2>&1 | grep x") == (0, 'MPI version\n', ['mpi-init'])


@pytest.mark.parametrize('command', [
    'cd x && srun --ntasks=4 python -c "import lammps"', 'mpirun -n 1 icon --version'])
def test_what_calls_for_a_launcher_is_not_run(step, command):
    """EB_LAMMPS writes the first, whatever the option mpi_tests says."""
    assert tried(command) == (0, attempt.NOT_CHECKED + '\n', ['launcher'])


def test_standard_input_is_kept(step):
    """R's check of an extension: R -q --no-save, and library(Rmpi) on its standard input."""
    assert tried('cat; fds', b'library(Rmpi)')[0] == 0
    assert sanity.left(False) == [{'command': 'cat; fds', 'stdin': 'library(Rmpi)', 'why': 'mpi-init'}]
    assert tried('grep -c x', b'x\ny\n')[:2] == (0, '1\n')


def test_imports_of_what_uses_mpi_are_left_too(step):
    """They were tried without MPI_Init (MPI4PY_RC_INITIALIZE=0)."""
    command = "python3 -c 'import json'"
    assert tried(command) == (0, '', [])
    # what EasyBuild asks Python about itself is no test of the software
    for asked in ("python3 -c 'import sys; print(1)'", 'python3 -c "import sysconfig; print(1)"'):
        assert tried(asked)[0] == 0
    assert sanity.left(uses_mpi=True) == [{'command': command, 'stdin': '', 'why': 'import'}]


@pytest.mark.parametrize('said', [
    # MPICH 4 and 3.4: amdahl --help asks for its rank first
    'Attempting to use an MPI routine (internal_Comm_rank) before initializing or after finalizing MPICH',
    'Attempting to use an MPI routine before initializing MPICH'])
def test_programs_on_mpi4py_that_use_mpi_at_once(step, monkeypatch, tmp_path, said):
    """On a login node they count as not checked; inside a job srun starts them with MPI_Init."""
    (tmp_path / 'amdahl').write_text(f'#!/bin/sh\n[ -n "$MPI4PY_RC_INITIALIZE" ] || exit 0\necho "{said}"; exit 1\n')
    (tmp_path / 'amdahl').chmod(0o755)
    assert tried('amdahl --help')[::2] == (0, ['mpi-init'])
    monkeypatch.setenv('SLURM_JOB_ID', '1')
    (tmp_path / 'srun').write_text('#!/bin/sh\nshift && exec "$@"\n')
    (tmp_path / 'srun').chmod(0o755)
    sanity.begin(APP)
    assert tried('amdahl --help')[::2] == (0, [])
    monkeypatch.delenv('MPI4PY_RC_INITIALIZE')
    monkeypatch.delenv('SLURM_JOB_ID')
    (tmp_path / 'fds').write_text(f'#!/bin/sh\necho "{said}"; exit 1\n')
    assert tried('fds')[0] == 1, 'with MPI_Init it is a fault of the program'


def test_inside_a_job_srun_starts_it(step, monkeypatch, tmp_path):
    """What does not start by itself there is tried by srun, and then it has to work."""
    monkeypatch.setenv('SLURM_JOB_ID', '1')
    (tmp_path / 'srun').write_text('#!/bin/sh\n[ "$1" = --ntasks=1 ] && shift && STEP=1 exec "$@"\n')
    (tmp_path / 'srun').chmod(0o755)
    (tmp_path / 'fds').write_text(f'#!/bin/sh\n[ -z "$STEP" ] || {{ echo started; exit $CODE; }}\n{FAILS}\n')
    for code in (0, 7):
        monkeypatch.setenv('CODE', str(code))
        found = tried('fds')
        assert found[0] == code and 'started' in found[1] and found[2] == []
    assert hooks.pre_run_shell_cmd_hook('mpirun -n 1 x') is None


def test_nothing_is_touched_outside_of_sanity_checks(step):
    sanity._folder = None
    assert hooks.pre_run_shell_cmd_hook('make') is None
    sanity.begin(SimpleNamespace(dry_run=True))
    assert hooks.pre_run_shell_cmd_hook('make') is None
    sanity.begin(APP)
    assert hooks.pre_run_shell_cmd_hook(['make']) is None
    assert hooks.pre_run_shell_cmd_hook('q', interactive=True) is None


def test_what_was_not_checked_is_told(step, monkeypatch, capsys):
    tried('fds --help')
    tried("python3 -c 'import json'")
    sanity.end(APP)
    told = capsys.readouterr().out
    assert 'not checked, as MPI starts only inside a job: fds --help' in told and 'import json' not in told
    assert '"lumi-eb job Thing/1.0-cpeGNU-25.03 --test"' in told
    assert hooks.pre_run_shell_cmd_hook('make') is None, 'the step is over'
    sanity.begin(APP)
    assert not sanity.left(True), 'of the package before'


def test_easybuild_takes_the_hook_s_command(step, monkeypatch):
    """The way that a command goes inside eb."""
    monkeypatch.setattr('easybuild.tools.run.load_hooks', lambda path: {
        'pre_run_shell_cmd_hook': hooks.pre_run_shell_cmd_hook})
    found = run_shell_cmd('aims.x --version', fail_on_error=False, hidden=True)
    assert found.exit_code == 0 and attempt.NOT_CHECKED in found.output
