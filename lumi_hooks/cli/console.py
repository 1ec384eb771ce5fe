# SPDX-License-Identifier: GPL-2.0-only
"""Where results go for reading. It needs rich, so it is imported by what shows something, when it does."""
import os
import re
import sys
from typing import IO, Any, cast

from rich.console import Console

# longer than any line
_WIDE = 100_000


class Output(Console):
    """
    Standard output. Where it is no terminal, a row of a table is one line, however long ($COLUMNS says otherwise): a
    path that is broken in two is not found by grep.

    :param exact: keep blanks at the ends of lines; without it those that fill up tables are cut where it is no terminal
    """

    def __init__(self, exact: bool = False) -> None:
        terminal = sys.stdout.isatty()
        file = sys.stdout if exact or terminal else cast(IO[str], _Trimmed(sys.stdout))
        super().__init__(file=file, highlight=False, width=None if terminal or 'COLUMNS' in os.environ else _WIDE)

    def on_broken_pipe(self) -> None:
        """Leave it to lumi-eb's main, as for what is printed without rich: rich would end with exit code 1."""
        raise BrokenPipeError


class _Trimmed:
    """A file that lines are written to without the blanks at their ends; rich writes whole lines."""

    def __init__(self, file: IO[str]):
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(re.sub(' +$', '', text, flags=re.MULTILINE))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
