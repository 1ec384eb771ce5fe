# SPDX-License-Identifier: GPL-2.0-only
"""The commands import no mpi4py, as MPI_Init can end a program on a login node."""
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_easybuilds_logging_imports_no_mpi4py(tmp_path, monkeypatch):
    """cray-python has mpi4py, and lumi-eb is run by it."""
    (tmp_path / 'mpi4py').mkdir()
    (tmp_path / 'mpi4py' / '__init__.py').write_text('raise SystemExit("MPI_Init ended this program")\n')
    monkeypatch.setenv('PYTHONPATH', f'{tmp_path}:{ROOT}')
    monkeypatch.delenv('FANCYLOGGER_IGNORE_MPI4PY', raising=False)
    for first in ('import lumi_hooks.cli', 'import lumi_hooks; import easybuild.base.fancylogger'):
        done = subprocess.run([sys.executable, '-c', first], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ''), first
