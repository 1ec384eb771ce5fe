# SPDX-License-Identifier: GPL-2.0-only
"""The compilers behind the wrappers take what the toolchains tell them: Clang for real, Fortran by each one's rules."""
import re

import pytest

from tests.compiler_options import FLAGS, PLAIN, flags

# one of these at a time; what else there is goes on one command line
LEVELS = ('opt', 'lowopt', 'noopt')
PRECISIONS = ('strict', 'precise', 'loose', 'veryloose', 'ieee')
# of Cray's own optimiser, which Debian's Clang, that stands in for CCE, has not
CRAY_ONLY = re.compile(r'-ffp=\d')
SOURCES = {'cc': ('x.c', 'int f(int i) { return 2 * i; }'), 'CC': ('x.cpp', 'int f(int i) { return 2 * i; }'),
           'ftn': ('x.f90', 'subroutine f(i)\ninteger :: i\ni = 2 * i\nend subroutine f')}


def command_lines(toolchain):
    """(compiler, options) for every option of a toolchain, few at a time."""
    together = [option for option in FLAGS if option not in LEVELS + PRECISIONS]
    for options in (together, LEVELS[:1], *((option,) for option in PRECISIONS)):
        for number, compilers in enumerate((('cc', 'CC'), ('ftn',))):
            told = ' '.join([PLAIN[toolchain][number], *(flags(toolchain, option)[number] for option in options)])
            for compiler in compilers:
                yield compiler, CRAY_ONLY.sub('', told)


@pytest.mark.parametrize('toolchain, partition', [('cpeCray', 'C'), ('cpeAOCC', 'C'), ('cpeAMD', 'G')])
def test_options_are_taken(fresh, toolchain, partition):
    fresh.partition = partition
    script = ['cd $HOME', f'module load {toolchain}/25.03 || exit 9']
    for name, text in SOURCES.values():
        script.append(f"cat > {name} <<'END'\n{text}\nEND")
    lines = list(dict.fromkeys(command_lines(toolchain)))
    assert len(lines) >= 12
    for compiler, told in lines:
        script.append(f'{compiler} {told} -c {SOURCES[compiler][0]} -o x.o || echo "REFUSED: {compiler} {told}"')
    # what they do not know is refused, so the test can fail
    script.append('cc -fallow-argument-mismatch -c x.c -o x.o 2>/dev/null && echo "TAKEN: anything"')
    done = fresh.run('\n'.join(script))
    assert done.returncode != 9, done.stdout
    assert 'REFUSED' not in done.stdout and 'TAKEN' not in done.stdout, done.stdout
    # nothing is passed over either: no compiler says that it did not use an option
    assert 'unused' not in done.stdout, done.stdout


def test_gfortran_s_words_are_refused_elsewhere(fresh):
    """Why recipes' options of gfortran are put in other words: ftn does not bear them."""
    done = fresh.run("module load cpeCray/25.03\ncd $HOME\nprintf 'end\\n' > x.f90\n"
                     'ftn -fallow-argument-mismatch -c x.f90 || echo refused')
    assert done.stdout.rstrip().endswith('refused'), done.stdout
