# SPDX-License-Identifier: GPL-2.0-only
"""
Files that others may have written are read here, as data, and files are written in one step.

In a prefix of a project every member can put anything in any place: a FIFO, on which a reader waits for ever, a link to
somebody's secret, a file without an end. What is read is a regular file, looked at through the descriptor that it is
read by, so that nothing can be exchanged between the look and the reading. Standard library alone.
"""
import contextlib
import errno
import json
import os
import stat
import uuid
from typing import Any, BinaryIO, Iterator, List, Optional

# bytes of a file that is read as a whole, and of what a program wrote about itself
LARGEST_TEXT = 256 * 1024 * 1024
LARGEST = 16 * 1024 * 1024
# levels of lists and objects in each other; what this library writes has fewer than ten
DEEPEST = 64
# digits of a whole number; more are no size and no time, and cost quadratic time to read
_DIGITS = 20
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FOLDER = os.O_DIRECTORY | os.O_PATH | os.O_CLOEXEC


def at(folder: int, name: str) -> str:
    """Path of a name in an open folder, wherever the folder has been moved to. It needs /proc (proc(5))."""
    return f'/proc/self/fd/{folder}/{name}'


def of(file: int) -> str:
    """Path of an open file itself: modes can be set, and it be opened again, by a descriptor of O_PATH (open(2))."""
    return f'/proc/self/fd/{file}'


@contextlib.contextmanager
def open_folder(path: str, below: str = '', make: bool = False) -> Iterator[int]:
    """
    A descriptor of a folder, for `at`.

    :param path: links in it are followed
    :param below: folders below that; links in these are not
    :param make: make those below, where they are missing
    :raises OSError: it is not there, it is no folder, or there is a link below
    """
    folder = os.open(path, _FOLDER)
    try:
        for name in [name for name in below.split(os.sep) if name]:
            if name == os.pardir:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), os.path.join(path, below))
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(at(folder, name))
            try:
                inner = os.open(at(folder, name), _FOLDER | os.O_NOFOLLOW)
            except OSError as err:
                link = os.path.islink(at(folder, name))
                raise OSError(errno.ELOOP if link else err.errno, 'there is a link in it' if link else err.strerror,
                              os.path.join(path, below)) from None
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def open_regular(path: str, follow: bool = True) -> int:
    """
    A descriptor of a regular file, for reading. Nothing else is waited for, and no terminal is taken.

    :param follow: may the path itself be a link?
    :raises OSError: it can't be opened, or it is no regular file
    """
    file = os.open(path, _READ if follow else _READ | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, 'not a regular file', path)
    return file


def names_in(folder: str) -> List[str]:
    """Names of what is in a folder, sorted; none where it is missing, or closed to this user."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def existing(path: str) -> str:
    """The path itself, or the nearest folder above it that exists."""
    path = os.path.abspath(path)
    while not os.path.isdir(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def read_bytes(path: str, largest: int = LARGEST_TEXT, below: Optional[str] = None) -> bytes:
    """
    The contents of a regular file.

    :param largest: bytes that it may have
    :param below: a folder that `path` is relative to; no link is followed below it
    :raises OSError: it can't be read, is no regular file, or is larger
    """
    if below is not None:
        inner, name = os.path.split(path)
        with open_folder(below, inner) as folder:
            try:
                file = open_regular(at(folder, name), follow=False)
            except OSError as err:
                raise OSError(err.errno, err.strerror, os.path.join(below, path)) from None
    else:
        file = open_regular(path)
    with os.fdopen(file, 'rb') as handle:
        size = os.fstat(file).st_size
        # as many bytes as are asked for are allocated
        found = handle.read(size + 1) if size <= largest else None
        if found is not None and len(found) > size:  # it grew while it was read
            found += handle.read(largest + 1 - len(found))
    if found is None or len(found) > largest:
        raise OSError(errno.EFBIG, f'it is larger than {largest} bytes', path)
    return found


def read_text(path: str, errors: str = 'surrogateescape', largest: int = LARGEST_TEXT) -> str:
    """
    A text file's contents; line ends and bytes that are no UTF-8 survive a round trip through `write_atomic`.

    :param errors: what becomes of bytes that are no UTF-8, as in `bytes.decode`
    :raises OSError: it can't be read, is no regular file, or is larger than that many bytes
    :raises UnicodeDecodeError: it is no UTF-8, with errors='strict'
    """
    return read_bytes(path, largest).decode('utf-8', errors)


def read_json(path: str, largest: int = LARGEST, below: Optional[str] = None) -> Any:
    """
    What a file of JSON holds that others may have written.

    :param largest: bytes that it may have
    :param below: a folder that `path` is relative to; no link is followed below it
    :raises OSError: it can't be read, is no regular file, or is larger
    :raises ValueError: it is no JSON, nested too deeply, or a number in it has too many digits
    """
    return parse_json(read_bytes(path, largest, below))


def parse_json(content: bytes) -> Any:
    """
    JSON that others may have written, as data that can be walked and written again.

    :raises ValueError: it is no JSON, nested too deeply, or a number in it has too many digits
    """
    try:
        found = json.loads(content.decode('utf-8'), parse_int=_whole, parse_constant=_no_number)
    except RecursionError:
        raise ValueError('it is nested too deeply') from None
    level = [found]
    for _ in range(DEEPEST):
        level = [item for node in level if isinstance(node, (dict, list))
                 for item in (node.values() if isinstance(node, dict) else node)]
        if not level:
            return found
    raise ValueError('it is nested too deeply')


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError('a number has too many digits')
    return int(text)


def _no_number(text: str) -> None:
    raise ValueError(f'{text} is no JSON')


@contextlib.contextmanager
def replacing(path: str, mode: Optional[int] = None) -> Iterator[BinaryIO]:
    """
    A new file, which replaces what is at a path (of a link too, not of what it points to) when all is
    written: readers see the old contents or the new ones, never a half. The folder is opened once.

    :param mode: its permissions, from the beginning; what the umask allows where not given
    :raises OSError: it can't be written; nothing is left behind
    """
    place, name = os.path.split(path)
    with open_folder(place or '.') as folder:
        temporary = at(folder, f'.{uuid.uuid4().hex}')
        try:
            file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
                           0o666 if mode is None else 0o600 & mode)
        except OSError as err:
            raise OSError(err.errno, err.strerror, path) from None
        try:
            with os.fdopen(file, 'wb') as stream:
                if mode is not None:
                    os.fchmod(file, mode)
                yield stream
            os.replace(temporary, at(folder, name))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def write_atomic(path: str, text: str, mode: Optional[int] = None) -> None:
    """
    Write a text file in one step (see `replacing`).

    :param mode: its permissions; what the umask allows where not given
    :raises OSError: it can't be written; nothing is left behind
    """
    with replacing(path, mode) as stream:
        stream.write(text.encode('utf-8', 'surrogateescape'))


def umask() -> int:
    """The umask of this process, read from /proc (proc(5)): setting it for a moment would set it for all threads."""
    with contextlib.suppress(OSError, ValueError), open('/proc/self/status', encoding='utf-8') as handle:
        for row in handle:
            if row.startswith('Umask:'):
                return int(row[len('Umask:'):], 8)
    found = os.umask(0o077)
    os.umask(found)
    return found
