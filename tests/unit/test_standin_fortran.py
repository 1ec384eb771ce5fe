# SPDX-License-Identifier: GPL-2.0-only
"""The Fortran compiler of the stand-in that takes crayftn's options: how long a line may be."""
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / 'ci/standin/fortran.sh'


@pytest.fixture
def ftn(tmp_path):
    """Run crayftn on a program in free form with a line of 600 characters; returns the finished process."""
    text = SCRIPT.read_text().replace('@RULES@', 'cray').replace('@OPENMP@', str(tmp_path)).replace('@CLANG@', 'false')
    (tmp_path / 'crayftn').write_text(text)
    (tmp_path / 'long.f90').write_text(f'print *, "{"x" * 600}"\nend\n')

    def run(*options):
        return subprocess.run(['sh', tmp_path / 'crayftn', *options, '-c', 'long.f90'], cwd=tmp_path, text=True,
                              capture_output=True, check=False)
    return run


@pytest.mark.parametrize('options, taken', [
    (['-N', '1023'], True), (['-N1023'], True), (['-O2', '-N', '1023', '-sreal64'], True), (['-N', '255'], False),
    ([], False)])
def test_the_length_of_lines(ftn, options, taken):
    done = ftn(*options)
    assert (done.returncode == 0) is taken, done.stderr
    assert taken or 'Line truncated' in done.stderr or 'Unterminated character' in done.stderr, done.stderr


@pytest.mark.parametrize('options', [['-N', '600'], ['-N600'], ['-N', 'long']])
def test_another_length_is_refused(ftn, options):
    done = ftn(*options)
    assert done.returncode == 1 and 'is not a valid option of the Cray Fortran compiler' in done.stderr
