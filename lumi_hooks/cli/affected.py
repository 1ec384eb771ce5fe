# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb affected: exactly what a change affects of what is offered, in build order."""
import argparse
import glob
import os
import re
import sys
from collections import Counter
from dataclasses import replace
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .. import quote
from ..affected import compare, trees
from ..affected.catalogue import Target, entries, files
from ..affected.compare import CHANGED, EVERYWHERE, LOSSES, MEANS, Affected, Side, look
from ..errors import LumiHooksError, RecipeError
from ..files import read_text
from ..finding import find_recipe
from ..index import is_archive
from ..loaded import RECIPES
from ..site import Site
from ..survey import recipes_below
from ..survey.cache import cache_folder
from .catalogue import base_site, chosen, wanted
from .command import add_command, number
from .console import Output, Styled, bold, print_json
from .progress import progress

EXAMPLES = """examples:
  lumi-eb affected                                        what the changes affect that are not committed yet
  lumi-eb affected --since main --catalogue offers/       a branch, and what the site offers
  lumi-eb affected --since v1.2 --repository ~/my-recipes --json
  lumi-eb affected --from 5.1.2 --catalogue offers/       what another EasyBuild than this one was makes of it
  lumi-eb affected --from /appl/EasyBuild/5.1.2 --release 25.03 --toolchain cpeCray

Compared are the files as they are now with those of a commit (--since), or of another EasyBuild (--from). The
repository may hold this library, recipes, overrides, upstream's recipes or the catalogue. Without a catalogue it is
counted over all recipes. Ctrl-C ends it; what was looked at is kept, and not looked at again.

exit code: 0 done, 2 bad use or it can't be told, 130 interrupted
"""


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'affected', run, 'what a change affects of what is offered, in build order',
                         'Tells exactly which modules are affected by a change of the library, of recipes, of '
                         'overrides or of EasyBuild: those whose recipe, patches, easyblock, toolchain or hooks become '
                         'others, and what needs them. Nothing is installed.', EXAMPLES, where_to=False)
    side = parser.add_mutually_exclusive_group()
    side.add_argument('--since', metavar='REV', help='compare with a commit (default: HEAD)')
    side.add_argument('--from', metavar='VERSION', dest='version', help='compare with another EasyBuild: its version, '
                      'beside the one that is loaded, or the folder where it is installed')
    parser.add_argument('--repository', metavar='DIR', help='the repository that REV is of (default: that of the '
                        'current folder, or of this library)')
    parser.add_argument('--catalogue', metavar='DIR', help='what is offered (default: all recipes)')
    for name, what in (('release', 'YY.MM'), ('toolchain', 'NAME'), ('partition', 'P')):
        parser.add_argument(f'--{name}', action='append', metavar=what, help='only this one; may be repeated')
    parser.add_argument('--jobs', type=number, default=min(2, os.cpu_count() or 1), metavar='N',
                        help='number of processes (default: %(default)s)')
    parser.add_argument('--json', action='store_true', help='print what is affected as one JSON object')


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: REV or VERSION is not there, the catalogue can't be read, one side can't be looked at
    """
    if options.version and options.repository:
        raise LumiHooksError('--repository goes with --since, and --from compares two versions of EasyBuild')
    cache = cache_folder()
    if not cache:
        raise LumiHooksError('there is no folder to keep results in: set HOME or XDG_CACHE_HOME')
    cache = os.path.join(os.path.dirname(cache), 'affected')
    site, _ = base_site()
    new = _now(site)
    if options.version:
        old = _with_easybuild(options.version, new)
        touched = [' → '.join(f'EasyBuild {_version(side)}' for side in (old, new))]
        place: Callable[[str], str] = str
    else:
        old, touched, place = _at_commit(options, new, cache)
    targets = chosen(files(options.catalogue), options) if options.catalogue else wanted(options)
    new = _offering(new, options.catalogue, targets)
    catalogue = options.catalogue and place(os.path.abspath(options.catalogue))
    if catalogue and not os.path.isdir(catalogue):
        raise LumiHooksError(f'{options.catalogue} was not there yet at that commit: compare with a later one')
    old_targets = chosen(files(catalogue), options) if catalogue else targets
    old = _offering(old, catalogue, old_targets)
    total = sum(len(some) for side in (old, new) for some in side.entries.values())
    try:
        with progress('recipes, before and after', 200) as told:
            told(0, total)
            before = look(old, cache, options.jobs, told, 0, total)
            done = sum(map(len, old.entries.values()))
            after = look(new, cache, options.jobs, told, done, total)
    except KeyboardInterrupt:
        print('lumi-eb: interrupted; what was looked at is kept: run the command again to go on', file=sys.stderr)
        return 130
    found = compare.compare(before, after)
    if options.json:
        print_json({'affected': [one.as_json() for one in found]})
    else:
        _show(found, touched, sum(map(len, new.entries.values())), compare.failures(after))
    return 0


def _now(site: Site) -> Side:
    """Everything as it is now."""
    path = tuple(os.path.abspath(one) for one in sys.path if os.path.isdir(os.path.join(one or os.curdir, 'easybuild')))
    own = tuple(os.path.abspath(one) for one in site.index.recipes if not is_archive(one))
    return Side(compare.here(), path, own, tuple(map(os.path.abspath, site.index.upstream)),
                tuple(site.overrides.folders)).moved(str)


def _at_commit(options: argparse.Namespace, new: Side, cache: str) -> Tuple[Side, List[str], Callable[[str], str]]:
    """
    The side as it was at a commit, the files that were changed since, and where a path was then.

    :raises LumiHooksError: there is no such repository or commit, or nothing of it is used
    """
    used = [os.path.realpath(one) for one in new.folders()]
    used += [os.path.realpath(one) for one in new.env.values()]
    used += [os.path.realpath(options.catalogue)] if options.catalogue else []
    asked = [options.repository] if options.repository else [os.curdir, new.library]
    found = list(filter(None, map(trees.repository_of, asked)))
    if not found:
        raise LumiHooksError(f'{os.path.abspath(options.repository or os.curdir)} is in no git repository: name one '
                             'with --repository, or compare with another EasyBuild (--from)')
    inside = {repository: sorted({os.path.relpath(one, repository) for one in used
                                  if one == repository or one.startswith(repository + os.sep)}) for repository in found}
    repository = next((one for one in found if inside[one]), None)
    if repository is None:
        raise LumiHooksError(f'nothing in {found[0]} is used here: no recipes, overrides, library or catalogue '
                             '(recipes have to be on the robot path, or named by LUMI_HOOKS_UPSTREAM)')
    commit = trees.commit_of(repository, options.since or 'HEAD')
    # of the library's clone, what acts and no more
    folders = [name for one in inside[repository] for name in (
        _below(one) if os.path.realpath(os.path.join(repository, one)) == os.path.realpath(new.library) else
        ['' if one == os.curdir else one])]
    tree = trees.laid_out(repository, commit, folders, cache)

    def place(path: str) -> str:
        real = os.path.realpath(path)
        if real == repository or real.startswith(repository + os.sep):
            return os.path.join(tree, os.path.relpath(real, repository))
        return path
    return new.moved(place), trees.changed(repository, commit), place


def _below(library: str) -> List[str]:
    """What acts of the library's clone."""
    return [os.path.normpath(os.path.join(library, name))
            for name in ('lumi_hooks', 'easyblocks', 'toolchains', 'easyconfigs', 'setup.cfg')]


def _with_easybuild(version: str, new: Side) -> Side:
    """
    The side with another EasyBuild.

    :raises LumiHooksError: it is not there
    """
    beside = os.path.dirname(os.environ.get('EBROOTEASYBUILD', ''))
    for root in ([] if os.sep in version or not beside else [os.path.join(beside, version)]) + [version]:
        places = [root, *sorted(glob.glob(os.path.join(glob.escape(root), 'lib*', 'python3*', 'site-packages')))]
        path = [os.path.abspath(one) for one in places if os.path.isdir(os.path.join(one, 'easybuild', 'framework'))]
        if path:
            recipes = os.path.abspath(os.path.join(root, RECIPES))
            rest = [one for one in new.path if not os.path.isdir(os.path.join(one, 'easybuild', 'framework'))]
            return Side(new.library, (*path, *(rest or new.path)), new.own,
                        (recipes,) if os.path.isdir(recipes) else new.upstream, new.overrides, env=new.env)
    raise LumiHooksError(f'there is no EasyBuild {quote.line(version)}' + (f' in {beside}' if beside else '')
                         + ': name the folder where it is installed')


def _version(side: Side) -> str:
    """The version of a side's EasyBuild, by the text of its framework."""
    try:
        text = read_text(os.path.join(side.framework, 'tools', 'version.py'), 'replace')
    except OSError:
        text = ''
    found = re.search(r'^VERSION = [^\'"\n]*[\'"]([^\'"\n]+)', text, re.M)
    return quote.line(found[1]) if found else f'in {quote.line(side.framework)}'


def _offering(side: Side, catalogue: Optional[str], targets: Sequence[Target]) -> Side:
    """A side with what is offered: the entries of a catalogue, or all recipes."""
    folders = [*side.own, os.path.join(side.library, 'easyconfigs'), *side.upstream]
    offered: Dict[Target, List[str]] = {}
    if catalogue:
        paths: Dict[str, str] = {}
        for target, file in files(catalogue).items():
            if target in targets:
                for entry in entries(file):
                    if entry.recipe not in paths:
                        paths[entry.recipe] = _path_of(entry.recipe, folders)
                    offered.setdefault(target, []).append(paths[entry.recipe])
                offered.setdefault(target, [])
    else:
        every = recipes_below([one for one in (*side.own, *side.upstream) if os.path.isdir(one)])
        if not every:
            raise LumiHooksError('there are no recipes: load EasyBuild, set LUMI_HOOKS_UPSTREAM, or name a catalogue')
        # of two of one name the first folder's counts
        first: Dict[str, str] = {}
        for path in sorted(every, key=lambda path: next(number for number, folder in enumerate(
                (*side.own, *side.upstream)) if os.path.realpath(path).startswith(os.path.realpath(folder) + os.sep))):
            first.setdefault(os.path.basename(path), path)
        offered = {target: sorted(first.values()) for target in targets}
    return replace(side, entries=offered)


def _path_of(recipe: str, folders: Sequence[str]) -> str:
    try:
        return find_recipe(recipe, folders)
    except RecipeError:
        return recipe  # what reads it says that it is not there


def _by_code_alone(one: Affected) -> bool:
    """Is it changed by nothing but what is the same for all modules?"""
    return one.change == CHANGED and set(one.why.split(', ')) <= set(EVERYWHERE)


def _show(found: Sequence[Affected], touched: Sequence[str], offered: int, failed: Mapping[str, str]) -> None:
    """Show what is affected, for reading: what was changed and who loses what comes first."""
    console = Output()
    if touched:
        more = f' and {len(touched) - 8} more' if len(touched) > 8 else ''
        console.say(bold('changed: '), ', '.join(touched[:8]) + more)
    said = Counter(one.change for one in found)
    console.say(bold(f'{len(found)} affected'), f', of {offered} that are offered and what these need'
                + (': ' if found else ''), ', '.join(f'{said[kind]} {kind}' for kind in MEANS if said[kind]))
    lost = [one for one in found if one.change in LOSSES]
    if lost:
        console.say()
        console.table([[Styled(one.change, 'red'), one.module, str(one.target), one.why] for one in lost],
                      ('lost', 'module', 'for', 'why'))
    rest = [one for one in found if one.change not in LOSSES and not _by_code_alone(one)]
    if rest:
        console.say()
        console.table([[str(one.level), one.change, one.module, str(one.target), one.why] for one in rest],
                      ('level', 'change', 'module', 'for', 'why'), (0,))
    others = [one.module for one in found if _by_code_alone(one)]
    if others:
        more = ' …' if len(others) > 4 else ''
        console.say()
        console.say(f'{len(others)} changed by other code of EasyBuild or of the hooks alone, which all builds use: '
                    f'{", ".join(others[:4])}{more} (--json names them all)', hang=4)
    for kind in MEANS:
        if said[kind]:
            console.say(f'{kind}: {MEANS[kind]}', hang=4)
    for recipe, reason in list(failed.items())[:5]:
        console.say(Styled('not read', 'yellow'), f' {recipe}: {reason}')
