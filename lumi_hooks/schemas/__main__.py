# SPDX-License-Identifier: GPL-2.0-only
"""python -m lumi_hooks.schemas: are the data files as they should be?"""
import argparse
import os
import sys
from typing import List, Optional

from ..data import ROOT
from ..errors import LumiHooksError
from . import data_files, problems

EXAMPLES = """examples:
  python -m lumi_hooks.schemas                                 all data files of the library
  python -m lumi_hooks.schemas lumi_hooks/packages/HDF5.json   this one
"""


def main(arguments: Optional[List[str]] = None) -> int:
    """Check data files; exit code 0 all right, 1 something is wrong, 2 the check can't be made."""
    parser = argparse.ArgumentParser(prog='python -m lumi_hooks.schemas', epilog=EXAMPLES,
                                     description='Checks data files of lumi-hooks against their schemas.',
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('file', nargs='*', metavar='FILE', help='data files (default: all of the library)')
    given = parser.parse_args(arguments).file
    files = [os.path.relpath(os.path.abspath(path), ROOT) for path in given] or data_files()
    try:
        found = [problem for path in files for problem in problems(path)]
    except LumiHooksError as err:
        print(f'error: {err}', file=sys.stderr)
        return 2
    for problem in found:
        print(problem)
    print(f'{len(files)} data files, {len(found) or "no"} problem{"" if len(found) == 1 else "s"}')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
