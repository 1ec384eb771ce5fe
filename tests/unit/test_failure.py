# SPDX-License-Identifier: GPL-2.0-only
"""The first real error, in excerpts of logs of builds that failed for real (tests/data/failures)."""
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumi_hooks.change import Change
from lumi_hooks.dependency import Dependency
from lumi_hooks.record.failure import Failure, first_error, kinds, nearest
from lumi_hooks.rules import RULES

DATA = Path(__file__).resolve().parents[1] / 'data' / 'failures'
EXPECTED = {
    'compile': ('compiler', 'a.c:2:24: error: too many arguments to function'),
    'implicit': ('compiler', 'a.c:1:47: error: ‘undeclared’ undeclared'),
    'cxx': ('compiler', 'a.cpp:2:35: error:'),
    'fortran': ('module-file', 'Fatal Error: Cannot open module file ‘nosuchmodule.mod’'),
    'header': ('mpi-header', 'a.c:1:10: fatal error: mpi.h: No such file or directory'),
    'linkmpi': ('mpi-symbol', 'undefined reference to `MPI_Init'),
    'linklib': ('library', 'cannot find -lfftw3_nope'),
    'configure': ('configure', 'configure: error: HDF5 not found, use --with-hdf5'),
    'cmake': ('cmake', 'CMake Error at CMakeLists.txt:4 (find_package):'),
    'cmakeold': ('cmake', 'CMake Error at CMakeLists.txt:1 (cmake_minimum_required):'),
    'command': ('command', 'nosuchcommand: No such file or directory'),
    'norule': ('rule-missing', "No rule to make target 'missing.c'"),
    'patch': ('patch', 'Hunk #1 FAILED at 1.'),
    'checksum': ('checksum', 'Checksum verification for'),
    'nosource': ('fetch', "Couldn't find file nosource-1.0.tar.gz anywhere"),
    'sanity': ('sanity', 'Sanity check failed: sanity check command bin/nothere --version failed'),
    'sanitypath': ('sanity', "Sanity check failed: no file found at 'bin/x'"),
    'python': ('python-module', "ModuleNotFoundError: No module named 'nosuchpackage'"),
    'killed': ('memory', 'Killed'),
    'nospace': ('space', "error writing '/dev/full': No space left on device"),
    'testfail': ('test', 'FAIL: two'),
    'loaded': ('loaded', 'Module is already loaded (EBROOTLZ4 is set)'),
    # downloads that failed before it are told by EasyBuild, too, and are not what it ended for
    'environment': ('unknown', 'Failed to determine install prefix for cray-libsci'),
}


@pytest.mark.parametrize('path', sorted(DATA.glob('*.log')), ids=lambda path: path.stem)
def test_the_first_error_of_a_log(path):
    log = path.read_text()
    found = first_error(log)
    kind, line = EXPECTED[path.stem.rpartition('-')[0]]
    assert found.kind == kind and line in found.line, found
    # the number leads to the line in the log, and what is shown begins with it
    assert found.context[0].strip() in log.splitlines()[found.number - 1]
    assert found.context[0].strip() == found.line and len(found.context) <= 15
    assert 'EasyBuild encountered an error' not in found.line and 'Callstack' not in ''.join(found.context)


def test_every_kind_of_log_is_there():
    assert {path.stem.rpartition('-')[0] for path in DATA.glob('*.log')} == set(EXPECTED)
    assert {path.stem.rpartition('-')[2] for path in DATA.glob('*.log')} == {'5.1.2', '5.4.1'}


def test_commands_that_did_not_fail_are_passed_over():
    log = (DATA / 'compile-5.4.1.log').read_text()
    entry = '== 2026-11-24 06:00:00,000 run.py:650 INFO Shell command completed successfully\nOutput:\n'
    decoy = entry + 'decoy.c:1:1: error: a test of configure, which fails by design\n'
    first = first_error(log)
    assert first_error(decoy + log).line == first.line
    allowed = decoy.replace('INFO Shell command completed successfully', 'WARNING Shell command FAILED (exit code 1)')
    assert first_error(allowed + log).line == first.line


def test_what_is_not_known_is_shown_as_it_ends():
    log = '== 2026-11-24 06:00:00,000 run.py:652 WARNING Shell command FAILED (exit code 3)\nOutput:\n' \
          + ''.join(f'line {number}\n' for number in range(20)) + '\n'
    found = first_error(log)
    assert found.kind == 'unknown' and found.context == tuple(f'line {number}' for number in range(15, 20))


def test_a_message_alone():
    found = first_error('Missing modules for dependencies (use --robot?): zlib/1.3.1')
    assert found.kind == 'modules' and 'lumi-eb plan' in found.advice
    assert first_error('') is None and first_error('\n\n') is None


def test_the_places_where_a_source_was_looked_for_stay_in_the_log():
    found = first_error("Couldn't find file x-1.0.tar.gz anywhere, and downloading it didn't work either... "
                        'Paths attempted (in order): /a/x-1.0.tar.gz, /b/x-1.0.tar.gz')
    assert found.context == ("Couldn't find file x-1.0.tar.gz anywhere, and downloading it didn't work either",)


def test_trials_of_configure_and_cmake_are_no_errors():
    log = '== 2026-11-24 06:00:00,000 run.py:652 WARNING Shell command FAILED (exit code 1)\nOutput:\n' \
          'conftest.c:3:10: fatal error: foo.h: No such file or directory\n' \
          '/b/CMakeFiles/CMakeScratch/TryCompile-x/src.c:1:1: error: nothing\nconfigure: error: no foo\n'
    assert first_error(log).line == 'configure: error: no foo'


def failure(*context, rules=()):
    return Failure('library', context[0], 1, context, 'advice', rules)


def test_the_nearest_rule():
    hdf5 = Change('dependencies', Dependency('HDF5', '1.14.6'), Dependency.external_module('cray-hdf5/1.14.3'),
                  'cray-provided', 'x')
    chain = Change('toolchain', {'name': 'GCC', 'version': '14'}, {'name': 'cpeGNU', 'version': '25'}, 'toolchain', 'x')
    fftw = Change('dependencies', None, Dependency.external_module('cray-fftw/3'), 'toolchain-fft', 'x')
    changes = (chain, fftw, hdf5)
    assert nearest(failure('cannot find -lhdf5'), changes)[0] == 'cray-provided'
    assert nearest(failure('configure: error: HDF5 not found'), changes)[0] == 'cray-provided'
    assert nearest(failure('CMake Error at x', '  Could NOT find FFTW (missing: X)'), changes)[0] == 'toolchain-fft'
    # no name: by the kind of error; and nothing is made up
    assert nearest(failure('cannot find -lfoo', rules=('release-version', 'toolchain')), changes)[0] == 'toolchain'
    assert nearest(failure('cannot find -lfoo'), changes) is None
    assert nearest(failure('cannot find -lhdf5x'), (hdf5,)) is None


def test_rules_that_are_named_exist():
    known = {rule.id for rule in RULES}
    for kind in kinds():
        assert set(kind.rules) <= known, f'{kind.name}: {set(kind.rules) - known}'


@given(st.text(alphabet='= 2026-1:,.aERROROutputFAILED(exit code)\n\té\0', max_size=400))
def test_no_log_is_too_odd(text):
    found = first_error(text)
    assert found is None or 1 <= found.number <= len(text.splitlines())


def test_a_large_log_takes_no_time():
    import time
    line = 'gcc -O2 -DHAVE_CONFIG_H -I. -c some/long/file.c -o some/long/file.o   # nothing to see here at all\n'
    log = '== 2026-11-24 06:00:00,000 run.py:652 WARNING Shell command FAILED (exit code 2)\nOutput:\n' + line * 20_000
    begin = time.monotonic()
    first_error(log)
    assert time.monotonic() - begin < 10, 'two megabytes'


def test_the_logs_name_no_folder_of_one_machine():
    logs = list(DATA.iterdir())
    assert logs
    folders = ('/home/', os.path.expanduser('~') + '/', os.fspath(DATA.parents[2]))
    own = '|'.join(map(re.escape, folders))
    for path in logs:
        assert not re.search(own, path.read_text()), path
