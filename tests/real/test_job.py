# SPDX-License-Identifier: GPL-2.0-only
"""--job on a real one-node Slurm: each job runs `eb <file of the store>` in a shell of its own."""
import hashlib
import io
import json
import shlex
import tarfile
import time
from pathlib import Path

from .conftest import TRACE_HOOKS
from .tracing import assert_every_command_sees

ROOT = Path(__file__).resolve().parents[2]


def test_jobs_install_what_was_adapted(lumi, slurm, tmp_path):
    """The jobs inherit the environment, and with it the hooks file that writes down what their commands see."""
    (tmp_path / 'jobs').mkdir()  # Slurm does not make the folder of a job's output
    lumi.trace_file.unlink(missing_ok=True)
    done = lumi.eb(f'arpack-ng-3.9.1-foss-2025a.eb -r --job --job-backend=Slurm --job-cores=2 --job-max-walltime=1 '
                   f'--job-output-dir={tmp_path}/jobs', LUMI_HOOKS_CHAIN=TRACE_HOOKS, **slurm)
    assert 'List of submitted jobs (2)' in done.stdout, done.stdout[-2000:]
    modules = lumi.prefix / 'modules/LUMI/25.03/partition/C'
    deadline = time.monotonic() + 800
    while time.monotonic() < deadline:
        queue = lumi.run('squeue -h', load=False, **slurm).stdout.strip()
        if not queue:
            break
        time.sleep(2)
    logs = '\n'.join(path.read_text()[-3000:] for path in (tmp_path / 'jobs').rglob('*') if path.is_file())
    trace = lumi.trace()
    for name, version, others in (('Eigen', '3.4.0', []), ('arpack-ng', '3.9.1', ['Eigen/3.4.0-cpeGNU-25.03',
                                                                                  'cray-mpich/8.1.32',
                                                                                  'cray-libsci/25.03.0'])):
        module = f'{name}/{version}-cpeGNU-25.03'
        assert (modules / f'{module}.lua').exists(), logs
        assert_every_command_sees(trace, module, others, [] if others else ['cray-mpich', 'cray-libsci'])
        stored, = lumi.stored(f'{name}-{version}-cpeGNU-25.03.eb')
        assert stored.read_text() in lumi.archive(f'{name}-{version}-cpeGNU-25.03.eb')
    assert 'arpack-ng-3.9.1-foss-2025a.eb' in lumi.archive('arpack-ng-3.9.1-cpeGNU-25.03.eb')


def test_a_refused_recipe_submits_no_job(fresh, slurm, tmp_path):
    done = fresh.eb(f'GROMACS-2024.4-foss-2023b-CUDA-12.4.0.eb -r --job --job-backend=Slurm '
                    f'--job-output-dir={tmp_path}/jobs', check=False, **slurm)
    assert done.returncode != 0 and 'nothing was built' in done.stdout, done.stdout[-2000:]
    assert 'its HIP back end is there from 2026 on' in done.stdout
    assert 'download' not in done.stdout and 'submitted' not in done.stdout
    assert not fresh.run('squeue -h', load=False, **slurm).stdout.strip()


def test_srun_starts_two_ranks(fresh, slurm):
    script = 'printf "%s\\n" "#include <mpi.h>" "#include <stdio.h>" ' \
        '"int main(void){int r,s;MPI_Init(0,0);MPI_Comm_rank(MPI_COMM_WORLD,&r);MPI_Comm_size(MPI_COMM_WORLD,&s);' \
        'printf(\\"rank %d of %d\\\\n\\",r,s);MPI_Finalize();return 0;}" > hello.c && cc hello.c -o hello'
    done = fresh.run(f'cd {fresh.home} && module load cpeGNU/25.03 && {script} && srun -n 2 ./hello', **slurm)
    assert {'rank 0 of 2', 'rank 1 of 2'} <= set(done.stdout.splitlines()), done.stdout


def test_J4_a_script_finds_its_module_in_an_environment_of_its_own(fresh, slurm, tmp_path):
    """Nothing of the submitting shell reaches the job but a home, whose profile is that of a login on LUMI."""
    lower = tmp_path / 'lower'
    for prefix, name in ((fresh.prefix, 'Thing'), (lower, 'Below')):
        folder = prefix / 'modules/LUMI/25.03/partition/C' / name
        folder.mkdir(parents=True)
        (folder / '1.0.lua').write_text(f'setenv("{name.upper()}", "yes")\n')
    (fresh.home / '.bash_profile').write_text(f'. {fresh.standin}/enter.sh >/dev/null\n')
    stack = f'{fresh.prefix}:{lower}'
    for name in ('Thing', 'Below', 'Missing'):
        script = tmp_path / f'{name}.sh'
        program = 'sh -c \'echo "RAN $THING$BELOW $SLURM_CPUS_PER_TASK $EBU_USER_PREFIX"\''
        made = fresh.run(f'export LUMI_HOOKS_PREFIXES={stack}; module use {lower}/modules/LUMI/25.03/partition/C; '
                         f'{ROOT}/bin/lumi-eb job {"Thing" if name == "Missing" else name} --tasks 1 --threads 2 '
                         f'--account me --output {script} --program {shlex.quote(program)}')
        assert made.returncode == 0 and script.exists(), made.stdout
        if name == 'Missing':
            script.write_text(script.read_text().replace('Thing/1.0', 'Missing/1.0'))
        log = tmp_path / f'{name}.log'
        fresh.run(f'sbatch --wait --partition=$(sinfo -h -o %R | head -1) --export=HOME={fresh.home} --output={log} '
                  f'{script}', load=False, timeout=120, **slurm)
        told = log.read_text()
        if name == 'Missing':
            assert 'Missing/1.0 cannot be loaded' in told and 'RAN' not in told, told
        else:
            assert f'RAN yes 2 {fresh.prefix}' in told, told


RANKS = """easyblock = 'MakeCp'

name = 'Ranks'
version = '1.0'

homepage = 'https://example.org'
description = 'A program that starts MPI whatever it is asked.'

toolchain = {'name': 'gompi', 'version': '2025a'}
toolchainopts = {'usempi': True}

sources = ['Ranks-1.0.tar.gz']
checksums = ['%s']

buildopts = 'ranks CC="$CC"'
runtest = 'check LAUNCH="mpirun -np 2"'
files_to_copy = [(['ranks'], 'bin')]

sanity_check_paths = {'files': ['bin/ranks'], 'dirs': []}
sanity_check_commands = [
    'test -x %%(installdir)s/bin/ranks',
    'ranks --version',
    "ranks 2>&1 | grep ' of '",
    'mpirun -np 2 ranks | grep "1 of 2"',
]

moduleclass = 'tools'
"""
SOURCES = {'ranks.c': """#include <mpi.h>
#include <stdio.h>
int main(int argc, char **argv) {
  int rank, size;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (argc > 1) printf("Ranks 1.0\\n"); else printf("rank %d of %d\\n", rank, size);
  MPI_Finalize();
  return 0;
}
""", 'Makefile': """ranks: ranks.c
\t$(CC) -o $@ ranks.c
check: ranks
\t$(LAUNCH) ./ranks > out; cat out; grep 'rank 1 of 2' out
"""}


def ranks(fresh, tmp_path):
    """Put the sources of Ranks into the prefix; returns the recipe."""
    folder = fresh.prefix / 'sources/r/Ranks'
    folder.mkdir(parents=True)
    with tarfile.open(folder / 'Ranks-1.0.tar.gz', 'w:gz') as archive:
        for name, text in SOURCES.items():
            entry = tarfile.TarInfo(f'Ranks-1.0/{name}')
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    recipe = tmp_path / 'Ranks-1.0-gompi-2025a.eb'
    recipe.write_text(RANKS % hashlib.sha256((folder / 'Ranks-1.0.tar.gz').read_bytes()).hexdigest())
    return recipe


def test_what_a_login_node_cannot_test_runs_in_a_job(fresh, slurm, tmp_path):
    """R5: MPI_Init ends a program there, whatever it was asked; lumi-eb job --test runs all of it on two ranks."""
    module = 'Ranks/1.0-cpeGNU-25.03'
    done = fresh.eb(f'{ranks(fresh, tmp_path)}')
    for command in ('ranks --version', "ranks 2>&1 | grep ' of '"):
        assert f'not checked, as MPI starts only inside a job: {command}' in done.stdout, done.stdout[-3000:]
    folder = fresh.software('Ranks', '1.0-cpeGNU-25.03')
    record = json.loads((folder / 'easybuild/lumi/record.json').read_text())
    assert [item['why'] for item in record['for_jobs']] == ['mpi-init', 'mpi-init']
    script, log = tmp_path / 'test.sh', tmp_path / 'test.log'
    fresh.run(f'{ROOT}/bin/lumi-eb job Ranks --test --account me --threads 1 --output {script}', check=True)
    (fresh.home / '.bash_profile').write_text(
        f'. {fresh.standin}/enter.sh >/dev/null\nexport LUMI_HOOKS_PYTHON={fresh.env["LUMI_HOOKS_PYTHON"]} '
        f'LUMI_HOOKS_UPSTREAM={fresh.env["LUMI_HOOKS_UPSTREAM"]}\n'
        'export EASYBUILD_ALLOW_USE_AS_ROOT_AND_ACCEPT_CONSEQUENCES=1\n')
    before = {path: path.stat().st_mtime_ns for path in folder.rglob('*') if path.is_file()}
    fresh.run(f'sbatch --wait --partition=$(sinfo -h -o %R | head -1) --export=HOME={fresh.home} --output={log} '
              f'{script}', load=False, timeout=400, **slurm)
    told = log.read_text()
    assert '== 0 of 5 tests failed' in told, told[-6000:]
    assert told.count('== passed') == 5 and told.count('Ranks 1.0\n') == 2 and 'rank 1 of 2' in told
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob('*') if path.is_file()}
    # a test that fails fails the job
    (folder / 'bin/ranks').write_text('#!/bin/sh\nexit 5\n')
    fresh.run(f'sbatch --wait --partition=$(sinfo -h -o %R | head -1) --export=HOME={fresh.home} --output={log} '
              f'{script}', load=False, timeout=400, **slurm)
    assert 'FAILED (exit code 5)' in log.read_text() and '== 0 of' not in log.read_text()
    assert module in script.read_text()
