# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb rebuild: build a set of recipes, locally or on Slurm, and tell what came out."""
import argparse
import os
import shutil
import sys
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .. import quote, sites
from ..catalogue import our_recipes, upstream_recipes
from ..change import Adaptation
from ..errors import LumiHooksError, SiteError
from ..files import write_atomic
from ..gpu import ROCM, split_suffix
from ..packages import package
from ..rebuild import report, steps, wanted
from ..rebuild.local import Local
from ..rebuild.run import (
    DIFFERENCE,
    Run,
    alone,
    ask_to_cancel,
    built_of,
    checked_name,
    fresh,
    holder,
    load,
    make_folder,
    name_of,
    noted_key,
    runs,
)
from ..rebuild.script import Shares, brought, shares
from ..rebuild.slurm import Slurm
from ..rebuild.tasks import ACTIVE, OPEN, REFUSAL, SAME, Task, make_tasks, refusal
from ..site import Site, is_lumi
from . import diff, site_options
from .command import add_command, number
from .console import Output, print_json
from .failures import own_prefix
from .job import run_time
from .partial import Partial
from .progress import progress

EXAMPLES = """examples:
  lumi-eb rebuild zlib-1.3.1-GCCcore-14.2.0.eb lz4        locally, two at once, in an order that works
  lumi-eb affected --since main --json >set.json && lumi-eb rebuild --affected set.json --slurm --account {account}
  lumi-eb rebuild --easystack catalogue.yaml --slurm --jobs 20 --dry-run
  lumi-eb rebuild lz4 -- --optarch=x86-rome               what stands behind -- goes to each eb
  lumi-eb rebuild --status                                the newest run, also while another shell waits for it
  lumi-eb rebuild --resume                                go on after Ctrl-C, or where it was killed
  lumi-eb rebuild --report out                            out/report.html, out/report.md and out/junit.xml
  lumi-eb rebuild --cancel --run 1f3a90bc22               end its jobs; what is built stays

Each recipe is a job of its own, which runs one eb, loads the module, runs "lumi-eb verify" and, on Slurm, the tests
of "lumi-eb job --test". What they need and is not installed is built first. What is installed, made of the same, is
not built again; an installation of something else is replaced when the new one is whole.
The same command again goes on: it builds what failed or is missing. Ctrl-C leaves jobs to themselves (--on-interrupt
cancel ends them); they finish what they do, and --resume finds them.

exit code: 0 all built, or nothing to do; 1 something failed or is refused, or is still to come (--status); 2 bad use
"""
BACK_ENDS: Dict[str, Callable[[Run], steps.Jobs]] = {'local': Local, 'slurm': Slurm}
# jobs at once
_LOCAL, _SLURM = 2, 20


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'rebuild', run, 'build a set of recipes, locally or on Slurm, with a report',
                         'Builds a set of recipes, each as a job, looks at the modules, and keeps what came out in one '
                         'file a run.', EXAMPLES)
    parser.add_argument('recipe', nargs='*', metavar='NAME|RECIPE', help='recipes to build')
    what = parser.add_mutually_exclusive_group()
    what.add_argument('--affected', metavar='FILE', help='build what "lumi-eb affected --json" printed')
    what.add_argument('--easystack', metavar='FILE', help='build the recipes of an easystack file')
    what.add_argument('--resume', action='store_true', help='go on with a run')
    what.add_argument('--status', action='store_true', help='tell how far a run is')
    what.add_argument('--cancel', action='store_true', help='end the jobs of a run, and start no more')
    what.add_argument('--report', metavar='DIR', help='write report.html, report.md and junit.xml of a run')
    parser.add_argument('--run', metavar='NAME', help='name of the run (default: made of the set; else the newest)',
                        dest='name')
    parser.add_argument('--jobs', type=number, metavar='N', help=f'jobs at once (default: {_LOCAL}, on Slurm {_SLURM})')
    parser.add_argument('--no-checks', action='store_true', help='build and load the modules, and no more')
    parser.add_argument('--on-interrupt', choices=('keep', 'cancel'), default='keep',
                        help='what becomes of jobs after Ctrl-C (default: %(default)s)')
    parser.add_argument('--every', type=number, metavar='S', help='seconds between two looks at the jobs '
                        f'(default: {Local.every:.0f}, on Slurm {Slurm.every:.0f})')
    parser.add_argument('--dry-run', action='store_true', help='only show what would be built')
    parser.add_argument('--json', action='store_true', help='print what came out as one JSON object')
    slurm = parser.add_argument_group('on Slurm', 'by partition, as the site\'s data has it, where not given')
    slurm.add_argument('--slurm', action='store_true', help='submit the jobs, instead of running them here')
    slurm.add_argument('--account', metavar='PROJECT', default=os.environ.get('SLURM_ACCOUNT', ''),
                       help='project to bill (default: $SLURM_ACCOUNT)')
    slurm.add_argument('--queue', metavar='NAME', default='', help="Slurm's partition")
    slurm.add_argument('--time', type=run_time, metavar='HH:MM:SS', help='run time of each job')
    slurm.add_argument('--cores', type=number, metavar='N', default=0, help='cores of each job')
    parser.set_defaults(rest=[])


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: nothing can be built here, there is no such run, or a file can't be read or written
    """
    if options.resume or options.status or options.cancel or options.report:
        if options.recipe:
            raise LumiHooksError('name no recipes for a run that there is: they are in it')
        return _known(options, own_prefix())
    if not (options.recipe or options.affected or options.easystack):
        raise LumiHooksError('there is nothing to build: name recipes, or give --affected or --easystack ("lumi-eb '
                             'rebuild --help" shows examples)')
    failed = Partial('recipe')
    asked = [*wanted.named(options.recipe), *(wanted.affected(options.affected) if options.affected else []),
             *(wanted.easystack(options.easystack) if options.easystack else [])]
    planned, differences, given, recipes = _planned(asked, options, failed)
    if failed.errors:
        print('lumi-eb: nothing was built', file=sys.stderr)
        return 2
    if options.dry_run:
        made = _new(options, own_prefix(), planned, recipes)
        steps.prepare(made)
        _tell(made, options, steps.counts(made))
        return 1 if any(task.state == REFUSAL for task in made.tasks) else 0
    _ready(options)
    made = _new(options, own_prefix(), planned, recipes)
    with alone(made.prefix, made.name) as free:
        if not free:
            raise LumiHooksError(f'{holder(made)} is at work on the run {made.name}: "lumi-eb rebuild --status --run '
                                 f'{made.name}" tells how far it is')
        _take_over(made)
        for name, text in differences.items():
            make_folder(made.prefix, made.name, name)
            write_atomic(os.path.join(made.folder, name, DIFFERENCE), text)
        steps.prepare(made)
        return _conducted(made, given, options)


def _planned(asked: Sequence[wanted.Wanted], options: argparse.Namespace, failed: Partial
             ) -> Tuple[List[Task], Dict[str, str], Dict[steps.Target, Optional[Shares]], List[str]]:
    """Tasks for all targets, the diffs of their recipes by name, what jobs get, and folders of the user's recipes."""
    groups: Dict[Tuple, List[wanted.Wanted]] = {}
    for item in asked:
        gpus = split_suffix(item.module)[1] == ROCM if item.module else None
        groups.setdefault((item.release, item.partition, item.toolchain, gpus), []).append(item)
    tasks: Dict[str, Task] = {}
    differences: Dict[str, str] = {}
    given: Dict[steps.Target, Optional[Shares]] = {}
    recipes: Dict[str, None] = {}
    known = [*upstream_recipes(), *filter(None, [our_recipes()])]

    def tell(name: str, adaptation: Adaptation) -> None:
        differences[name] = '\n'.join(diff.lines(adaptation)) + '\n'

    prefix = own_prefix()

    def noted(name: str) -> str:
        return noted_key(prefix, name)

    with progress('recipes', least=20) as told:
        done = 0
        for (release, partition, toolchain, gpus), items in groups.items():
            site, folders = _site(options, release, partition, toolchain, items if gpus else ())
            found, lost = [], []
            for item in items:
                done += 1
                told(done, len(asked))
                try:
                    path = site_options.given_recipe(item.recipe, site, folders)
                except LumiHooksError as err:
                    if not item.module:
                        failed.add(item.recipe, str(err))
                    else:  # one that a change affects may be gone: that is for the report
                        lost.append(refusal(item, item.recipe, site, f'{item.change}: {err}'.lstrip(': ')))
                    continue
                found.append((item, path))
                if not any(path.startswith(folder + os.sep) for folder in known):
                    recipes[os.path.dirname(os.path.abspath(path))] = None
            for task in [*lost, *make_tasks(found, site, tell, noted)]:
                if task.name in tasks:
                    tasks[task.name].asked |= task.asked
                tasks.setdefault(task.name, task)
            given[site.release.name, site.partition] = \
                shares(site, options.queue, options.time or '', options.cores) if options.slurm else None
    return list(tasks.values()), differences, given, list(recipes)


def _site(options: argparse.Namespace, release: str, partition: str, toolchain: str,
          for_gpu: Sequence[wanted.Wanted]) -> Tuple[Site, List[str]]:
    """The site of a target, and folders of recipes."""
    names = [name for name in {item.module.partition('/')[0] for item in for_gpu}
             if 'back_end' in package(name).get('rocm', {})]
    return site_options.find_site(argparse.Namespace(
        release=release or options.release, partition=partition or options.partition,
        toolchain=toolchain or options.toolchain, gpu=[*(options.gpu or ()), *sorted(names)]))


def _ready(options: argparse.Namespace) -> None:
    """
    Can anything be built here?

    :raises SiteError: the modules of the site are not loaded
    """
    if not is_lumi() or not shutil.which('eb'):
        raise SiteError(f'{sites.name()}\'s modules are not loaded: {sites.said("load")}, and the same command again '
                        '(--dry-run shows what would be built anywhere)')
    if options.slurm and not shutil.which('sbatch'):
        raise SiteError('there is no command sbatch here: leave --slurm out, or go where there is one')


def _new(options: argparse.Namespace, prefix: str, tasks: List[Task], recipes: List[str]) -> Run:
    """A run of tasks."""
    name = checked_name(options.name) if options.name else name_of([task.name for task in tasks if task.asked])
    site, _ = site_options.find_site(argparse.Namespace())
    paths = {name: [path for path in os.environ.get(f'EASYBUILD_{name}', '').split(os.pathsep) if path]
             for name in ('ROBOT_PATHS', 'SOURCEPATH')}
    return fresh(name, prefix, {
        'on': 'slurm' if options.slurm else 'local', 'limit': options.jobs or (_SLURM if options.slurm else _LOCAL),
        'account': options.account, 'queue': options.queue, 'time': options.time or '', 'cores': options.cores,
        'checks': not options.no_checks, 'options': list(options.rest), 'environment': brought(os.environ),
        'recipes': recipes, 'robot': paths['ROBOT_PATHS'], 'sources': paths['SOURCEPATH'],
        'loaded': [site.release.name, site.partition], 'tasks': tasks})


def _take_over(made: Run) -> None:
    """
    What an earlier run of the same name knows of the tasks: their jobs.

    :raises LumiHooksError: a job of it is at work on what is different now
    """
    if made.name not in runs(made.prefix):
        return
    before = load(made.prefix, made.name)
    earlier = {task.name: task for task in before.tasks}
    steps.look(before, BACK_ENDS[before.on](before))
    made.created = before.created
    for task in made.tasks:
        old = earlier.pop(task.name, None)
        if old is None:
            continue
        if old.state in ACTIVE and (old.key != task.key or before.on != made.on):
            raise LumiHooksError(f'a job still builds {old.module} as it was before: wait for it ("lumi-eb rebuild '
                                 f'--resume --run {made.name}"), or cancel it (--cancel)')
        task.attempts = old.attempts
        if old.state in ACTIVE or old.key == task.key and old.state != REFUSAL and task.state != REFUSAL:
            task.state, task.installed = old.state, old.installed
            task.reason, task.error = old.reason, old.error
            task.needs = sorted({*task.needs, *old.needs})
    # what they need was built by this run before, and is installed now
    done, names = [], [name for task in made.tasks for name in task.needs]
    while names:
        old = earlier.pop(names.pop(), None)
        if old and old.state in steps.GOOD and built_of(made.prefix, old):
            done.append(old)
            names += old.needs
    made.tasks = [*reversed(done), *made.tasks]
    there = {task.name for task in made.tasks}
    for task in made.tasks:
        task.needs = [name for name in task.needs if name in there]
    for old in earlier.values():
        if old.state in ACTIVE:
            raise LumiHooksError(f'a job still builds {old.module}, which is not in the set any more: cancel it '
                                 f'("lumi-eb rebuild --cancel --run {made.name}"), or wait for it (--resume)')


def _known(options: argparse.Namespace, prefix: str) -> int:
    """What is done with a run that there is."""
    known = runs(prefix)
    if not options.name and not known:
        raise LumiHooksError(f'there is no run in {prefix}: "lumi-eb rebuild RECIPE" starts one')
    found = load(prefix, options.name or known[-1])
    jobs = BACK_ENDS[found.on](found)
    if options.status or options.report:
        steps.look(found, jobs, keep=False)
        if options.report:
            for path in report.write(found, options.report):
                print(quote.terminal(path))
        else:
            _tell(found, options, steps.counts(found))
        return _code(found)
    with alone(prefix, found.name) as free:
        if not free:
            if options.resume:
                raise LumiHooksError(f'{holder(found)} is at work on the run {found.name}')
            ask_to_cancel(found)
            print(f'{holder(found)}, which is at work on the run {found.name}, cancels it within a minute')
            return 0
        if options.cancel:
            steps.look(found, jobs)
            steps.cancel(found, jobs)
            print(f'the run {found.name} is cancelled')
            return 0
        given = {}
        for release, partition in {(task.release, task.partition) for task in found.tasks}:
            site, _ = _site(argparse.Namespace(release=release, partition=partition, toolchain=None, gpu=None), '', '',
                            '', ())
            given[release, partition] = jobs.shares(site)
        if options.jobs:
            found.limit = options.jobs
        steps.look(found, jobs)
        steps.prepare(found)
        return _conducted(found, given, options)


def _conducted(made: Run, given: Mapping[steps.Target, Optional[Shares]], options: argparse.Namespace) -> int:
    """Wait for a run, and tell how it goes; the exit code."""
    jobs = BACK_ENDS[made.on](made)
    made.save()
    print(f'lumi-eb: run {made.name}: {_sentence(steps.counts(made))}; its state and logs: {quote.line(made.folder)}',
          file=sys.stderr, flush=True)
    before = {task.name: task.state for task in made.tasks}

    with progress('modules', least=1) as told:
        def tell(now: Run, said: str) -> None:
            if said:
                print(f'lumi-eb: {quote.line(said)}', file=sys.stderr, flush=True)
            for task in now.tasks:
                if before.get(task.name) != task.state and task.state not in OPEN:
                    print(quote.line(f'{task.state}: {task.module} ({task.target})'
                                     + (f': {task.reason}' if task.reason else '')), file=sys.stderr, flush=True)
                before[task.name] = task.state
            told(sum(task.state not in OPEN for task in now.tasks), len(now.tasks))

        try:
            steps.conduct(made, jobs, given, tell, options.every or 0)
        except KeyboardInterrupt:
            active = sum(task.state in ACTIVE for task in made.tasks)
            if options.on_interrupt == 'cancel':
                steps.cancel(made, jobs)
                print(f'\nlumi-eb: interrupted; its {active} jobs are cancelled, and what is built stays: "lumi-eb '
                      f'rebuild --resume --run {made.name}" goes on', file=sys.stderr)
            else:
                made.save()
                print(f'\nlumi-eb: interrupted; its {active} jobs go on: "lumi-eb rebuild --resume --run {made.name}" '
                      'waits for them and starts the others, --cancel ends them', file=sys.stderr)
            return 130
    _tell(made, options, steps.counts(made))
    return _code(made)


def _code(found: Run) -> int:
    return 0 if all(task.state in steps.GOOD for task in found.tasks) else 1


def as_json(found: Run) -> Dict[str, Any]:
    """A run as plain data; its fields are a contract."""
    return {
        'run': found.name, 'folder': found.folder, 'on': found.on, 'created': _iso(found.created),
        'counts': steps.counts(found), 'done': not any(task.state in OPEN for task in found.tasks),
        'tasks': [{
            'module': task.module, 'recipe': task.recipe, 'release': task.release, 'partition': task.partition,
            'toolchain': task.toolchain or None, 'asked': task.asked, 'why': task.why, 'change': task.change,
            'needs': [found.task(name).module for name in task.needs], 'state': task.state, 'reason': task.reason,
            'installed': task.installed or task.state in steps.GOOD, 'key': task.key, 'seconds': task.seconds,
            'error': task.error,
            'jobs': [{'job': one.job, 'state': one.state, 'host': one.host, 'submitted': _iso(one.submitted),
                      'started': _iso(one.started), 'ended': _iso(one.ended), 'notes': one.notes,
                      'steps': [{'step': name, 'exit_code': code, 'seconds': seconds}
                                for name, code, seconds in one.steps],
                      'log': os.path.join(found.folder_of(task, one), 'log')} for one in task.attempts],
        } for task in found.tasks],
    }


def _iso(when: float) -> Optional[str]:
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(when)) if when else None


def _sentence(counted: Mapping[str, int]) -> str:
    return ', '.join(f'{count} {state}' for state, count in counted.items()) or 'nothing to do'


def _tell(found: Run, options: argparse.Namespace, counted: Mapping[str, int]) -> None:
    """What came out, or is to be done."""
    if options.json:
        print_json(as_json(found))
        return
    console = Output()
    console.table([[task.state, task.module, task.target, f'{task.seconds:.0f} s' if task.seconds else '',
                    task.reason or ('' if task.asked else 'needed by what was asked for')]
                   for task in found.tasks if options.dry_run or task.state != SAME or len(found.tasks) < 50],
                  ('state', 'module', 'for', 'time', 'why'), (3,))
    console.say(f'run {found.name}: {_sentence(counted)}')
