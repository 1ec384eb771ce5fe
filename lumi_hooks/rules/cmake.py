# SPDX-License-Identifier: GPL-2.0-only
"""
CMake behind the wrappers: its modules find that the compiler links a library by itself, and give projects empty lists,
which some of them take for a failure (GDAL, QuantumESPRESSO). They are told a library that every link has.
"""
import re
from typing import Any, Mapping

from ..change import Change
from ..data import texts
from ..releases import load_provided
from ..site import Site
from .base import rule
from .draft import Draft
from .easyblock import class_name
from .folders import is_provided
from .texts import options_with


@rule('cmake-finders', 'CMake finds empty lists of libraries behind the wrappers, which stops some projects',
      link='https://cmake.org/cmake/help/latest/module/FindHDF5.html')
def cmake_finders(draft: Draft, site: Site):
    """
    By releases/provided.json: a recipe that CMake configures, and that has one of these modules or asks for one of
    these features, says what CMake would not find. What the recipe says itself stays.
    """
    facts = load_provided()['cmake']
    easyblock = draft.parameters.get('easyblock') or class_name(draft.name)
    if easyblock not in facts['easyblocks'] or is_provided(draft):
        return
    before = draft.parameters.get('configopts')
    modules = {item.name for _, item in draft.each() if item.external}
    for entry in facts['finders']:
        if not modules.isdisjoint(entry.get('modules', ())) or _asks(entry, before):
            after = _with_options(before, entry['options'])
            if after != before:
                yield Change('configopts', before, after, 'cmake-finders', entry['reason'], entry['link'])
            before = after


def _asks(entry: Mapping[str, Any], options: Any) -> bool:
    """Does a recipe switch on a feature by one of its options (one text, or a list of them for iterated builds)?"""
    text = ' '.join(texts(options))
    return 'feature' in entry \
        and re.search(rf'-D(?:{entry["feature"]})(?::\w+)?=["\']?(?i:on|true|yes|1)\b', text) is not None


def _with_options(options: Any, more: Mapping[str, str]) -> Any:
    """The options with those that they do not hold."""
    def add(text: str) -> str:
        words = [f'-D{name}={value}' for name, value in more.items() if not re.search(rf'-D{name}(?::\w+)?=', text)]
        return ' '.join(filter(None, [text.rstrip(), *words])) if words else text
    return options_with(options, add)
