# SPDX-License-Identifier: GPL-2.0-only
"""What the four cpe* toolchains share: compiler wrappers, targets, no RPATH, answers to easyblocks."""

import os
import re
import shutil
import subprocess

from easybuild.toolchains.compiler.craype import CrayPECompiler
from easybuild.toolchains.compiler.gcc import TC_CONSTANT_GCC
from easybuild.tools.build_log import EasyBuildError, dry_run_msg
from easybuild.tools.config import build_option
from easybuild.tools.environment import setvar
from easybuild.tools.modules import get_software_root_env_var_name, get_software_version_env_var_name

from .lumi_cpeoptions import target_modules

# same names and values as in LUMI's own classes: EasyBuild stops if a constant is defined with two values
TC_CONSTANT_CPE = 'CPE'

FORTRAN_VARIABLES = ('FCFLAGS', 'FFLAGS', 'F90FLAGS')

# prefixes that the compilers search anyway; -I/usr/include would change the order of the search
SYSTEM_PREFIXES = ('/', '/usr')


# where the operating system has macros for aclocal, those of its pkg-config among them
SYSTEM_MACROS = '/usr/share/aclocal'


def add_system_macros():
    """Let aclocal find the operating system's macros too, after those of modules (ACLOCAL_PATH).

    LUMI's buildtools has an aclocal, which looks into its own folder alone, and no pkgconf: the operating system's
    pkg-config stands in for it, and a configure script that is made without its pkg.m4 stops.
    """
    folders = [folder for folder in os.environ.get('ACLOCAL_PATH', '').split(os.pathsep) if folder]
    if folders and SYSTEM_MACROS not in folders and os.path.isdir(SYSTEM_MACROS):
        setvar('ACLOCAL_PATH', os.pathsep.join([*folders, SYSTEM_MACROS]), verbose=False)


class CpeCompiler(CrayPECompiler):
    """Compiler wrappers cc, CC and ftn, driven by a cpe* toolchain module."""

    TOOLCHAIN_FAMILY = TC_CONSTANT_CPE

    # value of $PE_ENV that the PrgEnv module of this toolchain sets
    PE_ENV = None

    # upstream software name -> (variables that may hold its prefix, variables that may hold its version);
    # the Cray modules don't set $EBROOT*, and easyblocks ask for these names
    CRAY_SOFTWARE = {
        'cray-mpich': (('CRAY_MPICH_DIR', 'MPICH_DIR', 'CRAY_MPICH_PREFIX'), ('CRAY_MPICH_VERSION', 'CRAY_MPICH_VER')),
        'cray-libsci': (('CRAY_LIBSCI_PREFIX_DIR', 'CRAY_PE_LIBSCI_PREFIX_DIR'),
                        ('CRAY_LIBSCI_VERSION', 'CRAY_PE_LIBSCI_VERSION')),
        # part of LibSci, which does not say which ScaLAPACK it is
        'ScaLAPACK': (('CRAY_LIBSCI_PREFIX_DIR', 'CRAY_PE_LIBSCI_PREFIX_DIR'), ()),
    }

    COMPILER_UNIQUE_OPTS = {
        **CrayPECompiler.COMPILER_UNIQUE_OPTS,
        # -craype-verbose writes to stderr, which makes configure checks of stderr fail: only on request
        'verbose': (False, "Let the wrappers print the command they run"),
        'rpath': (False, "Not available: Cray's libraries move with system updates"),
        'lto': (False, "Link time optimisation"),
    }

    # static as 'shared' and 'dynamic': by $CRAYPE_LINK_TYPE, no option
    COMPILER_UNIQUE_OPTION_MAP = {**CrayPECompiler.COMPILER_UNIQUE_OPTION_MAP, 'static': ''}

    # options of the map that ftn is not told, or is told otherwise: option -> option ('': none). Not GCC's: there
    # one map serves all languages
    FORTRAN_OPTIONS = {}

    # options of gfortran that recipes and easyblocks give -> what ftn takes in their place ('': it needs none)
    GFORTRAN_OPTIONS = {}

    # easyblocks look into it; the architecture is the target modules' affair
    COMPILER_OPTIMAL_ARCHITECTURE_OPTION = {}

    # what an easyblock is told that does not know the real families (easyblocks/families): 'compiler', 'mpi', 'blas',
    # 'lapack' -> family
    known_as = {}

    LIB_MULTITHREAD = ['pthread']
    LIB_MATH = ['m']

    # external modules of the build in hand. An extension's toolchain is another instance than the build's,
    # and EasyBuild 5.1 gives it no dependencies, so this is kept on the class.
    _external_modules = []

    def __init__(self, *args, **kwargs):
        """Constructor, same parameters as Toolchain."""
        # CrayPECompiler extends this list in place, and it belongs to all compiler classes
        self.COMPILER_OPTIONS = list(self.COMPILER_OPTIONS)
        upstream_names = list(self.COMPILER_MODULE_NAME)
        super().__init__(*args, **kwargs)
        self.COMPILER_OPTIONS.append('lto')
        # CrayPECompiler puts the PrgEnv module here, but easyblocks look for a software name, e.g. GCC
        self.COMPILER_MODULE_NAME = upstream_names

    def comp_family(self, prefix=None):
        """Return the compiler family, or the one that the easyblock in hand is to take it for."""
        return self.known_as.get(prefix or 'compiler') or super().comp_family(prefix)

    def mpi_family(self):
        """Return the MPI family, or the one that the easyblock in hand is to take it for."""
        return self.known_as.get('mpi') or super().mpi_family()

    def blas_family(self):
        """Return the BLAS family, or the one that the easyblock in hand is to take it for."""
        return self.known_as.get('blas') or super().blas_family()

    def lapack_family(self):
        """Return the LAPACK family, or the one that the easyblock in hand is to take it for."""
        return self.known_as.get('lapack') or super().lapack_family()

    def definition(self):
        """Return the modules that the toolchain consists of, by kind."""
        elements = super().definition()
        elements['COMPILER'] = ['PrgEnv-' + self.PRGENV_MODULE_NAME_SUFFIX]
        return elements

    def is_required(self, _name):
        """Return False: what the toolchain module brings is checked in the environment it makes."""
        return False

    def _verify_toolchain(self):
        """Check that the toolchain module brought the right programming environment.

        EasyBuild compares the text of the module file with the class, and sees only some ways of writing a
        load; $PE_ENV is what the wrappers themselves go by.
        """
        super()._verify_toolchain()
        found = os.environ.get('PE_ENV')
        if found != self.PE_ENV:
            raise EasyBuildError("Module %s/%s is loaded, but PrgEnv-%s is not in force ($PE_ENV is %s, expected %s): "
                                 "load the module by hand and check 'module list', or install it again", self.name,
                                 self.version, self.PRGENV_MODULE_NAME_SUFFIX, found or 'not set', self.PE_ENV)

    def set_options(self, options):
        """Process toolchain options; whatever a recipe says, there is no RPATH."""
        super().set_options(options)
        self.options['rpath'] = False

    def prepare_rpath_wrappers(self, *args, **kwargs):
        """Do nothing: some easyblocks call this themselves."""
        self.log.info("Toolchain %s does not use RPATH", self.name)

    def prepare(self, *args, **kwargs):
        """Set up the build environment; parameters as for Toolchain."""
        deps = kwargs.get('deps', args[1] if len(args) > 1 else None)
        if deps or kwargs.get('loadmod', True):
            CpeCompiler._external_modules = [dep for dep in deps or [] if dep.get('external_module')]
        super().prepare(*args, **kwargs)
        if self.options['static'] and not self.options['shared']:
            setvar('CRAYPE_LINK_TYPE', 'static')

    def set_variables(self):
        """Bring the environment of the loaded modules in order, then set the variables."""
        # every preparation passes here: the build itself, bundle components and each extension, where
        # EasyBuild has loaded the modules again and sets neither $EBROOT* nor $EBVERSION* for external ones
        self._load_targets()
        self._answer_software()
        super().set_variables()

    def _set_optimal_architecture(self, default_optarch=None):
        """Nothing but target modules selects the architecture: no compiler option."""
        self.options.options_map['optarch'] = ''

    def _set_compiler_flags(self):
        """Set the compiler options; those that the Fortran compiler does not know are put in its own words."""
        super()._set_compiler_flags()
        for name in FORTRAN_VARIABLES:
            written = self.options.get('extra_' + name.lower())
            for options in self.variables[name]:
                own = [self.from_gfortran(option) if option == written else self.FORTRAN_OPTIONS.get(option, option)
                       for option in options]
                options[:] = [option for option in own if option]

    def from_gfortran(self, text):
        """Return a text (options, a makefile ...) with gfortran's options in the words of this Fortran compiler."""
        for option, own in self.GFORTRAN_OPTIONS.items():
            text = re.sub(r'(?<!\S)%s(?!\S)' % re.escape(option), own, text)
        return text

    def _load_targets(self):
        """Load the craype-<target> modules that --optarch names, unless they are loaded.

        Without --optarch, those of the toolchain module stay.
        """
        targets = target_modules(build_option('optarch'))
        if not targets or self.modules_tool is None:
            return
        loaded = {module.split('/')[0] for module in self.modules_tool.loaded_modules()}
        missing = [target for target in targets if target not in loaded]
        if not missing:
            return
        there = self.modules_tool.exist(missing, skip_avail=True)
        unknown = [name for name, exists in zip(missing, there) if not exists]
        if unknown and self.dry_run:
            dry_run_msg("module load %s [SIMULATED]" % ' '.join(missing))
            return
        if unknown:
            raise EasyBuildError("There is no module %s, which --optarch=%s asks for: set --optarch to a target that "
                                 "'module avail craype-x86' shows, e.g. x86-milan", ', '.join(unknown),
                                 build_option('optarch'))
        self.modules_tool.load(missing)

    def _answer_software(self):
        """Set $EBROOT* and $EBVERSION* of the toolchain's parts and of external modules."""
        built = {dep.get('name') for dep in self.dependencies if not dep.get('external_module')}
        for name in self.CRAY_SOFTWARE:
            if name in built:
                continue
            prefix, version = self.cray_software(name)
            if prefix:
                setvar(get_software_root_env_var_name(name), prefix, verbose=False)
                if version:
                    setvar(get_software_version_env_var_name(name), version, verbose=False)
        self._answer_build_tools()
        add_system_macros()
        for dep in CpeCompiler._external_modules:
            metadata = dep.get('external_module_metadata') or {}
            names = metadata.get('name', [])
            versions = metadata.get('version') or [None] * len(names)
            for name, version in zip(names, versions):
                # a version that EasyBuild found by probing the module file is the name of a variable
                self._simulated_load_dependency_module(name, os.environ.get(version or '', version), metadata)
        if self.known_as.get('compiler') == TC_CONSTANT_GCC and TC_CONSTANT_GCC not in self.CRAY_SOFTWARE:
            # easyblocks add options that newer versions of GCC need, and only them
            setvar(get_software_version_env_var_name(TC_CONSTANT_GCC), '0', verbose=False)

    def _answer_build_tools(self):
        """Set $EBROOT* and $EBVERSION* of CMake, which easyblocks ask for, where it is in the module buildtools."""
        prefix = os.environ.get(get_software_root_env_var_name('buildtools'))
        command = shutil.which('cmake')
        if prefix and command and not os.environ.get(get_software_root_env_var_name('CMake')):
            version = tool_version(command)
            if version and os.path.realpath(command).startswith(os.path.realpath(prefix) + os.sep):
                setvar(get_software_root_env_var_name('CMake'), prefix, verbose=False)
                setvar(get_software_version_env_var_name('CMake'), version, verbose=False)

    def cray_software(self, name):
        """Return (prefix, version) of a software that a Cray module of this toolchain provides.

        :param name: a key of CRAY_SOFTWARE
        :return: tuple of two strings, each None where no loaded module says it
        """
        prefixes, versions = self.CRAY_SOFTWARE[name]
        if name == 'ScaLAPACK' and not self.cray_software('cray-mpich')[0]:
            return None, None
        return _first_value(prefixes), _first_value(versions)

    def _get_software_root(self, name, required=True):
        """Return the prefix of a software; for parts of the Cray PE the one its module says."""
        if name in self.CRAY_SOFTWARE:
            prefix = self.cray_software(name)[0]
            if prefix or not required or self.dry_run:
                return prefix
            raise EasyBuildError("No loaded module says where %s is ($%s): check that module %s/%s loads it", name,
                                 ', $'.join(self.CRAY_SOFTWARE[name][0]), self.name, self.version)
        return super()._get_software_root(name, required=required)

    def get_software_root(self, names, required=True):
        """Return the prefixes of one or more software names, as a list.

        An external module need not have a prefix; EasyBuild before 5.3 stops at one that has none.
        """
        names = [names] if isinstance(names, str) else names
        external = {external for dep in self.dependencies + self.tcdeps if dep.get('external_module')
                    for external in (dep.get('external_module_metadata') or {}).get('name', [])}
        return [self._get_software_root(name, required=required and name not in external) for name in names]

    def _add_dependency_cpp_headers(self, dep_root, extra_dirs=None):
        """Add the header directories of a dependency, but never those of the system.

        EasyBuild 5 takes them from $CPATH, which Cray's modules do not set: the wrappers find the headers, and CMake's
        find_path, which looks into $CPPFLAGS, would not. So `include` is added, as EasyBuild 4 did.
        """
        if os.path.normpath(dep_root) not in SYSTEM_PREFIXES:
            super()._add_dependency_cpp_headers(dep_root, extra_dirs=[*(extra_dirs or ()), 'include'])

    def _add_dependency_linker_paths(self, dep_root, extra_dirs=None):
        """Add the library directories of a dependency, but never those of the system."""
        if os.path.normpath(dep_root) not in SYSTEM_PREFIXES:
            super()._add_dependency_linker_paths(dep_root, extra_dirs=extra_dirs)


def _first_value(variables):
    """Return the value of the first of these environment variables that has one, else None."""
    return next((os.environ[var] for var in variables if os.environ.get(var)), None)


def tool_version(command, option='--version'):
    """Return the first version number that a command says, None if it says none or is not there.

    :param command: name or path
    :param option: makes it say its version
    """
    try:
        done = subprocess.run([command, option], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              universal_newlines=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'\d+(\.\d+)*', done.stdout)
    return found.group() if done.returncode == 0 and found else None
