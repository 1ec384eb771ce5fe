# SPDX-License-Identifier: GPL-2.0-only
"""
The files of this library itself, in a clone or as installed, and a finder for its modules.

Python's own finder asks the file system four times for each module, and on Lustre each is a round trip. This one asks
once, and hands what it saw to the loader and to the gate.
"""
import os
import stat
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_file_location
from typing import Any, Callable, Iterator

from . import data
from .data import ROOT

# next to lumi_hooks/ in a clone: code that EasyBuild, Lmod and git run
_BESIDE = ('toolchains', 'easyblocks', 'easyconfigs', 'bin', 'modulefiles')
_GIT = (os.path.join('.git', 'config'), os.path.join('.git', 'HEAD'))


def files(everything: bool = False) -> Iterator[str]:
    """
    Paths of the library's own files; compiled ones are left out.

    :param everything: what is next to it in its clone as well: classes, recipes, programs, git's configuration
    """
    yield from _below(ROOT)
    clone = os.path.dirname(ROOT)
    if everything and os.path.isfile(os.path.join(clone, 'setup.cfg')):
        for name in _BESIDE:
            yield from _below(os.path.join(clone, name))
        yield from filter(os.path.isfile, (os.path.join(clone, name) for name in _GIT))


class _Loader(SourceFileLoader):
    """Compares a compiled module with what the finder saw of its source."""
    status: os.stat_result

    def path_stats(self, path):
        """What Python notes of a source file in its compiled form."""
        return {'mtime': self.status.st_mtime, 'size': self.status.st_size}


class Finder:
    """For sys.meta_path: finds modules inside our packages, and shows each to the gate before it is run."""
    packages = ('lumi_hooks', 'lumi_hooks_toolchains', 'lumi_hooks_easyblocks')

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> Any:
        """As importlib asks for it; None for what is not ours."""
        first, _, last = name.rpartition('.')
        if path is None or first.partition('.')[0] not in cls.packages:
            return None
        for folder in path:
            below = os.path.join(folder, last)
            for place, inside in ((f'{below}.py', None), (os.path.join(below, '__init__.py'), [below])):
                try:
                    status = os.lstat(place)
                    data.note(place, status)
                    loader = _Loader(name, place)
                    loader.status = os.stat(place) if stat.S_ISLNK(status.st_mode) else status
                except OSError:
                    continue
                return spec_from_file_location(name, place, loader=loader, submodule_search_locations=inside)
        return None


def watch(look: Callable[..., None]) -> None:
    """
    Show every file of the library that this process has read, and from now on each before it is read.

    :param look: given a path, and what lstat said of it, or None; raises what stops the file from being read
    """
    loaded = [str(module.__file__) for name, module in list(sys.modules.items())
              if name.partition('.')[0] in Finder.packages and getattr(module, '__file__', None)]
    # EasyBuild loads the hooks file under another name
    for path in dict.fromkeys([os.path.join(ROOT, 'hooks.py'), *loaded, *data.noted]):
        look(path, data.noted.get(path))
    data.look = look


def _below(folder: str) -> Iterator[str]:
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != '__pycache__']
        yield from (os.path.join(path, name) for name in names)
