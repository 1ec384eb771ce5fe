# SPDX-License-Identifier: GPL-2.0-only
"""
Guards every installation: one at a time, whole or not at all, and the earlier one back if a new one fails.

EasyBuild's `build_and_install_one` is run under a lock of ours (locks.py), its earlier prefix is set aside instead of
deleted (rollback.py), and the module appears by a rename when everything else is done.
"""
import errno
import glob
import os
import signal
import stat
import sys
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from typing import Callable, Dict, Iterator, Optional, Tuple

from easybuild.base import fancylogger
from easybuild.framework.easyconfig.easyconfig import ActiveMNS
from easybuild.tools.build_log import EasyBuildError, EasyBuildExit, print_msg, print_warning
from easybuild.tools.config import DATA, SOFTWARE, build_option, get_module_syntax, install_path
from easybuild.tools.filetools import det_lock_path

from ... import sites, tree
from ...errors import DataError, LumiHooksError
from ...files import read_text, write_atomic
from ...prefix import held
from ...prefix.licensed import is_licensed
from ...presence import fallen
from ...record import read_record
from ...site import Site
from .. import patches
from ..policy import hidden
from ..policy.requested import Requested
from . import network, outcome, removal
from .locks import DEAD, Lock, judge, read_owner
from .processes import TOKEN, end_processes
from .rollback import COMPLETED, RESTORED, EarlierInstallation, pending

_log = fancylogger.getLogger('lumi_hooks.install', fname=False)
# locks of this process, by EasyBuild's name of them
_held: Dict[str, Lock] = {}
# the installation that is under way
_now: Optional['Installation'] = None


class Installation:
    """One package that is being installed."""

    def __init__(self, ec, site: Site):
        base = install_path(DATA if ec['data_sources'] else SOFTWARE)
        extension = '.lua' if get_module_syntax() == 'Lua' else ''
        self.module = ec.full_mod_name
        # is its log nobody else's to read?
        self.restricted = is_licensed(ec['name'], ec['group'], ec.get('license_file'))
        self.recipe = ec.path, ec.rawtxt
        self.installdir = os.path.join(os.path.abspath(base), ActiveMNS().det_install_subdir(ec))
        self.module_file = os.path.join(os.path.abspath(install_path('mod')), build_option('suffix_modules_path') or '',
                                        self.module + extension)
        self.lock_name = self.installdir.replace('/', '_')
        self.lock = Lock(det_lock_path(self.lock_name), self.module)
        self.earlier = EarlierInstallation(self.installdir, self.module_file, site.prefix, self.lock.path)
        self.prefix = site.prefix
        self.before = hidden.was_there(self.module_file)
        self.module_only = bool(build_option('module_only') or ec['module_only'])
        # by two clocks: the first can be set while a build runs
        self.started, self.ticks = time.time(), time.monotonic()
        # was something there before this build began to write?
        self.replaces = not _is_empty(self.installdir)
        # cleanupoldinstall = False: the earlier installation is kept beside the new one
        self.keep_earlier = False

    def undo(self) -> None:
        """It failed: nothing of it goes on, and the earlier installation comes back."""
        with _undisturbed():
            ended = end_processes(self.lock.owner.token)
            if ended:
                _tell(f'ended {len(ended)} commands of the build that still ran')
            taken = self.earlier.taken
            self.earlier.undo()
            if taken:
                _tell(f'the earlier installation of {self.module} is back as it was')

    def finish(self, requested: Requested) -> None:
        """It is done: the module appears, listed where it was asked for, and the earlier installation is put away."""
        with _undisturbed():
            if build_option('stop') and self.earlier.taken:
                self.undo()
                return
            replaced = self.earlier.taken
            hidden.installed(requested, self.module, self.before)
            self.earlier.reveal()
            self.earlier.commit(self.keep_earlier)
            removal.settle_installation(self.prefix, self.installdir)
        kept = removal.kept(self.prefix, self.installdir) if replaced else None
        if kept:
            _tell(kept)


def started() -> float:
    """When the installation that is under way began, in seconds since 1970; now where none is."""
    return _now.started if _now else time.time()


def took() -> float:
    """Seconds that the installation that is under way has taken so far."""
    return time.monotonic() - _now.ticks if _now else 0.0


def module_file(app) -> str:
    """Where the module file of a package is now: it appears in its place when everything is done."""
    hidden = _now.earlier.hidden if _now and app.mod_filepath == _now.module_file else ''
    return hidden if hidden and os.path.lexists(hidden) else app.mod_filepath


@patches.replaces('easybuild.framework.easyblock:build_and_install_one')
def build_and_install_one(original, ecdict, init_env):
    """The guard around one installation."""
    if build_option('extended_dry_run') or build_option('ignore_locks'):
        return original(ecdict, init_env)
    try:
        return _guarded(original, ecdict, init_env, patches.session())
    except LumiHooksError as err:
        raise EasyBuildError('lumi-hooks: %s', err) from err


def restore_left(site: Site) -> None:
    """
    Bring back what an `eb` that was killed left set aside in the prefix, wherever nobody is at work, and clear the
    locks that dead ones left.
    """
    for earlier in pending(site.prefix):
        _under_lock(earlier.lock, os.path.basename(earlier.installdir), partial(_recover, earlier))
    for path in glob.glob(os.path.join(glob.escape(os.path.dirname(det_lock_path('x'))), '*.lock')):
        if judge(read_owner(path)) == DEAD:
            _under_lock(path, os.path.basename(path))
    removal.expire(held.notes(site.prefix), bound=removal.BOUND, tell=_tell)


def _under_lock(path: str, what: str, work: Optional[Callable[[], None]] = None) -> None:
    """Do something under a lock, where it is free or a dead process's; a problem is only told."""
    lock = Lock(path, what)
    try:
        lock.acquire(limit=0, tell=_tell)
    except LumiHooksError:
        return  # somebody is at work there, or it is not ours to mend
    try:
        if work:
            work()
    except LumiHooksError as err:
        print_warning('lumi-hooks: %s', err, silent=build_option('silent'))
    finally:
        lock.release()


def _guarded(original: Callable, ecdict: Dict, init_env: Dict, session) -> Tuple:
    """build_and_install_one under a lock; what it leaves is whole, or what there was before."""
    global _now
    site = session.site
    installation = Installation(ecdict['ec'], site)
    forced = build_option('force') or build_option('rebuild')
    before = _stamp(installation.module_file)
    waited = installation.lock.acquire(_wait_limit(), build_option('wait_on_lock_interval'), _tell)
    _held[installation.lock_name] = installation.lock
    try:
        _recover(installation.earlier)
        there = _stamp(installation.module_file)
        if there and not build_option('sanity_check_only') and (waited and there != before if forced else not before):
            # EasyBuild looked for the module before the lock was free, and would build it once more
            print_msg(f'{installation.module} is already installed (module found), skipping: it was installed '
                      'meanwhile', log=_log)
            return True, None, '', EasyBuildExit.SUCCESS
        _now = installation
        recipe = _recorded_recipe(installation.installdir) if installation.module_only else None
        try:
            result = original(ecdict, {**init_env, TOKEN: installation.lock.owner.token})
        except OSError as err:
            installation.undo()
            if err.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise LumiHooksError(f'{installation.module} was not installed: {err.strerror} '
                                 f'({err.filename or "a file"}). Free some space or files there '
                                 f'({sites.said("space")}), and run the same command again') from err
        except EasyBuildError as err:
            # what EasyBuild does when all steps are done: archive, log
            installation.undo()
            outcome.failed(installation, site, (False, None, err.msg), session.adaptations.get(installation.module))
            raise
        except BaseException:
            installation.undo()
            raise
        if result[0]:
            if recipe:
                _put_back(*recipe)
            installation.finish(session.requested)
            outcome.succeeded(installation, site)
        else:
            installation.undo()
            outcome.failed(installation, site, result, session.adaptations.get(installation.module))
        return result
    finally:
        _now = None
        network.leave()
        os.environ.pop(TOKEN, None)
        _held.pop(installation.lock_name, None)
        installation.lock.release()


def _recorded_recipe(installdir: str) -> Optional[Tuple[str, str]]:
    """Path and text of the recipe that an installation's record means; None where there is none."""
    try:
        record = read_record(installdir)
        path = os.path.join(installdir, 'easybuild', os.path.basename(record['recipe']['file'])) if record else ''
        return (path, read_text(path)) if path else None
    except (DataError, OSError):
        return None


def _put_back(path: str, text: str) -> None:
    """
    EasyBuild copies the recipe of a --module-only run over the one that the files were made of, and the record and
    `lumi-eb explain` mean that. Can go when EasyBuild leaves it.
    """
    try:
        if read_text(path) != text:
            write_atomic(path, text, stat.S_IMODE(os.lstat(path).st_mode))
    except OSError as err:
        print_warning('lumi-hooks: %s is not the recipe that the files were made of any more: %s', path, err.strerror)


@patches.replaces('easybuild.framework.easyblock:EasyBlock.make_dir')
def _make_dir(original, self, dir_name, clean, *args, **kwargs):
    """
    EasyBlock.make_dir, but an installation that is already there is set aside, not deleted; where the recipe
    builds on it (keeppreviousinstall) it is built on a copy.
    """
    goes_on = bool(self.cfg['keeppreviousinstall'])
    if (_now and self.installdir and os.path.realpath(dir_name) == os.path.realpath(self.installdir)
            and not _is_empty(dir_name) and not _now.earlier.taken and not (goes_on and not _now.replaces)
            and not _now.module_only):
        _now.keep_earlier = not clean and not goes_on
        _now.earlier.installdir, _now.earlier.module = self.installdir, self.mod_filepath
        _now.earlier.take()
        if goes_on:
            _now.earlier.copy()
        self.log.info('lumi-hooks: what was in %s is set aside in %s', dir_name, _now.earlier.folder)
    return original(self, dir_name, clean, *args, **kwargs)


@patches.replaces('easybuild.framework.easyblock:EasyBlock.remove_module_file')
def _remove_module_file(original, self):
    """
    EasyBlock.remove_module_file, which hides the earlier module for as long as the build takes: it goes when the
    installation that it points to goes.
    """
    if _now and self.mod_filepath == _now.module_file:
        self.log.info('lumi-hooks: %s stays until the new installation begins to be written', self.mod_filepath)
        return
    original(self)


@patches.replaces('easybuild.framework.easyblock:EasyBlock.make_module_step')
def _make_module_step(original, self, fake=False):
    """
    EasyBlock.make_module_step, but the module file is written under a name that Lmod ignores: it appears by a rename
    when everything is done, and before that only for test cases and packages, which need it.
    """
    if fake or _now is None or self.dry_run or self.mod_filepath != _now.module_file:
        return original(self, fake=fake)
    final = self.mod_filepath
    # EasyBuild opens the file by its name, and would write where a link in its place leads to: in a folder of our own
    # there is none
    with tempfile.TemporaryDirectory() as own:
        self.mod_filepath = os.path.join(own, os.path.basename(final))
        try:
            result = original(self, fake=fake)
            if os.path.exists(self.mod_filepath):
                tree.remove(_now.earlier.hidden)
                write_atomic(_now.earlier.hidden, read_text(self.mod_filepath))
        finally:
            self.mod_filepath = final
    if build_option('package') or (self.cfg['tests'] and not build_option('skip_test_cases')):
        _now.earlier.reveal()
    return result


@patches.replaces('easybuild.framework.easyblock:check_lock')
def _check_lock(original, lock_name):
    """Looking and taking is one step, in _create_lock."""


@patches.replaces('easybuild.framework.easyblock:create_lock')
def _create_lock(original, lock_name):
    """filetools.create_lock, for what is not locked yet: easyblocks that change their folder."""
    if lock_name not in _held:
        lock = Lock(det_lock_path(lock_name), lock_name)
        try:
            lock.acquire(_wait_limit(), build_option('wait_on_lock_interval'), _tell)
        except LumiHooksError as err:
            raise EasyBuildError('lumi-hooks: %s', err) from err
        _held[lock_name] = lock


@patches.replaces('easybuild.framework.easyblock:remove_lock')
def _remove_lock(original, lock_name):
    """filetools.remove_lock; the lock on the whole installation is kept until its module stands."""
    if lock_name in _held and (_now is None or lock_name != _now.lock_name):
        _held.pop(lock_name).release()


def _recover(earlier: EarlierInstallation) -> None:
    """
    Finish what an `eb` that was killed had begun.

    :raises LumiHooksError: its files are somebody else's
    """
    try:
        found = earlier.recover()
    except OSError as err:
        raise LumiHooksError(f'an earlier eb was killed while it replaced {earlier.installdir}, and what was there '
                             f'before cannot be brought back: {err.strerror} ({err.filename}); let the owner of '
                             f'{earlier.folder} run eb') from err
    if found == RESTORED:
        _tell(f'an earlier eb was killed while it replaced {earlier.installdir}: what was there before is back')
    elif found == COMPLETED:
        _tell(f'an earlier eb was killed when {earlier.installdir} was already done: it is whole')


def _wait_limit() -> int:
    """
    Seconds to wait for a lock. EasyBuild's default is 0, not at all; unless the user says so, it is without limit, as
    the lock of a dead process is cleared.
    """
    found = build_option('wait_on_lock_limit')
    said = 'EASYBUILD_WAIT_ON_LOCK_LIMIT' in os.environ or any(
        word.startswith('--wait-on-lock-limit') for word in sys.argv)
    return found if found or said else -1


def _is_empty(folder: str) -> bool:
    """Is there nothing? EasyBuild makes the folder early on, to see whether it may."""
    return not os.path.lexists(folder) or (os.path.isdir(folder) and not os.listdir(folder))


def _stamp(path: str) -> Optional[Tuple[int, int]]:
    """Tells whether a module file is the same as before; None where it is not there, or stands for nothing."""
    try:
        status = os.stat(path)
        if fallen(read_text(path)):
            return None
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _tell(text: str) -> None:
    print_msg(f'lumi-hooks: {text}', log=_log, silent=build_option('silent'))


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No second Ctrl-C comes between what must be done together."""
    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            before[number] = signal.signal(number, signal.SIG_IGN)
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
