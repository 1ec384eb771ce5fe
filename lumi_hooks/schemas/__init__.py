# SPDX-License-Identifier: GPL-2.0-only
"""
JSON Schemas of the library's data files, and a check of the files against them.

`lumi-eb check-data [FILE…]` checks the files of the library, or the given ones.
"""
import fnmatch
import os
from functools import lru_cache
from typing import Any, FrozenSet, Mapping, Optional

from ..data import ROOT, load_json
from ..errors import DataError
from .plain import faults

_HERE, _ENDING = os.path.dirname(os.path.abspath(__file__)), '.schema.json'
# data files whose schema is not named after them: pattern, below the library's folder or of a prefix -> the schema; the
# first that fits counts
KINDS = {
    'releases/cpe/*.json': 'cpe',
    'releases/python/*.json': 'python',
    'sites/*/versions/*.json': 'versions',
    'packages/groups.json': 'groups',
    'packages/gpu.json': 'gpu',
    'packages/*.json': 'package',
    'verify/policy.json': 'verify',
    'overrides/*.json': 'override',
}


@lru_cache(maxsize=None)
def kinds() -> FrozenSet[str]:
    """The kinds of data that there is a schema of."""
    return frozenset(name[:-len(_ENDING)] for name in os.listdir(_HERE) if name.endswith(_ENDING))


def kind_of(path: str, root: str = ROOT) -> Optional[str]:
    """The kind of a data file by its place and name, None where there is no schema for it."""
    path = os.path.relpath(os.path.join(root, path), root).replace(os.sep, '/')
    found = next((kind for pattern, kind in KINDS.items()
                  if path.count('/') == pattern.count('/') and fnmatch.fnmatch(path, pattern)),
                 os.path.basename(path)[:-len('.json')])
    return found if found in kinds() else None


@lru_cache(maxsize=None)
def schema(kind: str) -> Mapping[str, Any]:
    """The schema of a kind of data file, with what it shares with others (common.schema.json) in its place."""
    found: Mapping[str, Any] = _filled(_read(kind))
    return found


@lru_cache(maxsize=None)
def _read(kind: str) -> Mapping[str, Any]:
    return load_json(os.path.join(_HERE, kind + _ENDING))


def _filled(node: Any) -> Any:
    if isinstance(node, list):
        return [_filled(one) for one in node]
    if not isinstance(node, dict):
        return node
    shared = _read('common')['$defs'][node['$ref'].rpartition('/')[2]] if '$ref' in node else {}
    return {**shared, **{key: _filled(value) for key, value in node.items() if key != '$ref'}}


def checked(path: str, kind: Optional[str] = None) -> Any:
    """
    The contents of one of the library's data files, checked against its schema.

    :param path: below the library's folder, or of a site's file elsewhere
    :param kind: what it is; without it its place says so
    :raises DataError: the file is missing or wrong; the message names the place
    """
    content = load_json(path)
    kind = kind or kind_of(path)
    fault = next(faults(content, schema(kind)), None) if kind else None
    if fault:
        raise DataError(f'{path}: {fault}')
    return content
