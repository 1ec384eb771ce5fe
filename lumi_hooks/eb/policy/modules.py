# SPDX-License-Identifier: GPL-2.0-only
"""
What a build sees of the Cray modules, in every phase.

EasyBuild defines $EBROOT* and $EBVERSION* of external modules when it prepares the toolchain, and nowhere else: at
an extension's `pip install`, in the sanity check and with --sanity-check-only they are gone, and modules that were
unloaded are back. So this acts after *every* load of modules, in one place.
"""
import os
from typing import Dict, Mapping, Optional, Sequence, Tuple

from easybuild.tools.environment import setvar, unset_env_vars
from easybuild.tools.modules import ModulesTool, get_software_root_env_var_name, get_software_version_env_var_name

from ...recipe import parse_recipe
from ...releases import CrayModule
from ...site import Site
from .. import patches


class Scope:
    """The modules of the package that is being installed: what is kept out, and what the Cray modules provide."""

    def __init__(self):
        self.kept_out: Tuple[str, ...] = ()
        self.provided: Mapping[str, CrayModule] = {}
        self.active = False
        # the environment as the last load of modules left it
        self.environment: Mapping[str, str] = {}
        self._defined: Dict[str, str] = {}
        self._busy = False

    def enter(self, kept_out: Sequence[str], provided: Mapping[str, CrayModule]) -> None:
        """A package for a cpe* toolchain is installed from now on."""
        self.kept_out, self.provided, self.active = tuple(kept_out), provided, True

    def leave(self) -> None:
        """It is done, whatever its outcome was."""
        self.kept_out, self.active = (), False
        self._forget(())

    def after_load(self, modtool: ModulesTool) -> None:
        """Unload what is kept out; define $EBROOT*/$EBVERSION* of the Cray modules that are loaded now."""
        if not self.active or self._busy:
            return
        self._busy = True
        try:
            loaded = loaded_modules()
            unwanted = [name for name in self.kept_out if name in loaded]
            if unwanted:
                modtool.run_module('unload', *unwanted)
                loaded = loaded_modules()
            self._define(loaded)
            self.environment = dict(os.environ)
        finally:
            self._busy = False

    def _define(self, loaded: Mapping[str, str]) -> None:
        names = []
        for name, version in loaded.items():
            module = self.provided.get(name)
            prefix = os.environ.get(module.prefix) if module else None
            if module is None or not prefix:
                continue
            # the version that is really loaded: it is the pinned one but where a user chose another
            version = '.'.join((version or module.version).split('.')[:3])
            for provided in module.provides:
                for variable, value in ((get_software_root_env_var_name(provided), prefix),
                                        (get_software_version_env_var_name(provided), version)):
                    names.append(variable)
                    if os.environ.get(variable) != value:
                        setvar(variable, value)
                    self._defined[variable] = value
        self._forget(names)

    def _forget(self, keep: Sequence[str]) -> None:
        """Take back what was defined for modules that are not loaded any more."""
        gone = [variable for variable in self._defined if variable not in keep]
        unset_env_vars([variable for variable in gone if os.environ.get(variable) == self._defined[variable]],
                       verbose=False)
        for variable in gone:
            del self._defined[variable]


SCOPE = Scope()


def enter(ec, site: Site) -> None:
    """A package is installed from now on: what its build must not see is kept out."""
    if is_cpe(ec):
        SCOPE.enter(parse_recipe(ec.rawtxt, ec.path).record.get('without', ()), site.cray)
    else:
        SCOPE.leave()


def loaded_modules(env: Optional[Mapping[str, str]] = None) -> Dict[str, str]:
    """Loaded modules by name, with their versions, as Lmod lists them in $LOADEDMODULES."""
    found = {}
    for full in (env if env is not None else os.environ).get('LOADEDMODULES', '').split(':'):
        name, _, version = full.rpartition('/')
        if full:
            found[name or version] = version if name else ''
    return found


@patches.replaces('easybuild.tools.modules:ModulesTool.load')
def load(original, self, *args, **kwargs):
    """Have SCOPE act after every load of modules."""
    result = original(self, *args, **kwargs)
    SCOPE.after_load(self)
    return result


def is_cpe(ec) -> bool:
    """Is a recipe, as it is now, for a cpe* toolchain?"""
    return str(ec._config['toolchain'][0].get('name', '')).startswith('cpe')
