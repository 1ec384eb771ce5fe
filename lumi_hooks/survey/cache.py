# SPDX-License-Identifier: GPL-2.0-only
"""
Surveys that were made already, found again by the contents of everything that they depend on: the library, the
recipes, the modules that are there. So they can't go stale; deleting them costs time only.
"""
import hashlib
import json
import os
import sys
from dataclasses import asdict
from typing import Iterable, Iterator, List, Mapping, Optional, Sequence

from ..catalogue import our_recipes
from ..data import ROOT
from ..files import LARGEST_TEXT, read_json, write_atomic
from ..site import Site
from . import RecipeResult, Survey

# each is a few megabytes; the documentation makes one for every release and compiler
_KEEP = 40


def cache_folder(env: Mapping[str, str] = os.environ) -> Optional[str]:
    """Where surveys are kept: below $XDG_CACHE_HOME, or ~/.cache; None where there is neither."""
    base = env.get('XDG_CACHE_HOME') or (os.path.join(env['HOME'], '.cache') if env.get('HOME') else None)
    return os.path.join(base, 'lumi-hooks', 'survey') if base else None


def survey_key(paths: Sequence[str], site: Site) -> str:
    """A digest of everything that a survey depends on."""
    from easybuild.tools.version import FRAMEWORK_VERSION
    digest = hashlib.sha256()

    def add(*values) -> None:
        digest.update(json.dumps(values).encode() + b'\n')

    add(sys.version, str(FRAMEWORK_VERSION), site.release.name, site.partition, site.toolchain, site.mode, site.prefix,
        sorted(site.disabled), sorted(site.derive), sorted(site.gpu), site.fixed, paths)
    folders = [ROOT, our_recipes() or '', *site.index.recipes, *site.index.upstream]
    known = dict.fromkeys(os.path.realpath(path) for path in _files(folders, ('.eb', '.py', '.json')))
    for path in [*known, *(path for path in paths if os.path.realpath(path) not in known)]:
        try:
            with open(path, 'rb') as stream:
                add(path, hashlib.sha256(stream.read()).hexdigest())
        except OSError as err:
            add(path, str(err.errno))
    for folder in site.index.modulepath:
        add(folder, [os.path.relpath(path, folder) for path in _files([folder], None)])
    add(site.index.recipes, site.index.upstream)
    return digest.hexdigest()


def load(folder: str, key: str, site: Site) -> Optional[Survey]:
    """A survey that was kept, None where there is none that can be read."""
    try:
        data = read_json(os.path.join(folder, f'{key}.json'), LARGEST_TEXT)
        findings = [RecipeResult(item['recipe'], (item['toolchain'][0], item['toolchain'][1]), item['generation'],
                            item['status'], tuple(item['codes']),
                            tuple((code, what) for code, what in item['culprits']), item['reason'], item['builds'],
                            tuple(item['giants']), tuple(item['brought']))
                    for item in data['findings']]
        return Survey(site, data['total'], findings)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def keep(folder: str, key: str, found: Survey) -> None:
    """Keep a complete survey; a cache that can't be written is no error. The oldest ones go."""
    if found.interrupted:
        return
    try:
        os.makedirs(folder, exist_ok=True)
        write_atomic(os.path.join(folder, f'{key}.json'),
                     json.dumps({'total': found.total, 'findings': [asdict(item) for item in found.findings]}))
        files = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith('.json')]
        for path in sorted(files, key=os.path.getmtime, reverse=True)[_KEEP:]:
            os.unlink(path)
    except OSError:
        return


def _files(folders: Iterable[str], endings: Optional[Sequence[str]]) -> Iterator[str]:
    """Files below folders with one of the endings (None: all), in a fixed order."""
    for folder in folders:
        for place, below, files in os.walk(folder):
            below[:] = sorted(name for name in below if name != '__pycache__')
            names: List[str] = sorted(files)
            for name in names:
                if endings is None or name.endswith(tuple(endings)):
                    yield os.path.join(place, name)
