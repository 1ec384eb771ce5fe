# SPDX-License-Identifier: GPL-2.0-only
"""
Import it first: a script goes on with the Python environment of the cache where the one that it was started with has no
EasyBuild.
"""
import importlib.util
import os
import sys

from lumishell import cache

sys.dont_write_bytecode = True

if importlib.util.find_spec('easybuild') is None:
    _venv = os.path.join(cache(), 'venv')
    _python = os.path.join(_venv, 'bin', 'python')
    if not os.access(_python, os.X_OK) or sys.prefix == _venv:
        sys.exit(f'{os.path.basename(sys.argv[0])}: this Python ({sys.executable}) has no EasyBuild, and there is no '
                 f'environment in {_venv}: ci/test --quick makes one')
    # its eb and recipes are looked for on PATH, too
    os.environ['PATH'] = os.path.dirname(_python) + os.pathsep + os.environ.get('PATH', os.defpath)
    os.execv(_python, [_python, *sys.argv])
