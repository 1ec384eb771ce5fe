# SPDX-License-Identifier: GPL-2.0-only
"""The GCCs of the stand-in: one that is as strict as GCC 14, and one that refuses what 7.5 does not know."""
import json
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / 'ci/standin'
FACTS = json.loads((FOLDER / 'facts.json').read_text())['system_gcc']
SOURCES = {
    'implicit.c': 'int main(void) { return there(); }\n', 'int.c': 'static x = 1;\nint main(void) { return x; }\n',
    'pointer.c': 'int *p;\nchar *q(void) { return p; }\n', 'conversion.c': 'int *p(void) { return 7; }\n',
    'sound.c': 'int main(void) { return 0; }\n', 'sound.cpp': 'int main() { return 0; }\n',
    'version.c': '__GNUC__ __GNUC_MINOR__ __VERSION__\n', 'args.f90': 'call f(1)\ncall f(1.0)\nend\n'}
NEW = ['implicit.c', 'int.c', 'pointer.c', 'conversion.c']


@pytest.fixture
def gcc(tmp_path):
    """Run a GCC: gcc(version of the module, command, options...); 7.5 is the operating system's."""
    (tmp_path / 'ident.s').write_text('.ident "GCC: (SUSE Linux) x"\n')
    for name, text in SOURCES.items():
        (tmp_path / name).write_text(text)

    def run(version, command, *options):
        own = version == '7.5'
        fields = {'START': '', 'FOLDER': '/usr/bin', 'SUFFIX': '', 'VERSION': FACTS['version'] if own else '',
                  'MAJOR': version.split('.')[0], 'IDENT': tmp_path / 'ident.s',
                  'REFUSED': ' | '.join(FACTS['refused'])}
        text = (FOLDER / 'gcc.sh').read_text()
        for key, value in fields.items():
            text = text.replace(f'@{key}@', str(value))
        (tmp_path / command).write_text(text)
        return subprocess.run(['sh', tmp_path / command, *options], cwd=tmp_path, text=True, capture_output=True,
                              check=False)
    return run


@pytest.mark.parametrize('source', NEW)
def test_C_that_is_an_error_since_gcc_14(gcc, source):
    done = gcc('14.2', 'gcc', '-c', source)
    assert done.returncode == 1 and '-Werror=' in done.stderr
    assert gcc('13.2', 'gcc', '-c', source).returncode == 0
    assert gcc('14', 'gcc-14', '-c', source).returncode == 1


@pytest.mark.parametrize('options', [
    ['-std=gnu89'], ['-std=c90'], ['-ansi'], ['-fpermissive'],
    ['-Wno-error=implicit-function-declaration', '-Wno-error=implicit-int', '-Wno-error=int-conversion',
     '-Wno-error=incompatible-pointer-types']])
@pytest.mark.parametrize('source', NEW)
def test_options_that_make_warnings_of_it_again(gcc, source, options):
    assert gcc('14.2', 'gcc', *options, '-c', source).returncode == 0


def test_other_languages_are_left_alone(gcc):
    for command, source in (('gcc', 'sound.cpp'), ('g++', 'sound.cpp'), ('gcc', 'sound.c'), ('g++', 'sound.c')):
        done = gcc('14.2', command, '-Wall', '-Werror', '-c', source)
        assert (done.returncode, done.stderr) == (0, '')
    assert gcc('14.2', 'gcc', '-x', 'c', '-c', 'implicit.c').returncode == 1
    assert gcc('14.2', 'gfortran', '-c', 'args.f90').returncode == 1


@pytest.mark.parametrize('command, said', [('gcc', 'gcc (SUSE Linux) 7.5.0'), ('g++', 'g++ (SUSE Linux) 7.5.0'),
                                           ('gfortran', 'GNU Fortran (SUSE Linux) 7.5.0')])
def test_the_operating_system_s_version(gcc, command, said):
    first, free = gcc('7.5', command, '--version').stdout.splitlines()
    assert first == said and 'Free Software Foundation' in free
    assert gcc('7.5', command, '-dumpfullversion').stdout == '7.5.0\n'
    assert gcc('7.5', command, '-dumpversion').stdout == '7\n'
    assert gcc('7.5', 'gcc', '-E', 'version.c').stdout.endswith('7 5 "7.5.0"\n')


@pytest.mark.parametrize('command, option', [
    ('g++', '-std=c++20'), ('g++', '-std=gnu++2a'), ('gcc', '-std=c2x'), ('gcc', '-std=gnu17'),
    ('gcc', '-march=znver3'),
    ('gcc', '-mtune=x86-64-v3'), ('gcc', '-fanalyzer'), ('gcc', '-Wcast-function-type'),
    ('gcc', '-ffile-prefix-map=a=b'),
    ('gcc', '-Wno-error=cast-function-type'), ('gfortran', '-fallow-argument-mismatch'), ('gfortran', '-std=f2018')])
def test_what_it_refuses(gcc, command, option):
    source = {'gcc': 'sound.c', 'g++': 'sound.cpp', 'gfortran': 'args.f90'}[command]
    done = gcc('7.5', command, option, '-c', source)
    assert (done.returncode, done.stderr) == (1, f"{command}: error: unrecognized command line option '{option}'\n")


@pytest.mark.parametrize('command, option', [
    ('g++', '-std=c++17'), ('gcc', '-std=c11'), ('gcc', '-march=znver1'), ('gcc', '-Wno-cast-function-type'),
    ('gcc', '-Wextra'), ('gfortran', '-std=legacy'), ('gfortran', '-O2')])
def test_what_it_takes(gcc, command, option):
    source = {'gcc': 'sound.c', 'g++': 'sound.cpp', 'gfortran': 'args.f90'}[command]
    assert gcc('7.5', command, option, '-c', source).returncode == 0


def test_objects_say_who_made_them(gcc, tmp_path):
    gcc('14.2', 'gcc', '-pipe', '-c', 'sound.c')
    data = (tmp_path / 'sound.o').read_bytes()
    assert b'GCC: (SUSE Linux) x' in data and b'Debian' not in data
