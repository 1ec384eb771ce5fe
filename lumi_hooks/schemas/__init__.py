# SPDX-License-Identifier: GPL-2.0-only
"""
JSON Schemas of the library's data files, and a check of the files against them.

`python -m lumi_hooks.schemas [FILE…]` checks the files of the library, or the given ones. It needs jsonschema
(extra `test`); nothing else in the library does.
"""
import fnmatch
import os
from typing import Any, List, Mapping, Optional

from ..data import ROOT, load_json
from ..errors import DataError, LumiHooksError

# pattern of a data file, below the library's folder -> its schema; the first that fits counts
KINDS = {
    'releases/cpe/*.json': 'cpe',
    'releases/versions/*.json': 'versions',
    'releases/machine.json': 'machine',
    'releases/toolchains.json': 'toolchains',
    'releases/modules.json': 'modules',
    'releases/upstream.json': 'upstream',
    'releases/compilers.json': 'compilers',
    'releases/python/*.json': 'python',
    'releases/pythonbuild.json': 'pythonbuild',
    'easyblocks.json': 'easyblocks',
    'packages/groups.json': 'groups',
    'packages/*.json': 'package',
    'verify/policy.json': 'verify',
}


def data_files(root: str = ROOT) -> List[str]:
    """Paths of all JSON files below a folder but the schemas, sorted, relative to it."""
    found = []
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), root)
            if name.endswith('.json') and not path.startswith('schemas' + os.sep):
                found.append(path)
    return sorted(found)


def kind_of(path: str, root: str = ROOT) -> Optional[str]:
    """The kind of a data file by its place, None where there is no schema for it."""
    path = os.path.relpath(os.path.join(root, path), root).replace(os.sep, '/')
    return next((kind for pattern, kind in KINDS.items()
                 if path.count('/') == pattern.count('/') and fnmatch.fnmatch(path, pattern)), None)


def schema(kind: str) -> Mapping[str, Any]:
    """The schema of a kind of data file."""
    return load_json(os.path.join('schemas', f'{kind}.schema.json'))


def problems(path: str, root: str = ROOT) -> List[str]:
    """
    What is wrong with a data file, as sentences that name file and place; empty where it is right.

    :param path: path of the file; a relative one is taken from `root`
    :raises LumiHooksError: jsonschema is not installed
    """
    try:
        import jsonschema
    except ImportError as err:
        raise LumiHooksError('jsonschema is not installed: pip install "jsonschema >= 4.17"') from err
    kind = kind_of(path, root)
    if kind is None:
        return [f'{path}: there is no schema for a file at this place (known are {", ".join(KINDS)})']
    try:
        content = load_json(os.path.join(root, path))
    except DataError as err:
        return [str(err)]
    checker = jsonschema.Draft202012Validator(schema(kind))
    found = [f'{path}: {"/".join(map(str, error.absolute_path)) or "top level"}: {error.message}'
             for error in sorted(checker.iter_errors(content), key=lambda error: list(map(str, error.absolute_path)))]
    name = os.path.basename(path)[:-len('.json')]
    for field, kinds in (('release', ('cpe', 'versions')), ('name', ('package',)),
                         ('cray-python', ('python',))):
        if kind in kinds and isinstance(content, dict) and content.get(field) != name:
            found.append(f'{path}: {field} is "{content.get(field)}", and the file is named after "{name}"')
    return found
