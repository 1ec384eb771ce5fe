# SPDX-License-Identifier: GPL-2.0-only
"""The command line of ci/bench."""
import argparse
import os
import shutil
import sys
import tempfile
import time

from lumi_hooks.cli.console import print_json
from lumi_hooks.cli.exit_status import ended

from . import page
from .measure import MeasureError
from .registry import BENCHMARKS, Run

EXAMPLES = """examples:
  ci/bench --list                     what can be measured
  ci/bench                            everything: some minutes
  ci/bench survey                     one of them
  ci/bench dry-run --pairs 5 --json   more pairs; for programs
  ci/bench --write-docs               everything, written to docs/bench.md

Everything runs on the stand-in Cray PE, which is built first where it is missing. What is compared is measured in
alternating pairs in one run: the ratio is the median of the pairs' ratios, so other work on the machine meets both.

exit code: 0 every goal is met, 1 one is not, 2 bad use or something could not be measured
"""


def main(argv=None) -> int:
    """Measure, and show or write the results."""
    parser = argparse.ArgumentParser(prog='ci/bench', epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description='Measures what lumi-hooks costs, side by side with EasyBuild alone.')
    parser.add_argument('benchmark', nargs='*', metavar='NAME', help='what to measure (default: everything)')
    parser.add_argument('--list', action='store_true', help='list the benchmarks, and stop')
    parser.add_argument('--pairs', type=int, default=3, metavar='N', help='alternating pairs (default: %(default)s)')
    parser.add_argument('--json', action='store_true', help='print the results as one JSON object')
    parser.add_argument('--write-docs', metavar='FILE.md', nargs='?', const=page.DEFAULT,
                        help='write the page of the documentation (default: docs/bench.md)')
    options = parser.parse_args(argv)
    if options.list:
        for item in BENCHMARKS.values():
            print(f'{item.name:12} {item.title}\n{"":12} goal: {item.goal}')
        return 0
    unknown = [name for name in options.benchmark if name not in BENCHMARKS]
    if unknown or options.pairs < 1:
        parser.error(f'there is no benchmark {unknown[0]}; there are {", ".join(BENCHMARKS)}' if unknown
                     else '--pairs takes a number from 1 up')
    chosen = [BENCHMARKS[name] for name in dict.fromkeys(options.benchmark or BENCHMARKS)]
    found = {}
    for item in chosen:
        print(f'== {item.name}: {item.title}', file=sys.stderr, flush=True)
        work, start = tempfile.mkdtemp(prefix='lumi-hooks-bench-'), time.monotonic()
        try:
            found[item.name] = list(item.measure(Run(options.pairs, work)))
        except MeasureError as err:
            print(f'ci/bench: {item.name} could not be measured: {err}', file=sys.stderr)
            return 2
        finally:
            shutil.rmtree(work, ignore_errors=True)
        print(f'   {time.monotonic() - start:.0f} s', file=sys.stderr, flush=True)
    if options.json:
        print_json(page.as_json(found))
    else:
        print(page.tables(found))
    if options.write_docs:
        page.write(options.write_docs, found, options.pairs)
        print(os.path.abspath(options.write_docs), file=sys.stderr)
    return int(any(result.met is False for results in found.values() for result in results))


if __name__ == '__main__':
    sys.exit(ended('ci/bench', main))
