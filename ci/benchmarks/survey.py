# SPDX-License-Identifier: GPL-2.0-only
"""`lumi-eb survey` of all of upstream's recipes."""
import json
import os
import sys
from typing import Iterator

from lumishell import ROOT

from .measure import MeasureError, cost_of
from .registry import Result, Run, benchmark, single


@benchmark('survey', '`lumi-eb survey` of all of upstream\'s recipes on 2 processes', columns=('median', ''),
           goal='at most 60 s the first time, at most 5 s again with nothing changed, at most 600 MB of memory')
def survey(run: Run) -> Iterator[Result]:
    """The first time, with an empty cache, and again."""
    first, again, recipes, failed = [], [], 0, 0
    for number in range(run.pairs):
        env = {'HOME': run.folder('home'), 'PATH': os.environ['PATH'], 'PYTHONPATH': ROOT,
               'XDG_CACHE_HOME': run.folder(f'cache-{number}')}
        command = [sys.executable, '-m', 'lumi_hooks.cli', 'survey', '--json', '--jobs', '2']
        for samples in (first, again):
            cost = cost_of(command, env, codes=(0, 1))
            said = json.loads(cost.output[cost.output.index('{'):])
            if said['cached'] is not (samples is again):
                raise MeasureError(f'the survey was {"" if said["cached"] else "not "}taken from the cache')
            recipes, failed = said['recipes'], len(said['failed'])
            samples.append(cost)
        run.tell(f'{number + 1}/{run.pairs}: {first[-1].seconds:.1f} s, again {again[-1].seconds:.1f} s')
    note = f'{recipes:,} recipes, {failed} failed; CPU {min(cost.cpu for cost in first):.1f} s'
    yield single('the first time', 's', [cost.seconds for cost in first], limit=60, note=note)
    yield single('again, nothing changed', 's', [cost.seconds for cost in again], limit=5)
    yield single('memory of all processes', 'MB', [max(one.peak, two.peak) for one, two in zip(first, again)],
                 limit=600, note='sum of the resident memory, shared pages counted for each process')
