# SPDX-License-Identifier: GPL-2.0-only
"""Files that other accounts exchange, plant or link while a victim's `eb` writes (S4 and S15 of November 2026)."""
import json
import os
import stat
import time

import pytest
from another_user import GROUP, NOBODY, OTHER, needs_root
from attackers import RACE, UNTOUCHED, attacking, exchanging, locks_of, secrets

pytestmark = [pytest.mark.security, needs_root]

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
from lumi_hooks.eb.lifecycle.rollback import EarlierInstallation, pending
from lumi_hooks.errors import LumiHooksError
prefix = {prefix!r}
module, lock = os.path.join(prefix, 'modules', 'Thing.lua'), os.path.join(prefix, 'SW', 'x.lock')
here = EarlierInstallation({top!r}, module, prefix, lock)
os.umask(0o002)
os.makedirs(os.path.join(prefix, 'modules'), exist_ok=True)
"""


def aside(project, code):
    """Run code of the victim's with the `EarlierInstallation` of the installation."""
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
    place, home = project.place, project.home
    locks = locks_of(project)
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
from lumi_hooks.eb.lifecycle.locks import Lock
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
