# SPDX-License-Identifier: GPL-2.0-only
"""
What was asked for by name in this run of `eb`, and what comes in as a dependency alone: `module avail` lists the first.

It is on the command line, or in an easystack that is. What was asked for once stays listed.
"""
import os
import re
import sys
from contextlib import suppress
from typing import Iterable, List, Optional, Set

from easybuild.base import fancylogger
from easybuild.tools.build_log import print_msg, print_warning
from easybuild.tools.config import build_option, install_path

from ...files import read_text
from ...prefix.hidden import DEPENDENCY, is_hidden
from ...site import Site

_log = fancylogger.getLogger('lumi_hooks', fname=False)
# where EasyBuild (framework/easyconfig/tweak.py) puts what --try-* makes of the recipes that were asked for
_TWEAKED = 'tweaked_easyconfigs'
# options that are followed by a folder which is not asked for
_WITH_FOLDER = re.compile(r'-r|--robot|--prefix|--tmpdir|--.*(path|paths|dir|modules|software)')
# bytes of an easystack
_LARGEST = 1 << 22


class Requested:
    """
    What was asked for.

    :param store: folder of adapted recipes: the job of `eb --job` is given one of these, for a dependency too
    """

    def __init__(self, site: Site, store: str, arguments: Optional[Iterable[str]] = None):
        self.site, self._store = site, store
        words = list(sys.argv[1:] if arguments is None else arguments)
        self._words = set(_words(words)) - {''}
        self._folders = _folders(words)
        # --from-pr and the like: whatever is read may have been asked for
        self._everything = not self._folders and not any(word.endswith(('.eb', '.yaml', '.yml')) for word in words)
        self._modules: Set[str] = set()

    def given(self, path: Optional[str]) -> bool:
        """Was a recipe given by its path or name, by its folder, or made of one that was (--try-*)?"""
        if self._everything or os.path.basename(path or '') in self._words:
            return True
        # to follow all links of a path takes a look at each folder of it: hundreds of recipes are read, few are links
        real = os.path.realpath(path or '') if self._folders or os.path.islink(path or '') else path or ''
        return os.path.basename(real) in self._words or _TWEAKED in real.split(os.sep) \
            or any(real.startswith(folder + os.sep) for folder in self._folders)

    def note(self, module: str, path: Optional[str]) -> None:
        """A module is asked for by the recipe of that path; where it was hidden, it is listed from now on."""
        hidden = self._hidden(module)
        if hidden and self._in_store(path):
            return
        self._modules.add(module)
        if not hidden or build_option('dry_run', default=False) or build_option('extended_dry_run'):
            return
        from ...prefix import visibility
        try:
            visibility.show(self.site.prefix, self.tree, module, DEPENDENCY)
        except OSError as err:
            print_warning('lumi-hooks: module avail goes on hiding %s: %s', module, err)
            return
        print_msg(f'lumi-hooks: module avail lists {module} from now on', log=_log, silent=build_option('silent'))

    def __contains__(self, module: str) -> bool:
        return module in self._modules

    @property
    def tree(self) -> str:
        """The folder of modules that software is installed into."""
        return os.path.join(os.path.abspath(install_path('mod')), build_option('suffix_modules_path') or '')

    def _hidden(self, module: str) -> bool:
        with suppress(OSError):
            return is_hidden(self.site.prefix, self.tree, module, DEPENDENCY)
        return False

    def _in_store(self, path: Optional[str]) -> bool:
        return bool(path) and os.path.realpath(path or '').startswith(os.path.realpath(self._store) + os.sep)


def _folders(words: List[str]) -> List[str]:
    """Folders among the arguments of eb, all of whose recipes are asked for."""
    return [os.path.realpath(word) for before, word in zip(['', *words], words)
            if not word.startswith('-') and os.path.isdir(word) and not _WITH_FOLDER.fullmatch(before)]


def _words(arguments: Iterable[str]) -> Iterable[str]:
    """File names of the recipes that arguments of eb name, directly or in an easystack."""
    for word in arguments:
        if word.startswith('-'):
            word = word.partition('=')[2]
        yield os.path.basename(word)
        if word.endswith(('.yaml', '.yml')):
            with suppress(OSError):
                # an easystack lists names of recipes, mostly as keys and without .eb
                for name in re.findall(r'[^\s\'",:\[\]{}]+', read_text(word, 'replace', _LARGEST)):
                    yield from (os.path.basename(name), f'{os.path.basename(name)}.eb')
