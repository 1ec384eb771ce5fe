# SPDX-License-Identifier: GPL-2.0-only
"""
Faults, for real and as an ordinary user: whatever happens, no half-installed module is ever visible, no file of an
earlier installation is lost, and running the same command again completes. ci/faults runs them.
"""
import os
import re
import signal
import threading

import pytest

from . import faults
from .faults import User, base_folder, remove, wait_for

pytestmark = pytest.mark.long

MOMENTS = ('pre_easyblock', 'post_fetch', 'post_prepare', 'post_build', 'after:_move', 'after:take', 'post_install',
           'post_sanitycheck', 'pre_module', 'post_module', 'post_permissions', 'after:reveal')
# there is nothing to set aside where nothing was
FRESH = ('post_fetch', 'post_install', 'pre_module', 'post_module', 'after:reveal')


@pytest.fixture(scope='module')
def base():
    path = base_folder()
    yield path
    remove(path)


@pytest.fixture(scope='module')
def user(standin, sources, upstream, base):
    """One prefix for the tests that leave it as they found it: with a generation installed."""
    found = User(standin, sources, upstream, base)
    if os.geteuid() == 0:
        assert found.run(f'test -r {found.hooks} -a -r {standin}/enter.sh', load=False).returncode == 0, \
            'the checkout and the stand-in must be readable by everybody'
        assert found.run(f'test -w {found.hooks}', load=False).returncode == 1, 'the ordinary user is not ordinary'
    found.install('start')
    assert found.seen() == 'start'
    return found


@pytest.fixture
def new(standin, sources, upstream):
    """A prefix of its own."""
    path = base_folder()
    found = User(standin, sources, upstream, path)
    # EasyBuild itself (options.py, set_tmpdir) looks whether this is there and makes it in two steps: of several first
    # `eb` at the same moment one may end with "File exists", before any hook is loaded
    path.joinpath('home', 'work', 'easybuild', 'tmp').mkdir(parents=True)
    found.own(path)
    yield found
    remove(path)


@pytest.fixture
def case(record_property):
    """Notes for docs/faults.md what was tried and what came out."""
    def note(what, result):
        record_property('case', what)
        record_property('result', result)
    return note


@pytest.mark.parametrize('moment', MOMENTS)
def test_killed_while_it_replaces_an_earlier_one(user, case, moment):
    before, after = user.seen(), f'after-{moment}'.replace(':', '-')
    user.killed(after, moment, '--rebuild')
    seen = user.seen()
    assert seen in (before, None) or (seen == after and moment == 'after:reveal')
    assert seen == after or user.kept(before)
    # without --rebuild the next run finds what was there before, and brings it back
    again = user.install(after, '')
    assert 'already installed' in again.stdout and user.seen() == (seen or before)
    user.install(after, '--rebuild')
    assert user.seen() == after and user.litter() == []
    what = 'the earlier one is visible' if seen == before else 'the new one is whole' if seen else \
        'no module is visible, the earlier files are set aside'
    case(f'`kill -9` of `eb --rebuild` at {moment}', f'{what}; the next `eb` finds '
         + ('the new one' if seen == after else 'the earlier one') + ', `--rebuild` completes')


@pytest.mark.parametrize('moment', FRESH)
def test_killed_while_it_is_installed_for_the_first_time(new, case, moment):
    new.killed('one', moment)
    seen = new.seen()
    assert seen is None or (seen == 'one' and moment == 'after:reveal')
    done = new.install('one')
    assert new.seen() == 'one' and new.litter() == []
    assert 'cleared the lock that was left by' in done.stdout
    case(f'`kill -9` of a first `eb` at {moment}', ('the new one is whole' if seen else 'no module is visible')
         + '; the same command completes')


def test_the_next_eb_restores_it_whatever_it_is_for(user, case):
    before = user.seen()
    user.killed('left', 'post_install', '--rebuild')
    assert user.seen() is None
    done = user.eb('lz4-1.10.0-GCCcore-14.2.0.eb --dry-run')
    assert 'what was there before is back' in done.stdout and user.seen() == before and user.litter() == []
    case('`kill -9`, then `eb --dry-run` of another package', 'it brings the earlier one back, and says so')


def test_killed_while_a_command_runs(user, case):
    """The command outlives its eb and would write into the prefix: the next eb ends it."""
    before = user.seen()
    late = user.base / 'home' / 'late'
    recipe = user.recipe('orphan', build=f'(touch {late}.started; sleep 40; touch {late})')
    process = user.start_eb(f'{recipe} --rebuild')
    wait_for(lambda: late.with_suffix('.started').exists())
    with open(f'/proc/{process.pid}/cmdline', encoding='utf-8') as handle:
        assert 'easybuild.main' in handle.read(), 'it is a shell yet'
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    done = user.install('orphan2', '--rebuild')
    assert re.search(r'which is dead, and ended \d+ of its commands', done.stdout), done.stdout[-3000:]
    assert before and user.seen() == 'orphan2' and user.litter() == []
    assert not late.exists()
    case('`kill -9` of eb while a command of its build runs on', 'the next `eb` ends the command, which would still '
         'write, clears the lock and completes')


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_interrupted_after_the_new_files_were_written(user, case, number):
    before, mark = user.seen(), user.base / 'home' / 'interrupt'
    mark.unlink(missing_ok=True)
    recipe = user.recipe('interrupted', extra=f"sanity_check_commands = ['touch {mark} && sleep 60']\n")
    process = user.start_eb(f'{recipe} --rebuild')
    wait_for(mark.exists)
    assert user.seen() is None
    os.killpg(process.pid, number)
    out = process.communicate(timeout=60)[0]
    assert process.returncode != 0 and 'is back as it was' in out, out[-3000:]
    assert user.seen() == before and user.litter() == []
    case(f'{signal.Signals(number).name} to `eb --rebuild` after it wrote new files',
         'the earlier one is back, the message says so')


def test_a_failing_build_leaves_the_earlier_one(user, case):
    before = user.seen()
    done = user.install('fails', '--rebuild', check=False, extra="sanity_check_commands = ['false']\n")
    assert done.returncode != 0 and user.seen() == before and user.litter() == []
    assert 'is back as it was' in done.stdout and 'what to try' in done.stdout and 'the whole log' in done.stdout
    log = re.search(r'the whole log.*: (\S+)', done.stdout)[1]
    assert 'Sanity check failed' in open(log, encoding='utf-8').read()  # noqa: SIM115
    case('`eb --rebuild` that fails in its sanity check', 'the earlier one is back; first error, what to try and the '
         'log are told')


def test_a_module_is_never_seen_without_its_files(user, case):
    """Somebody looks all the time while it is replaced."""
    stop, wrong, looks = threading.Event(), [], [0]

    def look():
        while not stop.is_set():
            looks[0] += 1
            try:
                user.seen()
            except (AssertionError, OSError) as err:
                # between two looks at the disk it may have been swapped: what counts is that it settles
                if user.module_file.exists():
                    try:
                        user.seen()
                    except (AssertionError, OSError):
                        wrong.append(str(err))
    thread = threading.Thread(target=look)
    thread.start()
    try:
        for generation in ('seen1', 'seen2'):
            user.install(generation, '--rebuild')
    finally:
        stop.set()
        thread.join()
    assert not wrong, wrong[:3]
    assert looks[0] > 200 and user.seen() == 'seen2'
    case('somebody looks at module and files all the time during two `--rebuild`',
         f'{looks[0]} looks: a visible module always had all files of its generation')


@pytest.mark.parametrize('number', [2, 8])
def test_many_at_once_on_the_same_recipe(new, case, number):
    recipe = new.recipe('many', build='sleep 3')
    new.own(new.base)
    running = [new.start_eb(str(recipe)) for _ in range(number)]
    outs = [process.communicate(timeout=600)[0] for process in running]
    assert [process.returncode for process in running] == [0] * number, outs
    built = [out for out in outs if 'COMPLETED: Installation ended successfully' in out]
    assert len(built) == 1, [out[-500:] for out in outs]
    assert sum('already installed (module found), skipping' in out for out in outs) == number - 1
    assert sum('is being installed by process' in out for out in outs) >= 1
    assert new.seen() == 'many' and new.litter() == []
    assert len(list((new.folder / 'easybuild').glob('*.log'))) == 1
    case(f'{number} `eb` at once on the same recipe (the folder for temporary files is there: EasyBuild itself may '
         'fail with "File exists" where several make it at once)',
         'one builds, the others wait and end with "already installed", exit code 0; one log in the installation')


def test_many_at_once_with_rebuild(user, case):
    recipe = user.recipe('rebuilt', build='sleep 3')
    running = [user.start_eb(f'{recipe} --rebuild') for _ in range(3)]
    outs = [process.communicate(timeout=600)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 3, outs
    assert user.seen() == 'rebuilt' and user.litter() == []
    built = sum('COMPLETED: Installation ended successfully' in out for out in outs)
    assert 1 <= built <= 3 and built + sum('already installed' in out for out in outs) == 3
    case('3 `eb --rebuild` at once',
         f'{built} of them built, never two at a time; the others found it done; exit code 0')


def test_two_at_once_share_what_both_need(new, case):
    """Two recipes that need the same package, which both derive into the same store."""
    for name in ('left', 'right'):
        path = new.base / 'recipes' / f'{name}-1.0-GCCcore-14.2.0.eb'
        path.write_text(faults.RECIPE.format(generation='both', build='true').replace("'fault'", f"'{name}'")
                        + "dependencies = [('lz4', '1.10.0')]\n")
    new.own(new.base)
    running = [new.start_eb(f'{new.base}/recipes/{name}-1.0-GCCcore-14.2.0.eb --robot') for name in ('left', 'right')]
    outs = [process.communicate(timeout=900)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], [out[-3000:] for out in outs]
    assert sum('lz4/1.10.0-cpeGNU-25.03 is already installed' in out for out in outs) == 1
    done = new.run('module load left/1.0-cpeGNU-25.03 right/1.0-cpeGNU-25.03 && lz4 --version', check=True)
    assert '1.10.0' in done.stdout
    case('2 `eb --robot` at once whose recipes need the same package', 'it is built once, both complete')


def test_a_lock_of_nobody_known_says_what_to_do(user, case):
    lock = user.folder.parent.parent / '.locks' / (str(user.folder).replace('/', '_') + '.lock')
    lock.mkdir(parents=True, exist_ok=True)
    user.own(lock)
    done = user.install('locked', '--rebuild --wait-on-lock-limit=2', check=False)
    assert done.returncode != 0 and 'an unknown eb' in done.stdout
    assert f'remove {lock}' in done.stdout and user.seen()
    lock.rmdir()
    case('a lock that an `eb` without these hooks left', 'it waits (here: 2 s by --wait-on-lock-limit), then says '
         'which folder to remove; nothing is touched')


def test_locks_can_not_be_ignored(user, case):
    before = user.seen()
    done = user.install('ignored', '--rebuild --ignore-locks', check=False)
    assert done.returncode != 0 and '--ignore-locks lets two eb write into one installation' in done.stdout
    assert user.seen() == before and user.litter() == []
    user.install('ignored', '--rebuild --fetch')
    case('`eb --ignore-locks`', 'refused with the reason, nothing is touched; `--fetch`, which implies it, works')


def test_a_recipe_that_builds_on_the_earlier_installation(user, case):
    """keeppreviousinstall: what is there stays, and comes back if the build fails or is killed."""
    before, more = user.seen(), user.folder / 'share' / 'more'
    more.write_text('of the earlier one')
    user.own(more)
    extra = 'keeppreviousinstall = True\n'
    user.install('on-it', '--rebuild', check=False, extra=extra + "sanity_check_commands = ['false']\n")
    assert user.seen() == before and more.exists() and user.litter() == []
    process = user.start_eb(f'{user.recipe("on-it", extra=extra)} --rebuild', FAULT_AT='post_install',
                            FAULT_MARK=user.base / 'home' / 'on-it',
                            LUMI_HOOKS_CHAIN=os.path.join(os.path.dirname(__file__), 'fault_hooks.py'))
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL and user.seen() is None
    user.install('on-it', '--rebuild', extra=extra)
    assert user.seen() == 'on-it' and more.read_text() == 'of the earlier one' and user.litter() == []
    more.unlink()
    case('a recipe with `keeppreviousinstall` that fails, is killed, and completes', 'it works on a copy: the earlier '
         'one comes back both times; what it had besides is there in the end')
