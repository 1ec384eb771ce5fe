# SPDX-License-Identifier: GPL-2.0-only
"""The stand-in is as bare as a login node of LUMI, and srun is what starts MPI programs."""
import os
import re
import shlex

import pytest

from .conftest import HOOKS, ROOT
from .faults import User, base_folder, remove
from .test_exit import source

HELLO = ROOT / 'ci' / 'standin' / 'programs' / 'hello.c'
ENDED, ONE_RANK, TWO_RANKS = 'PMI2 init failed', 'ok hello 1 ranks sum 1', 'ok hello 2 ranks sum 3'
BUILD = f'cc {HELLO} -o hello'
LOAD = 'module load cpeGNU/25.03 2>/dev/null'


def test_there_is_no_launcher_but_srun(fresh, standin):
    done = fresh.run(f'{LOAD}; type -P srun mpirun mpiexec; ls $CRAY_MPICH_DIR/bin; unshare -Ur true')
    assert f'{standin}/opt/standin/bin/srun' in done.stdout.splitlines() and 'mpicc' in done.stdout.splitlines()
    assert 'mpirun' not in done.stdout and 'mpiexec' not in done.stdout
    # root could make them by its rights, but for the filter
    assert 'No space left on device' in done.stdout


@pytest.mark.parametrize('netmod', ['ofi', 'ucx'])
@pytest.mark.parametrize('allowed', [False, True])
def test_mpi_init_outside_of_a_job(fresh, slurm, netmod, allowed):
    """What LUMI's login nodes do is contested: the default ends the program, a switch of the stand-in lets it run."""
    env = {'MPIR_CVAR_CH4_NETMOD': netmod, **({'STANDIN_MPI_ON_LOGIN': '1'} if allowed else {})}
    done = fresh.run(f'{LOAD}; cd; {BUILD} && ./hello', **env)
    assert (done.returncode == 0, ONE_RANK in done.stdout, ENDED in done.stdout) == (allowed, allowed, not allowed)
    # nobody answers in a step without PMI either
    done = fresh.run('cd; srun --mpi=none ./hello', **env, **slurm)
    assert (done.returncode == 0, ENDED in done.stdout) == (allowed, not allowed), done.stdout
    done = fresh.run('cd; srun -n 2 ./hello', check=True, **env, **slurm)
    assert TWO_RANKS in done.stdout


PACKAGE = """easyblock = 'PythonBundle'
name = 'starter'
version = '1.0'
homepage = 'https://example.org'
description = "imports MPI, which starts it"
toolchain = {{'name': 'gompi', 'version': '2025a'}}
dependencies = [('Python', '3.13.1'), ('mpi4py', '4.1.0')]
exts_list = [(name, version, {{'checksums': ['{sha256}'], 'source_tmpl': 'starter-1.0.tar.gz'}})]
moduleclass = 'tools'
"""
FILES = {'setup.py': "from setuptools import setup\nsetup(name='starter', version='1.0', py_modules=['starter'])\n",
         'starter.py': 'from mpi4py import MPI\nSUM = MPI.COMM_WORLD.allreduce if MPI.Is_initialized() else None\n'}


@pytest.fixture
def installed(lumi, mpi4py):
    """A prefix with mpi4py, which was installed where MPI_Init ends a program."""
    return lumi


@pytest.mark.parametrize('where', ['login', pytest.param('login, where MPI_Init works', marks=pytest.mark.long),
                                   pytest.param('job', marks=pytest.mark.long)])
def test_a_package_that_imports_mpi_installs(installed, slurm, tmp_path, where):
    """As h5py and petsc4py do: its sanity check imports it for real, and does not start MPI; srun does."""
    recipe = tmp_path / 'starter-1.0-gompi-2025a.eb'
    recipe.write_text(PACKAGE.format(sha256=source(tmp_path, 'starter-1.0', FILES)))
    env = {'LUMI_HOOKS_DISABLE': 'python-run-time', 'STANDIN_MPI_ON_LOGIN': '0' if where in ('login', 'job') else '1'}
    command = f'eb --hooks={HOOKS} {recipe} --sourcepath={tmp_path}:{installed.sources} -r --rebuild'
    if where == 'job':
        # its shell is no step of Slurm: MPI_Init ends programs there, too
        command = f'sbatch --wait -o {tmp_path}/log --wrap {shlex.quote(command)}; cat {tmp_path}/log'
    done = installed.run(command, check=True, **env, **slurm)
    assert '== COMPLETED: Installation ended successfully' in done.stdout, done.stdout[-3000:]
    program = 'module load starter/1.0-cpeGNU-25.03; %s python3 -c "import starter; print(\'sum\', starter.SUM(1))"'
    assert installed.run(program % 'srun -n 2', check=True, **slurm).stdout.count('sum 2') == 2
    assert ENDED in installed.run(program % '').stdout


@pytest.fixture
def user(standin, sources, upstream):
    """An ordinary user."""
    path = base_folder()
    yield User(standin, sources, upstream, path)
    remove(path)


# what a machine may have of Debian's Slurm and munge
INSTALLED = ('/usr/bin/srun', '/usr/bin/sinfo', '/usr/sbin/munged', '/usr/sbin/slurmctld-wlm', '/usr/sbin/slurmd-wlm',
             '/usr/sbin/slurmstepd-wlm', '/usr/lib/x86_64-linux-gnu/libmunge.so.2.0.0',
             '/usr/lib/x86_64-linux-gnu/slurm-wlm/libslurmfull.so')


def test_slurm_of_an_ordinary_user_where_none_is_installed(user):
    """Unpacked packages are enough. Started without a folder, it is where srun looks; stopped, nothing is left."""
    if os.geteuid() == 0:
        hide = [f'mount --bind /dev/null {path}' for path in INSTALLED if os.path.exists(path)]
        user.shell[:0] = ['unshare', '-m', 'sh', '-c', '\n'.join([*hide, 'exec "$@"']), 'sh']
    before = user.run('srun -n 2 hostname', load=False)
    assert before.returncode == 1 and 'run ci/slurm/start first' in before.stdout
    # one core is enough for two ranks; while the node ends a job its state is "completing"
    script = f"""{LOAD}; cd; {BUILD}
        taskset -c 0 {ROOT}/ci/slurm/start </dev/null && taskset -c 0 srun -n 2 ./hello
        stat -c %a .cache/lumi-hooks/slurm
        srun sh -c 'trap "" TERM INT; sleep 4' & sleep 1; scancel -u $(id -un); sleep 0.5; sinfo -h -o %T
        echo munged: $(pgrep -r D,R,S -u $(id -u) munged); {ROOT}/ci/slurm/start
        echo munged: $(pgrep -r D,R,S -u $(id -u) munged); {ROOT}/ci/slurm/stop
        sleep 0.5; pgrep -r D,R,S -lu $(id -u) 'slurm|munge'"""
    told = user.run(script, LUMI_HOOKS_CACHE='').stdout
    assert TWO_RANKS in told and '\n700\n' in told, told
    assert '\ncompleting\n' in told and told.count('Slurm is running in') == 2, told
    first, second = re.findall(r'^munged: (\d+)$', told, re.MULTILINE)
    assert first == second, f'the second start finds it: {told}'
    assert told.rstrip().endswith('is stopped'), told
