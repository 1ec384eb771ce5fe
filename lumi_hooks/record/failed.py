# SPDX-License-Identifier: GPL-2.0-only
"""
The failed builds of a prefix: a copy of each one's log and a small JSON file with the facts, in .lumi-hooks/failed.

The build's own folder is memory and goes with the job. The folder is often a project's, so others may write there:
files are made beside by descriptor and put in place by rename, links are not followed, and what is read is data that
may be anybody's.
"""
import contextlib
import glob
import gzip
import json
import os
import re
import shutil
import stat
import time
import zlib
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .. import sites
from ..errors import LumiHooksError
from ..files import at, of, open_folder, open_regular, parse_json, replacing, write_atomic
from ..releases import load_machine
from ..schemas import schema
from ..schemas.plain import faults
from ..site import OVERLAY_FOLDER
from .failure import UNKNOWN, first_error

FOLDER = 'failed'
_INNER = os.path.join(OVERLAY_FOLDER, FOLDER)
SCHEMA_VERSION = 1
# more is no file of facts
_LARGEST = 4 * 1024 * 1024
# of a log this much is looked through: a megabyte takes a second
LARGEST_LOG = 16 * 1024 * 1024
_PRIVATE, _PUBLIC = 0o600, 0o644


@dataclass(frozen=True)
class FailedBuild:
    """
    A build that failed.

    :ivar when: seconds since 1970
    :ivar log: path of the copy of its log (None: there is none that can be read)
    :ivar facts: what its JSON file says; of an older version's log what the log shows
    :ivar since: when its module was installed after it failed (seconds since 1970), None where it was not
    """
    module: str
    when: float
    log: Optional[str]
    facts: Mapping[str, Any]
    files: Tuple[str, ...]
    since: Optional[float] = None

    def as_json(self) -> Dict[str, Any]:
        """As plain data."""
        return {**self.facts, 'module': self.module, 'log': self.log, 'installed_since': _iso(self.since)}


def stem(module: str) -> str:
    """The name, without ending, of a module's files in the folder."""
    return module.replace('/', '-')


def keep(log: Optional[str], facts: Mapping[str, Any], prefix: str, private: bool) -> Optional[str]:
    """
    Keep the log and the facts of a failed build, one a module; returns the copy's path (None where there is no log).

    :param log: path of EasyBuild's own log
    :param facts: with `module`; the copy's path is added as `log`
    :param private: may nobody else read it? Compilers quote sources.
    :raises OSError: it can't be written; a folder or file that is a link is an error, too
    """
    mode, name = _PRIVATE if private else _PUBLIC, stem(facts['module'])
    os.makedirs(prefix, exist_ok=True)
    new = not os.path.lexists(os.path.join(prefix, _INNER))
    with open_folder(prefix, _INNER, make=True) as folder:
        if new:  # under the umask of a restricted package it would be closed to the project
            os.chmod(of(folder), stat.S_IMODE(os.stat(os.pardir, dir_fd=folder).st_mode))
        kept = None
        if log:
            with os.fdopen(open_regular(log), 'rb') as source, replacing(at(folder, name + '.log'), mode) as target:
                shutil.copyfileobj(source, target)
            kept = os.path.join(prefix, _INNER, name + '.log')
        text = json.dumps({'schema_version': SCHEMA_VERSION, **facts, 'log': kept}, indent=1, ensure_ascii=True) + '\n'
        write_atomic(at(folder, name + '.json'), text, mode)
    return kept


def read_log(path: str) -> str:
    """
    The text of a log, compressed or not: a regular file's, the last 16 MB of it (of a compressed one the first).

    :raises LumiHooksError: it is none, or can't be read
    """
    try:
        with os.fdopen(open_regular(path), 'rb') as source:
            status = os.fstat(source.fileno())
            if path.endswith('.gz'):
                with gzip.open(source) as unpacked:
                    return unpacked.read(LARGEST_LOG).decode('utf-8', 'replace')
            source.seek(max(0, status.st_size - LARGEST_LOG))
            return source.read(LARGEST_LOG).decode('utf-8', 'replace')
    except (OSError, EOFError, zlib.error) as err:
        raise LumiHooksError(f'{path}: cannot be read ({getattr(err, "strerror", None) or err})') from err


def failed_builds(prefix: str) -> List[FailedBuild]:
    """
    The failed builds of a prefix, newest first; logs that an older version kept are among them.

    :raises LumiHooksError: the folder is closed to you
    """
    folder = os.path.join(prefix, OVERLAY_FOLDER, FOLDER)
    try:
        with open_folder(prefix, _INNER) as handle:
            names = sorted(os.listdir(of(handle)))
            found = [_read(prefix, handle, folder, name, names) for name in names if not name.startswith('.')]
    except FileNotFoundError:
        return []
    except OSError as err:
        raise LumiHooksError(f'{folder}: cannot be read by you ({err.strerror}): "ls -ld" of it says whose it '
                             'is') from err
    return sorted(filter(None, found), key=lambda one: -one.when)


def _read(prefix: str, handle: int, folder: str, name: str, names: Sequence[str]) -> Optional[FailedBuild]:
    """One of the folder's files: the facts, or a log without any."""
    base, ending = os.path.splitext(name)
    path = os.path.join(folder, name)
    log = base + '.log'
    if ending == '.json':
        facts = _facts(handle, name)
        if facts is None:
            return None
        kept = os.path.join(folder, log) if log in names else None
        when, module = float(facts['when']['seconds']), str(facts['module'])
        files = (path, kept) if kept else (path,)
        return FailedBuild(module, when, kept, facts, files, _installed(prefix, module, when, facts))
    if ending != '.log' or base + '.json' in names and _facts(handle, base + '.json') is not None:
        return None
    try:
        status = os.stat(name, dir_fd=handle, follow_symlinks=False)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    module = _module(prefix, base)
    return FailedBuild(module, status.st_mtime, path, _facts_of_log(path, module, status.st_mtime), (path,),
                       _installed(prefix, module, status.st_mtime, {}))


def _facts(folder: int, name: str) -> Optional[Dict[str, Any]]:
    """The facts that a file holds; None where it is no such file: others may have written it."""
    try:
        with os.fdopen(open_regular(at(folder, name), follow=False), 'rb') as source:
            content = source.read(_LARGEST + 1)
        found = parse_json(content) if len(content) <= _LARGEST else None
    except (OSError, ValueError):
        return None
    return None if next(faults(found, schema('failed')), None) else found


def _facts_of_log(path: str, module: str, when: float) -> Dict[str, Any]:
    """What can be said of a log alone."""
    try:
        error = error_facts(first_error(read_log(path)))
    except LumiHooksError as err:
        error = {'kind': UNKNOWN, 'line': '', 'number': 1, 'context': [str(err)], 'advice': '',
                 'means': 'somebody else built it, perhaps licensed software, whose logs others may not read'}
    return {'schema_version': SCHEMA_VERSION, 'module': module, 'when': {'seconds': when, 'time': _iso(when)},
            'error': error}


def error_facts(found: Any) -> Optional[Dict[str, Any]]:
    """An error as plain data, None where there is none."""
    return {'kind': found.kind, 'line': found.line, 'number': found.number, 'context': list(found.context),
            'means': found.means, 'advice': found.advice} if found else None


def _module(prefix: str, base: str) -> str:
    """The module that a log without facts is of: one of the prefix, else a guess."""
    for path in _module_files(prefix, '*', '*'):
        name = '/'.join(path.split(os.sep)[-2:])
        name = name[:-len('.lua')] if name.endswith('.lua') else name
        if stem(name) == base:
            return name
    return re.sub(r'-(?=\d)', '/', base, count=1)


def _module_files(prefix: str, name: str, version: str) -> List[str]:
    return glob.glob(os.path.join(glob.escape(prefix), sites.layout('modules'), name, version))


def _installed(prefix: str, module: str, when: float, facts: Mapping[str, Any]) -> Optional[float]:
    """When the module was installed since; None where it was not."""
    name, _, version = module.partition('/')
    release, partition = facts.get('release') or '*', facts.get('partition') or '*'
    place = os.path.join(glob.escape(prefix), sites.layout('modules', f'{release}*', partition))
    times = []
    for ending in ('', '.lua'):
        for path in glob.glob(os.path.join(place, glob.escape(name), glob.escape(version) + ending)):
            with contextlib.suppress(OSError):
                times.append(os.stat(path).st_mtime)
    return max((found for found in times if found > when), default=None)


def clear(builds: Sequence[FailedBuild], prefix: str) -> int:
    """
    Remove the logs and facts of failed builds; returns how many files went.

    :raises OSError: one can't be removed
    """
    count = 0
    with open_folder(prefix, _INNER) as handle:
        for path in (path for build in builds for path in build.files):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.basename(path), dir_fd=handle)
                count += 1
    return count


def matching(what: str, builds: Sequence[FailedBuild]) -> List[FailedBuild]:
    """The failed builds that a module, the name of a software, a recipe or a log means."""
    def names(build: FailedBuild) -> List[str]:
        recipe = build.facts.get('recipe') or {}
        return [build.module, build.module.partition('/')[0], stem(build.module), stem(build.module) + '.eb',
                *(os.path.basename(recipe.get(key) or '') for key in ('given', 'file')), build.log or '']
    wanted = os.path.basename(what) if what.endswith('.eb') else what
    return [build for build in builds if wanted and wanted in names(build)
            or build.log and os.path.realpath(what) == os.path.realpath(build.log)]


def _iso(when: Optional[float]) -> Optional[str]:
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(when)) if when is not None else None


def support() -> Mapping[str, str]:
    """Whom to ask, and what they help with (the site's machine.json); empty where the site's data says nothing."""
    return load_machine().get('support', {})
