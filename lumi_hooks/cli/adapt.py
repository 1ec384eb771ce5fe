# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb adapt: what a recipe becomes, as a table, JSON, diff or file."""
import argparse
import os
import sys
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional

from .. import older, sites
from ..adapt import ADAPTED, REFUSED, UNCHANGED, adapt
from ..change import Adaptation
from ..closure import Closure
from ..dependency import Dependency
from ..errors import LumiHooksError
from ..files import read_text, write_atomic
from ..recipe import parse_recipe, patches_in_folder, read_recipe
from ..record.text import change_json
from ..render import describe, render
from ..selection import own_recipe
from ..site import Site
from ..store import with_checksums
from . import diff, site_options
from .command import add_command
from .console import Output, Styled, bold, dim, print_json
from .partial import Partial

EXAMPLES = """examples:
  lumi-eb adapt mpi4py-4.1.0-gompi-2025a.eb
  lumi-eb adapt --release 25.09 --partition G --json Hypre-2.32.0-foss-2024a.eb
  lumi-eb adapt --diff ./my-own-recipe.eb
  lumi-eb adapt --output recipes/ HPCC-1.5.0-foss-2022a.eb      a plain recipe that installs without lumi-hooks

exit code: 0 all adapted or unchanged, 1 some refused, 2 bad use or unreadable recipe
"""


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'adapt', run, 'what would be changed in a recipe, and why',
                         f'Shows what a recipe becomes on {sites.name()}. Nothing is installed.', EXAMPLES)
    parser.add_argument('recipe', nargs='+', metavar='RECIPE', help='a path, a file name, or the name of a software')
    form = parser.add_mutually_exclusive_group()
    form.add_argument('--json', action='store_true', help='print one JSON object')
    form.add_argument('--diff', action='store_true', help='print what changes, with rule and reason at each place')
    form.add_argument('--output', metavar='DIR', help='write plain recipes that install without this library')
    parser.add_argument('--with-dependencies', action='store_true',
                        help='also show (or write) the recipes that are derived for dependencies')


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: the site is unknown, DIR can't be written
    """
    site, folders = site_options.find_site(options)
    found: List[Adaptation] = []
    asked: Dict[int, str] = {}
    closure = Closure(site)
    failed = Partial('recipe')
    for name in options.recipe:
        with failed.of(name):
            path = site_options.given_recipe(name, site, folders)
            adaptation = look(path, site)
            derived = closure.follow(adaptation) if adaptation.status == ADAPTED else ()
            if adaptation.module in closure.refused:
                adaptation = replace(adaptation, status=REFUSED, reason=closure.refused[adaptation.module])
            found.extend(derived if options.with_dependencies else ())
            asked[len(found)] = path
            found.append(adaptation)
    if options.json:
        print_json({'recipes': [as_json(adaptation, asked.get(position)) for position, adaptation in enumerate(found)],
                    'errors': failed.errors})
    elif options.diff:
        diff.show(found)
    elif options.output:
        for adaptation in found:
            write(adaptation, options.output)
    else:
        table(found)
    return failed.code(1 if any(adaptation.status == REFUSED for adaptation in found) else 0)


def look(path: str, site: Site) -> Adaptation:
    """
    The adaptation of a recipe file; where LUMI or the user has a recipe of the same module name, that one wins and
    this one stays unchanged.
    """
    recipe = read_recipe(path)
    adaptation = adapt(recipe, site)
    adaptation = replace(adaptation, notes=(*adaptation.notes, *older.notes(recipe)))
    if adaptation.status != ADAPTED or adaptation.recipe.toolchain == adaptation.toolchain:
        return adaptation
    own = own_recipe(adaptation.name, adaptation.version, adaptation.versionsuffix, site.on(adaptation.toolchain[0]))
    if not own:
        return adaptation
    native = adapt(read_recipe(own), site)
    reason = f'{own} has the same module name and wins over a derived recipe; LUMI_HOOKS_DERIVE={adaptation.name} ' \
             'derives it all the same'
    return replace(native, reason=reason if native.status != REFUSED else f'{native.reason} ({reason})',
                   notes=(*native.notes, reason))


def as_json(adaptation: Adaptation, asked: Optional[str] = None) -> Dict[str, Any]:
    """
    One of the recipes of --json; the fields are a contract with other tools.

    :param asked: path of the recipe that was asked for, where another one stands for it
    """
    name, version = adaptation.toolchain
    return {
        'recipe': asked or adaptation.recipe.path or adaptation.recipe.filename,
        'status': adaptation.status,
        'reason': adaptation.reason,
        'name': adaptation.name,
        'version': adaptation.version,
        'versionsuffix': adaptation.versionsuffix,
        'toolchain': {'name': name, 'version': version},
        'module': adaptation.module,
        'dependencies': [dependency_json(item, adaptation) for item in adaptation.dependencies()],
        'builddependencies': [dependency_json(item, adaptation)
                              for item in adaptation.dependencies('builddependencies')],
        'changes': [change_json(change) for change in adaptation.changes],
        'kept_out': list(adaptation.kept_out),
        'notes': list(adaptation.notes),
    }


def dependency_json(dependency: Dependency, adaptation: Adaptation) -> Dict[str, Any]:
    """A dependency with the template %(toolchain_version)s resolved and its toolchain spelled out."""
    toolchain = None if dependency.external else dependency.toolchain or adaptation.toolchain
    values = {'toolchain_name': adaptation.toolchain[0], 'toolchain_version': adaptation.toolchain[1],
              'version': adaptation.version, 'versionsuffix': adaptation.versionsuffix, 'name': adaptation.name}
    return {'name': dependency.name, 'version': _resolve(dependency.version, values),
            'versionsuffix': _resolve(dependency.versionsuffix, values),
            'toolchain': {'name': toolchain[0], 'version': toolchain[1]} if toolchain else None,
            'external_module': dependency.module}


def _resolve(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f'%({name})s', value)
    return text


def table(found: List[Adaptation]) -> None:
    """Show adaptations for reading."""
    console = Output()
    colours = {ADAPTED: 'green', UNCHANGED: 'cyan', REFUSED: 'red'}
    for adaptation in found:
        colour = colours[adaptation.status]
        arrow, target = (' → ', adaptation.module) if adaptation.status != REFUSED else ('', '')
        console.say(Styled(adaptation.status, colour), '  ', adaptation.recipe.filename, arrow, bold(target))
        if adaptation.status != ADAPTED:
            console.say(adaptation.reason, indent=2, hang=2)
            continue
        for change in adaptation.changes:
            console.say(bold(describe(change, adaptation)), '  ', dim(f'{change.parameter}, rule {change.rule}'),
                        indent=2)
            console.say(change.reason, indent=6, hang=6)
        if adaptation.kept_out:
            console.say(f'kept out of its build, as it does not use them: {", ".join(adaptation.kept_out)}', indent=2)
        for note in adaptation.notes:
            console.say(Styled('note', 'magenta'), ' ', note, indent=2)


def write(adaptation: Adaptation, folder: str) -> None:
    """
    Write a plain recipe with the patches that are next to its source; says where. A file of the same contents is left
    as it is.

    :raises LumiHooksError: the folder can't be written
    """
    if adaptation.status == REFUSED:
        print(f'refused: {adaptation.recipe.filename}: {adaptation.reason}', file=sys.stderr)
        return
    text = adaptation.recipe.text if adaptation.status == UNCHANGED else \
        render(with_checksums(adaptation), parse_recipe, True)
    path = os.path.join(folder, adaptation.filename)
    try:
        os.makedirs(folder, exist_ok=True)
        contents = {os.path.join(folder, os.path.basename(patch)): read_text(patch)
                    for patch in (*patches_in_folder(adaptation.recipe), *adaptation.patches)}
        for place_of, content in {**contents, path: text}.items():
            if not os.path.exists(place_of) or read_text(place_of) != content:
                write_atomic(place_of, content)
    except OSError as err:
        raise LumiHooksError(f'{path} cannot be written: {err.strerror}') from err
    print(path)
