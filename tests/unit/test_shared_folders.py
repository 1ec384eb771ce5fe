# SPDX-License-Identifier: GPL-2.0-only
"""Folders that are everybody's are opened as soon as they are made, whatever the umask."""
import os
import shutil
import stat
import tempfile
from types import SimpleNamespace

import pytest

from lumi_hooks.eb.lifecycle import preparation
from lumi_hooks.eb.lifecycle.shared_folders import keep_open, of_a_build


@pytest.fixture
def closed(tmp_path):
    """A umask that lets nobody else in, and what is made in `shared` opened."""
    before, shared = os.umask(0o077), tmp_path / 'shared'
    put_back = keep_open(lambda path: str(path).startswith(str(shared)), 0o002)
    yield shared
    put_back()
    os.umask(before)


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def test_however_a_folder_is_made(closed, tmp_path):
    os.makedirs(closed / 'a' / 'b')
    (closed / 'c').mkdir()
    shutil.copytree(closed / 'a', closed / 'd' / 'e')
    os.mkdir(str(closed / 'f'), 0o750)
    for name in ('', 'a', 'a/b', 'c', 'd', 'd/e/b'):
        assert mode(closed / name) == 0o775, name
    assert mode(closed / 'f') == 0o750
    (closed / 'a' / 'file').write_text('mine')
    assert mode(closed / 'a' / 'file') == 0o600
    os.makedirs(tmp_path / 'own' / 'x')
    assert mode(tmp_path / 'own') == mode(tmp_path / 'own' / 'x') == 0o700


def test_what_is_private_on_purpose_stays_so(closed):
    closed.mkdir()
    assert mode(tempfile.mkdtemp(dir=closed)) == 0o700


def test_the_set_gid_bit_stays(closed):
    closed.mkdir()
    closed.chmod(0o2775)
    (closed / 'a').mkdir()
    assert mode(closed / 'a') == 0o2775


def test_errors_are_those_of_python(closed):
    closed.mkdir()
    with pytest.raises(FileExistsError):
        os.mkdir(closed)
    with pytest.raises(FileNotFoundError):
        os.mkdir(closed / 'a' / 'b')


def test_nothing_that_was_put_in_its_place_is_opened(tmp_path):
    """Somebody else of the group exchanges the new folder for a link to something of mine."""
    secret, place = tmp_path / 'secret', tmp_path / 'place'
    secret.mkdir(mode=0o700)

    def exchange(path):
        os.rmdir(path)
        os.symlink(secret, path)
        return True
    put_back = keep_open(exchange, 0)
    try:
        os.mkdir(place)
    finally:
        put_back()
    assert mode(secret) == 0o700 and place.is_symlink()


def test_it_is_put_back():
    before = os.mkdir
    put_back = keep_open(lambda path: True, 0)
    assert os.mkdir is not before
    put_back()
    assert os.mkdir is before


@pytest.mark.parametrize('path, own', [
    ('', False), ('GROMACS', False), ('GROMACS/2025.4', False), ('GROMACS/2025.4/cpeGNU-25.03', True),
    ('GROMACS/2025.4/cpeGNU-25.03/easybuild_obj', True), ('../elsewhere/x/y/z', False)])
def test_a_builds_own_folder(tmp_path, path, own):
    assert of_a_build(str(tmp_path / 'build' / path), str(tmp_path / 'build')) is own


def test_sources_that_came_under_it_are_found_and_ones_own_folders_left_alone(tmp_path, monkeypatch):
    """Those that only the user can read, in the prefix: what others use as well keeps its group."""
    paths = {}
    for name, permissions in (('sources/new', 0o600), ('sources/ext', 0o600), ('sources/known', 0o664),
                              ('private/mine', 0o600), ('../elsewhere', 0o600)):
        path = tmp_path / 'prefix' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.chmod(permissions)
        paths[name] = str(path)
    monkeypatch.setenv('LUMI_HOOKS_PRIVATE_SOURCES', str(tmp_path / 'prefix' / 'private'))
    here = SimpleNamespace(site=SimpleNamespace(prefix=str(tmp_path / 'prefix')))
    app = SimpleNamespace(src=[{'path': paths[name]} for name in paths if name != 'sources/ext'],
                          exts=[{'name': 'x', 'src': paths['sources/ext']}, {'name': 'y'}])
    assert preparation._sources(here, app) == [paths['sources/new'], paths['sources/ext']]
