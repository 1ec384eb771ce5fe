# SPDX-License-Identifier: GPL-2.0-only
"""What is removed, brought back and deleted: whenever the process is killed, the next one finishes it."""
import contextlib
import json
import os
import time
from pathlib import Path

import pytest

from lumi_hooks import presence, tree
from lumi_hooks.eb.lifecycle import removal
from lumi_hooks.eb.lifecycle import rollback as module_of_aside
from lumi_hooks.eb.lifecycle.removal import Target
from lumi_hooks.eb.lifecycle.rollback import EarlierInstallation, pending
from lumi_hooks.eb.policy.hidden import hides
from lumi_hooks.errors import LumiHooksError, SiteError
from lumi_hooks.index import Index
from lumi_hooks.prefix import held, notice, visibility

MODULE = 'tiny/1.0'


class Killed(BaseException):
    """Stands for kill -9: nothing behind it is done."""


@pytest.fixture(autouse=True)
def days(monkeypatch):
    monkeypatch.setenv('LUMI_HOOKS_KEEP_DAYS', '4')


@pytest.fixture
def target(tmp_path):
    """An installation with module and archived recipe, to be removed."""
    prefix = tmp_path / 'prefix'
    installdir, module = prefix / 'SW/LUMI-25.03/C/tiny/1.0', prefix / 'modules/LUMI/25.03/partition/C/tiny/1.0.lua'
    archive = prefix / 'ebfiles_repo/LUMI-25.03/LUMI-C/tiny/tiny-1.0.eb'
    for path, text in ((installdir / 'bin/tiny', 'old'), (archive, 'name = "tiny"\n'), (module, text_for(installdir))):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    yield Target(str(prefix), MODULE, str(module.parent.parent), str(module), str(installdir), str(archive), 3, 4)
    tree.remove(str(prefix))


def text_for(installdir):
    return f'help([==[tiny]==])\nlocal root = "{installdir}"\nprepend_path("PATH", pathJoin(root, "bin"))\n'


def is_listed(target):
    """Does `module avail` list it?"""
    path = Path(target.tree, visibility.FILE)
    return os.path.exists(target.module_file) and f'"{MODULE}"' not in (path.read_text() if path.exists() else '')


def is_installed(target):
    """Does everybody who asks find it?"""
    return Index([target.tree]).module_file(MODULE) is not None


def whole(target):
    """Is everything as it was?"""
    return (is_listed(target) and is_installed(target) and os.path.exists(target.archive)
            and Path(target.module_file).read_text() == text_for(target.installdir)
            and Path(target.installdir, 'bin/tiny').read_text() == 'old')


@contextlib.contextmanager
def killed_at(moment, monkeypatch):
    """Stops before the moment-th change of a file."""
    left, names = moment, ('rename', 'replace', 'mkdir', 'unlink', 'rmdir', 'open')

    def counted(name, function):
        def wrapper(*args, **kwargs):
            nonlocal left
            left -= name != 'open' or bool(len(args) > 1 and args[1] & os.O_CREAT)
            if left == 0:
                left = -1
                raise Killed()
            return function(*args, **kwargs)
        return wrapper
    with monkeypatch.context() as patched:
        for name in names:
            patched.setattr(module_of_aside.os, name, counted(name, getattr(os, name)))
        yield


def attempt(work, moment, monkeypatch):
    """Was it done before the moment? What a killed process held is let go of by the next one."""
    with killed_at(moment, monkeypatch):
        try:
            work()
            done = True
        except Killed:
            done = False
    return done


def unlock(target):
    """The lock of a dead process."""
    tree.remove(os.path.dirname(target.lock))


@pytest.mark.parametrize('moment', range(1, 40))
def test_killed_while_it_removes(target, monkeypatch, moment):
    done = attempt(lambda: removal.remove(target, 4, print), moment, monkeypatch)
    unlock(target)
    # the files of a running job are where they were, and the module can be loaded by its full name
    assert Path(target.installdir, 'bin/tiny').read_text() == 'old' and os.path.exists(target.module_file)
    removal.expire(held.notes(target.prefix))
    gone = not is_installed(target)
    assert not done or gone
    if gone:
        assert not is_listed(target) and not os.path.exists(target.archive)
        assert removal.undo(held.notes(target.prefix), MODULE, print) == f'{MODULE} is back'
    assert whole(target), 'removed in part'
    assert done or moment < 35


@pytest.mark.parametrize('moment', range(1, 40))
def test_killed_while_it_brings_back(target, monkeypatch, moment):
    removal.remove(target, 4, print)
    attempt(lambda: removal.undo(held.notes(target.prefix), MODULE, print), moment, monkeypatch)
    unlock(target)
    removal.undo(held.notes(target.prefix), MODULE, print)
    assert whole(target)
    assert 'nothing to bring back' in removal.undo(held.notes(target.prefix), MODULE, print)


@pytest.mark.parametrize('moment', range(1, 40))
def test_killed_while_it_deletes(target, monkeypatch, moment):
    removal.remove(target, 4, print)
    attempt(lambda: removal.expire(held.notes(target.prefix), time.time() + 5 * 86400), moment, monkeypatch)
    unlock(target)
    assert not is_installed(target) and not is_listed(target)
    removal.expire(held.notes(target.prefix), time.time() + 5 * 86400)
    left = [path for path in Path(target.prefix).rglob('*') if 'tiny' in path.name and '.lumi-hooks' not in path.parts
            and path.parent.name != 'LUMI-C']
    assert left == [] and held.notes(target.prefix) == [] and not Path(target.tree, visibility.FILE).exists()


def rebuild(target, text='new'):
    earlier = EarlierInstallation(target.installdir, target.module_file, target.prefix, target.lock)
    earlier.take()
    os.makedirs(os.path.join(target.installdir, 'bin'))
    Path(target.installdir, 'bin/tiny').write_text(text)
    Path(earlier.hidden).write_text(text_for(target.installdir))
    earlier.reveal()
    earlier.commit()
    removal.settle_installation(target.prefix, target.installdir)


@pytest.mark.parametrize('moment', range(1, 60))
def test_killed_while_it_swaps_back(target, monkeypatch, moment):
    rebuild(target)
    done = attempt(lambda: removal.undo(held.notes(target.prefix), MODULE, print), moment, monkeypatch)
    unlock(target)
    texts = {path.read_text() for path in Path(target.prefix).rglob('bin/tiny')}
    assert texts == {'old', 'new'}, 'files are lost'
    for earlier in pending(target.prefix):
        earlier.recover()
    now = Path(target.installdir, 'bin/tiny').read_text()
    assert is_installed(target) and now == 'old' or not done
    removal.undo(held.notes(target.prefix), MODULE, print)
    assert whole(target)
    assert {path.read_text() for path in Path(target.prefix).rglob('bin/tiny')} == {'old', 'new'}
    assert done or moment < 55


def test_what_is_due_and_installed_anew(target):
    removal.remove(target, 4, print)
    rebuild(target)
    assert is_listed(target) and is_installed(target) and Path(target.installdir, 'bin/tiny').read_text() == 'new'
    removal.undo(held.notes(target.prefix), MODULE, print)
    # the notice of the removal is not brought back
    assert is_listed(target) and is_installed(target) and Path(target.installdir, 'bin/tiny').read_text() == 'old'
    assert 'due for' not in Path(target.module_file).read_text()


def test_it_is_deleted_in_time_and_no_sooner(target):
    note = removal.remove(target, 4, print)
    assert removal.expire(held.notes(target.prefix)) == [] and os.path.exists(target.installdir)
    os.utime(os.path.join(target.prefix, held.FOLDER, f'{note.name}.json'), (time.time() - 5 * 86400,) * 2)
    assert [item.held.module for item in removal.expire(held.notes(target.prefix))] == [MODULE]
    assert not os.path.exists(target.installdir) and not os.path.exists(target.module_file)


def test_a_bound_is_kept(target):
    for text in ('a', 'b', 'c'):
        rebuild(target, text)
    assert len(removal.expire(held.notes(target.prefix), float('inf'), bound=2)) == 2
    assert len(held.notes(target.prefix)) == 1


def test_not_while_it_is_being_installed(target):
    from lumi_hooks.eb.lifecycle.locks import Lock
    lock = Lock(target.lock, MODULE)
    lock.acquire()
    with pytest.raises(LumiHooksError, match='is being installed by'):
        removal.remove(target, 4, print)
    lock.release()
    assert whole(target)


@pytest.mark.parametrize('text', [
    '', '[]', '{}', '{"kind": "removed"}', '\x00', '{"kind": "rebuilt", "module": 1}'])
def test_notes_that_are_none(target, text):
    folder = Path(target.prefix, held.FOLDER)
    folder.mkdir(parents=True)
    (folder / 'x.json').write_text(text)
    assert held.notes(target.prefix) == []


@pytest.mark.parametrize('change', [
    {'installdir': '/etc'}, {'module_file': '/etc/passwd'}, {'archive': '/etc/passwd'},
    {'archive': '{prefix}/sources/secret'}, {'archive': '{prefix}/sources/secret.eb'}, {'kept': '/tmp'},
    {'installdir': '{prefix}/SW/../../x'}, {'keep_days': -1}, {'keep_days': True}, {'kind': 'other'},
    {'kind': 'rebuilt', 'kept': '{prefix}/SW/LUMI-25.03/C/other/1.0'}, {'kind': 'rebuilt', 'kept': ''}])
def test_a_note_says_nothing_about_what_lies_elsewhere(target, change):
    note = removal.remove(target, 4, print)
    path = Path(target.prefix, held.FOLDER, f'{note.name}.json')
    found = json.loads(path.read_text())
    found.update({key: value.format(prefix=target.prefix) if isinstance(value, str) else value
                  for key, value in change.items()})
    path.write_text(json.dumps(found))
    assert held.notes(target.prefix) == []


def test_no_link_is_followed(target, tmp_path):
    """In a project's prefix anybody may put a link to a secret of this user's in the place of what is copied."""
    secret = tmp_path / 'secret'
    secret.write_text('secret')
    os.unlink(target.archive)
    os.symlink(secret, target.archive)
    with pytest.raises(LumiHooksError, match='not a regular file|symbolic'):
        removal.remove(target, 4, print)
    rebuild(target)
    kept = next(note.held.kept for note in held.notes(target.prefix) if note.held.kept)
    os.unlink(os.path.join(kept, 'module'))
    os.symlink(secret, os.path.join(kept, 'module'))
    with pytest.raises(LumiHooksError):
        removal.undo([note for note in held.notes(target.prefix) if note.held.kept], MODULE, print)
    assert Path(target.installdir, 'bin/tiny').read_text() == 'new' and is_installed(target)
    assert not [path for path in Path(target.prefix).rglob('*') if path.is_file() and not path.is_symlink()
                and 'secret' in path.read_text()]


def test_a_note_of_somebody_else_does_not_delete_ones_own(target, monkeypatch):
    removal.remove(target, 0, print)
    note, = held.notes(target.prefix)
    monkeypatch.setattr(removal.os, 'geteuid', lambda: note.uid + 1)
    strange = held.Note(note.prefix, note.name, note.held, note.when, note.uid + 2)
    assert removal.expire([strange], float('inf')) == [] and os.path.exists(target.installdir)


@pytest.mark.parametrize('value', ['x', '-1', 'nan', '1e9', 'inf'])
def test_wrong_days(value):
    with pytest.raises(SiteError, match='LUMI_HOOKS_KEEP_DAYS is'):
        held.keep_days({'LUMI_HOOKS_KEEP_DAYS': value})


def test_days_by_site_data():
    assert held.keep_days({}) == 4 and held.keep_days({'LUMI_HOOKS_KEEP_DAYS': '0.5'}) == 0.5


@pytest.mark.parametrize('lua', [True, False])
@pytest.mark.parametrize('said', ['plain', 'a "quoted" \\ [word] $HOME', "it's"])
def test_a_notice_comes_and_goes(lua, said):
    text = 'local root = "/x"\n' if lua else '#%Module\nset root /x\n'
    noted = notice.with_notice(text, said, lua)
    assert noted.startswith(text) and presence.is_due(noted) and presence.fallen(noted) == presence.DUE
    assert notice.with_notice(noted, said, lua) == noted and notice.without_notice(noted) == text


@pytest.mark.parametrize('text, expected', [
    ('local root = "{0}"\nprepend_path("PATH", pathJoin(root, "bin"))\n', presence.GONE),
    ('#%Module\nset root {0}\nprepend-path    PATH            $root/bin\n', presence.GONE),
    # a toolchain, a module that only loads others, one that is none of EasyBuild's
    ('local root = "{0}"\nload("x/1")\nsetenv("EBROOTX", root)\n', None),
    ('prepend_path("PATH", "/somewhere/bin")\n', None), ('', None)])
def test_a_module_whose_installation_is_gone(tmp_path, text, expected):
    folder = tmp_path / 'x/1'
    text = text.format(folder)
    assert presence.fallen(text) == expected
    folder.mkdir(parents=True)
    assert presence.fallen(text) == expected, 'an empty folder is none'
    (folder / 'bin').mkdir()
    assert presence.fallen(text) is None


def test_hidden_and_listed(target):
    others = '-- mine\nmodule_alias("t", "tiny/1.0")\n'
    path = Path(target.tree, visibility.FILE)
    path.write_text(others)
    args = target.prefix, target.tree
    visibility.hide(*args, 'zlib/1.3', visibility.DEPENDENCY)
    visibility.hide(*args, MODULE, visibility.REMOVED)
    visibility.hide(*args, MODULE, visibility.DEPENDENCY)
    assert path.read_text().startswith(others) and path.read_text().count('hide_version') == 2
    assert visibility.hidden(*args, visibility.DEPENDENCY) == [MODULE, 'zlib/1.3']
    assert visibility.show(*args, MODULE, visibility.REMOVED) and not visibility.show(*args, MODULE, visibility.REMOVED)
    assert path.read_text().count('hide_version') == 2, 'it is hidden for another reason still'
    for name in (MODULE, 'zlib/1.3'):
        visibility.show(*args, name, visibility.DEPENDENCY)
    assert path.read_text() == others


def test_many_at_once_lose_nothing(target):
    names = [f'lib{number}/1.0' for number in range(12)]
    pids = []
    for name in names:
        pid = os.fork()
        if not pid:
            try:
                visibility.hide(target.prefix, target.tree, name, visibility.DEPENDENCY)
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    text = Path(target.tree, visibility.FILE).read_text()
    assert all(f'hide_version("{name}")' in text for name in names)


@pytest.mark.parametrize('said, expected', [('off', False), ('on', True), ('', True)])
def test_the_switch(said, expected):
    assert hides({'LUMI_HOOKS_HIDE': said}) is expected
