# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb failures: the builds of a prefix that failed, why, and what to do next."""
import argparse
import difflib
import os
from typing import List, Sequence

from .. import quote, sites
from ..errors import LumiHooksError
from ..record.failed import FailedBuild, clear, failed_builds, matching, support
from ..site import is_lumi, site_from_environment, user_prefix
from .command import add_command
from .console import print_json

EXAMPLES = """examples:
  lumi-eb failures                                 the builds that failed, the newest first
  lumi-eb failures HPCC                            those of one software
  lumi-eb failures --json
  lumi-eb failures --clear                         remove the logs that are kept of all of them
  lumi-eb failures --clear HPCC/1.5.0-cpeGNU-25.03

exit code: 0 told, also where nothing failed; 2 bad use, or the prefix can't be read
"""


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'failures', run, 'the builds that failed, why, and what to do next',
                         'Lists the failed builds of your prefix, the newest first: the first error of each, what to '
                         'try, and where its log lies. What was installed since is marked so.', EXAMPLES,
                         where_to=False)
    parser.add_argument('what', metavar='MODULE', nargs='?', help='only this module, software, recipe or log')
    form = parser.add_mutually_exclusive_group()
    form.add_argument('--json', action='store_true', help='print them as one JSON object')
    form.add_argument('--clear', action='store_true', help='remove the logs, and what is known of the failures')


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: the prefix can't be read, or there is no failed build of that name
    """
    prefix = own_prefix()
    builds = failed_builds(prefix)
    if options.what and (builds or not options.json):
        builds = named(options.what, builds, prefix)
    if options.json:
        print_json({'prefix': prefix, 'failures': [build.as_json() for build in builds]})
        return 0
    if not builds:
        print(f'no failed build is kept in {quote.line(prefix)}')
        return 0
    if options.clear:
        count = clear(builds, prefix)
        print(f'removed {count} file{"" if count == 1 else "s"} of '
              + ', '.join(quote.line(build.module) for build in builds))
        return 0
    show(builds, prefix)
    return 0


def own_prefix() -> str:
    """
    The prefix that is installed into.

    :raises LumiHooksError: there is none, or the environment contradicts itself
    """
    prefix = site_from_environment().prefix if is_lumi() else user_prefix()
    if not prefix:
        raise LumiHooksError(f'there is no prefix to look through: set {sites.variable("prefix")}')
    return os.path.abspath(prefix)


def named(what: str, builds: Sequence[FailedBuild], prefix: str) -> List[FailedBuild]:
    """
    The failed builds that a name means.

    :raises LumiHooksError: none; the message says what is there
    """
    found = matching(what, builds)
    if found:
        return found
    known = list(dict.fromkeys(name for build in builds for name in (build.module, build.module.partition('/')[0])))
    lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(what.lower(), lower, n=3, cutoff=0.6)
    hint = f': did you mean {" or ".join(lower[name] for name in near)}?' if near else \
        '; "lumi-eb failures" lists those that are kept' if builds else ', nor of anything else'
    raise LumiHooksError(quote.line(f'no failed build of {what} is kept in {prefix}{hint}'))


def show(builds: Sequence[FailedBuild], prefix: str) -> None:
    """All of them, for reading: what is still to be installed first, then what was installed since."""
    pending = [build for build in builds if build.since is None]
    done = [build for build in builds if build.since is not None]
    number = len(pending)
    if pending:
        print(f'{number} failed build{"" if number == 1 else "s"} in {quote.line(prefix)}'
              f'{", the newest first" if number > 1 else ""}')
    for build in pending:
        print()
        for line in failure_lines(build):
            print(line)
    if pending:
        print()
    for build in done:
        print(f'installed since: {quote.line(build.module)}')
    print('"lumi-eb failures --clear [MODULE]" removes the logs that are kept')


def failure_lines(build: FailedBuild) -> List[str]:
    """One failed build in some lines; what comes from logs can't move the cursor."""
    facts, error = build.facts, build.facts.get('error') or {}
    where = [f'on {facts["node"]}' if facts.get('node') else '', f'job {facts["job"]}' if facts.get('job') else '',
             f'EasyBuild {facts["easybuild"]}' if facts.get('easybuild') else '',
             f'lumi-hooks {facts["lumi_hooks"]}' if facts.get('lumi_hooks') else '']
    rows = [('failed', ', '.join([facts['when'].get('time') or '', *filter(None, where)]))]
    recipe = facts.get('recipe') or {}
    if recipe.get('file'):
        given = recipe.get('given')
        rows.append(('recipe', f'{recipe["file"]}, derived from {given}' if given else recipe['file']))
    lines = list(error.get('context') or ()) or ['not found in the log']
    rows += [('error' if number == 0 else '', line) for number, line in enumerate(lines)]
    rows.append(('means', error.get('means') or ''))
    if facts.get('rule'):
        rows.append(('rule', f'it names what the rule {facts["rule"]["rule"]} changed: {facts["rule"]["change"]}'))
    rows.append(('try', error.get('advice') or ''))
    rows += [('', note) for note in facts.get('notes') or ()]
    if build.log:
        rows.append(('log', build.log + (f' (line {error["number"]})' if error.get('line') else '')))
    rows.append(('report', f'lumi-eb report {build.module} --output report.md'))
    return [quote.line(build.module), *(f'  {key:8}{quote.line(text)}' for key, text in rows if text)]


def explained(builds: Sequence[FailedBuild]) -> List[str]:
    """What `lumi-eb explain` says of software that is not installed because its build failed."""
    lines = []
    for build in builds:
        lines.append(f'{quote.line(build.module)} is not installed: its build failed')
        lines += failure_lines(build)[1:]
        lines.append(f'  {"support":8}{quote.line(whose(build))}')
    return lines


def whose(build: FailedBuild) -> str:
    """Whose the software is, and whom to ask."""
    given = (build.facts.get('recipe') or {}).get('given')
    text, contact = support().get('text', ''), support().get('contact', '')
    origin = f'derived by lumi-hooks from {given}' if given else 'built with lumi-hooks'
    return origin + (f'; {text} ({contact})' if text and given else '')
