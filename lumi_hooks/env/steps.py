# SPDX-License-Identifier: GPL-2.0-only
"""
Commands of an environment's steps: scripts that change from what the one module sets to what a step sets, and run a
program there. What each sets was found out with Lmod when the environment was installed, so nothing is loaded when they
run. From whichever step they are called, what the others set goes.
"""
import os
import re
import shutil
from typing import Dict, List, Mapping, Optional, Sequence

from .. import quote
from .module import is_own

# variables that are lists of folders
_LIST = re.compile(r'.*PATH$|.*_DIRS$|LOADEDMODULES$')

_SCRIPT = '''#!/bin/sh
# {comment}
without() {{  # the value of $1 without the entries of $2
    eval "rest=\\${{$1:-}}" out=
    for entry in $rest; do
        case ":$2:" in *":$entry:"*) ;; *) out="${{out:+$out:}}$entry" ;; esac
    done
}}
command=${{0##*/}}
case $command in
    {launcher}) [ $# -gt 0 ] || {{ echo "usage: {launcher} COMMAND ..." >&2; exit 2; }} ;;
{programs}
    *) echo "$command is no command of this step" >&2; exit 127 ;;
esac
set -f; IFS=:
{settings}
set +f; unset IFS rest out entry command
exec {mount}"$@"
'''


def launcher(step: str) -> str:
    """The command that runs any program in a step: in-prepare python3 x.py."""
    return f'in-{step}'


def script(step: str, own: Mapping[str, str], all_: Sequence[Mapping[str, str]], base: Mapping[str, str],
           programs: Mapping[str, str], mount: str = '') -> str:
    """
    The script of a step; links to it are its commands.

    :param own: the environment in the step
    :param all_: the environments in all steps, and that of the module
    :param base: the environment without any of them
    :param programs: command -> path of its program
    :param mount: a script that runs a command with the image mounted; none where nothing is packed
    """
    names = sorted({name for env in all_ for name, value in env.items()
                    if base.get(name) != value and not is_own(name)})
    settings: List[str] = []
    for name in names:
        value = own.get(name)
        if _LIST.match(name):
            known = _entries(base.get(name))
            others = dict.fromkeys(entry for env in all_ for entry in _entries(env.get(name)) if entry not in known)
            mine = [entry for entry in _entries(value) if entry not in known]
            settings.append(f'without {name} {quote.shell(":".join(others))}')
            settings.append(f'export {name}={quote.shell(":".join(mine))}"${{out:+:$out}}"' if mine else
                            f'if [ -n "$out" ]; then export {name}="$out"; else unset {name}; fi')
        elif value is None:
            settings.append(f'unset {name}')
        else:
            settings.append(f'export {name}={quote.shell(value)}')
    cases = [f'    {quote.shell(name)}) set -- {quote.shell(path)} "$@" ;;' for name, path in programs.items()]
    return _SCRIPT.format(comment=quote.comment(f'the step {step} of an environment, written by lumi-eb env'),
                          launcher=launcher(step), programs='\n'.join(cases), settings='\n'.join(settings),
                          mount=f'{quote.shell(mount)} ' if mount else '')


def programs(commands: Sequence[str], roots: Sequence[str], env: Mapping[str, str]) -> Dict[str, str]:
    """
    The programs that a step offers, by command.

    :param commands: those that are wanted; where none are named, all in the folders bin of `roots`
    :param env: the environment in the step
    :raises KeyError: one of them is not there
    """
    found: Dict[str, str] = {}
    if not commands:
        for root in roots:
            folder = os.path.join(root, 'bin')
            for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
                path = os.path.join(folder, name)
                if os.access(path, os.X_OK) and not os.path.isdir(path):
                    found.setdefault(name, path)
    for name in commands:
        program = shutil.which(name, path=env.get('PATH', ''))
        if not program:
            raise KeyError(name)
        found[name] = program
    return found


def _entries(value: Optional[str]) -> List[str]:
    return [entry for entry in (value or '').split(':') if entry]
