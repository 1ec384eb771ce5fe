# SPDX-License-Identifier: GPL-2.0-only
"""
File-system calls of `eb -D` of a recipe without dependencies that name a path of the library or of the prefix: on
Lustre each is a round trip to a server that all users share.
"""
import os
import re
import shutil
from typing import Iterator

from lumishell import ROOT, Shell

from .measure import MeasureError, cost_of
from .registry import Result, Run, benchmark, single

RECIPE = 'lz4-1.10.0-GCCcore-14.2.0.eb'
LIMIT = 600
_CALL = re.compile(r'(?:\d+ +)?\w+\(')


@benchmark('file-calls', 'file-system calls of `eb -D` of a recipe without dependencies, on paths of the library and '
                         'of the prefix', goal=f'at most {LIMIT}', columns=('median', ''))
def file_calls(run: Run) -> Iterator[Result]:
    """Counted by strace in a second run, when all that is written once has been."""
    if not shutil.which('strace'):
        raise MeasureError('strace is not installed: apt-get install strace')
    shell = Shell(run.folder('EasyBuild'), run.folder('home'))
    trace = os.path.join(run.work, 'trace')
    command = f'cd {shell.home} && eb {RECIPE} -D && strace -f -e trace=%file -o {trace} eb {RECIPE} -D'
    found = []
    for number in range(run.pairs):
        cost_of(shell.arguments(command), shell.environment())
        with open(trace, encoding='utf-8', errors='replace') as handle:
            calls = [line for line in handle if _CALL.match(line)]
        found.append([sum(path + os.sep in line or f'{path}"' in line for line in calls)
                      for path in (ROOT, shell.prefix)])
        run.tell(f'{number + 1}/{run.pairs}: {found[-1][0]} and {found[-1][1]}')
    library, prefix = found[-1]
    yield single(RECIPE, 'calls', [sum(one) for one in found], limit=LIMIT,
                 note=f'{library} on paths of the library, {prefix} on those of the prefix')
