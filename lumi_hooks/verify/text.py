# SPDX-License-Identifier: GPL-2.0-only
"""
Text files of an installation that name paths which have to be there: the interpreter of a script, and what a program
that is built against the installation is told (pkg-config, CMake's exported targets, libtool, *-config scripts).

Other texts may name the folder of the build without harm (settings, logs, comments), so they are not looked at.
"""
import os
import re
from typing import NamedTuple, Optional, Tuple

SCRIPT, PKG_CONFIG, LIBTOOL, CMAKE, CONFIG = 'script', 'pkg-config', 'libtool', 'cmake', 'config'
_ENDINGS = {'.pc': PKG_CONFIG, '.la': LIBTOOL, '.cmake': CMAKE}
# bytes of a text that are read; longer ones say nothing to pkg-config and the like
_LARGEST, _FIRST_LINES = 1 << 20, 4096
# an absolute path: at the start of a word, or behind -L, -I and the like
_PATH = re.compile(r'(?:(?<=[\s"\'=;:,(<>\[])|(?<=[\s"\'=;]-[LI])|(?<=-isystem)|(?<=-rpath,)|(?<=^-[LI])|^)'
                   r'(/[^\s"\'=;:,()<>\[\]$\\`{}*|]+)', re.M)
# lines of CMake files that other projects compile and link with: properties of imported targets
_PROPERTY = re.compile(r'\b(?:INTERFACE_(?:(?:SYSTEM_)?INCLUDE_DIRECTORIES|LINK_LIBRARIES|LINK_DIRECTORIES)'
                       r'|IMPORTED_(?:LOCATION|IMPLIB|OBJECTS|LINK_INTERFACE_LIBRARIES|LINK_DEPENDENT_LIBRARIES)\w*)\s+'
                       r'("[^"]*"|\S+)')
_COMMENT = re.compile(r'^\s*#.*$', re.M)
# pip's way around long paths: a script of /bin/sh that starts Python
_SECOND_LINE = re.compile(r"^'''exec' \"?(/[^\s\"]+)")


class Text(NamedTuple):
    """
    Facts of a text.

    :ivar interpreter: path of what runs a script; empty where it has none, or `env` finds it
    :ivar paths: absolute paths that it tells other builds
    :ivar program: may it be run?
    :ivar first: bytes of its first line
    """
    path: str
    kind: str
    interpreter: str = ''
    paths: Tuple[str, ...] = ()
    program: bool = False
    first: int = 0


def kind_by_name(path: str) -> Optional[str]:
    """What a text is by the name of its file, None where that does not tell."""
    return _ENDINGS.get(os.path.splitext(path)[1])


def read_text(path: str, handle: int) -> Optional[Text]:
    """
    Facts of a text.

    :param handle: the open file
    :raises OSError: it can't be read
    """
    kind = kind_by_name(path)
    if kind is None:
        kind = CONFIG if path.endswith('-config') else SCRIPT
    data = os.pread(handle, _FIRST_LINES if kind == SCRIPT else _LARGEST, 0)
    text = data.decode('utf-8', 'surrogateescape')
    lines = text.split('\n', 2)
    words = lines[0][2:].split() if text.startswith('#!') else []
    interpreter = words[0] if words else ''
    second = _SECOND_LINE.match(lines[1]) if words and len(lines) > 1 else None
    if second:
        interpreter = second.group(1)
    if os.path.basename(interpreter) == 'env':
        interpreter = ''
    return Text(path, kind, interpreter if interpreter.startswith('/') else '', _paths(kind, text),
                bool(os.fstat(handle).st_mode & 0o111), len(lines[0]) if words and not second else 0)


def _paths(kind: str, text: str) -> Tuple[str, ...]:
    if kind == SCRIPT:
        return ()
    text = _COMMENT.sub('', text)
    if kind == CMAKE:
        text = '\n'.join(match.group(1) for match in _PROPERTY.finditer(text))
    return tuple(dict.fromkeys(_PATH.findall(text)))
