# SPDX-License-Identifier: GPL-2.0-only
"""The compilers: GCC as the release and the operating system have it; Debian's LLVM, and gfortran, as the others'."""

import pathlib
import re
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


GCC_NAMES = ('gcc', 'g++', 'gfortran')


def gcc_script(folder, suffix, major, ident, start='', version='', refused=()):
    """Return the script gcc.sh for one GCC.

    folder, suffix: of the compilers behind it. major: version of the GCC that it stands for. ident: file with what is
    noted in objects. start: folder of start files. version: that it gives itself. refused: patterns of options.
    """
    text = (HERE / 'gcc.sh').read_text()
    fields = {
        'FOLDER': folder,
        'SUFFIX': suffix,
        'VERSION': version,
        'MAJOR': major,
        'IDENT': ident,
        'START': start,
    }
    for key, value in fields.items():
        text = text.replace('@%s@' % key, str(value))
    return text.replace('@REFUSED@', ' | '.join(refused) or "''")


def note(layout, text):
    """Write the assembler file that makes each object say by which compiler it is; return its path.

    layout: of the stand-in. text: for the section .comment.
    """
    path = layout.standin / 'notes' / (re.sub(r'[^A-Za-z0-9.]+', '-', text) + '.s')
    write(path, '.ident "%s"\n' % text)
    return path


def install_gcc(builder, version):
    """Install the GCC of the module gcc-native/<version> or gcc/<version>: this machine's, as strict as that one.

    version: of the module, e.g. 14.2 or 14.
    """
    prefix = builder.layout.gcc(version)
    major = version.split('.')[0]
    with Staging(prefix) as tree:
        ident = note(builder.layout, 'GCC: (SUSE Linux) %s' % version)
        here = builder.output(['/usr/bin/gcc', '-print-libgcc-file-name'], 'asking gcc for its folder').strip()
        start_files(builder, pathlib.Path(here).parent, tree / 'start')
        text = gcc_script('/usr/bin', '', major, ident, prefix / 'start')
        for name in (*GCC_NAMES, 'cpp'):
            write(tree / 'bin' / name, text, 0o755)
            link(name, tree / 'bin' / ('%s-%s' % (name, major)))


def install_system_gcc(builder, versions):
    """Install the operating system's GCC, an older one, and links to the newer ones by their names with a version.

    versions: of the modules gcc-native and gcc.
    """
    layout = builder.layout
    about = facts()['system_gcc']
    major = about['version'].split('.')[0]
    prefix = layout.system_gcc
    with Staging(prefix) as tree:
        Debian(builder).unpack(about['packages'], tree)
        inner = tree / 'usr/lib/gcc/x86_64-linux-gnu' / about['behind']
        for path in inner.glob('*.so'):
            mend_link(path)
        for name in about['headers']:
            (tree / 'usr/include/c++' / about['behind'] / name).unlink()
        ident = note(layout, 'GCC: (SUSE Linux) %s' % about['version'])
        start_files(builder, inner, inner)
        text = gcc_script(
            prefix / 'usr/bin',
            '-' + about['behind'],
            major,
            ident,
            version=about['version'],
            refused=about['refused'],
        )
        for name in (*GCC_NAMES, 'cpp', 'cc', 'c++'):
            write(tree / 'bin' / name, text, 0o755)
            link(name, tree / 'bin' / ('%s-%s' % (name, major)))
        for version in versions:
            newer = version.split('.')[0]
            for name in GCC_NAMES:
                link(layout.gcc(version) / 'bin' / name, tree / 'bin' / ('%s-%s' % (name, newer)))


def start_files(builder, folder, into):
    """Copy the start files of a GCC without what they note: on LUMI they are by the GCC that they belong to.

    folder: where they are. into: where they go.
    """
    into.mkdir(exist_ok=True)
    for path in sorted(folder.glob('crt*.o')):
        builder.run(['objcopy', '-R', '.comment', path, into / path.name], 'copying ' + path.name, log='start-files')


def mend_link(path):
    """Let a link to a library that was not unpacked point to this machine's.

    path: of the link, e.g. libgomp.so; it goes where this machine has no such library.
    """
    if not path.is_symlink() or path.exists():
        return
    there = pathlib.Path('/usr/lib/x86_64-linux-gnu') / path.readlink().name
    found = there if there.exists() else next(iter(sorted(there.parent.glob(path.name + '.[0-9]'))), None)
    path.unlink()
    if found:
        path.symlink_to(found)


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


def install_fortran(builder, path, rules, openmp, version):
    """Write a Fortran compiler: gfortran that takes the options of another one, and refuses what that refuses.

    path: of the command. rules: cray or flang. openmp: folder of the OpenMP library. version: that it gives itself.
    """
    text = (HERE / 'fortran.sh').read_text()
    clang = builder.layout.llvm(facts()['llvm']['version']) / 'bin/clang'
    says = 'Cray Fortran : Version %s' % version if rules == 'cray' else 'AMD clang version %s' % version
    ident = note(builder.layout, says)
    for key, value in (('RULES', rules), ('OPENMP', openmp), ('CLANG', clang), ('VERSION', version), ('IDENT', ident)):
        text = text.replace('@%s@' % key, str(value))
    write(path, text, 0o755)


def flang_version():
    """Return the version that flang gives itself: that of the clang beside it."""
    return '%s.0.0' % facts()['llvm']['version']


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
        install_fortran(builder, tree / 'bin/crayftn', 'cray', library, version)
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
        install_fortran(builder, tree / 'bin/flang', 'flang', prefix / 'lib', flang_version())
