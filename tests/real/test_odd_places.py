# SPDX-License-Identifier: GPL-2.0-only
"""Full disks, odd prefixes, clocks and umasks, for real and as an ordinary user. ci/faults runs them."""
import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from .conftest import ROOT
from .faults import MODULE, Small, User, base_folder, remove
from .test_faults import base, case, new, user  # noqa: F401 (fixtures)

pytestmark = pytest.mark.long


@pytest.fixture(scope='module')
def small(standin, sources, upstream):
    """A prefix on a small file system, with a generation installed."""
    path = base_folder()
    found = Small(standin, sources, upstream, path)
    try:
        found.install('start')
        assert found.seen() == 'start'
        yield found
    finally:
        found.close()
        remove(path)


@pytest.mark.parametrize('kilobytes', [0, 32, 100, 250])
def test_a_disk_that_gets_full(small, case, kilobytes):  # noqa: F811
    full(small, case, f'k{kilobytes}', f'{kilobytes} kB', kilobytes=kilobytes)


@pytest.mark.parametrize('inodes', [0, 2, 5, 9, 14, 22])
def test_an_inode_limit(small, case, inodes):  # noqa: F811
    full(small, case, f'i{inodes}', f'{inodes} inodes', inodes=inodes)


def full(small, case, generation, left, **limit):  # noqa: F811
    before = small.seen()
    small.fill(**limit)
    try:
        done = small.install(generation, '--rebuild', check=False)
        seen = small.seen()
        assert seen == (generation if done.returncode == 0 else before), done.stdout[-3000:]
        assert done.returncode == 0 or ('No space left' in done.stdout and 'Traceback' not in done.stdout), \
            done.stdout[-3000:]
        assert done.returncode == 0 or 'space' in done.stdout and 'quota' in done.stdout, done.stdout[-3000:]
    finally:
        small.empty()
    small.install(generation, '--rebuild')
    assert small.seen() == generation and small.litter() == []
    case(f'`eb --rebuild` with {left} left in the prefix', 'it fits' if seen == generation else
         'it fails, says so and what to do, the earlier one is visible; with space the same command completes')


def test_files_larger_than_what_is_left(small, case):  # noqa: F811
    before = small.seen()
    done = small.install('large', '--rebuild', check=False, build='dd if=/dev/zero of=f2 bs=1M count=16 2>/dev/null')
    assert done.returncode != 0 and 'No space left on device' in done.stdout and 'what to try' in done.stdout
    assert small.seen() == before and small.litter() == []
    case('`eb --rebuild` whose files do not fit', 'it fails in its install step, the earlier one is visible')


def test_a_central_stack_that_cannot_be_written(new, case, standin):  # noqa: F811
    central = [standin / 'appl/lumi' / name for name in ('SW/LUMI-25.03/C', 'modules/easybuild/LUMI/25.03', 'mgmt')]
    for folder in central:
        assert new.run(f'touch {folder}/x', load=False).returncode != 0, 'the central stack can be written'
    before = [fingerprint(folder) for folder in central]
    new.install('one', '--robot', extra="dependencies = [('zlib', '1.3.1'), ('lz4', '1.10.0')]\n")
    assert new.seen() == 'one' and [fingerprint(folder) for folder in central] == before
    done = new.run(f'module load {MODULE} && module list 2>&1', check=True)
    assert 'zlib/1.3.1-cpeGNU-25.03' in done.stdout and 'lz4/1.10.0-cpeGNU-25.03' in done.stdout
    case('a central stack that is read-only', 'its modules are used, what it lacks goes to the prefix, nothing in it '
         'changes')


def fingerprint(folder):
    """Everything in a tree, with sizes and times of change."""
    found = hashlib.sha256()
    for path, folders, files in sorted(os.walk(folder)):
        for name in sorted([*folders, *files]):
            status = os.lstat(os.path.join(path, name))
            found.update(f'{path}/{name} {status.st_size} {status.st_mtime_ns} {status.st_mode}\n'.encode())
    return found.hexdigest()


@pytest.mark.parametrize('year', [1970, 2099])
def test_a_clock_that_is_wrong(user, case, year):  # noqa: F811
    """Files that claim to be of another age, and two people in time zones a day apart."""
    moment = 0 if year == 1970 else 4083955200
    for folder, _, files in os.walk(user.folder):
        for name in files:
            os.utime(os.path.join(folder, name), (moment, moment))
    os.utime(user.module_file, (moment, moment))
    for zone, generation in (('Pacific/Kiritimati', f'east{year}'), ('Pacific/Pago_Pago', f'west{year}')):
        user.install(generation, '--rebuild', TZ=zone)
        assert user.seen() == generation and user.litter() == []
    case(f'an earlier installation dated {year}; time zones a day apart', '`--rebuild` completes')


@pytest.mark.parametrize('moment', ['post_build', 'after:take', 'post_install', 'post_module'])
def test_the_clock_is_set_back_while_eb_runs(user, case, moment):  # noqa: F811
    """By a day, so that what was made before is of the future, and then it is killed, or goes on."""
    before, hooks = user.seen(), Path(__file__).with_name('clock_hooks.py')
    marks = {'CLOCK_AT': moment, 'CLOCK_MARK': user.base / 'home' / 'clock'}
    for kill in ('1', ''):
        generation = f'clock{kill}-{moment}'.replace(':', '-')
        marks['CLOCK_MARK'].unlink(missing_ok=True)
        done = user.install(generation, '--rebuild', check=False, LUMI_HOOKS_CHAIN=hooks, CLOCK_KILL=kill, **marks)
        assert float(marks['CLOCK_MARK'].read_text()) < -86000, 'the clock was not set back'
        if kill:
            assert done.returncode < 0 or done.returncode > 128, done.stdout[-2000:]
            assert user.seen() in (before, None)
        else:
            assert done.returncode == 0, done.stdout[-3000:]
            assert user.seen() == generation and user.litter() == []
            record = json.loads((user.folder / 'easybuild/lumi/record.json').read_text())
            assert 0 < record['times']['seconds'] < 600
    case(f'the clock is set back by a day at {moment}, files dated tomorrow; once killed there, once not',
         '`--rebuild` completes; after the `kill -9` the next one does, too')


@pytest.mark.parametrize('umask', ['000', '027', '077', '0777'])
def test_an_odd_umask(user, case, umask):  # noqa: F811
    before = user.seen()
    done = user.run(f'umask {umask}; eb --hooks={user.hooks} {user.recipe(f"umask{umask}")} --rebuild')
    result = 'installed; nothing is writable for everybody, everything readable for the group'
    if umask == '0777':
        # EasyBuild makes folders for itself that it can't enter then, before any hook is loaded
        assert done.returncode != 0 and user.seen() == before
        said = user.run(f'umask {umask}; {ROOT}/bin/lumi-eb doctor')
        assert said.returncode == 1 and 'your umask is 0777' in said.stdout and 'umask 022' in said.stdout
        result = 'EasyBuild itself cannot start (its own traceback); nothing is touched; `lumi-eb doctor` says what ' \
                 'to do'
    else:
        assert done.returncode == 0, done.stdout[-3000:]
        assert user.seen() == f'umask{umask}'
        for path in [user.module_file, *user.folder.rglob('*')]:
            mode = os.lstat(path).st_mode
            assert stat.S_ISLNK(mode) or not mode & stat.S_IWOTH, path
            assert stat.S_ISLNK(mode) or mode & stat.S_IRGRP, path
    assert user.litter() == []
    case(f'umask {umask}', result)


@pytest.mark.parametrize('name', ['Easy Build of mine', 'long'])
def test_an_odd_prefix(standin, sources, upstream, case, name):  # noqa: F811
    path = base_folder()
    try:
        prefix = name
        while name == 'long' and len(str(path / prefix)) < 200:
            prefix += '/' + 'x' * min(60, 199 - len(str(path / prefix)))
        odd = User(standin, sources, upstream, path, prefix)
        done = odd.install('one', check=False)
        assert done.returncode == 0 and odd.seen() == 'one', done.stdout[-3000:]
        odd.killed('two', 'post_install', '--rebuild')
        assert odd.seen() is None
        odd.install('two', '--rebuild')
        assert odd.seen() == 'two' and odd.litter() == []
        odd.run(f'module load {MODULE}', check=True)
        case('a prefix of 200 characters' if name == 'long' else 'a prefix with spaces',
             'installs; is killed while it is replaced, and completes')
    finally:
        remove(path)
