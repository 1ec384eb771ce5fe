# SPDX-License-Identifier: GPL-2.0-only
"""What a user names, MODULE or DIR: the folder of the installation, its package, its environment."""
import ast
import os
import re
import subprocess
from typing import Dict, Mapping, NamedTuple, Optional, Tuple

from .. import sites
from ..errors import LumiHooksError
from ..files import read_text
from ..index import Index

_ROOT = (re.compile(r'^\s*local\s+root\s*=\s*"([^"]+)"', re.M), re.compile(r'^\s*set\s+root\s+"?([^"\s]+)"?', re.M),
         re.compile(r'^\s*setenv\s*\(?\s*"?EBROOT\w+"?[\s,]+"?(/[^"\s)]+)"?', re.M))


class Target(NamedTuple):
    """An installation to look at; `environment` is what its module changes, where it was named by its module."""
    root: str
    software: str
    module: Optional[str] = None
    environment: Mapping[str, str] = {}


def find_target(name: str, env: Mapping[str, str] = os.environ, load: bool = True) -> Target:
    """
    The installation that is meant by a folder, or by a module on MODULEPATH (NAME/VERSION, or NAME if there is one).

    :param load: ask for the environment that its module makes; of a folder's module, too, where that can be loaded
    :raises LumiHooksError: neither exists, several modules fit, or the module file names no folder
    """
    index = Index([path for path in env.get('MODULEPATH', '').split(':') if path])
    if os.path.exists(name):
        root = os.path.realpath(name)
        software = software_of(root)
        module = f'{software}/{os.path.basename(root)}'
        file = index.module_file(module) if software else None
        if load and file:
            try:
                if os.path.realpath(module_root(file)) == root:
                    return Target(root, software, module, load_module(module, env))
            except LumiHooksError:
                pass  # a folder is looked at without its module
        return Target(root, software)
    if name.startswith(('/', '.')):
        raise LumiHooksError(f'{name}: there is no such folder')
    software, _, version = name.partition('/')
    there = index.modules(software)
    if not version and len(there) == 1:
        version = next(iter(there))
    file = there.get(version)
    if file is None:
        from ..finding import installed_software, similar
        near = [] if there else similar(software, installed_software(index))
        if near:
            raise LumiHooksError(f'{name} is neither a folder nor a module on MODULEPATH: did you mean '
                                 f'{" or ".join(near)}?')
        fitting = ', '.join(f'{software}/{known}' for known in sorted(there)) or 'none of that name'
        raise LumiHooksError(f'{name} is neither a folder nor one module on MODULEPATH (there: {fitting}); load the '
                             f'{sites.name()} modules that it was installed with, or give the folder of its '
                             'installation')
    root = module_root(file)
    if not os.path.isdir(root):
        raise LumiHooksError(f'{file}: its folder {root} does not exist; reinstall it')
    module = f'{software}/{version}'
    return Target(os.path.realpath(root), software, module, load_module(module, env) if load else {})


def module_root(file: str) -> str:
    """
    The folder of the installation that a module file is for.

    :raises LumiHooksError: it can't be read or names none
    """
    try:
        text = read_text(file, 'replace')
    except OSError as err:
        raise LumiHooksError(f'{file}: cannot be read ({err.strerror})') from err
    for pattern in _ROOT:
        match = pattern.search(text)
        if match:
            return match.group(1)
    raise LumiHooksError(f'{file}: the module names no folder of an installation (EBROOT…); give the folder instead')


def load_module(module: str, env: Mapping[str, str] = os.environ) -> Dict[str, str]:
    """
    What loading a module changes in the environment: Lmod loads it in a process of its own, nothing is changed here.

    :return: changed variables; empty where there is no Lmod
    :raises LumiHooksError: the module can't be loaded
    """
    command = env.get('LMOD_CMD')
    if not command or not os.path.isfile(command):
        return {}
    done = subprocess.run([command, 'python', 'load', module], capture_output=True, text=True, check=False,
                          env=dict(env))
    changed = dict(_assignments(done.stdout))
    if done.returncode or 'LOADEDMODULES' not in changed and module not in env.get('LOADEDMODULES', '').split(':'):
        raise LumiHooksError(f'the module {module} can\'t be loaded, so its LD_LIBRARY_PATH is not known: '
                             f'{" ".join(done.stderr.split()) or "Lmod says nothing"}; give the folder instead')
    return changed


def _assignments(text: str):
    """Variables that a text of `os.environ["X"] = "Y";` sets; it is read, not run."""
    for name, value in re.findall(r'^os\.environ\["(\w+)"\]\s*=\s*("(?:[^"\\]|\\.)*");?\s*$', text, re.M):
        try:
            yield name, ast.literal_eval(value)
        except (SyntaxError, ValueError):
            continue


def software_of(root: str) -> str:
    """Name of the package that EasyBuild installed into a folder (…/NAME/VERSION); empty where it is no such folder."""
    if os.path.isdir(os.path.join(root, 'easybuild')):
        return os.path.basename(os.path.dirname(root))
    return ''


def environment_path(target: Target, env: Mapping[str, str] = os.environ) -> Tuple[str, ...]:
    """LD_LIBRARY_PATH of a process that uses the installation, without empty entries."""
    value = target.environment.get('LD_LIBRARY_PATH', env.get('LD_LIBRARY_PATH', ''))
    return tuple(folder for folder in value.split(':') if folder)
