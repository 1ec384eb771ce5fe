# SPDX-License-Identifier: GPL-2.0-only
"""The results as tables, as JSON and as a page of the documentation."""
import datetime
import os
import platform
import re
import subprocess
from typing import Any, Dict, List, Mapping, Sequence

from lumishell import ROOT

from .registry import BENCHMARKS, Result

DEFAULT = os.path.join(ROOT, 'docs', 'bench.md')
Found = Mapping[str, Sequence[Result]]

HEAD = """# What it costs

Written by `ci/bench --write-docs` on {date}: run it again instead of editing this page.

| | |
|---|---|
{facts}

Measured in {pairs} alternating pairs in one run; the values are medians, the ratio is the median of the pairs' ratios.
"""


def facts() -> Dict[str, str]:
    """What the figures are true of."""
    from importlib.metadata import version

    from lumi_hooks import __version__
    with open('/proc/cpuinfo', encoding='utf-8') as handle:
        model = re.search(r'^model name\s*:\s*(.*)', handle.read(), re.M)
    with open('/proc/meminfo', encoding='utf-8') as handle:
        memory = re.search(r'^MemTotal:\s*(\d+)', handle.read(), re.M)
    commit = subprocess.run(['git', '-C', ROOT, 'describe', '--always', '--dirty'], stdout=subprocess.PIPE, text=True,
                            stderr=subprocess.DEVNULL, check=False).stdout.strip()
    return {'lumi-hooks': f'{__version__} ({commit})' if commit else __version__,
            'EasyBuild': ', '.join(f'{name} {version(f"easybuild-{name}")}'
                                   for name in ('framework', 'easyblocks', 'easyconfigs')),
            'Python': platform.python_version(),
            'machine': f'{os.cpu_count()} cores of {model.group(1).strip() if model else platform.machine()}, '
                       f'{int(memory.group(1)) / 1e6 if memory else 0:.0f} GB; not a Cray',
            'other work': 'load average %.1f, %.1f, %.1f (1, 5, 15 minutes) at the end' % os.getloadavg()}


def as_json(found: Found) -> Dict[str, Any]:
    """Everything that was measured."""
    return {'date': datetime.date.today().isoformat(), 'facts': facts(),
            'benchmarks': {name: {'title': BENCHMARKS[name].title, 'goal': BENCHMARKS[name].goal,
                                  'results': [result.as_json() for result in results]}
                           for name, results in found.items()}}


def tables(found: Found) -> str:
    """A table a benchmark, in Markdown."""
    lines: List[str] = []
    for name, results in found.items():
        item = BENCHMARKS[name]
        first, second = item.columns
        lines.append(f'\n## {name}: {item.title}\n\nGoal: {item.goal}.\n')
        lines.append(f'| what | {first} | {second} | ratio | limit | met | note |')
        lines.append('|---|---:|---:|---:|---:|---|---|')
        for result in results:
            limit = '' if result.limit is None else f'{result.limit:g}' if result.ratio is not None \
                else _value(result.limit, result.unit)
            met = {None: '', True: 'yes', False: '**no**'}[result.met]
            lines.append(f'| {result.what} | {_value(result.value, result.unit)} | '
                         f'{_value(result.baseline, result.unit)} | '
                         f'{"" if result.ratio is None else f"{result.ratio:.3f}"} | {limit} | {met} | {result.note} |')
    return '\n'.join(lines)


def write(path: str, found: Found, pairs: int) -> None:
    """Write the page."""
    from lumi_hooks.files import write_atomic
    rows = '\n'.join(f'| {name} | {value} |' for name, value in facts().items())
    head = HEAD.format(date=datetime.date.today().isoformat(), facts=rows, pairs=pairs)
    write_atomic(path, head + tables(found) + '\n')


def _value(value, unit: str) -> str:
    """A figure with its unit, in a sensible number of digits."""
    if value is None:
        return ''
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f'{value:.{digits}f} {unit}'
