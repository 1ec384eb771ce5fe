# SPDX-License-Identifier: GPL-2.0-only
"""The stand-in's cray-python is asked what it carries, with the command that is to be run on LUMI."""
import json
import os
import subprocess
import sys

from lumi_hooks.data import ROOT


def test_cray_python_of_the_stand_in(standin, tmp_path):
    python = sorted(standin.glob('opt/cray/pe/python/*/bin/python3'))[-1]
    done = subprocess.run([ROOT + '/../bin/lumi-eb', 'capture', '--python', str(python), '--output', str(tmp_path)],
                          capture_output=True, text=True, check=False,
                          env={**os.environ, 'LUMI_HOOKS_PYTHON': sys.executable})
    assert done.returncode == 0, done.stderr
    path, = tmp_path.iterdir()
    data = json.loads(path.read_text())
    assert path.stem == data['cray-python'] == python.parents[1].name
    assert {'numpy', 'scipy', 'mpi4py', 'dask', 'pip'} <= set(data['packages'])
    # numpy itself says the same
    for name in ('numpy', 'scipy', 'mpi4py'):
        version = subprocess.run([str(python), '-I', '-c', f'import {name}; print({name}.__version__)'],
                                 capture_output=True, text=True, check=True).stdout.strip()
        assert data['packages'][name]['version'] == version
