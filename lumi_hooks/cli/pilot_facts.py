# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb pilot-facts: what a run of ci/pilot found on LUMI, beside what the project assumes."""
import argparse
import dataclasses
import shutil
import textwrap
from typing import Iterator, List, Sequence

from .. import quote
from ..pilot.compare import MISSING, RIGHT, WRONG, Fact, judge
from ..pilot.probe import read_probe
from .command import add_command
from .console import print_json

EXAMPLES = """examples:
  lumi-eb pilot-facts probe.tsv               what is not as the project assumed, with the file to change
  lumi-eb pilot-facts --all probe.tsv         also what is as assumed, and what the probe did not bring
  lumi-eb pilot-facts --json probe.tsv        all of it, for programs

ci/pilot probe writes the file (docs/pilot.md). It is read as data, and nothing in it is run.

exit code: 0 all that was brought is as assumed, 1 something differs, 2 the file is not readable
"""


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'pilot-facts', run, 'compare what ci/pilot found with what was assumed',
                         'Compares the facts of a probe with the project\'s data, and names each assumption that is '
                         'wrong, with the file to change.', EXAMPLES, where_to=False)
    parser.add_argument('file', metavar='FILE', help='probe.tsv, as ci/pilot probe writes it')
    parser.add_argument('--all', action='store_true', help='also list what is as assumed and what was not brought')
    parser.add_argument('--json', action='store_true', help='print one JSON object')


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises ProbeError: the file is not a probe
    """
    facts = judge(read_probe(options.file))
    if options.json:
        print_json({'facts': [dataclasses.asdict(one) for one in facts]})
    else:
        print('\n'.join(report(facts, options.all)))
    return 1 if any(one.state == WRONG for one in facts) else 0


def report(facts: Sequence[Fact], everything: bool = False) -> Iterator[str]:
    """The judgement, for people: what differs in full, the rest as a list of names or as a count."""
    by_state = {state: [one for one in facts if one.state == state] for state in (WRONG, RIGHT, MISSING)}
    for one in by_state[WRONG]:
        yield f'{one.id}: {quote.line(one.assumed)}'
        yield f'  stands in  {one.file}' + (f', {one.key}' if one.key else '')
        yield from _listed('assumed', one.present)
        yield from _listed('found', one.found)
        yield from _wrapped('matters', one.why)
        yield from _wrapped('to do', one.otherwise)
        yield ''
    if everything:
        width = max((len(one.id) for one in facts), default=0)
        for state in (RIGHT, MISSING):
            for one in by_state[state]:
                yield f'{state:<11}  {one.id:<{width}}  {one.node} {one.probe}'
    yield ', '.join(f'{len(ones)} {state}' for state, ones in by_state.items())


def _listed(name: str, lines: List[str]) -> Iterator[str]:
    """At most eight lines, each cut to what a terminal shows."""
    for number, line in enumerate(lines[:8]):
        yield f'  {name if number == 0 else "":<9}  {quote.line(line)[:160]}'
    if len(lines) > 8:
        yield f'  {"":<9}  and {len(lines) - 8} more (--json has all)'


def _wrapped(name: str, text: str) -> Iterator[str]:
    width = min(max(shutil.get_terminal_size((120, 24)).columns, 60), 120)
    for number, line in enumerate(textwrap.wrap(quote.line(text), width - 13)):
        yield f'  {name if number == 0 else "":<9}  {line}'
