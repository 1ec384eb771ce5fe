# SPDX-License-Identifier: GPL-2.0-only
"""
What a cray-python really carries, asked of itself: the contents of releases/python/<version>.json.

`lumi-eb capture` runs it on the machine that has it; the rules rely on what such a file says.
"""
import glob
import json
import os
import re
import subprocess
from typing import Any, Dict, List, Sequence

from .errors import LumiHooksError
from .index import normal_name

# where the Cray PE installs its Python
PLACES = '/opt/cray/pe/python/*/bin/python3'
COMMAND = 'lumi-eb capture --write'
# libraries that bring an OpenMP run time; two of them in one process end it or take twice the threads
_OPENMP = re.compile(r'\b(libgomp|libomp|libiomp5|libcraymp)\b[^/\s]*')
_BLAS = re.compile(r'\b(libsci\w*|libopenblas\w*|libflexiblas|libblas|libmkl\w+)\b')

# asked of the interpreter itself, away from anything of the user's: what its own site-packages hold
_QUESTION = r'''
import glob, json, os, sys, sysconfig
from importlib import metadata
places = sorted({sysconfig.get_path('purelib'), sysconfig.get_path('platlib')})
packages = []
for found in metadata.distributions(path=places):
    name = found.metadata['Name']
    if name and found.version:
        packages.append((name, found.version))
files = [path for place in places for part in ('numpy', 'scipy/linalg')
         for path in sorted(glob.glob(os.path.join(place, part, '**', '*.so'), recursive=True))]
print(json.dumps({'version': '.'.join(map(str, sys.version_info[:3])), 'packages': packages, 'files': files}))
'''


def ask(python: str) -> Dict[str, Any]:
    """
    What a Python carries in its own installation.

    :param python: path of the interpreter, which is run
    :return: version, packages (normal name -> version), blas and openmp (names of the
        libraries that numpy and scipy load)
    :raises LumiHooksError: it can't be run, or does not answer
    """
    try:
        done = subprocess.run([python, '-I', '-c', _QUESTION], capture_output=True, text=True, timeout=300, check=True)
        found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as err:
        said = (getattr(err, 'stderr', '') or '').strip().splitlines()
        reason = said[-1] if said else getattr(err, 'strerror', None) or err
        raise LumiHooksError(f'{python} did not answer: {reason}') from err
    # the module's version is that of the folder: it may have a fourth part, which the interpreter does not know
    folder = os.path.basename(os.path.dirname(os.path.dirname(os.path.abspath(python))))
    minor = '.'.join(found['version'].split('.')[:2])
    version = folder if re.fullmatch(rf'{re.escape(minor)}\.\d+(\.\d+)?', folder) else found['version']
    libraries = _linked(found['files'])
    # as Python itself takes of two installations of one name the first
    packages = {normal_name(name): number for name, number in reversed(found['packages'])}
    return {'version': version, 'packages': dict(sorted(packages.items())),
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
