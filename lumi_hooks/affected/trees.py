# SPDX-License-Identifier: GPL-2.0-only
"""A version of a git repository, laid out in the cache: the old side of a comparison. The repository stays as it is."""
import os
import shutil
import subprocess
import tarfile
import uuid
from typing import Iterable, List, Optional

from .. import quote, trust
from ..errors import LumiHooksError

# nothing that a repository's own configuration names is run
_GIT = ('git', '-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null', '-c', 'core.quotePath=false')
# versions that are kept; each is as large as what is used of it
_KEEP = 10


def git(repository: str, *words: str) -> Optional[str]:
    """
    What git says, None where it says no.

    :raises LumiHooksError: there is no git
    """
    try:
        done = subprocess.run([*_GIT, '-C', repository, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              stdin=subprocess.DEVNULL, check=False)
    except FileNotFoundError as err:
        raise LumiHooksError('git is not installed here, and --since requires it') from err
    return done.stdout.decode('utf-8', 'surrogateescape') if done.returncode == 0 else None


def repository_of(path: str) -> Optional[str]:
    """The repository that a folder lies in, by its real path; None where it lies in none."""
    found = git(path, 'rev-parse', '--show-toplevel') if os.path.isdir(path) else None
    return os.path.realpath(found.rstrip('\n')) if found else None


def commit_of(repository: str, revision: str) -> str:
    """
    The full name of a commit.

    :raises LumiHooksError: the repository has none of that name
    """
    found = None if revision.startswith('-') else git(repository, 'rev-parse', '--verify', '--quiet',
                                                      f'{revision}^{{commit}}')
    if found:
        return found.strip()
    shallow = (git(repository, 'rev-parse', '--is-shallow-repository') or '').strip() == 'true'
    raise LumiHooksError(f'there is no commit {quote.line(revision)} in {repository}' + (
        ', which is a shallow clone: fetch the rest first (git fetch --unshallow)' if shallow else
        ': "git log --oneline" lists them'))


def changed(repository: str, commit: str) -> List[str]:
    """Files that differ between a commit and the files as they are, new ones that git does not know yet included."""
    found = (git(repository, 'diff', '--name-only', '-z', commit) or '').split('\0')
    found += (git(repository, 'ls-files', '--others', '--exclude-standard', '-z') or '').split('\0')
    return sorted(set(filter(None, found)))


def laid_out(repository: str, commit: str, folders: Iterable[str], cache: str) -> str:
    """
    The folder with a commit's version of some folders of a repository.

    :param folders: below the repository; '' is all of it
    :raises LumiHooksError: others could have written the repository, or the cache can't be written
    """
    trust.check(os.path.join(repository, '.git'), 'the repository')
    wanted = sorted(set(folders))
    if '' in wanted:
        wanted = []
    else:
        there = [name for name in wanted if git(repository, 'cat-file', '-e', f'{commit}:{name}') is not None]
        wanted = there or ['.git']
    place = os.path.join(cache, 'trees', commit[:16] + ('-' + _name(wanted) if wanted else ''))
    if os.path.isdir(place):
        os.utime(place)
        return place
    new = f'{place}.{uuid.uuid4().hex}.new'
    try:
        os.makedirs(new, mode=0o700)
        if wanted != ['.git']:
            _extract(repository, commit, wanted, new)
        os.rename(new, place)
    except OSError as err:
        if not os.path.isdir(place):
            raise LumiHooksError(f'{place} cannot be written: {err.strerror or err}') from err
    finally:
        shutil.rmtree(new, ignore_errors=True)
    _expire(os.path.dirname(place))
    return place


def _extract(repository: str, commit: str, folders: List[str], into: str) -> None:
    with subprocess.Popen([*_GIT, '-C', repository, 'archive', '--format=tar', commit, '--', *folders],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as archive:
        assert archive.stdout
        with tarfile.open(fileobj=archive.stdout, mode='r|') as tar:
            for member in tar:
                # as git has them: files, and links that stay inside
                inside = os.path.normpath(os.path.join(os.path.dirname(member.name), member.linkname))
                if member.isdir() or member.isfile() or member.issym() and not inside.startswith(('..', os.sep)):
                    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
                    member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), '', ''
                    tar.extract(member, into)
            archive.stdout.read()  # what fills the last block up: git would die of a closed pipe
    if archive.returncode:
        raise LumiHooksError(f'git could not give out {commit[:12]} of {repository}: "git fsck" says what is wrong')


def _name(folders: List[str]) -> str:
    from hashlib import sha256
    return sha256('\0'.join(folders).encode('utf-8', 'surrogateescape')).hexdigest()[:8]


def _expire(folder: str) -> None:
    """The versions that were not used for longest go."""
    found = [os.path.join(folder, name) for name in os.listdir(folder) if not name.endswith('.new')]
    for place in sorted(found, key=os.path.getmtime, reverse=True)[_KEEP:]:
        shutil.rmtree(place, ignore_errors=True)
