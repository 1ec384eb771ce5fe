# SPDX-License-Identifier: GPL-2.0-only
"""
Who runs a hook: the hooks file (--hooks) or the plugin (--use-entrypoints), never both.

EasyBuild 5.4 runs hooks of both kinds at some steps and skips the plugin's silently at others (`run_hook`: where a
hooks file has the same pre/post step). The hooks file claims the process when it is loaded; the plugin then keeps
still.
"""
import functools
from typing import Any, Callable, Dict, List, Optional, Tuple

from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.hooks import load_source

from .. import sites, trust
from ..errors import LumiHooksError
from . import messages, plugin_folders

_owner: Optional[str] = None
# what each hook returned when it was run last, by its name
_results: Dict[str, Any] = {}


def _is_given(result: Any) -> bool:
    return result is not None


# The hooks whose results EasyBuild uses: which of their arguments the result replaces (by its position), and whether
# EasyBuild takes a result. The test is the same in 5.1.2, 5.2.0 and 5.4.1:
# make_module_step in framework/easyblock.py, run_shell_cmd in tools/run.py (run_cmd in _deprecated.py likewise).
# It ignores the results of all others.
_HANDED_ON: Dict[str, Tuple[Optional[int], Callable[[Any], bool]]] = {
    'module_write_hook': (2, _is_given),
    'pre_run_shell_cmd_hook': (0, bool),
}


def claim(owner: str) -> None:
    """From now on hooks are run by `owner`: 'file' or 'plugin'."""
    global _owner
    _owner = owner


def owner() -> Optional[str]:
    """Who runs hooks in this process."""
    return _owner


def for_plugin(hook: Callable) -> Callable:
    """
    A hook as the plugin has it: does nothing where the hooks file was loaded. EasyBuild takes the result of the last
    hook that it ran, so it gets that of the file's once more.
    """
    @functools.wraps(hook)
    def run(*args, **kwargs):
        if _owner == 'file':
            return _results.pop(hook.__name__, None)
        return hook(*args, **kwargs)
    return run


def clear_errors(hook: Callable) -> Callable:
    """Turn the library's own errors into EasyBuild's, which are shown without a traceback."""
    @functools.wraps(hook)
    def run(*args, **kwargs):
        try:
            result = _results[hook.__name__] = hook(*args, **kwargs)
        except LumiHooksError as err:
            raise messages.error(err) from err
        return result
    return run


class Chain:
    """The hooks of files that run behind ours: the site's, and a user's own."""

    def __init__(self, ours: str):
        self.hooks: Dict[str, List[Tuple[str, Callable]]] = {}
        self.paths = plugin_folders.chained_hooks(ours)
        for number, path in enumerate(self.paths):
            try:
                trust.check(path, 'the hooks file')
                module = load_source(f'lumi_hooks_chained_{number}', path)
            except LumiHooksError as err:
                raise messages.error(err) from err
            except Exception as err:  # a foreign file: whatever goes wrong in it is named with it
                raise EasyBuildError('the hooks file %s, which runs after lumi-hooks, cannot be loaded: %s',
                                     path, err) from err
            for name, value in vars(module).items():
                if name.endswith('_hook') and callable(value):
                    self.hooks.setdefault(name, []).append((path, value))

    def run(self, name: str, *args, **kwargs):
        """
        Run the chained hooks of that name, if there are any.

        :return: what the last one returned that said something. Where EasyBuild uses the result, each hook is given
            what the one before it made of it
        :raises EasyBuildError: one fails; a KeyError (an unset variable) is explained
        """
        result, (position, takes) = None, _HANDED_ON.get(name, (None, _is_given))
        for path, hook in self.hooks.get(name, ()):
            try:
                found = hook(*args, **kwargs)
            except KeyError as err:
                raise EasyBuildError('the hooks file %s needs the variable %s, which is not set: load %s, or '
                                     'switch that file off with LUMI_HOOKS_CHAIN=', path, err, sites.setup()) from err
            if takes(found):
                result = found
                if position is not None:
                    args = (*args[:position], found, *args[position + 1:])
        return result
