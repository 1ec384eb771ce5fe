# SPDX-License-Identifier: GPL-2.0-only
"""Draws Python recipes of upstream's by a seed, over all generations: `ci/collection --draw`."""
import os
import random
import re
import sys
from itertools import zip_longest
from typing import Any, Dict, List, Sequence

import ownpython  # noqa: F401

from lumi_hooks.errors import LumiHooksError
from lumi_hooks.files import read_text
from lumi_hooks.recipe import read_recipe
from lumi_hooks.releases import generation_of
from lumi_hooks.survey import recipes_below

_PYTHON = re.compile(r'^easyblock *= *[\'"]Python(?:Package|Bundle)[\'"]', re.M)
GENERATIONS = ('2023a', '2023b', '2024a', '2025a', '2025b')

DRAWN = """

The recipes of ci/python-builds.list come first. The others are drawn by the seed among all recipes with the
easyblocks PythonPackage and PythonBundle: one of 2023a, 2023b, 2024a, 2025a and 2025b in turn, each software once. What
has no plan here, or whose plan needs a source that neither PyPI nor Debian has, is replaced by the next of the draw; it
is listed below, and is neither a success nor a failure. That is decided by plans and sources alone (`--check`): what
takes long stays in, and is counted as left until it is built, with the modules that it waits for as *built for it*.
EasyBuild's own sanity check imports each package and runs `pip check` with the modules of its dependencies; here
`pip check` runs again with the module loaded as a user loads it. *Present* was built before: as
the dependency of another, or by a run that was ended."""

SUBSTITUTED = """
## Libraries from another source

What is drawn is unmodified, and so is what it needs, except these libraries. Neither Debian nor PyPI has the source of
their recipes. As [prefixes.md](prefixes.md) tells users to, the prefix of this run holds recipes of its own for them:
upstream's text with the source that Debian has (ci/python-builds.json). Where Debian has another version, overrides let
what needs the library take that one.
"""


def upstream() -> List[str]:
    """The folders of the released package easybuild-easyconfigs in this Python's environment."""
    return [os.path.join(sys.prefix, 'easybuild', 'easyconfigs')]


def python_recipes(folders: Sequence[str]) -> Dict[str, Dict[str, List[str]]]:
    """File names of the recipes with a Python easyblock: by generation, by software."""
    found: Dict[str, Dict[str, List[str]]] = {name: {} for name in GENERATIONS}
    for path in sorted(recipes_below(folders)):
        if not _PYTHON.search(read_text(path)):
            continue
        try:
            recipe = read_recipe(path)
        except LumiHooksError:
            continue
        generation = generation_of(*recipe.toolchain)
        if generation in found:
            found[generation].setdefault(recipe.name, []).append(os.path.basename(path))
    return found


def draw(recipes: Dict[str, Dict[str, List[str]]], seed: int, first: Sequence[str] = ()) -> Dict[str, str]:
    """
    All recipes in the order in which a seed draws them, with their generations: one of each generation in turn, and
    each software once.

    :param first: these come first, and their software is not drawn
    """
    chance = random.Random(seed)
    generation = {name: when for when, software in recipes.items() for names in software.values() for name in names}
    software = {name: title for titles in recipes.values() for title, names in titles.items() for name in names}
    order: Dict[str, str] = {name: generation.get(name, '') for name in first}
    taken = {software.get(name) for name in first}
    rows = []
    for titles in recipes.values():
        names = sorted(titles)
        chance.shuffle(names)
        rows.append([(title, chance.choice(sorted(titles[title]))) for title in names])
    for title, name in (item for turn in zip_longest(*rows) for item in turn if item):
        if title not in taken:
            taken.add(title)
            order[name] = generation[name]
    return order


def replaced(found: Sequence[Any]) -> str:
    """What was drawn and could not be tried (of ci/collection's outcomes), as a part of the page."""
    lines = ['', '## Drawn and not tried', '', '| recipe | why | cause |', '|---|---|---|']
    for item in found:
        cause = ' '.join(item.cause.split())[:160].replace('|', '\\|')
        lines.append(f'| {item.recipe} | {item.outcome} | {cause} |')
    from substitutes import table
    return '\n'.join([*lines, SUBSTITUTED, *table()]) + '\n'
