# SPDX-License-Identifier: GPL-2.0-only
"""
`eb -D -r` with and without the hooks: CPU seconds of all its processes, Lmod's included, which other work on the
machine changes less than the clock.
"""
import shutil
from statistics import median
from typing import Iterator

from lumishell import HOOKS, Shell

from .measure import Cost, alternating, cost_of
from .registry import Result, Run, benchmark, compared

RECIPES = ('GROMACS-2025.2-foss-2025a.eb', 'QuantumESPRESSO-7.5-foss-2025b.eb', 'OpenFOAM-v2506-foss-2025b.eb',
           'Hypre-2.32.0-foss-2024a.eb', 'mpi4py-4.1.0-gompi-2025a.eb')


@benchmark('dry-run', '`eb RECIPE -D -r` with the hooks and with LUMI\'s own hooks file only, CPU seconds',
           goal='with the hooks it takes no longer, as the plan is smaller: at the first run, which writes the adapted '
                'recipes, and at every later one')
def dry_run(run: Run) -> Iterator[Result]:
    """First and later runs with the hooks, each beside one without them."""
    shell = Shell(run.folder('EasyBuild'), run.folder('home'))
    for recipe in RECIPES:
        run.tell(recipe)
        upstream = 'export EASYBUILD_ROBOT_PATHS=:"$(dirname "$(dirname "$(command -v eb)")")/easybuild/easyconfigs"'
        command = f'eb {recipe} -D -r'

        def without(command=command, upstream=upstream) -> Cost:
            return cost_of(shell.arguments(f'{upstream}; {command}', hooks=None), shell.environment())

        def first(command=command) -> Cost:
            shutil.rmtree(f'{shell.prefix}/.lumi-hooks', ignore_errors=True)
            return later(command)

        def later(command=command) -> Cost:
            return cost_of(shell.arguments(command, hooks=HOOKS), shell.environment())

        for name, measure in (('first', first), ('later', later)):
            with_hooks, alone = alternating(run.pairs, measure, without, run.tell)
            note = f'{count(with_hooks[-1].output)} instead of {count(alone[-1].output)} modules to install; by the ' \
                   f'clock {median(item.seconds for item in with_hooks):.1f} instead of ' \
                   f'{median(item.seconds for item in alone):.1f} s'
            yield compared(f'{recipe}, {name}', 's', [item.cpu for item in with_hooks],
                           [item.cpu for item in alone], limit=1.0, note=note)


def count(output: str) -> int:
    """How many modules a dry run lists as not installed."""
    return sum(line.startswith(' * [ ]') for line in output.splitlines())
