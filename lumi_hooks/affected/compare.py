# SPDX-License-Identifier: GPL-2.0-only
"""
Two sides, compared: what of all that is offered is made of something else, with what needs it, in build order.

A side is what everything becomes with one version of the library, the recipes and EasyBuild (side.py). Findings are
kept by the contents of all that they depend on, so they can't be out of date; deleting them costs time only.
"""
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from .. import sites, trust
from ..data import ROOT
from ..errors import LumiHooksError
from ..files import LARGEST_TEXT, read_json
from . import fingerprint
from .catalogue import Target
from .side import FAILED, PLANNED, pieces

# what happens to a module, the worst first
GONE, REFUSED, MOVED, NEW, CHANGED, DEPENDENT = 'gone', 'refused', 'moved', 'new', 'changed', 'dependent'
LOSSES = (GONE, REFUSED, MOVED)
MEANS = {
    GONE: 'it is offered no more: its recipe, or its entry in the catalogue, is gone',
    REFUSED: 'it could be installed, and is refused now',
    MOVED: 'its module has another name now, mostly of another version',
    NEW: 'it could not be installed before, or was not offered',
    CHANGED: 'it is made of something else',
    DEPENDENT: 'it needs something that changes',
}
# code that a module is made by, and what of it is the same for all modules: it is named last
EVERYWHERE = ('EasyBuild', 'hooks')
CODE = (*EVERYWHERE, 'easyblocks', 'toolchain classes')
# variables that name folders of a side
_FOLDERS = ('LUMI_HOOKS_UPSTREAM', 'LUMI_HOOKS_OVERRIDES', sites.FOLDER)
# files of findings that are kept
_KEEP = 400
_HERE = os.path.dirname(os.path.abspath(__file__))


@dataclass(frozen=True)
class Side:
    """
    One version of everything.

    :ivar library: folder that holds lumi_hooks/ (its clone, or where it is installed)
    :ivar path: where Python finds EasyBuild, first one first
    :ivar own: folders with recipes of the site's and the user's
    :ivar upstream: folders with upstream's recipes
    :ivar overrides: folders with overrides
    :ivar env: variables that differ from this process's
    """
    library: str
    path: Tuple[str, ...]
    own: Tuple[str, ...] = ()
    upstream: Tuple[str, ...] = ()
    overrides: Tuple[str, ...] = ()
    entries: Mapping[Target, Sequence[str]] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)

    def moved(self, place: Callable[[str], str]) -> 'Side':
        """The same side with each path replaced."""
        def each(paths: Iterable[str]) -> Tuple[str, ...]:
            return tuple(map(place, paths))
        env = {name: os.pathsep.join(map(place, os.environ[name].split(os.pathsep))) for name in _FOLDERS
               if os.environ.get(name)}
        return replace(self, library=place(self.library), path=each(self.path), own=each(self.own),
                       upstream=each(self.upstream), overrides=each(self.overrides), env=env)

    def folders(self) -> List[str]:
        """Every folder that it is made of."""
        return [self.library, *self.own, *self.upstream, *self.overrides, *self.path]

    @property
    def plugins(self) -> Dict[str, str]:
        """Our folders of easyblocks and toolchains, in a clone or as installed."""
        found: Dict[str, str] = {}
        for name in ('easyblocks', 'toolchains'):
            for place in (os.path.join(self.library, name), os.path.join(self.library, f'lumi_hooks_{name}')):
                if os.path.isfile(os.path.join(place, '__init__.py')):
                    found.setdefault(name, place)
        return found

    def code(self, kept: str) -> fingerprint.Code:
        """Its code; `kept` is the file with what is known of code."""
        return fingerprint.Code(self.library, self.plugins, self.framework, fingerprint.easyblock_folders(self.path),
                                kept)

    @property
    def framework(self) -> str:
        """
        EasyBuild's framework.

        :raises LumiHooksError: there is none
        """
        found = fingerprint.framework_folder(self.path)
        if not found:
            raise LumiHooksError(f'there is no EasyBuild in {", ".join(self.path)}')
        return found


@dataclass(frozen=True)
class Affected:
    """One module that is affected, as --json prints it."""
    module: str
    recipe: str
    target: Target
    why: str
    change: str
    level: int

    def as_json(self) -> Dict[str, Any]:
        """As plain data."""
        return {'module': self.module, 'recipe': self.recipe, 'release': self.target.release,
                'toolchain': self.target.toolchain, 'partition': self.target.partition, 'why': self.why,
                'change': self.change, 'level': self.level}


Rows = Dict[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Found:
    """What a side says of a target: of its entries by recipe, of all that these need by module."""
    entries: Rows
    nodes: Rows


def look(side: Side, cache: str, jobs: int, told: Callable[[int, int], None] = lambda done, total: None,
         before: int = 0, total: int = 0) -> Dict[Target, Found]:
    """
    What a side says.

    :param cache: folder for what is kept
    :param told: is told how many entries of how many are done, from `before` on
    :raises LumiHooksError: its library can't be asked, or the cache can't be written
    """
    results = os.path.join(cache, 'sides')
    try:
        os.makedirs(results, mode=0o700, exist_ok=True)
    except OSError as err:
        raise LumiHooksError(f'{results} cannot be written: {err.strerror}') from err
    code = side.code(os.path.join(cache, 'code.json'))
    units = list(_units(side, contents(side, code), jobs))
    wanted = [path for unit in units for _, path in pieces(results, unit)]
    if not all(map(os.path.isfile, wanted)):
        parsed = os.path.join(results, f'{_digest(sys.version, code.reading())[:32]}.parsed')
        if os.path.exists(parsed):
            trust.check(parsed, 'what is kept of recipes,')
        job = {'library': side.library, 'path': side.path, 'own': side.own, 'upstream': side.upstream,
               'overrides': side.overrides, 'known': code.modules(), 'units': units, 'jobs': jobs, 'into': results,
               'parsed': parsed}
        _run(job, side.env, lambda done: told(before + done, total))
    found: Dict[Target, Found] = {}
    for unit in units:
        target = Target(unit['release'], unit['toolchain'], unit['partition'])
        one = found.setdefault(target, Found({}, {}))
        for _, path in pieces(results, unit):
            data = _kept(path)
            for rows in data.values():
                for row in rows.values():
                    if row['status'] == PLANNED:
                        row['inputs'].update(_made_by(row, code))
            one.entries.update(data['entries'])
            one.nodes.update(data['nodes'])
    code.keep()
    _expire(results, set(wanted))
    return found


def _made_by(row: Mapping[str, Any], code: fingerprint.Code) -> Dict[str, str]:
    """Fingerprints of the code that builds a row's module."""
    found = {'easyblocks': code.easyblock(tuple(map(tuple, row['easyblocks']))), 'hooks': code.hooks(),
             'EasyBuild': code.framework()}
    if row['toolchain'] != 'system':
        found['toolchain classes'] = code.toolchain(row['toolchain'])
    return found


def _run(job: Mapping[str, Any], env: Mapping[str, str], told: Callable[[int], None]) -> None:
    """Run side.py with a job; what a recipe prints is not shown."""
    command = [sys.executable, '-I', '-B', os.path.join(_HERE, 'side.py')]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, **env}, errors='replace') as child:
        assert child.stdin and child.stdout and child.stderr
        said: List[str] = []
        reader = threading.Thread(target=lambda: said.extend(child.stderr), daemon=True)  # type: ignore[arg-type]
        reader.start()
        with contextlib.suppress(BrokenPipeError):
            json.dump(job, child.stdin)
            child.stdin.close()
        for line in child.stdout:
            if line.strip().isdecimal():
                told(int(line))
        child.wait()
        reader.join(5)
    if child.returncode:
        last = next((line.strip() for line in reversed(said) if line.strip()), 'it said nothing')
        raise LumiHooksError(f'the library in {job["library"]} cannot be asked what recipes become: {last[:300]}')


def _units(side: Side, key: str, jobs: int) -> Iterator[Dict[str, Any]]:
    """
    What one process looks at: a target, as each process has to look at what many entries need once; where there are
    fewer targets than processes, a part of one.
    """
    parts = max(1, -(-jobs // max(len(side.entries), 1)))
    for target, entries in side.entries.items():
        for part in range(parts):
            some = list(entries[part::parts])
            names = [os.path.basename(entry) for entry in some]
            yield {'release': target.release, 'toolchain': target.toolchain, 'partition': target.partition,
                   'entries': some, 'key': _digest(key, str(target), *names)[:32]}


def contents(side: Side, code: fingerprint.Code) -> str:
    """A digest of everything that recipes become what they become by; code that builds is no part of it."""
    found = [sys.version, _folder(_HERE, ('side.py',))]
    found += [f'{name}={os.environ[name]}' for name in sorted(os.environ)
              if name.startswith('LUMI_HOOKS_') and os.sep not in os.environ[name]]
    found += [code.adapting(), _folder(os.path.join(side.library, 'lumi_hooks'), ('.json',)), *code.modules()]
    for folders in ([os.path.join(side.library, 'easyconfigs')], side.own, side.upstream, side.overrides):
        found += ['|', *(_folder(place) for place in folders)]
    if side.env.get(sites.FOLDER):
        found += ['|', _folder(side.env[sites.FOLDER])]
    return _digest(*found)


_folders: Dict[Tuple[str, Tuple[str, ...]], str] = {}


def _folder(folder: str, endings: Tuple[str, ...] = ()) -> str:
    """A digest of the files below a folder, by their names and contents."""
    key = os.path.realpath(folder), endings
    if key not in _folders:
        found = hashlib.sha256()
        for place, below, names in os.walk(key[0]):
            below[:] = sorted(name for name in below if name not in ('__pycache__', '.git'))
            for name in sorted(names):
                if not endings or name.endswith(endings):
                    path = os.path.join(place, name)
                    with contextlib.suppress(OSError), open(path, 'rb') as stream:
                        content = hashlib.sha256(stream.read()).hexdigest()
                        found.update(f'{os.path.relpath(path, key[0])}\0{content}\0'.encode('utf-8', 'surrogateescape'))
        _folders[key] = found.hexdigest()
    return _folders[key]


def forget() -> None:
    """Look at folders again: a process looks at each once."""
    _folders.clear()


def _digest(*values: str) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _kept(path: str) -> Dict[str, Any]:
    try:
        os.utime(path)
        found = read_json(path, LARGEST_TEXT)
        return {'entries': found['entries'], 'nodes': found['nodes']}
    except (OSError, ValueError, KeyError, TypeError) as err:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise LumiHooksError(f'{path} was damaged, and is gone now: run the command again') from err


def _expire(folder: str, wanted: Set[str]) -> None:
    """The findings that nobody used for longest go."""
    with contextlib.suppress(OSError):
        found = [os.path.join(folder, name) for name in os.listdir(folder)]
        for path in sorted(found, key=os.path.getmtime, reverse=True)[_KEEP:]:
            if path not in wanted:
                os.unlink(path)


def compare(old: Mapping[Target, Found], new: Mapping[Target, Found]) -> List[Affected]:
    """All that is affected: what somebody loses first, then in build order."""
    found = [one for target in sorted({*old, *new}) for one in
             _Comparison(target, old.get(target, Found({}, {})), new.get(target, Found({}, {}))).all()]
    return sorted(found, key=lambda one: (LOSSES.index(one.change) if one.change in LOSSES else len(LOSSES), one.level,
                                          one.target, one.module, one.recipe))


class _Comparison:
    """The two sides of one target."""

    def __init__(self, target: Target, old: Found, new: Found):
        self.target, self.old, self.new = target, old, new
        self._why: Dict[str, Optional[str]] = {}
        self._levels: Dict[str, int] = {}

    def all(self) -> Iterator[Affected]:
        """Entries, then the modules that entries need and that are no entries."""
        own: Set[str] = set()
        for recipe in {**self.new.entries, **self.old.entries}:
            before, after = self.old.entries.get(recipe), self.new.entries.get(recipe)
            own.update(row['module'] for row in (before, after) if row)
            one = self._entry(recipe, before, after)
            if one:
                yield one
        for module in self._needed():
            after = self.new.nodes[module]
            if after['status'] == PLANNED and module not in own:
                one = self._entry(after['recipe'], self.old.nodes.get(module), after)
                if one:
                    yield one

    def _needed(self) -> List[str]:
        """What the entries need that can be installed; what a refused one needs is nobody's."""
        found: Dict[str, None] = {}
        todo = [need for row in self.new.entries.values() if _planned(row) for need in row['needs']]
        while todo:
            module = todo.pop()
            if module not in found:
                found[module] = None
                todo.extend(self.new.nodes[module].get('needs', ()))
        return sorted(found)

    def _entry(self, recipe: str, before: Optional[Mapping], after: Optional[Mapping]) -> Optional[Affected]:
        """What happens to one, None where nothing does."""
        was, now = _planned(before), _planned(after)
        if not was and not now:
            return None
        if not now:
            assert before
            kind, why = (REFUSED, after['reason']) if after else (GONE, MEANS[GONE])
            return Affected(before['module'], recipe, self.target, why, kind, 0)
        assert after
        if not was:
            kind, why = NEW, 'nothing needed or offered it before'
            if before:
                why = f'it {"could not be read" if before["status"] == FAILED else "was refused"}: {before["reason"]}'
        elif before and before['module'] != after['module']:
            kind, why = MOVED, f'it was {before["module"]}'
        else:
            assert before
            kind, why = CHANGED, ', '.join(_differences(before, after))
            if not why:
                need = next(filter(self._changes, after['needs']), None)
                kind, why = DEPENDENT, f'it needs {need}' if need else ''
        return Affected(after['module'], recipe, self.target, why, kind, self._level(after)) if why else None

    def _changes(self, module: str) -> bool:
        """Does a module change that something needs?"""
        if module not in self._why:
            self._why[module] = None  # circles are refused
            before, after = self.old.nodes.get(module), self.new.nodes.get(module)
            if before and after and before['status'] == after['status']:
                need = next(filter(self._changes, after.get('needs', ())), None)
                self._why[module] = ', '.join(_differences(before, after)) or need
            else:
                self._why[module] = module
        return self._why[module] is not None

    def _level(self, row: Mapping[str, Any]) -> int:
        """How many steps of affected modules have to be built before it."""
        return max((1 + self._node_level(need) for need in row['needs'] if self._built(need)), default=0)

    def _node_level(self, module: str) -> int:
        if module not in self._levels:
            self._levels[module] = 0
            self._levels[module] = self._level(self.new.nodes[module])
        return self._levels[module]

    def _built(self, module: str) -> bool:
        node = self.new.nodes.get(module)
        return node is not None and node['status'] == PLANNED and self._changes(module)


def _planned(row: Optional[Mapping]) -> bool:
    return row is not None and row['status'] == PLANNED


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> List[str]:
    """What two rows are made of that differs, the recipe's own first."""
    one, other = before.get('inputs', {}), after.get('inputs', {})
    found = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    # other modules may stand for what is needed, though the recipe reads as before
    found.sort(key=lambda name: (name in CODE, name in EVERYWHERE, name))
    return found or (['dependencies'] if before.get('needs') != after.get('needs') else [])


def failures(found: Mapping[Target, Found]) -> Dict[str, str]:
    """Recipes that can't be read, and why."""
    return {recipe: row['reason'] for one in found.values() for recipe, row in one.entries.items()
            if row['status'] == FAILED}


def here() -> str:
    """The folder that holds the library that runs."""
    return os.path.dirname(ROOT)
