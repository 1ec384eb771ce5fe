# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb report: all that somebody who helps has to know of a failed build, in one file without secrets."""
import argparse
import os
import re
import sys
import tempfile
from typing import Any, Iterator, List, Mapping, Optional, Tuple

from .. import __version__, doctor, quote, sites
from ..doctor import Situation
from ..errors import LumiHooksError
from ..record.failed import LARGEST_LOG, FailedBuild, failed_builds, read_log, support
from ..record.failure import Failure, first_error
from ..record.scrub import kept, scrub
from ..site import is_lumi, site_from_environment
from . import failures, screen
from .command import add_command

# letters: of a recipe, of the lines around the error, of the end of the log, of all
_RECIPE, _AROUND, _END, _ALL = 40_000, 20_000, 100_000, 300_000
_LINES_AROUND, _LINES_END, _LONGEST_LINE = 25, 300, 2000

EXAMPLES = """examples:
  lumi-eb report                                          of the build that failed last
  lumi-eb report HPCC/1.5.0-cpeGNU-25.03 --output report.md
  lumi-eb report /tmp/eb-x/easybuild-HPCC-1.5.0.log       of any log of EasyBuild's

It holds names of users, projects, folders and nodes, which support needs. Tokens, keys, passwords and addresses with
credentials are taken out, and of the environment a short list is kept. Read it before you send it all the same.

exit code: 0 written, or nothing failed; 2 bad use, or the log can't be read
"""


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'report', run, 'a failed build in one file, to send to support',
                         'Writes what somebody who helps has to know of a failed build: where it was built, what '
                         'doctor finds, the recipe as given and as adapted, the first error and the end of the log. '
                         'It is Markdown, without secrets.', EXAMPLES, where_to=False)
    parser.add_argument('what', metavar='LOG|MODULE', nargs='?', help='a log of EasyBuild\'s, or what failed '
                        '(the newest failed build)')
    parser.add_argument('--output', metavar='FILE', help='write it there, readable by you alone')


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: there is no such log or failed build, or several, or it can't be read or written
    """
    build, log = _find(options.what)
    if build is None and log is None:
        print(f'no failed build is kept in {quote.line(failures.own_prefix())}: nothing to report')
        return 0
    text = report(build, log)
    if not options.output:
        sys.stdout.write(text)
        return 0
    try:
        _write(options.output, text)
    except OSError as err:
        raise LumiHooksError(f'{options.output}: cannot be written ({err.strerror})') from err
    print(f'wrote {quote.line(options.output)} ({len(text.encode()) / 1000:.0f} kB): read it before you send it')
    return 0


def _write(path: str, text: str) -> None:
    """Write a file in one step, readable by the user alone: nobody else's permissions or links count."""
    handle, temporary = tempfile.mkstemp(prefix='.', dir=os.path.dirname(path) or '.')
    try:
        with os.fdopen(handle, 'w', encoding='utf-8', errors='replace') as target:
            target.write(text)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _find(what: Optional[str]) -> Tuple[Optional[FailedBuild], Optional[str]]:
    """The failed build that is meant, and its log."""
    if what and os.path.isdir(what):
        raise LumiHooksError(f'{what} is a folder: name a log, or a module')
    prefix = failures.own_prefix()
    if what and os.path.isfile(what) and not what.endswith('.eb'):
        try:
            found = [build for build in failed_builds(prefix)
                     if build.log and os.path.realpath(build.log) == os.path.realpath(what)]
        except LumiHooksError:
            found = []
        return (found[0] if found else None), what
    if what and what.endswith('.log'):
        raise LumiHooksError(f'{what}: there is no such log')
    builds = failed_builds(prefix)
    if not what:
        builds = [build for build in builds if build.since is None] or builds
        return (builds[0], builds[0].log) if builds else (None, None)
    found = failures.named(what, builds, prefix)
    if len(found) > 1:
        raise LumiHooksError(quote.line(f'{what} is {len(found)} failed builds: name one of '
                                        + ', '.join(build.module for build in found)))
    return found[0], found[0].log


def report(build: Optional[FailedBuild], log: Optional[str]) -> str:
    """The report, as Markdown."""
    text = read_log(log) if log else ''
    # of a log that is larger the error may lie in what was not read: eb looked through all of it
    whole_log = len(text.encode()) < LARGEST_LOG or build is None
    text = scrub(text)
    found = first_error(text) if text and whole_log else None
    parts = [*_head(build, log), *_site(), *_recipe(build), *_error(build, found, text)]
    if text:
        lines = [line[:_LONGEST_LINE] for line in text.splitlines()[-_LINES_END:]]
        parts += ['', f'## The end of the log ({len(lines)} lines of {len(text.splitlines())})', '',
                  fenced('\n'.join(lines)[-_END:])]
    page = quote.terminal(scrub('\n'.join(parts)))
    return page[:_ALL] + ('\n' if len(page) <= _ALL else '\n… cut off\n')


def _head(build: Optional[FailedBuild], log: Optional[str]) -> List[str]:
    lines = [f'# {_words(build.module if build else os.path.basename(log or ""))} was not installed', '']
    if build:
        facts = build.facts
        lines += [f'* {_words(failures.whose(build))}', f'* failed: {facts["when"].get("time")}']
        lines += [f'* {title}: {_words(facts[key])}' for key, title in (
            ('release', 'release'), ('partition', 'partition'), ('toolchain', 'toolchain'), ('node', 'node'),
            ('job', 'job'), ('easybuild', 'EasyBuild'), ('lumi_hooks', 'lumi-hooks')) if facts.get(key)]
        if build.since is not None:
            lines.append('* it was installed since')
        if facts.get('private'):
            lines.append('* **licensed software**: its log may quote sources, so mind whom you send this to')
    elif support():
        lines.append(f'* software that lumi-hooks derived is {support()["text"]} ({support()["contact"]})')
    if log:
        lines.append(f'* log: {_words(log)}')
    lines.append(f'* written by lumi-eb report, lumi-hooks {__version__}; secrets are taken out, names are not')
    return lines


def _site() -> Iterator[str]:
    """Where this is, and what doctor finds."""
    yield from ('', '## Where it is', '')
    facts: Mapping[str, Any] = screen.status()
    yield fenced('\n'.join(f'{key}: {value}' for key, value in facts.items()))
    yield from ('', '## What lumi-eb doctor finds', '')
    try:
        if not is_lumi():
            raise LumiHooksError(f'{sites.name()}\'s software stack is not loaded here, so nothing was looked at')
        robot = tuple(path for path in os.environ.get('EASYBUILD_ROBOT_PATHS', '').split(':') if path)
        found = doctor.lines(doctor.examine(Situation(site_from_environment(), os.environ, (), robot)))
    except (LumiHooksError, OSError) as err:
        found = [str(err)]
    yield fenced('\n'.join(found) or 'nothing')
    yield from ('', '## Of the environment', '', fenced(kept(os.environ)))


def _recipe(build: Optional[FailedBuild]) -> Iterator[str]:
    recipe = (build.facts.get('recipe') or {}) if build else {}
    for name, text, title in ((recipe.get('given'), recipe.get('given_text'), 'The recipe as given'),
                              (recipe.get('file'), recipe.get('text'), 'The recipe as built')):
        if text:
            yield from ('', f'## {title}: {_words(name)}', '', fenced(text[:_RECIPE]))


def _error(build: Optional[FailedBuild], found: Optional[Failure], text: str) -> Iterator[str]:
    kept_error = (build.facts.get('error') or {}) if build else {}
    if not found and not kept_error:
        return
    yield from ('', '## The first error', '')
    if found:
        lines = text.splitlines()
        first, last = max(0, found.number - 1 - _LINES_AROUND), found.number + _LINES_AROUND
        shown = [f'{number:>7} {line[:_LONGEST_LINE]}' for number, line in enumerate(lines[first:last], first + 1)]
        yield fenced('\n'.join(found.context))
        means, advice, kind = found.means, found.advice, found.kind
    else:
        shown, means, advice, kind = [], kept_error['means'], kept_error['advice'], kept_error['kind']
        yield fenced('\n'.join(kept_error['context']))
    yield from ('', f'* kind: {_words(kind)}', f'* what it means: {_words(means)}')
    if advice:
        yield f'* what to try: {_words(advice)}'
    rule = build.facts.get('rule') if build else None
    if rule:
        yield f'* it names what the rule {_words(rule["rule"])} changed: {_words(rule["change"])}'
    yield from (f'* {_words(note)}' for note in (build.facts.get('notes') or () if build else ()))
    if shown:
        yield from ('', 'around it, with the log\'s line numbers:', '', fenced('\n'.join(shown)[:_AROUND]))


def fenced(text: str) -> str:
    """A block of text as it is; it can't end the block."""
    fence = '`' * max(3, 1 + max((len(run) for run in re.findall('`+', text)), default=0))
    return f'{fence}\n{text}\n{fence}'


def _words(text: Any) -> str:
    """A word or sentence of others within Markdown: one line, without markup."""
    return re.sub(r'([\\`<>\[\]|])', r'\\\1', quote.line(text))
