# SPDX-License-Identifier: GPL-2.0-only
"""
Text of others, made safe for where it goes: one function a place.

Names, reasons and logs come from recipes, records and builds that anybody may have written. What is printed, or written
into a script, a module file, a page or a drawing, goes through one of these.
"""
import html as _html
import json
import re
import shlex
import urllib.parse
from typing import Any

# C0 and C1 control characters but tab and line feed; what turns the direction of writing; halves of surrogate pairs
_CONTROL = re.compile('[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069'
                      '\ud800-\udfff]')
_LINE_END = re.compile('[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]')

# letters of names and versions, in parts between slashes; a hidden version starts with a dot, and no part is . or ..
_PART = '[A-Za-z0-9_][A-Za-z0-9_.+~@-]*'
_MODULE = re.compile(f'{_PART}(/[.]?{_PART})*')


def terminal(text: Any) -> str:
    """
    Text for a terminal: control characters, which could move the cursor or change what was printed before, are shown
    as escapes (\\x1b); tab and line feed stay.
    """
    return _CONTROL.sub(_escape, str(text))


def line(text: Any) -> str:
    """The same, in one line: for tables, prompts and comments."""
    return _CONTROL.sub(_escape, _LINE_END.sub(' ', str(text)).replace('\t', ' '))


def shell(word: Any) -> str:
    """
    One word of a POSIX shell's command line.

    :raises ValueError: it holds a NUL byte, which no word can
    """
    text = str(word)
    if '\0' in text:
        raise ValueError('a word of a command line cannot hold a NUL byte')
    return shlex.quote(text)


def module(name: Any) -> str:
    """
    The name of a module, for "module load" and for what Slurm reads, which knows no quoting: it holds nothing that
    would have to be quoted, and is no option and no path.

    :raises ValueError: it can't be the name of a module
    """
    text = str(name)
    if not _MODULE.fullmatch(text):
        raise ValueError(f'{line(text)!r} cannot be the name of a module')
    return text


def comment(text: Any) -> str:
    """Text for a comment of a script, recipe or module file, which a line end would end: one line of ASCII."""
    return re.sub('[^ -~]', ' ', str(text))


def lua(text: Any) -> str:
    """
    Text for a long bracket of Lua, of whatever level ([[…]], [==[…]==]): it can't end the bracket, as no ] in it is
    followed by = or ], nor by what comes behind the text.
    """
    return re.sub(r'\](?=[=\]]|\Z)', '] ', terminal(text))


def tcl(text: Any) -> str:
    """Text for a braced word of Tcl: braces, brackets and backslashes are escaped."""
    return re.sub(r'([\\{}\[\]])', r'\\\1', terminal(text))


def markdown(text: Any) -> str:
    """
    Text for a line of Markdown that is read as it is, too: it makes no element of HTML, no link, no image and no code,
    and ends no code that it stands in.
    """
    return re.sub(r'(\\|<|!(?=\[)|\](?=[(\[:]))', r'\\\1', line(text)).replace('`', "'")


def html(text: Any) -> str:
    """Text for HTML, in an element or in a quoted attribute."""
    return _html.escape(terminal(text), quote=True)


def script(data: Any) -> str:
    """
    Data as JSON for an element <script type="application/json"> of a page, of ASCII: no text in it ends the element,
    begins a comment in it, or turns the direction of writing.
    """
    def safe(value: Any) -> Any:
        if isinstance(value, dict):
            return {terminal(key): safe(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [safe(item) for item in value]
        return terminal(value) if isinstance(value, str) else value
    text = json.dumps(safe(data), ensure_ascii=True, separators=(',', ':'))
    return re.sub('[<>&]', lambda match: f'\\u{ord(match[0]):04x}', text)


def dot(text: Any) -> str:
    """
    Text for a quoted string of Graphviz, such as a label, taken literally: backslashes start no escape, double quotes
    end nothing, and < > make no markup of it.
    """
    return html(text).replace('\\', '\\\\')


def uri(name: Any) -> str:
    """The name of a file as a relative reference (RFC 3986): it has no scheme, no folder, no query."""
    return urllib.parse.quote(terminal(name), safe='+@')


def _escape(match: 're.Match[str]') -> str:
    code = ord(match[0])
    return f'\\x{code:02x}' if code < 0x100 else f'\\u{code:04x}'
