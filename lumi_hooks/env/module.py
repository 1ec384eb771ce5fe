# SPDX-License-Identifier: GPL-2.0-only
"""
What the one module of an environment sets: what loading its parts would set, in few lines.

Lmod itself says what a part does ("module show" evaluates it). Installations of EasyBuild are inlined: one joined
prepend_path a variable, and pushenv for what is set, so that unloading brings back what was there. What does more than
that (a toolchain, a module of the Cray PE: families, MODULEPATH) is loaded by depends_on, in its exact version. Forty
parts load in half the time of forty modules, and unloading leaves nothing behind (docs/environments.md).
"""
import os
import re
import shlex
import subprocess
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..errors import LumiHooksError

_COMMAND = re.compile(r'^(\w+)\((\[\[.*?\]\]|.*?)\)$', re.MULTILINE | re.DOTALL)
_ARGUMENTS = re.compile(r'"([^\n]*?)"(?:,"([^\n]*?)")*')
_SAID = {'help', 'whatis', 'conflict', 'extensions'}
_LOADS = {'load', 'depends_on', 'always_load'}
_PATHS = {'prepend_path', 'append_path'}
_SETS = {'setenv', 'pushenv'}
# what Lmod keeps for itself, and what a shell changes
_OWN = re.compile(r'_ModuleTable|LOADEDMODULES$|_LMFILES_$|LMOD_|__LMOD|SHLVL$|_$|PWD$|OLDPWD$|BASH_')
Command = Tuple[str, Tuple[str, ...]]


@dataclass
class Setting:
    """
    What a module sets. `loads`: modules for depends_on, in order; `paths`: (prepend_path or append_path, variable,
    separator) -> entries as they stand in the end; `values`: variable -> value; `roots`: inlined module -> its folder.
    """
    loads: List[str] = field(default_factory=list)
    paths: Dict[Tuple[str, str, str], List[str]] = field(default_factory=dict)
    values: Dict[str, str] = field(default_factory=dict)
    roots: Dict[str, str] = field(default_factory=dict)

    def path(self, kind: str, name: str, entries: str, separator: str = ':') -> None:
        """Add entries to a search path, as Lmod does: what is added last comes first, and nothing is in it twice."""
        known = self.paths.setdefault((kind, name, separator), [])
        added = entries.split(separator)
        rest = [entry for entry in known if entry not in added]
        known[:] = [*added, *rest] if kind == 'prepend_path' else [*rest, *added]


def resolved(modules: Sequence[str], env: Mapping[str, str] = os.environ) -> Setting:
    """
    What loading modules one after the other sets.

    :raises LumiHooksError: Lmod does not know one of them
    """
    setting, seen = Setting(), set()

    def visit(module: str) -> None:
        if module in seen:
            return
        seen.add(module)
        commands = commands_of(module, env)
        root = _root(module, commands)
        if root is None:
            setting.loads.append(module)
            return
        setting.roots[module] = root
        for name, arguments in commands or ():
            if name in _LOADS:
                for other in arguments:
                    visit(other)
            elif name in _PATHS:
                setting.path(name, *arguments)
            elif name in _SETS:
                setting.values[arguments[0]] = arguments[1]

    for module in modules:
        visit(module)
    return setting


def commands_of(module: str, env: Mapping[str, str] = os.environ) -> Optional[List[Command]]:
    """
    What a module does when nothing else is loaded, as Lmod evaluates it; None where that is more than texts tell.

    :raises LumiHooksError: Lmod does not know it
    """
    clean = {name: value for name, value in env.items() if not re.match(r'_ModuleTable|LOADEDMODULES|_LMFILES_', name)}
    done = subprocess.run([_lmod(env), 'bash', '--terse', 'show', module], env=clean, text=True, capture_output=True,
                          check=False, errors='surrogateescape')
    start = re.search(r'^-{9,}\n\s+(/[^\n]*):\n-{9,}\n', done.stderr, re.MULTILINE)
    if not start:
        raise LumiHooksError(f'the module {module} cannot be found: is it installed for the release and partition that '
                             'are loaded?')
    # a separator of its own is shown as prepend_path{"NAME","entries",delim=";"}
    text = re.sub(r'^(\w+)\{(".*"),delim=(".*")\}$', r'\1(\2,\3)', done.stderr[start.end():], flags=re.MULTILINE)
    found = []
    rest = _COMMAND.sub('', text)
    for match in _COMMAND.finditer(text):
        name, inner = match[1], match[2]
        if name in _SAID:
            continue
        if not _ARGUMENTS.fullmatch(inner):
            return None
        found.append((name, tuple(inner[1:-1].split('","'))))
    return None if re.search(r'^\w+[({]', rest, re.MULTILINE) else found


def _root(module: str, commands: Optional[List[Command]]) -> Optional[str]:
    """The folder of an installation whose module can be inlined; None where it has to be loaded."""
    root = None
    for name, arguments in commands if commands is not None else (('unknown', ()),):
        if name in _SETS and len(arguments) == 2:
            root = arguments[1] if arguments[0].startswith('EBROOT') and root is None else root
        elif name in _PATHS and len(arguments) in (2, 3) and arguments[0] != 'MODULEPATH' and arguments[1]:
            pass
        elif name not in _LOADS:
            return None
    return root


def text(setting: Setting, release: Tuple[str, str], variables: Mapping[str, str]) -> str:
    """
    The lines of a module file in Lua. It warns by messages: after a LmodWarning "module load" fails, as jobs see it.

    :param release: the variable that says which release is loaded, and the release that the environment is for
    :param variables: what the user wants set
    """
    lines = ['if mode() == "load" then']
    if release[0]:
        said = lua(f' is for release {release[1]}, and another one is loaded')
        lines += [f'    if (os.getenv({lua(release[0])}) or {lua(release[1])}) ~= {lua(release[1])} then',
                  f'        LmodMessage("warning: " .. myModuleFullName() .. {said})', '    end']
    if setting.roots:
        parts = ', '.join(f'[{lua(module)}]={lua(root)}' for module, root in setting.roots.items())
        lines += [f'    for name, folder in pairs({{{parts}}}) do', '        if not isDir(folder) then',
                  '            LmodMessage("warning: " .. name .. ", a part of " .. myModuleFullName() .. '
                  '", was removed: lumi-eb env update " .. myModuleName())', '        end', '    end']
    lines = [*lines, 'end'] if len(lines) > 1 else []
    lines += [f'depends_on({lua(module)})' for module in setting.loads]
    for (kind, name, separator), entries in sorted(setting.paths.items()):
        more = '' if separator == ':' else f', {lua(separator)}'
        lines.append(f'{kind}({lua(name)}, {lua(separator.join(entries))}{more})')
    lines += [f'pushenv({lua(name)}, {lua(value)})' for name, value in {**setting.values, **variables}.items()]
    return '\n'.join(lines) + '\n'


def lua(word: str) -> str:
    """A string of Lua, in quotes (Lua 5.3 manual, 3.1)."""
    escaped = word.replace('\\', '\\\\').replace('"', '\\"')
    return '"' + re.sub(r'[\x00-\x1f\x7f]', lambda match: f'\\{ord(match[0]):03d}', escaped) + '"'


def loaded(modules: Sequence[str], env: Mapping[str, str], use: str = '', then: str = '') -> Dict[str, str]:
    """
    The environment after modules were loaded one after the other.

    :param use: a folder that modules are looked for in first
    :param then: a further command of Lmod for all of them, such as unload
    :raises LumiHooksError: one of them can't be loaded
    """
    script = f'eval "$("$0" bash use {shlex.quote(use)})"; ' if use else ''
    script += 'for word; do out=$("$0" bash load "$word") || exit 1; eval "$out" || exit 1; done; '
    if then:
        script += f'eval "$("$0" bash {then} "$@")"; '
    done = subprocess.run(['/bin/bash', '--norc', '-c', script + 'exec env -0', _lmod(env), *modules], env=dict(env),
                          text=True, capture_output=True, check=False, errors='surrogateescape')
    if done.returncode:
        raise LumiHooksError(f'{", ".join(modules)} cannot be loaded: {" ".join(done.stderr.split())[-600:]}')
    return dict(item.split('=', 1) for item in done.stdout.split('\0') if '=' in item)


def unloaded(name: str, env: Mapping[str, str]) -> Dict[str, str]:
    """
    The environment without a module that may be loaded, and without what that has loaded.

    :raises LumiHooksError: it can't be unloaded
    """
    own = [module for module in env.get('LOADEDMODULES', '').split(':') if module.split('/')[0] == name]
    return loaded([], env, then=shlex.join(['unload', *own])) if own else dict(env)


def differences(parts: Mapping[str, str], own: Mapping[str, str], setting: Setting) -> Iterator[str]:
    """
    In what the environment of the one module differs from that of its parts; variables of Lmod's own left out.

    Entries of a search path are compared apart: those of the inlined parts among each other, and the others.
    """
    lists = {name: (separator, set(entries)) for (_, name, separator), entries in setting.paths.items()}
    for name in sorted({*parts, *own}):
        before, after = parts.get(name), own.get(name)
        if before == after or is_own(name):
            continue
        if name in lists and before is not None and after is not None:
            separator, inlined = lists[name]
            if all([entry for entry in before.split(separator) if (entry in inlined) is ours]
                   == [entry for entry in after.split(separator) if (entry in inlined) is ours]
                   for ours in (True, False)):
                continue
        yield f'{name} is {after!r} by the one module, and {before!r} by its parts'


def is_own(name: str) -> bool:
    """Is a variable Lmod's own, or the shell's?"""
    return _OWN.match(name) is not None


def _lmod(env: Mapping[str, str]) -> str:
    """
    Lmod's program.

    :raises LumiHooksError: it is not set up
    """
    found = env.get('LMOD_CMD')
    if not found:
        raise LumiHooksError('an environment is a module of Lmod, and $LMOD_CMD does not say where that is')
    return found
