# SPDX-License-Identifier: GPL-2.0-only
"""CP2K: upstream's easyblock stops at the compiler families of cpeCray, cpeAOCC and cpeAMD.

What it does for GCC serves the others in the words of their Fortran compilers, and without the C compiler's options,
which gfortran bears. It passes over prebuildopts, which are run here.

Until EB_CP2K knows these families (seen in 5.1.2 to 5.4.1; upstream has no recipe newer than CP2K 2023.1).
"""
from easybuild.tools.run import run_shell_cmd

from lumi_hooks_easyblocks.families import KnownAs, fortran, is_cpe, is_gnu
from lumi_hooks_easyblocks.registry.upstream import upstream_class


class EB_CP2K(KnownAs, upstream_class('EB_CP2K', 'cp2k')):
    """Support for building CP2K."""

    def configure_GCC_based(self):
        """Return the make variables for GCC, or for the compiler that is taken for it."""
        options = super().configure_GCC_based()
        if is_cpe(self.toolchain) and not is_gnu(self.toolchain):
            included = ' '.join(word for word in options['CFLAGS'].split() if word.startswith(('-I', '-D')))
            for key in ('FREE', 'FCFLAGSOPT', 'FCFLAGSOPT2', 'FCFLAGSNOOPT'):
                options[key] = fortran(options[key].replace('$(CFLAGS)', included), self.toolchain)
            options['DFLAGS'] = options['DFLAGS'].replace('-D__GFORTRAN', '')
        return options

    def build_step(self):
        if self.cfg['prebuildopts']:
            run_shell_cmd(f"{self.cfg['prebuildopts']} true")
        return super().build_step()
