# SPDX-License-Identifier: GPL-2.0-only
"""LUMI's easyblock for cpe* toolchain modules, as far as the stand-in needs it.

The parameters are LUMI's. It is here because on LUMI a class of this name comes in through
EASYBUILD_INCLUDE_EASYBLOCKS: what the project brings must take its place without a clash.
"""
from easybuild.easyblocks.generic.bundle import Bundle
from easybuild.framework.easyconfig import CUSTOM


class CrayPEToolchain(Bundle):
    """A module that loads the parts of a Cray PE toolchain."""

    @staticmethod
    def extra_options(extra_vars=None):
        """Parameters of LUMI's recipes for toolchains."""
        extra = Bundle.extra_options(extra_vars)
        extra.update({
            'PrgEnv': [None, 'PrgEnv module without PrgEnv-, from the name of the toolchain if None', CUSTOM],
            'PrgEnv_load': [True, 'Load the PrgEnv module', CUSTOM],
            'PrgEnv_family': [None, 'Lmod family to declare: PrgEnv or cpeToolchain', CUSTOM],
            'CPE_compiler': [None, 'Compiler module, from the PrgEnv if None', CUSTOM],
            'CPE_version': [None, 'Version of the cpe module, the toolchain version if None', CUSTOM],
            'CPE_load': ['first', 'When to load the cpe module: first, after, last or None', CUSTOM],
            'cray_targets': [[], 'Target modules to load', CUSTOM],
        })
        return extra

    def prepare_step(self, *args, **kwargs):
        """Prepare without loading what the module will load."""
        kwargs['load_tc_deps_modules'] = False
        super().prepare_step(*args, **kwargs)

    def make_module_dep(self, *args, **kwargs):
        """Loads only: cpe, PrgEnv, cpe, targets, the rest, cpe, as the parameters say."""
        generator = self.module_generator
        names = [dep['full_mod_name'] for dep in self.toolchain.dependencies]
        prgenv = 'PrgEnv-' + (self.cfg['PrgEnv'] or self.name[3:].lower())
        first = [name for name in names if name.split('/')[0] == prgenv]
        rest = [name for name in names if name not in first]
        cpe = ['cpe/%s' % (self.cfg['CPE_version'] or self.version)]
        when = self.cfg['CPE_load']
        order = (cpe if when == 'first' else []) + (first if self.cfg['PrgEnv_load'] else [])
        order += (cpe if when == 'after' else []) + list(self.cfg['cray_targets']) + rest
        order += cpe if when == 'last' else []
        lines = ['family("%s")' % self.cfg['PrgEnv_family']] if self.cfg['PrgEnv_family'] else []
        lines += [generator.load_module(name, recursive_unload=False).strip('\n') for name in order]
        return '\n' + '\n'.join(lines) + '\n'
