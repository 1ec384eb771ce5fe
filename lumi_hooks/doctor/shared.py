# SPDX-License-Identifier: GPL-2.0-only
"""
Checks of what several people write to: the folders of a shared prefix that everybody installs below, and the clone
that the hooks are taken from. A bounded number of files is looked at: on Lustre each is a round trip.
"""
import grp
import os
import pwd
import stat
from collections import deque
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Tuple

from .. import sites
from ..data import ROOT
from ..prefix import project_of
from ..prefix.sharing import shared_group
from ..quote import shell
from . import ERROR, WARNING, Situation, check

# in a prefix: folder -> how many levels below it are everybody's (the next ones are one installation's own)
DEPTHS = {'sources': 3, 'SW': 3, 'modules': 5, 'ebfiles_repo': 3, '.lumi-hooks': 1}
# what is run or read of a clone, or of an installation, and how deep that is
CLONE_PARTS, CLONE_DEPTH = ('lumi_hooks', 'easyblocks', 'toolchains', 'easyconfigs', 'bin', 'modulefiles', '.git'), 3
LIMIT = 5000
SHOWN = 3


@dataclass(frozen=True)
class Fault:
    """What may be wrong with a file or folder: level, sentence, what find looks for, and the command that fixes it."""
    level: str
    text: str
    test: str
    commands: Tuple[str, ...]

    def command(self, top: str, depth: int, owner: str, paths: List[str]) -> str:
        """One command for all the paths of an owner below a folder; find, where they are many."""
        if len(paths) <= SHOWN:
            return ' && '.join(f'{command} {" ".join(map(shell, paths))}' for command in self.commands)
        run = ' '.join(f'-exec {command} {{}} +' for command in self.commands)
        return f'find {shell(top)} -maxdepth {depth} -user {shell(owner)} {self.test} {run}'


EVERYBODY = Fault(ERROR, 'everybody can write to {paths}, and so can replace what others in the project use',
                  '-perm -0002 ! -type l', ('chmod o-w',))
CLONE = Fault(ERROR, 'everybody can write to {paths}, and so can decide what the hooks do', '-perm -0002 ! -type l',
              ('chmod o-w',))
CLOSED = Fault(WARNING, 'others in the project cannot enter {paths}, or cannot write there, and so cannot install '
               'anything below', '-type d ! -perm -2070', ('chmod g+rwxs',))
UNREADABLE = Fault(WARNING, 'others in the project cannot read {paths}, and so cannot install what needs that '
                   '(leave it so if the sources are for fewer people)', '-type f ! -perm -0040', ('chmod g+r',))


def other_group(name: str) -> Fault:
    """Folders that belong to another group than the project's."""
    return Fault(WARNING, '{paths} do not belong to the group ' + name + ', whose members are to install below',
                 f'-type d ! -group {shell(name)}', (f'chgrp {shell(name)}', 'chmod g+rwxs'))


def clone_group(name: str) -> Fault:
    """What of a clone a group can write that is not the project's."""
    return Fault(WARNING, f'the group {name} can write to ' '{paths}, which is not that of a project of yours, and so '
                 'decide on what the hooks do', f'-group {shell(name)} -perm -0020 ! -type l', ('chmod g-w',))


@check('shared-folders', 'what others of the project need to install below is open to them, and to nobody else')
def shared_folders(situation: Situation):
    """Not inside `eb`, which sets what it writes itself."""
    if situation.inside or not situation.site.prefix:
        return
    group, left = shared_group(situation.site.prefix), [LIMIT]
    for name, depth in DEPTHS.items():
        top = os.path.join(situation.site.prefix, name)
        found: Dict[Tuple[Fault, str], List[str]] = {}
        for path, status in walk(top, depth, left):
            fault = _fault(status, group, name == 'sources')
            if fault and not (name == 'SW' and _of_container(path, top)):
                found.setdefault((fault, _user(status.st_uid)), []).append(path)
        yield from _tell(found, top, depth)
    if not left[0]:
        prefix = situation.site.prefix
        yield WARNING, f'{prefix} holds more than the {LIMIT:,} files and folders that were looked at: ' \
                       f'find {shell(prefix)}/sources -type d ! -perm -2070 lists what else is closed'


@check('clone', 'nobody else can write to the clone with the hooks')
def clone(situation: Situation):
    """Not inside `eb`: these hooks run already."""
    if situation.inside:
        return
    top, left = os.path.dirname(os.path.realpath(ROOT)), [LIMIT]
    groups = {0, *(shared_group(prefix) for prefix in situation.site.prefixes)}
    project = project_of(top)
    found: Dict[Tuple[Fault, str], List[str]] = {}
    parts = (entry for name in CLONE_PARTS for entry in walk(os.path.join(top, name), CLONE_DEPTH, left))
    for path, status in (*_above(top), *walk(top, 0, left), *parts):
        name = _group(status.st_gid)
        if stat.S_ISLNK(status.st_mode):
            continue
        fault = None
        if status.st_mode & stat.S_IWOTH:
            fault = CLONE
        elif status.st_mode & stat.S_IWGRP and status.st_gid not in groups and name != project \
                and not _private(status.st_gid, status.st_uid):
            fault = clone_group(name)
        if fault:
            found.setdefault((fault, _user(status.st_uid)), []).append(path)
    yield from _tell(found, top, CLONE_DEPTH + 1)
    if not left[0]:
        yield WARNING, f'{top} holds more than the {LIMIT:,} files and folders that were ' \
                       f'looked at: find {shell(top)} -perm -0002 ! -type l lists what else everybody can write to'


def walk(top: str, depth: int, left: List[int]) -> Iterator[Tuple[str, os.stat_result]]:
    """
    A folder and what is below it, nearest first, without following links; what cannot be seen is left out.

    :param depth: levels below it
    :param left: one number: how many may be looked at still; it is counted down
    """
    places = deque([(top, 0)])
    while places and left[0]:
        path, level = places.popleft()
        left[0] -= 1
        try:
            status = os.lstat(path)
        except OSError:
            continue
        yield path, status
        if stat.S_ISDIR(status.st_mode) and level < depth:
            try:
                places.extend((os.path.join(path, name), level + 1) for name in sorted(os.listdir(path)))
            except OSError:
                continue


def _fault(status: os.stat_result, group: Optional[int], files: bool) -> Optional[Fault]:
    """
    What is wrong with a file or folder in a prefix.

    :param group: of the project; None where the prefix is one person's
    :param files: are files looked at too?
    """
    mode, is_folder = status.st_mode, stat.S_ISDIR(status.st_mode)
    if stat.S_ISLNK(mode) or not (is_folder or files):
        return None
    if mode & stat.S_IWOTH and not (is_folder and mode & stat.S_ISVTX):
        return EVERYBODY
    if group is None:
        return None
    if is_folder and status.st_gid != group:
        return other_group(_group(group))
    if is_folder and mode & (stat.S_ISGID | stat.S_IRWXG) != stat.S_ISGID | stat.S_IRWXG:
        return CLOSED
    if stat.S_ISREG(mode) and status.st_gid == group and not mode & stat.S_IRGRP:
        return UNREADABLE
    return None


def _of_container(path: str, top: str) -> bool:
    """Is a folder below SW not one of the site's stacks (SW/container/name/version)? It has a level less."""
    stack = sites.site()['layout']['software'].partition('/')[2].partition('{')[0]
    return not os.path.relpath(path, top).startswith((stack, '.'))


def _tell(found: Dict[Tuple[Fault, str], List[str]], top: str, depth: int) -> Iterator[Tuple[str, str]]:
    """One finding for each fault and owner."""
    for (fault, owner), paths in found.items():
        more = f' and {len(paths) - SHOWN} more' if len(paths) > SHOWN else ''
        said = fault.text.format(paths=', '.join(paths[:SHOWN]) + more)
        who = '' if owner == _user(os.geteuid()) else f'ask {owner} to run: '
        yield fault.level, f'{said}: {who}{fault.command(top, depth, owner, paths)}'


def _above(path: str) -> Iterator[Tuple[str, os.stat_result]]:
    """The folders above one in which everybody could exchange it (not so with the sticky bit, as in /tmp)."""
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        status = os.lstat(path)
        if not status.st_mode & stat.S_ISVTX and status.st_mode & stat.S_IWOTH:
            yield path, status


def _private(group: int, user: int) -> bool:
    """Is a group the user's own, that nobody else is in (of the same number or name)?"""
    return group == user or _group(group) == _user(user)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
