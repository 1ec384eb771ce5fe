# SPDX-License-Identifier: GPL-2.0-only
"""Writes docs/faults.md from the results of ci/faults (JUnit XML): python ci/faults.py FILE > docs/faults.md"""
import sys
import time
import xml.etree.ElementTree as ET
from importlib.metadata import version

HEAD = """# Faults

What happens to an installation when something goes wrong, tried for real: tiny recipes on the stand-in Cray PE, as an
ordinary user (not root, for whom mode bits stop nothing), by `ci/faults`. After every case these hold, and the tests
assert them:

* no half-installed module was ever visible: a module that can be seen has all its files and its record;
* no file of an earlier installation was lost before a new one was whole;
* the same command, given again, completes; no lock, no temporary file is left;
* the message says what to do.

Moments are named after EasyBuild's hooks; `after:_move`, `after:take` and `after:reveal` lie inside the library itself,
when the earlier module, its folder, and the new module were renamed (`eb/lifecycle/rollback.py`).

How it is done: [record.md](record.md#how-an-installation-is-kept-whole).
"""
TAIL = """
The clock is set back for `eb` itself, not for its machine. Not tried: a power failure (the order of renames is right,
but nothing is forced to the disk), two nodes of a real cluster on one Lustre file system. There a holder of a lock on
another node counts as dead only once Slurm says that its job has ended; otherwise `eb` waits and says which folder to
remove.
"""


def main(path: str) -> int:
    """Print the page; exit code 1 where a case failed."""
    cases = list(ET.parse(path).getroot().iter('testcase'))
    failed = [case for case in cases if {'failure', 'error'} & {item.tag for item in case}]
    seconds = sum(float(case.get('time', 0)) for case in cases)
    print(HEAD)
    print(f'Last run {time.strftime("%Y-%m-%d")}, EasyBuild {version("easybuild-framework")}, lumi-hooks '
          f'{version("lumi-hooks")}: {len(cases)} cases, {len(failed)} failed, {seconds / 60:.0f} minutes. A failing '
          'rebuild and `--module-only` are tried with EasyBuild 5.1.2 and 5.2.0 too (`tests/real/test_record.py`).\n')
    print('| case | what happens |\n|---|---|')
    for case in cases:
        facts = {item.get('name'): item.get('value') for item in case.iter('property')}
        if case in failed:
            print(f'| {facts.get("case", case.get("name"))} | **failed** |')
        elif 'case' in facts:
            print(f'| {facts["case"]} | {facts["result"]} |')
    print(TAIL, end='')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
