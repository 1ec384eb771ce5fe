# SPDX-License-Identifier: GPL-2.0-only
"""
The first real error in the log of a build: a pure function over its text. failures.json says what errors look like
and what to try.
"""
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import List, Optional, Pattern, Sequence, Tuple

from ..change import Change
from ..dependency import Dependency
from ..render import describe
from ..schemas import checked

# how EasyBuild's own entries in its log begin
_ENTRY = re.compile(r'^== \d{4}-\d\d-\d\d \S+ \S+ (DEBUG|INFO|WARNING|ERROR) ')
_COMMAND_FAILED = re.compile(r'Shell command FAILED \(exit code')
_OUTPUT = re.compile(r'^== .* Output of .* shell command')
# (5.1 names the place where it was logged, too)
_ERROR = re.compile(r'^== .* ERROR EasyBuild (encountered an error( \(at [^)]*\))?|crashed[^:]*): ')
# what EasyBuild adds to a message of its own
_PLACE = re.compile(r' \(at easybuild/[^)]*\)$')
# the dozens of paths where a source was looked for
_PATHS = re.compile(r'\.* Paths attempted \(in order\): .*')
_CALLS = re.compile(r'^Callstack:$')
# programs that configure scripts, CMake and Meson try: they fail by design
_TRIALS = re.compile(r'conftest\.|CMakeFiles/CMake(Tmp|Scratch)|meson-private/')
_LONGEST = 300
_UNKNOWN = ('nothing in the output of the command looks like an error that lumi-hooks knows; these are its last '
            'lines, and the log holds the rest')
_UNKNOWN_MESSAGE = 'this is EasyBuild\'s own message, and none that lumi-hooks knows; the log says what led to it'


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
    own: bool


@lru_cache(maxsize=None)
def kinds() -> Tuple[Kind, ...]:
    """The kinds of errors that are known; where one line fits two, the first counts."""
    return tuple(Kind(entry['kind'], re.compile(entry['pattern']), entry['advice'], tuple(entry.get('rules', ())),
                      entry.get('lines', 1), entry.get('own', False))
                 for entry in checked('failures.json')['failures'])


@lru_cache(maxsize=None)
def _some_kind(own: bool) -> Pattern:
    """All patterns at once: most lines are none of them, and logs are long."""
    return re.compile('|'.join(f'(?:{kind.pattern.pattern})' for kind in kinds() if kind.own == own))


def first_error(log: str) -> Optional[Failure]:
    """
    The first error in the output of the command that failed, or what EasyBuild itself says; None for an empty log.

    The output of other commands is passed over: tests of a configure script fail by design.

    :param log: the text of EasyBuild's log, of 5.1 or newer; or a message alone
    """
    lines = log.splitlines()
    entries = [number for number, line in enumerate(lines) if _ENTRY.match(line)]
    spans = list(zip(entries, [*entries[1:], len(lines)]))
    output = _output(lines, spans)
    message = next(((start, end) for start, end in reversed(spans) if _ERROR.match(lines[start])), None)
    if message is None and output is None:
        message = (0, len(lines))
    found = None
    if message:
        # a failed command is told in one line, which says less than the command did
        found = _search(lines, message, own=True)
    if found is None and output:
        found = _search(lines, output, own=False) or _last_lines(lines, output, _UNKNOWN)
    if found is None and message:
        found = _search(lines, message, own=False) or _last_lines(lines, message, _UNKNOWN_MESSAGE)
    return found


def _output(lines: Sequence[str], spans: Sequence[Tuple[int, int]]) -> Optional[Tuple[int, int]]:
    """The lines of the output of the last command that failed."""
    for position, (start, end) in reversed(list(enumerate(spans))):
        if _COMMAND_FAILED.search(lines[start]):
            if end - start == 1 and position + 1 < len(spans) and _OUTPUT.match(lines[spans[position + 1][0]]):
                start, end = spans[position + 1]  # up to EasyBuild 5.2 it is an entry of its own
            return start + 1, end
    return None


def _search(lines: Sequence[str], span: Tuple[int, int], own: bool) -> Optional[Failure]:
    """The first line of a span that is an error of some kind."""
    start, end = span
    some = _some_kind(own)
    for number in range(start, end):
        if _CALLS.match(lines[number]):
            return None
        line = _stripped(lines[number])
        if not some.search(line) or _TRIALS.search(line):
            continue
        kind = next((kind for kind in kinds() if kind.own == own and kind.pattern.search(line)), None)
        if kind:
            return _failure(kind, lines, number, min(end, number + kind.lines))
    return None


def _failure(kind: Kind, lines: Sequence[str], number: int, end: int) -> Failure:
    context = []
    for line in lines[number:end]:
        if _CALLS.match(line):
            break
        context.append(_stripped(line)[:_LONGEST].rstrip())
    while len(context) > 1 and not context[-1]:
        context.pop()
    return Failure(kind.name, context[0].strip(), number + 1, tuple(context), kind.advice, kind.rules)


def _last_lines(lines: Sequence[str], span: Tuple[int, int], advice: str) -> Optional[Failure]:
    """Where nothing is known: the last lines that say something."""
    numbers = []
    for number in range(*span):
        if _CALLS.match(lines[number]):
            break
        if lines[number].strip():
            numbers.append(number)
    if not numbers:
        return None
    first = numbers[-5:][0]
    return _failure(Kind('unknown', _CALLS, advice, (), 5, False), lines, first, numbers[-1] + 1)


def _stripped(line: str) -> str:
    """A line without what EasyBuild's log puts around a message."""
    return _PATHS.sub('', _PLACE.sub('', _ERROR.sub('', line)))


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
