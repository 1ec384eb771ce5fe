# SPDX-License-Identifier: GPL-2.0-only
"""The Fortran compilers of the stand-in: what crayftn and classic flang take, refuse, say and write."""
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / 'ci/standin/fortran.sh'
CLANG = '#!/bin/sh\ncase "$*" in *-mpc64*) exit 1 ;; --version) echo "clang version 19.1.7" ;; esac\n'
MODULE = 'module mymath\ninteger :: three = 3\nend module\n'
PROGRAM = 'program p\nuse mymath\nprint *, three\nend\n'
MACROS = '#ifdef __GFORTRAN__\ngnu\n#endif\n#ifdef __GNUC__\ngnu\n#endif\n' \
         '#ifdef _CRAYFTN\ncray _RELEASE_MAJOR\n#endif\n' \
         '#ifdef __FLANG\nflang __FLANG_MAJOR__\n#endif\nend\n'


@pytest.fixture(params=['cray'])
def ftn(request, tmp_path):
    """Run a compiler in a folder of its own; returns the finished process."""
    (tmp_path / 'clang').write_text(CLANG)
    (tmp_path / 'clang').chmod(0o755)
    (tmp_path / 'ident.s').write_text('.ident "Cray Fortran : Version 19.0.0"\n')
    text = SCRIPT.read_text()
    for key, value in {'RULES': request.param, 'OPENMP': tmp_path, 'CLANG': tmp_path / 'clang', 'VERSION': '19.0.0',
                       'IDENT': tmp_path / 'ident.s'}.items():
        text = text.replace(f'@{key}@', str(value))
    work = tmp_path / 'work'
    (work / 'inc').mkdir(parents=True)
    (tmp_path / 'crayftn').write_text(text)
    for name, content in {'long.f90': f'print *, "{"x" * 600}"\nend\n', 'm.f90': MODULE, 'p.f90': PROGRAM,
                          'macros.F90': MACROS}.items():
        (work / name).write_text(content)

    def run(*options):
        return subprocess.run(['bash', tmp_path / 'crayftn', *options], cwd=work, text=True, capture_output=True,
                              check=False)
    run.folder = work
    return run


flang = pytest.mark.parametrize('ftn', ['flang'], indirect=True)
both = pytest.mark.parametrize('ftn', ['cray', 'flang'], indirect=True)


@pytest.mark.parametrize('options, taken', [
    (['-N', '1023'], True), (['-N1023'], True), (['-O2', '-N', '1023', '-sreal64'], True), (['-N', '255'], False),
    ([], False)])
def test_the_length_of_lines(ftn, options, taken):
    done = ftn(*options, '-c', 'long.f90')
    assert (done.returncode == 0) is taken, done.stderr
    assert taken or 'Line truncated' in done.stderr or 'Unterminated character' in done.stderr, done.stderr


@pytest.mark.parametrize('options, said', [
    (['-N', '600'], '"-N600" is an invalid command-line option'), (['-N600'], '"-N600" is an invalid'),
    (['-march=native'], 'The -m option has an invalid argument, "arch=native"'),
    (['-mpc64'], 'invalid argument, "pc64"'),
    (['-m64'], 'The -m option has an invalid argument, "64"'), (['-g3'], 'ftn-2105'),
    (['-std=f2008'], 'The -s option has an invalid argument, "td=f2008"'), (['-free'], 'invalid argument, "ree"'),
    (['-fno-tree-loop-vectorize'], 'The -f option has an invalid argument'), (['-Og'], 'The -O option'),
    (['--whole-archive'], '"--whole-archive" is an invalid command-line option'), (['-dumpversion'], 'ftn-78'),
    (['-print-search-dirs'], 'ftn-2107')])
def test_what_crayftn_rejects(ftn, options, said):
    done = ftn(*options, '-c', 'm.f90')
    assert done.returncode == 1 and said in done.stderr


def test_a_warning_that_crayftn_does_not_know_is_ignored_aloud(ftn):
    """As https://github.com/ICLDisco/parsec/issues/295 shows."""
    done = ftn('-Wall', '-c', 'm.f90')
    assert done.returncode == 0 and 'The -W all option is not supported or invalid and will be ignored' in done.stderr


def test_what_crayftn_takes(ftn):
    done = ftn('-O2', '-g', '-hPIC', '-eZ', '-em', '-m4', '-h', 'fp3', '-J', 'inc', '-c', 'm.f90')
    assert (done.returncode, done.stderr) == (0, '')


@both
def test_nothing_says_that_it_is_gnu_s(ftn):
    for question in (['--version'], ['-V']):
        done = ftn(*question)
        assert done.returncode == 0 and done.stdout and 'gnu' not in (done.stdout + done.stderr).lower()
    text = ftn('-E', 'macros.F90').stdout
    assert 'gnu' not in text and ('cray 19' in text) != ('flang 19' in text)


def test_module_files_of_crayftn_are_in_upper_case(ftn):
    assert ftn('-c', 'm.f90').returncode == 0
    assert [path.name for path in ftn.folder.glob('*.mod')] == ['MYMATH.mod']
    assert ftn('p.f90', 'm.o', '-o', 'p').returncode == 0
    assert subprocess.run([ftn.folder / 'p'], capture_output=True, text=True, check=True).stdout.split() == ['3']


def test_module_files_in_another_folder_and_in_lower_case(ftn):
    assert ftn('-J', 'inc', '-c', 'm.f90').returncode == 0
    assert [path.name for path in (ftn.folder / 'inc').iterdir()] == ['MYMATH.mod']
    assert ftn('-c', 'p.f90').returncode == 1
    assert ftn('-Iinc', '-c', 'p.f90').returncode == 0
    assert ftn('-ef', '-c', 'm.f90').returncode == 0
    assert [path.name for path in ftn.folder.glob('*.mod')] == ['mymath.mod']
    assert ftn('-c', 'p.f90').returncode == 0


def test_a_module_file_that_does_not_change_is_not_written_again(ftn):
    ftn('-c', 'm.f90')
    before = (ftn.folder / 'MYMATH.mod').stat().st_mtime_ns
    ftn('-c', 'm.f90')
    assert (ftn.folder / 'MYMATH.mod').stat().st_mtime_ns == before


@flang
def test_flang_writes_lower_case_and_leaves_options_to_clang(ftn):
    assert ftn('-std=f2008', '-m64', '-c', 'm.f90').returncode == 0
    assert [path.name for path in ftn.folder.glob('*.mod')] == ['mymath.mod']
    assert ftn('-mpc64', '-c', 'm.f90').returncode == 1


def test_objects_say_who_made_them(ftn):
    ftn('-c', 'm.f90')
    data = (ftn.folder / 'm.o').read_bytes()
    assert b'Cray Fortran : Version 19.0.0' in data and b'GCC:' not in data
