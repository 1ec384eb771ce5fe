# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb rebuild: the state of a run, jobs that end in every way, their scripts, and the commands of Slurm."""
import errno
import os
import subprocess
import time
from dataclasses import replace

import pytest

from lumi_hooks.errors import DataError, LumiHooksError
from lumi_hooks.rebuild import run as runs
from lumi_hooks.rebuild import steps
from lumi_hooks.rebuild.script import OUTCOME, read_outcome, script, shares
from lumi_hooks.rebuild.slurm import NotSubmitted, Slurm, token
from lumi_hooks.rebuild.tasks import Attempt, Job, Task
from lumi_hooks.site import make_site

# ---- a run, with jobs that do as they are told

class Pretended:
    """Jobs of a Slurm of the tests: `there` are those it knows, by number."""
    waits, every = True, 0.01

    def __init__(self, run):
        self.run, self.there, self.submitted, self.refuses, self.silent, self.accounts = run, {}, [], '', False, {}

    def shares(self, site):
        return None

    def submit(self, task, attempt, text, after, given):
        if self.refuses:
            raise NotSubmitted(self.refuses)
        number = str(len(self.submitted) + 1)
        self.submitted.append((task.module, list(after)))
        self.there[number] = Job('PENDING', '', token(self.run, task, attempt))
        return number

    def jobs(self):
        return None if self.silent else self.there

    def ended(self, job):
        return self.accounts.get(job, '')

    def cancel(self, pairs):
        for _, attempt in pairs:
            self.there[attempt.job] = Job('CANCELLED')


@pytest.fixture
def made(tmp_path):
    """A run of four: A, B needs A, C needs A, D needs B and C; and its jobs."""
    needs = {'A': [], 'B': ['A'], 'C': ['A'], 'D': ['B', 'C']}
    run = runs.fresh('test', str(tmp_path / 'prefix'), {'on': 'slurm', 'limit': 3, 'checks': False, 'tasks': [
        Task(name, f'{name}/1.0', f'/r/{name}.eb', '25.03', '25.03', 'C', 'cpeGNU', True, needs=found,
             key=f'key {name}')
        for name, found in needs.items()]})
    runs.make_folder(run.prefix, run.name)
    run.save()
    return run, Pretended(run)


GIVEN = {('25.03', 'C'): None}


def put_module_of(run, name):
    path = os.path.join(run.prefix, f'modules/LUMI/25.03/partition/C/{name}/1.0.lua')
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write('-- a module\n')


def begins(run, name, job=''):
    task = run.task(name)
    with open(os.path.join(run.folder_of(task, task.last), OUTCOME), 'x', encoding='utf-8') as stream:
        stream.write(f'started {job or task.last.job} node1 1000\n')


def ends(run, name, build=0, load=0):
    task = run.task(name)
    if not build:
        put_module_of(run, name)
    with open(os.path.join(run.folder_of(task, task.last), OUTCOME), 'a', encoding='utf-8') as stream:
        stream.write(f'step modules 0 1\nstep build {build} 3\n' + (f'step load {load} 0\n' if not build else '')
                     + 'ended 1010\n')


def states(run):
    return {task.name: task.state for task in run.tasks}


def again(run, jobs):
    """As another process finds it."""
    found = runs.load(run.prefix, run.name)
    jobs.run = found
    return found


def test_no_more_than_the_limit_and_none_before_what_it_needs(made):
    run, jobs = made
    assert steps.advance(run, jobs, GIVEN) == ''
    assert jobs.submitted == [('A/1.0', []), ('B/1.0', ['1']), ('C/1.0', ['1'])], 'three at most'
    begins(run, 'A')
    steps.advance(run, jobs, GIVEN)
    assert states(run) == {'A': 'running', 'B': 'submitted', 'C': 'submitted', 'D': 'waiting'}
    ends(run, 'A')
    steps.advance(run, jobs, GIVEN)
    assert jobs.submitted[3:] == [('D/1.0', ['2', '3'])] and run.task('A').seconds == 10
    assert states(runs.load(run.prefix, run.name)) == states(run)


def test_jobs_that_cannot_wait_are_started_when_all_is_there(made):
    run, jobs = made
    jobs.waits = False
    steps.advance(run, jobs, GIVEN)
    assert [name for name, _ in jobs.submitted] == ['A/1.0']


def test_what_failed_blocks_what_needs_it_and_nothing_else(made):
    run, jobs = made
    run.limit = 1
    for name, code in (('A', 0), ('B', 1), ('C', 0)):
        steps.advance(run, jobs, GIVEN)
        begins(run, name)
        ends(run, name, build=code)
    steps.conduct(run, jobs, GIVEN, lambda *_: None)
    assert states(run) == {'A': 'built', 'B': 'failed', 'C': 'built', 'D': 'blocked'}
    assert run.task('D').reason == 'it needs B/1.0, which is failed'
    # the same again: what is built stays so, the others are tried
    run = again(run, jobs)
    steps.prepare(run)
    assert states(run) == {'A': 'built', 'B': 'waiting', 'C': 'built', 'D': 'waiting'}
    run.limit = 3
    steps.advance(run, jobs, GIVEN)
    assert [name for name, _ in jobs.submitted[3:]] == ['B/1.0', 'D/1.0'] and run.task('B').last.number == 2


def test_what_is_built_but_was_changed_since_is_built_again(made):
    run, jobs = made
    steps.advance(run, jobs, GIVEN)
    begins(run, 'A')
    ends(run, 'A')
    steps.look(run, jobs)
    assert runs.built_of(run.prefix, run.task('A'))['key'] == 'key A'
    run.task('A').key = 'other'
    steps.prepare(run)
    assert run.task('A').state == 'waiting' and not run.task('A').installed
    run.task('A').key = 'key A'
    time.sleep(0.01)
    put_module_of(run, 'A')  # somebody installed it by hand
    steps.prepare(run)
    assert run.task('A').state == 'waiting'


def test_another_run_does_not_build_the_same_again(made, tmp_path):
    run, jobs = made
    steps.advance(run, jobs, GIVEN)
    begins(run, 'A')
    ends(run, 'A')
    steps.look(run, jobs)
    other = runs.fresh('other', run.prefix, {'on': 'slurm', 'limit': 3, 'checks': False, 'tasks': [
        Task('A', 'A/1.0', '/r/A.eb', '25.03', '25.03', 'C', 'cpeGNU', True, key='key A')]})
    steps.prepare(other)
    assert states(other) == {'A': 'same'}


def test_a_module_that_fails_its_checks_is_not_built_again(made):
    run, jobs = made
    run.checks = True
    steps.advance(run, jobs, GIVEN)
    begins(run, 'A')
    task = run.task('A')
    put_module_of(run, 'A')
    with open(os.path.join(run.folder_of(task, task.last), OUTCOME), 'a', encoding='utf-8') as stream:
        stream.write('step build 0 3\nstep load 0 0\nstep verify 1 2\nended 1010\n')
    steps.look(run, jobs)
    assert task.state == 'failed' and task.reason.startswith('verify failed') and task.installed
    assert 'D' in [one.name for one, _ in steps.decide(run, True)], 'what needs it can be built'
    run.save()
    run = again(run, jobs)
    steps.prepare(run)
    steps.advance(run, jobs, GIVEN)
    folder = run.folder_of(run.task('A'), run.task('A').last)
    with open(os.path.join(folder, 'script'), encoding='utf-8') as stream:
        text = stream.read()
    assert 'step load' in text and 'step build' not in text


def test_a_lost_node_loses_a_job_which_is_tried_three_times(made):
    run, jobs = made
    for number in range(1, 4):
        steps.advance(run, jobs, GIVEN)
        task = run.task('A')
        assert task.last.number == number
        begins(run, 'A')
        jobs.there[task.last.job] = Job('NODE_FAIL')
        for name in ('B', 'C'):
            if run.task(name).last and run.task(name).state == 'submitted':
                jobs.there[run.task(name).last.job] = Job('CANCELLED', 'DependencyNeverSatisfied')
    steps.advance(run, jobs, GIVEN)
    assert states(run) == {'A': 'lost', 'B': 'blocked', 'C': 'blocked', 'D': 'blocked'}
    assert 'NODE_FAIL on node1' in run.task('A').reason
    steps.prepare(run)
    steps.advance(run, jobs, GIVEN)
    assert run.task('A').state == 'submitted' and run.task('A').last.number == 4


def test_a_job_that_somebody_cancelled_is_not_started_again(made):
    run, jobs = made
    steps.advance(run, jobs, GIVEN)
    begins(run, 'A')
    jobs.there = {'1': Job('CANCELLED'), **{number: Job('CANCELLED', 'DependencyNeverSatisfied') for number in '23'}}
    steps.advance(run, jobs, GIVEN)
    assert states(run)['A'] == 'cancelled' and states(run)['D'] == 'blocked' and len(jobs.submitted) == 3


@pytest.mark.parametrize('state, found, said', [
    ('TIMEOUT', 'failed', '--time gives it more'), ('OUT_OF_MEMORY', 'failed', 'out of memory'),
    ('COMPLETED', 'failed', 'the disk may be full'), ('CANCELLED', 'cancelled', 'CANCELLED')])
def test_a_job_that_wrote_no_end_and_that_slurm_has_forgotten(made, state, found, said):
    run, jobs = made
    steps.advance(run, jobs, GIVEN)
    begins(run, 'A')
    del jobs.there['1']
    jobs.accounts['1'] = state
    steps.look(run, jobs)
    assert run.task('A').state == found and said in run.task('A').reason


def test_nobody_knows_what_became_of_a_job(made):
    run, jobs = made
    steps.advance(run, jobs, GIVEN)
    del jobs.there['1']
    steps.look(run, jobs)
    assert run.task('A').attempts[0].state == 'lost' and run.task('A').state == 'waiting'


def test_a_slurm_that_does_not_answer_changes_nothing(made):
    run, jobs = made
    steps.advance(run, jobs, GIVEN)
    jobs.silent = True
    begins(run, 'A')
    assert 'does not answer' in steps.advance(run, jobs, GIVEN)
    assert states(run) == {'A': 'running', 'B': 'submitted', 'C': 'submitted', 'D': 'waiting'}
    ends(run, 'A')
    steps.advance(run, jobs, GIVEN)
    assert states(run)['A'] == 'built', 'what a job says itself needs no Slurm'
    assert len(jobs.submitted) == 3


def test_who_was_killed_after_sbatch_left_a_job_that_is_found(made):
    run, jobs = made
    run.limit = 1
    number = jobs.submit

    def killed(*given):
        number(*given)
        raise KeyboardInterrupt
    jobs.submit = killed
    with pytest.raises(KeyboardInterrupt):
        steps.advance(run, jobs, GIVEN)
    jobs.submit = number
    run = again(run, jobs)
    assert run.task('A').state == 'submitted' and not run.task('A').last.job, 'it was written down before'
    steps.advance(run, jobs, GIVEN)
    assert run.task('A').last.job == '1' and jobs.submitted == [('A/1.0', [])], 'nothing is submitted twice'


def test_who_was_killed_before_sbatch_left_no_job_and_a_late_one_does_nothing(made):
    run, jobs = made
    run.limit = 1

    def killed(*_):
        raise KeyboardInterrupt
    submit, jobs.submit = jobs.submit, killed
    with pytest.raises(KeyboardInterrupt):
        steps.advance(run, jobs, GIVEN)
    jobs.submit = submit
    run = again(run, jobs)
    first = run.folder_of(run.task('A'), run.task('A').last)
    steps.advance(run, jobs, GIVEN)
    assert jobs.submitted == [('A/1.0', [])]
    assert [one.state for one in run.task('A').attempts] == ['withdrawn', 'submitted']
    late = subprocess.run(['bash', os.path.join(first, 'script')], capture_output=True, text=True, check=False)
    assert (late.returncode, late.stdout) == (0, ''), 'its place is taken'


def test_it_was_never_known_to_slurm_but_has_begun(made):
    """sbatch was still at work when the next one looked."""
    run, jobs = made
    run.limit = 1

    def killed(*_):
        raise KeyboardInterrupt
    jobs.submit, submit = killed, jobs.submit
    with pytest.raises(KeyboardInterrupt):
        steps.advance(run, jobs, GIVEN)
    jobs.submit = submit
    run = again(run, jobs)
    begins(run, 'A', job='77')
    jobs.there['77'] = Job('RUNNING')
    steps.advance(run, jobs, GIVEN)
    assert run.task('A').state == 'running' and run.task('A').last.job == '77' and not jobs.submitted


def test_sbatch_that_takes_nothing_ends_it_and_one_that_takes_no_more_is_asked_later(made):
    run, jobs = made
    jobs.refuses = 'sbatch says: Invalid account'
    with pytest.raises(LumiHooksError, match='Invalid account'):
        steps.conduct(run, jobs, GIVEN, lambda *_: None, every=0.01)
    assert 'withdrawn' in [one.state for one in run.task('A').attempts]
    jobs.refuses = ''
    steps.advance(run, jobs, GIVEN)
    begins(run, 'A')
    ends(run, 'A')
    jobs.refuses = 'sbatch says: QOSMaxSubmitJobPerUserLimit'
    rounds = []

    def tell(_, said):
        rounds.append(said)
        if len(rounds) == 2:
            jobs.refuses = ''
            for name in ('B', 'C'):
                begins(run, name)
                ends(run, name)
        if run.task('D').last and run.task('D').last.job and run.task('D').state == 'submitted':
            begins(run, 'D')
            ends(run, 'D')
    steps.conduct(run, jobs, GIVEN, tell, every=0.01)
    assert set(states(run).values()) == {'built'} and any('QOSMax' in said for said in rounds)


def test_cancel_keeps_what_is_built(made):
    run, jobs = made
    steps.advance(run, jobs, GIVEN)
    begins(run, 'A')
    ends(run, 'A')
    begins(run, 'B')
    steps.look(run, jobs)
    steps.cancel(run, jobs)
    steps.look(run, jobs)
    assert states(run) == {'A': 'built', 'B': 'cancelled', 'C': 'cancelled', 'D': 'cancelled'}


def test_a_full_disk_stops_the_submitter_and_loses_nothing(made, monkeypatch):
    run, jobs = made
    run.limit = 1
    run.save()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with monkeypatch.context() as patched:
        patched.setattr(runs, 'write_atomic', full)
        with pytest.raises(LumiHooksError, match='No space left on device.*--resume --run test'):
            steps.advance(run, jobs, GIVEN)
    assert not jobs.submitted, 'a job that could not be written down is not started'
    run = again(run, jobs)
    steps.advance(run, jobs, GIVEN)
    assert jobs.submitted == [('A/1.0', [])]


def test_one_alone_moves_a_run_on(made):
    run, _ = made
    with runs.alone(run.prefix, run.name) as free:
        assert free and runs.holder(run) == f'process {os.getpid()} on {os.uname().nodename}'
        with runs.alone(run.prefix, run.name) as second:
            assert not second
    assert runs.holder(run) == ''


@pytest.mark.parametrize('text', ['{', '{}', '[]', '{"schema_version": 1, "tasks": [{"attempts": [{}]}]}',
                                  '{"schema_version": 1, "tasks": [], "extra": 1}'])
def test_a_state_that_is_none_is_rejected(made, text):
    run, _ = made
    (path,) = [os.path.join(run.folder, 'run.json')]
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write(text)
    with pytest.raises(DataError, match='run.json'):
        runs.load(run.prefix, run.name)


@pytest.mark.security
def test_a_state_that_others_could_have_written_is_not_followed(made):
    run, _ = made
    os.chmod(os.path.join(run.folder, 'run.json'), 0o666)
    with pytest.raises(LumiHooksError, match='the state of the run'):
        runs.load(run.prefix, run.name)
    with pytest.raises(LumiHooksError, match='cannot be the name of a run'):
        runs.load(run.prefix, '../../x')


# ---- what a job runs

def attempt_of(tmp_path, **more):
    task = Task('n', 'Thing/1.0', more.pop('recipe', '/r/Thing.eb'), '25.03', '25.03', 'C', 'cpeGNU', True, **more)
    task.attempts.append(Attempt(1))
    return task


@pytest.mark.security
def test_a_script_holds_the_words_of_others_in_quotes(tmp_path):
    path = "/r/a b'; touch broken #$(touch broken)\n.eb"
    text = script(attempt_of(tmp_path, recipe=path), str(tmp_path), {'LUMI_HOOKS_ALLOW': "x'; touch broken"},
                  {'EASYBUILD_SOURCEPATH': ["/s'; touch broken"]}, ["--x='; touch broken"], False, False)
    (tmp_path / 'eb').write_text('#!/bin/sh\nprintf "%s\\n" "$@" > called\necho "$EASYBUILD_SOURCEPATH" > path\n')
    (tmp_path / 'eb').chmod(0o755)
    (tmp_path / 'script').write_text('module() { :; }\n' + text)
    done = subprocess.run(['bash', 'script'], cwd=tmp_path, env={'PATH': f'{tmp_path}:/usr/bin:/bin'}, check=False)
    assert done.returncode == 0 and not (tmp_path / 'broken').exists()
    assert path in (tmp_path / 'called').read_text() and (tmp_path / 'path').read_text() == "/s'; touch broken\n"
    with pytest.raises(ValueError, match='cannot be the name of a module'):
        script(replace(attempt_of(tmp_path), module='a b'), str(tmp_path), {}, {}, [], False, False)


def test_an_outcome_that_others_wrote_is_text(tmp_path):
    (tmp_path / OUTCOME).write_bytes(b'started 1 \x1b[2J 5\nstep build 0 1\nstep x\nended soon\nnote a\x1b[2J\n\xff\n')
    attempt = Attempt(1)
    assert read_outcome(str(tmp_path), attempt)
    assert (attempt.ended, attempt.steps, attempt.notes) == (0, [['build', 0, 1]], ['a\\x1b[2J'])
    assert attempt.host == '\\x1b[2J'
    assert not read_outcome(str(tmp_path / 'none'), attempt)


# ---- Slurm's commands

@pytest.fixture
def commands(tmp_path, monkeypatch):
    """sbatch, squeue, sacct and scancel that write down how they were called."""
    for name, does in {'sbatch': 'cat > "$CALLED.script"; echo "${SAYS-17;cluster}"; exit ${CODE-0}',
                       'squeue': 'echo "17|RUNNING|None|a/b|c"; echo "18|PENDING|Dependency|"; exit ${CODE-0}',
                       'sacct': 'case "$*" in *--completion*) echo "CANCELLED by 0|";; *) exit 1;; esac',
                       'scancel': 'exit ${CODE-0}'}.items():
        path = tmp_path / 'bin' / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" {name} "$@" >> "$CALLED"\n{does}\n')
        path.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}/bin:/usr/bin:/bin')
    monkeypatch.setenv('CALLED', str(tmp_path / 'called'))
    return tmp_path / 'called'


def test_sbatch_is_told_account_partition_gpus_time_and_memory(commands, made):
    run, _ = made
    run.account = 'project_465000000'
    site = make_site(None, 'G', env={})
    task, jobs = run.task('B'), Slurm(run)
    task.attempts.append(Attempt(1))
    assert jobs.submit(task, task.last, '#!/bin/bash -l\n', ['5', '6'], jobs.shares(site)) == '17'
    words = commands.read_text().splitlines()
    assert {'--account=project_465000000', '--partition=small-g', '--gpus-per-node=2', '--ntasks-per-node=2',
            '--cpus-per-task=7', '--mem-per-gpu=60G', '--time=06:00:00', '--no-requeue', '--dependency=afterok:5:6',
            '--kill-on-invalid-dep=yes', f'--comment={token(run, task, task.last)}'} <= set(words)
    assert (commands.parent / 'called.script').read_text() == '#!/bin/bash -l\n'


def test_what_slurm_says_is_read(commands, made, monkeypatch):
    run, _ = made
    jobs = Slurm(run)
    assert jobs.jobs() == {'17': Job('RUNNING', 'None', 'a/b|c'), '18': Job('PENDING', 'Dependency', '')}
    assert jobs.ended('17') == 'CANCELLED'
    monkeypatch.setenv('CODE', '1')
    assert jobs.jobs() is None
    task = run.task('A')
    task.attempts.append(Attempt(1, job='17'))
    monkeypatch.setenv('SAYS', 'sbatch: error: no \x1b[2J')
    with pytest.raises(NotSubmitted, match=r'no \\x1b\[2J'):
        jobs.submit(task, task.last, '', [], shares(make_site(env={})))
    with pytest.raises(LumiHooksError, match='scancel says'):
        jobs.cancel([(task, task.last)])


def test_what_a_queue_does_not_take_is_told(site):
    assert shares(site).queue == 'small' and shares(site, cores=1).tasks == 1
    with pytest.raises(LumiHooksError, match='--time'):
        shares(site, 'debug')
    with pytest.raises(LumiHooksError, match='a node of partition C has 128'):
        shares(site, cores=129)
