# SPDX-License-Identifier: GPL-2.0-only
"""
Which MPI does a file want? By the libraries it names, the symbols it asks for and, where it names none, its texts.

Knowledge is data: releases/mpi.json has the libraries' names, releases/mpisymbols.json the functions of each MPICH.
"""
import mmap
import os
import re
from functools import lru_cache
from typing import FrozenSet, List, Mapping, NamedTuple, Optional, Tuple, Union

from ..files import open_regular
from ..schemas import checked
from ..verify import policy
from ..verify.elf import PROGRAM, Elf, read_elf

MPICH, OPENMPI, STANDARD, CRAY = 'mpich-abi', 'openmpi', 'standard-abi', 'cray'
STATIC, AT_RUN_TIME, NONE = 'static', 'at-run-time', 'none'
_C = re.compile(r'P?(MPIX?_\w+|I_MPI_\w+)')
# as gfortran and crayftn write them: lower case, with an underscore behind; those for large counts have a word more
_FORTRAN = re.compile(r'p?(mpix?_[a-z0-9_]+?)(?:_f08(?:ts)?(_large)?)?_+')
_CXX = (b'_ZN3MPI', b'_ZNK3MPI', b'_ZTVN3MPI', b'_ZTIN3MPI')
# a library's name as a text of its own, for dlopen
_OPENED = re.compile(rb'\0(libmpi[\w-]*\.so[.\d]*)\0')


class Wants(NamedTuple):
    """
    What a file wants of MPI: kind (one of the constants above), libraries as it names them, functions (of Fortran: in
    lower case). `cxx`: it calls MPI's C++ bindings. `variant`: the kind of a file that is one of several for different
    MPIs, of which one is loaded at run time.
    """
    kind: str
    libraries: Tuple[str, ...] = ()
    functions: FrozenSet[str] = frozenset()
    cxx: bool = False
    variant: str = ''

    @property
    def interface(self) -> str:
        """The kind of the MPI itself, also where it is chosen at run time."""
        return self.variant or self.kind


@lru_cache(maxsize=None)
def load_mpi() -> Mapping:
    """What is known of MPI libraries, as data (releases/mpi.json)."""
    return checked('releases/mpi.json')


@lru_cache(maxsize=None)
def _patterns() -> Tuple[Tuple[str, 're.Pattern[str]'], ...]:
    return tuple((entry['kind'], re.compile(entry['libraries'])) for entry in load_mpi()['kinds'])


@lru_cache(maxsize=None)
def kind_of_library(name: str) -> Optional[str]:
    """The kind of an MPI library by its name, also with auditwheel's mark in it (libmpi-d26c8c51.so.12.3.1)."""
    name = re.sub(r'-[0-9a-f]{8}(?=\.so)', '', os.path.basename(name))
    return next((kind for kind, pattern in _patterns() if pattern.fullmatch(name)), None)


def function(symbol: bytes) -> str:
    """The function of MPI that a symbol stands for, without the P of the profiling interface; empty where of none."""
    text = symbol.decode('ascii', 'replace')
    if _C.fullmatch(text):
        return text[text.startswith('P'):]
    match = _FORTRAN.fullmatch(text)
    return match[1] + (match[2] or '') if match else ''


def wants_of(path: str) -> Wants:
    """
    What one file wants, by itself: libraries of its own that want MPI are not looked at (tree.py does).

    :raises OSError: it can't be read
    :raises NotReadable: it begins like an ELF file and is none
    """
    elf = read_elf(path, policy.processors())
    if elf is None:
        return Wants(NONE)
    found = wants(elf)
    if found.kind != NONE:
        return found
    handle = open_regular(path)
    try:
        with mmap.mmap(handle, 0, access=mmap.ACCESS_READ) as data:
            return wants(elf, data)
    finally:
        os.close(handle)


def wants(elf: Elf, data: Union[bytes, mmap.mmap] = b'') -> Wants:
    """
    What a file wants, by its facts.

    :param data: its contents, which tell of an MPI that is a part of it, or that it opens; empty: not looked at
    """
    libraries = tuple(name for name in elf.needed if kind_of_library(name))
    symbols = elf.imports.undefined.split(b'\0') if elf.imports.undefined else []
    functions = frozenset(filter(None, map(function, symbols)))
    cxx = any(symbol.startswith(_CXX) for symbol in symbols)
    own = load_mpi()['openmpi_symbols']
    # Open MPI's libraries were called libmpi.so.1 to .20 too, and some name libmpi.so: its symbols are nobody else's
    if (libraries or functions) and any(symbol.startswith(tuple(map(str.encode, own))) for symbol in symbols):
        return Wants(OPENMPI, libraries, functions, cxx)
    if libraries:
        kinds = [kind_of_library(name) for name in libraries]
        return Wants(next(kind for kind, _ in _patterns() if kind in kinds), libraries, functions, cxx)
    if functions:  # who loads it brings the library
        return Wants(AT_RUN_TIME, (), functions, cxx)
    return _by_texts(elf, data)


def _by_texts(elf: Elf, data: Union[bytes, mmap.mmap]) -> Wants:
    """Of a file that names no MPI and asks for none of its functions."""
    if elf.soname and kind_of_library(elf.soname) or data.find(b'MPI_Init\0') < 0:
        return Wants(NONE)
    if elf.kind == PROGRAM and any(data.find(mark.encode()) >= 0 for mark in load_mpi()['marks']):
        return Wants(STATIC)
    opened: List[bytes] = list(dict.fromkeys(_OPENED.findall(data)))
    return Wants(AT_RUN_TIME, tuple(name.decode() for name in opened)) if opened else Wants(NONE)


