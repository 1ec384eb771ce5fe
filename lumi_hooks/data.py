# SPDX-License-Identifier: GPL-2.0-only
"""Reads the library's JSON data files: duplicate keys are errors, messages name the file."""
import json
import os
import sys
from typing import Any, Callable, Collection, Dict, Iterator, Optional

from .errors import DataError

ROOT = os.path.dirname(os.path.abspath(__file__))
# the files of the library that were read before anybody looked at them, with what lstat said; then who looks at each
noted: Dict[str, Optional[os.stat_result]] = {}
look: Optional[Callable[..., None]] = None


def note(path: str, status: Optional[os.stat_result] = None) -> None:
    """A file of the library is about to be read (library.watch)."""
    if look:
        look(path, status)
    else:
        noted[path] = status


def load_json(path):
    """
    The contents of a JSON file.

    :param path: path of the file; a relative one is taken from the library's own folder
    :return: what the file holds
    :raises DataError: the file is missing, is not JSON, or names a key twice
    """
    path = os.path.join(ROOT, path)
    if path.startswith(ROOT + os.sep):
        note(path)

    def unique(pairs):
        seen = {}
        for key, value in pairs:
            if key in seen:
                raise DataError(f'{path}: duplicate key "{key}": remove one of them')
            seen[key] = value
        return seen

    def number(text):
        """To JSON 2.0 is 2."""
        value = float(text)
        return int(value) if value.is_integer() else value

    try:
        with open(path, encoding='utf-8') as handle:
            return json.load(handle, object_pairs_hook=unique, parse_float=number)
    except OSError as err:
        raise DataError(f'{path}: cannot be read ({err.strerror})') from err
    except ValueError as err:
        raise DataError(f'{path}: not valid JSON ({err})') from err


def our_recipes() -> Optional[str]:
    """Our recipes of what upstream lacks (easyconfigs/), from a checkout or an installation."""
    for path in (os.path.join(os.path.dirname(ROOT), 'easyconfigs'),
                 os.path.join(sys.prefix, 'share', 'lumi-hooks', 'easyconfigs')):
        if os.path.isdir(path):
            return path
    return None


def texts(value: Any, but: Collection[str] = (), keys: bool = True) -> Iterator[str]:
    """
    All texts in a value of lists and dictionaries.

    :param but: keys of dictionaries that are left out, with what is below them
    :param keys: are keys texts as well?
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in but:
                yield from texts(key) if keys else ()
                yield from texts(item, but, keys)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts(item, but, keys)
