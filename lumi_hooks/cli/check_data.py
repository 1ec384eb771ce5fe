# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb check-data: are overrides, or the data files of the library, as they should be?"""
import argparse
import os
from typing import List

from ..data import ROOT
from ..errors import DataError
from ..prefix.overrides import Overrides
from ..schemas.files import data_files, problems
from .command import add_command
from .console import print_json

EXAMPLES = """examples:
  lumi-eb check-data ${prefix}/overrides/GROMACS.json    an override of yours, and the patches that it names
  lumi-eb check-data lumi_hooks/packages/HDF5.json              a data file of a checkout
  lumi-eb check-data                                            all data files of the library

A file that does not belong to the library is taken for an override: docs/prefixes.md.

exit code: 0 all right, 1 something is wrong, 2 bad use
"""


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'check-data', run, 'is an override, or a data file of the library, as it should be?',
                         'Checks data files against their schemas, and says all that is wrong with them.', EXAMPLES,
                         where_to=False)
    parser.add_argument('file', nargs='*', metavar='FILE', help='overrides, or data files of the library (default: all '
                        'of the library)')
    parser.add_argument('--json', action='store_true', help='print what is wrong as one JSON object')


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    files = options.file or data_files()
    found = [problem for path in files for problem in (faults_of(path) if options.file else problems(path))]
    if options.json:
        print_json({'files': files, 'problems': found})
    else:
        for problem in found:
            print(problem)
        print(f'{len(files)} data file{"" if len(files) == 1 else "s"}, {len(found) or "no"} '
              f'problem{"" if len(found) == 1 else "s"}')
    return 1 if found else 0


def faults_of(path: str) -> List[str]:
    """What is wrong with a file that was named: one of the library, of a site's folder, or an override."""
    full = os.path.realpath(path)
    if full.startswith(os.path.realpath(ROOT) + os.sep):
        return problems(os.path.relpath(full, os.path.realpath(ROOT)))
    name = os.path.basename(full)[:-len('.json')]
    beside = os.path.dirname(full)
    if os.path.isfile(os.path.join(beside, 'site.json')) and name in ('site', 'machine', 'jobs'):
        return problems(full, kind=name)
    found = problems(os.path.abspath(path), kind='override')
    if not found:
        try:
            # as eb reads it: patches must be there, too
            Overrides([os.path.dirname(os.path.abspath(path))]).of(os.path.basename(path)[:-len('.json')])
        except DataError as err:
            found = [str(err)]
    return found
