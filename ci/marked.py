# SPDX-License-Identifier: GPL-2.0-only
"""Pages with a part that a command writes, between two marks."""
from lumi_hooks.errors import LumiHooksError
from lumi_hooks.files import read_text, write_atomic


def write_between(path, command, text):
    """
    Write the part of a page that belongs to a command again.

    :raises LumiHooksError: the page lacks the marks
    """
    start, end = (f'<!-- written by {command}: {word} -->' for word in ('start', 'end'))
    page = read_text(path)
    if start not in page or end not in page:
        raise LumiHooksError(f'{path} lacks the lines {start} and {end}')
    write_atomic(path, f'{page.split(start)[0]}{start}\n{text}\n{end}{page.split(end)[1]}')
