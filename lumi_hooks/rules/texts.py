# SPDX-License-Identifier: GPL-2.0-only
"""The texts of a recipe that are run or handed to a build: options and commands, those of extensions too."""
import re
from typing import Any, Callable, Collection, Iterator, Pattern, Tuple

from ..data import texts
from .draft import DEPENDENCY_LISTS, Draft

# parameters that say what the software is and where it comes from, or that people read: nothing of how it is built
TELLING = frozenset((
    'name', 'version', 'toolchain', 'homepage', 'description', 'docurls', 'docpaths', 'citing', 'usage', 'examples',
    'whatis', 'modloadmsg', 'moduleclass', 'sources', 'source_urls', 'patches', 'checksums', 'crates',
    'download_instructions', 'upload_urls', 'site_contacts', 'build_info_msg'))
# and those that name what it is built with: no texts that are run
_NAMING = TELLING.union(('versionsuffix', 'easyblock', 'components_names'), DEPENDENCY_LISTS)


def options_with(options: Any, add: Callable[[str], str]) -> Any:
    """Options (one text, none, or a list of them for iterated builds) with more; what EasyBuild does not take stays."""
    if isinstance(options, (list, tuple)):
        return [options_with(item, add) for item in options]
    if options and not isinstance(options, str):
        return options
    after = add(options or '')
    return after if after != (options or '') else options


def in_commands(draft: Draft, change: Callable[[str], str],
                but: Collection[str] = ()) -> Iterator[Tuple[str, Any, Any]]:
    """
    (parameter, before, after) of those parameters whose texts may be run or handed to a build, and that a change of
    these texts makes a difference to.

    :param but: parameters that are left as they are
    """
    for parameter, before in draft.parameters.items():
        if parameter not in _NAMING and parameter not in but and not parameter.startswith(('_', 'local_')):
            after = reworded(before, change)
            if after != before:
                yield parameter, before, after


def command_texts(draft: Draft) -> Iterator[Tuple[str, str]]:
    """(parameter, text) of all texts that may be run or handed to a build."""
    for parameter, value in draft.parameters.items():
        if parameter not in _NAMING and not parameter.startswith(('_', 'local_')):
            for text in texts(value, but=_NAMING, keys=False):
                yield parameter, text


def left_out(pattern: Pattern[str], text: str) -> str:
    """
    A text without the words that match. The spaces behind a word go with it only where a space, a quote or nothing
    stands before it: of A=-lx B=1 remains A= B=1.
    """
    found, end = [], 0
    for match in pattern.finditer(text):
        found.append(text[end:match.start()])
        end = match.end()
        before = text[match.start() - 1:match.start()] if match.start() else ''
        if not before or before in ' \t\n"\'(':
            end = re.compile(' *').match(text, end).end()  # type: ignore[union-attr]
    return ''.join([*found, text[end:]])


def reworded(value: Any, change: Callable[[str], str]) -> Any:
    """A value of a parameter with all its texts changed; the same object where none does."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        found = {key: item if key in _NAMING else reworded(item, change) for key, item in value.items()}
        return value if found == value else found
    if isinstance(value, (list, tuple)):
        items = [reworded(item, change) for item in value]
        return value if items == list(value) else type(value)(items)
    return value
