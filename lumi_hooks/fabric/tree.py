# SPDX-License-Identifier: GPL-2.0-only
"""
What lies in a file, a folder, a wheel or an image of a container: each ELF file, what it wants of MPI, what it brings.

Nothing is run but `unsquashfs`, for images. A wheel or image is unpacked into a temporary folder, its ELF files alone.
"""
import contextlib
import lzma
import os
import re
import shutil
import struct
import subprocess
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, replace
from typing import Callable, Dict, FrozenSet, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from ..errors import LumiHooksError
from ..files import open_regular
from ..verify import policy, symbols
from ..verify.elf import LIBRARY, MAGIC, PROGRAM, Elf, NotReadable, read_elf
from ..verify.loader import DEFAULT, Loader, expand
from ..verify.scan import scan
from .wants import AT_RUN_TIME, NONE, Wants, function, kind_of_library, load_mpi, wants, wants_of

FILE, FOLDER, WHEEL, IMAGE = 'file', 'folder', 'wheel', 'image'
# bytes of ELF files that a wheel or image may unpack to: temporary folders are memory on login nodes
MOST_BYTES = 4 << 30
_SQUASHFS = b'hsqs'
# where the file system begins in a SIF image: behind its descriptors, which have a fixed place in the first 64 MiB
_MOST_HEADER = 64 << 20
MULTIARCH = ('/usr/lib/x86_64-linux-gnu', '/lib/x86_64-linux-gnu', '/usr/local/lib')
# what tells that a folder is the root of an image
_ROOT = ('etc/os-release', '.singularity.d')
_LISTED = re.compile(r'([-l])([rwxsStT-]{9}) +\S+ +(\d+) \S+ \S+ squashfs-root(/.*)')


@dataclass(frozen=True)
class Found:
    """
    An ELF file: its name below what was looked at, what it wants, and what of MPI and network it brings: libraries
    that it would load by its own run paths. `forced`: by its DT_RPATH, which comes before LD_LIBRARY_PATH.
    """
    file: str
    program: bool
    wants: Wants
    brings: Tuple[str, ...] = ()
    forced: bool = False
    module: bool = False
    itself: bool = False

    @property
    def choice(self) -> str:
        """What modules for several MPIs have in common, of which one is loaded; of others the file itself."""
        folder, name = os.path.split(self.file)
        return os.path.join(folder, name.partition('.')[0]) if self.module else self.file


class Look(NamedTuple):
    """What was looked at: of which kind it is, its ELF files, and those that can't be read."""
    kind: str
    files: Tuple[Found, ...]
    unreadable: Tuple[str, ...] = ()


class _Inside(Loader):
    """A loader in an image: absolute folders are below the image's root."""

    def __init__(self, read: Callable[[str], Optional[Elf]], root: str):
        super().__init__(read, system=MULTIARCH)
        self.root = root

    def _in(self, folder: str, name: str) -> Optional[str]:
        return super()._in(folder if folder.startswith(self.root) else self.root + folder, name)


def look(path: str) -> Look:
    """
    Look at a file, folder, wheel or image.

    :raises LumiHooksError: it is none of these, or can't be read
    """
    path = os.path.abspath(path)
    if os.path.isdir(path):
        image = any(os.path.exists(os.path.join(path, mark)) for mark in _ROOT)
        return _all_below(IMAGE if image else FOLDER, path, path if image else '')
    start = _start(path)
    if start[:4] == b'PK\3\4':
        with _unpacked_wheel(path) as folder:
            return _all_below(WHEEL, folder)
    offset = _squashfs(path, start)
    if offset is not None:
        with _unpacked_image(path, offset) as folder:
            return _all_below(IMAGE, folder, folder)
    if start[:4] != MAGIC:
        raise LumiHooksError(f'{path} is no ELF file, folder, wheel or image (SIF or squashfs)'
                             + (': name the program that the script starts' if start[:2] == b'#!' else ''))
    return Look(FILE, (_Reader().found(path, os.path.dirname(path), os.path.basename(path)),))


def _start(path: str) -> bytes:
    try:
        handle = open_regular(path)
    except OSError as err:
        raise LumiHooksError(f'{path} can\'t be read: {err.strerror}') from err
    with open(handle, 'rb') as file:
        return file.read(64)


def _all_below(kind: str, folder: str, root: str = '') -> Look:
    """The programs and libraries below a folder."""
    reader = _Reader(root)
    scanned = scan(folder, policy.processors())
    elves = scanned.elf
    reader.known.update(elves)
    files = [path for path, elf in sorted(elves.items()) if elf.kind in (PROGRAM, LIBRARY)]
    found = _variants([reader.found(path, folder, os.path.relpath(path, folder)) for path in files])
    return Look(kind, found, tuple(os.path.relpath(path, folder) for path in sorted(scanned.unreadable)))


def _variants(files: Sequence[Found]) -> Tuple[Found, ...]:
    """Modules of one name for several MPIs (MPI.mpich.….so, MPI.openmpi.….so) are chosen from at run time."""
    kinds: Dict[str, Set[str]] = {}
    for one in files:
        kinds.setdefault(one.choice, set()).add(one.wants.kind)
    return tuple(replace(one, wants=one.wants._replace(kind=AT_RUN_TIME, variant=one.wants.kind))
                 if one.module and len(kinds[one.choice] - {NONE}) > 1 and one.wants.kind != NONE else one
                 for one in files)


class _Reader:
    """Reads files, each once. `root`: of an image."""

    def __init__(self, root: str = ''):
        self.known: Dict[str, Optional[Elf]] = {}
        self.system = frozenset(root + folder for folder in (*DEFAULT, *MULTIARCH))
        self.loader = _Inside(self.read, root) if root else Loader(self.read)

    def read(self, path: str) -> Optional[Elf]:
        """Facts of a file that could be loaded, None of any other."""
        if path not in self.known:
            try:
                self.known[path] = read_elf(path, policy.processors())
            except (OSError, NotReadable):
                self.known[path] = None
        return self.known[path]

    def found(self, path: str, base: str, name: str) -> Found:
        """
        What a file wants, with what its own libraries want.

        :raises LumiHooksError: it is no sound ELF file of this machine
        """
        try:
            mine = wants_of(path)
        except (OSError, NotReadable) as err:
            raise LumiHooksError(f'{path} can\'t be read as an ELF file: {err}') from err
        elf = self.read(path)
        if elf is None or elf.kind not in (PROGRAM, LIBRARY):
            raise LumiHooksError(f'{path} is no program and no library of this machine'
                                 + (f' ({elf.machine})' if elf else ''))
        entry = Found(name, elf.kind == PROGRAM, mine, module='.cpython-' in name or '.abi3.' in name,
                      itself=bool(kind_of_library(elf.soname or os.path.basename(path))))
        if not elf.needed or entry.itself:
            return entry
        own, brings, forced = {path: elf}, [], False
        for loaded in self.loader.closure(path):
            facts = self.read(loaded.path) if loaded.path else None
            kind = kind_of_library(loaded.name)
            if not loaded.path or not facts:
                continue
            system = os.path.dirname(loaded.path) in self.system
            if (kind or re.fullmatch(load_mpi()['brought']['libraries'], os.path.basename(loaded.path))) and not system:
                brings.append(os.path.relpath(loaded.path, base) if loaded.path.startswith(base + os.sep)
                              else loaded.path)
            if kind and loaded.asked_by in own:
                asking = own[loaded.asked_by]
                forced = forced or not asking.runpath and os.path.dirname(loaded.path) in expand(asking.rpath,
                                                                                                loaded.asked_by)
            if not kind and loaded.asked_by in own and not system:
                own[loaded.path] = facts
        return replace(entry, wants=_together(mine, own, path), brings=tuple(dict.fromkeys(brings)), forced=forced)


def _together(mine: Wants, own: Dict[str, Elf], path: str) -> Wants:
    """What a file wants with its own libraries, which may have functions of MPI's names themselves."""
    parts = [mine, *(wants(elf) for place, elf in own.items() if place != path)]
    parts = [part for part in parts if part.kind != NONE]
    if not parts:
        return mine
    functions = frozenset().union(*(part.functions for part in parts))
    exported: FrozenSet[str] = frozenset()
    for place in own if functions else ():
        with contextlib.suppress(OSError, ValueError, IndexError, struct.error):
            exported |= frozenset(map(function, symbols.exports(place).symbols))
    first = next((part for part in parts if part.kind != AT_RUN_TIME), parts[0])
    return Wants(first.kind, tuple(dict.fromkeys(name for part in parts for name in part.libraries)),
                 functions - exported, any(part.cxx for part in parts))


@contextlib.contextmanager
def _unpacked_wheel(path: str) -> Iterator[str]:
    """A temporary folder with the ELF files of a wheel, in their places."""
    with tempfile.TemporaryDirectory(prefix='lumi-eb-') as folder, contextlib.ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
            left = MOST_BYTES
            for member in archive.infolist():
                target = os.path.normpath(os.path.join(folder, member.filename))
                if member.is_dir() or not target.startswith(folder + os.sep):
                    continue
                with archive.open(member) as source:
                    start = source.read(4)
                    if start != MAGIC:
                        continue
                    left -= member.file_size
                    if left < 0:
                        raise LumiHooksError(_too_large(path))
                    os.makedirs(os.path.dirname(target), exist_ok=True)
                    with open(target, 'wb') as out:
                        out.write(start)
                        shutil.copyfileobj(source, out)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError,
                zlib.error, lzma.LZMAError) as err:
            raise LumiHooksError(f'{path} is no sound wheel: {err}') from err
        yield folder


def _too_large(path: str) -> str:
    return f'{path} holds more than {MOST_BYTES >> 30} GiB of programs and libraries: unpack it yourself, and name ' \
           'the folder'


@contextlib.contextmanager
def image_root(path: str) -> Iterator[str]:
    """
    The root of an image: of a folder itself, else of a temporary one with its programs and libraries.

    :raises LumiHooksError: it is no image
    """
    if os.path.isdir(path):
        yield os.path.abspath(path)
        return
    offset = _squashfs(path, _start(path))
    if offset is None:
        raise LumiHooksError(f'{path} is no image (SIF or squashfs), and no folder of one')
    with _unpacked_image(path, offset) as root:
        yield root


def _squashfs(path: str, start: bytes) -> Optional[int]:
    """Where the file system of an image begins, None where it is no image."""
    if start[:4] != _SQUASHFS and b'SIF_MAGIC' not in start:
        return None
    with open(open_regular(path), 'rb') as file:
        data = file.read(_MOST_HEADER)
    place = data.find(_SQUASHFS)
    while place >= 0 and data[place + 28:place + 32] != b'\4\0\0\0':  # of version 4.0
        place = data.find(_SQUASHFS, place + 1)
    if place < 0:
        raise LumiHooksError(f'{path} is an image without a squashfs file system (it may be encrypted): unpack it by '
                             '"singularity build --sandbox FOLDER IMAGE", and name the folder')
    return place


@contextlib.contextmanager
def _unpacked_image(path: str, offset: int) -> Iterator[str]:
    """A temporary folder with the programs and libraries of an image, and its links."""
    tool = shutil.which('unsquashfs') or shutil.which('unsquashfs', path='/usr/sbin:/sbin')
    if not tool:
        raise LumiHooksError(f'there is no unsquashfs here to look into {path}: unpack it by "singularity build '
                             '--sandbox FOLDER IMAGE", and name the folder')
    listed = _squash(path, [tool, '-o', str(offset), '-lls', path])
    names: List[str] = []
    left = MOST_BYTES
    for match in filter(None, map(_LISTED.fullmatch, listed.splitlines())):
        kind, mode, size, name = match.groups()
        if kind == 'l':
            names.append(name.partition(' -> ')[0])
        elif 'x' in mode or '.so' in name:
            names.append(name)
            left -= int(size)
    if left < 0:
        raise LumiHooksError(_too_large(path))
    with tempfile.TemporaryDirectory(prefix='lumi-eb-') as folder:
        wanted, root = os.path.join(folder, 'wanted'), os.path.join(folder, 'root')
        with open(wanted, 'w', encoding='utf-8', errors='surrogateescape') as out:
            out.writelines(f'{name}\n' for name in names if '\n' not in name)
        _squash(path, [tool, '-o', str(offset), '-no-xattrs', '-no-wildcards', '-q', '-n', '-d', root,
                       '-ef', wanted, path])
        os.makedirs(root, exist_ok=True)
        yield root


def _squash(path: str, command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, errors='surrogateescape', check=False,
                          env={**os.environ, 'LC_ALL': 'C'})
    if done.returncode not in (0, 2):  # 2: something was not done that matters to root alone
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise LumiHooksError(f'{path} is no sound image: {lines[-1] if lines else "unsquashfs failed"}')
    return done.stdout
