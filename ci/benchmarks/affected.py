# SPDX-License-Identifier: GPL-2.0-only
"""`lumi-eb affected` of a large catalogue, for changes of five kinds."""
import json
import os
import shutil
import subprocess
import sys
from typing import Callable, Dict, Iterator, List, Mapping, Tuple

from lumishell import ROOT

from lumi_hooks.catalogue import upstream_recipes
from lumi_hooks.survey import every, recipes_below

from .measure import Cost, MeasureError, cost_of
from .registry import Result, Run, benchmark, single

RELEASES, TOOLCHAINS, ENTRIES = ('24.03', '25.03', '25.09'), ('cpeGNU', 'cpeCray'), 2500
COLD, WARM = 60, 15


def _more_code(text: str) -> str:
    """A module's text with a line more that does nothing."""
    return f'{text}\nMORE = 1\n'


def _other_reason(text: str) -> str:
    """A package's data with another treatment: it is left out where others need it."""
    return json.dumps({**json.loads(text), 'as_dependency': {'verb': 'drop', 'reason': 'to be measured'}})


def _one_less(text: str) -> str:
    """A version table without the version of one library."""
    table = json.loads(text)
    del table['libraries']['zlib' if 'zlib' in table['libraries'] else min(table['libraries'])]
    return json.dumps(table)


CHANGES: Tuple[Tuple[str, str, Callable[[str], str]], ...] = (
    ('a package file', 'lumi_hooks/packages/PAPI.json', _other_reason),
    ('a rule', 'lumi_hooks/rules/templates.py', _more_code),
    ('a version table', 'lumi_hooks/sites/lumi/versions/25.03.json', _one_less),
    ('an easyblock', 'easyblocks/fixes/gromacs.py', _more_code),
    ('a comment', 'lumi_hooks/rules/words.py', lambda text: f'{text}\n# more\n'),
)


@benchmark('affected', f'`lumi-eb affected` of {ENTRIES:,} entries of a catalogue for {len(RELEASES)} releases and '
           f'{len(TOOLCHAINS)} compilers, on 2 processes', columns=('median', ''),
           goal=f'at most {COLD} s with nothing kept, at most {WARM} s where the recipes and the old side are kept')
def affected(run: Run) -> Iterator[Result]:
    """Each change once with an empty cache, and once where another change was looked at before."""
    clone, offers, home = run.folder('clone'), run.folder('offers'), run.folder('home')
    for name in ('lumi_hooks', 'easyblocks', 'toolchains', 'easyconfigs', 'setup.cfg'):
        copy = shutil.copytree if os.path.isdir(os.path.join(ROOT, name)) else shutil.copy
        copy(os.path.join(ROOT, name), os.path.join(clone, name))
    for words in (['init', '-q'], ['add', '-A', '-f'],
                  ['-c', 'user.name=ci/bench', '-c', 'user.email=ci@localhost', 'commit', '-qm', 'before']):
        subprocess.run(['git', '-C', clone, *words], check=True)
    env = {'HOME': home, 'PATH': os.environ['PATH'], 'PYTHONPATH': clone, 'PYTHONDONTWRITEBYTECODE': '1'}
    run.tell(f'the catalogue has {_catalogue(run, offers, env)} entries')
    # there, as Python looks for modules in the current folder first
    command = ['env', '-C', clone, sys.executable, '-m', 'lumi_hooks.cli', 'affected', '--json', '--jobs', '2',
               '--repository', clone, '--catalogue', offers]
    cold: Dict[str, List[Cost]] = {}
    warm: Dict[str, List[Cost]] = {}
    said: Dict[str, int] = {}
    for number in range(run.pairs):
        kept = run.folder(f'kept-{number}')
        cost_of(command, {**env, 'XDG_CACHE_HOME': kept})
        for what, file, change in CHANGES:
            path = os.path.join(clone, file)
            with open(path, encoding='utf-8') as stream:
                before = stream.read()
            try:
                with open(path, 'w', encoding='utf-8') as stream:
                    stream.write(change(before))
                for costs, cache in ((warm, kept), (cold, run.folder(f'new-{number}-{len(cold)}'))):
                    costs.setdefault(what, []).append(cost_of(command, {**env, 'XDG_CACHE_HOME': cache}))
                    said[what] = _count(costs[what][-1].output)
            finally:
                with open(path, 'w', encoding='utf-8') as stream:
                    stream.write(before)
            run.tell(f'{number + 1}/{run.pairs} {what}: {warm[what][-1].seconds:.1f} s, with nothing kept '
                     f'{cold[what][-1].seconds:.1f} s; {said[what]} affected')
    for word, found, limit in (('nothing kept', cold, COLD), ('kept', warm, WARM)):
        for what, costs in found.items():
            yield single(f'{what}, {word}', 's', [cost.seconds for cost in costs], limit=limit,
                         note=f'{said[what]:,} affected; CPU {min(cost.cpu for cost in costs):.1f} s')


def _catalogue(run: Run, offers: str, env: Mapping[str, str]) -> int:
    """Write the catalogue: of every fourth of upstream's recipes what can be installed; how many entries it has."""
    sample = run.folder('sample')
    for path in every(sorted(recipes_below(upstream_recipes()), key=os.path.basename), 4):
        os.symlink(path, os.path.join(sample, os.path.basename(path)))
    wanted = [word for name, values in (('--release', RELEASES), ('--toolchain', TOOLCHAINS)) for value in values
              for word in (name, value)]
    cost_of([sys.executable, '-m', 'lumi_hooks.cli', 'catalogue', 'write', offers, sample, '--partition', 'C', *wanted],
            env, codes=(0, 1))
    number = 0
    for release in RELEASES:
        for toolchain in TOOLCHAINS:
            path = os.path.join(offers, release, f'{toolchain}-C.yaml')
            with open(path, encoding='utf-8') as stream:
                lines = stream.read().splitlines(True)
            entries = [line for line in lines if line.startswith('  - ')]
            if len(entries) < ENTRIES:
                raise MeasureError(f'{path} has {len(entries)} entries, which are not enough')
            with open(path, 'w', encoding='utf-8') as stream:
                stream.writelines(lines[:len(lines) - len(entries) + ENTRIES])
            number += ENTRIES
    return number


def _count(output: str) -> int:
    """How many are affected, by what the command printed."""
    return len(json.loads(output[output.index('{'):])['affected'])
