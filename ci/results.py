# SPDX-License-Identifier: GPL-2.0-only
"""Renders what ci/rebuild found as docs/results.md.

usage: python ci/results.py JUNIT.xml EASYBUILD_TESTS.txt STANDIN
"""
import datetime
import glob
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree


def read(path):
    """Text of a file."""
    with open(path, encoding='utf-8') as handle:
        return handle.read()


def version(command):
    """First version number in a command's output."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    found = re.search(r'\d+\.\d+[\d.]*', done.stdout)
    return found.group(0) if found else '?'


def main(junit, own, standin):
    """Print the page."""
    facts = json.loads(read(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'standin', 'facts.json')))
    print('# Results\n\nWritten by `ci/rebuild --write-docs` on %s.\n' % datetime.date.today().isoformat())
    print('| what | version |\n|---|---|')
    print('| EasyBuild | %s |' % importlib.metadata.version('easybuild-framework'))
    compilers = [version([name, '-dumpfullversion']) for name in ('gcc', 'gfortran')]
    print('| gcc, gfortran | %s |' % ', '.join(compilers))
    interpreter = glob.glob(standin + '/opt/cray/pe/python/*/bin/python3')[0]
    print('| Python of cray-python in the stand-in | %s |' % version([interpreter, '-V']))
    print('| MPICH behind cray-mpich | %s |' % facts['wheels']['mpich'])
    print('| machine | %d cores, no GPU, not a Cray |' % os.cpu_count())
    print('\n## Real builds on the stand-in Cray PE (LUMI/25.03, partition C)\n')
    print('| test | outcome | seconds |\n|---|---|---:|')
    for case in ElementTree.parse(junit).getroot().iter('testcase'):
        kinds = [child.tag for child in case if child.tag in ('failure', 'error', 'skipped')]
        name = '%s: %s' % (case.get('classname').split('.')[-1], case.get('name').replace('|', '\\|'))
        print('| %s | %s | %.0f |' % (name, kinds[0] if kinds else 'passed', float(case.get('time'))))
    print('\n## EasyBuild\'s own tests, with entry points on, without and with lumi-hooks installed\n')
    text = re.sub(r'\x1b\[[0-9;]*m', '', read(own))
    outcomes = re.findall(r'== suite (\S+?),.*?\n(?:.*\n)*?\s+(\d+ tests, the same outcome.*|different.*)', text)
    for suite, outcome in outcomes:
        print('* `%s`: %s' % (suite, outcome))


if __name__ == '__main__':
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
