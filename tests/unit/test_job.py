# SPDX-License-Identifier: GPL-2.0-only
"""Job scripts: binding, settings, and what a partition can't run."""
import json
import re
import subprocess
from dataclasses import replace

import pytest
from writing import put_module

from lumi_hooks import queues, quote, sites
from lumi_hooks.cli import main
from lumi_hooks.errors import DataError, LumiHooksError
from lumi_hooks.job import NO_ACCOUNT, make_job
from lumi_hooks.queues import gpu_binding, load_jobs
from lumi_hooks.releases import load_machine
from lumi_hooks.site import make_site
from tests.lmod_command import require_lmod

GPU = 'GROMACS/2025.4-cpeAMD-25.03-rocm'


@pytest.fixture
def g():
    """A site on partition G."""
    return make_site(partition='G', env={})


def test_a_core_for_each_gpu(monkeypatch):
    facts = json.loads(json.dumps(sites.read('jobs.json')))
    facts['partitions']['G']['gpus']['first_cores'].pop()
    monkeypatch.setattr(sites, 'read', lambda path: facts)
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
    binding = gpu_binding(facts, tasks, threads, min(tasks, 8))
    masks = [int(mask, 16) for mask in binding.removeprefix('mask_cpu:').split(',')]
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
    assert 'module load LUMI/25.03 partition/G ||' in script and f'module load {GPU} ||' in script
    assert '#SBATCH --partition=standard-g' in script and '#SBATCH --gpus-per-node=8' in script
    assert 'export MPICH_OFI_NIC_POLICY=GPU' in script and 'ROCR_VISIBLE_DEVICES' in script
    # for the program alone: another MPI program of the job would end in MPI_Init
    assert re.search(r'^MPICH_GPU_SUPPORT_ENABLED=1 srun .* sh "\$\{program\[@\]\}"$', script, re.M)
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
    ('X/1', 'C', {'tasks': 64, 'threads': 4}, 'do not fit'), ('X/1', 'C', {'nodes': 0}, 'one node at least'),
    (GPU, 'G', {'gpus': 9}, 'a node has 8'), (GPU, 'G', {'gpus': 3, 'tasks': 2}, 'evenly'),
    # J1: it was ignored
    ('X/1', 'C', {'gpu_mpi': True}, 'built for processors, and --gpu-mpi is for'),
    ('X/1', 'G', {'gpu_mpi': True}, 'leave --gpu-mpi out'), ('X/1', 'C', {'gpus': 1}, 'leave --gpus out'),
    (GPU, 'G', {'gpu_mpi': True, 'mpi': False}, '--no-mpi')])
def test_what_does_not_fit_is_told(module, partition, arguments, words):
    with pytest.raises(LumiHooksError, match=words):
        make_job(module, make_site(partition=partition, env={}), **arguments)


@pytest.mark.parametrize('module, arguments, policy, aware', [
    (GPU, {}, 'GPU', True), (GPU, {'gpu_mpi': False}, 'NUMA', False), ('Other/1.0-cpeGNU-25.03', {}, 'NUMA', False),
    (GPU, {'mpi': False, 'tasks': 2}, None, False)])
def test_J1_the_network_interface_follows_what_mpi_reads(g, module, arguments, policy, aware):
    script = make_job(module, g, **arguments).script()
    assert re.findall('^export MPICH_OFI_NIC_POLICY=(.*)$', script, re.M) == ([policy] if policy else [])
    assert ('MPICH_GPU_SUPPORT_ENABLED' in script) is aware


@pytest.mark.parametrize('partition, arguments, words', [
    ('C', {'nodes': 513}, 'standard takes at most 512 nodes .--nodes 513.'),
    ('C', {'time': '2-00:00:01'}, 'standard runs jobs for at most 2-00:00:00 .--time 2-00:00:01.; --queue small takes'),
    ('C', {'nodes': 5, 'queue': 'small'}, 'small takes at most 4 nodes .*--queue standard takes'),
    ('C', {'time': '31', 'queue': 'debug'}, 'debug runs jobs for at most 00:30:00'),
    ('C', {'nodes': 5, 'time': '3-0'}, 'no queue takes such a job'),
    ('L', {'nodes': 2}, 'largemem takes at most 1 node .--nodes 2.'), ('L', {'time': '25:00:00'}, '1-00:00:00'),
    ('G', {'time': '4:00:00', 'queue': 'dev-g'}, 'dev-g runs jobs for at most 03:00:00'),
    ('G', {'nodes': 1025}, '1024 nodes'),
    ('G', {'queue': 'standard'}, 'no queue standard: take one of standard-g, small-g'),
    ('C', {'mpi': False, 'time': '3-00:00:01'}, 'small runs jobs for at most 3-00:00:00')])
def test_J2_what_is_beyond_a_limit_names_it(partition, arguments, words):
    with pytest.raises(LumiHooksError, match=words):
        make_job('X/1', make_site(partition=partition, env={}), **arguments)


@pytest.mark.parametrize('partition, arguments, queue', [
    ('C', {'nodes': 512, 'time': '2-00:00:00'}, 'standard'), ('L', {'time': '1-0'}, 'largemem'),
    ('C', {'queue': 'small', 'nodes': 4, 'time': '3-0'}, 'small'), ('G', {'nodes': 1024}, 'standard-g'),
    ('C', {'queue': 'debug', 'time': '30'}, 'debug'), ('D', {'time': '4:00:00'}, 'lumid')])
def test_J2_what_is_at_the_limit_is_taken(partition, arguments, queue):
    assert make_job('X/1', make_site(partition=partition, env={}), **arguments).queue == queue


@pytest.mark.parametrize('time', ['90', '90:30', '1:30:00', '2-0', '1-02:03', '1-00:00:30'])
def test_times_are_read_as_sbatch_reads_them(time):
    """man sbatch: minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes and with :seconds."""
    assert queues.minutes(time) == {'90': 90, '90:30': 90.5, '1:30:00': 90, '2-0': 2880, '1-02:03': 1563,
                                    '1-00:00:30': 1440.5}[time]


def test_J3_software_without_mpi_is_started_once(site):
    made = make_job('PAPI/7.1.0-cpeGNU-25.03', site)
    script = made.script()
    assert (made.tasks, made.threads, made.queue) == (1, 1, 'small')
    assert '#SBATCH --mem-per-cpu=1750M' in script and 'MPICH' not in script and 'PMI_' not in script
    assert 'it does not use MPI, so it is started once: PAPI counts within a process' in script
    assert make_job('PAPI/7.1.0', site, threads=128).threads == 128
    with pytest.raises(LumiHooksError, match="does not use MPI .*, so it can't use 2 nodes at once"):
        make_job('PAPI/7.1.0', site, nodes=2)
    copies = make_job('PAPI/7.1.0', site, nodes=2, tasks=4)
    assert '8 copies of it are started, as was asked for' in copies.script() and copies.queue == 'standard'
    assert make_job('PAPI/7.1.0', site, mpi=True).tasks == 128


@pytest.mark.parametrize('nodes, there', [(511, False), (512, True)])
def test_J5_known_issues_are_set_or_named(site, nodes, there):
    script = make_job('X/1', site, nodes=nodes).script()
    assert ('\nexport PMI_NO_PREINITIALIZE=y\n' in script) is there
    assert '\n# export PMI_SHARED_SECRET=\'\'\n' in script and 'pmi_set_af_in_use' in script
    assert 'PMI_' not in make_job('X/1', site, mpi=False).script()


@pytest.mark.parametrize('module', ['NAMD/3.0.2-cpeGNU-25.03-rocm', 'magma/2.9.0-cpeGNU-25.03-rocm'])
def test_J6_software_without_mpi_is_one_process_with_its_gpus(g, module):
    made = make_job(module, g)
    assert (made.tasks, made.gpus, made.threads, made.queue) == (1, 1, 7, 'small-g')
    script = made.script()
    assert '--cpus-per-task=7' in script and '--mem-per-gpu=60G' in script
    assert 'ROCR_VISIBLE_DEVICES' not in script and 'MPICH' not in script and 'mask_cpu' not in script
    made = make_job(module, g, gpus=8)
    assert (made.tasks, made.gpus, made.threads, made.queue) == (1, 8, 56, 'standard-g')
    assert made.binding == 'mask_cpu:0xfefefefefefefefe' and 'ROCR_VISIBLE_DEVICES' not in made.script()


def test_J6_ranks_share_the_gpus_out(g, bash):
    made = make_job(GPU, g, tasks=2, gpus=8, account='p', program='sh -c \'echo "$ROCR_VISIBLE_DEVICES"\'')
    masks = [int(mask, 16) for mask in made.binding[len('mask_cpu:'):].split(',')]
    assert made.threads == 28 and masks == [0xfefe0000fefe0000, 0x0000fefe0000fefe]
    assert bash(made).stdout == '4,5,6,7\n'  # rank 3 of the stand-in for srun
    shared = make_job(GPU, g, queue='small-g')
    assert shared.binding == 'cores' and '--cpus-per-task=7' in shared.script(), 'other jobs may have the other cores'


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
    assert data['schema_version'] == 1 and data['left_out'] == ['account'] and data['account'] is None
    assert {item['name'] for item in data['environment']} >= {'MPICH_GPU_SUPPORT_ENABLED', 'MPICH_OFI_NIC_POLICY'}
    assert all(item['reason'] for item in data['environment'])


def test_modules_that_are_installed(tmp_path, monkeypatch, capsys):
    for version in ('1.9-cpeGNU-25.03', '1.10-cpeGNU-25.03'):
        put_module(tmp_path, 'Thing', version)
    for name, value in {'LUMI_STACK_VERSION': '25.03', 'LUMI_STACK_CPE_VERSION': '25.03', 'LUMI_STACK_PARTITION': 'C',
                        'MODULEPATH': str(tmp_path), 'EBU_USER_PREFIX': str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    assert main(['job', 'Thing']) == 0 and 'module load Thing/1.10-cpeGNU-25.03 ||' in capsys.readouterr().out
    assert main(['job', 'Thing/2.0']) == 2
    assert 'Thing/1.9-cpeGNU-25.03, Thing/1.10' in capsys.readouterr().err


def test_a_name_without_a_version_needs_the_stack(capsys):
    assert main(['job', '--partition', 'G', 'Thing']) == 2
    told = capsys.readouterr().err
    assert 'name the version too (Thing/…): LUMI/' in told and 'partition/G is not loaded here' in told


# --- scripts that are run by a real bash

SRUN = """#!/bin/bash
# stands for srun: notes its words and settings, and runs the program as rank 3
printf '%s\\n' "$@" > "$NOTES/words"
echo "prefix=$EBU_USER_PREFIX stack=$LUMI_HOOKS_PREFIXES modules=$LOADED" > "$NOTES/settings"
while [ "${1#--}" != "$1" ]; do shift; done
export SLURM_LOCALID=3
exec "$@"
"""
# stands for Lmod: every module is there but those whose names hold "missing"
MODULE = """module() {
    case "$*" in *missing*) echo "Lmod has no such module" >&2; return 1 ;; esac
    [ "$1" != load ] || export LOADED="$LOADED${LOADED:+ }${*:2}"
}
export -f module
"""


@pytest.fixture
def bash(tmp_path):
    """Runs a job's script as a job would be, with stand-ins of srun and module; its working folder stays."""
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'work').mkdir()
    (tmp_path / 'bin/srun').write_text(SRUN)
    (tmp_path / 'bin/srun').chmod(0o755)
    (tmp_path / 'functions').write_text(MODULE)

    def run(made, **more):
        script = tmp_path / 'job.sh'
        script.write_text(made.script())
        checked = subprocess.run(['bash', '-n', script], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        env = {'PATH': f'{tmp_path}/bin:/usr/bin:/bin', 'HOME': str(tmp_path), 'NOTES': str(tmp_path),
               'BASH_ENV': str(tmp_path / 'functions'), **more}
        done = subprocess.run(['bash', script], cwd=tmp_path / 'work', env=env, capture_output=True, text=True,
                              check=False)
        done.started = (tmp_path / 'words').exists()
        done.words = (tmp_path / 'words').read_text().splitlines() if done.started else []
        done.settings = (tmp_path / 'settings').read_text() if done.started else ''
        return done
    run.work = tmp_path / 'work'
    return run


@pytest.mark.security
def test_S3_a_job_for_gpus_writes_and_runs_no_file_of_its_working_folder(g, bash):
    """A stranger's file of the name that the wrapper had is not run, and a link of that name is not written through."""
    target = bash.work.parent / 'mine'
    target.write_text('mine')
    for number in range(2):
        (bash.work / f'select_gpu.{number}').symlink_to(target)
    (bash.work / 'select_gpu').write_text('#!/bin/sh\ntouch MARKER\n')
    (bash.work / 'select_gpu').chmod(0o777)
    before = sorted(bash.work.iterdir())
    for number in ('', '0', '1'):
        made = make_job(GPU, g, account='p', program='printf "%s,%s\\n" "$ROCR_VISIBLE_DEVICES" "a  b"')
        done = bash(made, SLURM_JOB_ID=number)
        assert done.returncode == 0, done.stderr
        assert sorted(bash.work.iterdir()) == before and target.read_text() == 'mine'
    assert 'cat >' not in made.script() and 'chmod' not in made.script() and './' not in made.script()


def test_each_rank_sees_its_gpu_and_the_program_gets_its_words(g, bash):
    program = 'sh -c \'printf "%s|" "$ROCR_VISIBLE_DEVICES" "$@"\' x "a  b" \'$c\' "$HOME"'
    done = bash(make_job(GPU, g, account='p', program=program))
    assert done.stdout == f'3|a  b|$c|{bash.work.parent}|', done.stderr
    assert bash(make_job(GPU, g, tasks=2, account='p', program=program)).stdout.startswith('1|')


HOSTILE = ['$(touch MARKER)', '`touch MARKER`', 'X; touch MARKER', 'X\ntouch MARKER', "X' touch MARKER '", 'X" "',
           'X\n#SBATCH --wrap=x', '/tmp/X/1', '../X/1', '-X', '--X', '~/X', 'X/..', 'X/../Y', 'X//1', '', ' ', 'X 1',
           'X/1\0', 'X/1\u202e', 'X/\ud800', 'X&1', 'X|1', 'X>MARKER', 'X*', 'X?', '${IFS}', '{X,Y}', 'X/1\\']


@pytest.mark.security
@pytest.mark.parametrize('text', HOSTILE)
@pytest.mark.parametrize('field', ['module', 'account', 'time'])
def test_S12_what_slurm_and_the_shell_would_take_apart_is_rejected(site, field, text):
    facts = {'module': 'Thing/1.0', 'account': 'p', 'time': '1', field: text}
    if (field, text) == ('account', ''):
        return  # it is left to be filled in
    with pytest.raises(LumiHooksError) as told:
        make_job(facts['module'], site, account=facts['account'], time=facts['time'], program='true')
    assert quote.line(told.value) == str(told.value)


@pytest.mark.security
@pytest.mark.parametrize('program', ['x\ntouch MARKER', 'x \'y', 'x "', 'x \\', ' ', '# nothing', 'x\ry', 'x\x1b[2J',
                                     'x\0'])
def test_S12_a_program_is_one_line_with_its_quotes_closed(site, program):
    with pytest.raises(LumiHooksError, match='no command of one line'):
        make_job('Thing/1.0', site, program=program)


@pytest.mark.security
@pytest.mark.parametrize('folder', ["it's", '$(touch MARKER)', '`touch MARKER`', 'a b', 'a"b', 'a;touch MARKER', '-n'])
def test_S12_prefixes_are_quoted(bash, folder):
    prefixes = (f'/p/{folder}', f'/q/{folder}')
    site = replace(make_site(env={}), prefix=prefixes[0], prefixes=prefixes)
    done = bash(make_job('Thing/1.0', site, account='p', program='true'))
    assert done.returncode == 0, done.stderr
    assert f'prefix={prefixes[0]} stack={prefixes[0]}:{prefixes[1]} ' in done.settings
    assert not list(bash.work.iterdir())


@pytest.mark.parametrize('name', ['GCC/.13.2.0', 'gtk+/3.24', 'libsigc++/2.10-cpeGNU-25.03', 'X/1.0~rc1', 'a/b/1.0'])
def test_names_that_modules_have_are_taken(site, name):
    assert f'module load {name} ||' in make_job(name, site).script()


def test_O4_srun_gets_the_cores_of_a_rank(site, bash):
    made = make_job('Thing/1.0', site, threads=4, account='p', program='true')
    assert '--cpus-per-task=4' in bash(made).words
    edited = bash(made, SLURM_CPUS_PER_TASK='2').words
    assert '--cpus-per-task=2' in edited, 'what the line #SBATCH says, if it was edited'


def test_J4_a_job_with_an_environment_of_its_own_finds_the_module(bash):
    """As --export=NONE leaves it: nothing of the submitting shell is there."""
    site = replace(make_site(env={}), prefix='/p', prefixes=('/p', '/q'))
    made = make_job('Thing/1.0', site, account='p', program='true')
    done = bash(made)
    assert 'prefix=/p stack=/p:/q modules=LUMI/25.03 partition/C Thing/1.0' in done.settings, done.stderr
    assert '--export=ALL' in done.words
    assert re.search('module use /q/modules/LUMI/25.03/partition/C .*module use /p/modules/LUMI/25.03/partition/C ',
                     made.script(), re.S), "the user's own comes first"
    central = replace(site, mode='production')
    assert 'EBU_USER_PREFIX' not in make_job('Thing/1.0', central).script()


def test_J4_nothing_is_started_without_the_module(site, bash):
    done = bash(make_job('missing/1.0', site, account='p', program='true'))
    assert done.returncode == 2 and not done.started
    assert done.stderr.splitlines()[-1] == 'missing/1.0 cannot be loaded: module load missing/1.0 failed'


def test_J4_real_lmod_that_lacks_the_module_stops_the_script(site, bash, tmp_path):
    lmod = require_lmod()
    (tmp_path / 'functions').write_text(f'module() {{ eval "$({lmod} bash "$@")"; }}\nexport -f module\n')
    modules = tmp_path / 'modules'
    for name, version in (('LUMI', '25.03'), ('partition', 'C'), ('Thing', '1.0')):
        put_module(modules, name, version)
    found = bash(make_job('Thing/1.0', site, account='p', program='true'), MODULEPATH=str(modules))
    assert found.started and found.returncode == 0, found.stderr
    (tmp_path / 'words').unlink()
    done = bash(make_job('Thing/2.0', site, account='p', program='true'), MODULEPATH=str(modules))
    assert done.returncode == 2 and not done.started
    assert 'Thing/2.0 cannot be loaded: module load Thing/2.0 failed' in done.stderr


@pytest.mark.parametrize('facts, says', [
    ({'program': 'true'}, 'no account: name your project'), ({'account': 'p'}, 'no program: fill in')])
def test_J4_what_is_left_out_stops_the_script(site, bash, facts, says):
    made = make_job('Thing/1.0', site, **facts)
    done = bash(made, SLURM_JOB_ACCOUNT=facts.get('account', NO_ACCOUNT))
    assert done.returncode == 2 and says in done.stderr and not done.started
    filled = replace(made, program=made.program or 'true')
    assert bash(filled, SLURM_JOB_ACCOUNT='p').started


def test_J4_what_is_left_out_is_said(capsys, tmp_path):
    assert main(['job', GPU, '--output', str(tmp_path / 'a b.sh')]) == 0
    shown = capsys.readouterr()
    assert 'no account and no program: give --account and --program' in shown.err
    assert f'sbatch \'{tmp_path}/a b.sh\'' in shown.out
    assert main(['job', GPU, '--account', 'p', '--program', 'x']) == 0
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize('versions, newest', [
    (('29Aug2024-cpeGNU-25.03-kokkos', '22Jul2025-cpeGNU-25.03-kokkos'), '22Jul2025-cpeGNU-25.03-kokkos'),
    (('3.0.0b2-cpeGNU-25.03', '3.0.0-cpeGNU-25.03'), '3.0.0-cpeGNU-25.03'),
    (('2.7.11-cpeGNU-25.03', '2.7.11a-cpeGNU-25.03'), '2.7.11a-cpeGNU-25.03'),
    (('1.0-cpeCray-25.03', '1.0-cpeGNU-25.03'), '1.0-cpeGNU-25.03')])
def test_O9_the_newest_is_taken(tmp_path, monkeypatch, capsys, versions, newest):
    for version in versions:
        put_module(tmp_path, 'LAMMPS', version)
    for name, value in {'LUMI_STACK_VERSION': '25.03', 'LUMI_STACK_CPE_VERSION': '25.03', 'LUMI_STACK_PARTITION': 'C',
                        'MODULEPATH': str(tmp_path), 'EBU_USER_PREFIX': str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    assert main(['job', 'LAMMPS']) == 0 and f'module load LAMMPS/{newest} ||' in capsys.readouterr().out


def test_a_script_that_was_filled_in_is_not_overwritten(tmp_path, capsys):
    target = tmp_path / 'job.sh'
    command = ['job', 'lz4/1.10.0-cpeGNU-25.03', '--release', '25.03', '--partition', 'C', '--output', str(target)]
    assert main(command) == 0 and main(command) == 0  # the same once more is no loss
    target.write_text(target.read_text().replace('program=()', 'program=(lz4 --version)'))
    assert main(command) == 2 and 'program=(lz4' in target.read_text()
    assert 'exists with different contents' in capsys.readouterr().err
