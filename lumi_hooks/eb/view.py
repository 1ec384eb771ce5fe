# SPDX-License-Identifier: GPL-2.0-only
"""
What one `eb` finds by name: the modules that stand for an installation, and derived recipes, by links to the store in a
folder of its own, first on the robot path.

The folder is made from what is true now and goes when `eb` ends, so that no later run finds what was true once. It lies
in EasyBuild's own folder for temporary files; what outlives the run (jobs, archives) is given paths in the store.
"""
import atexit
import os
import shutil
import tempfile
from typing import List, Optional, Sequence

from ..change import Adaptation
from ..index import letter_of
from . import patches

_PREFIX = 'lumi-hooks-recipes-'


class View:
    """
    The folder of this process.

    :ivar root: its path
    """

    def __init__(self) -> None:
        self.root = tempfile.mkdtemp(prefix=_PREFIX)
        atexit.register(self._remove, os.getpid())

    def link(self, adaptation: Adaptation, path: str) -> None:
        """
        Have an adapted recipe found by its name. The first of a name stays: EasyBuild keeps what it read by its path.

        :param path: of the recipe, in the store
        """
        name = adaptation.name
        folder = os.path.join(self.root, letter_of(name), name)
        os.makedirs(folder, exist_ok=True)
        place = os.path.join(folder, adaptation.filename)
        if not os.path.lexists(place):
            os.symlink(path, place)

    def holds(self, path: Optional[str]) -> bool:
        """Does a path lie in it?"""
        return bool(path) and str(path).startswith(self.root + os.sep)

    def without_others(self, paths: Sequence[str]) -> List[str]:
        """A search path without the folders of other runs: a job inherits that of the `eb` that submitted it."""
        return [path for path in paths if path == self.root or not os.path.basename(path).startswith(_PREFIX)]

    def _remove(self, process: int) -> None:
        if os.getpid() == process:  # not at the end of a child
            shutil.rmtree(self.root, ignore_errors=True)


@patches.replaces('easybuild.tools.modules:ModulesTool.exist')
def exist(original, self, mod_names, *args, **kwargs):
    """
    Take modules whose installation is gone or due for removal for what they are: not installed, so that EasyBuild
    installs them again. It asks Lmod, which sees the module file.
    """
    index = patches.session().site.index
    return [there and index.stands(name)
            for name, there in zip(mod_names, original(self, mod_names, *args, **kwargs))]


@patches.replaces('easybuild.tools.modules:Lmod.available')
def available(original, self, *args, **kwargs):
    """As `exist`, for a list of modules."""
    index = patches.session().site.index
    return [name for name in original(self, *args, **kwargs) if index.stands(name)]
