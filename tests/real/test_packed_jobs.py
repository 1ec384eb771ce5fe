# SPDX-License-Identifier: GPL-2.0-only
"""A packed environment in jobs: an ordinary user without namespaces, Slurm's steps, FUSE (test_packed.py says how)."""
import shlex
import shutil

import pytest

from .conftest import ROOT
from .faults import User, base_folder, remove
from .test_environments import LUMI_EB, RANKS, wheel
from .test_packed import OPEN

SPEC = 'name: my-packed\nrecipes: []\npython: [tellme]\n'
MOUNTS = 'echo mounts $(grep -c fuse.squashfuse /proc/mounts)'


@pytest.fixture(scope='module')
def user(standin, sources, upstream):
    """A user with an environment in one file."""
    if not (shutil.which('squashfuse_ll') and shutil.which('fusermount3')):
        pytest.skip('it needs squashfuse and fuse3')
    path = base_folder()
    found = User(standin, sources, upstream, path)
    wheel(path, 'tellme', '1.0')
    (path / 'home' / 'my-packed.yaml').write_text(SPEC)
    found.own(path)
    done = found.run(f'cd && {LUMI_EB} env create my-packed.yaml --yes', PIP_NO_INDEX='1', PIP_FIND_LINKS=path)
    assert done.returncode == 0, done.stdout[-4000:]
    found.shell[:0] = ['unshare', '-m', 'sh', '-c', OPEN, str(path / 'fuse')]
    yield found
    remove(path)


def in_job(user, command):
    """Run a command beside a Slurm of the user's own; returns the lines that it wrote."""
    slurm = f'{user.home}/s'
    script = f'{ROOT}/ci/slurm/start {slurm} >/dev/null && export SLURM_CONF={slurm}/slurm.conf\n' \
             f'module load my-packed\n{command}\n{ROOT}/ci/slurm/stop {slurm} >/dev/null 2>&1'
    return user.run(script, LUMI_HOOKS_CACHE='', LUMI_HOOKS_STANDIN=user.standin).stdout


def test_one_file_is_all_that_there_is(user):
    folder = user.software('my-packed', '1')
    assert (folder / 'python.sqsh').is_file() and not list((folder / 'python').iterdir())
    assert not (user.prefix / '.lumi-hooks' / 'python').exists()
    assert {path.name for path in (folder / 'bin').iterdir()} >= {'python3', 'python', 'tellme'}


def test_ranks_run_from_it_and_nothing_stays_mounted(user):
    code = f'import tellme; {RANKS}; print(tellme.__file__)'
    out = in_job(user, f'srun -n 2 python3 -c {shlex.quote(code)}; srun -n 2 tellme; sleep 1; {MOUNTS}; tellme; '
                       f'sleep 1; {MOUNTS}; unshare -Ur true')
    lines = out.splitlines()
    place = user.software('my-packed', '1') / 'python/lib/python3.11/site-packages/tellme.py'
    assert lines.count(str(place)) == 2 and lines.count('1.0') == 3, out
    assert {'rank 0 of 2', 'rank 1 of 2'} <= set(lines)
    assert lines.count('mounts 0') == 2 and 'unshare failed' in lines[-1], out


KILLED = """{before}
srun -n 2 python3 -c "import tellme, time; time.sleep(100)" &
for i in $(seq 200); do grep -q fuse.squashfuse /proc/mounts && break; sleep 0.1; done
sleep 1
{mounts}
ps -u $(id -u) -o pid=,args= | grep "[f]lock -x" | while read -r pid rest; do kill -9 $pid; done
scancel --signal=KILL $(squeue -h -o %A)
wait
sleep 1
{mounts}
tellme"""


@pytest.mark.parametrize('before, left', [('true', 0), ('unset SLURM_TASK_EPILOG', 1)])
def test_a_step_that_is_killed_leaves_no_mount(user, before, left):
    """The helper is killed, too: Slurm runs the script in SLURM_TASK_EPILOG behind each task. Without it one stays."""
    out = in_job(user, KILLED.format(before=before, mounts=MOUNTS))
    lines = [line for line in out.splitlines() if line.startswith(('mounts', '1.0'))]
    assert lines == ['mounts 1', f'mounts {left}', '1.0'], out
