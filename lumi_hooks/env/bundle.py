# SPDX-License-Identifier: GPL-2.0-only
"""One file that holds an environment for others: its spec, its lock, and the recipes that only its author has."""
import contextlib
import json
import os
import tempfile
from dataclasses import dataclass
from typing import Any, Dict, Iterator, Mapping

from ..errors import DataError, LumiHooksError
from ..files import read_json, read_text, write_atomic
from ..record.explanation import InstalledPackage
from ..schemas import schema
from ..schemas.plain import faults
from .generations import Generation
from .lock import as_text, checked, lock_path

KIND = 'lumi-hooks environment'
_LARGEST = 64 << 20


@dataclass(frozen=True)
class Bundle:
    """What such a file holds. `recipes`: recipes and patches of its author's own, by file name."""
    spec_file: str
    spec: str
    lock: Dict[str, Any]
    recipes: Mapping[str, str]

    def files(self) -> Mapping[str, str]:
        """All files, by name."""
        return {self.spec_file: self.spec, lock_path(self.spec_file): as_text(self.lock), **self.recipes}


def bundle_text(item: Generation) -> str:
    """
    The text of the file.

    :raises LumiHooksError: a part of the environment is gone
    """
    recipes: Dict[str, str] = {}
    for root in _roots(item):
        found = InstalledPackage.read(root)
        source = (found.record or {}).get('source') or {}
        # of what was not derived the recipe is kept that it was installed by
        own = found.source if source.get('origin') == 'user' else found.recipe if found.record and not source else None
        if own:
            recipes[os.path.basename(own)] = read_text(own)
            recipes.update({os.path.basename(path): read_text(path) for path in found.patches()})
    ending = os.path.splitext(item.spec)[1]
    return json.dumps({'schema_version': 1, 'kind': KIND, 'spec': {'file': item.name + ending,
                                                                   'text': read_text(item.spec)},
                       'lock': item.lock, 'recipes': recipes}, indent=1) + '\n'


def _roots(item: Generation) -> Iterator[str]:
    """The installations of its parts that lie in the same prefix; those of others have recipes that all can have."""
    base = os.path.dirname(os.path.dirname(item.folder))
    for module in item.lock['modules']:
        path = os.path.join(base, *module['module'].split('/'))
        if not module['external'] and os.path.isdir(path):
            yield path


def read_bundle(path: str) -> Bundle:
    """
    What such a file holds.

    :raises DataError: it is none
    """
    try:
        found = read_json(path, _LARGEST)
    except OSError as err:
        raise DataError(f'{path}: cannot be read ({err.strerror})') from err
    except ValueError as err:
        raise DataError(f'{path}:1: not valid JSON ({err})') from err
    fault = next(faults(found, schema('envbundle')), None)
    if fault:
        raise DataError(f'{path}:1: no exported environment that this version of lumi-hooks reads: {fault}')
    return Bundle(found['spec']['file'], found['spec']['text'], checked(found['lock'], path), found['recipes'])


@contextlib.contextmanager
def unpacked(bundle: Bundle, folder: str) -> Iterator[str]:
    """
    Write the files into a folder; the path of the spec.

    :param folder: empty to only look: into one that goes
    :raises LumiHooksError: a file of that name with different contents is there
    """
    with contextlib.ExitStack() as stack:
        place = folder or stack.enter_context(tempfile.TemporaryDirectory())
        os.makedirs(place, exist_ok=True)
        for name, text in bundle.files().items():
            path = os.path.join(place, name)
            if os.path.lexists(path) and read_text(path) != text:
                raise LumiHooksError(f'{path} exists with different contents: name another place with --folder')
        for name, text in bundle.files().items():
            write_atomic(os.path.join(place, name), text)
        yield os.path.join(place, bundle.spec_file)
