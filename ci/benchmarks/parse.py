# SPDX-License-Identifier: GPL-2.0-only
"""What the hooks add to EasyBuild's reading of recipes that they leave as they are."""
import json
import os
import shlex
from typing import Iterator

from lumishell import HOOKS, Shell

from .measure import cost_of
from .registry import Result, Run, benchmark, compared

PROBE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'parse_probe.py')
SYSTEM, NATIVE = 'SYSTEM recipes', 'recipes that are for cpeGNU already'


@benchmark('parse', 'EasyBuild\'s own parse of recipes that stay unchanged, with the hooks and without',
           goal='at most 5 % longer with the hooks')
def parse(run: Run) -> Iterator[Result]:
    """Each recipe is read in both ways in turn in one process, and the sum of the seconds is compared."""
    shell = Shell(run.folder('EasyBuild'), run.folder('home'))
    times = {SYSTEM: ([], []), NATIVE: ([], [])}
    numbers = {}
    for number in range(run.pairs):
        command = f'python3 {shlex.quote(PROBE)} {shlex.quote(HOOKS)} {run.folder("recipes")} {number}'
        cost = cost_of(shell.arguments(command, hooks=None), shell.environment())
        found = json.loads(cost.output[cost.output.index('{"'):])
        for kind, name in ((SYSTEM, 'system'), (NATIVE, 'native')):
            times[kind][0].append(found[name]['with'] * 1000)
            times[kind][1].append(found[name]['without'] * 1000)
            numbers[kind] = found[name]['recipes']
        run.tell(f'{number + 1}/{run.pairs}: ' + ', '.join(
            f'{kind} {one[-1]:.2f} ms, alone {other[-1]:.2f} ms' for kind, (one, other) in times.items()))
    for kind, (samples, baseline) in times.items():
        yield compared(kind, 'ms', samples, baseline, limit=1.05, note=f'CPU, mean of {numbers[kind]} recipes')
