# SPDX-License-Identifier: GPL-2.0-only
"""
A lock on an installation that says who holds it, is waited for, and is cleared when its holder is provably dead.

EasyBuild's own lock (5.1.2 to 5.4.1, filetools.create_lock) is an empty folder: it does not say whose it is, a killed
`eb` blocks every later one, nobody waits unless told to, and two that start at the same moment both get it, as the
function that makes the folder is content when it exists. This takes the same folder, so that an `eb` without these
hooks respects it and is respected. It can go once EasyBuild's locks name their holder and are taken in one step.

Imports nothing of EasyBuild.
"""
import fcntl
import getpass
import json
import os
import re
import socket
import stat
import subprocess
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from typing import Callable, Iterator, Optional, Tuple

from ... import quote, sites
from ...errors import LumiHooksError
from ...files import at, open_folder, open_regular, parse_json
from .processes import GRACE, end_left, start_of

ALIVE, DEAD, UNKNOWN = 'alive', 'dead', 'unknown'
_OWNER = 'owner.json'
_PREPARED = '.lumi-hooks-'
# of a job, of an array's or of several programs' job (squeue(1), --jobs)
_JOB = re.compile('[0-9]+([_+][0-9]+)?')
# bytes that the holder of a lock needs to say who it is, and more
_LARGEST = 1 << 16
# seconds that are waited for others who clear locks: they wait for commands to end
_PATIENCE = 4 * GRACE
# seconds after which a folder that was to become a lock, and has no owner, is nobody's
_LOST = 3600


@dataclass(frozen=True)
class Owner:
    """Who holds a lock. `start` is in clock ticks since the machine's start, which tells two users of one pid apart."""
    token: str
    user: str
    host: str
    machine: str
    boot: str
    namespace: str
    pid: int
    start: int
    since: str
    job: str = ''
    cluster: str = ''

    def __str__(self):
        job = f', job {self.job}' if self.job else ''
        return quote.line(f'process {self.pid} of {self.user} on {self.host}{job}, since {self.since}')


def this_process() -> Owner:
    """
    This process as the holder of a lock that it takes now. Its token names it: a command's own environment, which
    nobody else can write, then says whose build it belongs to (processes.py).
    """
    pid = os.getpid()
    start = start_of(pid) or 0
    return Owner(f'{uuid.uuid4().hex}-{pid}-{start}', _user(), socket.gethostname(), _read('/etc/machine-id'),
                 _read('/proc/sys/kernel/random/boot_id'), _namespace(), pid, start,
                 time.strftime('%Y-%m-%d %H:%M:%S%z'), os.environ.get('SLURM_JOB_ID', ''),
                 os.environ.get('SLURM_CLUSTER_NAME', ''))


def judge(owner: Optional[Owner]) -> str:
    """
    Does the holder of a lock still run? DEAD only where that is certain: on this very machine and in this namespace
    of processes its pid is gone or somebody else's, the machine was restarted, or its Slurm job has ended.
    """
    if owner is None:
        return UNKNOWN
    if owner.boot and owner.boot == _read('/proc/sys/kernel/random/boot_id'):
        if owner.namespace != _namespace() or not owner.start:
            return UNKNOWN
        return ALIVE if start_of(owner.pid) == owner.start else DEAD
    if owner.boot and owner.machine and (owner.machine, owner.host) == (_read('/etc/machine-id'),
                                                                       socket.gethostname()):
        return DEAD
    return DEAD if owner.job and _job_has_ended(owner) else UNKNOWN


def read_owner(path: str) -> Optional[Owner]:
    """The holder of the lock at `path`, None where it does not say (an `eb` without these hooks took it)."""
    return _look(path)[0]


def _look(path: str) -> Tuple[Optional[Owner], bool]:
    """The holder of a lock, and whether nobody but this user could have written that."""
    try:
        with open_folder(os.path.dirname(path) or '.', os.path.basename(path)) as folder:
            file = open_regular(at(folder, _OWNER), follow=False)
        with os.fdopen(file, 'rb') as handle:
            status = os.fstat(file)
            found = parse_json(handle.read(_LARGEST))
        values = {item.name: found[item.name] for item in fields(Owner)}
    except (OSError, ValueError, KeyError, TypeError):
        return None, False
    numbers = {'pid', 'start'}
    if not all(type(value) is (int if name in numbers else str) for name, value in values.items()):
        return None, False
    own = status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return Owner(**values), own


class Lock:
    """
    The lock at `path` (a folder).

    :param what: what it is for, in messages
    """

    def __init__(self, path: str, what: str):
        self.path, self.what, self.owner = path, what, this_process()

    def acquire(self, limit: float = -1, interval: float = 60, tell: Callable[[str], None] = print) -> bool:
        """
        Take the lock, waiting while somebody who may be alive holds it.

        :param limit: seconds to wait at most: 0 not at all, -1 as long as it takes
        :param interval: seconds between two messages while waiting
        :return: had to wait
        :raises LumiHooksError: it was not to be had in time; its folder can't be written
        """
        begin, told, waited = time.monotonic(), None, False
        prepared = self._prepare()
        try:
            while True:
                if self._take(prepared):
                    return waited
                holder = read_owner(self.path)
                state = judge(holder)
                if state == DEAD and holder and self._clear(holder, tell):
                    continue
                elapsed = time.monotonic() - begin
                if 0 <= limit <= elapsed:
                    raise LumiHooksError(self._taken(holder, state, f'waited {elapsed:.0f} s'))
                if told is None or time.monotonic() - told >= interval:
                    told = time.monotonic()
                    tell(self._taken(holder, state, 'waiting'))
                waited = True
                time.sleep(min(interval, 5, max(0.2, elapsed / 20)))
        finally:
            _discard(prepared)  # gone where it became the lock

    def release(self) -> None:
        """Give the lock back, where it is still ours."""
        holder = read_owner(self.path)
        if holder and holder.token == self.owner.token:
            self._remove()

    def _prepare(self) -> str:
        """The folder that is to become the lock, with its owner in it: a lock never is without."""
        parent, name = os.path.dirname(self.path), _PREPARED + uuid.uuid4().hex
        prepared = os.path.join(parent, name)
        try:
            os.makedirs(parent, exist_ok=True)
            with open_folder(parent) as above:
                os.mkdir(at(above, name))
                with open_folder(at(above, ''), name) as folder:
                    # nobody else's to write, whatever the umask: it decides on what is ended (`_clear`)
                    file = os.open(at(folder, _OWNER), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
                                   | os.O_CLOEXEC, 0o644)
                    with os.fdopen(file, 'w', encoding='utf-8') as handle:
                        json.dump(asdict(self.owner), handle, indent=1)
        except OSError as err:
            _discard(prepared)
            raise LumiHooksError(f'{parent} cannot be written: {err.strerror}; is the prefix '
                                 f'({sites.variable("prefix")}) writable, and is there space and quota?') from err
        _sweep(parent)
        return prepared

    def _take(self, prepared: str) -> bool:
        """
        Make the prepared folder the lock, unless there is one. A rename replaces an empty folder: an `eb` without
        these hooks that takes the lock between the look and the rename loses it, which lasts microseconds.
        """
        if os.path.lexists(self.path):
            return False
        try:
            os.rename(prepared, self.path)
        except OSError as err:
            if os.path.lexists(self.path):
                return False
            raise LumiHooksError(f'the lock {self.path} cannot be taken: {err.strerror}') from err
        return True

    def _taken(self, holder: Optional[Owner], state: str, what: str) -> str:
        by = str(holder) if holder else 'an unknown eb'
        unsure = '' if state == ALIVE else '; from here it cannot be seen whether that still runs: if you know that ' \
                                           f'it does not, remove {self.path}'
        return f'{self.what} is being installed by {by} ({what}){unsure}'

    def _clear(self, holder: Owner, tell: Callable[[str], None]) -> bool:
        """
        Remove the lock of a dead holder, one at a time; end what is left of its commands, which still write. That only
        where this user wrote what the lock says: anybody in the project can put a lock there with any token.

        :return: False where others keep us from it
        """
        with _alone(os.path.dirname(self.path)) as free:
            if not free:
                return False
            now, own = _look(self.path)
            if now is None or now.token != holder.token:
                return True  # somebody else was faster
            ended = end_left(holder.token) if own else []
            try:
                self._remove()
            except OSError as err:
                raise LumiHooksError(f'the lock {self.path} is left from {holder}, which is dead, and cannot be '
                                     f'removed ({err.strerror}): ask {holder.user} to run eb again') from err
        tell(f'{self.what}: cleared the lock that was left by {holder}, which is dead'
             + (f', and ended {len(ended)} of its commands' if ended else ''))
        return True

    def _remove(self) -> None:
        """In one step: a folder that is half removed would be a lock without an owner."""
        gone = os.path.join(os.path.dirname(self.path), f'{_PREPARED}{uuid.uuid4().hex}')
        os.rename(self.path, gone)
        _discard(gone)


def _sweep(folder: str) -> None:
    """Remove what dead waiters left."""
    with suppress(OSError):
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if not name.startswith(_PREPARED):
                continue
            with suppress(OSError):
                owner = read_owner(path)
                # killed before it could say who it is
                lost = owner is None and time.time() - os.lstat(path).st_mtime > _LOST
                if lost or judge(owner) == DEAD:
                    _discard(path)


def _discard(path: str) -> None:
    """Remove the folder of a lock: nothing else than what stands in one, whatever was put in its place."""
    with suppress(OSError):
        with open_folder(os.path.dirname(path) or '.', os.path.basename(path)) as folder, suppress(FileNotFoundError):
            os.unlink(at(folder, _OWNER))
        os.rmdir(path)


@contextmanager
def _alone(folder: str) -> Iterator[bool]:
    """
    One process at a time clears locks; the kernel lets go when it dies. Where files can't be locked, without. It says
    whether it was possible in time: anybody who may list the folder can keep it locked.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        until, free = time.monotonic() + _PATIENCE, False
        while not free:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                free = True
            except BlockingIOError:
                if time.monotonic() > until:
                    break
                time.sleep(0.02)
            except OSError:
                free = True
        yield free
    finally:
        os.close(handle)


def _job_has_ended(owner: Owner) -> bool:
    """Does Slurm know that a job has ended? False where it can't be asked."""
    if owner.cluster != os.environ.get('SLURM_CLUSTER_NAME', owner.cluster) or not _JOB.fullmatch(owner.job):
        return False
    try:
        done = subprocess.run(['squeue', '--noheader', '--format=%T', f'--jobs={owner.job}'], capture_output=True,
                              text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return not done.stdout.strip() if done.returncode == 0 else 'Invalid job id' in done.stderr


def _namespace() -> str:
    """The namespaces in which a pid, and the moment at which it was started, mean something."""
    found = []
    for kind in ('pid', 'time'):
        with suppress(OSError):
            found.append(os.readlink(f'/proc/self/ns/{kind}'))
    return ' '.join(found)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _read(path: str) -> str:
    try:
        with open(path, encoding='utf-8', errors='replace') as handle:
            return handle.read().strip()
    except OSError:
        return ''
