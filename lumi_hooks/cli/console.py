# SPDX-License-Identifier: GPL-2.0-only
"""Where results go for reading. It needs rich, so it is imported by what shows something, when it does."""
import re
import sys
from typing import IO, Any, cast

from rich.console import Console


class Output(Console):
    """
    Standard output.

    :param exact: keep blanks at the ends of lines; without it those that fill up tables are cut where it is no terminal
    """

    def __init__(self, exact: bool = False) -> None:
        file = sys.stdout if exact or sys.stdout.isatty() else cast(IO[str], _Trimmed(sys.stdout))
        super().__init__(file=file, highlight=False)

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
