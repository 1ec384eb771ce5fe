# SPDX-License-Identifier: GPL-2.0-only
"""
Which of the host's libraries a container needs for the host's MPI, by the ELF files: instead of a list of paths that an
update breaks. Each becomes a file of one folder in the container, which its loader searches first.
"""
import fnmatch
import glob
import os
import re
import struct
from typing import Callable, Dict, FrozenSet, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .. import quote
from ..errors import LumiHooksError
from ..releases import Release
from ..verify import policy, symbols
from ..verify.elf import Elf, NotReadable, read_elf
from ..verify.loader import DEFAULT, Loader
from .matrix import load_fabric
from .tree import MULTIARCH


class Bind(NamedTuple):
    """A file or folder of the host, where it is in the container, and why."""
    source: str
    target: str
    reason: str


class Binds(NamedTuple):
    """What is bound; libraries that are not, and why; what the container can't take, or what is not there at all."""
    binds: Tuple[Bind, ...]
    left_out: Tuple[Tuple[str, str], ...]
    problems: Tuple[str, ...]


class Image:
    """The libraries of an image: its root, or None where none was named (nothing is known of it then)."""

    def __init__(self, root: Optional[str]):
        self.root = root

    def path(self, name: str) -> Optional[str]:
        """Where a library of that name lies in the image's default folders."""
        folders = [self.root + folder for folder in (*DEFAULT, *MULTIARCH)] if self.root else ()
        return next((path for folder in folders for path in [os.path.join(folder, name)] if os.path.isfile(path)), None)

    def versions(self, name: str) -> Optional[FrozenSet[str]]:
        """The versions that a library of the image has; None where it is not there, or can't be read."""
        path = self.path(name)
        try:
            return symbols.exports(path).versions if path else None
        except (OSError, ValueError, IndexError, struct.error):
            return None


def reader() -> Callable[[str], Optional[Elf]]:
    """Reads files that could be loaded, each once."""
    known: Dict[str, Optional[Elf]] = {}

    def read(path: str) -> Optional[Elf]:
        if path not in known:
            try:
                known[path] = read_elf(path, policy.processors())
            except (OSError, NotReadable):
                known[path] = None
        return known[path]
    return read


def starts(release: Release, env: Mapping[str, str], system: str, libfabric: str, gpu: bool) -> List[str]:
    """
    The libraries that everything else follows from: MPI under MPICH's names, libfabric's providers, GTL.

    :param system: the folder that /opt/cray lies in
    :param libfabric: the folder of libfabric, as pkg-config has it
    :raises LumiHooksError: there is no Cray MPICH of the release, or no libfabric
    """
    version = release.modules['cray-mpich']
    loaded = env.get('CRAY_MPICH_DIR', '')
    # what gfortran compiled, as the Fortran in containers is; what is loaded may be another compiler's or release's
    patterns = [os.path.join(system, 'opt/cray/pe/mpich', version, 'ofi/gnu/*/lib-abi-mpich'),
                *([os.path.join(loaded, 'lib-abi-mpich')] if f'/{version}/' in loaded else ())]
    folder = next((path for pattern in patterns for path in sorted(glob.glob(pattern), reverse=True)), None)
    if folder is None:
        raise LumiHooksError(f'there is no Cray MPICH {version} under MPICH\'s names here ({patterns[0]}): this is '
                             'done on the machine that the container runs on')
    if not libfabric:
        raise LumiHooksError('pkg-config knows no libfabric here: module load libfabric')
    found = sorted(path for name in ('libmpi.so.12', 'libmpifort.so.12') for path in glob.glob(f'{folder}/{name}'))
    for place in ('lib64', 'lib'):
        found += [path for pattern in ('libfabric.so.1', 'libfabric/*.so')
                  for path in sorted(glob.glob(f'{libfabric}/{place}/{pattern}'))]
    if gpu:
        found += glob.glob(os.path.join(system, f'opt/cray/pe/mpich/{version}/gtl/lib/libmpi_gtl_hsa.so.0'))
    return found


def derive(first: Sequence[str], loader: Loader, read: Callable[[str], Optional[Elf]], image: Image) -> Binds:
    """
    What has to be bound for some libraries, and for all that they load.

    :param first: paths of libraries
    :param loader: finds libraries on the host
    """
    data = load_fabric()['binds']
    found = {os.path.basename(path): path for path in first}
    problems: Dict[str, None] = {}
    for path in first:
        for entry in loader.closure(path):
            name = os.path.basename(entry.name)
            if entry.path:
                found.setdefault(name, entry.path)
            elif name not in found and not _is_c(name, data):
                problems[f'{name}, which {entry.asked_by} needs, is nowhere on this machine'] = None
    asked = _asked(found.values(), read)
    bound, left = {}, []
    for name, path in found.items():
        there = image.versions(name)
        if _is_c(name, data):
            left.append((name, 'the C library is the image\'s own'))
        elif path not in first and _of_system(path) and there is not None and asked.get(name, set()) <= there:
            left.append((name, 'the image has it, with all versions that are asked for'))
        else:
            bound[name] = path
    for name, path in bound.items():
        for library, versions in (read(path) or Elf(path, '', '')).imports.versions:
            there = image.versions(library) if _is_c(library, data) else None
            lacking = sorted(set(versions) - there) if there is not None else []
            if lacking:
                problems[f'{name} asks for {", ".join(lacking)} of {library}, which the image\'s own C library has '
                         'not: take an image of a newer system'] = None
    target = data['folder']
    return Binds(tuple(Bind(os.path.realpath(path), f'{target}/{name}', 'MPI, or what it loads')
                       for name, path in bound.items()), tuple(left), tuple(problems))


def others(root: str = '') -> List[Bind]:
    """What is no library and is bound where it is there: sockets and folders of Slurm and of Slingshot."""
    return [Bind(path, path, entry['reason']) for entry in load_fabric()['binds']['paths'] for path in [entry['path']]
            if os.path.exists(root + path)]


def environment(binds: Binds, more: Sequence[Bind]) -> Dict[str, str]:
    """The variables that Singularity reads."""
    pairs = [bind.source if bind.source == bind.target else f'{bind.source}:{bind.target}'
             for bind in (*binds.binds, *more)]
    folder = load_fabric()['binds']['folder']
    return {'SINGULARITY_BIND': ','.join(pairs), 'SINGULARITYENV_LD_LIBRARY_PATH': folder,
            'SINGULARITYENV_FI_PROVIDER_PATH': folder}


def as_module(release: str, variables: Mapping[str, str]) -> str:
    """
    A module in Lua that sets them, beside what is bound already. Of the family of LUMI's singularity-bindings, so that
    one replaces the other. It holds what the machine had when it was written: after an update it is written again.
    """
    def text(value: str) -> str:
        return f'[==[{quote.lua(value)}]==]'

    lines = ['-- Written by lumi-eb container-binds --lua; after an update of the machine, write it again.',
             f'whatis({text(f"Description: the Cray MPICH of {release} and its network for containers")})',
             'family("containerbindings")']
    for name, value in variables.items():
        delimiter = ',' if name == 'SINGULARITY_BIND' else ':'
        lines += [f'prepend_path{{"{name}", {text(part)}, delim="{delimiter}"}}'
                  for part in reversed(value.split(',') if delimiter == ',' else [value])]
    return '\n'.join(lines) + '\n'


def dead(value: str) -> List[str]:
    """The entries of a bind list (SINGULARITY_BIND) whose source is not there: "skipping mount" of Singularity."""
    return [entry for entry in value.split(',') if entry and not os.path.exists(entry.split(':')[0])]


def _asked(paths: Iterable[str], read: Callable[[str], Optional[Elf]]) -> Dict[str, set]:
    """By library, the versions that the host's files ask for."""
    found: Dict[str, set] = {}
    for path in paths:
        for library, versions in (read(path) or Elf(path, '', '')).imports.versions:
            found.setdefault(library, set()).update(versions)
    return found


def _is_c(name: str, data: Mapping) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in data['c_library'])


def _of_system(path: str) -> bool:
    """Is a library the operating system's, which an image may have itself?"""
    return os.path.dirname(path) in (*DEFAULT, *MULTIARCH) and not re.match(r'lib(cxi|xpmem|fabric)\b',
                                                                             os.path.basename(path))
