# SPDX-License-Identifier: GPL-2.0-only
"""
A network of its own for commands: with a loopback, and nothing else (network_namespaces(7), user_namespaces(7)).

Nothing is installed or run for it: one short-lived child makes the namespaces, open files keep them, and each command
enters them between fork and exec. They go with the process that made them, however it ends.
"""
import ctypes
import fcntl
import functools
import inspect
import os
import socket
import struct
import subprocess
from typing import Any, Callable, List

from .errors import LumiHooksError

# linux/sched.h
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
# linux/sockios.h, linux/if.h; struct ifreq is a name of 16 bytes, the flags, and what fills up 40 bytes
_SET_FLAGS, _UP, _REQUEST = 0x8914, 1, '16sH22x'


class NotEntered(LumiHooksError):
    """A command could not enter the namespace, and was not run."""


class NoNetwork:
    """
    The namespace, as made by `make`; `enter` is for the `preexec_fn` of `subprocess.Popen`.

    An ordinary user needs a user namespace around it, in which there are their own user and primary group alone: what
    belongs to another group of theirs can be read and written as ever, and set-gid folders pass their group on, but
    nothing can be given to that group (chgrp). Root, who may do without, goes without.
    """

    def __init__(self, files: List[int]):
        self._files = files
        self._setns = _libc().setns

    @classmethod
    def make(cls) -> 'NoNetwork':
        """
        Make one.

        :raises OSError: the machine makes none for this user; its text says what failed
        """
        told, tell = os.pipe()
        go, release = os.pipe()
        user = os.geteuid() != 0
        libc = _libc()
        child = os.fork()
        if child == 0:
            _in_child(libc, user, tell, go, release)
        os.close(tell)
        os.close(go)
        files: List[int] = []
        try:
            with os.fdopen(told, encoding='utf-8') as handle:
                number, _, what = handle.readline().strip().partition(' ')
            if number != '0':
                raise OSError(int(number or 0), f'{what or "making a namespace"}: {os.strerror(int(number or 0))}')
            for kind in ('user', 'net') if user else ('net',):
                files.append(os.open(f'/proc/{child}/ns/{kind}', os.O_RDONLY | os.O_CLOEXEC))
            return cls(files)
        except OSError:
            for file in files:
                os.close(file)
            raise
        finally:
            os.close(release)
            os.waitpid(child, 0)

    def enter(self) -> None:
        """
        Take this process, of one thread, into the namespace, for good.

        :raises OSError: the kernel says no
        """
        for file in self._files:
            if self._setns(file, 0):
                raise OSError(ctypes.get_errno(), 'setns')

    def run(self, function: Callable[[], Any]) -> Any:
        """
        Call something whose commands, as far as `subprocess.Popen` starts them, enter the namespace.

        :raises NotEntered: one could not enter it
        """
        original = subprocess.Popen.__init__
        signature = inspect.signature(original)

        @functools.wraps(original)
        def start(*args, **kwargs):
            bound = signature.bind(*args, **kwargs)
            then = bound.arguments.get('preexec_fn')

            def enter() -> None:
                self.enter()
                if then:
                    then()
            bound.arguments['preexec_fn'] = enter
            try:
                return original(*bound.args, **bound.kwargs)
            except subprocess.SubprocessError as err:
                # of what happens between fork and exec Python tells no more than that it went wrong
                raise NotEntered(f'a command could not be cut off from the network: {err}') from err

        subprocess.Popen.__init__ = start  # type: ignore[method-assign]
        try:
            return function()
        finally:
            subprocess.Popen.__init__ = original  # type: ignore[method-assign]

    def close(self) -> None:
        """Give the namespace up; commands that run in it keep it."""
        while self._files:
            os.close(self._files.pop())


def _in_child(libc: ctypes.CDLL, user: bool, tell: int, go: int, release: int) -> None:
    """Make the namespaces, tell the parent 0 or what failed, wait until it holds them, and end."""
    step = 'unshare'
    try:
        os.close(release)
        ids = {'uid_map': os.geteuid(), 'gid_map': os.getegid()}
        if libc.unshare(_NEW_NET | (_NEW_USER if user else 0)):
            raise OSError(ctypes.get_errno(), step)
        if user:
            step = 'user namespace'
            _write('/proc/self/setgroups', 'deny')
            for name, number in ids.items():
                _write(f'/proc/self/{name}', f'{number} {number} 1')
        step = 'loopback'
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
            fcntl.ioctl(handle, _SET_FLAGS, struct.pack(_REQUEST, b'lo', _UP))
        os.write(tell, b'0\n')
        os.close(tell)
        os.read(go, 1)
    except OSError as err:
        os.write(tell, f'{err.errno} {step}\n'.encode())
    finally:
        os._exit(0)


def _write(path: str, text: str) -> None:
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def _libc() -> ctypes.CDLL:
    """The C library: Python has these calls of its own since 3.12 only."""
    return ctypes.CDLL(None, use_errno=True)
