# SPDX-License-Identifier: GPL-2.0-only
"""A victim, a member of the same project who attacks, and a stranger, as real accounts, with a project's prefix."""
import os
import stat
from contextlib import contextmanager

import pytest
from another_user import GROUP, NOBODY, OTHER, Place

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


def locks_of(project):
    """The folder of locks of a project's prefix, made for its members."""
    path = (project.prefix / 'SW' / '.locks').relative_to(project.place.path)
    return project.place.folder(str(path), group=GROUP, mode=0o2775)


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
