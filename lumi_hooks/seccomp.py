# SPDX-License-Identifier: GPL-2.0-only
"""
A filter of system calls that keeps a thread, and all that it starts, off the network (seccomp(2), seccomp_unotify(2)).

It needs no rights and no namespace. Two kinds, for x86_64:

* `NOTIFY`: connect, sendto, sendmsg and sendmmsg ask a supervisor, who looks at the address: the loopback, Unix sockets
  and netlink go on, everything else is told ENETUNREACH at once.
* `SOCKETS`: nobody has to be asked, as there are no sockets but Unix sockets and netlink; the loopback goes, too.

Run as a program this file is the supervisor, a process of its own, so that no lock of the Python that it supervises can
hold it up: `python seccomp.py FD` takes the filter's listener over the Unix socket FD and ends when nothing runs under
the filter any more. If it dies first, the calls that ask get ENOSYS: a build loses its loopback, and gains nothing.

The kernel reads the address once more when it goes on, so that a program with threads could exchange it meanwhile. What
builds do by accident is kept off; a program that is out to get by has other ways, too (docs/network.md).
Imports the standard library alone.
"""
import ctypes
import errno
import fcntl
import ipaddress
import os
import platform
import re
import select
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import Iterator, List, Optional, Sequence, Tuple

NOTIFY, SOCKETS = 'seccomp notification', 'seccomp filter'

# linux/bpf_common.h: load a word of the call, jump if equal, jump if not less, return
_LOAD, _EQUAL, _NOT_LESS, _RETURN = 0x20, 0x15, 0x35, 0x06
# linux/seccomp.h: what a filter returns, and where in struct seccomp_data things are
_ALLOW, _ASK, _ERRNO = 0x7fff0000, 0x7fc00000, 0x00050000
_NUMBER, _MACHINE, _FIRST, _FIFTH_LOW, _FIFTH_HIGH = 0, 4, 16, 48, 52
# linux/audit.h; asm/unistd.h: x32 calls have this bit
_X86_64, _X32 = 0xc000003e, 0x40000000
# asm/unistd_64.h
_SECCOMP, _SOCKET, _CONNECT, _SENDTO, _SENDMSG, _SENDMMSG, _IO_URING = 317, 41, 42, 44, 46, 307, (425, 426, 427)
# asm/unistd_32.h: socketcall, socket, connect, sendto, sendmsg, sendmmsg
_OF_I386 = (102, 359, 362, 369, 370, 345)
_NO_NEW_PRIVS = 38  # linux/prctl.h
# linux/seccomp.h: without the slow-down that a filter may bring along, with a listener, and a call that the supervisor
# has begun to look at is interrupted by deadly signals alone (since Linux 5.19)
_SPEC_ALLOW, _LISTENER, _KILLABLE = 4, 8, 32
_RECEIVE, _SEND, _VALID = 0xc0502100, 0xc0182101, 0x40082102
# struct seccomp_notif: id, pid, flags, number, machine, instruction, six arguments; struct seccomp_notif_resp
_NOTIFICATION, _ANSWER, _CONTINUE = struct.Struct('=QIIiIQ6Q'), struct.Struct('=QqiI'), 1
# struct msghdr and mmsghdr begin with the address and its length
_MESSAGE, _MESSAGES = struct.Struct('=QI'), 64
_LONGEST = 128  # struct sockaddr_storage


def install(kind: str) -> Optional[int]:
    """
    Put this thread, and what it starts from now on, under a filter for good. set-uid programs do not get their rights
    any more (no_new_privs).

    :return: of `NOTIFY` the listener, for a supervisor; until it has one, calls that ask wait
    :raises OSError: the kernel or the machine can't
    """
    if platform.machine() != 'x86_64' or ctypes.sizeof(ctypes.c_void_p) != 8:
        raise OSError(errno.ENOSYS, f'no numbers of system calls are known for {platform.machine()}')
    if kind == NOTIFY and _release() < (5, 9):
        raise OSError(errno.ENOSYS, f'Linux {platform.release()} does not tell a supervisor when its work is done')
    ways = (_SPEC_ALLOW | _LISTENER | _KILLABLE, _SPEC_ALLOW | _LISTENER) if kind == NOTIFY else (_SPEC_ALLOW,)
    found = load(_program(kind == NOTIFY), ways)
    return found if kind == NOTIFY else None


def _release() -> Tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r'\d+', platform.release())[:2])


def load(code: bytes, flags: Sequence[int] = (0,), keep_rights: bool = False) -> int:
    """
    Put this thread, and what it starts, under a program (struct sock_filter, one after the other).

    :param flags: the kernel's flags; if it does not take the first, the next
    :param keep_rights: without no_new_privs, which root alone may do
    :raises OSError: the kernel says no
    """
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog
    program = ctypes.create_string_buffer(struct.pack('@HP', len(code) // 8, ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    if not keep_rights and libc.prctl(_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))):
        raise OSError(ctypes.get_errno(), 'no_new_privs: ' + os.strerror(ctypes.get_errno()))
    for one in flags:
        found = libc.syscall(ctypes.c_long(_SECCOMP), ctypes.c_long(1), ctypes.c_long(one), program)
        if found >= 0:
            return found
    raise OSError(ctypes.get_errno(), 'seccomp: ' + os.strerror(ctypes.get_errno()))


def _program(ask: bool) -> bytes:
    """The filter (BPF)."""
    def op(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
        return struct.pack('=HBBI', code, then, otherwise, value)

    def no(number: int) -> int:
        return _ERRNO | number

    def when(values, action: int) -> List[bytes]:
        return [one for value in values for one in (op(_EQUAL, value, 0, 1), op(_RETURN, action))]

    def block(value: int, lines: List[bytes]) -> List[bytes]:
        return [op(_EQUAL, value, 0, len(lines)), *lines]

    allowed = [socket.AF_UNIX, socket.AF_NETLINK, *((socket.AF_INET, socket.AF_INET6) if ask else ())]
    families = [op(_LOAD, _FIRST), *when(allowed, _ALLOW), *when((socket.AF_INET, socket.AF_INET6),
                                                               no(errno.ENETUNREACH)),
                op(_RETURN, no(errno.EAFNOSUPPORT))]
    # send() is a sendto without an address: what it sends to was asked for when it was connected
    to = [op(_LOAD, _FIFTH_LOW), op(_EQUAL, 0, 0, 2), op(_LOAD, _FIFTH_HIGH), op(_EQUAL, 0, 1), op(_RETURN, _ASK),
          op(_RETURN, _ALLOW)]
    native = [op(_LOAD, _NUMBER), op(_NOT_LESS, _X32, 0, 1), op(_RETURN, no(errno.ENOSYS)),
              *when(_IO_URING, no(errno.ENOSYS)), *block(_SOCKET, families)]
    if ask:
        native += [*block(_SENDTO, to), *when((_CONNECT, _SENDMSG, _SENDMMSG), _ASK)]
    native.append(op(_RETURN, _ALLOW))
    older = [op(_LOAD, _NUMBER), *when(_OF_I386, no(errno.ENETUNREACH)), *when(_IO_URING, no(errno.ENOSYS)),
             op(_RETURN, _ALLOW)]
    return b''.join([op(_LOAD, _MACHINE), *block(_X86_64, native), *older])


def is_near(address: bytes, connecting: bool = False) -> bool:
    """Does an address (struct sockaddr, as the kernel takes it) stay on this machine?"""
    if len(address) < 2:
        return True  # the kernel says what is wrong with it
    family, = struct.unpack_from('=H', address)
    if family == socket.AF_UNSPEC and connecting:
        return True  # takes a connection back
    if family in (socket.AF_INET, socket.AF_UNSPEC):  # UDP sends to an address of no family as to IPv4's
        return len(address) < 8 or _is_loopback(ipaddress.IPv4Address(address[4:8]))
    if family == socket.AF_INET6:
        if len(address) < 24:
            return True
        number = ipaddress.IPv6Address(address[8:24])
        return _is_loopback(number.ipv4_mapped or number)
    return family in (socket.AF_UNIX, socket.AF_NETLINK)


def _is_loopback(number) -> bool:
    return number.is_loopback or number.is_unspecified  # 0.0.0.0 and :: are this machine


def _addresses(pid: int, number: int, words: Tuple[int, ...]) -> Iterator[bytes]:
    """
    The addresses that a call names.

    :raises OSError: they can't be read
    """
    memory = os.open(f'/proc/{pid}/mem', os.O_RDONLY | os.O_CLOEXEC)
    try:
        places = [(words[1], words[2]) if number == _CONNECT else (words[4], words[5])]
        if number in (_SENDMSG, _SENDMMSG):
            count = min(words[2] & 0xffffffff, 1024) if number == _SENDMMSG else 1  # more than that no call sends
            found = os.pread(memory, count * _MESSAGES, words[1])
            places = [_MESSAGE.unpack_from(found, at) for at in range(0, len(found) - _MESSAGE.size + 1, _MESSAGES)]
        for address, size in places:
            size &= 0xffffffff
            if address and size:
                yield os.pread(memory, min(size, _LONGEST), address)
    finally:
        os.close(memory)


def _verdict(pid: int, number: int, words: Tuple[int, ...]) -> int:
    """What a call is told: 0 to go on, or the number of an error."""
    try:
        near = all(is_near(address, number == _CONNECT) for address in _addresses(pid, number, words))
    except (OSError, OverflowError) as err:
        # a bad pointer is told so; memory that may not be read has to be taken for an address outside
        return errno.EFAULT if isinstance(err, OverflowError) or err.errno == errno.EIO else errno.ENETUNREACH
    return 0 if near else errno.ENETUNREACH


def supervise(listener: int) -> None:
    """Answer the calls that ask, until nothing is left that could (POLLHUP: Linux 5.9)."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        events = poll.poll()[0][1]
        if not events & select.POLLIN:
            return
        message = bytearray(_NOTIFICATION.size)
        with suppress(FileNotFoundError):  # who asked is gone, or was interrupted
            fcntl.ioctl(listener, _RECEIVE, message, True)
            told, pid, _, number, _, _, *words = _NOTIFICATION.unpack(message)
            wrong = _verdict(pid, number, tuple(words))
            # was that memory still the one of who asked?
            fcntl.ioctl(listener, _VALID, struct.pack('=Q', told))
            fcntl.ioctl(listener, _SEND, _ANSWER.pack(told, 0, -wrong, 0 if wrong else _CONTINUE))


def main(number: str) -> None:
    """Take the listener over a Unix socket, and supervise."""
    for one in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(one, signal.SIG_IGN)
    with socket.socket(fileno=int(number)) as channel:
        _, files, _, _ = socket.recv_fds(channel, 1, 1)
    if files:
        supervise(files[0])


if __name__ == '__main__':
    main(sys.argv[1])
