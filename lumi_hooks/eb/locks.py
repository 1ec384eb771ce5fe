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
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from typing import Callable, Iterator, List, Optional, Tuple

from ..errors import LumiHooksError

# in the environment of a build's commands: the token of the lock that they work under
TOKEN = 'LUMI_HOOKS_INSTALLATION'
ALIVE, DEAD, UNKNOWN = 'alive', 'dead', 'unknown'
_OWNER = 'owner.json'
_PREPARED = '.lumi-hooks-'
# seconds that a command gets to end by itself
_GRACE = 5
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
        return f'process {self.pid} of {self.user} on {self.host}{job}, since {self.since}'


def this_process() -> Owner:
    """This process as the holder of a lock that it takes now."""
    pid = os.getpid()
    return Owner(uuid.uuid4().hex, _user(), socket.gethostname(), _read('/etc/machine-id'),
                 _read('/proc/sys/kernel/random/boot_id'), _namespace(), pid, _start(pid) or 0,
                 time.strftime('%Y-%m-%d %H:%M:%S%z'), os.environ.get('SLURM_JOB_ID', ''),
                 os.environ.get('SLURM_CLUSTER_NAME', ''))


def judge(owner: Optional[Owner]) -> str:
    """
    Does the holder of a lock still run? DEAD only where that is certain: on this very machine and in this namespace
    of processes its pid is gone or somebody else's, the machine was started anew, or its Slurm job has ended.
    """
    if owner is None:
        return UNKNOWN
    if owner.boot and owner.boot == _read('/proc/sys/kernel/random/boot_id'):
        if owner.namespace != _namespace():
            return UNKNOWN
        return ALIVE if owner.start and _start(owner.pid) == owner.start else DEAD
    if owner.boot and owner.machine and (owner.machine, owner.host) == (_read('/etc/machine-id'),
                                                                       socket.gethostname()):
        return DEAD
    return DEAD if owner.job and _job_has_ended(owner) else UNKNOWN


def read_owner(path: str) -> Optional[Owner]:
    """The holder of the lock at `path`, None where it does not say (an `eb` without these hooks took it)."""
    try:
        with open(os.path.join(path, _OWNER), encoding='utf-8') as handle:
            found = json.load(handle)
        return Owner(**{item.name: found[item.name] for item in fields(Owner)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


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
                if state == DEAD and holder:
                    self._clear(holder, tell)
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
            shutil.rmtree(prepared, ignore_errors=True)  # gone where it became the lock

    def release(self) -> None:
        """Give the lock back, where it is still ours."""
        holder = read_owner(self.path)
        if holder and holder.token == self.owner.token:
            self._remove()

    def _prepare(self) -> str:
        """The folder that is to become the lock, with its owner in it: a lock never is without."""
        parent, prepared = os.path.dirname(self.path), None
        try:
            os.makedirs(parent, exist_ok=True)
            prepared = tempfile.mkdtemp(prefix=_PREPARED, dir=parent)
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(prepared, 0o777 & ~umask)
            with open(os.path.join(prepared, _OWNER), 'w', encoding='utf-8') as handle:
                json.dump(asdict(self.owner), handle, indent=1)
        except OSError as err:
            if prepared:
                shutil.rmtree(prepared, ignore_errors=True)
            raise LumiHooksError(f'{parent} cannot be written: {err.strerror}; is the prefix (EBU_USER_PREFIX) '
                                 'writable, and is there space and quota?') from err
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
        except OSError:
            if os.path.lexists(self.path):
                return False
            raise
        return True

    def _taken(self, holder: Optional[Owner], state: str, what: str) -> str:
        by = str(holder) if holder else 'an eb that does not say who it is'
        unsure = '' if state == ALIVE else '; whether that still runs can\'t be seen from here: if you know that it ' \
                                           f'does not, remove {self.path}'
        return f'{self.what} is being installed by {by} ({what}){unsure}'

    def _clear(self, holder: Owner, tell: Callable[[str], None]) -> None:
        """Remove the lock of a dead holder, one at a time; end what is left of its commands, which still write."""
        with _alone(os.path.dirname(self.path)):
            now = read_owner(self.path)
            if now is None or now.token != holder.token:
                return  # somebody else was faster
            ended = end_processes(holder.token)
            try:
                self._remove()
            except OSError as err:
                raise LumiHooksError(f'the lock {self.path} is left from {holder}, which is dead, and cannot be '
                                     f'removed ({err.strerror}): ask {holder.user} to run eb again') from err
        tell(f'{self.what}: cleared the lock that was left by {holder}, which is dead'
             + (f', and ended {len(ended)} of its commands' if ended else ''))

    def _remove(self) -> None:
        """In one step: a folder that is half removed would be a lock without an owner."""
        gone = os.path.join(os.path.dirname(self.path), f'{_PREPARED}{uuid.uuid4().hex}')
        os.rename(self.path, gone)
        shutil.rmtree(gone, ignore_errors=True)


def processes(token: str) -> List[int]:
    """Processes of this user that work under the lock with that token, this one left out."""
    wanted, found = f'{TOKEN}={token}'.encode(), []
    for entry in os.listdir('/proc'):
        if entry.isdigit() and int(entry) != os.getpid():
            with suppress(OSError), open(f'/proc/{entry}/environ', 'rb') as handle:
                if wanted in handle.read().split(b'\0'):
                    found.append(int(entry))
    return found


def end_processes(token: str) -> List[int]:
    """
    End the commands of a build whose `eb` is dead or gives up: they would go on writing into the prefix.

    :return: pids of those that were ended
    """
    ended: List[int] = []
    for number, wait in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, _GRACE)):
        found = processes(token)
        for pid in found:
            with suppress(OSError):
                os.kill(pid, number)
                ended.append(pid)
        until = time.monotonic() + wait
        while found and time.monotonic() < until:
            time.sleep(0.05)
            found = processes(token)
        if not found:
            break
    return list(dict.fromkeys(ended))


def _sweep(folder: str) -> None:
    """Remove what dead waiters left."""
    with suppress(OSError):
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            owner = read_owner(path) if name.startswith(_PREPARED) else None
            # killed before it could say who it is
            lost = name.startswith(_PREPARED) and owner is None and time.time() - os.stat(path).st_mtime > _LOST
            if lost or judge(owner) == DEAD:
                shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _alone(folder: str) -> Iterator[None]:
    """One process at a time clears locks; the kernel lets go when it dies. Where files can't be locked, without."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _job_has_ended(owner: Owner) -> bool:
    """Does Slurm know that a job has ended? False where it can't be asked."""
    if owner.cluster != os.environ.get('SLURM_CLUSTER_NAME', owner.cluster):
        return False
    try:
        done = subprocess.run(['squeue', '--noheader', '--format=%T', f'--jobs={owner.job}'], capture_output=True,
                              text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return not done.stdout.strip() if done.returncode == 0 else 'Invalid job id' in done.stderr


def _start(pid: int) -> Optional[int]:
    """When a process was started, in clock ticks since the machine's start; None where there is none."""
    state = _stat(pid)
    return state[1] if state and state[0] not in 'ZX' else None


def _stat(pid: int) -> Optional[Tuple[str, int]]:
    """State and start of a process (fields 3 and 22 of /proc/PID/stat, see proc(5))."""
    words = _read(f'/proc/{pid}/stat').rpartition(')')[2].split()
    return (words[0], int(words[19])) if len(words) > 19 else None


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
