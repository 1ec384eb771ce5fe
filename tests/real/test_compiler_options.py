# SPDX-License-Identifier: GPL-2.0-only
"""The compilers behind the wrappers take what the toolchains tell them: Clang for real, Fortran by each one's rules."""
import re
from pathlib import Path

import pytest

from tests.compiler_options import FLAGS, PLAIN, flags
from tests.real.elf import needed

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


BY_NAME = r"""
easyblock = 'MakeCp'
name = 'byname'
version = '1.0'
homepage = 'https://example.org'
description = 'A program whose makefile names libraries as upstream has patched them into it, unseen by any rule.'
toolchain = {'name': 'foss', 'version': '2025a'}
sources = []
local_program = 'double ddot_(); int main() { double x = 2; int n = 1; return ddot_(&n, &x, &n, &x, &n) != 4; }'
prebuildopts = "echo '%s' > x.c && " % local_program
prebuildopts += "echo 'x: x.c ; cc -o x x.c -lopen""blas -lscala""pack' > Makefile && "
files_to_copy = [(['x'], 'bin')]
sanity_check_paths = {'files': ['bin/x'], 'dirs': []}
sanity_check_commands = ['x']
moduleclass = 'tools'
"""


def test_blas_by_the_names_of_upstream_s_patches(lumi):
    """Where no rule sees the name, the linker finds LibSci under it."""
    recipe = Path(lumi.home) / 'byname-1.0-foss-2025a.eb'
    recipe.write_text(BY_NAME)
    lumi.eb(str(recipe))
    libraries = needed(lumi.software('byname', '1.0-cpeGNU-25.03') / 'bin' / 'x')
    assert [name for name in libraries if name.startswith('libsci_gnu')], libraries
    assert not [name for name in libraries if 'blas' in name or 'scalapack' in name]
