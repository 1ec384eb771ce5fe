# SPDX-License-Identifier: GPL-2.0-only
"""
The commands of a build: found by what they have in their environment, and ended when their `eb` is dead or gives up.

Nothing is ended but processes of this user. Imports nothing of EasyBuild.
"""
import os
import re
import signal
import time
from contextlib import suppress
from typing import List, Optional, Tuple

# in the environment of a build's commands: the token of the lock that they work under (locks.py, `this_process`)
TOKEN = 'LUMI_HOOKS_INSTALLATION'
# seconds that a command gets to end by itself
GRACE = 5
# what is random, and pid and start of the process that it was made for
_TOKEN = re.compile('[0-9a-f]+-([1-9][0-9]{0,9})-([1-9][0-9]{0,19})')


def processes(token: str) -> List[int]:
    """Processes of this user that work under the lock with that token, this one left out."""
    return [int(entry) for entry in os.listdir('/proc')
            if entry.isdigit() and int(entry) != os.getpid() and _works_under(int(entry), token)]


def _works_under(pid: int, token: str) -> bool:
    """Is that a process of this user, and was it started with that token?"""
    try:
        with open(f'/proc/{pid}/environ', 'rb') as handle:
            return os.fstat(handle.fileno()).st_uid == os.geteuid() \
                and f'{TOKEN}={token}'.encode() in handle.read().split(b'\0')
    except (OSError, ValueError):  # gone, another user's; no text
        return False


def end_left(token: str) -> List[int]:
    """
    End the commands of a build whose `eb` is dead, as its token says: a token names the process that it was made for
    (locks.py, `this_process`), and no command is ended while that one lives, whatever a lock says.

    :return: pids of those that were ended
    """
    made_for = _TOKEN.fullmatch(token)
    if not made_for or start_of(int(made_for[1])) == int(made_for[2]):
        return []
    return end_processes(token)


def end_processes(token: str) -> List[int]:
    """
    End the commands of a build whose `eb` is dead or gives up: they would go on writing into the prefix.

    :return: pids of those that were ended
    """
    ended: List[int] = []
    for number, wait in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        found = processes(token)
        for pid in found:
            with suppress(OSError):
                _signal(pid, number, token)
                ended.append(pid)
        until = time.monotonic() + wait
        while found and time.monotonic() < until:
            time.sleep(0.05)
            found = processes(token)
        if not found:
            break
    return list(dict.fromkeys(ended))


def _signal(pid: int, number: int, token: str) -> None:
    """
    Send a signal to a process that works under a token, and to no other that got its number meanwhile.

    :raises OSError: it is gone
    """
    try:
        process = os.pidfd_open(pid)
    except (AttributeError, NotImplementedError):  # Linux before 5.3, or a Python that was built there
        os.kill(pid, number)
        return
    try:
        if _works_under(pid, token):
            signal.pidfd_send_signal(process, number)
    finally:
        os.close(process)


def start_of(pid: int) -> Optional[int]:
    """When a process was started, in clock ticks since the machine's start; None where there is none."""
    state = _stat(pid)
    return state[1] if state and state[0] not in 'ZX' else None


def _stat(pid: int) -> Optional[Tuple[str, int]]:
    """State and start of a process (fields 3 and 22 of /proc/PID/stat, see proc(5))."""
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8', errors='replace') as handle:
            words = handle.read().rpartition(')')[2].split()
    except OSError:
        return None
    return (words[0], int(words[19])) if len(words) > 19 else None
