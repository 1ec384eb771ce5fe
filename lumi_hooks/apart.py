# SPDX-License-Identifier: GPL-2.0-only
"""
A thread whose network is cut off, with all that it starts: what is called in it, and the rest of the process is as ever.

A filter of system calls (seccomp.py) can't be taken off again, but it is a thread's own, and each process that a thread
starts inherits it, however it is started: subprocess, os.system, posix_spawn, fork, and Python code in the thread itself.
"""
import ctypes
import errno
import os
import queue
import socket
import subprocess
import sys
import threading
from typing import Any, Callable, List, Optional

from . import seccomp

# an address that is nobody's (RFC 5737); to connect a UDP socket sends nothing
_OUTSIDE, _INSIDE = ('192.0.2.1', 9), ('127.0.0.1', 9)
# seconds that an interrupted call gets to end
_GRACE = 2


class _Call:
    """Something to be called, and how it ended."""

    def __init__(self, function: Callable[[], Any]):
        self.function, self.value, self.error, self.done = function, None, None, threading.Event()  # type: ignore

    def __call__(self) -> None:
        try:
            self.value = self.function()
        except BaseException as err:  # noqa: B036 (it is raised where the call was asked for)
            self.error = err
        self.done.set()


class Apart:
    """The thread, as made by `make`."""

    def __init__(self) -> None:
        self._calls: 'queue.SimpleQueue[Optional[_Call]]' = queue.SimpleQueue()
        self._helper: Optional[subprocess.Popen] = None
        self._thread = threading.Thread(target=self._serve, name='lumi-hooks-apart', daemon=True)
        self._thread.start()

    @classmethod
    def make(cls, kind: str) -> 'Apart':
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

    @property
    def works(self) -> bool:
        """Does it, still? Its supervisor may have been killed, and a call may hang in it that was interrupted."""
        return self._thread.is_alive() and not (self._helper and self._helper.poll() is not None)

    def run(self, function: Callable[[], Any]) -> Any:
        """
        Call something in the thread; returns what it returns, and raises what it raises.

        What interrupts the wait (Ctrl-C, a signal's handler) interrupts the call, too.
        """
        if threading.current_thread() is self._thread:
            return function()
        call = _Call(function)
        self._calls.put(call)
        try:
            call.done.wait()
        except BaseException:
            self._interrupt(call)
            raise
        if call.error is not None:
            try:
                raise call.error
            finally:
                call.error = None  # it holds this frame, which holds it
        return call.value

    def close(self) -> None:
        """End the thread, and wait until its supervisor ends; what was started in it keeps both the filter and that."""
        self._calls.put(None)
        self._thread.join(_GRACE)
        if self._helper:
            try:
                self._helper.wait(_GRACE)
            except subprocess.TimeoutExpired:
                pass

    def _serve(self) -> None:
        while True:
            call = self._calls.get()
            if call is None:
                return
            call()

    def _interrupt(self, call: _Call) -> None:
        """Raise KeyboardInterrupt in the call; one that waits for a process ends when that ends."""
        self._calls.put(None)
        if not call.done.is_set():
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident or 0),
                                                       ctypes.py_object(KeyboardInterrupt))
            call.done.wait(_GRACE)


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
