# SPDX-License-Identifier: GPL-2.0-only
"""What a run came to: JUnit XML for programs, Markdown for a pull request, and a page for people (page.py)."""
import os
import re
import xml.etree.ElementTree as xml
from typing import Dict, List, Sequence

from .. import quote
from ..errors import LumiHooksError
from ..files import write_atomic
from . import page
from .run import Run
from .tasks import BLOCKED, BUILT, CANCELLED, FAILED, LOST, OPEN, REFUSAL, SAME, STATES, Task

# what comes first is what somebody has to look at
ORDER = (FAILED, LOST, CANCELLED, BLOCKED, REFUSAL, *OPEN, BUILT, SAME)
_BAD = (FAILED, LOST, CANCELLED, BLOCKED, REFUSAL)
# characters that XML 1.0 has no notation for
_NO_XML = re.compile('[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')
# of one table; a comment of GitHub's holds 65,536 characters
_ROWS = 40
_LINES = 12
_LONGEST = 60_000


def write(run: Run, folder: str) -> List[str]:
    """
    Write all three; returns their paths.

    :raises LumiHooksError: they can't be written
    """
    made = {'report.html': page.html(run), 'report.md': markdown(run), 'junit.xml': junit(run)}
    try:
        os.makedirs(folder, exist_ok=True)
        for name, text in made.items():
            write_atomic(os.path.join(folder, name), text)
    except OSError as err:
        raise LumiHooksError(f'{err.filename or folder} cannot be written: {err.strerror}') from err
    return [os.path.join(folder, name) for name in made]


def junit(run: Run) -> str:
    """
    JUnit's XML: a suite a target, a case a module. What failed is a failure, what was lost, cancelled or is still to
    come is an error (nobody knows whether it builds), and what was not tried is skipped.
    """
    root = xml.Element('testsuites', name=f'lumi-eb rebuild {run.name}')
    for target, tasks in _by_target(run.tasks).items():
        suite = xml.SubElement(root, 'testsuite', name=target, tests=str(len(tasks)),
                               failures=str(sum(task.state == FAILED for task in tasks)),
                               errors=str(sum(task.state in (LOST, CANCELLED, *OPEN) for task in tasks)),
                               skipped=str(sum(task.state in (BLOCKED, REFUSAL, SAME) for task in tasks)),
                               time=f'{sum(task.seconds for task in tasks):.0f}')
        for task in tasks:
            case = xml.SubElement(suite, 'testcase', classname=target, name=task.module, time=f'{task.seconds:.0f}')
            kind = {FAILED: 'failure', BLOCKED: 'skipped', REFUSAL: 'skipped', SAME: 'skipped',
                    BUILT: ''}.get(task.state, 'error')
            if kind:
                said = xml.SubElement(case, kind, message=_xml(f'{task.state}: {task.reason}' if task.reason
                                                               else task.state))
                said.text = _xml('\n'.join(_context(task)))
    xml.indent(root)
    return xml.tostring(root, encoding='unicode', xml_declaration=True) + '\n'


def _xml(text: str) -> str:
    return _NO_XML.sub('\ufffd', quote.terminal(text))


def markdown(run: Run) -> str:
    """Markdown for a comment: how many of what, and a table of what somebody has to look at."""
    counted = {state: sum(task.state == state for task in run.tasks) for state in STATES}
    lines = [f'### Rebuild {quote.markdown(run.name)}: '
             + (', '.join(f'{counted[state]} {state}' for state in ORDER if counted[state]) or 'nothing to do'), '']
    reasons = list(dict.fromkeys(task.why for task in run.tasks if task.why))
    lines += [f'Why: {quote.markdown("; ".join(reasons[:10]))}', ''] if reasons else []
    bad = sorted((task for task in run.tasks if task.state in _BAD), key=lambda task: ORDER.index(task.state))
    if bad:
        lines += ['| state | module | for | why |', '|---|---|---|---|']
        lines += [f'| {task.state} | {_cell(task.module)} | {_cell(task.target)} | {_cell(task.reason)} |'
                  for task in bad[:_ROWS]]
        lines += [f'| | and {len(bad) - _ROWS} more | | |'] if len(bad) > _ROWS else []
        lines.append('')
    for task in [task for task in bad if task.error][:_ROWS]:
        lines += [f'<details><summary>{quote.html(task.module)} ({quote.html(task.target)})</summary>', '',
                  *(f'    {quote.line(line)}' for line in _context(task)), '', '</details>', '']
    text = '\n'.join(lines).rstrip() + '\n'
    return text if len(text) <= _LONGEST else \
        text[:_LONGEST].rpartition('\n<details>')[0] + '\n\nThe page has the rest.\n'


def _cell(text: str) -> str:
    return quote.markdown(text).replace('|', '\\|')[:300]


def _context(task: Task) -> Sequence[str]:
    """The first error of a task's log, with what stands around it, what it means, and what to try."""
    error = task.error or {}
    return [*error.get('context', ())[:_LINES], *(error[key] for key in ('means', 'advice') if error.get(key))]


def _by_target(tasks: Sequence[Task]) -> Dict[str, List[Task]]:
    found: Dict[str, List[Task]] = {}
    for task in tasks:
        found.setdefault(task.target, []).append(task)
    return found
