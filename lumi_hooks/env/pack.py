# SPDX-License-Identifier: GPL-2.0-only
"""
One squashfs image for the many files of an environment, and how programs run from it.

Formats and options: mksquashfs(1), unsquashfs(1), squashfuse_ll(1), fusermount(1); the image's first bytes:
https://docs.kernel.org/filesystems/squashfs.html.
"""
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import stat
import struct
import subprocess
import uuid
from typing import AbstractSet, BinaryIO, Iterator, List, Mapping, NamedTuple, Optional

from .. import quote, tree
from ..errors import LumiHooksError
from ..files import read_text
from . import squashfs, stored

FUSE, SINGULARITY = 'fuse', 'singularity'
# in the root of an image: tells a mounted folder from the empty one below it
MARK = '.lumi-hooks-packed'
# where the commands are, beside $PATH
FOLDERS = ('/usr/bin', '/usr/sbin', '/sbin')
# level 3: a sixth larger than level 15, the default, and packed in a twentieth of the time (docs/packed.md)
_COMPRESSION = ('-no-xattrs', '-comp', 'zstd', '-Xcompression-level', '3')
# a login node is shared: by itself it takes all processors and a quarter of the memory
_SHARE = ('-processors', str(min(8, len(os.sched_getaffinity(0)))), '-mem', '1G')
_MAGIC, _ENTRIES, _BYTES = b'hsqs', 4, 40
# how wrappers are made: a template for sh
_WRAPPER, _EPILOG = (os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
                     for name in ('wrapper.sh', 'epilog.sh'))
_COLON = re.compile('[:,\n]')


class Sizes(NamedTuple):
    """What was packed: files, folders and links (inodes), their bytes, and the bytes of the image."""
    inodes: int
    bytes: int
    packed: int


class Way(NamedTuple):
    """How an image is mounted here: FUSE, SINGULARITY or '' for not at all, and why that one."""
    name: str
    reason: str


def pack(folder: str, image: str) -> Sizes:
    """
    Pack a folder into an image, which appears under its name when it is whole. The folder stays.

    All belongs to root in it, and all may read it that may read the image: an image can be given to others.

    :raises LumiHooksError: mksquashfs is missing, or fails; it is being packed already; something can't be read
    """
    count, size, _ = _measure(folder)
    with _making(image) as stream:
        _run('mksquashfs', folder, stream.name, '-noappend', '-no-progress', '-no-recovery', '-exit-on-error',
             '-all-root', *_COMPRESSION, *_SHARE, '-action', 'chmod(a+rX)@true', '-p', f'{MARK} f 444 0 0 echo')
        packed = _read_image(stream.name)
        if packed.inodes != count + 1:
            raise LumiHooksError(f'{quote.line(folder)} was changed while it was packed: pack it again')
    return Sizes(count, size, packed.packed)


def update(earlier: str, kept: AbstractSet[str], folder: str, image: str) -> None:
    """
    Make an image of what is kept of an earlier one, which stays as it is, and of what is in a folder. What is kept is
    copied as it is packed where that can be; else it is unpacked next to the folder, and packed again.

    :param kept: paths of files and links in the earlier image
    :param folder: what is new in it is moved into a folder next to it; what is kept may be in it, too
    :raises LumiHooksError: as `pack` and `unpack`
    """
    new, more, whole = f'{folder}.new', f'{folder}.sqsh', f'{folder}.whole'
    os.makedirs(new, exist_ok=True)
    for path in [path for path in _files(folder) if path[len(folder) + 1:] not in kept]:
        moved = new + path[len(folder):]
        os.makedirs(os.path.dirname(moved), exist_ok=True)
        os.replace(path, moved)
    pack(new, more)
    try:
        with _making(image) as stream:
            squashfs.join(earlier, {os.fsencode(path) for path in kept}, more, stream)
    except squashfs.NotJoined:
        unpack(earlier, whole)
        stored.remove(whole, [path for path in _files(whole) if path[len(whole) + 1:] not in kept])
        stored.link_all(new, whole)
        pack(whole, image)


@contextlib.contextmanager
def _making(image: str) -> Iterator[BinaryIO]:
    """
    A file for an image, which appears under its name when it is whole.

    :raises LumiHooksError: it is being made already
    """
    part = os.path.join(os.path.dirname(os.path.abspath(image)), f'.{os.path.basename(image)}.part')
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(part, 'r+b', opener=lambda path, _: os.open(path, flags, 0o666)) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LumiHooksError(f'{quote.line(image)} is being packed already: wait until that has ended') from None
        try:
            stream.truncate()
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            os.replace(part, image)
        except BaseException:
            os.unlink(part)
            raise


def unpack(image: str, folder: str, *patterns: str) -> None:
    """
    Put what is in an image into a folder, which appears when it is whole.

    :param patterns: what is wanted of it (unsquashfs(1)); all where nothing is said
    :raises LumiHooksError: the folder holds something already; the image is none; unsquashfs is missing, or fails
    """
    _read_image(image)
    place, name = os.path.split(os.path.abspath(folder))
    part = os.path.join(place, f'.{name}.unpacked')
    for left in (part, *_left_over(place, part)):
        tree.remove(left)
    part = f'{part}-{uuid.uuid4().hex}'
    try:
        _run('unsquashfs', '-no-progress', '-no-xattrs', '-d', part, image, *patterns)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(part, MARK))
        os.rename(part, folder)
    except OSError as err:
        tree.remove(part)
        raise LumiHooksError(f'{quote.line(folder)} cannot take what is in {quote.line(image)}: '
                             f'{err.strerror}') from err
    except BaseException:
        tree.remove(part)
        raise


def way(environ: Mapping[str, str], base: str = '') -> Way:
    """
    How this node would mount an image; wrappers decide it in the same way when they run.

    :param base: image for Singularity to start from
    """
    missing: List[str] = []
    for name, other in (('squashfuse_ll', 'squashfuse'), ('fusermount3', 'fusermount')):
        if not (_find(name, environ) or _find(other, environ)):
            missing.append(f'there is no {other}')
    if not os.access('/dev/fuse', os.R_OK | os.W_OK):
        missing.append('/dev/fuse is closed')
    if not missing:
        return Way(FUSE, 'this node has squashfuse, and /dev/fuse is open')
    if not (_find('singularity', environ) or _find('apptainer', environ)):
        missing.append('there is no Singularity')
    elif not os.path.exists(base):
        missing.append(f'there is no base image for Singularity ({base})')
    else:
        return Way(SINGULARITY, '; '.join(missing))
    return Way('', '; '.join(missing))


def wrap(image: str, folder: str, program: str, base: str = '') -> str:
    """
    The text of a script that runs a program from an image that it mounts on a folder.

    :param folder: empty, and writable for who runs it (fusermount demands that)
    :param program: its path; with a slash at its end: the folder of the program that is called as the script is (hard
        links to one script serve a folder); empty: the script's first argument is the command
    :param base: image for Singularity to start from
    :raises LumiHooksError: a path can't be used
    """
    for path in (image, folder):
        if _COLON.search(path) or not os.path.isabs(path):
            raise LumiHooksError(f'{quote.line(path)} cannot be mounted: colons and commas separate paths there')
    values = {'image': image, 'folder': folder, 'program': program, 'base': base, 'mark': MARK,
              'key': hashlib.sha256(f'{image}\n{folder}'.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}
    text = read_text(_WRAPPER).replace('@name@', quote.comment(os.path.basename(program.rstrip('/')) or 'a command'))
    return re.sub('@([a-z]+)@', lambda found: quote.shell(values[found[1]]), text)


def epilog() -> str:
    """The text of a script for Slurm's SLURM_TASK_EPILOG, which unmounts what a step that was killed has left."""
    return read_text(_EPILOG)


def _files(folder: str) -> Iterator[str]:
    """The files and links in a folder, and in those below."""
    return (entry.path for entry in tree.entries(folder) if not stat.S_ISDIR(entry.status.st_mode))


def _measure(folder: str) -> Sizes:
    """What is in a folder, itself included; a file of several names counts once."""
    seen, size = set(), 0
    for entry in tree.entries(folder):
        key = entry.status.st_dev, entry.status.st_ino
        size += 0 if key in seen else entry.status.st_size
        seen.add(key)
    if not seen:
        raise LumiHooksError(f'{quote.line(folder)} cannot be read')
    return Sizes(len(seen), size, 0)


def _read_image(path: str) -> Sizes:
    """
    What the first bytes of an image say of it.

    :raises LumiHooksError: it is none, or was cut off
    """
    try:
        with open(path, 'rb') as stream:
            head = stream.read(96)
            size = os.fstat(stream.fileno()).st_size
    except OSError as err:
        raise LumiHooksError(f'{quote.line(path)} cannot be read: {err.strerror}') from err
    if len(head) < 96 or head[:4] != _MAGIC:
        raise LumiHooksError(f'{quote.line(path)} is not a squashfs image')
    inodes, used = struct.unpack_from('<I', head, _ENTRIES)[0], struct.unpack_from('<Q', head, _BYTES)[0]
    if used > size:
        raise LumiHooksError(f'{quote.line(path)} was cut off: it has {size} of {used} bytes')
    return Sizes(inodes, used, size)


def _left_over(place: str, part: str) -> List[str]:
    """Folders that an unpacking which was killed has left."""
    return [os.path.join(place, name) for name in os.listdir(place) if name.startswith(f'{os.path.basename(part)}-')]


def _find(name: str, environ: Mapping[str, str]) -> Optional[str]:
    return shutil.which(name, path=os.pathsep.join([environ.get('PATH', ''), *FOLDERS]))


def _run(name: str, *arguments: str) -> None:
    """
    Run one of the tools.

    :raises LumiHooksError: it is missing, or fails
    """
    program = _find(name, os.environ)
    if not program:
        raise LumiHooksError(f'there is no {name} on this node: it is part of squashfs-tools; try a login node')
    done = subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors='replace', check=False,
                          env={name: value for name, value in os.environ.items() if not name.startswith('LD_')})
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        last = quote.line(lines[-1] if lines else 'it says nothing')
        raise LumiHooksError(f'{name} failed ({done.returncode}): {last}')
