# SPDX-License-Identifier: GPL-2.0-only
"""What a module file says that is due for removal, to whoever loads it."""
import re

from ..presence import BEGIN, END, NOTICE

_LUA = """
-- {begin}
if mode() == "load" then
    LmodMessage({text})
end
-- {end}
"""
_TCL = """
# {begin}
if {{ [module-info mode load] }} {{
    puts stderr {text}
}}
# {end}
"""


def with_notice(text: str, said: str, lua: bool) -> str:
    """
    A module file's text that tells whoever loads it something; only what is added, at its end, differs.

    :param said: one line of plain words
    :param lua: is it in Lua? Else in Tcl
    """
    quoted = re.sub(r'(["\\])' if lua else r'(["\\$\[\]])', r'\\\1', said)
    return without_notice(text) + (_LUA if lua else _TCL).format(begin=BEGIN, end=END, text=f'"{quoted}"')


def without_notice(text: str) -> str:
    """A module file's text as it was before `with_notice`."""
    return NOTICE.sub('', text)
