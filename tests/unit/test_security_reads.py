# SPDX-License-Identifier: GPL-2.0-only
"""What other accounts put where a victim's `eb` reads: records, notes, logs and locks (S5 of November 2026)."""
import os
import signal
import stat
import time

import pytest
from another_user import GROUP, OTHER, STRANGER, needs_root
from attackers import locks_of

pytestmark = [pytest.mark.security, needs_root]

HOSTILE = {
    'fifo': 'os.mkfifo(path)',
    'link to a secret': "os.symlink('SECRET', path)",
    'link to a device': "os.symlink('/dev/zero', path)",
    'socket': 'import socket; socket.socket(socket.AF_UNIX).bind(path)',
    'folder': 'os.mkdir(path)',
    'large': 'with open(path, "wb") as handle: handle.truncate(100 << 20)',
    'deep': "with open(path, 'w') as handle: handle.write('[' * 100_000 + ']' * 100_000)",
    'deep objects': "with open(path, 'w') as handle: handle.write('{{\"a\":' * 100_000 + '1' + '}}' * 100_000)",
    'rather deep': "with open(path, 'w') as handle: handle.write('[' * 500 + ']' * 500)",
    'digits': "with open(path, 'w') as handle: handle.write('[' + '9' * 1_000_000 + ']')",
    'no text': "with open(path, 'wb') as handle: handle.write(bytes(range(256)))",
}
READERS = {
    'owner': ('SW/.locks/x.lock/owner.json', """
from lumi_hooks.eb.lifecycle.locks import Lock, judge, read_owner
lock = os.path.dirname({path!r})
result = [str(read_owner(lock)), judge(read_owner(lock))]
try:
    Lock(lock, 'x').acquire(limit=0)
except LumiHooksError as err:
    result.append(str(err))
""", lambda said: said[:2] == ['None', 'unknown'] and 'an unknown eb' in said[2]),
    'prepared': ('SW/.locks/.lumi-hooks-x/owner.json', """
from lumi_hooks.eb.lifecycle.locks import Lock
lock = Lock(os.path.join(os.path.dirname(os.path.dirname({path!r})), 'y.lock'), 'y')
result = lock.acquire(limit=0)
lock.release()
""", lambda said: said is False),
    'note': ('.lumi-hooks/aside/x.json', """
from lumi_hooks.eb.lifecycle.rollback import pending
result = len(list(pending({prefix!r})))
""", lambda said: said == 0),
    'record': ('SW/Thing/easybuild/lumi/record.json', """
from lumi_hooks.record import read_record
try:
    result = str(read_record({top!r}))
except LumiHooksError as err:
    result = str(err)
""", lambda said: 'record.json: ' in said and '#!secret' not in said),
}


@pytest.mark.parametrize('reader', sorted(READERS))
def test_S5_what_is_read_is_a_small_regular_file(project, reader):
    """Nobody waits for a FIFO, reads a device or a secret, or ends in a traceback."""
    name, code, sound = READERS[reader]
    path = str(project.prefix / name)
    planted = 'import shutil\n' + ''.join(
        f'def plant_{number}(path):\n    {how}\n' for number, how in enumerate(HOSTILE.values())) + f"""
os.umask(2)
path = {path!r}
os.makedirs(os.path.dirname(path), exist_ok=True)
for number in range({len(HOSTILE)}):
    os.chdir(os.path.dirname(path))
    globals()[f'plant_{{number}}'](os.path.basename(path))
    os.rename(path, f'{{path}}.{{number}}')
result = 0
"""
    project.place.run(planted.replace('SECRET', str(project.home / 'secret')), OTHER, groups=[GROUP])
    body = code.format(path=path, prefix=str(project.prefix), top=str(project.top)).replace('\n', '\n    ')
    said = project.place.run(f"""
import time
from lumi_hooks.errors import LumiHooksError
found = []
for number in range({len(HOSTILE)}):
    if os.path.lexists({path!r}):
        os.rename({path!r}, {path!r} + f'.done{{number}}')
    os.rename({path!r} + f'.{{number}}', {path!r})
    began = time.monotonic()
    {body}
    found.append([result, time.monotonic() - began])
result = found
""", groups=[GROUP])
    wrong = {how: found for how, found in zip(HOSTILE, said) if not sound(found[0]) or found[1] > 10}
    assert len(said) == len(HOSTILE) and not wrong


@pytest.mark.parametrize('name', ['easybuild', 'easybuild/lumi'])
def test_S5_no_record_of_what_lies_elsewhere(project, name):
    """A folder on the way to a record is a link out of the installation."""
    place, top, home = project.place, project.top, project.home
    inner = home / 'private' / 'lumi'
    inner.mkdir()
    for folder in (inner, home / 'private'):
        (folder / 'record.json').write_text('{"schema_version": 1, "a": "secret"}')
    place.run(f'os.makedirs({str((top / name).parent)!r}, exist_ok=True)\n'
              f'os.symlink({str(home / "private")!r}, {str(top / name)!r})\nresult = 0', OTHER, groups=[GROUP])
    said = place.run(f"""
from lumi_hooks.errors import LumiHooksError
from lumi_hooks.record import read_record
try:
    result = str(read_record({str(top)!r}))
except LumiHooksError as err:
    result = str(err)
""", groups=[GROUP])
    assert 'cannot be read' in said, said


BUILD = """
import subprocess, time
from lumi_hooks.eb.lifecycle.locks import Lock
TOKEN = 'LUMI_HOOKS_INSTALLATION'
os.umask(0o002)
lock = Lock({lock!r}, 'Thing')
lock.acquire(limit=0)
work = subprocess.Popen(['sleep', '60'], env={{**os.environ, TOKEN: lock.owner.token}})
print('ready', flush=True)
print(work.pid, flush=True)
work.wait()
"""
# `found` is what the owner of the live lock says; forge another one of a dead process with its token
FORGE = """
import json, subprocess
with open(os.path.join({live!r}, 'owner.json')) as handle:
    found = json.load(handle)
with subprocess.Popen(['true']) as dead:
    dead.wait()
found.update(pid=dead.pid, start=12345)
os.umask(0)
{how}
result = 0
"""
NEW_FILE = """
os.mkdir({forged!r})
with open(os.path.join({forged!r}, 'owner.json'), 'w') as handle:
    json.dump(found, handle)
"""
HOW = {
    'a lock of its own': NEW_FILE,
    'in the place of the live one': 'os.rename({live!r}, {live!r} + ".away")\n' + NEW_FILE.replace('forged', 'live'),
    # the file stays the victim's: what it says is anybody's where the group may write it
    'written into an old file of the victim': """
try:
    with open(os.path.join({forged!r}, 'owner.json'), 'w') as handle:
        json.dump(found, handle)
except PermissionError:
    pass
""",
}


@pytest.mark.parametrize('how', sorted(HOW))
def test_S5_a_forged_lock_ends_nobodys_build(project, how):
    """A member writes a lock of a dead process with the token of the victim's build; the victim starts another eb."""
    place = project.place
    locks = locks_of(project)
    live, forged = str(locks / 'live.lock'), str(locks / 'forged.lock')
    process = place.start(BUILD.format(lock=live), groups=[GROUP])
    try:
        assert process.stdout.readline() == 'ready\n', process.stderr.read()
        work = int(process.stdout.readline())
        if 'old' in how:
            place.run('import os\n' + BUILD.format(lock=forged).partition('work =')[0] + 'result = 0', groups=[GROUP])
        place.run(FORGE.format(live=live, how=HOW[how].format(live=live, forged=forged)), OTHER, groups=[GROUP])
        wanted = live if 'place' in how else forged
        place.run(f"""
from lumi_hooks.eb.lifecycle.locks import Lock
from lumi_hooks.errors import LumiHooksError
lock = Lock({wanted!r}, 'Thing')
result = ''
try:
    lock.acquire(limit=0)
    lock.release()
except LumiHooksError as err:
    result = str(err)
""", groups=[GROUP])
        time.sleep(0.3)
        assert process.poll() is None, f'the build was ended: {process.communicate()}'
        os.kill(work, signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()


def test_S5_what_a_dead_build_left_is_ended(project):
    """The other side: an honest lock of a dead eb, whose command still runs."""
    place = project.place
    locks = locks_of(project)
    lock = str(locks / 'x.lock')
    process = place.start(BUILD.format(lock=lock), groups=[GROUP])
    assert process.stdout.readline() == 'ready\n', process.stderr.read()
    process.kill()
    process.wait()
    told = place.run(f"""
from lumi_hooks.eb.lifecycle.locks import Lock
result = []
Lock({lock!r}, 'Thing').acquire(limit=0, tell=result.append)
""", groups=[GROUP])
    process.communicate(timeout=20)  # its pipes are closed: nothing of it runs
    assert 'and ended 1 of its commands' in told[0], told


def test_S5_another_account_is_told_and_ends_nothing(project):
    """A member clears the lock of another's dead eb; that one's commands are not the member's to end."""
    place = project.place
    locks = locks_of(project)
    lock = str(locks / 'x.lock')
    process = place.start(BUILD.format(lock=lock), groups=[GROUP])
    assert process.stdout.readline() == 'ready\n', process.stderr.read()
    work = int(process.stdout.readline())
    process.kill()
    process.wait()
    told = place.run(f"""
from lumi_hooks.eb.lifecycle.locks import Lock
result = []
lock = Lock({lock!r}, 'Thing')
lock.acquire(limit=0, tell=result.append)
lock.release()
""", OTHER, groups=[GROUP])
    assert 'cleared the lock' in told[0] and 'ended' not in told[0] and os.listdir(locks) == []
    # with the lock the victim's own next eb has lost what to find it by
    os.kill(work, signal.SIGKILL)
    process.communicate(timeout=20)


STRANGE = ['../../tmp/fifo', -1, 1.5, None, True, [], 10 ** 30, 'x\x1b[2J', '\udcff']


def test_S5_owners_with_strange_values(project):
    """A pid that is a path would be opened below /proc; what is printed moves no cursor."""
    said = project.place.run(f"""
from dataclasses import asdict
from lumi_hooks.eb.lifecycle.processes import end_left
from lumi_hooks.eb.lifecycle.locks import judge, read_owner, this_process
lock = {str(project.prefix / 'SW' / 'x.lock')!r}
os.makedirs(lock, exist_ok=True)
result = []
for key in ('pid', 'start', 'user', 'token', 'job', 'boot'):
    for value in {STRANGE!r}:
        with open(os.path.join(lock, 'owner.json'), 'w') as handle:
            json.dump(dict(asdict(this_process()), **{{key: value}}), handle)
        found = read_owner(lock)
        if found:
            assert end_left(found.token) == []
        result.append([key, value, str(found), judge(found)])
""", groups=[GROUP])
    assert len(said) == 6 * len(STRANGE)
    for key, value, shown, state in said:
        if type(value) is not (int if key in ('pid', 'start') else str) or value == 10 ** 30:
            assert (shown, state) == ('None', 'unknown'), (key, value)
        assert '\x1b' not in shown and shown.isprintable()


def test_S5_a_stranger_who_locks_the_folder_stops_nobody(project):
    """flock(2) needs no right to write: a stranger can hold the lock of a folder for ever."""
    place = project.place
    locks = locks_of(project)
    lock = str(locks / 'x.lock')
    place.run(BUILD.format(lock=lock).partition('work =')[0] + 'result = 0', groups=[GROUP])
    holding = place.start(f'import fcntl, time\nfile = os.open({str(locks)!r}, os.O_RDONLY)\n'
                          "fcntl.flock(file, fcntl.LOCK_EX)\nprint('ready', flush=True)\ntime.sleep(60)", STRANGER)
    try:
        assert holding.stdout.readline() == 'ready\n'
        said = place.run(f"""
from lumi_hooks.eb.lifecycle import locks
from lumi_hooks.errors import LumiHooksError
locks._PATIENCE = 1
result = ''
try:
    locks.Lock({lock!r}, 'Thing').acquire(limit=0)
except LumiHooksError as err:
    result = str(err)
""", groups=[GROUP])
        assert 'waited' in said
    finally:
        holding.kill()
        holding.communicate()


def test_S4_a_lock_takes_no_folder_of_others_away(project):
    """What is swept and cleared is what a lock holds: a folder that was moved into the place of one stays whole."""
    place = project.place
    locks = locks_of(project)
    for name in ('.lumi-hooks-old', 'dead.lock'):
        place.run(f"""
from dataclasses import asdict, replace
from lumi_hooks.eb.lifecycle.locks import this_process
folder = {str(locks / name)!r}
os.mkdir(folder)
with open(os.path.join(folder, 'owner.json'), 'w') as handle:
    json.dump(asdict(replace(this_process(), pid=os.getpid(), start=1)), handle)
with open(os.path.join(folder, 'precious'), 'w') as handle:
    handle.write('precious')
result = 0
""", groups=[GROUP])
    place.run(f"""
from lumi_hooks.eb.lifecycle.locks import Lock
lock = Lock({str(locks / 'dead.lock')!r}, 'Thing')
lock.acquire(limit=0)
lock.release()
result = 0
""", groups=[GROUP])
    assert len(list(locks.rglob('precious'))) == 2


@pytest.mark.parametrize('restricted', [False, True])
def test_S4_S15_a_log_goes_where_it_belongs(tmp_path, restricted):
    """The copy of a failed build's log: a link in its place is replaced, one in the folder's place is not followed."""
    from lumi_hooks.record.failed import keep
    log, secret, prefix = tmp_path / 'eb.log', tmp_path / 'secret', tmp_path / 'prefix'
    log.write_text('it failed')
    secret.write_text('secret')
    folder = prefix / '.lumi-hooks' / 'failed'
    folder.mkdir(parents=True)
    (folder / 'x-1.0.log').symlink_to(secret)
    kept = keep(str(log), {'module': 'x/1.0'}, str(prefix), restricted)
    assert kept == str(folder / 'x-1.0.log') and not os.path.islink(kept) and secret.read_text() == 'secret'
    assert oct(stat.S_IMODE(os.stat(kept).st_mode)) == ('0o600' if restricted else '0o644')
    assert sorted(os.listdir(folder)) == ['x-1.0.json', 'x-1.0.log']
    os.rename(folder, tmp_path / 'elsewhere')
    folder.symlink_to(tmp_path / 'elsewhere')
    for name in os.listdir(tmp_path / 'elsewhere'):
        os.unlink(tmp_path / 'elsewhere' / name)
    with pytest.raises(OSError):
        keep(str(log), {'module': 'x/1.0'}, str(prefix), restricted)
    assert os.listdir(tmp_path / 'elsewhere') == []
