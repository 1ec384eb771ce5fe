# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb rebuild: the set, the tasks, the state of a run, jobs that end in every way, and the commands of Slurm."""
import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from writing import put_recipe

from lumi_hooks.cli import main
from lumi_hooks.data import ROOT
from lumi_hooks.errors import DataError, LumiHooksError
from lumi_hooks.rebuild import run as runs
from lumi_hooks.rebuild import steps, wanted
from lumi_hooks.rebuild.script import OUTCOME, brought, read_outcome, script, shares
from lumi_hooks.rebuild.slurm import NotSubmitted, Slurm, token
from lumi_hooks.rebuild.tasks import Attempt, Job, Task, make_tasks
from lumi_hooks.site import make_site

CLONE = os.path.dirname(ROOT)
AFFECTED = {'module': 'Lib/1.2-cpeGNU-25.03', 'recipe': 'Lib-1.2-GCCcore-14.2.0.eb', 'release': '25.03',
            'toolchain': 'cpeGNU', 'partition': 'C', 'why': 'configopts', 'change': 'packages/Lib.json', 'level': 0}


# ---- the set

def test_what_affected_prints_is_a_set(tmp_path):
    (tmp_path / 'set.json').write_text(json.dumps({'schema_version': 1,
                                                   'affected': [{**AFFECTED, 'why': 'a\n\x1b[2Jb'}]}))
    found, = wanted.affected(str(tmp_path / 'set.json'))
    assert (found.recipe, found.partition, found.why) == (AFFECTED['recipe'], 'C', 'a \\x1b[2Jb')


@pytest.mark.parametrize('text, said', [
    ('{', 'it takes what "lumi-eb affected --json" prints'), ('[]', 'schema_version 1'),
    ('{"schema_version": 2, "affected": []}', 'schema_version 1'),
    ('{"schema_version": 1, "affected": [1]}', 'affected/0 is no object'),
    (json.dumps({'schema_version': 1, 'affected': [{**AFFECTED, 'recipe': ''}]}), 'names no recipe'),
    (json.dumps({'schema_version': 1, 'affected': [{**AFFECTED, 'module': 'a\nb'}]}), 'module is no text of one line'),
    (json.dumps({'schema_version': 1, 'affected': [{**AFFECTED, 'release': 25}]}), 'release is no text of one line')])
def test_what_is_no_set_is_rejected(tmp_path, text, said):
    (tmp_path / 'set.json').write_text(text)
    with pytest.raises(DataError, match=said):
        wanted.affected(str(tmp_path / 'set.json'))


def test_an_easystack_file_is_read(tmp_path):
    path = tmp_path / 'a.yaml'
    path.write_text('---\n# all\neasybuild_version: "5.1.2"\nrobot: True\neasyconfigs:\n'
                    '  - Lib-1.2-GCCcore-14.2.0.eb  # why\n\n  - "Thing-1.0-foss-2025a"\n')
    assert [item.recipe for item in wanted.easystack(str(path))] == ['Lib-1.2-GCCcore-14.2.0.eb',
                                                                     'Thing-1.0-foss-2025a.eb']


@pytest.mark.parametrize('text, said', [
    ('easyconfigs:\n', 'lists no recipe'), ('easyconfigs: []\n', 'lists no recipe'), ('- a.eb\n', 'line 1'),
    ('software:\n  - a.eb\n', 'line 1'),
    ('easyconfigs:\n  - a.eb:\n      options:\n', 'line 2: options of a single recipe are not taken'),
    ('easyconfigs: [a.eb]\n', 'line 1'), ('easyconfigs:\n  - {a: !!python/object b}\n', 'line 2')])
def test_an_easystack_file_of_another_kind_is_rejected(tmp_path, text, said):
    (tmp_path / 'a.yaml').write_text(text)
    with pytest.raises(DataError, match=said):
        wanted.easystack(str(tmp_path / 'a.yaml'))


# ---- tasks

@pytest.fixture
def recipes(tmp_path):
    """Recipes that need each other: Top needs Mid and Lib, Mid needs Lib."""
    folder = tmp_path / 'recipes'

    def put(name, needs=(), more=''):
        deps = ', '.join(f"('{need}', '1.0')" for need in needs)
        return put_recipe(folder, name, '1.0', ('GCCcore', '14.2.0'), more=f'dependencies = [{deps}]\n{more}')
    put('Lib')
    put('Mid', ['Lib'])
    put('Top', ['Mid', 'Lib'])
    put.folder = folder
    return put


def tasks_of(recipes, tmp_path, *names):
    from lumi_hooks.index import Index
    site = make_site(prefix=str(tmp_path / 'prefix'), index=Index((), (), [str(recipes.folder)]), env={})
    paths = [str(recipes.folder / name[0].lower() / name / f'{name}-1.0-GCCcore-14.2.0.eb') for name in names]
    told = {}
    return make_tasks([(wanted.Wanted(path), path) for path in paths], site,
                      told.setdefault, lambda name: 'noted')


def test_tasks_come_after_what_they_need(recipes, tmp_path):
    lib, mid, top = tasks_of(recipes, tmp_path, 'Top')
    assert [lib.module, mid.module, top.module] == [f'{name}/1.0-cpeGNU-25.03' for name in ('Lib', 'Mid', 'Top')]
    assert (lib.asked, mid.asked, top.asked) == (False, False, True)
    assert top.needs == sorted([lib.name, mid.name]) and mid.needs == [lib.name] and top.name.startswith('25.03-C-Top-')


def test_the_key_is_of_what_goes_in_and_of_nothing_else(recipes, tmp_path):
    before = [task.key for task in tasks_of(recipes, tmp_path, 'Top')]
    assert before == [task.key for task in tasks_of(recipes, tmp_path, 'Top')]
    recipes('Mid', ['Lib'], "configopts = '--other'\n")
    after = [task.key for task in tasks_of(recipes, tmp_path, 'Top')]
    assert after[0] == before[0] and after[1] != before[1] and after[2] != before[2]  # and what needs it


def test_a_module_that_is_installed_is_built_again_where_it_was_asked_for(recipes, tmp_path):
    from writing import put_module
    for name in ('Lib', 'Top'):
        put_module(tmp_path / 'prefix/modules/LUMI/25.03/partition/C', name, '1.0-cpeGNU-25.03')
    assert [task.module.split('/')[0] for task in tasks_of(recipes, tmp_path, 'Top')] == ['Mid', 'Top']


def test_what_cannot_be_built_is_refused(recipes, tmp_path):
    recipes('Gpu', more="dependencies = [('CUDA', '12.0')]\n")
    refused, lib = tasks_of(recipes, tmp_path, 'Gpu', 'Lib')
    assert (refused.state, lib.state) == ('refused', 'waiting') and 'CUDA' in refused.reason
    from lumi_hooks.index import Index
    site = make_site(prefix=str(tmp_path / 'p'), index=Index((), (), [str(recipes.folder)]), env={})
    path = str(recipes.folder / 'l/Lib/Lib-1.0-GCCcore-14.2.0.eb')
    other, = make_tasks([(wanted.Wanted(path, module='Lib/1.0-cpeCray-25.03'), path)], site, lambda *_: None,
                        lambda _: '')
    assert other.state == 'refused' and 'becomes Lib/1.0-cpeGNU-25.03 here' in other.reason


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


# ---- the command, with an eb and modules that stand in for EasyBuild's

EB = f'''#!{sys.executable}
import os, sys, time
recipe = next(word for word in sys.argv[1:] if word.endswith('.eb'))
name = os.path.basename(recipe).split('-')[0]
with open(os.environ['TMP'] + '/built', 'a') as stream:
    stream.write(name + '\\n')
while os.path.exists(os.environ['TMP'] + '/hold-' + name):
    time.sleep(0.05)
if os.path.exists(os.environ['TMP'] + '/fail-' + name):
    print('ERROR: Installation of ' + name + ' failed: x.c:3:1: error: unknown type name foo')
    sys.exit(1)
path = os.environ['EBU_USER_PREFIX'] + '/modules/LUMI/25.03/partition/C/' + name + '/1.0-cpeGNU-25.03.lua'
os.makedirs(os.path.dirname(path), exist_ok=True)
open(path, 'w').write('-- ' + str(time.time()))
'''


@pytest.fixture
def lumi(tmp_path, recipes, monkeypatch):
    """A shell with LUMI's modules, as far as the command and its jobs look at it."""
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin/eb').write_text(EB)
    (tmp_path / 'bin/eb').chmod(0o755)
    (tmp_path / '.bash_profile').write_text('module() { :; }\n'
                                            f'export TMP={tmp_path} PATH={tmp_path}/bin:/usr/bin:/bin\n')
    modules = tmp_path / 'prefix/modules/LUMI/25.03/partition/C/cpeGNU'
    modules.mkdir(parents=True)
    (modules / '25.03.lua').write_text('-- a module\n')
    for name, value in {
            'LUMI_STACK_VERSION': '25.03', 'LUMI_STACK_PARTITION': 'C', 'LUMI_EASYBUILD_MODE': 'user', 'HOME': tmp_path,
            'EBU_USER_PREFIX': tmp_path / 'prefix', 'EASYBUILD_PREFIX': tmp_path / 'prefix', 'TMP': tmp_path,
            'LUMI_HOOKS_UPSTREAM': recipes.folder, 'PATH': f'{tmp_path}/bin:/usr/bin:/bin',
            'MODULEPATH': modules.parent}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rebuild(*words):
    return main(['rebuild', '--no-checks', '--every', '1', *words])


def built(lumi):
    path = lumi / 'built'
    return sorted(path.read_text().split()) if path.exists() else []


def told(capsys, *words):
    code = main(['rebuild', '--status', '--json', *words])
    found = json.loads(capsys.readouterr().out)
    return code, {task['module'].split('/')[0]: task for task in found['tasks']}, found


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr('lumi_hooks.rebuild.steps.time.sleep', lambda seconds: os.sched_yield() or _sleep(0.05))


_sleep = time.sleep


def test_a_set_is_built_once(lumi, capsys):
    assert rebuild('Top') == 0 and built(lumi) == ['Lib', 'Mid', 'Top']
    assert rebuild('Top') == 0 and built(lumi) == ['Lib', 'Mid', 'Top'], 'made of the same'
    capsys.readouterr()
    code, tasks, found = told(capsys)
    assert code == 0 and found['done'] and found['counts'] == {'built': 3}
    assert tasks['Top']['needs'] == [tasks['Lib']['module'], tasks['Mid']['module']]
    assert [step['step'] for step in tasks['Top']['jobs'][0]['steps']] == ['modules', 'build', 'load']


def test_the_rerun_builds_what_failed(lumi, capsys):
    (lumi / 'fail-Mid').touch()
    assert rebuild('Top') == 1 and built(lumi) == ['Lib', 'Mid']
    capsys.readouterr()
    code, tasks, _ = told(capsys)
    assert code == 1 and tasks['Top']['state'] == 'blocked' and 'unknown type name foo' in tasks['Mid']['error']['line']
    (lumi / 'fail-Mid').unlink()
    assert main(['rebuild', '--resume']) == 0 and built(lumi) == ['Lib', 'Mid', 'Mid', 'Top']


def command(lumi, *words):
    code = f'import sys; sys.path.insert(0, {CLONE!r}); from lumi_hooks.cli import main; sys.exit(main(sys.argv[1:]))'
    return subprocess.Popen([sys.executable, '-c', code, 'rebuild', '--no-checks', *words], cwd=lumi,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def until(condition, seconds=60):
    for _ in range(seconds * 20):
        if condition():
            return True
        _sleep(0.05)
    return False


def test_kill_9_leaves_jobs_that_the_next_one_finds(lumi, capsys):
    (lumi / 'hold-Lib').touch()
    with command(lumi, 'Top') as process:
        assert until(lambda: built(lumi) == ['Lib'])
        process.kill()
    _, tasks, _ = told(capsys)
    assert tasks['Lib']['state'] == 'running'
    (lumi / 'hold-Lib').unlink()
    assert until(lambda: told(capsys)[1]['Lib']['state'] == 'built'), 'nobody waits for it, and it is told'
    assert rebuild('Top') == 0 and built(lumi) == ['Lib', 'Mid', 'Top'], 'nothing is built twice'


def test_ctrl_c_leaves_jobs_or_ends_them(lumi, capsys):
    for number, word, state in ((1, 'keep', 'running'), (2, 'cancel', 'cancelled')):
        (lumi / 'hold-Lib').touch()
        with command(lumi, 'Top', '--on-interrupt', word) as process:
            assert until(lambda number=number: len(built(lumi)) == number)
            process.send_signal(signal.SIGINT)
            said = process.communicate()[1]
        assert process.returncode == 130 and 'interrupted; its 1 jobs' in said
        assert until(lambda state=state: told(capsys)[1]['Lib']['state'] == state)
        if word == 'keep':
            assert main(['rebuild', '--cancel']) == 0
            capsys.readouterr()
    (lumi / 'hold-Lib').unlink()
    assert main(['rebuild', '--resume']) == 0


def test_another_shell_cancels_it(lumi, capsys):
    (lumi / 'hold-Lib').touch()
    with command(lumi, 'Top', '--every', '1') as process:
        assert until(lambda: built(lumi) == ['Lib'])
        assert rebuild('Top') == 2 and 'is at work on the run' in capsys.readouterr().err
        assert main(['rebuild', '--cancel']) == 0 and 'cancels it within a minute' in capsys.readouterr().out
        assert process.wait(60) == 1
    _, tasks, _ = told(capsys)
    assert {task['state'] for task in tasks.values()} == {'cancelled'}


def test_a_job_that_is_killed_has_failed_and_the_others_go_on(lumi, capsys, recipes):
    recipes('Other')
    (lumi / 'hold-Lib').touch()
    with command(lumi, 'Top', 'Other') as process:
        assert until(lambda: 'Other' in built(lumi) and 'Lib' in built(lumi))
        os.killpg(int(told(capsys)[1]['Lib']['jobs'][0]['job']), signal.SIGKILL)
        assert process.wait(60) == 1
    _, tasks, _ = told(capsys)
    assert {name: task['state'] for name, task in tasks.items()} == {
        'Lib': 'failed', 'Mid': 'blocked', 'Top': 'blocked', 'Other': 'built'}
    assert tasks['Lib']['reason'].startswith('its process was killed')


def test_what_affected_says_is_built_and_why_is_kept(lumi, capsys):
    (lumi / 'set.json').write_text(json.dumps({'schema_version': 1, 'affected': [
        {**AFFECTED, 'recipe': 'Gone-1.0-GCCcore-14.2.0.eb', 'module': 'Gone/1.0-cpeGNU-25.03', 'change': 'gone'},
        {**AFFECTED, 'module': 'Mid/1.0-cpeGNU-25.03', 'recipe': 'Mid-1.0-GCCcore-14.2.0.eb'}]}))
    assert rebuild('--affected', 'set.json') == 1
    capsys.readouterr()
    _, tasks, _ = told(capsys)
    assert (tasks['Mid']['change'], tasks['Mid']['why']) == ('packages/Lib.json', 'configopts')
    assert not tasks['Lib']['asked'] and tasks['Mid']['state'] == 'built'
    assert tasks['Gone']['state'] == 'refused' and 'there is no recipe Gone' in tasks['Gone']['reason']


@pytest.mark.parametrize('words, said', [
    ([], 'there is nothing to build'), (['--status'], 'there is no run in'), (['--status', 'Lib'], 'name no recipes'),
    (['nothing.eb'], 'nothing was built'), (['Lib', '--run', '../x'], 'cannot be the name of a run'),
    (['Lib', '--slurm'], 'there is no command sbatch here'), (['Lib', '--slurm', '--queue', 'x'], 'has no queue x')])
def test_bad_use_is_told_in_one_line(lumi, capsys, monkeypatch, words, said):
    monkeypatch.setattr('lumi_hooks.cli.rebuild.shutil.which', lambda name, **_: None if name == 'sbatch' else name)
    assert main(['rebuild', *words]) == 2
    assert said in capsys.readouterr().err and built(lumi) == []


def test_reports_tell_the_truth_and_hold_hostile_text(lumi, capsys, recipes):
    import xml.etree.ElementTree as xml
    (lumi / 'fail-Mid').touch()
    assert rebuild('Top') == 1
    log = next(path for path in (lumi / 'prefix/.lumi-hooks/rebuild').rglob('*Mid*/1/log'))
    with open(log, 'ab') as stream:
        stream.write(b'</script><script>alert(1)</script>\x1b[2J\x00 ]]> <!-- \xe2\x80\xae\n')
    state = next((lumi / 'prefix/.lumi-hooks/rebuild').glob('*/run.json'))
    found = json.loads(state.read_text())
    task = next(task for task in found['tasks'] if task['module'].startswith('Mid'))
    task['reason'] += '|</script><img src=x onerror=alert(1)>\x1b[2J\x00`x`'
    task['error']['context'] = ['</details><script>alert(1)</script>', '\x1b[2J']
    state.write_text(json.dumps(found))
    assert main(['rebuild', '--report', 'out']) == 1
    suite = xml.parse('out/junit.xml').getroot()[0]
    assert (suite.get('tests'), suite.get('failures'), suite.get('skipped')) == ('3', '1', '1')
    assert '\x1b' not in (lumi / 'out/junit.xml').read_text()
    text = (lumi / 'out/report.md').read_text()
    assert text.startswith('### Rebuild ') and ': 1 failed, 1 blocked, 1 built' in text and '\\|\\</script>' in text
    assert '\n    </details><script>' in text, 'indented code'
    page = (lumi / 'out/report.html').read_text()
    assert page.count('<script') == 2 and page.count('</script>') == 2 and '<img' not in page and '\x1b' not in page
    assert 'content="default-src &#x27;none&#x27;; img-src data:; script-src &#x27;sha256-' in page


def test_a_run_of_another_set_under_the_same_name_tells_of_that_set_alone(lumi, capsys, recipes):
    recipes('Other')
    assert rebuild('Other', '--run', 'mine') == 0 and rebuild('Top', '--run', 'mine') == 0
    capsys.readouterr()
    assert sorted(told(capsys)[1]) == ['Lib', 'Mid', 'Top'] and built(lumi) == ['Lib', 'Mid', 'Other', 'Top']


def test_a_job_works_where_the_shell_does():
    env = {'EBU_USER_PREFIX': '/p', 'EBU_WORKDIR': '/w', 'LUMI_HOOKS_ALLOW': 'X', 'LUMI_HOOKS_PARTITION': 'G',
           'OTHER': 'x', 'EASYBUILD_PREFIX': '/p', 'EASYBUILD_HOOKS': '/h', 'EASYBUILD_ROBOT_PATHS': '/r'}
    assert brought(env) == {name: env[name] for name in ('EBU_USER_PREFIX', 'EBU_WORKDIR', 'LUMI_HOOKS_ALLOW',
                                                         'EASYBUILD_PREFIX')}
