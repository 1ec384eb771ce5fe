# SPDX-License-Identifier: GPL-2.0-only
"""
The software that an external module stands for, where easyblocks look for it: in the name of the dependency.

EasyBuild knows it (metadata), and leaves the dependency without a name. EB_LAMMPS stops at that ("'NoneType' object
has no attribute 'lower'"), and EB_PETSc, EB_SLEPc or EB_Trilinos, which switch on what is among the dependencies,
build without HDF5 and say nothing. So the dependency gets the first name that the module provides. Where EasyBuild
itself looks at dependencies it asks first whether they are external modules. It can go once EasyBuild fills in the
name (seen in 5.1.2 to 5.4.1).

Of a module without metadata EasyBuild asks Lmod, up to eight times, each of them a tenth of a second: of the parts of a
toolchain that stand for no software (PrgEnv-gnu, craype …) there is nothing to find out.
"""
from typing import Collection

from easybuild.framework.easyconfig.easyconfig import EasyConfig


def name_external_modules(nameless: Collection[str]) -> None:
    """
    Have dependencies that are external modules named in every recipe that is parsed from now on. Idempotent.

    :param nameless: names of modules that stand for no software, about which Lmod need not be asked
    """
    original = EasyConfig.handle_external_module_metadata
    if getattr(original, 'lumi_hooks', False):
        return

    def handle_external_module_metadata(self, mod_name):
        if mod_name.partition('/')[0] in nameless:
            return {'external_module_metadata': {}}
        found = original(self, mod_name)
        metadata = found.get('external_module_metadata') or {}
        names, versions = metadata.get('name') or [], metadata.get('version') or []
        if names and versions:
            found.update(name=names[0], version=versions[0])
        return found

    setattr(handle_external_module_metadata, 'lumi_hooks', True)  # noqa: B010 (see modules.py)
    handle_external_module_metadata.__doc__ = original.__doc__
    EasyConfig.handle_external_module_metadata = handle_external_module_metadata
