# SPDX-License-Identifier: GPL-2.0-only
"""The GNU compilers of a cpe* toolchain, as LUMI's classes have them (in our own words)."""
from easybuild.toolchains.compiler.craype import CrayPECompiler
from easybuild.toolchains.compiler.gcc import TC_CONSTANT_GCC, Gcc
from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.config import build_option
from easybuild.tools.toolchain.compiler import DEFAULT_OPT_LEVEL

TC_CONSTANT_CPE = 'CPE'


class cpeCompGCC(CrayPECompiler):
    """The GNU compilers behind the Cray wrappers."""
    TOOLCHAIN_FAMILY = TC_CONSTANT_CPE
    COMPILER_FAMILY = TC_CONSTANT_GCC
    PRGENV_MODULE_NAME_SUFFIX = 'gnu'

    COMPILER_UNIQUE_OPTS = dict(CrayPECompiler.COMPILER_UNIQUE_OPTS, **{
        'verbose': (False, "Verbose output of the wrappers"),
        'lto': (False, "Enable link time optimization"),
        'loop': (False, "Automatic loop parallelisation"),
        'f2c': (False, "Generate code compatible with f2c and f77"),
        'gfortran9-compat': (False, "Accept argument mismatches as gfortran 9 did"),
    })

    def __init__(self, *args, **kwargs):
        """Fill in the options; the module of the compiler is the toolchain's own."""
        super().__init__(*args, **kwargs)
        self.COMPILER_MODULE_NAME = [self.NAME]
        self.COMPILER_OPTIONS.extend(['lto', 'loop', 'f2c', 'gfortran9-compat'])
        self.COMPILER_UNIQUE_OPTION_MAP.update(self.option_map())

    def option_map(self):
        """Return the flags of the options."""
        table = {}
        others = ['i8', 'r8', 'unroll', 'f2c', 'loop', 'lto', 'vectorize', DEFAULT_OPT_LEVEL]
        for option in list(self.COMPILER_PREC_OPTIONS) + others:
            table[option] = Gcc.COMPILER_UNIQUE_OPTION_MAP[option]
        table['gfortran9-compat'] = '-fallow-argument-mismatch'
        table['openmp'] = '-fopenmp'
        return table

    def _set_optimal_architecture(self, *args, **kwargs):
        """Load the target modules: <target>, or CPE:<target>+<target>."""
        optarch = build_option('optarch')
        if isinstance(optarch, dict):
            optarch = optarch.get('CPE')
        if optarch == 'GENERIC':
            raise EasyBuildError("Optarch GENERIC is not supported with the Cray PE")
        for target in (optarch or '').split('+'):
            module = 'craype-' + target
            if target and not self.modules_tool.exist([module], skip_avail=True)[0]:
                raise EasyBuildError("Module %s, asked for by optarch %s, is not available", module, optarch)
            if target:
                self.modules_tool.load([module])
        self.options.options_map['optarch'] = ''
