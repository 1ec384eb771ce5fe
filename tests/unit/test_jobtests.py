# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb job --test: what could not run where a module was installed, for a job."""
import json
import subprocess

import pytest
from test_record import a_record

from lumi_hooks import jobtests
from lumi_hooks.cli import main
from lumi_hooks.errors import LumiHooksError
from lumi_hooks.index import Index
from lumi_hooks.job import make_job
from lumi_hooks.site import make_site

MODULE = 'Thing/1.0-cpeGNU-25.03'
# stands for srun, on two ranks: notes its words, and runs what it is given
SRUN = """#!/bin/bash
printf '%s\\n' "$*" >> "$NOTES"
while [ "${1#-}" != "$1" ]; do [ "$1" != -n ] || shift; shift; done
"$@" && "$@"
"""


def dropped(parameter, before, after=None, rule='mpi-tests'):
    """A change of a record."""
    return {'parameter': parameter, 'before': before, 'after': after, 'rule': rule, 'reason': 'why', 'link': None}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Puts an installation of MODULE with a record into a prefix; returns its site."""
    def put(module=MODULE, partition='C', source='', **facts):
        root = tmp_path / 'SW' / module
        (root / 'easybuild/lumi').mkdir(parents=True)
        if source:
            (root / 'easybuild/lumi/Thing-1.0-foss-2025a.eb').write_text(source)
            facts['source'] = {**a_record()['source'], 'kept': 'Thing-1.0-foss-2025a.eb'}
        if facts.pop('recorded', True):
            (root / 'easybuild/lumi/record.json').write_text(json.dumps(a_record(**facts)))
        path = tmp_path / 'modules' / f'{module}.lua'
        path.parent.mkdir(parents=True)
        path.write_text(f'local root = "{root}"\n')
        put.root = root
        return make_site(partition=partition, index=Index([str(tmp_path / 'modules')]), env={})
    return put


def test_sanity_checks_of_the_recipe(installed):
    """All of them, in their order: upstream's IQ-TREE makes the folder first that its MPI program works in."""
    site = installed(changes=[dropped('sanity_check_commands', [
        'mkdir -p $TMPDIR/x', 'cd $TMPDIR/x && mpirun -np 1 %(namelower)s-mpi %(version)s', '%(mpi_cmd_prefix)s a --v',
        ['b', None], 'mpiexec -n=3 --map-by :OVERSUBSCRIBE c && true', 'mpirun d | grep x', '/opt/mpirun x']),
        dropped('configopts', 'mpirun', 'srun', 'mpi-by-name')])
    found = jobtests.tests_of(MODULE, site)
    assert [check.command for check in found.checks] == [
        'mkdir -p $TMPDIR/x', 'cd $TMPDIR/x && srun -n 1 thing-mpi 1.0', 'srun -n 1 a --v', 'b -h',
        'srun -n 3 c && true', 'srun d | grep x'] and not any(check.by_srun for check in found.checks)
    assert found.not_run == (('/opt/mpirun x', 'it needs /opt/mpirun, which is not there any more'),)
    assert found.recipe is None


def test_what_eb_could_not_run_is_started_by_srun_in_its_place(installed):
    """A command of the recipe that ended in MPI_Init is run once, by srun, and the others where they stand."""
    site = installed(changes=[dropped('sanity_check_commands', ['make x', '%(namelower)s --v', 'mpirun y'])],
                     for_jobs=[{'command': 'thing --v', 'stdin': '', 'why': 'mpi-init'}])
    assert [(check.command, check.by_srun) for check in jobtests.tests_of(MODULE, site).checks] == [
        ('make x', False), ('thing --v', True), ('srun y', False)]


def test_what_eb_found_while_it_was_installed(installed):
    site = installed(for_jobs=[
        {'command': "fds 2>&1 | grep 'MPI version'", 'stdin': '', 'why': 'mpi-init'},
        {'command': 'srun --ntasks=4 python -c "x"', 'stdin': '', 'why': 'launcher'},
        {'command': 'R -q --no-save', 'stdin': 'library(Rmpi)', 'why': 'mpi-init'},
        {'command': "python -c 'import h5py'", 'stdin': '', 'why': 'import'},
        {'command': 'cd /gone/build && ./x', 'stdin': '', 'why': 'mpi-init'}])
    found = jobtests.tests_of(MODULE, site)
    assert [(check.command, check.by_srun) for check in found.checks] == [
        ("fds 2>&1 | grep 'MPI version'", True), ('srun --ntasks=4 python -c "x"', False),
        ("printf %s 'library(Rmpi)' | { R -q --no-save\n}", True), ("python -c 'import h5py'", True)]
    assert found.not_run == (('cd /gone/build && ./x', 'it needs /gone/build, which is not there any more'),)


@pytest.mark.parametrize('change, step', [
    (dropped('runtest', 'check', False), 'runtest: check'), (dropped('test_cmd', 'ctest'), 'test_cmd: ctest'),
    (dropped('runtest', None, False), 'runtest: as its easyblock has it'),
    (dropped('skipsteps', None, ['test']), 'skipsteps: as its easyblock has it'),
    (dropped('runtest', None, False, 'gpu-tests'), 'runtest: as its easyblock has it'),
    (dropped('exts_list', [['x', '1', {'runtest': 'mpiexec y'}]], [['x', '1', {'runtest': False}]]), 'exts_list: ')])
def test_its_own_tests_are_run_by_eb(installed, change, step):
    """They need the folder of the build, so it is built once more, up to its tests, and not installed."""
    site = installed(changes=[change], source='name = "Thing"')
    found = jobtests.tests_of(MODULE, site)
    assert found.step.startswith(step) and found.recipe == f'{installed.root}/easybuild/lumi/Thing-1.0-foss-2025a.eb'
    made = make_job(MODULE, site, tests=found, account='p')
    script = made.script()
    assert f'eb {found.recipe} --rebuild --stop=test' in script and made.left_out == []
    assert script.index('--stop=test') < script.index(f'module load {MODULE} ||'), 'before its module is loaded'
    assert 'export LUMI_HOOKS_TOOLCHAIN=cpeGNU LUMI_HOOKS_DISABLE=mpi-tests,gpu-tests &&' in script
    assert 'load EasyBuild-user lumi-hooks' in script
    # --export=NONE: srun would hand on no more than sbatch was given, not the PATH of the modules
    assert 'export SLURM_EXPORT_ENV=ALL' in script


def test_eb_makes_the_same_of_the_recipe_again(installed):
    """The compiler, the GPU variant and the rules that were switched off are those of the installation."""
    module = 'Thing/1.0-cpeCray-25.03-rocm'
    site = installed(module, 'G', changes=[dropped('runtest', 'check', False)], source='x', versionsuffix='-rocm',
                     toolchain={'name': 'cpeCray', 'version': '25.03'},
                     site={**a_record()['site'], 'disabled': ['suffix'], 'derive': ["a'b"]})
    assert jobtests.tests_of(module, site).settings == (
        ('LUMI_HOOKS_TOOLCHAIN', 'cpeCray'), ('LUMI_HOOKS_DISABLE', 'suffix,mpi-tests,gpu-tests'),
        ('LUMI_HOOKS_DERIVE', "a'b"), ('LUMI_HOOKS_GPU', 'Thing'))


def test_what_the_package_s_data_state(installed, monkeypatch):
    """Beside what was left out: a command of the data has to end well, or to print the line that it states."""
    data = {'check': [{'command': 'one', 'reason': 'r', 'link': 'l'}, {'command': 'srun -n 2 two', 'says': "it's 1$",
                      'reason': 'r', 'link': 'l'}, {'command': 'par', 'unless': '-serial', 'reason': 'r', 'link': 'l'}],
            'rocm': {'check': 'srun -n 1 three'}}
    monkeypatch.setattr(jobtests, 'package', lambda name: data)
    site = installed(for_jobs=[{'command': 'x', 'stdin': '', 'why': 'mpi-init'}])
    found = jobtests.tests_of(MODULE, site).checks
    assert [(check.command.split(';')[0], check.by_srun) for check in found] == [
        ('x', True), ('one', True), ('said=$(srun -n 2 two 2>&1)', False), ('par', True)]
    assert [check.command for check in jobtests.stated('Thing/1.0-serial')][1:] == [found[2].command]
    assert jobtests.stated('Thing/1.0-cpeGNU-25.03-rocm')[-1].command == 'srun -n 1 three'


@pytest.mark.parametrize('output, code', [("no\nit's 1", 0), ("it's 12", 1)])
def test_a_line_that_a_command_has_to_print(monkeypatch, output, code):
    data = {'check': [{'command': f'printf %s "{output}"; exit 3', 'says': "it's 1$", 'reason': 'r', 'link': 'l'}]}
    monkeypatch.setattr(jobtests, 'package', lambda name: data)
    done = subprocess.run(['bash', '-c', jobtests.stated('Thing/1')[0].command], capture_output=True, text=True,
                          check=False)
    assert done.returncode == code and output.splitlines()[-1] in done.stdout


def test_two_ranks_in_the_queue_for_tests(installed):
    left = [{'command': 'x', 'stdin': '', 'why': 'mpi-init'}]
    site = installed(for_jobs=left)
    made = make_job(MODULE, site, tests=jobtests.tests_of(MODULE, site), mpi=True)
    assert (made.queue, made.tasks, made.nodes, made.threads, made.left_out) == ('debug', 2, 1, 1, ['account'])
    assert make_job(MODULE, site, tests=jobtests.tests_of(MODULE, site), tasks=4, queue='small').tasks == 4


def test_gpus(installed):
    module = 'Thing/1.0-cpeGNU-25.03-rocm'
    site = installed(module, 'G', for_jobs=[{'command': 'x', 'stdin': '', 'why': 'mpi-init'},
                                            {'command': 'srun -n 1 y', 'stdin': '', 'why': 'launcher'}])
    made = make_job(module, site, tests=jobtests.tests_of(module, site), mpi=True)
    script = made.script()
    assert (made.queue, made.tasks, made.gpus) == ('dev-g', 2, 2)
    assert 'try env MPICH_GPU_SUPPORT_ENABLED=1 srun ' in script and 'ROCR_VISIBLE_DEVICES' in script
    assert "try env MPICH_GPU_SUPPORT_ENABLED=1 bash -c 'srun -n 1 y'" in script


def test_a_stated_check_where_nothing_was_left(installed):
    module = 'OSU-Micro-Benchmarks/7.5-cpeGNU-25.03'
    site = installed(module)
    assert [check.command for check in jobtests.tests_of(module, site).checks] == ['osu_latency -i 100']


@pytest.mark.parametrize('recorded', [True, False])
def test_nothing_to_test_is_an_error(installed, recorded):
    site = installed(recorded=recorded)
    with pytest.raises(LumiHooksError, match='nothing of Thing/1.0-cpeGNU-25.03 was left .*--program COMMAND'):
        jobtests.tests_of(MODULE, site)


def test_what_is_not_installed_is_an_error(site):
    with pytest.raises(LumiHooksError, match='--test needs the installation of Thing'):
        jobtests.tests_of(MODULE, site)


@pytest.mark.security
def test_a_record_that_strangers_can_write_gives_no_commands(installed):
    """What a record holds is run by whoever submits the job."""
    site = installed(for_jobs=[{'command': 'touch MARKER', 'stdin': '', 'why': 'mpi-init'}])
    (installed.root / 'easybuild/lumi').chmod(0o777)
    (installed.root / 'easybuild/lumi/record.json').chmod(0o666)
    with pytest.raises(LumiHooksError, match='record.json is not read, as it decides on what is run'):
        jobtests.tests_of(MODULE, site)


@pytest.mark.parametrize('command', ["echo 'a  b' \"$HOME\"", 'echo a |\ngrep a', 'true; #', "printf '%s' x"])
@pytest.mark.parametrize('given', ['', "it's\n$HOME"])
def test_the_script_runs_each_and_counts(installed, tmp_path, command, given):
    """By a real bash, with stand-ins of srun and module."""
    left = [{'command': text, 'stdin': given, 'why': 'mpi-init'} for text in (command, 'exit 3')]
    site = installed(for_jobs=left)
    made = make_job(MODULE, site, tests=jobtests.tests_of(MODULE, site), account='p', mpi=True)
    (tmp_path / 'srun').write_text(SRUN)
    (tmp_path / 'srun').chmod(0o755)
    (tmp_path / 'job.sh').write_text('module() { :; }\n' + made.script())
    env = {'PATH': f'{tmp_path}:/usr/bin:/bin', 'HOME': '/h', 'NOTES': str(tmp_path / 'notes')}
    done = subprocess.run(['bash', tmp_path / 'job.sh'], capture_output=True, text=True, check=False, cwd=tmp_path,
                          env=env)
    assert done.returncode == 1 and '== FAILED (exit code 3)' in done.stdout, done.stderr
    assert '== 1 of 2 tests failed' in done.stdout and done.stdout.count('== passed') == 1
    assert (tmp_path / 'notes').read_text().count('--export=ALL --cpu-bind=cores') == 2
    if command.startswith("echo 'a"):
        assert done.stdout.count('a  b /h\n') == 2


def test_the_command(installed, tmp_path, monkeypatch, capsys):
    installed(for_jobs=[{'command': 'x -h', 'stdin': '', 'why': 'mpi-init'},
                        {'command': '/gone/x', 'stdin': '', 'why': 'mpi-init'}])
    for name, value in {'LUMI_STACK_VERSION': '25.03', 'LUMI_STACK_CPE_VERSION': '25.03', 'LUMI_STACK_PARTITION': 'C',
                        'MODULEPATH': str(tmp_path / 'modules'), 'EBU_USER_PREFIX': str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    assert main(['job', 'Thing', '--test', '--json', '--account', 'p']) == 0
    shown = capsys.readouterr()
    data = json.loads(shown.out)
    assert data['tests'] == {'checks': [{'command': 'x -h', 'why': 'sanity check', 'by_srun': True}], 'recipe': None,
                             'not_run': [{'command': '/gone/x', 'reason': 'it needs /gone/x, which is not there any '
                                                                          'more'}]}
    assert 'not run: /gone/x' in shown.err and data['program'] is None and data['left_out'] == []
    with pytest.raises(SystemExit):
        main(['job', 'Thing', '--test', '--program', 'x'])


def test_launchers_by_the_words_of_upstreams_recipes():
    assert [jobtests.with_srun(text) for text in (
        'cd x && mpirun -np 3 --oversubscribe icon --version', 'mpiexec -N 1 python -c "x"', 'prterun --version',
        'echo Q | mpirun -np 1 migrate-n-mpi', 'run_mpirun.sh a', 'x --mpiexec-y')] == [
        'cd x && srun -n 3 icon --version', 'srun -n 1 python -c "x"', 'srun --version',
        'echo Q | srun -n 1 migrate-n-mpi', 'run_mpirun.sh a', 'x --mpiexec-y']
