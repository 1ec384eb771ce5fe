# SPDX-License-Identifier: GPL-2.0-only
"""The first real error, in excerpts of logs of builds that failed for real (tests/data/failures)."""
import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumi_hooks import sites
from lumi_hooks.change import Change
from lumi_hooks.data import load_json
from lumi_hooks.dependency import Dependency
from lumi_hooks.record.failure import first_error, kinds, nearest

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
    'cmake': ('cmake-find', 'CMake Error at CMakeLists.txt:4 (find_package):'),
    'cmakeold': ('cmake', 'CMake Error at CMakeLists.txt:1 (cmake_minimum_required):'),
    'command': ('command', 'nosuchcommand: No such file or directory'),
    'norule': ('rule-missing', "No rule to make target 'missing.c'"),
    'patch': ('patch', 'Hunk #1 FAILED at 1.'),
    'checksum': ('checksum', 'Checksum verification for'),
    'nosource': ('fetch', "Couldn't find file nosource-1.0.tar.gz anywhere"),
    'sanity': ('sanity', 'Sanity check failed: sanity check command bin/nothere --version failed'),
    'sanitypath': ('sanity', "Sanity check failed: no file found at 'bin/x'"),
    'python': ('python-module', "ModuleNotFoundError: No module named 'nosuchpackage'"),
    'killed': ('killed', 'Killed'),
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


@pytest.mark.parametrize('title', ['Output:', 'Output (stdout + stderr):'])
def test_a_command_that_printed_nothing(title):
    log = log_of('').replace('Output:', title) + log_of("shell command 'false ...' failed with exit code 1 in "
                                                        "configure step for x.eb", own=True)
    found = first_error(log)
    assert found.kind == 'unknown' and found.line.startswith("shell command 'false ...'") and 'nothing' in found.means


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


def log_of(text, own=False):
    """A log whose command failed with this output, or that ends with EasyBuild's own message."""
    if own:
        return f'== 2026-11-24 06:00:00,000 build_log.py:233 ERROR EasyBuild encountered an error: {text}\n'
    return f'== 2026-11-24 06:00:00,000 run.py:652 WARNING Shell command FAILED (exit code 2)\nOutput:\n{text}\n'


@pytest.mark.parametrize('entry', load_json('failures.json')['failures'], ids=lambda entry: entry['kind'])
def test_a_real_message_is_known_and_a_near_miss_is_not(entry):
    found = first_error(log_of(entry['example']['text'], entry.get('own', False)))
    assert found.kind == entry['kind'] and found.advice == sites.filled(entry.get('advice', ''))
    assert bool(found.subject) is ('subject' in entry), found.subject
    missed = first_error(log_of(entry['near_miss'], entry.get('own', False)))
    assert missed.kind != entry['kind'] and (not missed.advice or missed.advice != found.advice)


def test_the_page_on_troubleshooting_is_up_to_date():
    command = [str(DATA.parents[2] / 'ci' / 'advice'), '--check']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_there_are_many_kinds_and_none_twice():
    names = [kind.name for kind in kinds()]
    assert len(names) == len(set(names)) >= 60
    sources = [entry['example']['source'] for entry in load_json('failures.json')['failures']]
    for source in sources:
        if source.startswith('tests/'):
            assert (DATA.parents[2] / source).is_file(), source


@pytest.mark.parametrize('text,kind,silent', [  # R7 and B7: what was told before
    ('ftn-78 ftn: ERROR in command line\n  The -f option has an invalid argument, "ree".', 'command-line',
     'allow-argument-mismatch'),
    ("ImportError: /usr/lib64/libstdc++.so.6: version `GLIBCXX_3.4.20' not found (required by /x/y.so)", 'glibcxx',
     'Python package'),
    ("clang: error: cannot determine amdgcn architecture: /opt/rocm/llvm/bin/amdgpu-arch: Failed to get device count; "
     "consider passing it via '-march'", 'gpu-arch-node', 'newer version'),
    ("error: unknown target CPU 'gfx90a'", 'gpu-arch-unknown', 'newer version'),
    ('checking for wannier90\n*** Unable to download wannier90. Test whether curl or wget is installed and working,\n'
     '*** if you have direct access to internet. If not, copy into archive/ the file\nmake: *** [x] Error 1',
     'download-manual', 'saying why')])
def test_advice_that_was_wrong(text, kind, silent):
    found = first_error(log_of(text))
    assert found.kind == kind and silent not in found.advice + found.means and found.advice


@pytest.mark.parametrize('text,kind', [
    ('Failed to download PETSc package: X', 'download-manual'),
    ('Unable to download package MUMPS from: git://https://example.org/pkg-mumps', 'download-manual'),
    ("error: downloading 'https://example.org/v1.tar.gz' failed", 'download-manual'),
    ('meson.build:3:0: ERROR: could not get https://wrapdb.mesonbuild.com/v2/zlib is the internet available?',
     'download-manual'),
    ("ERROR: An error occurred during the fetch of repository 'rules_cc':\n   java.io.IOException: Error downloading "
     '[https://example.org/x.zip] to /x: Unknown host: example.org', 'download-manual'),
    ("> Could not resolve all files for configuration ':classpath'.", 'download-manual'),
    ('[ERROR] Failed to execute goal: Could not transfer artifact c from/to central', 'download-manual'),
    ('CMake Error at /b/foo-prefix/src/foo-stamp/foo-download-Release.cmake:49 (message):', 'download-cmake'),
    ('CMake Error at a/tmp/foo-gitclone.cmake:31 (message):', 'download-cmake'),
    ("fatal: could not read Username for 'https://example.org': No such device or address", 'download-git'),
    ('error: failed to download from `https://index.crates.io/config.json`', 'download-cargo'),
    ('error: attempting to make an HTTP request, but --offline was specified', 'download-cargo'),
    ("  cannot open URL 'https://cloud.r-project.org/src/contrib/PACKAGES'", 'download-r'),
    ('ERROR: dependencies ‘abind’, ‘jsonlite’ are not available for package ‘SingleCellExperiment’', 'download-r'),
    ('! Finding Foo::Bar (0) on mirror http://www.cpan.org failed.', 'download-cpan'),
    ('go: example.org/y@v1.2.3: Get "https://proxy.golang.org/y/v1.2.3.mod": lookup failed', 'download-go'),
    ('npm ERR! network request to https://registry.example/foo failed, reason: x', 'download-npm'),
    ('npm error code EAI_AGAIN', 'download-npm'),
    # others' words, and not a message of Python's, Fortran's or make's
    ('ERROR: failed to clone from https://example.org/x.git, error: GitError(Code:ERROR)', 'download-manual'),
    ('Error: Failed downloading https://example.org/x.rock - failed', 'download-manual'),
    ('ERROR: Could not download mpich-3.4.tar.gz', 'download-manual'),
    ('CondaHTTPError: HTTP 000 CONNECTION FAILED for url <https://example.org/x>', 'network'),
    ("requests.exceptions.ConnectionError: HTTPSConnectionPool(host='x', port=443): Max retries exceeded with url: /x",
     'network'),
    ('[ERROR] OpamSolution: fetch of x failed: curl exited with code 6', 'network'),
    ("Can't connect to example.org:443 (Bad hostname)", 'network'),
    ("wget: bad address 'example.org'", 'network')])
def test_B7_downloads_in_the_words_of_each_build_system(text, kind):
    """And not as "make: Error 1", which is all that follows."""
    found = first_error(log_of(f'checking for x\n{text}\nmake: *** [Makefile:2: all] Error 1'))
    assert found.kind == kind and found.advice


@pytest.mark.parametrize('text,kind', [
    # configure went on without a tool: not what it ended for
    ('./configure: line 12: gfind: command not found\nchecking for x... yes\nchecking for y... no\n'
     'checking for z... no\nchecking for u... no\nchecking for v... no\nconfigure: error: HDF5 not found', 'configure'),
    # make stopped for it
    ('/bin/sh: line 1: nosuch: command not found\nmake: *** [Makefile:2: all] Error 127\na.c:1:1: error: other job',
     'command'),
    ('/bin/sh: line 1: mpirun: command not found\nmake: *** [check] Error 127', 'mpirun'),
    ('make: *** [Makefile:2: all] Error 1', 'make')])
def test_the_real_error_and_not_one_that_the_build_survived(text, kind):
    assert first_error(log_of(text)).kind == kind


HDF5 = Change('dependencies', Dependency('HDF5', '1.14.6'), Dependency.external_module('cray-hdf5/1.14.3'),
              'cray-provided', 'x')
CHAIN = Change('toolchain', {'name': 'GCC', 'version': '14'}, {'name': 'cpeGNU', 'version': '25'}, 'toolchain', 'x')
FFTW = Change('dependencies', None, Dependency.external_module('cray-fftw/3'), 'toolchain-fft', 'x')
BINUTILS = Change('builddependencies', Dependency('binutils', '2.42'), None, 'toolchain-provided', 'x')
MAKE = Change('builddependencies', Dependency('make', '4.4.1'), Dependency.external_module('buildtools/25.03'),
              'central-tools', 'x')
WORDS = Change('configopts', 'FC=gfortran FFLAGS=-mpc64', 'FC=ftn FFLAGS="-h fp0"', 'fortran-words', 'x')
CHANGES = (BINUTILS, MAKE, CHAIN, FFTW, HDF5, WORDS)


@pytest.mark.parametrize('text,rule', [
    ('/usr/bin/ld: cannot find -lhdf5', 'cray-provided'), ('/usr/bin/ld: cannot find -lhdf5_hl', 'cray-provided'),
    ('configure: error: HDF5 not found', 'cray-provided'),
    ('a.c:1:10: fatal error: hdf5.h: No such file or directory', 'cray-provided'),
    ('CMake Error at x:1 (message):\n  Could NOT find FFTW (missing: X)', 'toolchain-fft'),
    ('/usr/bin/ld: cannot find -lfftw3', 'toolchain-fft'),
    ('gcc: error: unrecognized command-line option ‘-mpc64’', 'fortran-words'),
    # silent: the error names nothing that a rule took away or changed
    ('a.c:1:10: fatal error: foo.h: No such file or directory', None),
    ('/opt/cray/binutils/bin/ld: a.o: undefined reference to `x\'', None),
    ('/build/HDF5/1.14/src/a.c:1:10: fatal error: foo/bar.h: No such file or directory', None),
    ('configure: error: make sure that foo is there', None), ('make: *** [all] Error 1', None),
    ('/usr/bin/ld: cannot find -lhdf5x', None), ('gcc: error: unrecognized command-line option ‘-mpc65’', None),
    ("ModuleNotFoundError: No module named 'nosuch'", None)])
def test_a_rule_is_named_where_the_error_names_what_it_changed(text, rule):
    found = nearest(first_error(log_of(text)), CHANGES)
    assert (found[0] if found else None) == rule


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
