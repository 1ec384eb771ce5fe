# SPDX-License-Identifier: GPL-2.0-only
"""What upstream's easyblocks are told of the cpe* toolchains, whose compiler families they do not know.

EasyBuild's easyblocks compare toolchain.comp_family() with GCC, Intel and a few more and stop at any other. The
compilers of cpeCray, cpeAOCC and cpeAMD take GCC's options in C and C++ (they are Clang), so an easyblock of which
nothing else is asked is told that it is GCC, of no version: options that only a newer GCC needs are left out.
Fortran options are another matter, see `fortran`.

A folder, not a file: --include-easyblocks 'easyblocks/*.py' takes every file for an easyblock.
"""

import contextlib
import os
import re
import shutil
import tempfile

import easybuild.tools.environment as env
from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.modules import get_software_root_env_var_name
from easybuild.tools.run import run_shell_cmd

CPE = 'CPE'

def is_cpe(toolchain):
    """Tell whether a toolchain is one of the cpe* toolchains."""
    return getattr(toolchain, 'TOOLCHAIN_FAMILY', None) == CPE


def is_gnu(toolchain):
    """Tell whether the compilers of a toolchain are GNU's."""
    return getattr(toolchain, 'COMPILER_FAMILY', None) == 'GCC'


def fortran(text, toolchain):
    """
    Options of gfortran in a text, in the words of a toolchain's Fortran compiler.

    :param text: a command, a makefile …
    :param toolchain: Toolchain; the text is returned as it is for any but the cpe* toolchains
    """
    return toolchain.from_gfortran(text) if is_cpe(toolchain) else text


def gcc_of(toolchain):
    """
    Which GCC's libraries the C compiler in hand uses: (prefix of the GCC, its own folder below lib/gcc).

    Cray's GCC is the operating system's (gcc-native), in lib64/gcc/x86_64-suse-linux/<major version> of /usr. The other
    compilers are made of Clang, and say which GCC's libraries they have selected.

    :raises EasyBuildError: the compiler does not say it
    """
    command = 'cc -print-libgcc-file-name' if is_gnu(toolchain) else 'cc -v'
    answer = run_shell_cmd(command, hidden=True, in_dry_run=True).output
    found = re.search(r'^(/\S+)/libgcc\S*$|Selected GCC installation: *(\S+)', answer, re.M)
    if not found:
        raise EasyBuildError("'%s' does not say which GCC's libraries are used: %s", command, answer)
    folder = os.path.realpath(found.group(1) or found.group(2))
    return re.sub('/lib(64)?/gcc/.*', '', folder), folder


def gnu_by_name():
    """
    Return configure's variables for GNU's compilers without the wrapper, for software that calls them itself: none
    where the bare gcc is the wrapper's one, else the names with its major version (CC=gcc-14), as LUMI's recipes have.

    :raises EasyBuildError: the system has no compilers of these names
    """
    def major(command):
        answer = run_shell_cmd(command + ' -dumpversion', hidden=True, in_dry_run=True, fail_on_error=False).output
        found = re.match(r'\d+', answer.strip())
        return found.group() if found else None

    version = major('cc')
    if version is None or version == major('gcc'):
        return ''
    names = {'CC': 'gcc', 'CXX': 'g++', 'F77': 'gfortran', 'FC': 'gfortran'}
    missing = [name for name in names.values() if not shutil.which('%s-%s' % (name, version))]
    if missing:
        raise EasyBuildError("%s-%s is not there, and the bare %s is another version than the wrapper's: load the "
                             "release's gcc-native", missing[0], version, missing[0])
    return ' '.join('%s=%s-%s' % (variable, name, version) for variable, name in names.items())


class KnownAs:
    """Mixin, before upstream's class: what the easyblock is told of a cpe* toolchain instead of its families.

    Upstream's toolchains are not touched.
    """

    # compiler family -> the one that upstream's easyblock is told
    KNOWN_AS = {'CCE': 'GCC', 'AOCC': 'GCC', 'AMD': 'GCC'}
    # the same for all families: 'mpi', 'blas', 'lapack'
    ALSO_KNOWN_AS = {}

    @property
    def toolchain(self):
        """The toolchain of the recipe."""
        found = super().toolchain
        if is_cpe(found):
            # at every access: an extension's toolchain is exchanged behind its back
            found.known_as = dict(self.ALSO_KNOWN_AS)
            if found.COMPILER_FAMILY in self.KNOWN_AS:
                found.known_as['compiler'] = self.KNOWN_AS[found.COMPILER_FAMILY]
        return found


def cmake_blas():
    """
    Return CMake's options for BLAS and LAPACK as the toolchain chose them, as a list.

    FindBLAS and FindLAPACK have no name for LibSci, and take libraries that are given as they are.

    :raises EasyBuildError: LibSci is not loaded
    """
    options = ['-DBLA_VENDOR=All']
    for name in ('BLAS', 'LAPACK'):
        libraries = _variable(name + '_SHARED_LIBS').split(',')
        paths = [os.path.join(_variable(name + '_LIB_DIR'), library) for library in libraries]
        options.append('-D%s_LIBRARIES=%s' % (name, r'\;'.join(paths)))
    return options


@contextlib.contextmanager
def reworded(cfg, words):
    """
    While this is in force, other words are added to a recipe's parameters than upstream's easyblock says.

    :param cfg: the easyblock's EasyConfig
    :param words: dictionary of a text -> what stands in its place
    """
    update = cfg.update

    def update_reworded(key, value, *args, **kwargs):
        if isinstance(value, str):
            for text, own in words.items():
                value = value.replace(text, own)
        update(key, value, *args, **kwargs)

    cfg.update = update_reworded
    try:
        yield
    finally:
        del cfg.update


@contextlib.contextmanager
def installed(name, prefix):
    """
    Let an easyblock take a software for installed in a folder, for as long as this lasts.

    :param name: the name that upstream's easyblock looks for
    """
    variable = get_software_root_env_var_name(name)
    env.setvar(variable, prefix, verbose=False)
    try:
        yield
    finally:
        env.unset_env_vars([variable], verbose=False)


def libsci_for_pkg_config():
    """
    Have LibSci, as many threads as $OMP_NUM_THREADS says, found by pkg-config under the name libsci.

    :return: value for $PKG_CONFIG_PATH
    :raises EasyBuildError: LibSci is not loaded
    """
    folder = tempfile.mkdtemp()
    with open(os.path.join(folder, 'libsci.pc'), 'w', encoding='utf-8') as stream:
        stream.write('Name: libsci\nDescription: BLAS and LAPACK of the Cray PE\nVersion: %s\nLibs: -L%s %s\n' % (
            os.environ.get('EBVERSIONCRAYMINLIBSCI', '0'), _variable('LAPACK_LIB_DIR'), _variable('LIBLAPACK_MT')))
    return os.pathsep.join([folder, os.environ.get('PKG_CONFIG_PATH', '')]).rstrip(os.pathsep)


def libsci_with_threads():
    """
    Return the path of LibSci's shared library with BLAS and LAPACK, as many threads as $OMP_NUM_THREADS says.

    :raises EasyBuildError: LibSci is not loaded
    """
    return os.path.join(_variable('LAPACK_LIB_DIR'), _variable('LAPACK_MT_SHARED_LIBS').split(',')[0])


def _variable(name):
    """Return one of the toolchain's variables for linear algebra."""
    value = os.environ.get(name)
    if not value:
        raise EasyBuildError("$%s is not set, so cray-libsci is not loaded: this software needs BLAS, and its data "
                             "(lumi_hooks/packages) must not say that it uses none", name)
    return value
