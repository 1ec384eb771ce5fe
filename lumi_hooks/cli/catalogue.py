# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb catalogue: what a site offers, as easystack files for each release, compiler and partition."""
import argparse
import itertools
import os
from dataclasses import replace
from typing import List, Tuple

from ..affected.catalogue import Target, files, problems, site_of, write
from ..catalogue import other_recipes
from ..errors import LumiHooksError
from ..index import Index
from ..releases import load_machine
from ..site import Site
from ..survey import recipes_below
from . import site_options
from .command import add_command
from .console import Output, Styled, bold, print_json
from .progress import progress

EXAMPLES = """examples:
  lumi-eb catalogue write offers/ GROMACS mpi4py        add them for the default release, compiler and partition
  lumi-eb catalogue write offers/ GROMACS --release 25.03 --release 25.09 --toolchain cpeGNU --toolchain cpeCray
  lumi-eb catalogue write offers/ my-recipes/           every recipe below a folder
  lumi-eb catalogue write offers/                       put the files that are there in order
  lumi-eb catalogue check offers/                       can eb read it, and can all of it be installed?

The folder holds one easystack for each of them, such as offers/25.03/cpeGNU-C.yaml. To install what it lists, load
that release and partition, and: LUMI_HOOKS_TOOLCHAIN=cpeGNU eb --easystack offers/25.03/cpeGNU-C.yaml --robot

exit code: 0 done, 1 something can't be installed, or check found a fault, 2 bad use
"""


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'catalogue', run, 'what a site offers, as easystack files: write and check them',
                         'Writes and checks a catalogue: easystack files that list what a site offers, one for each '
                         'release, compiler and partition. Nothing is installed.', EXAMPLES, where_to=False)
    parser.add_argument('do', choices=('check', 'write'), help='what to do with it')
    parser.add_argument('folder', metavar='DIR', help='folder of the catalogue')
    parser.add_argument('recipe', nargs='*', metavar='RECIPE', help='what to add: recipes, names of software, folders')
    for name, what in (('release', 'YY.MM'), ('toolchain', 'NAME'), ('partition', 'P')):
        parser.add_argument(f'--{name}', action='append', metavar=what, help='only the files of this one, or what to '
                            'write files for; may be repeated')
    parser.add_argument('--json', action='store_true', help='print what was found as one JSON object')


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: there is no such catalogue, the site is unknown, a file can't be written
    """
    base, folders = base_site()
    if options.do == 'check' and options.recipe:
        raise LumiHooksError('check looks at the whole catalogue, and takes no recipes: name its folder alone')
    targets = wanted(options) if options.recipe else chosen(files(options.folder), options)
    new = _recipes(options, targets, base, folders) if options.recipe else []
    rows, found = [], 0
    with progress('files of the catalogue', 2) as told:
        for number, target in enumerate(targets):
            told(number, len(targets))
            path = os.path.join(options.folder, target.file)
            if options.do == 'check':
                said = list(problems(target, path, base, folders))
            else:
                said = [f'{item.entry.recipe}: {item.problem}' for item in
                        write(options.folder, target, new[number] if new else (), base, folders)]
            rows.append({'file': path, 'release': target.release, 'toolchain': target.toolchain,
                         'partition': target.partition, 'problems': said})
            found += len(said)
    if options.json:
        print_json({'files': rows})
    else:
        _show(rows, options.do)
    return 1 if found else 0


def base_site() -> Tuple[Site, List[str]]:
    """
    The site that the environment describes without what is installed there, and the folders to look for recipes in.

    :raises SiteError: the environment is contradictory
    """
    site, folders = site_options.find_site(argparse.Namespace())
    own = other_recipes(folders, site.index.upstream)
    return replace(site, index=Index((), own, site.index.upstream)), folders


def wanted(options: argparse.Namespace) -> List[Target]:
    """The targets that options name, without toolchains that a partition lacks; one alone has to be there."""
    site, _ = site_options.find_site(argparse.Namespace(**{
        name: (getattr(options, name) or [None])[0] for name in ('release', 'toolchain', 'partition')}))
    named = [getattr(options, name) or [getattr(site, name)] for name in ('toolchain', 'partition')]
    releases = options.release or [site.release.name]
    partitions = load_machine()['partitions']
    every = [Target(*one) for one in itertools.product(releases, *named)]
    return [one for one in every if len(every) == 1 or one.partition not in partitions
            or one.toolchain in partitions[one.partition]['toolchains']]


def chosen(found, options: argparse.Namespace) -> List[Target]:
    """
    The targets of a catalogue that options name.

    :raises LumiHooksError: there are none
    """
    kept = [target for target in found if all(getattr(target, name) in (getattr(options, name) or
                                                                       [getattr(target, name)])
                                              for name in ('release', 'toolchain', 'partition'))]
    if not kept:
        raise LumiHooksError('the catalogue has no file of that release, toolchain and partition' if found else
                             'the catalogue has no files: "lumi-eb catalogue write DIR RECIPE …" makes them')
    return kept


def _recipes(options, targets, base: Site, folders) -> List[List[str]]:
    """The recipes that are named, for each target: a software stands for the recipe that suits its release best."""
    found = []
    for target in targets:
        site, paths = site_of(target, base), []
        for name in options.recipe:
            paths += recipes_below([name]) if os.path.isdir(name) else [site_options.look_up(name, site, folders)[0]]
        found.append(paths)
    return found


def _show(rows, do: str) -> None:
    """Show what was found, for reading."""
    console = Output()
    for row in rows:
        state = Styled(f'{len(row["problems"])} {"left out" if do == "write" else "faults"}', 'yellow') \
            if row['problems'] else Styled('written' if do == 'write' else 'ok', 'green')
        console.say(bold(row['file']), ': ', state)
        for said in row['problems']:
            console.say(f'  {said}', hang=4)
