# SPDX-License-Identifier: GPL-2.0-only
"""ci/pilot as an ordinary user on the stand-in, with a real Slurm of one node; what it brings is read by lumi-eb."""
import json
import os
import re
import shutil
import tarfile
import tempfile
from pathlib import Path

import pytest

from lumi_hooks.pilot.compare import MISSING, RIGHT, WRONG, judge
from lumi_hooks.pilot.probe import read_probe

from . import benchmarks
from .conftest import ROOT
from .members import Member, folder

PILOT = ROOT / 'ci' / 'pilot'
JOBS = '--yes --account project_465000000 --partition-cpu standard --partition-gpu standard --gpus 0 --nodes 1'

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='only root can become an ordinary user')


@pytest.fixture(scope='module')
def user(standin, sources, upstream):
    """An ordinary user with a Slurm of its own, which sees the same folders as its shells do."""
    # not pytest's folders: those are closed to others
    base = Path(tempfile.mkdtemp(prefix='lumi-hooks-pilot-'))
    base.chmod(0o755)
    home, slurm = folder(base / 'home'), folder(base / 'slurm')
    found = Member(standin, sources, upstream, base / 'unused', home)
    found.env.update(SLURM_CONF=str(slurm / 'slurm.conf'), LUMI_HOOKS_SOURCES=str(sources), PILOT_EASYBUILD='5.4.1')
    del found.env['EBU_USER_PREFIX']
    started = found.run(f'{ROOT}/ci/slurm/start {slurm} </dev/null', load=False)
    assert started.returncode == 0, started.stdout
    yield found
    found.run(f'{ROOT}/ci/slurm/stop {slurm}', load=False)
    shutil.rmtree(base)


@pytest.fixture
def member(user, request):
    """That user, with a new folder for the pilot."""
    user.output = user.home / request.node.name
    return user


def pilot(member, arguments, shell='dash', **options):
    """Run ci/pilot in a shell of a new login; returns the finished process."""
    command = f'cd {member.home} && {shell} {PILOT} {arguments} --output {member.output} </dev/null'
    return member.run(command, load=False, **options)


def test_probe_facts_and_pack(member):
    """What a person does first: facts of a login node and of two jobs, compared, and packed with no name in it."""
    done = pilot(member, f'probe {JOBS}')
    assert done.returncode == 0, done.stdout[-4000:]
    assert 'in all at most' in done.stdout and 'probe-gpu: facts of a GPU node' in done.stdout
    probe = read_probe(str(member.output / 'probe.tsv'))
    assert set(probe) == {'login', 'cpu', 'gpu'}
    assert 'rank 1 of 2' in probe['cpu']['mpi.srun'] and probe['login']['gcc.bare.version']

    states = {one.id: one.state for one in judge(probe)}
    # what is so on the stand-in, and what is known to be otherwise there
    for name in ('releases@25.03', 'easybuild-version@25.03', 'targets-g', 'mpi-soname', 'gtl-variables', 'mpi-srun',
                 'optarch-c', 'module-variables@cray-hdf5-parallel', 'libfabric-version', 'rocm-default',
                 'hip-gtl-needed', 'stack-not-mine'):
        assert states[name] == RIGHT, name
    for name in ('os-version', 'hosts-cpu', 'cpe-modules@25.03', 'gpu-target', 'fuse-open'):
        assert states[name] == WRONG, name
    assert states['easybuild-version@24.03'] == MISSING
    told = member.run(f'{ROOT}/bin/lumi-eb pilot-facts {member.output}/probe.tsv', load=False)
    assert told.returncode == 1, told.stdout
    assert 'lumi_hooks/releases/cpe/25.03.json, modules' in told.stdout

    (member.output / 'results' / 'note.txt').write_text(
        'nobody@nid001234 of project_465000123, /users/somebody, somebody@example.org, nid005678, xnobody\n'
        'MY_TOKEN=abc\n')
    done = pilot(member, 'pack', shell='bash')
    assert done.returncode == 0, done.stdout[-3000:]
    assert 'results/note.txt' in done.stdout
    with tarfile.open(member.output / 'lumi-hooks-pilot-results.tar.gz') as archive:
        members = archive.getmembers()
        assert {(one.uid, one.uname) for one in members} == {(0, '')}
        texts = {one.name: archive.extractfile(one).read().decode('utf-8', 'replace')
                 for one in members if one.isfile()}
    note = texts['lumi-hooks-pilot-results/results/note.txt']
    assert 'xnobody' in note and 'abc' not in note
    whole = '\n'.join(texts.values())
    for name in ('project_465000123', 'nid001234', 'nid005678', 'somebody', str(member.home), os.uname().nodename):
        assert not re.search(rf'(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])', whole), name
    # the same names, and the facts are still facts
    (member.home / 'probe.tsv').write_text(texts['lumi-hooks-pilot-results/probe.tsv'])
    assert {one.id: one.state for one in judge(read_probe(str(member.home / 'probe.tsv')))} == states


@pytest.mark.long
def test_the_same_command_continues(member):
    """Ctrl-C while a job waits leaves it in the queue; the same command finds it; a refused job is told."""
    # the login node was asked before
    member.run(f'mkdir {member.output} && cd {member.output} && mkdir state facts && touch state/probe-login.done && '
               r"printf 'lumi-hooks-probe\t1\nsection\tlogin\nend\t0\n' >facts/login.tsv", load=False, check=True)
    # somebody else's job has the node
    other = member.run('sbatch --parsable --exclusive -o /dev/null --wrap "sleep 100"', load=False).stdout.strip()
    command = f'timeout --preserve-status -s INT 5 dash {PILOT} probe {JOBS} --output {member.output} </dev/null'
    done = member.run(f'{command}; echo "code $?"', load=False)
    number = (member.output / 'jobs' / 'probe_cpu.job').read_text().strip()
    assert f'Job {number} goes on; scancel {number} ends it' in done.stdout and 'code 130' in done.stdout, done.stdout
    member.run(f'scancel {other}', load=False)
    done = pilot(member, f'probe {JOBS.replace("--partition-gpu standard", "--partition-gpu nosuch")}')
    assert done.returncode == 1, done.stdout
    assert 'probe-login: done before' in done.stdout and f'job {number}: ' in done.stdout
    assert (member.output / 'jobs' / 'probe_cpu.job').read_text().strip() == number
    assert 'sbatch does not take the job probe_gpu' in done.stdout and 'failed    probe-gpu' in done.stdout
    assert set(read_probe(str(member.output / 'probe.tsv'))) == {'login', 'cpu'}


@pytest.mark.long
def test_runs_of_the_benchmarks(member):
    """What is run in jobs, with a small benchmark in the place of OSU's: installed, by hand, and for GPUs."""
    prefix = member.output / 'EasyBuild'
    benchmarks.installation(member, prefix, 'C')
    benchmarks.installation(member, prefix, 'G')
    archive = member.home / 'osu-micro-benchmarks-7.5.tar.gz'
    benchmarks.source(archive)
    place = prefix / 'sources/o/OSU-Micro-Benchmarks'
    member.run(f'mkdir -p {place} {member.output}/state && cp {archive} {place} && cd {member.output}/state && '
               'touch install-osu.done install-mpi4py.done install-hypre.done install-osu-rocm.done', load=False,
               check=True)
    for step in ('cpu', 'gpu', 'packed'):
        done = pilot(member, f'{step} {JOBS}')
        assert done.returncode == 0, done.stdout[-3000:]
    assert 'not here  hypre-program: Hypre is not installed' in done.stdout
    for name in ('osu-by-hand', 'cpu-job', 'gpu-job', 'pack-image'):
        assert f'done      {name}' in done.stdout, done.stdout
    # users can't open /dev/fuse here, or there is no squashfuse
    assert 'not here  packed-job' in done.stdout
    results = member.output / 'results'
    best = dict(line.split()[:2] for line in (results / 'osu_bw.txt').read_text().splitlines())
    assert set(best) == {'installed', 'by-hand'} and all(float(value) > 0 for value in best.values())
    assert 'osu_bw -d rocm D D' in (results / 'osu_bw.gpu.txt').read_text()
    assert 'libmpi_gtl_hsa' in (results / 'osu_bw.gpu.needed.txt').read_text()
    assert 'packed KiB' in (results / 'packed.txt').read_text()


@pytest.mark.long
def test_all_of_it(member):
    """Every step; those for which the stand-in lacks something say so, and the next ones go on."""
    done = pilot(member, f'all {JOBS}', timeout=3000)
    assert done.returncode == 0, done.stdout[-4000:]
    assert 'done      install-mpi4py' in done.stdout and 'done      install-hypre' in done.stdout
    # OSU's sources are in no registry that the stand-in takes sources from
    assert 'not here  install-osu: the sources' in done.stdout and 'not here  osu-by-hand' in done.stdout
    assert 'not here  install-osu-rocm: the sources' in done.stdout and 'not here  gpu-job' in done.stdout
    results = member.output / 'results'
    assert 'rank 1 of 2 2' in (results / 'mpi4py.txt').read_text()
    assert 'hypre: 200 entries on 2 ranks' in (results / 'hypre.txt').read_text()
    assert json.loads((results / 'verify.Hypre.C.json').read_text())
    plans = {path.name: json.loads(path.read_text()) for path in (results / 'plans').glob('*.json')}
    assert len(plans) >= 8
    # users here can't open /dev/fuse
    assert 'not here  packed-job' in done.stdout
    with tarfile.open(member.output / 'lumi-hooks-pilot-results.tar.gz') as archive:
        names = archive.getnames()
    assert any('records/' in name and 'Hypre' in name for name in names)
    assert any(name.endswith('inodes.txt') for name in names)
    again = pilot(member, f'cpu {JOBS}')
    assert 'install-hypre: done before' in again.stdout and again.returncode == 0


@pytest.mark.long
def test_interrupted(member):
    """Ctrl-C says what goes on, with the exit code of an interrupted command, and leaves nothing half."""
    command = f'timeout --preserve-status -s INT 4 dash {PILOT} probe --no-jobs --output {member.output} </dev/null'
    done = member.run(f'{command}; echo "code $?"', load=False)
    assert 'Interrupted. What is done is kept' in done.stdout and 'code 130' in done.stdout, done.stdout[-2000:]
    assert not (member.output / 'facts' / 'login.tsv').exists() and not list((member.output / 'state').glob('*.failed'))


@pytest.mark.long
def test_needs_a_new_login(member):
    # another login's module, with another prefix
    command = f'module load LUMI/25.03 >/dev/null 2>&1; dash {PILOT} probe --no-jobs --output {member.output}'
    done = member.run(command, load=False)
    assert done.returncode == 2 and 'log in again' in done.stdout
