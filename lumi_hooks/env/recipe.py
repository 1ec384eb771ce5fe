# SPDX-License-Identifier: GPL-2.0-only
"""The recipe that a generation of an environment is installed by: data alone, whatever the spec says."""
import pprint
from typing import Any, Mapping, Tuple

from .. import quote, sites
from ..amounts import count_in_words

EASYBLOCK = 'LumiEnvironment'
# below an installation: its lock and its spec
FOLDER = 'environment'
LOCK, SPEC = f'{FOLDER}/lock.json', f'{FOLDER}/spec'
# of the module's description, one line of it
_LONGEST = 2000


def recipe_text(generation: int, lock: Mapping[str, Any], spec: Tuple[str, str]) -> str:
    """
    The text of the recipe.

    :param lock: what it was resolved to (lock.py)
    :param spec: name and text of the file that says what is in it
    """
    contents = [lock, *lock['steps'].values()]
    pins = {pin['filename']: pin['sha256'] for content in contents for pin in content['python']['pins']}
    parts = dict.fromkeys(module for content in contents for module in content['targets'])
    known = {item['module']: item for item in lock['modules']}
    values = [
        ('easyblock', EASYBLOCK), ('name', lock['name']), ('version', str(generation)),
        ('homepage', sites.link('easybuild')),
        ('description', _description(lock)),
        ('toolchain', {'name': 'system', 'version': 'system'}),
        ('dependencies', [_dependency(known[module]) for module in parts]),
        ('sources', list(pins)), ('checksums', list(pins.values())),
        ('environment_lock', lock), ('environment_spec', spec), ('moduleclass', 'devel'),
    ]
    head = quote.comment(f'generation {generation} of the environment {lock["name"]}, written by lumi-eb env')
    lines = [f'# {head}']
    for name, value in values:
        text = 'SYSTEM' if name == 'toolchain' else pprint.pformat(value, width=110, sort_dicts=False)
        lines.append(f'{name} = {text}')
    return '\n'.join(lines).replace("'EXTERNAL_MODULE'", 'EXTERNAL_MODULE') + '\n'


def _dependency(item: Mapping[str, Any]) -> Tuple[Any, ...]:
    """A dependency as recipes write it."""
    if item['external']:
        return (item['module'], 'EXTERNAL_MODULE')
    return (item['name'], item['version'], item['versionsuffix'], tuple(item['toolchain']))


def _description(lock: Mapping[str, Any]) -> str:
    """What the module's help says."""
    said = lock['description'] or f'The environment {lock["name"]}'
    modules = ', '.join(lock['targets']) or 'no modules'
    python = f'; {count_in_words(len(lock["python"]["pins"]), "Python package")}' if lock['python']['pins'] else ''
    steps = f'; steps: {", ".join(lock["steps"])}' if lock['steps'] else ''
    return quote.line(f'{said}: {modules}{python}{steps}')[:_LONGEST]
