# SPDX-License-Identifier: GPL-2.0-only
"""Job scripts: binding, settings, and what a partition can't run."""
import json
import re
import subprocess

import pytest
from writing import put_module

from lumi_hooks import job
from lumi_hooks.cli import main
from lumi_hooks.errors import DataError, LumiHooksError
from lumi_hooks.job import gpu_binding, load_jobs, make_job
from lumi_hooks.releases import load_machine
from lumi_hooks.site import make_site

GPU = 'GROMACS/2025.4-cpeAMD-25.03-rocm'


@pytest.fixture
def g():
    """A site on partition G."""
    return make_site(partition='G', env={})


def test_a_core_for_each_gpu(monkeypatch):
    facts = json.loads(json.dumps(job.checked('releases/jobs.json')))
    facts['partitions']['G']['gpus']['first_cores'].pop()
    monkeypatch.setattr(job, 'checked', lambda path: facts)
    with pytest.raises(DataError, match='jobs.json: partitions/G/gpus: first_cores has to name a core for each'):
        load_jobs()


def test_facts_agree_with_the_machine():
    for name, facts in load_jobs().items():
        assert ('gpus' in facts) is load_machine()['partitions'][name]['gpu']
        if 'gpus' in facts:
            gpus = facts['gpus']
            assert len(gpus['first_cores']) == gpus['number'] and 'gpu_mpi' in facts
            assert facts['cores'] == gpus['number'] * (gpus['cores'] - gpus['reserved'])


@pytest.mark.parametrize('tasks, threads', [(8, 7), (8, 1), (8, 6), (16, 3), (24, 2), (56, 1), (1, 7), (4, 7)])
def test_ranks_have_cores_of_their_own_next_to_their_gpu(tasks, threads):
    facts = load_jobs()['G']['gpus']
    masks = [int(mask, 16) for mask in gpu_binding(facts, tasks, threads).removeprefix('mask_cpu:').split(',')]
    assert len(masks) == tasks
    used = 0
    for rank, mask in enumerate(masks):
        assert bin(mask).count('1') == threads and not mask & used
        used |= mask
        first = facts['first_cores'][rank % facts['number']]
        cores = [core for core in range(64) if mask >> core & 1]
        assert all(first + facts['reserved'] <= core < first + facts['cores'] for core in cores)


def test_a_job_for_gpus(g):
    job = make_job(GPU, g)
    script = job.script()
    assert (job.tasks, job.threads, job.gpus) == (8, 7, 8)
    assert 'module load LUMI/25.03 partition/G\nmodule load ' + GPU in script
    assert '#SBATCH --partition=standard-g' in script and '#SBATCH --gpus-per-node=8' in script
    assert 'export MPICH_OFI_NIC_POLICY=GPU' in script and 'ROCR_VISIBLE_DEVICES' in script
    # for the program alone: another MPI program of the job would end in MPI_Init
    assert re.search(r'^MPICH_GPU_SUPPORT_ENABLED=1 srun .*PROGRAM$', script, re.M)
    assert 'export MPICH_GPU_SUPPORT_ENABLED' not in script


@pytest.mark.parametrize('module, answer, there', [
    (GPU, None, True), (GPU, False, False), ('CuPy/13.6.0-cpeGNU-25.03-rocm', None, False),
    ('CuPy/13.6.0-cpeGNU-25.03-rocm', True, True), ('Other/1.0-cpeGNU-25.03-rocm', None, True)])
def test_gpu_aware_mpi_by_what_is_known(g, module, answer, there):
    assert ('MPICH_GPU_SUPPORT_ENABLED' in make_job(module, g, gpu_mpi=answer).script()) is there


def test_a_job_for_processors(site):
    job = make_job('HPCC/1.5.0-cpeGNU-25.03', site, nodes=2, threads=4, account='project_465000000')
    script = job.script()
    assert job.tasks == 32 and '#SBATCH --cpus-per-task=4' in script and '#SBATCH --nodes=2' in script
    assert 'gpus' not in script and 'MPICH_GPU' not in script and 'MPICH_OFI_NIC_POLICY=NUMA' in script
    assert 'OMP_PLACES' in script and 'OMP_PLACES' not in make_job('HPCC/1.5.0', site).script()


@pytest.mark.parametrize('module, partition, arguments, words', [
    (GPU, 'C', {}, 'partition G'), ('X/1', 'common', {}, 'runs no jobs'), (GPU, 'G', {'tasks': 12}, 'evenly'),
    (GPU, 'G', {'threads': 8}, 'do not fit'), (GPU, 'G', {'tasks': 64}, 'do not fit'),
    ('X/1', 'C', {'tasks': 64, 'threads': 4}, 'do not fit'), ('X/1', 'C', {'nodes': 0}, 'do not fit')])
def test_what_does_not_fit_is_told(module, partition, arguments, words):
    with pytest.raises(LumiHooksError, match=words):
        make_job(module, make_site(partition=partition, env={}), **arguments)


@pytest.mark.parametrize('arguments', [[GPU], [GPU, '--tasks', '16'], ['HPCC/1.5.0-cpeGNU-25.03', '--threads', '2']])
def test_scripts_are_right_to_the_shell(arguments, tmp_path, capsys):
    path = tmp_path / 'job.sh'
    assert main(['job', *arguments, '--output', str(path)]) == 0 and str(path) in capsys.readouterr().out
    done = subprocess.run(['bash', '-n', str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_as_json(capsys):
    assert main(['job', GPU, '--json', '--program', 'gmx_mpi mdrun']) == 0
    data = json.loads(capsys.readouterr().out)
    assert data['partition'] == 'G' and data['cpu_bind'].startswith('mask_cpu:') and data['script'].endswith('mdrun\n')
    assert {item['name'] for item in data['environment']} >= {'MPICH_GPU_SUPPORT_ENABLED', 'MPICH_OFI_NIC_POLICY'}
    assert all(item['reason'] for item in data['environment'])


def test_modules_that_are_installed(tmp_path, monkeypatch, capsys):
    for version in ('1.9-cpeGNU-25.03', '1.10-cpeGNU-25.03'):
        put_module(tmp_path, 'Thing', version)
    for name, value in {'LUMI_STACK_VERSION': '25.03', 'LUMI_STACK_CPE_VERSION': '25.03', 'LUMI_STACK_PARTITION': 'C',
                        'MODULEPATH': str(tmp_path), 'EBU_USER_PREFIX': str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    assert main(['job', 'Thing']) == 0 and 'module load Thing/1.10-cpeGNU-25.03' in capsys.readouterr().out
    assert main(['job', 'Thing/2.0']) == 2
    assert 'Thing/1.9-cpeGNU-25.03, Thing/1.10' in capsys.readouterr().err


def test_a_name_without_a_version_needs_the_stack(capsys):
    assert main(['job', '--partition', 'G', 'Thing']) == 2
    told = capsys.readouterr().err
    assert 'name the version too (Thing/…): LUMI/' in told and 'partition/G is not loaded here' in told
