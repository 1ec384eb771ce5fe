# SPDX-License-Identifier: GPL-2.0-only
"""
Recipes of a user's own for libraries whose source can't be had here, and the overrides that let others use them:
what docs/prefixes.md tells users to do. The data are ci/python-builds.json.
"""
import json
import os
import re
from typing import Any, Dict, List, Sequence

from lumi_hooks.files import read_text, write_atomic
from lumi_hooks.finding import find_recipe
from lumi_hooks.recipe import read_recipe

DATA = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'python-builds.json')
HEAD = """# Upstream's {name} with a source that Debian has: written by ci/collection from ci/python-builds.json.
"""
AUTORECONF = """
# Debian's source is the one of upstream's repository, without configure
builddependencies += [('Autotools', '20240712')]
preconfigopts = 'autoreconf -fi && '
"""
REASON = 'the source of the version that upstream names can\'t be had here (ci/python-builds.json)'


def substitutes() -> Dict[str, Any]:
    """The data: `recipes` by upstream's file name, `dependencies` and `untested` (why) by software."""
    with open(DATA, encoding='utf-8') as handle:
        return json.load(handle)


def text_of(name: str, text: str, change: Dict[str, Any]) -> str:
    """A recipe's text with another source and its checksum; ValueError where upstream's has them in another form."""
    lines = {'sources': f"sources = ['{change['source']}']", 'checksums': f"checksums = ['{change['sha256']}']"}
    if 'version' in change:
        lines['version'] = f"version = '{change['version']}'"
    for parameter, line in lines.items():
        text, count = re.subn(rf'^{parameter} = (?:\[[^\]]*\]|[^\[\n]*)$', line, text, flags=re.M)
        if count != 1:
            raise ValueError(f'{name}: {parameter} is set {count} times')
    return HEAD.format(name=name) + text + (AUTORECONF if change.get('autoreconf') else '')


def write(prefix: str, folders: Sequence[str]) -> None:
    """
    Write the recipes and overrides into a prefix.

    :param prefix: the user's EBU_USER_PREFIX
    :param folders: where upstream's recipes are
    """
    data = substitutes()
    for name, change in data['recipes'].items():
        path = find_recipe(name, folders)
        recipe = read_recipe(path)
        new = name.replace(f'-{recipe.version}-', f'-{change.get("version", recipe.version)}-', 1)
        target = os.path.join(prefix, 'UserRepo', 'easybuild', 'easyconfigs', recipe.name[0].lower(), recipe.name, new)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        write_atomic(target, text_of(name, read_text(path), change))
    os.makedirs(os.path.join(prefix, 'overrides'), exist_ok=True)
    overrides = {software: {'reason': REASON, 'dependencies': versions}
                 for software, versions in data['dependencies'].items()}
    overrides.update((software, {'reason': reason, 'parameters': {'runtest': False}})
                     for software, reason in data['untested'].items())
    for software, entry in overrides.items():
        override = {'name': software, 'overrides': [entry]}
        write_atomic(os.path.join(prefix, 'overrides', f'{software}.json'), json.dumps(override, indent=2) + '\n')


def table() -> List[str]:
    """The substitutes as lines of Markdown."""
    data = substitutes()
    lines = ['| recipe | source |', '|---|---|']
    lines += [f'| {name} | {change["source"]}{", autoreconf" if change.get("autoreconf") else ""} |'
              for name, change in data['recipes'].items()]
    lines += ['', '| software | takes, instead of upstream\'s version |', '|---|---|']
    lines += [f'| {software} | {", ".join(" ".join(pair) for pair in versions.items())} |'
              for software, versions in data['dependencies'].items()]
    return lines + ['', *(f'* {software}: its recipe\'s own tests are left out, as {reason}.'
                          for software, reason in data['untested'].items())]
