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
from typing import Any, Dict, Iterable, List, Tuple

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


# what was left out of the dependencies of an extension's package, until the extension is done
_left_out: List[Tuple[Dict, Dict]] = []


def leave_out_roots(dependencies: Iterable[Dict[str, Any]]) -> List[Tuple[Dict, Dict]]:
    """
    Without our toolchain classes: leave out the names of external modules, which have no $EBROOT then.

    EasyBuild 5.2.0 asks for it and stops (easybuild-framework issue 5106, found on LUMI); later ones go on without it.

    :return: each dependency with its metadata as they were
    """
    found = [(dep, dep['external_module_metadata']) for dep in dependencies if dep.get('external_module')]
    if patches.on('toolchains'):
        return []
    for dep, metadata in found:
        dep['external_module_metadata'] = {key: value for key, value in metadata.items() if key != 'name'}
    return found


def enter_extension(extension) -> None:
    """The same for an extension, whose environment is made again from the dependencies of its package."""
    cfg = extension.master.cfg
    leave_out_roots(extension.toolchain.tcdeps or ())
    known = [*cfg.get_ref('dependencies'), *cfg.get_ref('builddependencies')]
    _left_out.extend(leave_out_roots(dep for dep in known if isinstance(dep, dict)))


def leave_extension() -> None:
    """Templates such as %(pyver)s are made of the names."""
    while _left_out:
        dep, dep['external_module_metadata'] = _left_out.pop()
