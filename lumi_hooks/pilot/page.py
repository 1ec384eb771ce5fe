# SPDX-License-Identifier: GPL-2.0-only
"""
The table of what is assumed of LUMI, for docs/pilot.md.

`python3 -m lumi_hooks.pilot.page docs/pilot.md` writes it there, between two comments.
"""
import re
import sys
from typing import Iterator

from ..files import write_atomic
from .compare import assumptions


def table() -> str:
    """The assumptions as a table of Markdown, in the order of the data."""
    return '\n'.join(_lines())


def _lines() -> Iterator[str]:
    yield '| id | what is assumed | where it stands | fact of the probe |'
    yield '|---|---|---|---|'
    for one in assumptions():
        where = one['where']['file'] + (f', `{one["where"]["key"]}`' if 'key' in one['where'] else '')
        yield f'| `{one["id"]}` | {_cell(one["assumed"])} | {where} | {one["node"]}: `{one["probe"]}` |'


def _cell(text: str) -> str:
    return re.sub(r'([|<>*])', r'\\\1', text)


def write(path: str) -> None:
    """Write the table into the page that has the comments for it."""
    with open(path, encoding='utf-8') as handle:
        text = handle.read()
    write_atomic(path, re.sub(r'(<!-- assumptions: .*? -->\n).*?(<!-- end -->)',
                              lambda match: f'{match[1]}{table()}\n{match[2]}', text, flags=re.S))


if __name__ == '__main__':
    write(sys.argv[1])
