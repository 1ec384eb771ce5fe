# SPDX-License-Identifier: GPL-2.0-only
"""Commands that are given several things: one that fails does not hide what is found of the others."""
import contextlib
import sys
from typing import Dict, Iterator, List

from ..errors import LumiHooksError


class Partial:
    """
    What failed of several things.

    :param kind: what they are (recipe, name, target …): the key under which --json names one
    :param before: words before an error on standard error
    :ivar errors: those that failed, as --json prints them
    """

    def __init__(self, kind: str, before: str = ''):
        self.kind, self.before = kind, before
        self.errors: List[Dict[str, str]] = []

    @contextlib.contextmanager
    def of(self, item: str) -> Iterator[None]:
        """The block is about one of them; an error in it is told on standard error, and kept."""
        try:
            yield
        except LumiHooksError as err:
            self.add(item, str(err))

    def add(self, item: str, error: str) -> None:
        """One that failed, and why."""
        self.errors.append({self.kind: item, 'error': error})
        print(f'lumi-eb: {self.before}{error}', file=sys.stderr, flush=True)

    def code(self, otherwise: int, failed: int = 2) -> int:
        """
        The exit code of the command.

        :param otherwise: where none failed
        :param failed: where one did
        """
        return failed if self.errors else otherwise
