# SPDX-License-Identifier: GPL-2.0-only
"""
The first real error in the log of a build: a pure function over its text. failures.json says what errors look like
and what to try.
"""
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import List, Optional, Pattern, Sequence, Tuple

from .change import Change
from .data import load_json
from .dependency import Dependency
from .render import describe

# EasyBuild's own lines, which start every entry of its log
_ENTRY = re.compile(r'^== \d{4}-\d\d-\d\d ')
# what a command that failed is announced by: 5.3 and newer; older ones
_FAILED = re.compile(r'FAILED \(exit code|failed with exit code|Warning: exit code|had? non-zero exit code')
_LONGEST = 400


@dataclass(frozen=True)
class Failure:
    """
    An error in a log.

    `context` are the lines to show, the error's own among them; `number` counts the log's lines from 1; `rules` are
    the rules that may have to do with errors of this kind.
    """
    kind: str
    line: str
    number: int
    context: Tuple[str, ...]
    advice: str
    rules: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A kind of error, from failures.json."""
    name: str
    pattern: Pattern
    advice: str
    rules: Tuple[str, ...]
    lines: int


@lru_cache(maxsize=None)
def kinds() -> Tuple[Kind, ...]:
    """The kinds of errors that are known; where one line fits two, the first counts."""
    return tuple(Kind(entry['kind'], re.compile(entry['pattern']), entry['advice'], tuple(entry.get('rules', ())),
                      entry.get('lines', 1)) for entry in load_json('failures.json')['failures'])


def first_error(log: str) -> Optional[Failure]:
    """
    The first error in the output of the command that failed, or in EasyBuild's own words; None where nothing in it
    looks like one.

    Output of commands that did not fail is passed over: tests of a configure script fail by design.
    """
    lines = log.splitlines()
    for start, end in _sections(lines):
        for number in range(start, end):
            found = _kind(lines[number])
            if found:
                context = [line.rstrip()[:_LONGEST] for line in lines[number:min(end, number + found.lines)]]
                return Failure(found.name, context[0].strip(), number + 1, tuple(context),
                               found.advice, found.rules)
    return None


def _kind(line: str) -> Optional[Kind]:
    return next((kind for kind in kinds() if kind.pattern.search(line)), None)


def _sections(lines: Sequence[str]) -> List[Tuple[int, int]]:
    """
    Where to look, as spans of lines: the output of failed commands, the last one first (those before it were allowed
    to fail), then all of EasyBuild's own entries, then everything.
    """
    entries = [number for number, line in enumerate(lines) if _ENTRY.match(line)]
    spans = list(zip(entries, [*entries[1:], len(lines)]))
    failed = []
    for position, (start, end) in enumerate(spans):
        if _FAILED.search(lines[start]):
            # older EasyBuild puts the output into the entry before
            earlier = spans[position - 1] if end - start == 1 and position else (start, end)
            failed.append((min(start, earlier[0]), end))
    own = [(start, start + 1) for start, end in spans] if spans else []
    return [*reversed(failed[-1:]), *reversed(own), (0, len(lines))]


def nearest(failure: Failure, changes: Sequence[Change]) -> Optional[Tuple[str, str]]:
    """
    The change that is nearest to an error, as (rule, what it did): one that names something in the error, else the
    first by a rule that may have to do with errors of this kind.
    """
    text = ' '.join(failure.context).lower()
    for change in changes:
        if any(re.search(rf'(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])', text) for name in _names(change)):
            return change.rule, describe(change)
    for rule in failure.rules:
        for change in changes:
            if change.rule == rule:
                return rule, describe(change)
    return None


def _names(change: Change) -> List[str]:
    """Names of software in a change, as they may stand in an error: lower case, without what libraries begin with."""
    found = []
    after = change.after if isinstance(change.after, tuple) else (change.after,)
    for item in (change.before, *after):
        if isinstance(item, Dependency):
            name = item.name.lower()
            found += [name, name[5:] if name.startswith('cray-') else name, f'lib{name}', f'l{name}']
    return [name for name in dict.fromkeys(found) if len(name) > 2]
