# SPDX-License-Identifier: GPL-2.0-only
"""
The page of a run: recipes and targets, with search and filter, and for each what was changed and what went wrong.

One file that asks for nothing else. What others wrote is data in it, which page.js shows as text; a browser runs that
script alone (Content-Security-Policy).
"""
import base64
import hashlib
import os
import time
from typing import Any, Dict, List

from .. import quote
from ..errors import LumiHooksError
from ..files import read_text
from ..record.failed import read_log
from .run import Run, difference
from .script import LOG
from .tasks import BUILT, SAME, STATES, Task

_FOLDER = os.path.dirname(os.path.abspath(__file__))
# of the log of what failed: its last lines
_LINES, _LONGEST = 200, 40_000


def html(run: Run) -> str:
    """The page."""
    logic, style = (read_text(os.path.join(_FOLDER, name)) for name in ('page.js', 'page.css'))
    policy = f"default-src 'none'; img-src data:; script-src '{_digest(logic)}'; style-src '{_digest(style)}'"
    title = f'Rebuild {run.name}'
    return '\n'.join([
        '<!DOCTYPE html>', '<html lang="en">', '<head>', '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{quote.html(policy)}">',
        '<meta name="viewport" content="width=device-width">', '<link rel="icon" href="data:,">',
        f'<title>{quote.html(title)}</title>', f'<style>{style}</style>', '</head>', '<body>',
        f'<h1>{quote.html(title)}</h1>',
        f'<p>Begun {_when(run.created)}, as of {_when(time.time())}; {len(run.tasks)} modules, '
        f'{"on Slurm" if run.on == "slurm" else "on " + quote.html(run.host)}.</p>',
        '<form id="tools"><input id="search" type="search" placeholder="recipe, module, reason, error" '
        'aria-label="search"><span id="states"></span><label>for <select id="target"></select></label>'
        '<output id="shown"></output></form>',
        '<table><thead><tr id="head"></tr></thead><tbody id="rows"></tbody></table>',
        '<noscript><p>This page needs JavaScript; report.md does not.</p></noscript>',
        f'<script type="application/json" id="data">{quote.script(data(run))}</script>',
        f'<script>{logic}</script>', '</body>', '</html>', ''])


def data(run: Run) -> Dict[str, Any]:
    """What page.js shows: a row a recipe, with a cell a target."""
    targets = sorted({task.target for task in run.tasks})
    rows: Dict[str, List[List[Any]]] = {}
    for task in run.tasks:
        rows.setdefault(os.path.basename(task.recipe), []).append([targets.index(task.target), _cell(run, task)])
    return {'targets': targets, 'states': list(STATES), 'rows': [[name, cells] for name, cells in rows.items()]}


def _cell(run: Run, task: Task) -> Dict[str, Any]:
    last = task.last
    error = task.error or {}
    good = task.state in (BUILT, SAME)
    found = {
        'module': task.module, 'state': task.state, 'seconds': round(task.seconds), 'reason': task.reason,
        'change': ': '.join(filter(None, (task.change, task.why))) or ('' if task.asked else
                                                                       'needed by what was asked for'),
        'needs': [run.task(name).module for name in task.needs], 'difference': difference(run, task),
        'error': '\n'.join(error.get('context', ())), 'means': error.get('means', ''),
        'advice': error.get('advice', ''),
        'jobs': [[one.job, one.host, one.state, ', '.join(f'{name} {"passed" if not code else f"failed ({code})"} in '
                                                          f'{seconds} s' for name, code, seconds in one.steps)]
                 for one in task.attempts],
        'log': '' if good or not last else _end(os.path.join(run.folder_of(task, last), LOG)),
    }
    return {key: value for key, value in found.items() if value}


def _end(path: str) -> str:
    """The last lines of a log."""
    try:
        return '\n'.join(read_log(path)[-_LONGEST:].splitlines()[-_LINES:])
    except LumiHooksError as err:
        return str(err)


def _when(when: float) -> str:
    return time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(when))


def _digest(text: str) -> str:
    return 'sha256-' + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
