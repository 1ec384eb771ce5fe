# SPDX-License-Identifier: GPL-2.0-only
"""
A thread whose network is cut off, with all that it starts; the rest of the process is as ever.

A filter of system calls (seccomp.py) can't be taken off again, but it is a thread's own, and each process that a thread
starts inherits it, however it is started: by subprocess, os.system, posix_spawn or fork. Python code that runs in the
thread is cut off itself.
"""
import ctypes
import errno
import os
import queue
import socket
import subprocess
import sys
import threading
from concurrent import futures
from contextlib import suppress
from typing import Any, Callable, List, Optional, Tuple

from . import seccomp

# an address that is nobody's (RFC 5737); to connect a UDP socket sends nothing
_OUTSIDE, _INSIDE = ('192.0.2.1', 9), ('127.0.0.1', 9)
# seconds that an interrupted call gets to end
_GRACE = 2
# bytes: as a main thread has them, which is not what a thread gets under `ulimit -s unlimited`
_STACK = 8 << 20


class OfflineThread:
    """The thread, as made by `make`."""

    def __init__(self) -> None:
        self._calls: 'queue.SimpleQueue[Optional[Tuple[Callable[[], Any], futures.Future]]]' = queue.SimpleQueue()
        self._helper: Optional[subprocess.Popen] = None
        self._ended = False
        self._thread = threading.Thread(target=self._serve, name='lumi-hooks-apart', daemon=True)
        before = threading.stack_size(_STACK)
        try:
            self._thread.start()
        finally:
            threading.stack_size(before)

    @classmethod
    def make(cls, kind: str) -> 'OfflineThread':
        """
        Start the thread, put it under a filter, and try that it works.

        :param kind: `seccomp.NOTIFY` or `seccomp.SOCKETS`
        :raises OSError: it does not work here
        """
        found = cls()
        try:
            channel = found._start_helper() if kind == seccomp.NOTIFY else None
            try:
                listener = found.run(lambda: seccomp.install(kind))
                if channel is not None and listener is not None:
                    # by this thread, whose calls ask nobody
                    socket.send_fds(channel, [b'\0'], [listener])
                    os.close(listener)
            finally:
                if channel is not None:
                    channel.close()
            found.run(lambda: _try(kind))
        except BaseException:
            found.close()
            raise
        return found

    def _start_helper(self) -> socket.socket:
        """Start the supervisor; returns the socket to it."""
        ours, theirs = socket.socketpair()
        with theirs:
            # with nothing of this process: not its output, which somebody may read to its end; not its session, whose
            # Ctrl-C is not meant; not the environment by which a build's commands are found
            self._helper = subprocess.Popen(
                [sys.executable, '-I', '-S', seccomp.__file__, str(theirs.fileno())], pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd='/',
                start_new_session=True,
                env={name: os.environ[name] for name in ('LD_LIBRARY_PATH',) if name in os.environ})
        return ours

    def works(self) -> bool:
        """Does it, still? Its supervisor may have been killed, and it ends where a call was interrupted."""
        return not self._ended and not (self._helper and self._helper.poll() is not None)

    def run(self, function: Callable[[], Any]) -> Any:
        """
        Call something in the thread; returns what it returns, and raises what it raises.

        What interrupts the wait (Ctrl-C, a signal's handler) interrupts the call, too.
        """
        if threading.current_thread() is self._thread:
            return function()
        future: futures.Future = futures.Future()
        self._calls.put((function, future))
        try:
            return future.result()
        except BaseException:
            if not future.done():
                self._interrupt(future)
            raise

    def close(self) -> None:
        """End the thread, and wait until its supervisor ends; what was started in it keeps both the filter and that."""
        self._calls.put(None)
        self._thread.join(_GRACE)
        if self._helper:
            with suppress(subprocess.TimeoutExpired):
                self._helper.wait(_GRACE)

    def _serve(self) -> None:
        with suppress(KeyboardInterrupt):  # of _interrupt, where it comes too late
            while True:
                call = self._calls.get()
                if call is None:
                    return
                function, future = call
                try:
                    future.set_result(function())
                except BaseException as err:  # noqa: B036 (it is raised where the call was asked for)
                    future.set_exception(err)
                del call, function, future

    def _interrupt(self, future: futures.Future) -> None:
        """Raise KeyboardInterrupt in the call; one that waits for a process ends when that ends."""
        self._ended = True
        self._calls.put(None)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident or 0),
                                                   ctypes.py_object(KeyboardInterrupt))
        futures.wait([future], _GRACE)


def _try(kind: str) -> None:
    """
    Is the outside out of reach, and the loopback not?

    :raises OSError: it is not so
    """
    found: List[int] = []
    for address in (_OUTSIDE, _INSIDE):
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
                handle.connect(address)
                found.append(0)
        except OSError as err:
            found.append(err.errno or -1)
    if found != [errno.ENETUNREACH, 0 if kind == seccomp.NOTIFY else errno.ENETUNREACH]:
        raise OSError(errno.ENOTSUP, f'{kind}: it is there, and does not do what it should ({found})')
