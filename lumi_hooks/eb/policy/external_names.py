# SPDX-License-Identifier: GPL-2.0-only
"""
The software that an external module stands for, where easyblocks look for it: in the name of the dependency.

EasyBuild knows it (metadata), and leaves the dependency without a name. EB_LAMMPS stops at that ("'NoneType' object
has no attribute 'lower'"), and EB_PETSc, EB_SLEPc or EB_Trilinos, which switch on what is among the dependencies,
build without HDF5 and say nothing. So the dependency gets the first name that the module provides. Where EasyBuild
itself looks at dependencies it asks first whether they are external modules.

Of a module without metadata EasyBuild asks Lmod, up to eight times, each of them a tenth of a second: of the parts of a
toolchain that stand for no software (PrgEnv-gnu, craype …) there is nothing to find out.
"""
from typing import Any

from ...releases import load_machine
from .. import patches


@patches.replaces('easybuild.framework.easyconfig.easyconfig:EasyConfig.handle_external_module_metadata')
def handle_external_module_metadata(original, self, mod_name):
    """With the name; of what stands for no software Lmod is not asked."""
    site = patches.session().site
    name = mod_name.partition('/')[0]
    if name not in site.cray and (name in site.release.modules or name in load_machine()['unversioned_modules']):
        return {'external_module_metadata': {}}
    found = original(self, mod_name)
    metadata = found.get('external_module_metadata') or {}
    names, versions = metadata.get('name') or [], metadata.get('version') or []
    if names and versions:
        found.update(name=names[0], version=versions[0])
    return found


def leave_out_roots(toolchain: Any) -> None:
    """
    Without our toolchain classes: leave out the names of a toolchain's external modules, which have no $EBROOT.

    EasyBuild 5.2.0 asks for it and stops (easybuild-framework issue 5106, found on LUMI); later ones go on without it.
    """
    if patches.on('toolchains'):
        return
    for dep in toolchain.tcdeps or ():
        if dep.get('external_module'):
            dep['external_module_metadata'] = {key: value for key, value in dep['external_module_metadata'].items()
                                               if key != 'name'}
