# SPDX-License-Identifier: GPL-2.0-only
"""Watches what a piece of code does to the machine, by Python's audit events: files written, commands run, networks."""
import os
import sys
from contextlib import contextmanager

# event -> positions of the paths among its arguments
_CHANGES = {'os.mkdir': (0,), 'os.rename': (0, 1), 'os.remove': (0,), 'os.rmdir': (0,), 'os.link': (1,),
            'os.symlink': (1,), 'os.chmod': (0,), 'os.chown': (0,), 'os.truncate': (0,), 'os.utime': (0,),
            'shutil.rmtree': (0,), 'shutil.move': (0, 1), 'shutil.copyfile': (1,)}
_COMMANDS = ('os.system', 'os.exec', 'os.posix_spawn', 'os.fork', 'os.forkpty', 'pty.spawn', 'subprocess.Popen',
             'socket.connect', 'socket.bind', 'ctypes.dlopen')
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_inside = None
_code = False
_seen = []


class Forbidden(Exception):
    """Raised in the place of what is not allowed, so that it does not happen."""


def _audit(event, arguments):
    if _inside is None:
        return
    if event in _COMMANDS:
        _forbid(event, arguments)
    elif event == 'open' and isinstance(arguments[2], int) and arguments[2] & _WRITES:
        _check(event, arguments[0])
    elif event in _CHANGES:
        for position in _CHANGES[event]:
            _check(event, arguments[position])
    elif not _code and event == 'exec':
        _forbid(event, arguments)


def _check(event, path):
    if isinstance(path, int):
        return
    real = os.path.realpath(os.fsdecode(path))
    if real != os.devnull and not (real + os.sep).startswith(_inside):
        _forbid(event, (path,))


def _forbid(event, arguments):
    _seen.append((event, repr(arguments)[:200]))
    raise Forbidden(f'{event} {arguments!r}'[:300])


sys.addaudithook(_audit)


@contextmanager
def watched(folder, code=False):
    """
    While this lasts, nothing may be written outside a folder, and no command be run.

    :param code: may Python code be run? (A recipe is code; data is not.)
    :return: the list of what was tried all the same
    """
    global _inside, _code
    _seen.clear()
    _inside, _code = os.path.realpath(folder) + os.sep, code
    try:
        yield _seen
    finally:
        _inside = None
