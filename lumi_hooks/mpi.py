# SPDX-License-Identifier: GPL-2.0-only
"""
Does an installation use MPI? By what its programs and libraries are linked with, and by its recipe's own word. No list
of names decides it, but for software that is not installed where we are.
"""
import ast
import os
from typing import Any, Iterator, Mapping, NamedTuple, Optional

from . import gpu
from .errors import DataError
from .files import read_text
from .packages import package, uses
from .presence import root_of
from .record import read_record
from .site import Site
from .verify import policy
from .verify.elf import PROGRAM, Elf, NotReadable, read_elf

# where what is run or loaded lies, the fastest answer first
_FOLDERS = ('bin', 'lib', 'lib64', '')
# a file system that many share is not searched for minutes
_MOST_FILES = 5000


class Answer(NamedTuple):
    """Does it use MPI (None: nobody knows), and how is that known?"""
    value: Optional[bool]
    reason: str


def uses_mpi(module: str, site: Site) -> Answer:
    """
    Does the software of a module use MPI?

    :param module: NAME/VERSION
    """
    root = installation_of(module, site)
    return (_of_installation(root) if root else None) or _by_name(module)


def installation_of(module: str, site: Site) -> Optional[str]:
    """The folder of a module's installation, by its module file, which is read and not run; None where it has none."""
    root = root_of(site.index.module_text(module))
    return root if root and os.path.isdir(root) else None


def is_linked(path: str) -> bool:
    """Is a file linked with MPI itself, not just through another library? What can't be read is not."""
    found = _read(path)
    return found is not None and _linked(found)


def _read(path: str) -> Optional[Elf]:
    try:
        return read_elf(path, policy.processors())
    except (OSError, NotReadable):
        return None


def _linked(elf: Elf) -> bool:
    return any(policy.kind_of(name) == 'mpi' for name in elf.needed)


def _of_installation(root: str) -> Optional[Answer]:
    """By its record and files; None where these don't tell."""
    try:
        record: Mapping[str, Any] = read_record(root) or {}
    except DataError:
        record = {}
    if any(str(name).startswith('cray-mpich') for name in record.get('kept_out', ())):
        return Answer(False, 'MPI was kept out of its build')
    loads: Any = record
    for key in ('linkage', 'summary', 'mpi'):  # of its whole closure; None where it was not verified
        loads = loads.get(key) if isinstance(loads, dict) else None
    programs, number = False, 0
    for number, path in enumerate(_files(root) if loads or loads is None else (), 1):
        if number > _MOST_FILES:
            return None
        elf = _read(path)
        if elf and _linked(elf):
            return Answer(True, f'{os.path.relpath(path, root)} is linked with MPI')
        programs = programs or elf is not None and elf.kind == PROGRAM
    if not programs and _says_usempi(root, record):
        return Answer(True, 'its recipe has the toolchain option usempi')
    return Answer(False, 'none of its programs and libraries is linked with MPI') if record or number else None


def _files(root: str) -> Iterator[str]:
    """The regular files of an installation, each once, programs first."""
    seen = set()
    for start in _FOLDERS:
        for folder, folders, names in os.walk(os.path.join(root, start)):
            folders[:] = [name for name in folders if os.path.join(folder, name) not in seen]
            seen.add(folder)
            for name in names:
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    yield path


def _says_usempi(root: str, record: Mapping[str, Any]) -> bool:
    """Has the recipe that it was installed from the option usempi? Its text is read as data, and nothing of it run."""
    path = os.path.join(root, 'easybuild', os.path.basename((record.get('recipe') or {}).get('file') or '-'))
    try:
        for node in ast.parse(read_text(path)).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', '') == 'toolchainopts':
                options = ast.literal_eval(node.value)
                return isinstance(options, dict) and bool(options.get('usempi'))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        pass
    return False


def _by_name(module: str) -> Answer:
    """By what is known of the package, where it is not installed here."""
    name, _, version = module.partition('/')
    on_gpu = gpu.split_suffix(version)[1] == gpu.ROCM
    known = (package(name).get('rocm') or {}).get('mpi') if on_gpu else None
    known = known or uses(name, 'mpi')
    return Answer(bool(known['value']), known['reason']) if known else \
        Answer(None, 'it is not installed here (lumi-eb install installs it)')
