# SPDX-License-Identifier: GPL-2.0-only
"""Locks: one holder at a time, waiting, and only what is provably dead is cleared."""
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest

from lumi_hooks.eb.lifecycle import processes
from lumi_hooks.eb.lifecycle.locks import ALIVE, DEAD, UNKNOWN, Lock, judge, read_owner, this_process
from lumi_hooks.eb.lifecycle.processes import TOKEN
from lumi_hooks.errors import LumiHooksError


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'locks' / 'x.lock')


def lock_of(path, owner):
    """A lock that somebody else holds."""
    os.makedirs(path)
    with open(os.path.join(path, 'owner.json'), 'w', encoding='utf-8') as handle:
        json.dump(asdict(owner), handle)


def a_dead_process():
    """Pid and start of a process that has ended."""
    with subprocess.Popen(['sleep', '60']) as process:
        start = processes.start_of(process.pid)
        process.kill()
    return process.pid, start


def dead_owner():
    pid, start = a_dead_process()
    return replace(this_process(), pid=pid, start=start, token=f'{os.urandom(8).hex()}-{pid}-{start}')


def test_it_is_taken_and_given_back(path):
    lock = Lock(path, 'tiny/1.0')
    assert lock.acquire() is False
    assert read_owner(path) == lock.owner and judge(read_owner(path)) == ALIVE
    lock.release()
    assert os.listdir(os.path.dirname(path)) == []


def test_a_second_one_is_told_who_has_it(path):
    first, second, told = Lock(path, 'tiny/1.0'), Lock(path, 'tiny/1.0'), []
    first.acquire()
    with pytest.raises(LumiHooksError, match=f'tiny/1.0 is being installed by process {os.getpid()} of .* on '):
        second.acquire(limit=0, tell=told.append)
    with pytest.raises(LumiHooksError, match='waited'):
        second.acquire(limit=0.3, tell=told.append)
    assert len(told) == 1 and 'waiting' in told[0]
    second.release()
    assert read_owner(path) == first.owner, 'it gave back what was not its own'


def test_it_is_waited_for(path):
    first, second = Lock(path, 'tiny/1.0'), Lock(path, 'tiny/1.0')
    first.acquire()
    code = f'import time, shutil; time.sleep(1); shutil.rmtree({path!r})'
    with subprocess.Popen([sys.executable, '-c', code]):
        begin = time.monotonic()
        assert second.acquire(tell=lambda text: None) is True
    assert time.monotonic() - begin > 0.5 and read_owner(path) == second.owner


def test_the_lock_of_a_dead_process_is_cleared(path):
    told = []
    lock_of(path, dead_owner())
    assert Lock(path, 'tiny/1.0').acquire(limit=0, tell=told.append) is False
    assert 'cleared the lock that was left by process' in told[0]
    assert [name for name in os.listdir(os.path.dirname(path)) if name.startswith('.')] == []


def test_what_is_certain_and_what_is_not(monkeypatch):
    me, dead = this_process(), dead_owner()
    assert judge(me) == ALIVE and judge(dead) == DEAD
    assert judge(None) == UNKNOWN
    # the pid is somebody else's now
    assert judge(replace(me, start=me.start + 1)) == DEAD
    # pids of a container say nothing here
    assert judge(replace(dead, namespace='pid:[1] time:[2]')) == UNKNOWN
    # this machine was restarted; another one
    assert judge(replace(dead, boot='another')) == (DEAD if me.machine else UNKNOWN)
    assert judge(replace(dead, boot='another', host='nid001234')) == UNKNOWN
    assert judge(replace(dead, boot='another', machine='other')) == UNKNOWN


@pytest.mark.parametrize('answer,state', [
    ('echo RUNNING', UNKNOWN), ('true', DEAD),
    ('echo "slurm_load_jobs error: Invalid job id specified" >&2; false', DEAD),
    ('echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; false', UNKNOWN)])
def test_slurm_is_asked_for_a_job_on_another_node(monkeypatch, tmp_path, answer, state):
    squeue = tmp_path / 'squeue'
    squeue.write_text(f'#!/bin/sh\n{answer}\n')
    squeue.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path), prepend=os.pathsep)
    owner = replace(this_process(), boot='another', host='nid001234', job='42')
    assert judge(owner) == state
    assert judge(replace(owner, cluster='other')) == UNKNOWN or 'SLURM_CLUSTER_NAME' not in os.environ


def test_an_easybuild_without_these_hooks_is_respected(path):
    os.makedirs(path)
    with pytest.raises(LumiHooksError, match=f'if you know that it does not, remove {path}'):
        Lock(path, 'tiny/1.0').acquire(limit=0)
    assert os.path.isdir(path)


def test_a_mangled_owner_is_nobody(path):
    os.makedirs(path)
    for text in ('', '[]', '{"pid": 1}', 'null'):
        with open(os.path.join(path, 'owner.json'), 'w', encoding='utf-8') as handle:
            handle.write(text)
        assert read_owner(path) is None


def test_commands_that_outlive_their_eb_are_ended(path):
    owner = dead_owner()
    lock_of(path, owner)
    with subprocess.Popen(['sleep', '60'], env={**os.environ, TOKEN: owner.token}) as left, \
            subprocess.Popen(['sleep', '60'], env={**os.environ, TOKEN: 'of another'}) as other:
        while left.pid not in processes.processes(owner.token):  # its environment is the parent's until it is sleep
            time.sleep(0.01)
        told = []
        Lock(path, 'tiny/1.0').acquire(limit=0, tell=told.append)
        assert left.wait(timeout=10) == -15 and 'ended 1 of its commands' in told[0]
        assert other.poll() is None
        other.kill()


def test_one_of_many_gets_it(path):
    """Sixteen processes at once, with the lock of a dead one before them: never two inside."""
    lock_of(path, dead_owner())
    code = f"""
import os, sys, time
sys.path.insert(0, {os.getcwd()!r})
from lumi_hooks.eb.lifecycle.locks import Lock
lock = Lock({path!r}, 'x')
lock.acquire(tell=lambda text: None)
inside = {path!r} + '.inside'
os.mkdir(inside)      # fails where somebody is
time.sleep(0.02)
os.rmdir(inside)
lock.release()
"""
    running = [subprocess.Popen([sys.executable, '-c', code], stderr=subprocess.PIPE, text=True) for _ in range(16)]
    for process in running:
        assert process.wait(timeout=120) == 0, process.stderr.read()
        process.stderr.close()
    assert os.listdir(os.path.dirname(path)) == []


def test_what_dead_waiters_left_goes(path):
    parent = os.path.dirname(path)
    lock_of(os.path.join(parent, '.lumi-hooks-left'), dead_owner())
    lock_of(os.path.join(parent, '.lumi-hooks-waiting'), this_process())
    lock = Lock(path, 'x')
    lock.acquire()
    assert sorted(os.listdir(parent)) == ['.lumi-hooks-waiting', 'x.lock']


def test_a_prefix_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(LumiHooksError, match='cannot be written: File exists; is the prefix'):
        Lock(str(tmp_path / 'file' / 'x.lock'), 'x').acquire()
