# SPDX-License-Identifier: GPL-2.0-only
"""
The first real error in the log of a build: a pure function over its text. failures.json says what errors look like
and what to try.
"""
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Mapping, Optional, Pattern, Sequence, Set, Tuple

from .. import sites
from ..change import Change
from ..dependency import Dependency
from ..render import describe
from ..schemas import checked

# how EasyBuild's own entries in its log begin
_ENTRY = re.compile(r'^== \d{4}-\d\d-\d\d \S+ \S+ (DEBUG|INFO|WARNING|ERROR) ')
_COMMAND_FAILED = re.compile(r'Shell command FAILED \(exit code')
_OUTPUT = re.compile(r'^== .* Output of .* shell command')
_TITLE = re.compile(r'Output( \(stdout.*\))?:$')
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
# the kind of what is none of failures.json's
UNKNOWN = 'unknown'
_OPTION = re.compile(r'(?<![\w-])-[A-Za-z][^\s"\']*')
# how far behind a weak error make's word may stand that the command was not found, or not run
_REACH = 6
_NOT_RUN = re.compile(r'Error 12[67]\b')
_UNKNOWN = ('nothing in the output of the command looks like an error that lumi-hooks knows; these are its last '
            'lines, and the log holds the rest')
_SILENT = 'the command that failed printed nothing; the log shows it in full, above its failure'
_UNKNOWN_MESSAGE = 'this is EasyBuild\'s own message, and none that lumi-hooks knows; the log says what led to it'


@dataclass(frozen=True)
class Failure:
    """
    An error in a log.

    `context` are the lines to show, the error's own among them; `number` counts the log's lines from 1; `means` is
    what it means, `advice` what to do ('': nothing right can be said); `subject` is what the error says is missing or
    wrong ('': it names nothing).
    """
    kind: str
    line: str
    number: int
    context: Tuple[str, ...]
    means: str
    advice: str = ''
    subject: str = ''


@dataclass(frozen=True)
class Kind:
    """A kind of error, from failures.json."""
    name: str
    pattern: Pattern
    means: str
    advice: str = ''
    lines: int = 1
    own: bool = False
    weak: bool = False
    within: Optional[Pattern] = None
    subject: Optional[Pattern] = None


@lru_cache(maxsize=None)
def kinds() -> Tuple[Kind, ...]:
    """The kinds of errors that are known; where one line fits two, the first counts."""
    def compiled(entry: Mapping[str, Any], key: str) -> Optional[Pattern]:
        return re.compile(entry[key]) if key in entry else None
    return tuple(Kind(entry['kind'], re.compile(entry['pattern']), entry['means'],
                      sites.filled(entry.get('advice', '')), entry.get('lines', 1), entry.get('own', False),
                      entry.get('weak', False), compiled(entry, 'within'), compiled(entry, 'subject'))
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
        found = _search(lines, message, own=False) or _last_lines(lines, message, _SILENT if output
                                                                  else _UNKNOWN_MESSAGE)
    return found


def _output(lines: Sequence[str], spans: Sequence[Tuple[int, int]]) -> Optional[Tuple[int, int]]:
    """The lines of the output of the last command that failed."""
    for position, (start, end) in reversed(list(enumerate(spans))):
        if _COMMAND_FAILED.search(lines[start]):
            if end - start == 1 and position + 1 < len(spans) and _OUTPUT.match(lines[spans[position + 1][0]]):
                start, end = spans[position + 1]  # up to EasyBuild 5.2 it is an entry of its own
            start += 1
            return start + bool(start < end and _TITLE.match(lines[start])), end
    return None


def _search(lines: Sequence[str], span: Tuple[int, int], own: bool) -> Optional[Failure]:
    """
    The first line of a span that is an error of some kind. A weak one, which builds survive, counts where make stops
    for it, or where there is no other.
    """
    start, end = span
    some, weak = _some_kind(own), None
    for number in range(start, end):
        if _CALLS.match(lines[number]):
            break
        line = _stripped(lines[number])
        if not some.search(line) or _TRIALS.search(line):
            continue
        for kind in kinds():
            if kind.own != own or not kind.pattern.search(line):
                continue
            found = _failure(kind, lines, number, min(end, number + kind.lines))
            if kind.within and not kind.within.search('\n'.join(found.context)):
                continue
            if not kind.weak or any(map(_NOT_RUN.search, lines[number:min(end, number + _REACH)])):
                return found
            weak = weak or found
            break
    return weak


def _failure(kind: Kind, lines: Sequence[str], number: int, end: int) -> Failure:
    context = []
    for line in lines[number:end]:
        if _CALLS.match(line):
            break
        context.append(_stripped(line)[:_LONGEST].rstrip())
    while len(context) > 1 and not context[-1]:
        context.pop()
    match = kind.subject.search('\n'.join(context)) if kind.subject else None
    subject = next((group for group in match.groups() if group), '') if match else ''
    return Failure(kind.name, context[0].strip(), number + 1, tuple(context), kind.means, kind.advice, subject)


def _last_lines(lines: Sequence[str], span: Tuple[int, int], means: str) -> Optional[Failure]:
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
    return _failure(Kind(UNKNOWN, _CALLS, means), lines, first, numbers[-1] + 1)


def _stripped(line: str) -> str:
    """A line without what EasyBuild's log puts around a message."""
    return _PATHS.sub('', _PLACE.sub('', _ERROR.sub('', line)))


def nearest(failure: Failure, changes: Sequence[Change]) -> Optional[Tuple[str, str]]:
    """
    The change that has to do with an error, as (rule, what it did): one that took away, put in or replaced just what
    the error's subject names, the name of a software or an option. None where no change does: no rule is to blame for
    everything else.
    """
    words = _words(failure.subject)
    options = set(_OPTION.findall(failure.subject))
    for change in changes:
        if words & _names(change) or options & _options(change):
            return change.rule, describe(change)
    return None


def _words(subject: str) -> Set[str]:
    """The words of a subject that may be the name of a software: lower case, versions behind them left out too."""
    found = {word for word in re.split(r'[^a-z0-9]+', subject.lower()) if word}
    found |= {word[3:] for word in found if word.startswith('lib')} | {word.rstrip('0123456789') for word in found}
    return {word for word in found if len(word) > 2} - set(checked('failures.json')['ordinary_words'])


def _names(change: Change) -> Set[str]:
    """Names of the software that a change is about, as words of a subject."""
    found = set()
    after = change.after if isinstance(change.after, tuple) else (change.after,)
    for item in (change.before, *after):
        if isinstance(item, Dependency):
            name = item.name.lower()
            found |= {name, name[5:] if name.startswith('cray-') else name}
    return found


def _options(change: Change) -> Set[str]:
    """The options of a command line that a change took away or put in."""
    before, after = (set(_OPTION.findall(str(side or ''))) for side in (change.before, change.after))
    return before ^ after
