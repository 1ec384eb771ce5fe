# SPDX-License-Identifier: GPL-2.0-only
"""All data files of the library, and everything that is wrong with one."""
import os
from typing import List, Optional

from ..data import ROOT, load_json
from ..errors import DataError
from . import kind_of, kinds, schema
from .plain import faults


def data_files(root: str = ROOT) -> List[str]:
    """Paths of all JSON files below a folder but the schemas, sorted, relative to it."""
    found = []
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), root)
            if name.endswith('.json') and not path.startswith('schemas' + os.sep):
                found.append(path)
    return sorted(found)


def problems(path: str, root: str = ROOT, kind: Optional[str] = None) -> List[str]:
    """
    What is wrong with a data file, as sentences that name file and place; empty where it is right.

    :param path: path of the file; a relative one is taken from `root`
    :param kind: what it is; without it its place says so
    """
    kind = kind or kind_of(path, root)
    if kind is None:
        return [f'{path}: there is no schema for a file at this place (known are {", ".join(sorted(kinds()))})']
    try:
        content = load_json(os.path.join(root, path))
    except DataError as err:
        return [str(err)]
    found = [f'{path}: {fault}' for fault in faults(content, schema(kind))]
    name = os.path.basename(path)[:-len('.json')]
    for field, those in (('release', ('cpe', 'versions')), ('name', ('package', 'override')),
                         ('cray-python', ('python',))):
        if kind in those and isinstance(content, dict) and content.get(field) != name:
            found.append(f'{path}: {field} is "{content.get(field)}", and the file is named after "{name}"')
    return found
