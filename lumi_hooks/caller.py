# SPDX-License-Identifier: GPL-2.0-only
"""
What the shell that starts `eb` has set for work of its own, and what of it would change a build: a compiler's options,
a conda environment, folders of other libraries. The names are data (caller.json).

Loaded modules set variables of the same names, and those are meant. Which are theirs Lmod tells: what would be left if
all modules were unloaded is the caller's. Folders of the system (the Cray PE, ROCm, LUMI's stack, /usr) are nobody's.
"""
import ast
import os
import re
import subprocess
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

from . import sites
from .data import ROOT
from .schemas import checked
from .verify.locations import Locations, find_locations, under

# names of variables that stay, a list like PATH
KEEP = 'LUMI_HOOKS_KEEP_ENVIRONMENT'
VALUE, LIST, PREFIX, TOLD = 'value', 'list', 'prefix', 'told'
_SET = re.compile(r'^os\.environ\["(\w+)"\]\s*=\s*("(?:[^"\\]|\\.)*");?\s*$', re.M)
_GONE = re.compile(r'^del os\.environ\["(\w+)"\]', re.M)


class Foreign(NamedTuple):
    """
    A variable of the caller's.

    :ivar parts: its folders that are the caller's; the whole value where it is no list
    :ivar value: what a build should see in its place; None where it should not see it at all
    :ivar does: what it does to a build
    """
    name: str
    kind: str
    parts: Tuple[str, ...]
    value: Optional[str]
    does: str


def foreign(env: Mapping[str, str] = os.environ) -> List[Foreign]:
    """
    The caller's variables that would change a build, in the order of the data. Lmod is asked once, and only where a
    variable is set that may be one. Empty where modules are loaded and Lmod does not say which variables are theirs.
    """
    locations = find_locations('/nowhere', env)
    keep = {name for name in env.get(KEEP, '').split(':') if name}
    entries = [(name, entry['kind'], entry['does']) for entry in sites.filled(checked('caller.json'))['variables']
               for name in entry['names'] if env.get(name) and name not in keep]
    suspects = [entry for entry in entries if _parts(entry[0], entry[1], env, env, locations)]
    left = without_modules(env) if suspects else {}
    if left is None:
        return []
    found = []
    for name, kind, does in suspects:
        parts = _parts(name, kind, env, left, locations)
        if parts:
            rest = [part for part in env[name].split(os.pathsep) if part not in parts]
            found.append(Foreign(name, kind, parts, os.pathsep.join(rest) if kind in (LIST, TOLD) and any(rest) else
                                 None, does))
    prefixes = [part for one in found if one.kind == PREFIX for part in one.parts]
    path = env.get('PATH', '').split(os.pathsep)
    gone = tuple(dict.fromkeys(part for part in path if under(part, prefixes)))
    if gone and 'PATH' not in keep:
        names = ' and '.join(one.name for one in found if one.kind == PREFIX)
        found.append(Foreign('PATH', LIST, gone, os.pathsep.join(part for part in path if part not in gone),
                             f'programs of the environment that {names} names are run instead of the system\'s '
                             'and the dependencies\''))
    return found


def _parts(name: str, kind: str, env: Mapping[str, str], left: Mapping[str, str],
           locations: Locations) -> Tuple[str, ...]:
    """What of a variable is the caller's, by what would be left of it without modules."""
    if kind in (VALUE, PREFIX):
        return (env[name],) if left.get(name) == env[name] else ()
    theirs = left.get(name, '').split(os.pathsep)
    return tuple(dict.fromkeys(part for part in env[name].split(os.pathsep)
                               if part and part in theirs and not _of_the_system(part, locations)))


def _of_the_system(folder: str, locations: Locations) -> bool:
    standin = () if locations.system == '/' else (os.path.join(locations.system, 'opt'),)
    # lumi-hooks itself: its modules, and its package for lumi-eb
    more = (*locations.central, os.path.dirname(ROOT), '/etc', '/opt', *standin)
    return locations.is_system(folder) or under(folder, more)


def without_modules(env: Mapping[str, str]) -> Optional[Dict[str, str]]:
    """
    The environment that would be left if all modules were unloaded. Lmod says it in a process of its own; its answer
    is read, not run, and nothing is unloaded.

    :return: None where modules are loaded and Lmod does not answer
    """
    left = dict(env)
    if not env.get('LOADEDMODULES'):
        return left
    command = env.get('LMOD_CMD', '')
    if not os.path.isfile(command):
        return None
    try:
        done = subprocess.run([command, 'python', '--force', 'purge'], capture_output=True, text=True, check=False,
                              env=dict(env), timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode or 'LOADEDMODULES' not in done.stdout:
        return None
    for name, text in _SET.findall(done.stdout):
        try:
            left[name] = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            return None
    for name in _GONE.findall(done.stdout):
        left.pop(name, None)
    return left
