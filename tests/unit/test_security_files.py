# SPDX-License-Identifier: GPL-2.0-only
"""
Files that other accounts exchange, plant or link while a victim's `eb` works: a victim, a member of the same project
who attacks, and a stranger, as real accounts (S4 and S5 of the review of November 2026).
"""
import json
import os
import signal
import stat
import time
from contextlib import contextmanager

import pytest
from another_user import GROUP, NOBODY, OTHER, STRANGER, Place, needs_root

pytestmark = [pytest.mark.security, needs_root]

# seconds that an attacker gets: without the defence the race was won within two
RACE = 2

# exchanges two names in a folder as fast as it can, in one step each (renameat2(2), RENAME_EXCHANGE)
EXCHANGE = """
import ctypes
rename = ctypes.CDLL(None, use_errno=True).renameat2
print('ready', flush=True)
one, other = {one!r}.encode(), {other!r}.encode()
while True:
    assert rename(-100, one, -100, other, 2) == 0, os.strerror(ctypes.get_errno())
"""


@pytest.fixture(scope='module')
def place():
    found = Place()
    yield found
    found.remove()


@pytest.fixture
def project(place, request):
    """A prefix of a project, with an installation of the victim's, and a secret in the victim's home."""
    name = request.node.name.replace('/', '_')
    prefix = place.folder(f'{name}/project', group=GROUP, mode=0o2775)
    home = place.folder(f'{name}/home')
    place.folder(f'{name}/home/private')
    for secret in ('secret', 'private/data', 'private/tool'):
        (home / secret).write_text('#!secret')
        os.chown(home / secret, NOBODY, NOBODY)
        os.chmod(home / secret, 0o600)
    place.folder(f'{name}/project/SW', group=GROUP, mode=0o2775)
    top = place.folder(f'{name}/project/SW/Thing', group=GROUP, mode=0o2775)
    for folder in ('share', 'bin'):
        place.folder(f'{name}/project/SW/Thing/{folder}', group=GROUP, mode=0o2775)
    for file, text in (('share/data', 'data'), ('bin/tool', '#!/bin/sh\n')):
        (top / file).write_text(text)
        os.chown(top / file, NOBODY, GROUP)
        os.chmod(top / file, 0o600)
    project.place, project.prefix, project.home, project.top = place, prefix, home, top
    return project


def secrets(home):
    """Modes and groups of the victim's secrets, and what they say."""
    found = set()
    for name in ('secret', 'private/data', 'private/tool'):
        status = os.lstat(home / name)
        found.add((oct(stat.S_IMODE(status.st_mode)), status.st_gid, (home / name).read_text()))
    return found


UNTOUCHED = {('0o600', NOBODY, '#!secret')}


@contextmanager
def attacking(place, code):
    """A member of the project attacks while this lasts."""
    process = place.start(code, OTHER, groups=[GROUP])
    try:
        assert process.stdout.readline() == 'ready\n', process.stderr.read()
        yield process
        assert process.poll() is None, process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def exchanging(top, name, link_to):
    """Code of an attacker who exchanges a name in a folder and a link, again and again."""
    other = str(top / (name + '.x'))
    return f'os.symlink({str(link_to)!r}, {other!r})\n' + EXCHANGE.format(one=str(top / name), other=other)


CALLS = {
    'settle': f'list(permissions.settle(top, {GROUP}))',
    'settle_one': f'permissions.settle_one(path, {GROUP})',
    'open_up': 'permissions.open_up([path], 0o022)',
    'repair_programs': 'list(permissions.repair_programs(top))',
    'clean': 'list(runpaths.clean(top, lambda file, folder: True))'}


def victim(top, path, call, seconds=RACE):
    """Code of a victim who sets permissions, of files that are closed again before each try."""
    return f"""
import time
from lumi_hooks import runpaths
from lumi_hooks.prefix import permissions
top, path = {str(top)!r}, {str(path)!r}
mine = os.open(path, os.O_RDONLY)
until, result = time.monotonic() + {seconds}, 0
while time.monotonic() < until:
    os.fchmod(mine, 0o600)
    try:
        {CALLS[call]}
    except OSError:
        pass
    result += 1
"""


@pytest.mark.parametrize('call', ['settle', 'settle_one', 'open_up'])
def test_S4_a_file_that_is_exchanged_for_a_link(project, call):
    place, top = project.place, project.top
    path = top / 'share' / 'data'
    code = victim(top, path, call)  # before: its file is there when it begins
    process = place.start(code + 'print("done", result)', groups=[GROUP])
    time.sleep(0.3)
    with attacking(place, exchanging(top / 'share', 'data', project.home / 'secret')):
        out, err = process.communicate(timeout=60)
    assert out.startswith('done'), err
    assert int(out.split()[1]) > 500, 'too few tries to say anything'
    assert secrets(project.home) == UNTOUCHED


@pytest.mark.parametrize('call', ['settle', 'settle_one', 'open_up', 'repair_programs'])
def test_S4_a_folder_that_is_exchanged_for_a_link(project, call):
    """What lies behind has the same names as what lies in the folder."""
    place, top = project.place, project.top
    folder, name = ('bin', 'tool') if call == 'repair_programs' else ('share', 'data')
    process = place.start(victim(top, top / folder / name, call) + 'print("done", result)', groups=[GROUP])
    time.sleep(0.3)
    with attacking(place, exchanging(top, folder, project.home / 'private')):
        out, err = process.communicate(timeout=60)
    assert out.startswith('done'), err
    assert int(out.split()[1]) > 500, 'too few tries to say anything'
    assert secrets(project.home) == UNTOUCHED


@pytest.mark.parametrize('call', sorted(CALLS))
def test_S4_a_folder_that_is_a_link_from_the_beginning(project, call):
    """No race is needed: the link is there before, and its owner is another member."""
    place, top = project.place, project.top
    folder, name = ('bin', 'tool') if call == 'repair_programs' else ('share', 'data')
    place.run(f'os.rename({str(top / folder)!r}, {str(top / "away")!r})\n'
              f'os.symlink({str(project.home / "private")!r}, {str(top / folder)!r})\nresult = 0',
              OTHER, groups=[GROUP])
    code = f"""
from lumi_hooks import runpaths
from lumi_hooks.prefix import permissions
top, path, result = {str(top)!r}, {str(top / folder / name)!r}, ''
try:
    {CALLS[call]}
except OSError as err:
    result = err.strerror
"""
    assert 'link of somebody else' in place.run(code, groups=[GROUP]) or call != 'settle_one'
    assert secrets(project.home) == UNTOUCHED


def test_S4_a_secret_that_is_linked_in(project):
    """Hard links to others' files are for root alone where fs.protected_hardlinks is set; root makes this one."""
    place, top = project.place, project.top
    os.link(project.home / 'secret', top / 'share' / 'linked')
    os.link(project.home / 'private' / 'tool', top / 'bin' / 'linked')
    os.link(top / 'share' / 'data', top / 'share' / 'twice')
    place.run(f"""
from lumi_hooks.prefix import permissions
result = [list(permissions.repair_programs({str(top)!r})), list(permissions.settle({str(top)!r}, {GROUP}))]
permissions.settle_one({str(top / 'share' / 'linked')!r}, {GROUP})
permissions.open_up([{str(top / 'share' / 'linked')!r}], 0o022)
""", groups=[GROUP])
    assert secrets(project.home) == UNTOUCHED
    # both names of this one lie in the tree
    assert stat.S_IMODE(os.stat(top / 'share' / 'twice').st_mode) == 0o660


def test_S4_the_rights_of_a_program_do_not_go_to_the_project(project):
    """A set-gid program of the victim's own group is none of the project's afterwards."""
    tool = project.top / 'bin' / 'tool'
    os.chown(tool, NOBODY, NOBODY)
    os.chmod(tool, 0o2755)
    project.place.run(f'from lumi_hooks.prefix import permissions\n'
                      f'result = list(permissions.settle({str(project.top)!r}, {GROUP}))', groups=[GROUP])
    assert (os.stat(tool).st_gid, oct(stat.S_IMODE(os.stat(tool).st_mode))) == (GROUP, '0o775')


def test_S4_folders_in_each_other_without_an_end(project):
    """A member nests folders deeper than Python's stack, and than files may be open."""
    place, top = project.place, project.top
    place.run(f"""
os.chdir({str(top / 'share')!r})
for _ in range(1200):
    os.mkdir('d')
    os.chdir('d')
result = 0
""", OTHER, groups=[GROUP])
    assert place.run(f'from lumi_hooks.prefix import permissions\n'
                     f'result = list(permissions.settle({str(top)!r}, {GROUP}))', groups=[GROUP]) == []
    assert stat.S_IMODE(os.stat(top / 'share' / 'data').st_mode) == 0o660


# --- backups, notes, logs and locks

ASIDE = """
from lumi_hooks.eb.aside import Aside, pending
from lumi_hooks.errors import LumiHooksError
prefix = {prefix!r}
here = Aside({top!r}, os.path.join(prefix, 'modules', 'Thing.lua'), prefix, os.path.join(prefix, 'SW', 'x.lock'))
os.umask(0o002)
os.makedirs(os.path.join(prefix, 'modules'), exist_ok=True)
"""


def aside(project, code):
    """Run code of the victim's with an `Aside` of the installation."""
    return project.place.run(ASIDE.format(prefix=str(project.prefix), top=str(project.top)) + code, groups=[GROUP])


@pytest.mark.parametrize('name', ['SW/.Thing.before', 'SW/.Thing.done', 'modules/.Thing.lua.new~',
                                  '.lumi-hooks/aside', '.lumi-hooks'])
@pytest.mark.parametrize('target', ['private', 'private/tool'])
def test_S4_links_in_the_place_of_a_backup(project, name, target):
    """Each name that is made or removed while an installation is replaced, as a link into the victim's home."""
    home, prefix = project.home, project.prefix
    for folder in ('software', 'half'):
        (home / 'private' / folder).mkdir()
        (home / 'private' / folder / 'kept').write_text('kept')
        os.chown(home / 'private' / folder, NOBODY, NOBODY)
    before = sorted(str(path) for path in home.rglob('*'))
    path = prefix / name
    project.place.run(f'os.umask(2)\nos.makedirs({str(path.parent)!r}, exist_ok=True)\n'
                      f'os.symlink({str(home / target)!r}, {str(path)!r})\nresult = 0', OTHER, groups=[GROUP])
    said = aside(project, """
result = []
try:
    for again in range(2):
        here.recover()
        here.take()
        os.mkdir(here.installdir)
        here.undo() if again else here.commit()
except LumiHooksError as err:
    result.append(str(err))
result += [str(len(list(pending(prefix))))]
""")
    assert sorted(str(path) for path in home.rglob('*')) == before and secrets(home) == UNTOUCHED
    if name.startswith('.lumi-hooks'):
        assert 'cannot be set aside' in said[0] and (project.top / 'share' / 'data').exists()
    else:
        assert said == ['0'] and not os.path.lexists(path)


def test_S4_removing_follows_no_link(project):
    """A read-only folder in what is removed is exchanged for a link to a folder of the victim's home."""
    place, home, prefix = project.place, project.home, project.prefix
    done = place.folder(str((prefix / 'SW' / '.Thing.done').relative_to(place.path)), group=GROUP, mode=0o2775)
    for name in ('a', 'b', 'c'):
        place.folder(str((done / name).relative_to(place.path)), group=GROUP, mode=0o2775)
    place.run(f'os.symlink({str(home / "private")!r}, {str(done / "a" / "link")!r})\n'
              f'os.symlink({str(home)!r}, {str(done / "link")!r})\nresult = 0', OTHER, groups=[GROUP])
    os.chown(done, NOBODY, GROUP)
    os.chmod(done, 0o500)
    os.chmod(home / 'private', 0o555)
    aside(project, 'here.recover()\nresult = 0')
    assert not done.exists() and secrets(home) == UNTOUCHED
    assert stat.S_IMODE(os.stat(home / 'private').st_mode) == 0o555


def test_S4_a_copy_takes_no_secret_in(project):
    """keeppreviousinstall: while the earlier installation is copied, a file in it is exchanged for a link."""
    place, top = project.place, project.top
    code = ASIDE.format(prefix=str(project.prefix), top=str(top)) + f"""
import shutil, time
from lumi_hooks.errors import LumiHooksError
here.take()
print('taken', flush=True)
until, tries, found = time.monotonic() + {RACE}, 0, 0
while time.monotonic() < until:
    try:
        here.copy()
        tries += 1
        path = os.path.join(here.installdir, 'share', 'data')
        found += not os.path.islink(path) and open(path).read() == '#!secret'
    except LumiHooksError:
        pass
    shutil.rmtree(here.installdir, ignore_errors=True)
print(json.dumps([tries, found]))
"""
    process = place.start(code, groups=[GROUP])
    assert process.stdout.readline() == 'taken\n', process.stderr.read()
    inside = project.prefix / 'SW' / '.Thing.before' / 'software' / 'share'
    with attacking(place, exchanging(inside, 'data', project.home / 'secret')):
        out, err = process.communicate(timeout=60)
    assert out, err
    tries, found = json.loads(out)
    assert tries > 20 and found == 0


def test_S4_a_file_is_written_into_the_folder_that_was_opened(project):
    """A name that is a link is replaced, whatever it points to; a mode is there from the beginning."""
    place, home, top = project.place, project.home, project.top
    place.run(f'os.symlink({str(home / "secret")!r}, {str(top / "record")!r})\nresult = 0', OTHER, groups=[GROUP])
    place.run(f"""
from lumi_hooks.files import write_atomic
os.umask(0o027)
write_atomic({str(top / 'record')!r}, 'text')
write_atomic({str(top / 'exact')!r}, 'text', 0o604)
result = 0
""", groups=[GROUP])
    assert secrets(home) == UNTOUCHED and not os.path.islink(top / 'record')
    assert [oct(stat.S_IMODE(os.stat(top / name).st_mode)) for name in ('record', 'exact')] == ['0o640', '0o604']
    assert not [name for name in os.listdir(top) if name.startswith('.')]


def test_S4_a_lock_is_made_in_an_open_folder(project):
    """The folder that is to become a lock is exchanged for a link while it is made."""
    place, home, prefix = project.place, project.home, project.prefix
    locks = place.folder(str((prefix / 'SW' / '.locks').relative_to(place.path)), group=GROUP, mode=0o2775)
    attacker = f"""
print('ready', flush=True)
while True:
    for name in os.listdir({str(locks)!r}):
        path = os.path.join({str(locks)!r}, name)
        try:
            if name.startswith('.lumi-hooks-') and not os.path.islink(path):
                os.rename(path, path + '.away')
                os.symlink({str(home / 'private')!r}, path)
        except OSError:
            pass
"""
    code = f"""
import time
from lumi_hooks.eb.locks import Lock
from lumi_hooks.errors import LumiHooksError
os.umask(0o002)
until, result = time.monotonic() + {RACE}, 0
while time.monotonic() < until:
    lock = Lock({str(locks / 'x.lock')!r}, 'x')
    try:
        lock.acquire(limit=0)
        lock.release()
    except (OSError, LumiHooksError):
        pass
    result += 1
    if os.path.islink(lock.path):
        os.unlink(lock.path)
"""
    before = sorted(str(path) for path in home.rglob('*'))
    with attacking(place, attacker):
        assert place.run(code, groups=[GROUP]) > 20
    assert sorted(str(path) for path in home.rglob('*')) == before and secrets(home) == UNTOUCHED
    assert stat.S_IMODE(os.stat(home / 'private').st_mode) == 0o755


# --- what others put in the place of what is read

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
from lumi_hooks.eb.locks import Lock, judge, read_owner
lock = os.path.dirname({path!r})
result = [str(read_owner(lock)), judge(read_owner(lock))]
try:
    Lock(lock, 'x').acquire(limit=0)
except LumiHooksError as err:
    result.append(str(err))
""", lambda said: said[:2] == ['None', 'unknown'] and 'an unknown eb' in said[2]),
    'prepared': ('SW/.locks/.lumi-hooks-x/owner.json', """
from lumi_hooks.eb.locks import Lock
lock = Lock(os.path.join(os.path.dirname(os.path.dirname({path!r})), 'y.lock'), 'y')
result = lock.acquire(limit=0)
lock.release()
""", lambda said: said is False),
    'note': ('.lumi-hooks/aside/x.json', """
from lumi_hooks.eb.aside import pending
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
from lumi_hooks.eb.locks import Lock
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
    locks = place.folder(str((project.prefix / 'SW' / '.locks').relative_to(place.path)), group=GROUP, mode=0o2775)
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
from lumi_hooks.eb.locks import Lock
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
    locks = place.folder(str((project.prefix / 'SW' / '.locks').relative_to(place.path)), group=GROUP, mode=0o2775)
    lock = str(locks / 'x.lock')
    process = place.start(BUILD.format(lock=lock), groups=[GROUP])
    assert process.stdout.readline() == 'ready\n', process.stderr.read()
    process.kill()
    process.wait()
    told = place.run(f"""
from lumi_hooks.eb.locks import Lock
result = []
Lock({lock!r}, 'Thing').acquire(limit=0, tell=result.append)
""", groups=[GROUP])
    process.communicate(timeout=20)  # its pipes are closed: nothing of it runs
    assert 'and ended 1 of its commands' in told[0], told


def test_S5_another_account_is_told_and_ends_nothing(project):
    """A member clears the lock of another's dead eb; that one's commands are not the member's to end."""
    place = project.place
    locks = place.folder(str((project.prefix / 'SW' / '.locks').relative_to(place.path)), group=GROUP, mode=0o2775)
    lock = str(locks / 'x.lock')
    process = place.start(BUILD.format(lock=lock), groups=[GROUP])
    assert process.stdout.readline() == 'ready\n', process.stderr.read()
    work = int(process.stdout.readline())
    process.kill()
    process.wait()
    told = place.run(f"""
from lumi_hooks.eb.locks import Lock
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
from lumi_hooks.eb.commands import end_left
from lumi_hooks.eb.locks import judge, read_owner, this_process
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
    locks = place.folder(str((project.prefix / 'SW' / '.locks').relative_to(place.path)), group=GROUP, mode=0o2775)
    lock = str(locks / 'x.lock')
    place.run(BUILD.format(lock=lock).partition('work =')[0] + 'result = 0', groups=[GROUP])
    holding = place.start(f'import fcntl, time\nfile = os.open({str(locks)!r}, os.O_RDONLY)\n'
                          "fcntl.flock(file, fcntl.LOCK_EX)\nprint('ready', flush=True)\ntime.sleep(60)", STRANGER)
    try:
        assert holding.stdout.readline() == 'ready\n'
        said = place.run(f"""
from lumi_hooks.eb import locks
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
    locks = place.folder(str((project.prefix / 'SW' / '.locks').relative_to(place.path)), group=GROUP, mode=0o2775)
    for name in ('.lumi-hooks-old', 'dead.lock'):
        place.run(f"""
from dataclasses import asdict, replace
from lumi_hooks.eb.locks import this_process
folder = {str(locks / name)!r}
os.mkdir(folder)
with open(os.path.join(folder, 'owner.json'), 'w') as handle:
    json.dump(asdict(replace(this_process(), pid=os.getpid(), start=1)), handle)
with open(os.path.join(folder, 'precious'), 'w') as handle:
    handle.write('precious')
result = 0
""", groups=[GROUP])
    place.run(f"""
from lumi_hooks.eb.locks import Lock
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
