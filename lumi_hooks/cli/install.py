# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb install: find the recipe that suits the release, show what it takes, and run eb."""
import argparse
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .. import doctor, quote, sites
from ..data import ROOT
from ..doctor import ERROR, Situation
from ..errors import LumiHooksError, SiteError
from ..naming import Choice
from ..plan import BUILD, CENTRAL, INSTALLED, Plan, Planner
from ..record.explanation import DIFFERS, Today
from ..record.since import since
from ..site import Site, is_lumi
from . import plan as plans
from . import site_options
from .command import add_command
from .console import print_json
from .partial import Partial

EXAMPLES = """examples:
  lumi-eb install lz4                              the recipe that suits the loaded release best
  lumi-eb install GROMACS/2024.4 Hypre             a version, several at once
  lumi-eb install --dry-run gromacs                only show what would be done
  lumi-eb install --yes my-recipes/X-1.0-foss-2025a.eb
  lumi-eb install lz4 -- --rebuild                 what stands behind -- goes to eb

It runs "eb --hooks=… RECIPE -r" with the EasyBuild that is loaded. Ctrl-C reaches eb: modules that were finished stay,
and the same command goes on with the others.

exit code: 0 installed, or nothing to do; 1 something is refused, or you said no; 2 bad use; else that of eb
"""
# more lines of modules than this are not read
_SHOWN = 20


@dataclass(frozen=True)
class Target:
    """What was asked for: as it was typed, the recipe for it, why this one, its module, and what changed since."""
    asked: str
    path: str
    choice: Optional[Choice]
    module: str
    installed: bool
    today: Optional[Today]


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'install', run, 'install software by its name or recipe, with all that it needs',
                         'Finds the recipe that suits the release best, shows the plan and what it takes, asks, and '
                         'runs eb.', EXAMPLES)
    parser.add_argument('recipe', nargs='+', metavar='NAME|RECIPE', help='the name of a software, with a version or '
                        'without, a file name, or a path')
    parser.add_argument('--yes', '-y', action='store_true', help='do not ask')
    parser.add_argument('--dry-run', action='store_true', help='only show what would be done')
    parser.add_argument('--json', action='store_true', help='print the plan as one JSON object, and install nothing')
    parser.usage = '%(prog)s [options] NAME|RECIPE [NAME|RECIPE ...] [-- OPTIONS OF eb]'
    parser.set_defaults(rest=[])


def split(arguments: Sequence[str]) -> Tuple[List[str], List[str]]:
    """The arguments of lumi-eb, and those behind -- that `install` and `rebuild` hand to eb."""
    words = list(arguments)
    if words[:1] not in (['install'], ['rebuild']) or '--' not in words:
        return words, []
    end = words.index('--')
    return words[:end], words[end + 1:]


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: LUMI's modules are not loaded, the prefix can't be written,
        there is nobody to ask
    """
    site, folders = site_options.find_site(options)
    targets: List[Target] = []
    failed = Partial('recipe')
    for name in options.recipe:
        with failed.of(name):
            targets.append(target(name, *site_options.look_up(name, site, folders), site))
    plan = plans.planned([item.path for item in targets], site)
    if options.json:
        print_json({**as_json(plan, targets, [] if failed.errors else command(targets, options.rest, 'eb')),
                    'errors': failed.errors})
        return failed.code(1 if plan.refused else 0)
    if failed.errors:
        # all of it or nothing: what was named may need each other
        if targets:
            show(plan, targets, options.rest)
            print('lumi-eb: nothing was installed', file=sys.stderr)
        return 2
    wanted = not plan.refused and bool(plan.of(BUILD) or options.rest)
    if wanted and not (options.yes or options.dry_run or sys.stdin.isatty()):
        raise LumiHooksError('there is no terminal to ask on: add --yes to install this, or --dry-run to see what it '
                             'takes')
    show(plan, targets, options.rest)
    if not wanted:
        return 1 if plan.refused else 0
    if options.dry_run:
        print(f'\nwould run: {" ".join(map(quote.shell, command(targets, options.rest, "eb")))}')
        return 0
    if options.release or options.partition:
        raise SiteError('eb installs for the release and partition that are loaded: load those that you mean '
                        '(--release and --partition serve --dry-run and --json)')
    eb = ready(site)
    if not options.yes and not agreed():
        print('nothing was installed')
        return 1
    return run_eb(command(targets, options.rest, eb), settings(options))


def settings(options: argparse.Namespace) -> Dict[str, str]:
    """What the options say of the site, as variables for the hooks in eb."""
    found = {'LUMI_HOOKS_TOOLCHAIN': options.toolchain, 'LUMI_HOOKS_GPU': ' '.join(options.gpu or ())}
    return {name: value for name, value in found.items() if value}


def target(asked: str, path: str, choice: Optional[Choice], site: Site) -> Target:
    """
    What a recipe that was asked for becomes, and where it is installed already, what has changed since.

    :raises RecipeError: it can't be read
    """
    outline = Planner(site).asked(path)
    installed = bool(site.index.module_file(outline.module))
    return Target(asked, outline.path, choice, outline.module, installed,
                  since(outline.module, outline.path, site) if installed else None)


def command(targets: Sequence[Target], rest: Sequence[str], eb: str) -> List[str]:
    """The command line of eb."""
    return [eb, f'--hooks={os.path.join(ROOT, "hooks.py")}', *(item.path for item in targets), '-r', *rest]


def as_json(plan: Plan, targets: Sequence[Target], words: Sequence[str]) -> Dict[str, Any]:
    """
    The plan as plain data, with what was chosen for each name; its fields are a contract.

    :param words: the command line that would be run; none where it would not be
    """
    return {
        'chosen': [{'asked': item.asked, 'recipe': item.path, 'module': item.module,
                    'reason': item.choice.reason if item.choice else None,
                    'others': list(item.choice.others) if item.choice else [], 'installed': item.installed,
                    'today': item.today.as_json() if item.today else None} for item in targets],
        'command': list(words),
        'plan': plans.as_json(plan, plans.estimates(plan)),
    }


def show(plan: Plan, targets: Sequence[Target], rest: Sequence[str] = ()) -> None:
    """The plan for reading: what was chosen and why, what is to be built, what it takes."""
    for item in targets:
        print(quote.line(f'{item.asked}: {item.choice}' if item.choice else os.path.basename(item.path)))
        print(quote.line(f'  becomes {item.module}') + _state(item, rest))
        for text in item.today.differences if item.today and item.today.status == DIFFERS else ():
            print(quote.line(f'    {text}'))
    build = plan.of(BUILD)
    there = len(plan.of(INSTALLED)) + len(plan.of(CENTRAL))
    if build:
        print(f'\nto build ({len(build)}{f"; installed of what it requires: {there}" if there else ""}), into '
              f'{quote.line(plan.site.prefix)}:')
        for node in build[:_SHOWN]:
            print(quote.line(f'  {node.module}  from {os.path.basename(node.source or node.recipe or "")}'))
        if build[_SHOWN:]:
            print(f'  and {len(build) - _SHOWN} more ("lumi-eb plan" lists them)')
        plans.show_cost(plan)
        print(time_of(plan))
    for warning in plan.warnings:
        print(quote.line(f'note: {warning}'))
    for module, code, reason in dict.fromkeys((block.module, block.code, block.reason)
                                              for node in plan.nodes for block in node.blocks):
        print(quote.line(f'refused ({code}): {module}: {reason}'))
    if plan.refused:
        others = [other for item in targets if item.choice for other in item.choice.others[:3]]
        print('nothing can be installed' + quote.line(f'; other recipes: {", ".join(others)}' if others else ''))


def _state(item: Target, rest: Sequence[str]) -> str:
    """What is to be said of a module that is installed."""
    if not item.installed:
        return ''
    if '--rebuild' in rest:
        return ', which is installed, and will be installed again'
    if item.today and item.today.status == DIFFERS:
        return quote.line(f', which is installed; but {item.today.reason}. "lumi-eb install '
                          f'{quote.shell(item.asked)} -- --rebuild" installs it again')
    return ', which is installed'


def time_of(plan: Plan) -> str:
    """How long the modules of a plan took to install before, in a line."""
    expected = plans.estimates(plan)
    known = [item for item in expected.values() if item]
    if not known:
        return 'time: not known, as none of it was installed before'
    unknown = len(expected) - len(known)
    return f'time: about {plans.duration(sum(item.seconds or 0 for item in known))}' \
        + (f' for {len(known)} of them, not known for {unknown}' if unknown else '')


def ready(site: Site) -> str:
    """
    Path of the eb to run.

    :raises SiteError: LUMI's modules are not loaded, there is no eb, or the prefix can't be written
    """
    eb = shutil.which('eb')
    if not is_lumi() or not eb:
        what = f'{sites.name()}\'s modules are' if not is_lumi() else 'EasyBuild is'
        raise SiteError(f'{what} not loaded: {sites.said("load")}, and the same command again '
                        '(--dry-run shows the plan anywhere)')
    problems = [finding.text for finding in doctor.examine(Situation(site)) if finding.check in ('prefix', 'umask')
                and finding.level == ERROR]
    if problems:
        raise SiteError(problems[0])
    return eb


def agreed() -> bool:
    """Does the user agree?"""
    try:
        return input('install this? [y/N] ').strip().lower() in ('y', 'yes')
    except EOFError:
        print()
        return False


def run_eb(words: Sequence[str], more: Mapping[str, str]) -> int:
    """
    Run eb on this terminal; its exit code (128 and the signal's number where one ended it).

    Ctrl-C reaches eb from the terminal itself: it puts things in order, and is waited for. Modules are not looked for
    in the current folder, which may be somebody else's.

    :param more: variables of its environment
    """
    sys.stdout.flush()
    # the hooks take these away again before anything is built (hooks.py)
    safe = {} if 'PYTHONSAFEPATH' in os.environ else {'PYTHONSAFEPATH': '1', 'LUMI_HOOKS_SAFEPATH': '1'}
    with subprocess.Popen(words, env={**os.environ, **more, **safe}) as process:
        before = signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(number))
        try:
            while True:
                try:
                    code = process.wait()
                    break
                except KeyboardInterrupt:
                    continue
        finally:
            signal.signal(signal.SIGTERM, before)
    return code if code >= 0 else 128 - code
