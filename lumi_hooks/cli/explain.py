# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb explain: what an installation is, where it comes from, and how to repeat it; what of a prefix is stale."""
import argparse
import contextlib
import gzip
import json
import os
import sys
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from .. import quote, sites
from ..dependency import Dependency
from ..errors import LumiHooksError
from ..files import open_regular
from ..record import CHANGES, FILE, installations, software_folders
from ..record.explanation import DIFFERS, IS_REFUSED, SAME, UNKNOWN, InstalledPackage, Today, folders_of, today
from ..record.failed import failed_builds, matching
from ..record.net import net_changes
from ..record.reproduce import SCRIPT, write
from ..record.text import headline, where, whose
from ..rules.draft import DEPENDENCY_LISTS
from ..site import Site
from . import failures, site_options
from .command import add_command
from .console import Output, Styled, bold, dim, print_json
from .partial import Partial
from .progress import progress

# how a comparison with today is shown
COLOURS = {UNKNOWN: 'cyan', DIFFERS: 'yellow', IS_REFUSED: 'red', SAME: 'green'}

EXAMPLES = """examples:
  lumi-eb explain                                             what of your prefix would be installed differently today
  lumi-eb explain HPCC                                        every installation of it that is found
  lumi-eb explain HPCC/1.5.0-cpeGNU-25.03
  lumi-eb explain HPCC-1.5.0-foss-2022a.eb                    what was made of this recipe
  lumi-eb explain ${prefix}/{place}/HPCC/1.5.0-cpeGNU-25.03
  lumi-eb explain --json HPCC/1.5.0-cpeGNU-25.03
  lumi-eb explain --log HPCC/1.5.0-cpeGNU-25.03 | less        EasyBuild's log, whether it is compressed or not
  lumi-eb explain --log easybuild-HPCC-1.5.0.log.gz           any log of EasyBuild's
  lumi-eb explain --reproduce again/ HPCC/1.5.0-cpeGNU-25.03  recipe, patches and the command that repeats it

exit code: 0 explained, 1 its build failed, it has no record of lumi-hooks, or others of its installations can't be
read; 2 bad use, or there is no such installation that can be read
"""


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'explain', run,
                         'what an installation is, what was changed and why, how to repeat it',
                         'Explains an installation from the record that it holds. Nothing is installed.', EXAMPLES)
    parser.add_argument('what', metavar='MODULE|DIR|RECIPE', nargs='?', help='a module (or the name of a software), '
                        'the folder of an installation, or a recipe; without it all that is in the prefix is compared '
                        'with what would be installed today')
    form = parser.add_mutually_exclusive_group()
    form.add_argument('--json', action='store_true', help='print one JSON object')
    form.add_argument('--reproduce', metavar='DIR', help='write the recipe as it was installed, its patches and the '
                      'command into this folder')
    form.add_argument('--log', action='store_true', help='print EasyBuild\'s log')


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: there is no such installation, its record can't be used, DIR can't be written
    """
    if options.what and os.path.isfile(options.what) and not options.what.endswith('.eb'):
        return _print_file(options)
    site, folders = site_options.find_site(options)
    if not options.what:
        if options.reproduce or options.log:
            raise LumiHooksError('name an installation: MODULE, DIR or RECIPE')
        return overview(site, options.json)
    failed = Partial('installation')
    found: List[InstalledPackage] = []
    try:
        there = folders_of(site_options.installed_name(options.what, site), site, site.prefixes, folders)
        if len(there) == 1:
            found.append(InstalledPackage.read(there[0]))
    except LumiHooksError as err:
        return _explain_failed(options, site, err)
    for folder in there if len(there) > 1 else ():
        with failed.of(folder):
            found.append(InstalledPackage.read(folder))
    if options.reproduce or options.log:
        one = _only(found, options.what)
        if options.log:
            return _print_log(one)
        for path in write(one, options.reproduce):
            print(path)
        print(f'repeat it with: {os.path.join(options.reproduce, SCRIPT)}    (--rebuild replaces what is installed)')
        return 0
    if options.json:
        _print_json([as_json(item, site) for item in found], errors=failed.errors)
    else:
        for number, item in enumerate(found):
            if number:
                print()
            show(item, site)
    return failed.code(0 if all(item.record for item in found) else 1, 1 if found else 2)


def _print_json(found: Sequence[Mapping[str, Any]], failures_of: Sequence[Mapping[str, Any]] = (),
                errors: Sequence[Mapping[str, str]] = ()) -> None:
    print_json({'installations': found, 'failures': failures_of, 'errors': errors})


def overview(site: Site, json_wanted: bool) -> int:
    """
    All installations of the prefix, each compared with what its source recipe would become today.

    :raises LumiHooksError: there is no prefix, or no installation in it that has a record
    """
    if not site.prefix:
        raise LumiHooksError(f'there is no prefix to look through: set {sites.variable("prefix")}, or name an '
                             'installation')
    paths = [path for folder in software_folders(site.prefix) for path in installations(folder)]
    if not paths:
        raise LumiHooksError(f'there is no installation with a record that you can read in {site.prefix}: '
                             'lumi-eb install NAME makes one, and lumi-eb adapt RECIPE explains a recipe before that')
    found: List[Tuple[str, str, Today]] = []
    failed = Partial('installation', 'left out: ')
    with progress('installations', 50) as told:
        for number, path in enumerate(paths, 1):
            with failed.of(path):
                one = InstalledPackage.read(path)
                found.append((one.module, path, today(one, site)))
            told(number, len(paths))
    if json_wanted:
        _print_json([{'module': module, 'installation': path, 'today': state.as_json()}
                     for module, path, state in found], errors=failed.errors)
    else:
        _show_overview(found, site)
    return failed.code(0, 1)


def _show_overview(found: Sequence[Tuple[str, str, Today]], site: Site) -> None:
    console = Output()
    for status, colour in COLOURS.items():
        for module, path, state in found:
            if state.status == status != SAME:
                console.say(Styled(f'{status:8}', colour), ' ', bold(module), '  ', dim(path), hang=9)
                console.say(state.reason, indent=9, hang=9)
    counts = [f'{number} {status}' for status in COLOURS
              if (number := sum(state.status == status for _, _, state in found))]
    console.say(f'{len(found)} installation{"s" if len(found) != 1 else ""} in {site.prefix}: {", ".join(counts)}')
    if any(state.status == DIFFERS for _, _, state in found):
        console.say('"lumi-eb explain MODULE" shows what differs, "eb RECIPE --rebuild" installs it again')


def _only(found: Sequence[InstalledPackage], what: str) -> InstalledPackage:
    if len(found) != 1:
        raise LumiHooksError(f'{what} is {len(found)} installations: name one of '
                             + ', '.join(item.module if item.record else item.folder for item in found))
    return found[0]


def as_json(installation: InstalledPackage, site: Site) -> Dict[str, Any]:
    """One installation; the fields are a contract with other tools (docs/record.md)."""
    return {
        'module': installation.module,
        'installation': installation.folder,
        'headline': headline(installation.record) if installation.record else None,
        'record': installation.record,
        'today': today(installation, site).as_json(),
        'files': files(installation),
    }


def files(installation: InstalledPackage) -> Dict[str, Any]:
    """Where its files lie; None for what there is not."""
    def there(name: str):
        path = os.path.join(installation.folder, name)
        return path if os.path.isfile(path) else None
    return {'record': there(FILE), 'changes': there(CHANGES), 'recipe': installation.recipe,
            'source': installation.source, 'log': installation.log, 'patches': installation.patches()}


def show(installation: InstalledPackage, site: Site) -> None:
    """Explain an installation, for reading."""
    say = Output().say
    record, there = installation.record, files(installation)
    if not record:
        say(bold(installation.module), '  ', installation.folder)
        say('has no record: it was not installed with lumi-hooks, or by a version that made none.')
        for name in ('recipe', 'log'):
            if there[name]:
                say(f'{name}: {there[name]}', indent=2)
        return
    # first, as it may end with a word on what is lacking
    found = today(installation, site)
    place_of, size, times = record['site'], record['size'], record['times']
    say(bold(headline(record)))
    say(f'in {installation.folder}')
    say(f'installed into {where(record)}')
    if whose(record):
        say(whose(record))
    seconds = times.get('seconds')
    took = f', in {seconds:.0f} s' if isinstance(seconds, (int, float)) else ''
    say(f'on {times["finished"]}{took}; {size["bytes"]:,} bytes, {size["inodes"]:,} files and folders')
    say(f'release {place_of["release"]}, partition {place_of["partition"]}, {place_of["toolchain"]}; EasyBuild '
        f'{record["easybuild"]["version"]}, easyblock {record["easybuild"]["easyblock"]}')
    source = record.get('source')
    if source:
        say(f'source recipe: {source["file"]}, of {source["origin"]}, sha256 {source["sha256"]}')
    say()
    say(bold('what was changed, and why'))
    for what, why in _changes(record):
        say(bold(what), indent=2)
        say(why, indent=6, hang=6)
    if record['kept_out']:
        say(f'kept out of its build, as it does not use them: {", ".join(record["kept_out"])}', indent=2)
    needs = [item['module'] + (' (to build)' if item['build_only'] else '') for item in record['dependencies']]
    say()
    say(bold('what it needs'))
    say(', '.join(needs) or 'nothing but the toolchain', indent=2, hang=2)
    say()
    say(bold('what would differ today'))
    say(Styled(found.status, COLOURS[found.status]), f': {found.reason}', indent=2)
    for line in found.differences:
        say(line, indent=4)
    say()
    say(bold('more'))
    for name in ('changes', 'record', 'recipe', 'source', 'log'):
        if there[name]:
            say(f'{name:8} {there[name]}', indent=2)
    say(f'repeat   lumi-eb explain --reproduce DIR {record["module"]}', indent=2)


def _changes(record: Mapping[str, Any]) -> List[Tuple[str, str]]:
    """The changes of a record, as what and why; where they are not known, the rules."""
    if not record['changes']:
        return [('by the rules ' + ', '.join(record['rules']), 'the head of the recipe says what and why')] \
            if record['rules'] else [('nothing', 'the recipe was installed as it is')]
    return [(f'{change["parameter"]}: {_value(change, "before", record)} → {_value(change, "after", record)}',
             f'{change["reason"]} (rule {change["rule"]})') for change in net_changes(record['changes'])]


def _value(change: Mapping[str, Any], side: str, record: Mapping[str, Any]) -> str:
    """One side of a change in a few words."""
    value = change.get(side)
    if value is None:
        return 'nothing'
    if change['parameter'] in DEPENDENCY_LISTS and isinstance(value, list) and value:
        several = value if isinstance(value[0], list) else [value]
        with contextlib.suppress(ValueError):  # of another version of the library: shown as it is
            text = ' + '.join(str(Dependency.parse(item)) for item in several)
            return text.replace('%(toolchain_version)s', record['toolchain']['version'])
    if isinstance(value, dict) and set(value) == {'name', 'version'}:
        return f'{value["name"]}/{value["version"]}'
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _explain_failed(options: argparse.Namespace, site: Site, error: LumiHooksError) -> int:
    """It is not installed: perhaps because its build failed."""
    try:
        builds = matching(options.what, failed_builds(site.prefix)) if site.prefix else []
        # what was installed since is not found for another reason: it may be closed to the user
        builds = [build for build in builds if build.since is None]
    except LumiHooksError:
        builds = []
    if options.json and not builds:
        failed = Partial('installation')
        failed.add(options.what, str(error))
        _print_json([], errors=failed.errors)
        return 2
    if not builds or options.reproduce:
        raise error
    if options.log:
        if len(builds) > 1 or not builds[0].log:
            raise error
        return _print_text(builds[0].log)
    if options.json:
        _print_json([], [build.as_json() for build in builds])
    else:
        print('\n'.join(failures.explained(builds)))
    return 1


def _print_file(options: argparse.Namespace) -> int:
    """A file instead of an installation: a log is printed."""
    if options.log:
        return _print_text(options.what)
    raise LumiHooksError(f'{options.what} is a file: "lumi-eb explain --log {options.what}" prints a log, "lumi-eb '
                         'report" says what failed in it')


def _print_log(installation: InstalledPackage) -> int:
    """Print EasyBuild's log."""
    if not installation.log:
        raise LumiHooksError(f'{installation.folder} holds no log')
    return _print_text(installation.log)


def _print_text(path: str) -> int:
    """Print a log, compressed or not; what programs wrote into it can't move the cursor."""
    try:
        with os.fdopen(open_regular(path), 'rb') as raw, \
                (gzip.open(raw) if path.endswith('.gz') else raw) as text:
            for line in text:
                sys.stdout.write(quote.terminal(line.decode('utf-8', 'replace')))
    except BrokenPipeError:
        raise  # nobody reads on: the log is not at fault
    except (OSError, EOFError) as err:
        raise LumiHooksError(f'{path} can\'t be read: {err}') from err
    return 0
