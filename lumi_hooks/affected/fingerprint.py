# SPDX-License-Identifier: GPL-2.0-only
"""
Fingerprints of code that acts while software is built: what can't be seen by adapting a recipe.

A module's fingerprint is a digest of its code as Python compiles it, without docstrings and lines: comments, docstrings
and layout change nothing. What a recipe's build uses, and how fine that is:

* easyblocks: the module of its easyblock, of those of its extensions and components, and every module of upstream's
  easyblocks and of ours that these import, directly or not;
* toolchain: each class of ours that the toolchain's class inherits from, with what else its module holds beside
  classes, and every module of ours that it uses by a name that is no class;
* hooks: the files of this library that act on an installation (ACTING, with the data in these folders) and the
  registries of our classes. It is the same for all recipes. What only tells something (doctor, the meaning of errors)
  is not among them: everything would be affected by another word of advice;
* EasyBuild: all modules of its framework. It is the same for all recipes.

It is about a version that may be an older one, and imports nothing of that.
"""
import ast
import contextlib
import hashlib
import json
import os
from typing import Any, Callable, Dict, FrozenSet, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from ..files import LARGEST_TEXT, read_json, write_atomic

# what acts while software is installed, below lumi_hooks/; a test holds it to what lumi_hooks/eb imports
ACTING = ('hooks.py', 'eb', 'verify', 'caller.json', 'caller.py', 'cutoff.py', 'namespace.py', 'offline_thread.py',
          'runpaths.py', 'seccomp.py', 'tree.py')


class Code:
    """
    The code of one version of everything.

    :param library: folder that holds lumi_hooks/
    :param plugins: folders of our easyblocks and toolchains
    :param easybuild: folder of EasyBuild's framework (easybuild/), and those of upstream's easyblocks
    :param kept: a file: digest of a file's contents -> what is known of it: fingerprint and imports
    """

    def __init__(self, library: str, plugins: Dict[str, str], easybuild: str, easyblocks: Sequence[str],
                 kept: Optional[str] = None):
        self.library, self.plugins, self.easybuild = library, plugins, easybuild
        self.easyblocks, self.kept = list(easyblocks), kept
        self.known: Dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            found = read_json(kept, LARGEST_TEXT) if kept else {}
            self.known = found if isinstance(found, dict) else {}
        self._number = len(self.known)
        self._files: Dict[str, Any] = {}
        self._closures: Dict[str, FrozenSet[str]] = {}
        self._modules: Dict[str, Tuple[str, ...]] = {}
        self._together: Dict[FrozenSet[str], str] = {}
        self._once: Dict[Any, str] = {}

    def keep(self) -> None:
        """Write what is known; a folder that can't be written is no error."""
        if self.kept and len(self.known) > self._number:
            with contextlib.suppress(OSError):
                write_atomic(self.kept, json.dumps(self.known))

    def file(self, path: str) -> Tuple[str, List[Tuple[int, str, List[str]]]]:
        """Fingerprint and imports of a file: level, module, names."""
        if path not in self._files:
            with open(path, 'rb') as stream:
                content = stream.read()
            key = hashlib.sha256(content).hexdigest()
            if key not in self.known:
                self.known[key] = [_data(content), []] if path.endswith('.json') else _code(content)
            self._files[path] = self.known[key]
        return self._files[path]

    def together(self, paths: Iterable[str]) -> str:
        """One fingerprint for several files."""
        key = frozenset(paths)
        if key not in self._together:
            found = sorted((os.path.basename(path), self.file(path)[0]) for path in key)
            self._together[key] = _digest(found)
        return self._together[key]

    def of(self, what: str, paths: Callable[[], Iterable[str]]) -> str:
        """The fingerprint of the files of something, which are looked for once."""
        if what not in self._once:
            self._once[what] = self.together(paths())
        return self._once[what]

    def framework(self) -> str:
        """The fingerprint of EasyBuild's framework."""
        return self.of('framework', lambda: (
            path for part in ('base', 'framework', 'toolchains', 'tools', 'main.py')
            for path in _files(os.path.join(self.easybuild, part), '.py')))

    def reading(self) -> str:
        """The fingerprint of what reads recipes."""
        return _digest([self.framework(), self.of('reading', lambda: self._reached(self._ours('recipe')))])

    def adapting(self) -> str:
        """The fingerprint of what says what recipes become: all code of this library, and EasyBuild's framework."""
        ours = os.path.join(self.library, 'lumi_hooks')
        return _digest([self.framework(), [(os.path.relpath(path, ours), self.file(path)[0])
                                           for path in _files(ours, '.py')]])

    def modules(self) -> List[str]:
        """The modules of all easyblocks."""
        return sorted({os.path.basename(path)[:-3] for folder in (*self.easyblocks, self.plugins.get('easyblocks', ''))
                       for path in _files(folder, '.py')})

    def hooks(self) -> str:
        """The fingerprint of what every build uses of this library."""
        ours = os.path.join(self.library, 'lumi_hooks')
        registries = (('easyblocks', os.path.join('registry', '__init__.py')), ('toolchains', 'registry.py'))
        return self.of('hooks', lambda: [
            *(path for name in ACTING for ending in ('.py', '.json')
              for path in _files(os.path.join(ours, name), ending)),
            *(os.path.join(self.plugins[folder], name) for folder, name in registries if folder in self.plugins)])

    def easyblock(self, modules: Tuple[Tuple[str, bool], ...]) -> str:
        """
        The fingerprint of easyblocks.

        :param modules: name of each, and whether it is a generic one
        """
        if modules not in self._once:
            self._once[modules] = self.together(path for name, generic in modules
                                                for start in self._easyblock(name, generic)
                                                for path in self._closure(start))
        return self._once[modules]

    def toolchain(self, name: str) -> str:
        """The fingerprint of a toolchain's classes."""
        folder = self.plugins.get('toolchains', '')
        path = os.path.join(folder, 'lumi_toolchains.py')
        if name not in self._once:
            self._once[name] = _digest(sorted(self._classes(path, name, folder))) if os.path.isfile(path) else ''
        return self._once[name]

    def _classes(self, path: str, name: str, folder: str) -> Iterator[str]:
        """The fingerprints of a class, of what its module holds beside classes, and of what these use of ours."""
        with open(path, 'rb') as stream:
            tree = ast.parse(stream.read())
        others = (ast.ClassDef, ast.ImportFrom, ast.Import)
        kept: List[ast.stmt] = [one for one in tree.body if not isinstance(one, others)
                                or isinstance(one, ast.ClassDef) and one.name == name]
        yield _compiled(ast.Module(body=kept, type_ignores=[]))
        used = {node.id for one in kept for node in ast.walk(one) if isinstance(node, ast.Name)}
        for one in kept:
            for base in one.bases if isinstance(one, ast.ClassDef) else ():
                if isinstance(base, ast.Name) and any(isinstance(other, ast.ClassDef) and other.name == base.id
                                                      for other in tree.body):
                    yield from self._classes(path, base.id, folder)
        for one in tree.body:
            if isinstance(one, ast.ImportFrom) and one.level:
                module = os.path.join(os.path.dirname(path), *(one.module or '').split('.')) + '.py'
                for alias in one.names:
                    if (alias.asname or alias.name) not in used or not os.path.isfile(module):
                        continue
                    if self._is_class(module, alias.name):
                        yield from self._classes(module, alias.name, folder)
                    else:
                        yield from (self.file(inside)[0] for inside in self._reached([module]))

    def _is_class(self, path: str, name: str) -> bool:
        with open(path, 'rb') as stream:
            return any(isinstance(one, ast.ClassDef) and one.name == name for one in ast.parse(stream.read()).body)

    def _closure(self, path: str) -> FrozenSet[str]:
        if path not in self._closures:
            self._closures[path] = frozenset(self._reached([path]))
        return self._closures[path]

    def _reached(self, paths: Iterable[str]) -> Set[str]:
        """Files, and all that they import of the library and of upstream's easyblocks, directly or not."""
        found: Set[str] = set()
        todo = list(paths)
        while todo:
            path = todo.pop()
            if path not in found:
                found.add(path)
                if path.endswith('.py'):
                    todo.extend(self._imported(path))
        return found

    def _imported(self, path: str) -> Iterator[str]:
        for level, module, names in self.file(path)[1]:
            if level:
                folder = os.path.dirname(path)
                for _ in range(level - 1):
                    folder = os.path.dirname(folder)
                base = os.path.join(folder, *filter(None, module.split('.')))
                yield from _module_files(base, names)
            else:
                first, _, rest = module.partition('.')
                if first == 'lumi_hooks':
                    yield from self._ours(rest, names)
                elif first.startswith('lumi_hooks_') and first[len('lumi_hooks_'):] in self.plugins:
                    yield from _module_files(os.path.join(self.plugins[first[len('lumi_hooks_'):]], *filter(
                        None, rest.split('.'))), names)
                elif module.startswith('easybuild.easyblocks'):
                    parts = module.split('.')[2:]
                    generic = parts[:1] == ['generic']
                    for name in parts[generic:] or names:
                        yield from self._easyblock(name, generic)
        # a fix stands on upstream's easyblock of the same name
        fixes = os.path.join(self.plugins.get('easyblocks', ''), 'fixes')
        if os.path.dirname(path) in (fixes, f'{fixes}_generic'):
            yield from self._upstream(os.path.basename(path)[:-3], os.path.dirname(path) != fixes)

    def _ours(self, dotted: str, names: Iterable[str] = ()) -> Iterator[str]:
        yield from _module_files(os.path.join(self.library, 'lumi_hooks', *filter(None, dotted.split('.'))), names)

    def _easyblock(self, module: str, generic: bool) -> Tuple[str, ...]:
        """The file of an easyblock that EasyBuild would take: ours goes first."""
        key = f'{module}/{generic}'
        if key not in self._modules:
            ours = self.plugins.get('easyblocks', '')
            own = [os.path.join(ours, 'fixes_generic' if generic else 'fixes', module + '.py')]
            own += [os.path.join(ours, module + '.py')] if generic else []
            first = next((path for path in own if os.path.isfile(path)), None)
            self._modules[key] = (first,) if first else tuple(self._upstream(module, generic))
        return self._modules[key]

    def _upstream(self, module: str, generic: bool) -> Iterator[str]:
        for folder in self.easyblocks:
            places = [os.path.join(folder, 'generic')] if generic else [
                os.path.join(folder, module[:1].lower() if module[:1].isalpha() else '0'), folder]
            for place in places:
                path = os.path.join(place, module + '.py')
                if os.path.isfile(path):
                    yield path
                    return


def _module_files(base: str, names: Iterable[str] = ()) -> Iterator[str]:
    """The files of a module, of the packages that it is in, and of those of its modules that are imported by name."""
    if os.path.isfile(f'{base}.py'):
        yield f'{base}.py'
    elif os.path.isfile(os.path.join(base, '__init__.py')):
        yield os.path.join(base, '__init__.py')
        for name in names:
            for path in (os.path.join(base, f'{name}.py'), os.path.join(base, name, '__init__.py')):
                if os.path.isfile(path):
                    yield path


def _files(place: str, ending: str) -> List[str]:
    """A file, or the files below a folder, of an ending; not of what Python compiled."""
    if os.path.isfile(place):
        return [place] if place.endswith(ending) else []
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(place) for name in names
                  if name.endswith(ending))


def _digest(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:24]


def _data(content: bytes) -> str:
    """A data file: its layout and the order of its keys change nothing."""
    return _digest(json.dumps(json.loads(content), sort_keys=True))


def _code(content: bytes) -> List[Any]:
    """Fingerprint of a module's code, and its imports."""
    tree = ast.parse(content)
    imports: List[Any] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            imports.append([node.level, node.module or '', [alias.name for alias in node.names]])
        elif isinstance(node, ast.Import):
            imports.extend([0, alias.name, []] for alias in node.names)
    return [_compiled(tree), imports]


def _compiled(tree: ast.Module) -> str:
    """A digest of what Python makes of a module, without docstrings."""
    for node in ast.walk(tree):
        body = getattr(node, 'body', None)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and body and \
                isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) \
                and isinstance(body[0].value.value, str):
            body[0] = ast.copy_location(ast.Pass(), body[0])
    found = hashlib.sha256()
    _add(compile(tree, '', 'exec', dont_inherit=True), found)
    return found.hexdigest()[:24]


def _add(value: Any, found: Any) -> None:
    """A constant of compiled code; code itself without its lines."""
    if hasattr(value, 'co_code'):
        found.update(value.co_code + repr((value.co_name, value.co_names, value.co_varnames, value.co_freevars,
                                           value.co_cellvars, value.co_argcount, value.co_kwonlyargcount,
                                           value.co_posonlyargcount, value.co_flags)).encode())
        for one in value.co_consts:
            _add(one, found)
    elif isinstance(value, tuple):
        found.update(b'(')
        for one in value:
            _add(one, found)
        found.update(b')')
    elif isinstance(value, frozenset):
        found.update(repr(sorted(map(repr, value))).encode())
    else:
        found.update(repr(value).encode() + b',')


def easyblock_folders(path: Sequence[str]) -> List[str]:
    """The folders of upstream's easyblocks among those that Python imports from."""
    return [place for place in (os.path.join(one, 'easybuild', 'easyblocks') for one in path) if os.path.isdir(place)]


def framework_folder(path: Sequence[str]) -> Optional[str]:
    """The folder of EasyBuild's framework among those that Python imports from."""
    return next((place for place in (os.path.join(one, 'easybuild') for one in path)
                 if os.path.isdir(os.path.join(place, 'framework'))), None)
