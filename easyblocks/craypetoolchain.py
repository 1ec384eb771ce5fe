# SPDX-License-Identifier: GPL-2.0-only
"""EasyBuild support for installing the cpe* toolchain modules: module files only, nothing is built.

Name and parameters are those of LUMI's easyblock. What differs: nothing depends on the environment while a
recipe is parsed. One recipe serves all partitions; it holds the target modules of each as data, and the
partition is chosen when the module is installed: by a variable of the site's modules, which the recipe names.
The module itself has literal load lines only: EasyBuild reads a toolchain module as text, and Lmod caches
what a module file says.
"""

import os

from easybuild.easyblocks.generic.bundle import Bundle
from easybuild.framework.easyconfig import CUSTOM
from easybuild.tools.build_log import EasyBuildError

try:
    from easybuild.tools.entrypoints import EntrypointEasyblock
except ImportError:  # EasyBuild < 5.3
    EntrypointEasyblock = None

FAMILIES = ('PrgEnv', 'cpeToolchain')
CPE_LOAD = ('first', 'after', 'last', None)

# versionless names of modules with a main compiler
COMPILERS = ('gcc-native', 'gcc', 'cce', 'aocc', 'amd')


def register(cls):
    """Class decorator: register an easyblock as an entry point where EasyBuild has them.

    EasyBuild refuses two of one name. The file may be imported under two package names; the last one counts.
    """
    if EntrypointEasyblock is None:
        return cls
    known = EntrypointEasyblock.registered.setdefault(EntrypointEasyblock.group, set())
    for entry in [e for e in known if e.name == cls.__name__]:
        known.discard(entry)
    return EntrypointEasyblock()(cls)


@register
class CrayPEToolchain(Bundle):
    """Compiler toolchain of the Cray PE: generate the module file."""

    @staticmethod
    def extra_options(extra_vars=None):
        """Easyconfig parameters of this easyblock."""
        extra_vars = Bundle.extra_options(extra_vars)
        extra_vars.update(
            {
                'PrgEnv': [
                    None,
                    "Programming environment, e.g. 'gnu' for PrgEnv-gnu (None: from the name, cpeGNU -> gnu)",
                    CUSTOM,
                ],
                'PrgEnv_load': [True, "Load the PrgEnv module; if False, only set $PE_ENV", CUSTOM],
                'PrgEnv_family': [None, "Lmod family to declare: 'PrgEnv', 'cpeToolchain' or None", CUSTOM],
                'CPE_compiler': [
                    None,
                    "Versionless name of the compiler module (None: look among the dependencies)",
                    CUSTOM,
                ],
                'CPE_version': [None, "Version of the cpe module, if not that of the toolchain", CUSTOM],
                'CPE_load': [
                    'first',
                    "When to load the cpe module: 'first', 'after' (the PrgEnv module), 'last' or None",
                    CUSTOM,
                ],
                'cray_targets': [[], "Target modules: a list, or a dictionary of partition -> list", CUSTOM],
                'partition_modules': [
                    {},
                    "Further modules: a dictionary of partition -> list; loaded before MPI",
                    CUSTOM,
                ],
                'partition_variable': [
                    'LUMI_HOOKS_PARTITION',
                    "Environment variable that names the partition, if $LUMI_HOOKS_PARTITION does not",
                    CUSTOM,
                ],
                'partition_default': [None, "The partition where no variable names one", CUSTOM],
            }
        )
        return extra_vars

    def __init__(self, *args, **kwargs):
        """Check the parameters."""
        super().__init__(*args, **kwargs)
        if self.cfg['CPE_load'] not in CPE_LOAD:
            raise EasyBuildError(
                "CPE_load is '%s', but must be one of: %s",
                self.cfg['CPE_load'],
                ', '.join(str(c) for c in CPE_LOAD),
            )
        family = self.cfg['PrgEnv_family']
        if family is not None and family not in FAMILIES:
            raise EasyBuildError(
                "PrgEnv_family is '%s', but must be None or one of: %s", family, ', '.join(FAMILIES)
            )
        if family == 'PrgEnv' and self.cfg['PrgEnv_load']:
            raise EasyBuildError(
                "A toolchain of Lmod family PrgEnv can't load a PrgEnv module, which is of the same "
                "family: set PrgEnv_load = False or PrgEnv_family = 'cpeToolchain'"
            )

    def check_readiness_step(self):
        """Fail early where the partition is missing or not served."""
        super().check_readiness_step()
        self.target_modules()

    def prepare_step(self, *args, **kwargs):
        """Prepare build environment, without loading what the module will load."""
        kwargs['load_tc_deps_modules'] = False
        super().prepare_step(*args, **kwargs)

    def prgenv(self):
        """Return the suffix of the PrgEnv module: gnu, cray, aocc, amd."""
        suffix = self.cfg['PrgEnv'] or (self.name[3:].lower() if self.name.startswith('cpe') else None)
        if not suffix:
            raise EasyBuildError("Set PrgEnv in the recipe: it can't be told from the name %s", self.name)
        return suffix

    def partition(self):
        """Return the partition that the module is installed for.

        :raises EasyBuildError: it is not known
        """
        variable = self.cfg['partition_variable']
        partition = os.environ.get('LUMI_HOOKS_PARTITION') or os.environ.get(variable) or self.cfg['partition_default']
        if not partition:
            raise EasyBuildError(
                "%s %s differs by partition and $%s is not set: load a module that sets it, or set it",
                self.name,
                self.version,
                variable,
            )
        return partition

    def target_modules(self):
        """Return the target modules to load, as a list."""
        targets = self.cfg['cray_targets'] or []
        if not isinstance(targets, dict):
            return list(targets)
        partition = self.partition()
        if partition not in targets:
            raise EasyBuildError(
                "%s %s is not offered on partition %s (only on: %s)",
                self.name,
                self.version,
                partition,
                ', '.join(sorted(targets)),
            )
        return list(targets[partition])

    def load_order(self):
        """Return the names of the modules to load, in order."""
        modules = [dep['full_mod_name'] for dep in self.toolchain.dependencies]
        cpe = ['cpe/%s' % (self.cfg['CPE_version'] or self.version)] if self.cfg['CPE_load'] else []
        when = self.cfg['CPE_load']

        compilers = (self.cfg['CPE_compiler'],) if self.cfg['CPE_compiler'] else COMPILERS
        prgenv = self._take(modules, 'PrgEnv-' + self.prgenv())
        compiler = next((found for found in (self._take(modules, name) for name in compilers) if found), [])
        craype = self._take(modules, 'craype')
        if self.cfg['PrgEnv_load'] and not prgenv:
            raise EasyBuildError(
                "PrgEnv-%s is not among the dependencies of %s %s: add it with its version",
                self.prgenv(),
                self.name,
                self.version,
            )
        if not compiler:
            raise EasyBuildError(
                "No compiler module (%s) is among the dependencies of %s %s: add it, or name it with "
                "CPE_compiler",
                ', '.join(compilers),
                self.name,
                self.version,
            )

        more = self.cfg['partition_modules'] or {}
        more = list(more.get(self.partition(), [])) if more else []

        # targets come first: without network and processor the PrgEnv module does not see MPI and libraries
        order = cpe if when == 'first' else []
        order = order + self.target_modules()
        order += prgenv if self.cfg['PrgEnv_load'] else []
        order += cpe if when == 'after' else []
        order += compiler + craype + more + modules
        order += cpe if when == 'last' else []
        return order

    @staticmethod
    def _take(modules, name):
        """Remove the module of this name from the list; return it as a list, empty if it is not there."""
        found = [module for module in modules if module.split('/')[0] == name]
        for module in found:
            modules.remove(module)
        return found[:1]

    def make_module_dep(self, *args, **kwargs):
        """Return the part of the module file that loads other modules."""
        generator = self.module_generator
        lines = ['']
        if self.cfg['PrgEnv_family']:
            # for Lmod in both syntaxes
            lua = generator.MODULE_FILE_EXTENSION == '.lua'
            lines.append(('family("%s")' if lua else 'family %s') % self.cfg['PrgEnv_family'])
        if not self.cfg['PrgEnv_load']:
            lines.append(generator.set_environment('PE_ENV', self.prgenv().upper()).rstrip())
        for module in self.load_order():
            # not the generator's load_module: it may write depends_on, and what Cray's modules load is not
            # ours to unload; guarded, a load is not reversed when the toolchain is unloaded
            load = generator.LOAD_TEMPLATE % {'mod_name': module}
            lines.append(
                generator.conditional_statement(generator.is_loaded(module), load, negative=True).strip('\n')
            )
        return '\n'.join(lines) + '\n'

    def make_module_description(self):
        """Return the description for the module file, with the partition that it was made for."""
        text = super().make_module_description()
        if isinstance(self.cfg['cray_targets'], dict):
            text += '\n' + self.module_generator.comment('targets of partition %s' % self.partition())
        return text
