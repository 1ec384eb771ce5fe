# SPDX-License-Identifier: GPL-2.0-only
"""
Builds a list of unmodified upstream recipes for real on the stand-in, one after the other, and keeps what came out:
the command line of ci/collection.
"""
import argparse
import datetime
import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, fields
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from lumishell import HOOKS, ROOT, Shell, cache, standin

# when the stand-in lost what LUMI does not have
BARE = '2026-11-28'
COLLECTION, PYTHON = 'collection', 'python-builds'
BUILT, PRESENT, FAILED = 'built', 'present', 'failed'
# not tried: the first three can't be, and the last waits for its turn
UNSOURCED, REFUSED, PROVIDED, LEFT = 'no source', 'refused', 'provided', 'left'

EXAMPLES = """examples:
  ci/collection                                    everything on the list that is not built yet
  ci/collection pixman-0.46.4-GCCcore-14.3.0.eb    these recipes, on the list or not
  ci/collection --again --write-docs               everything anew; docs/collection.md is written
  ci/collection --show                             what came out so far
  ci/collection --draw 60 --seed 14                Python recipes that a seed draws, until 60 were tried
  ci/collection --draw 60 --check                  which 60 these are: plans and sources alone, nothing is built

A recipe that is drawn and has no plan, or needs a source that can't be had, is replaced by the next. Those of
ci/python-builds.list come before those that are drawn. Libraries below them whose source can't be had are built from
another source of the same library (ci/python-builds.json). The results are kept apart from the list's.

Ctrl-C ends it; what was built stays, and the next run goes on with the rest (what failed is tried again). Sources are
staged by ci/sources/stage, checked against the recipes' own checksums. The log of each build is kept.

exit code: 0 every recipe is built, 1 one is not, 2 bad use, 130 interrupted
"""

HEAD = """{title}

Written by `{command} --write-docs` on {date}, with lumi-hooks {version} and EasyBuild {easybuild}: run it again
instead of editing this page.

Recipes of easybuild-easyconfigs {easybuild}, unmodified (each is the very file of the released package),
installed by `eb --hooks=… RECIPE -r` on the stand-in Cray PE (LUMI/25.03, partition C, cpeGNU; gcc {gcc} behind
`cc`, with the C errors of GCC 14 since {bare}), from sources that have the recipe's own checksums, with EasyBuild's own
sanity check; then the module is loaded and its folder looked for{checks}. *Day*: on {bare} the stand-in became as bare
as LUMI ([standin.md](standin.md)); what is older was built on a kinder one, and is to be tried again. *Seconds* are by
the clock, on a machine of {cores} cores that did other work beside; they include what had to be built for it. {count}

"""


EARLY = """
## Built before their turn

These come later in the draw than the first ones above, and do not count.
"""


@dataclass
class Outcome:
    """
    What came of one recipe; `modules` were built for it (are to be, where it is left), `cause` says why it failed,
    `log` is eb's output.
    """
    recipe: str
    outcome: str
    module: str = ''
    easyblock: str = ''
    modules: Tuple[str, ...] = ()
    changes: int = 0
    seconds: float = 0.0
    cause: str = ''
    log: str = ''
    date: str = ''
    sha256: str = ''

    @property
    def good(self) -> bool:
        """Is it installed?"""
        return self.outcome in (BUILT, PRESENT, PROVIDED)

    @property
    def tried(self) -> bool:
        """Was there all that it needs, and was it built here?"""
        return self.outcome in (BUILT, PRESENT, FAILED)

    @property
    def possible(self) -> bool:
        """Is there all that it needs, whether it was tried or not?"""
        return self.tried or self.outcome == LEFT


class Results:
    """Outcomes by recipe, kept in a file that is written after each."""

    def __init__(self, path: str):
        self.path = path
        self.found: Dict[str, Outcome] = {}
        self._read()

    def _read(self) -> None:
        try:
            with open(self.path, encoding='utf-8') as handle:
                known = json.load(handle)
        except FileNotFoundError:
            return
        names = {item.name for item in fields(Outcome)}
        for item in known:
            self.found[item['recipe']] = Outcome(**{key: value for key, value in item.items() if key in names})

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome, beside those that another run of the command has added since."""
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with open(self.path + '.lock', 'w', encoding='utf-8') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._read()
            self.found[outcome.recipe] = outcome
            with open(self.path + '.new', 'w', encoding='utf-8') as handle:
                json.dump([asdict(item) for item in self.found.values()], handle, indent=1)
            os.replace(self.path + '.new', self.path)


def listed(name: str = COLLECTION) -> Dict[str, str]:
    """The recipes on a list with what is said of each behind a #."""
    with open(os.path.join(ROOT, 'ci', f'{name}.list'), encoding='utf-8') as handle:
        lines = [line.partition('#') for line in handle]
    return {name.strip(): note.strip() for name, _, note in lines if name.strip()}


class Builder:
    """Builds recipes in one prefix."""

    def __init__(self, folder: str):
        self.folder = folder
        self.shell = Shell(os.path.join(folder, 'EasyBuild'), os.path.join(folder, 'home'))
        os.makedirs(self.shell.home, exist_ok=True)
        os.makedirs(os.path.join(folder, 'logs'), exist_ok=True)

    def build(self, recipe: str, check: bool = False) -> Outcome:
        """
        Plan it, stage what it needs, install it, load it.

        :param check: plan and stage only
        """
        start = time.monotonic()
        result = self._build(recipe, check)
        result.seconds = round(time.monotonic() - start, 1)
        result.date = datetime.date.today().isoformat()
        return result

    def _build(self, recipe: str, check: bool) -> Outcome:
        plan = self._plan(recipe)
        target, = [node for node in plan['nodes'] if node['module'] in plan['targets']]
        outcome = Outcome(recipe, BUILT, target['module'], changes=len(target['changes']),
                          log=os.path.join(self.folder, 'logs', f'{recipe}.log'))
        refused = [node for node in plan['nodes'] if node['status'] == 'refused']
        if refused:
            return self._not(outcome, REFUSED, (target if target in refused else refused[0])['reason'])
        # what is installed is planned without its recipe
        source = target['source'] or upstreams(recipe)
        outcome.easyblock, outcome.sha256 = easyblock(source) if source else ('', '')
        if not pristine(recipe, outcome.sha256):
            return self._not(outcome, REFUSED, 'it is not the file that easybuild-easyconfigs was released with')
        if target['status'] != 'build' and not self._installed(target['module']):
            return self._not(outcome, PROVIDED, 'the Cray PE or the central stack has it')
        if target['status'] != 'build':
            outcome.outcome = PRESENT
            return self._loads(outcome)
        builds = [node for node in plan['nodes'] if node['status'] == 'build']
        # its own first: what can't be had is known soon
        missing = stage([target['source'], *(node['source'] for node in builds if node is not target)])
        if missing:
            return self._not(outcome, UNSOURCED, '; '.join(missing))
        if check:
            outcome.modules = tuple(node['module'] for node in builds)
            return self._not(outcome, LEFT, '')
        code = self._run(f'eb {shlex.quote(recipe)} -r', outcome.log)
        outcome.modules = tuple(node['module'] for node in builds if self._installed(node['module']))
        if code:
            return self._not(outcome, FAILED, cause(read(outcome.log)))
        return self._loads(outcome)

    def _loads(self, outcome: Outcome) -> Outcome:
        """Load its module; for a Python package `pip check` has to find nothing."""
        from lumi_hooks.dependency import root_variable
        variable = root_variable(outcome.module.partition('/')[0])
        check = f'module load {shlex.quote(outcome.module)} && test -d "${variable}" && module list 2>&1'
        if outcome.easyblock.startswith('Python'):
            check += ' && python3 -m pip check 2>&1'
        if self._run(check, outcome.log + '.load'):
            text = read(outcome.log + '.load')[-200:].strip()
            return self._not(outcome, FAILED, f'its module does not load, or pip check fails: {text}')
        return outcome

    @staticmethod
    def _not(outcome: Outcome, kind: str, why: str) -> Outcome:
        outcome.outcome, outcome.cause = kind, why
        return outcome

    def _plan(self, recipe: str):
        """The plan as `lumi-eb plan --json` prints it in that shell."""
        command = f'PYTHONPATH={shlex.quote(ROOT)} {shlex.quote(sys.executable)} -m lumi_hooks.cli plan --json ' \
                  f'{shlex.quote(recipe)}'
        done = subprocess.run(self.shell.arguments(command), env=self.shell.environment(), text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode not in (0, 1):
            sys.exit(f'ci/collection: there is no plan for {recipe}: {done.stderr.strip()[-2000:]}')
        return json.loads(done.stdout[done.stdout.index('{\n'):])

    def _run(self, command: str, log: str) -> int:
        """Run a command there, its output into a file; exit code."""
        with open(log, 'w', encoding='utf-8') as handle:
            return subprocess.run(self.shell.arguments(command, hooks=HOOKS), env=self.shell.environment(),
                                  stdin=subprocess.DEVNULL, stdout=handle, stderr=subprocess.STDOUT,
                                  check=False).returncode

    def _installed(self, module: str) -> bool:
        folder = os.path.join(self.shell.prefix, 'modules')
        return any(os.path.isfile(os.path.join(place, f'{module}.lua')) for place, _, _ in os.walk(folder))


def stage(paths: Sequence[str]) -> List[str]:
    """Fetch the sources of recipes; returns what could not be had."""
    sources = os.environ.get('LUMI_HOOKS_SOURCES') or os.path.join(cache(), 'sources')
    index = os.environ.get('LUMI_HOOKS_SOURCES_INDEX') or os.path.join(cache(), 'sources-index')
    # a dependency may be a recipe of LUMI's own, for a cpe* toolchain
    stack = os.path.join(standin(), 'appl', 'lumi', 'LUMI-SoftwareStack', 'easybuild', 'toolchains')
    env = {**os.environ, 'EASYBUILD_INCLUDE_TOOLCHAINS': f'{stack}/*.py,{stack}/compiler/*.py'}
    done = subprocess.run([sys.executable, os.path.join(ROOT, 'ci', 'sources', 'stage'), '--json', '--into', sources,
                           '--cache', index, '--stop', *paths], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, env=env)
    try:
        files = json.loads(done.stdout)['files']
    except (ValueError, KeyError):
        return [f'ci/sources/stage failed: {done.stderr.strip()[-500:]}']
    return [f'{os.path.basename(item["path"] or item["recipe"])}: {item["note"]}' for item in files
            if item['state'] == 'failed']


def easyblock(path: str) -> Tuple[str, str]:
    """The easyblock that a recipe names or that EasyBuild finds by its name, and the recipe's sha256."""
    text = read(path)
    found = re.search(r'^easyblock *= *[\'"](\w+)[\'"]', text, re.M)
    if found:
        name = found.group(1)
    else:
        software = re.search(r'^name *= *[\'"](.+?)[\'"]', text, re.M)
        name = f'EB_{software.group(1)}' if software else '?'
    return name, hashlib.sha256(text.encode()).hexdigest()


def upstreams(recipe: str) -> Optional[str]:
    """The recipe of this name in the package easybuild-easyconfigs of this Python's prefix, None without one."""
    from lumi_hooks.errors import RecipeError
    from lumi_hooks.finding import find_recipe
    try:
        return find_recipe(os.path.basename(recipe), [os.path.join(sys.prefix, 'easybuild', 'easyconfigs')])
    except RecipeError:
        return None


def pristine(recipe: str, sha256: str) -> bool:
    """Has a recipe the checksum of upstream's file?"""
    path = upstreams(recipe)
    return path is not None and hashlib.sha256(read(path).encode()).hexdigest() == sha256


def cause(output: str) -> str:
    """Why eb failed, from its output: the last message that says so, without the folders of this machine."""
    said = re.findall(r'^(?:ERROR: |== FAILED: |\* )?(.*(?:ended unsuccessfully|Build of .* failed).*(?:(?<=:)\n.+)?)$',
                      output, re.M)
    said = said or re.findall(r'^ERROR: (.*)$', output, re.M)
    text = re.sub(r'\(at \S+:\d+ in \w+\):? ?', '', said[-1]).strip() if said else output.strip()[-300:]
    return re.sub(r'/\S*/([^/\s]+)', r'…/\1', ' '.join(text.split()))[:400]


def read(path: str) -> str:
    """Text of a file."""
    with open(path, encoding='utf-8', errors='replace') as handle:
        return handle.read()


def page(chosen: Sequence[Outcome], notes: Mapping[str, str], options: argparse.Namespace) -> str:
    """The page of the documentation."""
    from importlib.metadata import version

    from lumi_hooks import __version__
    gcc = subprocess.run(['gcc', '-dumpfullversion'], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    found = members(notes, {item.recipe: item for item in chosen}, options.draw) if options.draw else chosen
    good = [item for item in found if item.good]
    blocks = sorted({item.easyblock for item in good if item.easyblock})
    command, title = 'ci/collection', "# Upstream's recipes, built"
    if options.draw:
        command, title = f'{command} --draw {options.draw} --seed {options.seed}', '# Python recipes, drawn and built'
        count = reached(found, options.draw)
    else:
        since = sum(item.date >= BARE for item in good)
        count = f'**{len(good)} of {len(found)} are built, {since} of them since {BARE}**'
    count += f', with {len(blocks)} easyblocks: {", ".join(blocks)}.'
    if options.draw:
        from drawing import DRAWN, replaced
        count += DRAWN
    else:
        rest = [name for name in notes if name not in {item.recipe for item in found}]
        if rest:
            count += f' Not tried in that run: {", ".join(rest)}.'
    head = HEAD.format(bare=BARE, date=datetime.date.today().isoformat(), version=__version__, gcc=gcc, count=count,
                       easybuild=version('easybuild-easyconfigs'), cores=os.cpu_count(), title=title, command=command,
                       checks=', and `pip check` has to find nothing' if options.draw else '')
    text = head + '\n'.join(table(found, notes)) + '\n'
    if options.draw:
        early = [item for item in chosen if item.tried and item not in found]
        if early:
            text += '\n'.join([EARLY, *table(early, notes), ''])
        text += replaced([item for item in chosen if not item.possible])
    return text


def members(notes: Mapping[str, str], found: Mapping[str, Outcome], number: int) -> List[Outcome]:
    """
    The first of the draw that have all that they need, in its order, tried or left. They end before the first
    that was not looked at.
    """
    first: List[Outcome] = []
    for name in notes:
        if len(first) == number or name not in found:
            break
        if found[name].possible:
            first.append(found[name])
    return first


def reached(first: Sequence[Outcome], number: int) -> str:
    """How far a draw is built: in all of its first, and up to the first that is left."""
    count = {what: sum(test(item) for item in first) for what, test in
             (('built', lambda item: item.good), ('failed', lambda item: item.outcome == FAILED),
              ('left', lambda item: item.outcome == LEFT))}
    text = f'**Of the first {number} of the draw that have all that they need, {count["built"]} are built, ' \
           f'{count["failed"]} failed and {count["left"]} are left**'
    if len(first) < number:
        text += f' (the other {number - len(first)} were not looked at yet)'
    if count['left']:
        prefix = next(index for index, item in enumerate(first) if item.outcome == LEFT)
        good = sum(item.good for item in first[:prefix])
        text += f'; before the first that is left, {good} of {prefix} are built'
    return text


def table(found: Sequence[Outcome], notes: Dict[str, str]) -> Iterator[str]:
    """The outcomes as a table in Markdown."""
    yield '| recipe | easyblock | becomes | built for it | seconds | outcome | day | cause, note |'
    yield '|---|---|---|---:|---:|---|---|---|'
    for item in found:
        cell = '. '.join(text for text in (item.cause.replace('|', '\\|'), notes.get(item.recipe, '')) if text)
        outcome = item.outcome if item.good else f'**{item.outcome}**'
        yield f'| {item.recipe} | {item.easyblock} | {item.module} | {len(item.modules)} | {item.seconds:.0f} | ' \
              f'{outcome} | {item.date} | {cell} |'


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Build what is asked for."""
    parser = argparse.ArgumentParser(prog='ci/collection', epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description='Builds unmodified upstream recipes for real, and keeps the results.')
    parser.add_argument('recipe', nargs='*', metavar='RECIPE', help='recipes (default: those of ci/collection.list)')
    parser.add_argument('--draw', type=int, metavar='N', help='build N Python recipes that are drawn')
    parser.add_argument('--seed', type=int, default=14, help='what --draw draws by (default: %(default)s)')
    parser.add_argument('--list', action='store_true', help='list the recipes, and stop')
    parser.add_argument('--show', action='store_true', help='show what came out so far, and stop')
    parser.add_argument('--again', action='store_true', help='remove what was built, and build everything anew')
    parser.add_argument('--check', action='store_true', help='with --draw: look at plans and sources alone')
    parser.add_argument('--json', action='store_true', help='print the outcomes as one JSON object')
    parser.add_argument('--write-docs', action='store_true', help='write docs/collection.md (docs/python-builds.md)')
    options = parser.parse_args(argv)
    if options.draw is not None and (options.recipe or options.draw < 1):
        parser.error('--draw takes a number of recipes, at least 1, and no names')
    if options.check and not options.draw:
        parser.error('--check goes with --draw')
    kind = PYTHON if options.draw else COLLECTION
    if options.draw:
        from drawing import draw, python_recipes, upstream
        notes = draw(python_recipes(upstream()), options.seed, list(listed(PYTHON)))
    else:
        notes = listed()
    if options.list:
        print('\n'.join(f'{name:48} {note}' for name, note in notes.items()))
        return 0
    folder = os.path.join(cache(), kind)
    results = Results(os.path.join(folder, 'results.json'))
    if options.again:
        shutil.rmtree(folder, ignore_errors=True)
        results.found.clear()
    wanted = [name if name.endswith('.eb') else f'{name}.eb' for name in options.recipe] or list(notes)
    interrupted = False
    if not options.show:
        builder = Builder(folder)
        if options.draw:
            import substitutes
            substitutes.write(builder.shell.prefix, upstream())
        interrupted = build_all(wanted, results, builder, options.draw, options.check)
    chosen = [results.found[name] for name in wanted if name in results.found]
    counted = members(notes, results.found, options.draw) if options.draw else chosen
    if options.json:
        from lumi_hooks.cli.console import print_json
        print_json({'recipes': [asdict(item) for item in chosen]}, 1)
    else:
        print('\n'.join(table(counted, notes)))
    if options.write_docs and not interrupted:
        from lumi_hooks.files import write_atomic
        docs = os.path.join(ROOT, 'docs', f'{kind}.md')
        write_atomic(docs, page(chosen, notes, options))
        print(docs, file=sys.stderr)
    if interrupted:
        return 130
    return 0 if len(counted) == (options.draw or len(wanted)) and all(item.good for item in counted) else 1


def build_all(wanted: Sequence[str], results: Results, builder: Builder, number: Optional[int] = None,
              check: bool = False) -> bool:
    """
    Build what is not built yet; True where Ctrl-C ended it.

    :param number: end when so many were tried; what can't be tried is not asked again
    :param check: build nothing; end when so many could be tried
    """
    tried = 0
    for recipe in wanted:
        if tried == number:
            break
        known = results.found.get(recipe)
        prefix = f'[{tried + 1}/{number or len(wanted)}] {recipe}'
        if known and (known.good or check and known.possible or number and not known.possible):
            print(f'{prefix}: {known.outcome} before', file=sys.stderr, flush=True)
            tried += known.possible or not number
            continue
        print(f'{prefix} …', file=sys.stderr, flush=True)
        try:
            found = builder.build(recipe, check)
        except KeyboardInterrupt:
            print('interrupted: run it again to go on', file=sys.stderr)
            return True
        results.add(found)
        tried += found.possible or not number
        print(f'{prefix}: {found.outcome}, {found.seconds:.0f} s' + (f': {found.cause}' if found.cause else ''),
              file=sys.stderr, flush=True)
    return False


if __name__ == '__main__':
    from lumi_hooks.cli.exit_status import ended
    sys.exit(ended('ci/collection', main, 'what was built stays'))
