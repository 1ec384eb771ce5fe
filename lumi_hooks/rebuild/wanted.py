# SPDX-License-Identifier: GPL-2.0-only
"""The recipes that a rebuild is asked for: named, of an easystack file, or what `lumi-eb affected --json` printed."""
import re
from typing import List, NamedTuple, Sequence

from .. import quote
from ..errors import DataError
from ..files import LARGEST, read_json, read_text

# an item of a list, bare or quoted, with a colon where options follow; then a comment
_ITEM = re.compile(r'''\s*-\s+(?P<quote>['"]?)(?P<name>[^'"#:\s]+)(?P=quote)\s*(?P<colon>:?)\s*(#.*)?''')
_IGNORED = re.compile(r'\s*(#.*)?|---\s*')
_KEY = re.compile(r'(?P<key>[a-z_]+)\s*:\s*(?P<value>[^#]*?)\s*(#.*)?')


class Wanted(NamedTuple):
    """
    A recipe that is to be built. `module` is what it has to become ('': whatever it becomes); release, partition and
    toolchain are those of the command line where they are empty. `why` and `change`: as `lumi-eb affected` says it.
    """
    recipe: str
    module: str = ''
    release: str = ''
    partition: str = ''
    toolchain: str = ''
    why: str = ''
    change: str = ''


def affected(path: str) -> List[Wanted]:
    """
    The set that `lumi-eb affected --json` printed.

    :param path: of a file, as text of others
    :raises DataError: it can't be read, or is something else
    """
    try:
        found = read_json(path)
    except OSError as err:
        raise DataError(f'{path}: cannot be read ({err.strerror})') from err
    except ValueError as err:
        raise DataError(f'{path}: {err}; it takes what "lumi-eb affected --json" prints') from err
    if not isinstance(found, dict) or found.get('schema_version') != 1 or not isinstance(found.get('affected'), list):
        raise DataError(f'{path}: it takes what "lumi-eb affected --json" prints, an object with schema_version 1 and '
                        'a list "affected"')
    return [_entry(entry, f'{path}: affected/{number}') for number, entry in enumerate(found['affected'])]


def _entry(entry: object, place: str) -> Wanted:
    """One of the set; what refers to no recipe any more (a module that is gone) has none to build."""
    if not isinstance(entry, dict):
        raise DataError(f'{place} is no object')
    values = {}
    for key in Wanted._fields:
        value = entry.get(key) or ''
        value = quote.line(value) if key in ('why', 'change') else value
        if not isinstance(value, str) or quote.line(value) != value:
            raise DataError(f'{place}: {key} is no text of one line')
        values[key] = value
    if not values['recipe']:
        raise DataError(f'{place} names no recipe')
    return Wanted(**values)


def easystack(path: str) -> List[Wanted]:
    """
    The recipes of an easystack file: a list `easyconfigs` of names. It is read without PyYAML, which a first user need
    not have; what such a list does not hold is rejected, not passed over.

    :raises DataError: it can't be read, or holds something else
    """
    try:
        lines = read_text(path, errors='strict', largest=LARGEST).split('\n')
    except (OSError, UnicodeDecodeError) as err:
        raise DataError(f'{path}: cannot be read ({getattr(err, "strerror", None) or "it is no text"})') from err
    found: List[Wanted] = []
    within = False
    for number, line in enumerate(lines, 1):
        item, key = _ITEM.fullmatch(line), _KEY.fullmatch(line)
        if _IGNORED.fullmatch(line):
            continue
        if key and not line[0].isspace():
            within = key['key'] == 'easyconfigs' and key['value'] in ('', '[]')
            if within or key['key'] in ('easybuild_version', 'robot'):
                continue
        elif item and within:
            if item['colon']:
                raise DataError(f'{path}, line {number}: options of a single recipe are not taken: give those of all '
                                'recipes behind -- on the command line')
            found.append(Wanted(item['name'] if item['name'].endswith('.eb') else item['name'] + '.eb'))
            continue
        raise DataError(f'{path}, line {number}: {quote.line(line.strip()[:80])!r} is not understood: an easystack '
                        'file holds "easyconfigs:", and below it a line "  - NAME.eb" for each recipe')
    if not found:
        raise DataError(f'{path} lists no recipe below "easyconfigs:"')
    return found


def named(recipes: Sequence[str]) -> List[Wanted]:
    """Recipes that were named on the command line."""
    return [Wanted(recipe) for recipe in recipes]
