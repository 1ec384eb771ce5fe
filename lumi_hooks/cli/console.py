# SPDX-License-Identifier: GPL-2.0-only
"""
Where results go for reading: paragraphs, tables and colours in plain text.

Text of others (of recipes, records, logs) passes `quote` here: whatever a command writes, no control character reaches
a terminal but those that this file adds.
"""
import contextlib
import json
import math
import os
import re
import shutil
import sys
import unicodedata
from typing import (
    IO,
    Any,
    Callable,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
    cast,
)

from ..quote import line, terminal

_CODES = {'bold': '1', 'dim': '2', 'red': '31', 'green': '32', 'yellow': '33', 'blue': '34', 'magenta': '35',
          'cyan': '36'}
# blanks between the columns of a table; the least width of the last one, in which texts stand
_GAP, _LEAST = 2, 20
# of what --json prints: a key that goes, or that changes its meaning, makes a new one
SCHEMA_VERSION = 1


class Styled(NamedTuple):
    """Text in a style: bold, dim, or a colour."""
    text: str
    style: str


# text, text in a style, or several of them one behind the other
Piece = Union[str, Styled]
Cell = Union[Piece, List[Piece]]
_Word = Tuple[int, List[Styled]]


def bold(text: str) -> Styled:
    """What a line is about."""
    return Styled(text, 'bold')


def dim(text: str) -> Styled:
    """What is said beside."""
    return Styled(text, 'dim')


class Safe:
    """A stream that control characters do not get through: they are written as escapes."""

    def __init__(self, beneath: IO[str]):
        self.beneath = beneath

    def write(self, text: str) -> int:
        """Write text, made safe."""
        self.beneath.write(terminal(text))
        return len(text)

    def writelines(self, texts: Iterable[str]) -> None:
        """Write several texts, made safe."""
        for text in texts:
            self.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.beneath, name)


@contextlib.contextmanager
def safe_streams() -> Iterator[None]:
    """As long as the block runs, whatever is printed is safe for a terminal, on standard output and error."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = cast(Any, Safe(sys.stdout)), cast(Any, Safe(sys.stderr))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def beneath(stream: IO[str]) -> IO[str]:
    """The stream itself, for text that is safe."""
    return getattr(stream, 'beneath', stream)


def is_terminal(stream: IO[str]) -> bool:
    """Is it a terminal that can do more than print lines?"""
    return stream.isatty() and os.environ.get('TERM') != 'dumb'


class _Aside(Safe):
    """Standard output, while it is for data alone: what is printed goes to standard error."""

    def __init__(self, data: IO[str], beneath: IO[str]):
        super().__init__(beneath)
        self.data = data


@contextlib.contextmanager
def data_alone() -> Iterator[None]:
    """
    As long as the block runs, standard output is for `print_json` alone. Whatever else is printed goes to standard
    error: recipes are code, and some print.
    """
    before = sys.stdout
    sys.stdout = cast(Any, _Aside(before, beneath(sys.stderr)))
    try:
        yield
    finally:
        sys.stdout = before


def print_json(data: Mapping[str, Any], indent: int = 2) -> None:
    """
    Print data as one JSON object that begins with its schema_version (docs/json.md). It is of ASCII alone: a control
    character in it is an escape of JSON's. JSON has no NaN and no infinity, which become null.
    """
    text = json.dumps(_strict({'schema_version': SCHEMA_VERSION, **data}), indent=indent, default=str, allow_nan=False)
    print(text.replace('\x7f', '\\u007f'), file=getattr(sys.stdout, 'data', sys.stdout))


def _strict(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _strict(item) for key, item in value.items()}
    return [_strict(item) for item in value] if isinstance(value, (list, tuple)) else value


class Output:
    """
    Standard output. On a terminal lines are wrapped between words, and never within one, so that paths stay whole;
    where it is no terminal, a paragraph and a row of a table are one line each, however long ($COLUMNS says
    otherwise). Colours are for terminals alone, and not where $NO_COLOR is set (https://no-color.org).
    """

    def __init__(self) -> None:
        self._stream = beneath(sys.stdout)
        shown = self._stream.isatty()
        self.width = shutil.get_terminal_size().columns if shown or os.environ.get('COLUMNS') else None
        self.coloured = is_terminal(self._stream) and not os.environ.get('NO_COLOR')

    def say(self, *pieces: Piece, indent: int = 0, hang: Optional[int] = None) -> None:
        """
        A paragraph; without text an empty line.

        :param indent: blanks before its first line
        :param hang: blanks before the others (default: two more)
        """
        hang = indent + 2 if hang is None else hang
        for number, words in enumerate(_paragraphs(pieces)):
            for runs in _wrapped(words, self.width, hang if number else indent, hang):
                self._write(runs)

    def exact(self, *pieces: Piece, end: str = '\n') -> None:
        """A line as it is, which is not wrapped: a command to copy, a line of a diff."""
        self._stream.write(self._painted(_safe(pieces, terminal)) + end)

    def table(self, rows: Iterable[Sequence[Cell]], head: Sequence[str] = (), right: Sequence[int] = ()) -> None:
        """
        Rows of cells in columns.

        :param head: what stands above the columns
        :param right: numbers of columns that are aligned on the right
        """
        cells = [[_words(_safe(cell if isinstance(cell, list) else [cell], line)) for cell in row]
                 for row in ([[bold(text) for text in head]] if head else []) + list(map(list, rows))]
        if not cells:
            return
        columns = list(zip(*cells))
        widths = _fitting([max(map(_size, column)) for column in columns],
                          [max((_length(word) for words in column for _, word in words), default=0)
                           for column in columns], self.width)
        for row in cells:
            parts = [_wrapped(words, width if self.width else None, 0, 0) for words, width in zip(row, widths)]
            for number in range(max(map(len, parts))):
                runs: List[Styled] = []
                for column, (part, width) in enumerate(zip(parts, widths)):
                    here = part[number] if number < len(part) else []
                    fill = Styled(' ' * (width - _length(here)), '')
                    runs += [*([fill] if column in right else []), *here,
                             *([] if column in right else [fill]), Styled(' ' * _GAP, '')]
                self._write(runs)

    def _write(self, runs: List[Styled]) -> None:
        while runs and not runs[-1].style and not runs[-1].text.strip(' '):
            runs = runs[:-1]
        self._stream.write(self._painted(runs) + '\n')

    def _painted(self, runs: Iterable[Styled]) -> str:
        return ''.join(f'\x1b[{_CODES[style]}m{text}\x1b[0m' if style and self.coloured else text
                       for text, style in runs)


def _safe(pieces: Iterable[Piece], quote: Callable[[Any], str]) -> List[Styled]:
    return [Styled(quote(piece[0]), piece[1]) if isinstance(piece, Styled) else Styled(quote(piece), '')
            for piece in pieces]


def _paragraphs(pieces: Iterable[Piece]) -> Iterator[List[_Word]]:
    """The words of each line of a text that has line ends of its own."""
    runs: List[Styled] = []
    for text, style in _safe(pieces, terminal):
        first, *others = text.split('\n')
        runs.append(Styled(first, style))
        for other in others:
            yield _words(runs)
            runs = [Styled(other, style)]
    yield _words(runs)


def _words(runs: Iterable[Styled]) -> List[_Word]:
    """The words of a text, each with the number of blanks before it; a word may be of several styles."""
    found: List[_Word] = []
    blanks, within = 0, False
    for text, style in runs:
        for part in re.findall(' +|[^ ]+', text.replace('\t', '    ')):
            if part[0] == ' ':
                blanks, within = blanks + len(part), False
            elif within:
                found[-1][1].append(Styled(part, style))
            else:
                found.append((blanks, [Styled(part, style)]))
                blanks, within = 0, True
    return found


def _wrapped(words: Iterable[_Word], width: Optional[int], indent: int, hang: int) -> List[List[Styled]]:
    """Lines of at most a width, but for words that are longer by themselves."""
    lines: List[List[Styled]] = [[Styled(' ' * indent, '')]]
    used, begun = indent, False
    for blanks, word in words:
        size = _length(word)
        if begun and width and used + blanks + size > width:
            lines.append([Styled(' ' * hang, '')])
            used, blanks = hang, 0
        lines[-1] += [Styled(' ' * blanks, ''), *word]
        used, begun = used + blanks + size, True
    return lines


def _length(runs: Iterable[Styled]) -> int:
    """Columns that a text takes on a terminal."""
    return sum(len(text) if text.isascii() else
               sum(0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in 'WF' else 1
                   for char in text) for text, _ in runs)


def _size(words: Iterable[_Word]) -> int:
    return sum(blanks + _length(word) for blanks, word in words)


def _fitting(widths: List[int], longest: List[int], room: Optional[int]) -> List[int]:
    """Widths of columns that fit into a line: the widest gives first, no more than its longest word lets it."""
    if room is None:
        return widths
    over = sum(widths) + _GAP * (len(widths) - 1) - room
    least = [*longest[:-1], min(longest[-1], _LEAST)]
    for column in sorted(range(len(widths)), key=lambda number: -widths[number]):
        given = max(0, min(over, widths[column] - least[column]))
        widths[column] -= given
        over -= given
    return widths
