# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb handtest: install a recipe where you are, use it, and print a report that can be pasted back."""
import argparse
import datetime
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from typing import Any, Dict, List, Tuple

from .. import sites
from ..data import ROOT
from ..dependency import root_variable
from ..errors import SiteError
from ..plan import BUILD, Plan, make_plan
from ..site import Site, is_lumi
from . import screen, site_options
from .command import add_command
from .console import print_json
from .partial import Partial

EXAMPLES = """examples, with {site}'s modules loaded ({load}):
  lumi-eb handtest libpng                        the upstream recipe that this library takes for libpng
  lumi-eb handtest GROMACS-2025.2-foss-2025a.eb --run 'gmx --version'
  lumi-eb handtest --no-build Boost SCOTCH GSL   facts and plans only: seconds
  lumi-eb handtest --output report.txt METIS     the report into a file too

docs/packages.md lists packages that wait for such a test. The report holds no names or paths of yours but below the
prefix; look through it, and paste it into an issue of the project.

Ctrl-C ends it; the report of what was tested until then is printed.

exit code: 0 everything was installed and could be loaded, 1 something failed or was refused, 2 bad use,
130 interrupted
"""
START, END = '----- lumi-hooks hand test: paste from here -----', '----- to here -----'
_HOOKS = os.path.join(ROOT, 'hooks.py')


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'handtest', run, 'install a recipe here and print a report to paste back',
                         'Installs recipes with eb --hooks into your prefix, loads them, and prints what came out as '
                         'text.', EXAMPLES)
    parser.add_argument('recipe', nargs='+', metavar='RECIPE', help='a recipe, or the name of a software')
    parser.add_argument('--no-build', action='store_true', help='do not install: facts and plans only')
    parser.add_argument('--run', metavar='COMMAND', dest='program', help='a command to run with the module loaded')
    parser.add_argument('--output', metavar='FILE', help='write the report into a file too')
    parser.add_argument('--json', action='store_true', help='print the results as one JSON object')


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: LUMI's modules are not loaded, FILE can't be written
    """
    if not is_lumi() and not options.no_build:
        raise SiteError(f'{sites.name()}\'s modules are not loaded: {sites.said("load")}, and try again '
                        '(--no-build shows plans anywhere)')
    site, folders = site_options.find_site(options)
    failed = Partial('recipe')
    recipes = {}
    for name in options.recipe:
        with failed.of(name):
            recipes[name] = site_options.given_recipe(name, site, folders)
    if failed.errors and not options.no_build:
        recipes = {}  # a wrong name ends it before anything is built
    tests: List[Dict[str, Any]] = []
    interrupted = False
    try:
        for name, path in recipes.items():
            print(f'lumi-eb: {name} …', file=sys.stderr, flush=True)
            with failed.of(name):
                tests.append(test(path, site, not options.no_build, options.program))
    except KeyboardInterrupt:
        interrupted = True
    if not recipes and not options.json:
        return 2
    found = {'facts': facts(site), 'tests': tests, 'errors': failed.errors}
    text = report(found)
    if options.json:
        print_json(found, 1)
    else:
        print(text)
    if options.output:
        try:
            with open(options.output, 'w', encoding='utf-8') as handle:
                handle.write(text + '\n')
        except OSError as err:
            raise SiteError(f'{options.output} cannot be written: {err.strerror}') from err
    if interrupted:
        print(f'lumi-eb: interrupted at {name}; modules that were finished stay installed, and the same command goes '
              'on with the others', file=sys.stderr)
        return 130
    return failed.code(0 if all(item['outcome'] in ('planned', 'installed') for item in tests) else 1)


def facts(site: Site) -> Dict[str, Any]:
    """What the results are true of: nothing personal."""
    status = screen.status()
    known = {key: status.get(key) for key in ('stack', 'release', 'partition', 'node_partition', 'toolchain',
                                              'compiler', 'easybuild', 'lumi_hooks', 'problem')}
    known['toolchain'] = known['toolchain'] or f'{site.toolchain}/{site.toolchain_version}'
    known['modules'] = os.environ.get('LOADEDMODULES', '').replace(':', ' ')
    known['system'] = next((line.partition('=')[2].strip().strip('"') for line in _lines('/etc/os-release')
                            if line.startswith('PRETTY_NAME=')), '?')
    known['python'] = sys.version.split()[0]
    known['date'] = datetime.date.today().isoformat()
    return known


def test(path: str, site: Site, build: bool, command: str) -> Dict[str, Any]:
    """Plan a recipe, install it, load it, ask it for its version."""
    plan = make_plan([path], site)
    target = next(node for node in plan.nodes if node.module == plan.targets[0])
    result: Dict[str, Any] = {'recipe': os.path.basename(path), 'module': target.module, 'outcome': 'planned',
                              'plan': counts(plan), 'build': [node.module for node in plan.of(BUILD)], 'said': ''}
    if plan.refused:
        return {**result, 'outcome': 'refused', 'said': target.reason}
    if not build:
        return result
    start = time.monotonic()
    code, said = shell(f'eb --hooks={shlex.quote(_HOOKS)} {shlex.quote(path)} -r')
    result['seconds'] = round(time.monotonic() - start)
    if code:
        return {**result, 'outcome': 'failed', 'said': last_lines(said, site)}
    code, said = shell(use(target.name, target.module, command))
    return {**result, 'outcome': 'installed' if not code else 'not loadable', 'said': last_lines(said, site)}


def use(name: str, module: str, command: str) -> str:
    """
    Bash commands that load a module and ask the software for its version: by the given command, else by the programs
    in bin that bear its name.
    """
    root = root_variable(name)
    asked = command or (f'for program in $(ls "${root}/bin" 2>/dev/null | grep -i "^{name[:4]}" | head -3); do '
                        'echo "$program: $(timeout 20 "$program" --version 2>&1 </dev/null | head -1)"; done')
    load = 'eval "$("$LMOD_CMD" bash load ' + shlex.quote(module) + ')"' if os.environ.get('LMOD_CMD') \
        else f'module load {shlex.quote(module)}'
    return f'{load} && [ -d "${root}" ] || exit 3\n' \
           f'echo "files: $(find "${root}" -type f | wc -l), {root} is set"\n{asked}\ntrue'


def shell(command: str) -> Tuple[int, str]:
    """Run bash commands in the environment as it is; exit code and output."""
    interrupted = []
    # Ctrl-C reaches eb too, which puts things in order before it ends, and is waited for
    before = signal.signal(signal.SIGINT, lambda *_: interrupted.append(True))
    try:
        done = subprocess.run(['bash', '-c', command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors='replace', check=False)
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted:
        raise KeyboardInterrupt
    return done.returncode, done.stdout


def last_lines(text: str, site: Site) -> str:
    """The last lines of an output, with the prefix and the home folder taken out."""
    for secret, word in ((site.prefix, f'${sites.variable("prefix")}'), (os.environ.get('HOME'), '$HOME')):
        if secret and secret != '/':
            text = text.replace(secret, word)
    return '\n'.join(re.sub(r'\x1b\[[0-9;]*m', '', text).strip().splitlines()[-25:])


def counts(plan: Plan) -> Dict[str, int]:
    """How many modules of each status a plan holds."""
    found: Dict[str, int] = {}
    for node in plan.nodes:
        found[node.status] = found.get(node.status, 0) + 1
    return found


def report(found: Dict[str, Any]) -> str:
    """The results as text to paste."""
    lines = [START]
    lines += [f'{key}: {value}' for key, value in found['facts'].items() if value]
    for item in found['tests']:
        plan = ', '.join(f'{number} {status}' for status, number in item['plan'].items())
        took = f', {item["seconds"]} s' if 'seconds' in item else ''
        lines += ['', f'{item["recipe"]} -> {item["module"]}: {item["outcome"].upper()}{took}', f'  plan: {plan}']
        if item['build']:
            lines.append(f'  built: {" ".join(item["build"])}')
        lines += [f'  | {line}' for line in item['said'].splitlines()]
    lines += ['', *(f'{item["recipe"]}: {item["error"]}' for item in found['errors'])] if found['errors'] else []
    return '\n'.join([*lines, END])


def _lines(path: str) -> List[str]:
    """Lines of a file, none where it can't be read."""
    try:
        with open(path, encoding='utf-8') as handle:
            return handle.read().splitlines()
    except OSError:
        return []
