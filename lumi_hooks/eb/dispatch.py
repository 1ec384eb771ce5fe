# SPDX-License-Identifier: GPL-2.0-only
"""
Who runs a hook: the hooks file (--hooks) or the plugin (--use-entrypoints), never both.

EasyBuild 5.4 runs hooks of both kinds at some steps and skips the plugin's silently at others (`run_hook`: where a
hooks file has the same pre/post step). The hooks file claims the process when it is loaded; the plugin then keeps
still.
"""
from typing import Callable, Dict, List, Optional, Tuple

from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.hooks import load_source

from .. import trust
from ..errors import LumiHooksError
from . import places

_owner: Optional[str] = None


def claim(owner: str) -> None:
    """From now on hooks are run by `owner`: 'file' or 'plugin'."""
    global _owner
    _owner = owner


def owner() -> Optional[str]:
    """Who runs hooks in this process."""
    return _owner


def for_plugin(hook: Callable) -> Callable:
    """A hook as the plugin has it: does nothing where the hooks file was loaded."""
    def run(*args, **kwargs):
        if _owner == 'file':
            return None
        return hook(*args, **kwargs)
    run.__name__, run.__doc__, run.__module__ = hook.__name__, hook.__doc__, hook.__module__
    return run


def clear_errors(hook: Callable) -> Callable:
    """Turn the library's own errors into EasyBuild's, which are shown without a traceback."""
    def run(*args, **kwargs):
        try:
            return hook(*args, **kwargs)
        except LumiHooksError as err:
            raise EasyBuildError('lumi-hooks: %s', err) from err
    run.__name__, run.__doc__, run.__module__ = hook.__name__, hook.__doc__, hook.__module__
    return run


class Chain:
    """The hooks of files that run behind ours: the site's, and a user's own."""

    def __init__(self, ours: str):
        self.hooks: Dict[str, List[Tuple[str, Callable]]] = {}
        self.paths = places.chained_hooks(ours)
        for number, path in enumerate(self.paths):
            try:
                trust.check(path, 'the hooks file')
                module = load_source(f'lumi_hooks_chained_{number}', path)
            except LumiHooksError as err:
                raise EasyBuildError('lumi-hooks: %s', err) from err
            except Exception as err:  # a foreign file: whatever goes wrong in it is named with it
                raise EasyBuildError('the hooks file %s, which runs behind lumi-hooks, cannot be loaded: %s',
                                     path, err) from err
            for name, value in vars(module).items():
                if name.endswith('_hook') and callable(value):
                    self.hooks.setdefault(name, []).append((path, value))

    def run(self, name: str, *args, **kwargs):
        """
        Run the chained hooks of that name, if there are any; returns what the last one returned that said something.

        :raises EasyBuildError: one fails; a KeyError (an unset variable) is explained
        """
        result = None
        for path, hook in self.hooks.get(name, ()):
            try:
                found = hook(*args, **kwargs)
            except KeyError as err:
                raise EasyBuildError('the hooks file %s needs the variable %s, which is not set: load EasyBuild-user, '
                                     'or switch that file off with LUMI_HOOKS_CHAIN=', path, err) from err
            result = found if found is not None else result
        return result
