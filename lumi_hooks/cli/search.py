# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb search: LUMI's recipes, your own, upstream's and what is installed, and what each would become here."""
import argparse
import os
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .. import quote, trust
from ..adapt import REFUSED, adapt
from ..catalogue import our_recipes
from ..easybuilds import collection
from ..errors import LumiHooksError, RecipeError
from ..finding import all_software, similar
from ..index import Index
from ..naming import choose, entries, whose
from ..recipe import read_recipe
from ..site import Site
from ..versions import version_key
from . import site_options
from .command import add_command
from .console import print_json
from .partial import Partial

EXAMPLES = """examples:
  lumi-eb search gromacs              its recipes and modules, and what each recipe becomes here
  lumi-eb search --all gromacs        all of them
  lumi-eb search hdf                  what has hdf in its name
  lumi-eb search --json netcdf hdf5   several names

The recipe that "lumi-eb install NAME" takes is marked with *.

exit code: 0 something was found, 1 nothing was found for a name, 2 bad use
"""
# rows and names that are shown without --all
_ROWS, _NAMES = 12, 12
INSTALLED = 'installed'


@dataclass(frozen=True)
class Row:
    """
    A recipe or a module.

    :ivar whose: where it is from: upstream, LUMI, yours … or INSTALLED
    :ivar module: what it becomes here, or is; None where it is refused
    :ivar refused: code and reason of a refusal, or why it can't be read
    """
    software: str
    recipe: Optional[str]
    path: str
    whose: str
    module: Optional[str] = None
    refused: Optional[Tuple[str, str]] = None
    best: bool = False
    installed: bool = False

    def as_json(self) -> Dict[str, Any]:
        """As plain data."""
        return {'software': self.software, 'recipe': self.recipe, 'path': self.path, 'from': self.whose,
                'module': self.module, 'refused': dict(zip(('code', 'reason'), self.refused)) if self.refused else None,
                'best': self.best, 'installed': self.installed}


class Found(NamedTuple):
    """What there is of a name: rows, the number of those that were left out, other software with it in the name."""
    rows: List[Row]
    left: int
    others: List[str]


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'search', run, 'which recipes and modules there are, and what each becomes here',
                         'Looks for software by its name, in capital or small letters, or by a part of the name.',
                         EXAMPLES)
    parser.add_argument('name', nargs='+', metavar='NAME', help='the name of a software, or a part of it')
    parser.add_argument('--all', action='store_true', help='show everything that was found')
    parser.add_argument('--json', action='store_true', help='print what was found as one JSON object')


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: the name is empty, or the site is unknown
    """
    if not all(word.strip('-_.* ') for word in options.name):
        raise LumiHooksError('name a software, or a part of its name')
    site, _ = site_options.find_site(options)
    failed = Partial('name')
    found: Dict[str, Found] = {}
    for word in options.name:
        with failed.of(word):
            found[word] = look(word, site, options.all)
    if options.json:
        print_json({**as_json(options.name, site, list(found.values())), 'errors': failed.errors})
    else:
        show(found, site, options.all)
    return failed.code(0, 1)


def look(word: str, site: Site, everything: bool) -> Found:
    """
    What there is of a name.

    :raises RecipeError: nothing has it in its name
    """
    names = matches(word, site)
    if not names:
        near = similar(word, all_software(site.index))
        raise RecipeError(quote.line(f'nothing has {word} in its name')
                          + (f': did you mean {" or ".join(near)}?' if near else ''))
    exact = [name for name in names if name.lower() == word.lower()]
    alone = exact or (names if len(names) == 1 else [])
    rows, left = (several if alone else briefly)(alone or names, site, everything)
    return Found(rows, left, [name for name in names if name not in alone] if alone else [])


def matches(word: str, site: Site) -> List[str]:
    """Names of software with a word in them: the very name first, then those that begin with it, then the others."""
    word = word.lower()
    ours = our_recipes()
    known = all_software(site.index) | (all_software(Index((), [ours])) if ours else frozenset())
    found = [name for name in known if word in name.lower()]
    return sorted(found, key=lambda name: (name.lower() != word, not name.lower().startswith(word), name.lower(), name))


def several(names: Sequence[str], site: Site, everything: bool) -> Tuple[List[Row], int]:
    """What there is of some software, the newest first; how many recipes were left out."""
    rows: List[Row] = []
    left = 0
    for name in names:
        every, best = entries(name, site), _best(name, site)
        # the one that is taken is always shown
        shown = every if everything else [entry for place_of, entry in enumerate(every)
                                          if place_of < _ROWS or entry.source.path == best]
        left += len(every) - len(shown)
        rows += installed(name, site)
        rows += [row(name, entry.source.path, entry.whose, best, site) for entry in shown]
    return rows, left


def briefly(names: Sequence[str], site: Site, everything: bool) -> Tuple[List[Row], int]:
    """One recipe of each software: the one that is taken; of what is a module alone, its newest."""
    shown = names if everything else names[:_ROWS]
    rows: List[Row] = []
    for name in shown:
        best = _best(name, site)
        entry = next((entry for entry in entries(name, site) if entry.source.path == best), None)
        rows += [row(name, entry.source.path, entry.whose, best, site)] if entry else installed(name, site)[:1]
    return rows, len(names) - len(shown)


def installed(name: str, site: Site) -> List[Row]:
    """The modules of a software that can be loaded, the newest first."""
    found = sorted(site.index.modules(name).items(), key=lambda item: version_key(item[0]), reverse=True)
    return [Row(name, None, path, f'{INSTALLED} ({whose(path, site)})', f'{name}/{version}', installed=True)
            for version, path in found]


def row(name: str, path: str, owner: str, best: Optional[str], site: Site) -> Row:
    """What a recipe becomes here."""
    file = os.path.basename(path)
    try:
        reason = trust.why_not(path)
        if reason:
            raise RecipeError(f'it is not read, as reading it runs it: {reason}')
        found = adapt(read_recipe(path), site)
    except LumiHooksError as err:
        return Row(name, file, path, owner, refused=('unreadable', str(err)), best=path == best)
    if found.status == REFUSED:
        code = found.refusals[0].code if found.refusals else 'refused'
        return Row(name, file, path, owner, refused=(code, found.reason), best=path == best)
    return Row(name, file, path, owner, found.module, best=path == best,
               installed=bool(site.index.module_file(found.module)))


def _best(name: str, site: Site) -> Optional[str]:
    """The recipe that `install NAME` takes."""
    try:
        return choose(name, site).path
    except RecipeError:
        return None


def as_json(words: Sequence[str], site: Site, found: Sequence[Found]) -> Dict[str, Any]:
    """What was found as plain data; its fields are a contract. What two names find is there once."""
    return {'name': ' '.join(words), 'release': site.release.name, 'partition': site.partition,
            'toolchain': f'{site.toolchain}/{site.toolchain_version}',
            'collection': str(collection(site.index.upstream)),
            'found': [item.as_json() for item in dict.fromkeys(row for one in found for row in one.rows)],
            'left_out': sum(one.left for one in found),
            'other_names': list(dict.fromkeys(name for one in found for name in one.others))}


def show(found: Mapping[str, Found], site: Site, everything: bool) -> None:
    """A table for each name, for reading."""
    if found:
        print(f'for {site.toolchain}/{site.toolchain_version}, partition {site.partition}; upstream\'s recipes: '
              f'{quote.line(collection(site.index.upstream))}')
    for word, one in found.items():
        print()
        _table(one.rows, one.left, word)
        if one.others:
            print(f'\nother names with {quote.line(word)}: {_some(one.others, everything)}')


def _table(rows: Sequence[Row], left: int, word: str) -> None:
    table = [('', 'recipe', 'from', 'becomes')]
    for item in rows:
        becomes = f'refused ({item.refused[0]})' if item.refused else str(item.module)
        if item.recipe and item.installed:
            becomes += ' (installed)'
        table.append(('*' if item.best else '', item.recipe or '-', item.whose, becomes))
    widths = [max(len(line[column]) for line in table) for column in range(3)]
    for line in table:
        print(quote.line('  '.join([*(cell.ljust(width) for cell, width in zip(line, widths)), line[3]])).rstrip())
    if left:
        print(f'and {left} more: lumi-eb search --all {quote.shell(word)}')
    if any(item.refused for item in rows):
        print('"lumi-eb adapt RECIPE" says why one is refused')


def _some(names: Sequence[str], everything: bool) -> str:
    shown = names if everything else names[:_NAMES]
    rest = len(names) - len(shown)
    return ', '.join(map(quote.line, shown)) + (f' and {rest} more (--all)' if rest else '')
