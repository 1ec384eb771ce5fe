# SPDX-License-Identifier: GPL-2.0-only
"""
The story that docs/environments.md tells, with real software: mpi4py, h5py, Hypre, HPCC and a dozen Python packages;
made by one member of a project, extended by another, packed, taken to another project; and two Pythons in one job.

It takes the better part of an hour on two cores: pytest -m long tests/real/test_environment_story.py
"""
import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import ROOT
from .members import PROJECT_ID, Member, folder
from .test_packed import OPEN

pytestmark = pytest.mark.long

LUMI_EB = shlex.quote(str(ROOT / 'bin' / 'lumi-eb'))
# accounts that every Debian has (nobody, bin), with groups of their own: fusermount wants a name
ONE, OTHER = 65534, 2
# none of them is what cray-python carries
PACKAGES = ('attrs', 'boltons', 'idna', 'Jinja2', 'MarkupSafe', 'msgpack', 'networkx', 'regex', 'sortedcontainers',
            'sympy', 'tabulate', 'tqdm')
SPEC = f"""name: story
release: "25.03"
partitions: [C]
recipes: [mpi4py-4.1.0-gompi-2025a.eb, h5py-3.14.0-foss-2025a.eb, Hypre-2.32.0-foss-2024a.eb, HPCC-1.5.0-foss-2022a.eb]
python: [{', '.join(PACKAGES)}]
variables: {{STORY: "one"}}
packed: false
"""
RANKS = """
import attr, boltons, idna, jinja2, markupsafe, msgpack, networkx, regex, sortedcontainers, sympy, tabulate, tqdm
import h5py
from mpi4py import MPI
comm = MPI.COMM_WORLD
with h5py.File('story.h5', 'w', driver='mpio', comm=comm) as file:
    file.create_dataset('ranks', (comm.size,), dtype='i')[comm.rank] = comm.rank
with h5py.File('story.h5', 'r') as file:
    print('rank', comm.rank, 'reads', list(map(int, file['ranks'])), tabulate.__file__)
"""
SOLVER = """
#include <stdio.h>
#include <HYPRE_utilities.h>
#include <mpi.h>
int main(int argc, char **argv)
{
    int size;
    MPI_Init(&argc, &argv);
    HYPRE_Initialize();
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    printf("hypre on %d: %d\\n", size, HYPRE_GetError());
    HYPRE_Finalize();
    return MPI_Finalize();
}
"""


class Owner(Member):
    """A member of a project, on a node whose /dev/fuse is open, as LUMI's are (test_packed.py says how)."""

    def __init__(self, standin, sources, upstream, prefix, home, user):
        super().__init__(standin, sources, upstream, prefix, home, user)
        self.before = ['unshare', '-m', 'sh', '-c', OPEN, str(home.parent / 'fuse')]

    def run(self, command, load=True, check=False, timeout=7200, umask='0022', **env):
        """Run a bash command as that user, with its sources at hand."""
        env.setdefault('EASYBUILD_SOURCEPATH', f'{self.prefix}/sources:{self.sources}')
        return super().run(f'cd {self.home} && {{ {command}\n}}', load, check, timeout, umask, **env)


@pytest.fixture(scope='module')
def story(standin, sources, upstream, base):
    """Two members of a project, and another project of the second one's."""
    if not (shutil.which('squashfuse_ll') and shutil.which('fusermount3')):
        pytest.skip('it needs squashfuse and fuse3')
    for user in (ONE, OTHER):
        folder(base / f'home{user}', owner=user, mode=0o700)
    prefix, elsewhere = (folder(base / name, owner=owner, group=PROJECT_ID, mode=0o2775)
                         for name, owner in (('ours', ONE), ('theirs', OTHER)))
    one, other = (Owner(standin, sources, upstream, prefix, base / f'home{user}', user) for user in (ONE, OTHER))
    theirs = Owner(standin, sources, upstream, elsewhere, base / f'home{OTHER}', OTHER)
    write(one, 'story.yaml', SPEC)
    env(one, 'create story.yaml --yes')
    return {'one': one, 'other': other, 'theirs': theirs, 'base': base}


def write(user, name, text):
    """Give a user a file in the home folder."""
    done = user.run(f'cat > {name} <<"END"\n{text}END', load=False)
    assert done.returncode == 0, done.stdout


def env(user, words, code=0, **more):
    done = user.run(f'{LUMI_EB} env {words}', **more)
    assert done.returncode == code, done.stdout[-6000:]
    return done.stdout


def asked(user, words):
    """What a command says in JSON."""
    text = user.run(f'echo @@@; {LUMI_EB} env {words} --json 2>/dev/null').stdout.partition('@@@\n')[2]
    return json.loads(text)


def in_job(user, command):
    """Run a command beside a Slurm of the user's own; returns what it wrote after the start."""
    slurm = f'{user.home}/s'
    script = f'{ROOT}/ci/slurm/start {slurm} >/dev/null && export SLURM_CONF={slurm}/slurm.conf\necho @@@\n' \
             f'{command}\n{ROOT}/ci/slurm/stop {slurm} >/dev/null 2>&1'
    return user.run(script, LUMI_HOOKS_CACHE='', LUMI_HOOKS_STANDIN=user.standin).stdout.partition('@@@\n')[2]


def test_all_of_it_runs_on_two_ranks(story):
    one = story['one']
    write(one, 'ranks.py', RANKS)
    write(one, 'solver.c', SOLVER)
    out = in_job(one, 'module load story 2>/dev/null; srun -n 2 python3 ranks.py; cc solver.c -o solver -lHYPRE && '
                      'srun -n 2 ./solver; cp $EBROOTHPCC/bin/_hpccinf.txt hpccinf.txt 2>/dev/null || '
                      'find $EBROOTHPCC -name "_hpccinf.txt" -exec cp {} hpccinf.txt \\; ; '
                      'which hpcc; echo $STORY')
    assert len(re.findall(r'^rank [01] reads \[0, 1\]', out, re.MULTILINE)) == 2, out
    assert out.count('hypre on 2: 0') == 2 and 'bin/hpcc' in out and out.splitlines()[-1] == 'one', out


def test_another_member_loads_and_extends_it(story):
    other = story['other']
    env(other, 'export story --output story.json')
    env(other, 'import story.json --yes --folder mine')
    assert 'one' in other.run('module load story 2>/dev/null; echo $STORY').stdout
    spec = other.run('cat mine/story.yaml', load=False).stdout
    write(other, 'mine/story.yaml', spec.replace('"one"', '"two"').replace('tqdm]', 'tqdm, humanize]'))
    start = time.monotonic()
    out = env(other, 'update mine/story.yaml --yes')
    print(f'the update took {time.monotonic() - start:.0f} s')
    assert re.findall(r'SUCCESS\] (\S+)', out) == ['story/2'], out[-3000:]
    differences = asked(other, 'diff story')['differences']
    assert any('humanize' in line for line in differences) and any('STORY' in line for line in differences)
    loaded = 'module load story 2>/dev/null; python3 -c "import humanize; print(humanize.__file__)"; echo $STORY'
    out = story['one'].run(loaded).stdout
    assert str(other.prefix) in out and out.splitlines()[-1] == 'two'


def test_it_comes_back(story):
    env(story['other'], 'rollback story')
    assert story['one'].run('module load story 2>/dev/null; echo $STORY').stdout.splitlines()[-1] == 'one'


def test_from_one_file_it_runs_the_same(story):
    other = story['other']
    env(other, 'pack story --yes')
    place = other.software('story', '3')
    assert (place / 'python.sqsh').is_file() and not list((place / 'python').iterdir())
    write(other, 'ranks.py', RANKS)
    out = in_job(other, 'module load story 2>/dev/null; srun -n 2 python3 ranks.py; sleep 2; '
                        'echo mounts $(grep -c fuse.squashfuse /proc/mounts); unshare -Ur true')
    assert len(re.findall(r'^rank [01] reads \[0, 1\]', out, re.MULTILINE)) == 2, out
    assert out.count(f'{place}/python/lib/python3.11/site-packages/tabulate/__init__.py') == 2
    assert 'mounts 0' in out and 'unshare failed' in out, out


def test_another_project_gets_the_very_same(story):
    theirs = story['theirs']
    env(story['other'], 'export story --output packed.json')
    env(theirs, 'import packed.json --yes --folder theirs')
    assert (theirs.software('story', '1') / 'python.sqsh').is_file()
    locks = [json.loads(Path(user.software('story', number), 'environment', 'lock.json').read_text())
             for user, number in ((story['other'], '3'), (theirs, '1'))]
    assert locks[0]['modules'] == locks[1]['modules'] and locks[0]['python'] == locks[1]['python']
    out = in_job(theirs, 'module load story 2>/dev/null; srun -n 2 python3 ranks.py')
    assert len(re.findall(r'^rank [01] reads \[0, 1\]', out, re.MULTILINE)) == 2, out
    assert out.count(f'{theirs.prefix}/') == 2


PYTHON = """easyblock = 'MakeCp'
name = 'OtherPython'
version = '{version}'
homepage = 'https://www.python.org'
description = "another Python than the release's"
toolchain = {{'name': 'GCCcore', 'version': '14.2.0'}}
sources = []
prebuildopts = "printf '#!/bin/sh\\\\nexec {python} \\"$@\\"\\\\n' > python3; chmod 755 python3; true "
files_to_copy = [(['python3'], 'bin')]
sanity_check_paths = {{'files': ['bin/python3'], 'dirs': []}}
moduleclass = 'lang'
"""


def test_two_pythons_in_one_job(story, other_python):
    one = story['one']
    version = subprocess.run([other_python, '-c', 'import sys; print("%d.%d" % sys.version_info[:2])'], text=True,
                             stdout=subprocess.PIPE, check=True).stdout.strip()
    assert version != '%d.%d' % sys.version_info[:2]
    name = f'OtherPython-{version}-GCCcore-14.2.0.eb'
    write(one, name, PYTHON.format(version=version, python=other_python))
    write(one, 'pythons.yaml', 'name: pythons\nsteps:\n'
                               f'  old: {{recipes: [{name}], commands: [python3]}}\n'
                               '  new: {recipes: [mpi4py-4.1.0-gompi-2025a.eb], python: [idna==3.10]}\n')
    env(one, 'create pythons.yaml --yes')
    old, new = (shlex.quote(f'import sys; print(*sys.version_info[:2]){more}')
                for more in ('', '; import idna, mpi4py; print(idna.__version__)'))
    out = in_job(one, f'module load pythons 2>/dev/null; srun -n 1 in-old python3 -c {old}; '
                      f'srun -n 1 in-new python3 -c {new}')
    assert out.split()[:2] == version.split('.') and out.split()[2:] == ['3', '11', '3.10'], out


def test_removed_it_is_gone(story):
    other = story['other']
    env(other, 'remove story --yes')
    assert [item for item in asked(other, 'list')['environments'] if item['module'].startswith('story/')] == []
    assert other.run('module load story').returncode != 0
    assert other.run('module load Hypre/2.32.0-cpeGNU-25.03', check=True)
