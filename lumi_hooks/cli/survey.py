# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb survey: which recipes of a whole collection can be installed, and what stands in the way of the others."""
import argparse
import os
import sys
import time
from typing import Sequence

from .. import sites
from ..errors import LumiHooksError
from ..files import write_atomic
from ..plan import REFUSED
from ..site import Site, is_lumi
from ..survey import Survey, every, for_cuda, recipes_below, survey, with_recipes
from ..survey.cache import cache_folder, keep, load, survey_key
from . import site_options
from .command import add_command, number
from .console import Output, Styled, bold, print_json
from .progress import progress

EXAMPLES = """examples:
  lumi-eb survey                                          all of upstream's recipes
  lumi-eb survey --release 25.09 --toolchain cpeCray --report survey.html
  lumi-eb survey --json my-recipes/
  lumi-eb survey --sample 40                              every 40th recipe: seconds
  lumi-eb survey --beside own/                            with the recipes below own/ as {site}'s own
  lumi-eb survey --partition G --only-cuda                which recipes for CUDA become ones for ROCm: seconds

Ctrl-C ends it; what was counted until then is shown.

exit code: 0 done, 1 recipes failed, 2 bad use, 130 interrupted
"""


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'survey', run, 'which recipes of a collection can be installed',
                         'Plans every recipe of a collection. Nothing is installed.', EXAMPLES)
    parser.add_argument('folder', nargs='*', metavar='DIR', help='folders with recipes (default: upstream\'s)')
    parser.add_argument('--json', action='store_true', help='print the figures as one JSON object')
    parser.add_argument('--report', metavar='FILE.html', help='write an HTML page with tables and a chart')
    parser.add_argument('--sample', type=number, default=1, metavar='N', help='only every N-th recipe')
    parser.add_argument('--beside', metavar='DIR', action='append', default=[], help='a folder with recipes of '
                        f'{sites.name()}\'s, which stand beside upstream\'s as on the robot path; may be repeated')
    parser.add_argument('--only-cuda', action='store_true', help='only recipes that carry CUDA in their names: which '
                        'of them become ones for AMD\'s GPUs')
    parser.add_argument('--jobs', type=number, default=min(2, os.cpu_count() or 1), metavar='N',
                        help='number of processes (default: %(default)s)')
    parser.add_argument('--no-cache', action='store_true', help='look at every recipe, although nothing has changed')


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: a folder does not exist, the site is unknown, a file can't be written
    """
    if options.report and not os.path.isdir(os.path.dirname(os.path.abspath(options.report))):
        # said before minutes of counting, not after
        raise LumiHooksError(f'{options.report} cannot be written: there is no such folder; make it first')
    site, _ = site_options.find_site(options)
    folders = options.folder or list(site.index.upstream)
    if not folders:
        raise LumiHooksError(f'no upstream recipes were found: load the module {sites.setup()}, name folders '
                             'with recipes, or set LUMI_HOOKS_UPSTREAM')
    paths = recipes_below(folders)
    if options.beside and not recipes_below(options.beside):
        raise LumiHooksError(f'there are no recipes (*.eb) below {", ".join(options.beside)}')
    if options.only_cuda:
        paths = for_cuda(paths)
    paths = every(paths, options.sample)
    if not paths:
        raise LumiHooksError(f'there are no recipes (*.eb) below {", ".join(folders)}')
    if not is_lumi() and None in (options.release, options.partition, options.toolchain):
        print(f'lumi-eb: {sites.name()}\'s modules are not loaded: counted for release {site.release.name}, partition '
              f'{site.partition}, {site.toolchain} (--release, --partition and --toolchain name others)',
              file=sys.stderr, flush=True)
    if options.beside:
        site = with_recipes(site, options.beside)
    found = counted(paths, site, options.jobs, cache=not options.no_cache)
    if options.report:
        _write_report(found, options.report)
    if options.json:
        print_json(found.as_json())
    else:
        show(found)
        if options.report:
            print(f'report in {os.path.abspath(options.report)}')
    if found.interrupted:
        print(f'lumi-eb: interrupted; {len(found.findings)} of {found.total} recipes were counted', file=sys.stderr)
        return 130
    return 1 if found.failed() else 0


def counted(paths: Sequence[str], site: Site, jobs: int, title: str = 'recipes', cache: bool = True) -> Survey:
    """
    A survey that tells how far it is; one that was made already, with the same contents of everything, is not made
    again.
    """
    start = time.monotonic()
    folder = cache_folder() if cache else None
    key = survey_key(paths, site) if folder else ''
    kept = load(folder, key, site) if folder else None
    if kept:
        kept.seconds, kept.cached = time.monotonic() - start, True
        return kept
    with progress(title) as told:
        told(0, len(paths))
        found = survey(paths, site, jobs, told)
    if folder:
        keep(folder, key, found)
    found.seconds = time.monotonic() - start
    return found


def show(found: Survey) -> None:
    """Show a survey for reading."""
    data, console = found.as_json(), Output()
    again = ' (nothing has changed since the last survey)' if data['cached'] else ''
    console.say(bold(str(data['recipes'])), f' recipes for {data["toolchain"]}, release {data["release"]}, partition '
                f'{data["partition"]}, in {data["seconds"]} s{again}: ', Styled(f'{data["planned"]} planned', 'green'),
                f' (of these {data["unchanged"]} SYSTEM, unchanged), ',
                Styled(f'{sum(data["refused"].values())} refused', 'yellow'), ', ',
                Styled(f'{len(data["failed"])} failed', 'red'))
    held = data['collection']
    console.say(f'upstream\'s recipes: {held["name"]}, {held["recipes"]:,} of them')
    goal = data['goal']
    if goal['recipes']:
        console.say(f'{goal["planned"]} of {goal["recipes"]} ({goal["share"]:.1%}) on '
                    f'{", ".join(goal["toolchains"])} that need no CUDA are planned')
    counts = ('recipes', 'planned', 'refused', 'failed')
    for title, key in (('toolchain', 'by_toolchain'), ('generation', 'by_generation')):
        console.say()
        console.table([[name, *(str(group[column]) for column in counts)] for name, group in data[key].items()],
                      (title, *counts), (1, 2, 3, 4))
    if data['refused']:
        console.say()
        console.table([[code, str(number), data['reasons'][code]] for code, number in data['refused'].items()],
                      ('refused because', 'recipes', 'which means'), (1,))
        console.say()
        console.table([[item['code'], item['what'], str(item['recipes']), str(item['alone'])]
                       for item in data['blockers'][:15]], ('what blocks most', '', 'recipes', 'alone'), (2, 3))
    for item in data['failed'][:20]:
        console.say(Styled('failed', 'red'), f' {item["recipe"]}: {item["error"]}')


def _write_report(found: Survey, path: str) -> None:
    from ..survey.report import page
    refused = [{'recipe': os.path.basename(item.recipe), 'code': item.codes[0], 'reason': item.reason}
               for item in found.findings if item.status == REFUSED]
    try:
        write_atomic(path, page(found.as_json(), refused))
    except OSError as err:
        raise LumiHooksError(f'{os.path.abspath(path)} cannot be written: {err.strerror}') from err
