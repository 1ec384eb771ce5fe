# SPDX-License-Identifier: GPL-2.0-only
"""
Reads the facts that `ci/pilot probe` wrote: a text file, which may come from anybody and is data, never executed.

The format (ci/pilots/facts.sh writes it): a line a fact, key, tab, value; in a value a backslash, a tab and a line end
are written \\\\, \\t and \\n. "lumi-hooks-probe 1" is the first line, "section login" begins a kind of node, and
"end N" closes it with the number of its facts.
"""
import os
import re
import stat
from typing import Dict

from .. import quote
from ..errors import LumiHooksError

FORMAT = 'lumi-hooks-probe'
VERSION = '1'
SECTIONS = ('login', 'cpu', 'gpu')
MAX_BYTES = 16_000_000
MAX_FACTS = 5_000
MAX_KEY = 120
MAX_VALUE = 500_000
_KEY = re.compile(r'[A-Za-z0-9][A-Za-z0-9._+/-]*')
_ESCAPE = re.compile(r'\\(.?)')
_UNESCAPED = {'\\': '\\', 'n': '\n', 't': '\t'}

Probe = Dict[str, Dict[str, str]]  # section -> key -> value


class ProbeError(LumiHooksError):
    """A file is not what `ci/pilot probe` writes."""


def read_probe(path: str) -> Probe:
    """
    The facts of a file, by kind of node.

    :param path: the file, as ci/pilot writes it: at most 16 MB
    :raises ProbeError: it can't be read, or is not what ci/pilot writes; the message names the line
    """
    name = quote.line(path)
    try:
        # a pipe that nobody writes to would be waited for
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, 'rb') as handle:
            if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
                raise ProbeError(f'{name} is not a file')
            data = handle.read(MAX_BYTES + 1)
    except OSError as err:
        raise ProbeError(f'{name} cannot be read: {err.strerror}') from err
    except ValueError as err:  # a NUL in the name
        raise ProbeError(f'{name} is not the name of a file') from err
    if len(data) > MAX_BYTES:
        raise ProbeError(f'{name} is larger than {MAX_BYTES // 1_000_000} MB: that is not a probe')
    try:
        text = data.decode('ascii')
    except UnicodeDecodeError as err:
        line = data.count(b'\n', 0, err.start) + 1
        raise ProbeError(f'{name}, line {line}: a byte that is not ASCII, which ci/pilot does not write') from err
    return parse(text, name)


def parse(text: str, path: str) -> Probe:
    """
    The facts of a text, by kind of node.

    :param path: its name, for messages
    :raises ProbeError: it is not what ci/pilot writes
    """
    found: Probe = {}
    section = ''

    def wrong(number: int, what: str) -> ProbeError:
        return ProbeError(f'{path}, line {number}: {what}')

    lines = text.split('\n')
    kind, _, version = lines[0].partition('\t')
    if kind != FORMAT:
        raise ProbeError(f'{path} is not a probe: its first line is not "{FORMAT}" (ci/pilot probe writes one)')
    if version != VERSION:
        raise ProbeError(f'{path} is a probe of another format than {VERSION}, of another version of lumi-hooks')
    if lines.pop() != '':
        raise wrong(len(lines) + 1, 'the file ends within a line: it is not whole')
    for number, line in enumerate(lines[1:], start=2):
        key, tab, value = line.partition('\t')
        if not tab or not _KEY.fullmatch(key) or len(key) > MAX_KEY:
            raise wrong(number, 'not a key, a tab and a value')
        if re.search(r'[\x00-\x08\x0a-\x1f\x7f]', value):
            raise wrong(number, 'a control character, which ci/pilot does not write')
        if len(value) > MAX_VALUE:
            raise wrong(number, f'a value of more than {MAX_VALUE} characters')
        if key == 'section':
            if section or value not in SECTIONS or value in found:
                raise wrong(number, 'a section that does not belong here')
            section, found[value] = value, {}
        elif not section:
            raise wrong(number, 'a fact outside of a section')
        elif key == 'end':
            if value != str(len(found[section])):
                raise wrong(number, f'the section {section} is not whole')
            section = ''
        elif key in found[section]:
            raise wrong(number, f'duplicate key {key}')
        elif len(found[section]) >= MAX_FACTS:
            raise wrong(number, f'more than {MAX_FACTS} facts')
        else:
            found[section][key] = _value(value, number, wrong)
    if section:
        raise ProbeError(f'{path} ends within the section {section}: it is not whole')
    if not found:
        raise ProbeError(f'{path} holds no section')
    return found


def _value(text: str, number: int, wrong) -> str:
    """A value without its escapes."""
    if any(match[1] not in _UNESCAPED for match in _ESCAPE.finditer(text)):
        raise wrong(number, r'an escape other than \\, \t and \n')
    return _ESCAPE.sub(lambda match: _UNESCAPED[match[1]], text)
