# SPDX-License-Identifier: GPL-2.0-only
"""The earlier installation: set aside, brought back or given up, whenever the process is killed."""
import contextlib
import os
from pathlib import Path

import pytest

from lumi_hooks import tree
from lumi_hooks.eb.lifecycle import rollback as module_of_aside
from lumi_hooks.eb.lifecycle.rollback import COMPLETED, RESTORED, EarlierInstallation, notes, pending
from lumi_hooks.errors import LumiHooksError
from lumi_hooks.prefix import held


class Killed(BaseException):
    """Stands for kill -9: nothing behind it is done."""


@pytest.fixture(autouse=True, params=[0, 4])
def days(request, monkeypatch):
    """Every guarantee holds whether what is replaced is kept for some days, or goes at once."""
    monkeypatch.setenv('LUMI_HOOKS_KEEP_DAYS', str(request.param))
    return request.param


@pytest.fixture
def place(tmp_path):
    """An installation with its module, and what stands for them."""
    prefix = tmp_path / 'prefix'
    installdir, module = prefix / 'SW/tiny/1.0', prefix / 'modules/tiny/1.0.lua'
    for path in (installdir / 'bin/tiny', module):
        path.parent.mkdir(parents=True)
        path.write_text('old')
    (installdir / 'bin').chmod(0o555)
    yield EarlierInstallation(str(installdir), str(module), str(prefix), str(prefix / 'locks/tiny.lock'))
    tree.remove(str(prefix))


def build(earlier):
    """A new installation in the place of the earlier one."""
    os.makedirs(os.path.join(earlier.installdir, 'bin'))
    inside = [os.path.join(earlier.installdir, 'bin', name) for name in ('tiny', 'new')]
    for path in (*inside, earlier.hidden):
        with open(path, 'w', encoding='utf-8') as handle:
            handle.write('new')


def state(earlier):
    """What a user sees: 'old', 'new' or None where no module is visible; asserts that a visible one is whole."""
    if not os.path.exists(earlier.module):
        return None
    with open(earlier.module, encoding='utf-8') as handle:
        text = handle.read()
    with open(os.path.join(earlier.installdir, 'bin/tiny'), encoding='utf-8') as handle:
        assert handle.read() == text, 'the module of one installation, the files of another'
    assert os.path.exists(os.path.join(earlier.installdir, 'bin/new')) == (text == 'new')
    return text


def litter(earlier):
    """What should be gone in the end."""
    parent = os.path.dirname(earlier.installdir)
    noted = notes(os.path.dirname(os.path.dirname(parent)))
    return [name for folder in (parent, os.path.dirname(earlier.module)) for name in os.listdir(folder)
            if name.startswith('.') and '.kept.' not in name] + (os.listdir(noted) if os.path.isdir(noted) else [])


def kept(earlier):
    """What is kept of earlier installations, and noted."""
    prefix = os.path.dirname(os.path.dirname(notes(os.path.dirname(earlier.lock).rpartition('/')[0])))
    found = [note for note in held.notes(prefix) if os.path.isdir(note.held.kept)]
    return [Path(note.held.kept, 'software/bin/tiny').read_text() for note in found]


def test_a_new_one_takes_its_place(place):
    place.take()
    assert place.taken and state(place) is None and not os.path.exists(place.installdir)
    build(place)
    assert state(place) is None
    place.reveal()
    assert state(place) == 'new'
    place.commit()
    assert state(place) == 'new' and litter(place) == []


def test_it_comes_back(place):
    place.take()
    build(place)
    place.undo()
    assert state(place) == 'old' and litter(place) == []
    assert not os.access(os.path.join(place.installdir, 'bin'), os.W_OK) or os.geteuid() == 0


def test_it_is_kept_beside_the_new_one(place):
    place.take()
    build(place)
    place.reveal()
    place.commit(keep=True)
    names = sorted(os.listdir(os.path.dirname(place.installdir)))
    assert state(place) == 'new' and len(names) == 2 and names[1].startswith('1.0.20')


def install(place):
    """All of an installation."""
    place.take()
    build(place)
    place.reveal()
    place.commit()


@contextlib.contextmanager
def killed_at(moment, monkeypatch, *names):
    """Counts the calls of these functions of os, by which the module changes files, and stops before the moment-th."""
    left = moment

    def counted(function):
        def wrapper(*args, **kwargs):
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed()
            return function(*args, **kwargs)
        return wrapper
    with monkeypatch.context() as patched:
        for name in names:
            patched.setattr(module_of_aside.os, name, counted(getattr(os, name)))
        yield


@pytest.mark.parametrize('moment', range(1, 40))
def test_killed_at_any_moment_the_next_one_finishes_it(place, days, monkeypatch, moment):
    with killed_at(moment, monkeypatch, 'rename', 'replace', 'mkdir', 'unlink', 'rmdir', 'makedirs', 'chmod'):
        try:
            install(place)
            done = True
        except Killed:
            done = False
    if done:
        assert moment > 8, 'fewer moments than there are'
        assert kept(place) == (['old'] if days else [])
        return
    seen = state(place)
    assert seen in ('old', 'new', None)
    # the old files exist somewhere as long as the new ones are not seen
    if seen != 'new':
        everything = [os.path.join(folder, name) for folder, _, files in os.walk(os.path.dirname(place.installdir))
                      for name in files if name == 'tiny']
        assert 'old' in [Path(path).read_text() for path in everything]
    found = place.recover()
    assert found in (RESTORED, COMPLETED, None)
    assert state(place) == ('new' if seen == 'new' else 'old')
    assert litter(place) == [] and not place.taken
    # the earlier one is kept, wherever it was killed; a kill while it is deleted may leave a rest of nothing
    assert kept(place) == (['old'] if days and seen == 'new' else [])


@pytest.mark.parametrize('moment', range(1, 12))
def test_killed_while_it_is_brought_back(place, monkeypatch, moment):
    place.take()
    build(place)
    with killed_at(moment, monkeypatch, 'rename', 'replace', 'unlink', 'rmdir'):
        try:
            place.undo()
        except Killed:
            assert state(place) in ('old', None)
    place.recover()
    assert state(place) == 'old' and litter(place) == []


def test_what_is_pending_is_found_and_only_inside_the_prefix(place, tmp_path):
    prefix = str(tmp_path / 'prefix')
    assert list(pending(prefix)) == []
    place.take()
    found, = pending(prefix)
    assert found.recover() == RESTORED and state(place) == 'old'
    outside = tmp_path / 'outside'
    outside.mkdir()
    (outside / 'kept').write_text('')
    folder = notes(prefix)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, 'bad.json'), 'w', encoding='utf-8') as handle:
        handle.write(f'{{"installdir": "{outside}", "module": "{outside}/m", "lock": "{outside}/l"}}')
    for name, text in (('a.json', ''), ('b.json', '[]'), ('c.json', '{"installdir": 1, "module": 2, "lock": 3}')):
        with open(os.path.join(folder, name), 'w', encoding='utf-8') as handle:
            handle.write(text)
    assert list(pending(prefix)) == [] and (outside / 'kept').exists()


def test_an_installation_that_cannot_be_moved_stays(place, monkeypatch):
    def refuse(source, target, rename=os.rename):
        if source == place.installdir:
            raise PermissionError(13, 'Permission denied')
        rename(source, target)
    monkeypatch.setattr(module_of_aside.os, 'rename', refuse)
    with pytest.raises(LumiHooksError, match='cannot be set aside: Permission denied; it was left as it is'):
        place.take()
    assert state(place) == 'old' and litter(place) == []


def test_across_file_systems_the_module_is_copied(place, monkeypatch):
    import errno

    def other_device(source, target, rename=os.rename):
        if source == place.module or target == place.module:
            raise OSError(errno.EXDEV, 'Invalid cross-device link')
        rename(source, target)
    monkeypatch.setattr(module_of_aside.os, 'rename', other_device)
    place.take()
    assert state(place) is None
    place.undo()
    assert state(place) == 'old'


def test_nothing_but_the_module_that_lmod_sees(place):
    assert os.path.dirname(place.hidden) == os.path.dirname(place.module)
    assert os.path.basename(place.hidden).startswith('.') and place.hidden.endswith('~')
