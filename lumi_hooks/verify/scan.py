# SPDX-License-Identifier: GPL-2.0-only
"""The files of a folder: each read once, whatever links to it, by several processes."""
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from ..errors import LumiHooksError
from .elf import Elf, NotReadable, read_file
from .text import Text

# files that one process is handed at a time: few enough to share the work, many enough to pay the way
BATCH = 200
# LUMI allows that many processes at once on a login node
MOST_JOBS = 16


@dataclass
class Scan:
    """What a folder holds."""
    root: str
    # regular files, hard links counted once, symbolic links not at all
    files: int = 0
    elf: Dict[str, Elf] = field(default_factory=dict)
    texts: Dict[str, Text] = field(default_factory=dict)
    # path -> why it could not be read
    unreadable: Dict[str, str] = field(default_factory=dict)
    # path -> where it points to
    links: Dict[str, str] = field(default_factory=dict)


def scan(root: str, processors: Mapping[int, str], jobs: Optional[int] = None,
         progress: Callable[[int, int], None] = lambda done, total: None) -> Scan:
    """
    Read all ELF files below a folder.

    :param root: a folder, or a single file
    :param processors: EF_AMDGPU_MACH -> gfx name
    :param jobs: number of processes; as many as there are processors for us where not given
    :param progress: called with the number of files read and of all files
    :raises LumiHooksError: a process that read files was ended
    """
    found = Scan(root)
    paths = list(_walk(root, found))
    found.files = len(paths)
    batches = [paths[start:start + BATCH] for start in range(0, len(paths), BATCH)]
    jobs = min(jobs or len(os.sched_getaffinity(0)), MOST_JOBS, len(batches))
    done = 0
    for number, results in enumerate(_read_all(batches, processors, jobs)):
        for path, result in results:
            if isinstance(result, Elf):
                found.elf[path] = result
            elif isinstance(result, Text):
                found.texts[path] = result
            else:
                found.unreadable[path] = result
        done += len(batches[number])
        progress(done, len(paths))
    return found


def _walk(root: str, found: Scan) -> Iterator[str]:
    """Regular files below a folder, each once; notes symbolic links and folders that can't be listed."""
    if os.path.isfile(root):
        yield root
        return
    seen = set()
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            device = os.stat(folder).st_dev
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as err:
            found.unreadable[folder] = f'the folder can\'t be listed: {err.strerror}'
            continue
        for entry in entries:
            if entry.is_symlink():
                found.links[entry.path] = os.readlink(entry.path)
            elif entry.is_dir():
                folders.append(entry.path)
            elif entry.is_file() and (device, entry.inode()) not in seen:
                seen.add((device, entry.inode()))
                yield entry.path


_Results = List[Tuple[str, Union[Elf, Text, str]]]


def _read_all(batches: Sequence[Sequence[str]], processors: Mapping[int, str], jobs: int) -> Iterator[_Results]:
    """Results of each batch, in order."""
    if jobs < 2:
        for batch in batches:
            yield _read(batch, processors)
        return
    with ProcessPoolExecutor(jobs, initializer=_leave_interrupts) as pool:
        try:
            yield from pool.map(_read, batches, [processors] * len(batches))
        except BrokenProcessPool as err:
            raise LumiHooksError('a process that reads files was ended: a file became shorter while it was read, or '
                                 'memory ran out; try again (--jobs 1 needs the least memory)') from err
        except BaseException:
            # not without waiting: then Python's own end writes to a pipe that is closed (seen on 3.11)
            pool.shutdown(cancel_futures=True)
            raise


def _leave_interrupts() -> None:
    """Ctrl-C reaches all processes of a terminal; the first one alone answers it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _read(paths: Sequence[str], processors: Mapping[int, str]) -> _Results:
    results: _Results = []
    for path in paths:
        try:
            facts = read_file(path, processors)
        except OSError as err:
            results.append((path, err.strerror or str(err)))
        except NotReadable as err:
            results.append((path, str(err)))
        else:
            if facts:
                results.append((path, facts))
    return results
