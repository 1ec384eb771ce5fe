# SPDX-License-Identifier: GPL-2.0-only
"""
A run: a folder below the prefix, with one file that holds its state, and a folder of scripts and logs for each task.

The file is replaced in one step, and written before a job is started: what is not in it was never started, and what is
can be found again. What was built of what is noted beside all runs, so that another run need not build it again.
"""
import contextlib
import fcntl
import hashlib
import json
import os
import re
import socket
import time
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from .. import quote, trust
from ..errors import DataError, LumiHooksError
from ..files import LARGEST_TEXT, names_in, open_folder, read_json, read_text, write_atomic
from ..index import Index
from ..prefix import module_folders
from ..site import OVERLAY_FOLDER
from .tasks import Attempt, Task

FOLDER = os.path.join(OVERLAY_FOLDER, 'rebuild')
STATE, DIFFERENCE = 'run.json', 'difference'
_LOCK, _CANCEL, _BUILT = '.lock', 'cancel', '.built'
_NAME = re.compile('[A-Za-z0-9][A-Za-z0-9._-]{0,60}')
_VERSION = 1


@dataclass
class Run:
    """
    A run. `prefix` is where it installs; `on` says who starts its jobs, and `host` where (for local ones); `limit` is
    how many of them there are at once; `environment` is that of script.py, `options` are those of eb. `recipes` are
    folders of the recipes that were named; `robot` and `sources` the search paths of the shell, the first for the
    target that was `loaded` there.
    """
    name: str
    prefix: str
    on: str
    limit: int
    created: float
    host: str = ''
    account: str = ''
    queue: str = ''
    time: str = ''
    cores: int = 0
    checks: bool = True
    options: List[str] = field(default_factory=list)
    environment: Dict[str, str] = field(default_factory=dict)
    recipes: List[str] = field(default_factory=list)
    robot: List[str] = field(default_factory=list)
    sources: List[str] = field(default_factory=list)
    loaded: List[str] = field(default_factory=list)
    tasks: List[Task] = field(default_factory=list)

    @property
    def folder(self) -> str:
        """Its folder."""
        return os.path.join(self.prefix, FOLDER, self.name)

    def folder_of(self, task: Task, attempt: Optional[Attempt] = None) -> str:
        """The folder of a task, or of one of its jobs."""
        folder = os.path.join(self.folder, task.name)
        return os.path.join(folder, str(attempt.number)) if attempt else folder

    def save(self) -> None:
        """
        Write the state, unless it is what the file holds.

        :raises LumiHooksError: it can't be written; the file is as it was
        """
        text = json.dumps({'schema_version': _VERSION, **asdict(self)}, indent=1, ensure_ascii=True) + '\n'
        if text == self.__dict__.get('_saved'):
            return
        path = os.path.join(self.folder, STATE)
        try:
            write_atomic(path, text, 0o644)
        except OSError as err:
            raise LumiHooksError(f'{path} cannot be written: {err.strerror}. Jobs that were started go on; fix '
                                 f'that, and "lumi-eb rebuild --resume --run {self.name}" goes on, too') from err
        self.__dict__['_saved'] = text

    def task(self, name: str) -> Task:
        """The task of that name."""
        return next(task for task in self.tasks if task.name == name)


def name_of(keys: Sequence[str]) -> str:
    """A name for the run of a set of recipes: the same set gives the same."""
    return hashlib.sha256('\n'.join(sorted(keys)).encode()).hexdigest()[:10]


def checked_name(name: str) -> str:
    """
    The name of a run, which is one of a folder.

    :raises LumiHooksError: it can't be
    """
    if not _NAME.fullmatch(name):
        raise LumiHooksError(f'{quote.line(name)!r} cannot be the name of a run: it takes letters, digits, dots and '
                             'dashes')
    return name


def load(prefix: str, name: str) -> Run:
    """
    The state of a run. It says what is run for you, so others must not have been able to write it.

    :raises LumiHooksError: there is no such run, it can't be read or is wrong, or others could have written it
    """
    path = os.path.join(prefix, FOLDER, checked_name(name), STATE)
    if not os.path.lexists(path):
        known = runs(prefix)
        raise LumiHooksError(f'there is no run {name} in {prefix}' + (f'; there are {", ".join(known)}' if known else
                                                                     ': "lumi-eb rebuild RECIPE" starts one'))
    trust.check(path, 'the state of the run')
    try:
        found = read_json(path, LARGEST_TEXT)
        if found.pop('schema_version') != _VERSION:
            raise DataError(f'{path}: another version of lumi-hooks wrote it, which goes on with it')
        tasks = [Task(**{**task, 'attempts': [Attempt(**one) for one in task['attempts']]})
                 for task in found.pop('tasks')]
        run = Run(**{**found, 'tasks': tasks})
    except OSError as err:
        raise DataError(f'{path}: cannot be read ({err.strerror})') from err
    except (ValueError, TypeError, KeyError, AttributeError) as err:
        raise DataError(f'{path}: it is not the state of a run ({quote.line(err)})') from err
    if (run.name, run.prefix) != (name, prefix):
        raise DataError(f'{path}: it is the state of another run')
    return run


def runs(prefix: str) -> List[str]:
    """Names of the runs of a prefix, the newest last."""
    folder = os.path.join(prefix, FOLDER)
    found = {}
    for name in names_in(folder):
        with contextlib.suppress(OSError):
            if _NAME.fullmatch(name):
                found[name] = os.stat(os.path.join(folder, name, STATE)).st_mtime
    return sorted(found, key=lambda name: found[name])


def make_folder(prefix: str, *names: str) -> None:
    """
    Make a folder of runs.

    :raises LumiHooksError: it can't be made
    """
    try:
        os.makedirs(prefix, exist_ok=True)
        with open_folder(prefix, os.path.join(FOLDER, *names), make=True):
            pass
    except OSError as err:
        raise LumiHooksError(f'{os.path.join(prefix, FOLDER, *names)} cannot be made: {err.strerror}') from err


@contextlib.contextmanager
def alone(prefix: str, name: str) -> Iterator[bool]:
    """Nobody else moves the run on as long as the block runs; False where somebody does. It ends with its process."""
    make_folder(prefix, name)
    file = os.open(os.path.join(prefix, FOLDER, name, _LOCK),
                   os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        os.truncate(file, 0)
        os.pwrite(file, f'{socket.gethostname()} {os.getpid()}\n'.encode(), 0)
        yield True
    finally:
        os.close(file)


def holder(run: Run) -> str:
    """Host and process of whoever moves the run on; empty where nobody does."""
    with alone(run.prefix, run.name) as free:
        if free:
            return ''
    try:
        host, pid = read_text(os.path.join(run.folder, _LOCK), 'replace', 1000).split()
    except (OSError, ValueError):
        return 'another process'
    return quote.line(f'process {pid} on {host}')


def ask_to_cancel(run: Run) -> None:
    """Leave word that the run is to be cancelled, for whoever moves it on."""
    write_atomic(os.path.join(run.folder, _CANCEL), '')


def asked_to_cancel(run: Run, forget: bool = False) -> bool:
    """Was the run to be cancelled?"""
    path = os.path.join(run.folder, _CANCEL)
    there = os.path.lexists(path)
    if forget:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    return there


def module_file(prefix: str, task: Task) -> Optional[str]:
    """The module file of a task in the prefix; None where it is not there, or stands for nothing."""
    return Index(module_folders(prefix, task.stack, task.partition)).module_file(task.module)


def _state_of(path: str) -> List[int]:
    found = os.stat(path)
    return [found.st_mtime_ns, found.st_size]


def _note_of(prefix: str, name: str) -> str:
    """Where it is noted of what a task's module was built."""
    return os.path.join(prefix, FOLDER, _BUILT, f'{name}.json')


def note_built(run: Run, task: Task, checked: bool) -> None:
    """Note that a task's module was built of what its key says, and whether it passed what is looked at after."""
    path = module_file(run.prefix, task)
    if path:
        make_folder(run.prefix, _BUILT)
        text = json.dumps({'key': task.key, 'module_file': _state_of(path), 'checked': checked})
        write_atomic(_note_of(run.prefix, task.name), text + '\n')


def built_of(prefix: str, task: Task) -> Mapping[str, Any]:
    """What is noted of a task's module, if it is still the same installation, made of the same; else nothing."""
    path = module_file(prefix, task)
    try:
        found = read_json(_note_of(prefix, task.name), 1 << 16)
        same = path and found['key'] == task.key and found['module_file'] == _state_of(path)
    except (OSError, ValueError, TypeError, KeyError):
        return {}
    return found if same else {}


def noted_key(prefix: str, name: str) -> str:
    """The key that is noted of a task's module; empty where none is."""
    try:
        return str(read_json(_note_of(prefix, name), 1 << 16)['key'])
    except (OSError, ValueError, TypeError, KeyError):
        return ''


def difference(run: Run, task: Task) -> str:
    """The adaptation of a task's recipe as a diff; empty where it has none."""
    try:
        return read_text(os.path.join(run.folder_of(task), DIFFERENCE), 'replace', 1 << 22)
    except OSError:
        return ''


def fresh(name: str, prefix: str, settings: Mapping[str, Any]) -> Run:
    """A new run, with what the command line says."""
    known = {one.name for one in fields(Run)}
    return Run(name=name, prefix=prefix, created=time.time(), host=socket.gethostname(),
               **{key: value for key, value in settings.items() if key in known})
