# SPDX-License-Identifier: GPL-2.0-only
"""
What a cray-python really carries, asked of itself: writes releases/python/<version>.json.

Run on the machine that has it; the rules rely on what such a file says.
"""
import argparse
import datetime
import glob
import json
import os
import re
import subprocess
import sys
from typing import Any, Dict, List, Sequence

from .data import ROOT
from .errors import LumiHooksError
from .files import write_atomic

# where the Cray PE installs its Python
PLACES = '/opt/cray/pe/python/*/bin/python3'
COMMAND = 'python3 -m lumi_hooks.capture --write'
# libraries that bring an OpenMP run time; two of them in one process end it or take twice the threads
_OPENMP = re.compile(r'\b(libgomp|libomp|libiomp5|libcraymp)\b[^/\s]*')
_BLAS = re.compile(r'\b(libsci\w*|libopenblas\w*|libflexiblas|libblas|libmkl\w+)\b')

# asked of the interpreter itself, away from anything of the user's: what its own site-packages hold
_QUESTION = r'''
import glob, json, os, sys, sysconfig
from importlib import metadata
places = sorted({sysconfig.get_path('purelib'), sysconfig.get_path('platlib')})
packages = {}
for found in metadata.distributions(path=places):
    name = found.metadata['Name']
    if name and found.version:
        packages[name] = found.version
files = [path for place in places for part in ('numpy', 'scipy/linalg')
         for path in sorted(glob.glob(os.path.join(place, part, '**', '*.so'), recursive=True))]
print(json.dumps({'version': '.'.join(map(str, sys.version_info[:3])), 'packages': packages, 'files': files}))
'''

EXAMPLES = """examples:
  python3 -m lumi_hooks.capture                        every cray-python of the machine, shown
  python3 -m lumi_hooks.capture --write                … and written into the data of this checkout
  python3 -m lumi_hooks.capture --python /opt/cray/pe/python/3.12.12/bin/python3 --output .

Send the files to the project, or keep them in your clone: from then on the rules know what cray-python carries.

exit code: 0 done, 1 a Python could not be asked, 2 bad use or none found
"""


def ask(python: str) -> Dict[str, Any]:
    """
    What a Python carries in its own installation.

    :param python: path of the interpreter, which is run
    :return: version, packages (name -> version), blas and openmp (names of the libraries that numpy and scipy load)
    :raises LumiHooksError: it can't be run, or does not answer
    """
    try:
        done = subprocess.run([python, '-I', '-c', _QUESTION], capture_output=True, text=True, timeout=300, check=True)
        found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as err:
        said = (getattr(err, 'stderr', '') or '').strip().splitlines()
        raise LumiHooksError(f'{python} did not answer: {said[-1] if said else err}') from err
    # the module's version is that of the folder: it may have a fourth part, which the interpreter does not know
    folder = os.path.basename(os.path.dirname(os.path.dirname(os.path.abspath(python))))
    minor = '.'.join(found['version'].split('.')[:2])
    version = folder if re.fullmatch(rf'{re.escape(minor)}\.\d+(\.\d+)?', folder) else found['version']
    libraries = _linked(found['files'])
    return {'version': version, 'packages': dict(sorted(found['packages'].items(), key=lambda item: item[0].lower())),
            'blas': sorted(set(_BLAS.findall(libraries))), 'openmp': sorted(set(_OPENMP.findall(libraries)))}


def _linked(files: Sequence[str]) -> str:
    """What `ldd` says of libraries, as one text; empty where there is no ldd."""
    if not files:
        return ''
    try:
        return subprocess.run(['ldd', *files], capture_output=True, text=True, timeout=300, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ''


def as_data(found: Dict[str, Any], where: str, date: str) -> Dict[str, Any]:
    """The answer of a Python as the contents of a data file (schemas/python.schema.json)."""
    data = {'cray-python': found['version'],
            'source': f'asked of the interpreter itself on {where}, {date}',
            'capture': f'module load cray-python/{found["version"]} && {COMMAND}'}
    data.update({name: found[name] for name in ('blas', 'openmp') if found[name]})
    data['packages'] = {name: {'version': version, 'verified': True} for name, version in found['packages'].items()}
    return data


def interpreters(env: Dict[str, str]) -> List[str]:
    """The loaded cray-python ($CRAY_PYTHON_PREFIX), else every one that the Cray PE has installed."""
    prefix = env.get('CRAY_PYTHON_PREFIX')
    return [os.path.join(prefix, 'bin', 'python3')] if prefix else sorted(glob.glob(PLACES))


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog='python3 -m lumi_hooks.capture', epilog=EXAMPLES,
                                     description='Asks a cray-python which packages it carries.',
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--python', action='append', metavar='PATH', help='the interpreter (default: the loaded '
                        'cray-python, else all of the machine)')
    parser.add_argument('--output', metavar='DIR', help='write <version>.json into this folder')
    parser.add_argument('--write', action='store_true', help='write it into the data of this checkout')
    parser.add_argument('--where', default=os.environ.get('LUMI_STACK_NAME') or 'an unnamed machine',
                        help='name of the machine, noted as the source (default: %(default)s)')
    options = parser.parse_args(argv)
    folder = options.output or (os.path.join(ROOT, 'releases', 'python') if options.write else None)
    pythons = options.python or interpreters(dict(os.environ))
    if not pythons:
        print(f'error: there is no cray-python in {PLACES}: name one with --python', file=sys.stderr)
        return 2
    failed = 0
    for python in pythons:
        try:
            data = as_data(ask(python), options.where, datetime.date.today().isoformat())
            text = json.dumps(data, indent=2, ensure_ascii=False) + '\n'
            if folder:
                path = os.path.join(folder, f'{data["cray-python"]}.json')
                write_atomic(path, text)
                print(f'{path}: {len(data["packages"])} packages')
            else:
                print(text, end='')
        except (LumiHooksError, OSError) as err:
            failed = 1
            print(f'error: {err}', file=sys.stderr)
    return failed


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
