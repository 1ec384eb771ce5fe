# SPDX-License-Identifier: GPL-2.0-only
"""
The stack of prefixes: the user's own on top of the project's, on top of the central stack.

Each has the site's own layout of a user's tree (`layout` in sites/), so that what is installed there keeps working. New
software goes into the top one, which a variable of the site names ($EBU_USER_PREFIX on LUMI); dependencies are found in
all of them. Which ones lie below is said by $LUMI_HOOKS_PREFIXES (a list like PATH, top first), or by a file in the top
one. The module lumi-hooks reads the same (modulefiles/lumi-hooks.lua): the file is a plain list for its sake.
"""
import os
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .. import sites
from ..areas import area_of, project_of
from ..errors import DataError, SiteError, TrustError
from ..files import read_text
from ..trust.judge import Judge
from ..trust.owners import trusted

# in a prefix: the prefixes below it, one a line
FILE = os.path.join('.lumi-hooks', 'prefixes')
VARIABLE = 'LUMI_HOOKS_PREFIXES'
# in a prefix: notes of what was removed or replaced and is kept for some days (held.py), and of what is set aside while
# it is replaced (eb/lifecycle/rollback.py)
LEFT_OVER = (os.path.join('.lumi-hooks', 'removed'), os.path.join('.lumi-hooks', 'aside'))
# what the module lumi-hooks found when it was loaded
LOADED = 'LUMI_HOOKS_LOADED_PREFIXES'
# more of them is a mistake, not a stack
LIMIT = 16


def top_of(env: Mapping[str, str] = os.environ) -> str:
    """The prefix that software is installed into: the user's, or for the site's own staff $EASYBUILD_PREFIX."""
    staff = (env.get('LUMI_HOOKS_MODE') or env.get(sites.variable('mode')) or 'user') != 'user'
    return env.get('EASYBUILD_PREFIX', '') if staff else user_prefix(env)


def user_prefix(env: Mapping[str, str] = os.environ) -> str:
    """Where the user's software goes: as the site's variable says, or its folder at home where that is not set."""
    if sites.variable('prefix') in env:
        return env[sites.variable('prefix')]
    return os.path.join(env['HOME'], sites.layout('home')) if env.get('HOME') else ''


def stack_of(top: str, env: Mapping[str, str] = os.environ) -> Tuple[str, ...]:
    """
    The prefixes, top first; empty where there is none.

    :param top: where new software goes
    :raises SiteError: $LUMI_HOOKS_PREFIXES contradicts `top`, or names what is no absolute path
    :raises DataError: a file of prefixes is wrong
    :raises TrustError: others could have written that of the top prefix
    """
    named = [path for path in env.get(VARIABLE, '').split(os.pathsep) if path]
    if not top:
        return ()
    if not named:
        return tuple(_below(os.path.normpath(top), {}, env))
    wrong = [path for path in named if not os.path.isabs(path)]
    if wrong:
        raise SiteError(f'{VARIABLE} names {wrong[0]}, which is no absolute path')
    if os.path.normpath(named[0]) != os.path.normpath(top):
        raise SiteError(f'{VARIABLE} starts with {named[0]}, and software is installed into {top}: the first of the '
                        'list is the one that is installed into, so make it the same as '
                        f'{sites.variable("prefix")}')
    return tuple(dict.fromkeys(map(os.path.normpath, named)))


def read_file(path: str) -> Tuple[str, ...]:
    """
    A file of prefixes: absolute paths, one a line; lines that begin with # and empty ones are left out.

    :raises DataError: it can't be read, or a line is no such path; the message names it
    """
    try:
        lines = read_text(path, errors='strict').split('\n')
    except (OSError, UnicodeDecodeError) as err:
        reason = err.strerror if isinstance(err, OSError) else 'it is not text'
        raise DataError(f'{path}: cannot be read ({reason})') from err
    found: List[str] = []
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith('#'):
            continue
        if not line.startswith('/') or os.pathsep in line or not line.isprintable():
            raise DataError(f'{path}, line {number}: {line!r} is not a prefix: give an absolute path without a colon')
        if line in found:
            raise DataError(f'{path}, line {number}: {line} is there twice: remove one of them')
        found.append(line)
    if len(found) > LIMIT:
        raise DataError(f'{path} names {len(found)} prefixes; up to {LIMIT} can be stacked')
    return tuple(found)


def _below(top: str, seen: Dict[str, None], env: Mapping[str, str]) -> Dict[str, None]:
    """
    A prefix, what its file names, and what theirs name: each once, in this order. The file of a lower prefix that
    others can write to is not followed.
    """
    first = not seen
    seen[top] = None
    path = os.path.join(top, FILE)
    if os.path.lexists(path):
        reason = Judge(trusted(tuple(seen), env)).why_not(path)
        if reason and first:
            raise TrustError(f'{path} is not followed, as it names prefixes that code is taken from: {reason}')
        for prefix in map(os.path.normpath, () if reason else read_file(path)):
            if prefix not in seen:
                _below(prefix, seen, env)
    if len(seen) > LIMIT:
        raise DataError(f'{path}: more than {LIMIT} prefixes would be stacked')
    return seen


def module_folders(prefix: str, stack: str, partition: str) -> List[str]:
    """
    The folders of a prefix with modules for a stack and partition, in the site's order.

    :param stack: version of the stack's module (site.stack_version)
    """
    containers = sites.site()['layout'].get('containers')
    return _folders('modules', prefix, stack, partition) + ([os.path.join(prefix, containers)] if containers else [])


def archive_folders(prefix: str, stack: str, partition: str) -> List[str]:
    """The folders of a prefix with the recipes of what was installed there."""
    return _folders('archive', prefix, stack, partition)


def own_folders(prefix: str, stack: str, partition: str) -> List[str]:
    """The folders of a prefix with recipes that its owners wrote."""
    return [os.path.join(prefix, sites.layout('recipes'))]


def source_folders(prefix: str, stack: str = '', partition: str = '') -> List[str]:
    """The folders of a prefix with the sources of what was installed there."""
    return [os.path.join(prefix, sites.layout('sources'))]


def _folders(key: str, prefix: str, stack: str, partition: str) -> List[str]:
    """The folders of a kind, of a partition and of what all partitions see."""
    names = (partition, sites.site()['partitions'].get('common', partition))
    return list(dict.fromkeys(os.path.join(prefix, sites.layout(key, stack, name)) for name in names))


Folders = Callable[[str, str, str], List[str]]


def stacked(path: Sequence[str], folders: Folders, prefixes: Sequence[str], stack: str, partition: str) -> List[str]:
    """
    A search path with the folders of the lower prefixes in their places: right behind those of the prefixes above.
    Folders that do not exist are left out, those that are there already stay where they are.

    :param folders: gives the folders of a prefix; `stack` and `partition` are handed to it
    :param prefixes: top first
    """
    if len(prefixes) < 2:  # to resolve links costs a look at each folder on the way
        return list(path)
    found, above = list(path), set(map(os.path.realpath, folders(prefixes[0], stack, partition)))
    for prefix in prefixes[1:]:
        wanted = folders(prefix, stack, partition)
        there = [os.path.realpath(entry) for entry in found]
        place = 1 + max((position for position, entry in enumerate(there) if entry in above), default=-1)
        found[place:place] = [folder for folder in wanted
                              if os.path.isdir(folder) and os.path.realpath(folder) not in there]
        above.update(map(os.path.realpath, wanted))
    return found


def module_path(path: Sequence[str], prefixes: Sequence[str], stack: str, partition: str) -> List[str]:
    """MODULEPATH with the modules of all prefixes (see `stacked`)."""
    return stacked(path, module_folders, prefixes, stack, partition)


def robot_path(path: Sequence[str], prefixes: Sequence[str], stack: str, partition: str) -> List[str]:
    """The robot path with the recipes of all prefixes (see `stacked`)."""
    found = stacked(path, archive_folders, prefixes, stack, partition)
    return stacked(found, own_folders, prefixes, stack, partition)


def source_path(path: Sequence[str], prefixes: Sequence[str], stack: str, partition: str) -> List[str]:
    """
    Where sources are looked for, with those of all prefixes (see `stacked`). The first folder, which is downloaded to,
    stays the first.
    """
    if not path:
        return []
    first, rest = list(path[:1]), list(path[1:])
    known = set(map(os.path.realpath, first))
    return first + [folder for folder in stacked(rest, source_folders, prefixes, stack, partition)
                    if folder in rest or os.path.realpath(folder) not in known]


def holder(path: str, prefixes: Sequence[str]) -> Optional[str]:
    """The prefix that a file or folder lies in, None where it lies in none of them (the central stack's)."""
    real = os.path.realpath(path)
    inside = [prefix for prefix in prefixes if (real + os.sep).startswith(os.path.realpath(prefix).rstrip('/') + '/')]
    # one prefix may lie in another
    return max(inside, key=lambda prefix: len(os.path.realpath(prefix)), default=None)


def name_of(prefix: Optional[str], prefixes: Sequence[str]) -> str:
    """A prefix as users say it: "your own prefix", "the prefix of project_465000000", "the central stack"."""
    if prefix is None:
        return 'the central stack'
    area = area_of(prefix)
    if area and area['group']:
        return f'the prefix of {project_of(prefix)}'
    return 'your own prefix' if prefixes and prefix == prefixes[0] else f'the prefix {prefix}'


def changes_since_loaded(stack: Sequence[str], env: Mapping[str, str] = os.environ) -> Optional[str]:
    """
    What was changed of the prefixes after modules were loaded, as a sentence that says what to do; None if nothing.

    The site's modules write the prefix into MODULEPATH and EASYBUILD_* when they are loaded, and LUMI's leave stale
    entries even after `module --force purge`.
    """
    loaded = env.get('EASYBUILD_PREFIX', '')
    if env.get(sites.variable('mode'), 'user') == 'user' and loaded and stack \
            and os.path.realpath(loaded) != os.path.realpath(stack[0]):
        return f'{sites.variable("prefix")} is {stack[0]} now, and was {loaded} when ' \
               f'{sites.said("easybuild", mode="user")} was loaded. {sites.said("prefix_changed")}'
    if LOADED in env:
        before = [path for path in env[LOADED].split(os.pathsep) if path]
        if list(map(os.path.realpath, before)) != list(map(os.path.realpath, stack)):
            return f'the stack of prefixes is {" on ".join(stack)} now, and was {" on ".join(before)} when the ' \
                   'module lumi-hooks was loaded: load it again (module unload lumi-hooks; module load lumi-hooks)'
    return None
