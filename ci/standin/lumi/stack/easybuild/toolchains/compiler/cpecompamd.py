# SPDX-License-Identifier: GPL-2.0-only
"""AMD's ROCm compilers of a cpe* toolchain, as LUMI's classes have them (in our own words)."""
from easybuild.toolchains.compiler.craype import CrayPECompiler
from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.config import build_option

TC_CONSTANT_CPE = 'CPE'
TC_CONSTANT_AMD = 'AMD'


class cpeCompAMD(CrayPECompiler):
    """AMD's ROCm compilers behind the Cray wrappers."""
    TOOLCHAIN_FAMILY = TC_CONSTANT_CPE
    COMPILER_FAMILY = TC_CONSTANT_AMD
    PRGENV_MODULE_NAME_SUFFIX = 'amd'

    COMPILER_UNIQUE_OPTS = dict(CrayPECompiler.COMPILER_UNIQUE_OPTS, **{
        'verbose': (False, "Verbose output of the wrappers"),
        'lto': (False, "Enable link time optimization"),
        'loop': (False, "Automatic loop parallelisation"),
        'f2c': (False, "Generate code compatible with f2c and f77"),
        'usehip': (False, "Compile C++ as HIP"),
    })

    def __init__(self, *args, **kwargs):
        """Fill in the options; the module of the compiler is the toolchain's own."""
        super().__init__(*args, **kwargs)
        self.COMPILER_MODULE_NAME = [self.NAME]
        self.COMPILER_OPTIONS.extend(['lto', 'usehip'])
        self.COMPILER_UNIQUE_OPTION_MAP.update(self.option_map())

    def option_map(self):
        """Return the flags of the options."""
        table = {'strict': ['-ffp-model=strict'], 'precise': ['-ffp-model=precise'], 'defaultprec': [],
                 'loose': ['-ffp-model=fast'], 'veryloose': ['-ffp-model=fast']}
        table.update({'openmp': '-fopenmp', 'lto': '-flto', 'usehip': 'xhip',
                      'i8': '-fdefault-integer-8', 'r8': '-fdefault-real-8'})
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
