# SPDX-License-Identifier: GPL-2.0-only
"""Whose the files of an installation are, tried as ordinary users: a member of the project, another, a stranger."""
import os
import stat

import pytest
from another_user import GROUP, OTHER, STRANGER, Place, needs_root

from lumi_hooks.files import umask
from lumi_hooks.prefix import permissions, sharing

TREE = """
import stat
os.umask(0o077)
top = os.path.join({prefix!r}, 'SW', 'Thing')
for folder in ('bin', 'share/deep'):
    os.makedirs(os.path.join(top, folder))
def put(name, text, mode):
    path = os.path.join(top, name)
    with open(path, 'w') as handle:
        handle.write(text)
    os.chmod(path, mode)
put('bin/script', '#!/bin/sh\\nexit 0\\n', 0o600)
put('bin/program', '\\x7fELF', 0o600)
put('bin/settings', 'x=1\\n', 0o600)
put('bin/kept', '#!/bin/sh\\n', 0o640)
put('share/data', 'data', 0o600)
put('share/open', 'open', 0o666)
put('share/fixed', 'fixed', 0o444)
os.chmod(os.path.join(top, 'share'), 0o777)
os.symlink('/etc/passwd', os.path.join(top, 'share/link'))
for folder, folders, files in os.walk(top):  # as cp -p and tar leave it
    os.chown(folder, -1, os.getegid())
    for name in files:
        os.chown(os.path.join(folder, name), -1, os.getegid(), follow_symlinks=False)
"""
SETTLE = """
from lumi_hooks.prefix import permissions, sharing
found = sharing.shared_group({prefix!r})
repaired = sorted(os.path.basename(path) for path in permissions.repair_programs(top))
failed = list(permissions.settle(top, found))
result = [found, repaired, failed]
"""
TRY_TO_WRITE = """
try:
    open(os.path.join({folder!r}, 'x'), 'w').close()
    result = 'written'
except OSError as err:
    result = err.strerror
"""


@pytest.fixture(scope='module')
def place():
    found = Place()
    yield found
    found.remove()


def modes(top):
    """Mode and group of everything below a folder."""
    found = {}
    for folder, folders, files in os.walk(top):
        for name in ['', *files, *folders]:
            path = os.path.join(folder, name) if name else folder
            status = os.lstat(path)
            found[os.path.relpath(path, top)] = (stat.S_IMODE(status.st_mode), status.st_gid)
    return found


@needs_root
def test_users_are_ordinary(place):
    """Else none of the tests here says anything."""
    closed = place.folder('closed', owner=0, group=0)
    assert place.run(TRY_TO_WRITE.format(folder=str(closed))) == 'Permission denied'


@needs_root
def test_installation_of_a_project(place):
    prefix = place.folder('project', group=GROUP, mode=0o2775)
    code = (TREE + SETTLE).format(prefix=str(prefix))
    assert place.run(code, groups=[GROUP]) == [GROUP, ['program', 'script'], []]
    found = modes(prefix / 'SW' / 'Thing')
    assert {group for _, group in found.values()} == {GROUP}
    assert found.pop('share/link')[0] == 0o777  # links have no modes
    assert {name: oct(mode) for name, (mode, _) in found.items()} == {
        '.': '0o2770', 'bin': '0o2770', 'share': '0o2775', 'share/deep': '0o2770',
        # umask 077 was set: nobody else but the group gets anything
        'bin/script': '0o770', 'bin/program': '0o770', 'bin/settings': '0o660', 'bin/kept': '0o660',
        'share/data': '0o660', 'share/open': '0o664', 'share/fixed': '0o444'}
    assert stat.S_IMODE(os.stat('/etc/passwd').st_mode) == 0o644


@needs_root
def test_members_can_use_it_and_strangers_cannot(place):
    prefix = place.folder('shared', group=GROUP, mode=0o2775)
    place.run((TREE + SETTLE).format(prefix=str(prefix)), groups=[GROUP])
    top = prefix / 'SW' / 'Thing'
    os.chmod(prefix / 'SW', 0o755)
    read = f'result = open({str(top / "share" / "data")!r}).read()'
    assert place.run(read, user=OTHER, groups=[GROUP]) == 'data'
    # a member installs another version beside it, and that is the project's again
    assert place.run(TRY_TO_WRITE.format(folder=str(top)), user=OTHER, groups=[GROUP]) == 'written'
    assert os.stat(top / 'x').st_gid == GROUP and os.stat(top / 'x').st_uid == OTHER
    assert place.run(TRY_TO_WRITE.format(folder=str(top)), user=STRANGER) == 'Permission denied'
    # files of others are left alone, and no failure
    again = 'top = {!r}\n'.format(str(top)) + SETTLE.format(prefix=str(prefix))
    assert place.run(again, groups=[GROUP]) == [GROUP, [], []]


@needs_root
def test_restricted_to_a_group(place):
    """Licensed software in a prefix that everybody can read."""
    prefix = place.folder('licensed', mode=0o755)
    code = TREE.format(prefix=str(prefix)) + f'from lumi_hooks.prefix import permissions\n' \
        f'os.chmod(top, 0o755)\nresult = list(permissions.settle(top, {GROUP}, False, True))'
    assert place.run(code, groups=[GROUP]) == []
    top = prefix / 'SW' / 'Thing'
    os.chmod(prefix / 'SW', 0o755)
    read = f'result = open({str(top / "share" / "data")!r}).read()'
    assert place.run(read, user=OTHER, groups=[GROUP]) == 'data'
    with pytest.raises(AssertionError, match='Permission denied'):
        place.run(read, user=STRANGER)
    assert place.run(TRY_TO_WRITE.format(folder=str(top)), user=OTHER, groups=[GROUP]) == 'Permission denied'
    assert all(not mode & 0o027 for name, (mode, _) in modes(top).items() if name != 'share/link')


@needs_root
def test_what_cannot_be_set_is_told(place):
    """A group that the user is not in."""
    prefix = place.folder('stranger', mode=0o755)
    code = TREE.format(prefix=str(prefix)) + f'from lumi_hooks.prefix import permissions\n' \
        f'result = len(list(permissions.settle(top, {GROUP})))'
    assert place.run(code) == len(modes(prefix / 'SW' / 'Thing'))


def test_no_group(tmp_path):
    """In a prefix of the user groups stay as they are, and nothing becomes writable by everybody."""
    (tmp_path / 'file').write_text('x')
    os.chmod(tmp_path / 'file', 0o646)
    assert list(permissions.settle(str(tmp_path), None)) == []
    assert stat.S_IMODE(os.stat(tmp_path / 'file').st_mode) == 0o644
    assert sharing.shared_group(str(tmp_path)) is None and sharing.shared_group('') is None


def test_folder_with_the_set_gid_bit_is_shared(tmp_path):
    os.chmod(tmp_path, 0o2755)
    assert sharing.shared_group(str(tmp_path)) == os.stat(tmp_path).st_gid
    # what is not there yet takes after the folder that it will be made in
    assert sharing.shared_group(str(tmp_path / 'a' / 'b')) == os.stat(tmp_path).st_gid


def test_programs_are_repaired_by_the_umask(tmp_path):
    (tmp_path / 'sbin').mkdir()
    for name, text, mode in (('a', '#!/bin/sh\n', 0o600), ('b', 'text', 0o600), ('c', '#!/bin/sh\n', 0o644)):
        (tmp_path / 'sbin' / name).write_text(text)
        os.chmod(tmp_path / 'sbin' / name, mode)
    before = os.umask(0o027)
    try:
        assert list(permissions.repair_programs(str(tmp_path))) == [str(tmp_path / 'sbin' / 'a')]
        assert umask() == 0o027
    finally:
        os.umask(before)
    assert [stat.S_IMODE(os.stat(tmp_path / 'sbin' / name).st_mode) for name in 'abc'] == [0o750, 0o600, 0o644]
    assert list(permissions.repair_programs(str(tmp_path / 'nothing'))) == []


def test_opening_up(tmp_path):
    folder, file, program = tmp_path / 'd', tmp_path / 'f', tmp_path / 'p'
    folder.mkdir(mode=0o700)
    for path, mode in ((file, 0o600), (program, 0o700)):
        path.write_text('x')
        path.chmod(mode)
    permissions.open_up(map(str, (folder, file, program, tmp_path / 'gone')), 0o022)
    assert [stat.S_IMODE(os.stat(path).st_mode) for path in (folder, file, program)] == [0o755, 0o644, 0o755]


