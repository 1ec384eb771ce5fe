# SPDX-License-Identifier: GPL-2.0-only
"""
One side of a comparison: what everything that is offered becomes with one version of the library, the recipes and
EasyBuild, as digests. Code that acts while software is built is named only (fingerprint.py): it changes more often than
what recipes become.

It is run by its path, in a process of its own, by `compare.look`: what it imports of lumi_hooks is that of the version
that it looks at. It reads a job as JSON on standard input, writes its findings piece by piece into the folder that the
job names, and tells how far it is on standard output.
"""
import ast
import contextlib
import hashlib
import json
import math
import multiprocessing
import os
import signal
import sys
from typing import Any, Dict, FrozenSet, Iterable, Iterator, List, Mapping, Optional, Tuple

# entries that are looked at before the next file is written: what Ctrl-C loses at most
PIECE = 400
# recipes that are kept as they were read: about 2 KB each
MOST_PARSED = 40000
# what is said of a recipe
PLANNED, REFUSED, FAILED = 'planned', 'refused', 'failed'


class Looker:
    """Looks at the entries of one target."""

    def __init__(self, job: Mapping[str, Any], target: Mapping[str, Any]):
        from dataclasses import make_dataclass, replace

        from lumi_hooks import packages, plan
        from lumi_hooks.data import our_recipes
        from lumi_hooks.index import Index
        from lumi_hooks.plan.outline import Outline
        from lumi_hooks.prefix.overrides import Overrides
        from lumi_hooks.recipe import read_for
        from lumi_hooks.site import make_site, variables
        self.packages, self.known = packages, frozenset(job['known'])
        site = make_site(target['release'], target['partition'], target['toolchain'])
        if _index:
            _index[0].refresh()
        else:
            _index.append(Index((), job['own'], job['upstream']))
        self.site = replace(site, index=_index[0],
                            overrides=Overrides(job['overrides']))
        read_for(variables(self.site))
        self.planner = plan.Planner(self.site, self._read)
        self.refused = plan.REFUSED
        self._ours = Index((), [one for one in [our_recipes()] if one])
        # an outline with what it was made of
        self._kind = make_dataclass('Looked', [('inputs', dict, None), ('easyblocks', list, None)], bases=(Outline,),
                                    frozen=True)
        self._outlines: Dict[Tuple, Any] = {}
        self._told: set = set()

    def look(self, path: str) -> Dict[str, Any]:
        """The row of an entry."""
        if not os.path.isfile(path):
            return {'module': '', 'status': FAILED, 'reason': 'there is no recipe of that name'}
        try:
            return self._row(self.planner.look(self.planner.asked(path)))
        except Exception as err:  # one recipe must not stop the others
            return {'module': '', 'status': FAILED, 'reason': str(err) or type(err).__name__}

    def nodes(self) -> Dict[str, Any]:
        """The rows of what the entries need, of what was not told yet, by module."""
        found = {module: self._row(node) for module, node in self.planner.nodes.items() if module not in self._told}
        self._told.update(found)
        return found

    def _row(self, node: Any) -> Dict[str, Any]:
        row: Dict[str, Any] = {'module': node.module}
        if node.status == self.refused:
            return {**row, 'status': REFUSED, 'reason': node.reason}
        outline = node.outline
        if outline is None:
            return {**row, 'status': node.status, 'inputs': self._given(node)}
        return {**row, 'status': PLANNED, 'recipe': os.path.basename(outline.path), 'needs': list(node.dependencies),
                'inputs': outline.inputs, 'easyblocks': outline.easyblocks, 'toolchain': outline.toolchain}

    def _given(self, node: Any) -> Dict[str, str]:
        """What is known of a module that is there already: of one of the stack, its recipe."""
        file = node.module.replace('/', '-', 1) + '.eb'
        path = self.site.index.recipe(node.name, file) or self._ours.recipe(node.name, file)
        return self._parameters(recipe_of(path), None) if path else {}

    def _read(self, path: str, site: Any) -> Any:
        if path not in _real:
            _real[path] = os.path.realpath(path)
        key = (_real[path], site)
        if key not in self._outlines:
            from lumi_hooks.adapt import adapt
            from lumi_hooks.errors import RecipeError
            from lumi_hooks.plan.outline import outline
            from lumi_hooks.store import with_checksums
            try:
                adaptation = adapt(recipe_of(path), site)
                if beside_of(path).get('checksums.json'):
                    adaptation = with_checksums(adaptation)
                found = outline(adaptation, site).bare()
            except RecursionError as err:
                raise RecipeError(f'{path} is nested too deeply') from err
            inputs, blocks = {}, []
            if adaptation.status != 'refused':
                inputs = self._inputs(adaptation, path)
                blocks = easyblocks_of(adaptation.parameters, adaptation.recipe.name, self.known)
            self._outlines[key] = self._kind(**vars(found), inputs=inputs, easyblocks=blocks)
        return self._outlines[key]

    def _inputs(self, adaptation: Any, path: str) -> Dict[str, str]:
        """Digests of all that an installation is made of beside code, by what they are of."""
        recipe, site = adaptation.recipe, self.site
        found = self._parameters(adaptation, _recipes.get(path))
        if adaptation.kept_out:
            found['modules that are kept out'] = digest(adaptation.kept_out)
        files = {name: content for name, content in beside_of(path).items() if name != 'checksums.json'}
        files.update((os.path.basename(patch), digest(read(patch))) for patch in adaptation.patches)
        if files:
            found['files beside the recipe'] = digest(sorted(files.items()))
        cray = {}
        for name in ('dependencies', 'builddependencies'):
            for dependency in adaptation.dependencies(name):
                module = site.cray.get(dependency.name) if dependency.external else None
                if module:
                    cray[module.full_name] = (module.provides, module.upstream_version, module.prefix)
        if cray:
            found['modules of the Cray PE'] = digest(sorted(cray.items()))
        verify = self.packages.package(recipe.name).get('verify')
        if verify:
            found['rules of lumi-eb verify'] = digest(json.dumps(verify, sort_keys=True))
        if adaptation.toolchain[0] != 'system':
            facts = site.partition_facts
            found['partition'] = digest([facts.get('targets'), facts.get('gpu')])
        return found

    @staticmethod
    def _parameters(adaptation: Any, recipe: Any) -> Dict[str, str]:
        """Digests of the parameters; of those that adapting leaves alone, made once for all targets."""
        before = _digests.setdefault(id(recipe), {}) if recipe is not None else {}
        found = {}
        for name, value in adaptation.parameters.items():
            if name.startswith('local_'):
                continue
            if recipe is not None and recipe.parameters.get(name) is value:
                if name not in before:
                    before[name] = digest(plain(value))
                found[name] = before[name]
            else:
                found[name] = digest(plain(value))
        return found


_modules: Dict[Tuple[str, bool], str] = {}
_digests: Dict[int, Dict[str, str]] = {}
# the one index of all targets
_index: List[Any] = []
_real: Dict[str, str] = {}
_recipes: Dict[str, Any] = {}
# digest of a recipe's file -> its parameters: all that are known, and those that were read now
_parsed: Dict[str, str] = {}
_read: Dict[str, str] = {}
_beside: Dict[str, Dict[str, str]] = {}


def recipe_of(path: str) -> Any:
    """
    A recipe, read once for all targets, and not run again where it is kept from an earlier time; unless it asks for
    what differs from one to the other.
    """
    from lumi_hooks.recipe import read_recipe
    if path not in _recipes:
        content = read(path)
        if b'environ' in content or b'getenv' in content:
            return read_recipe(path)
        key = hashlib.sha256(content).hexdigest()
        if key in _parsed:
            _hand(content, path, _Parsed(_parsed[key]))
        found = read_recipe(path)
        if key not in _parsed:
            parameters = dict(found.parameters)
            if _is_plain(parameters):
                _parsed[key] = _read[key] = repr(parameters)
        _recipes[path] = found
    return _recipes[path]


class _Parsed:
    """Instead of EasyBuild's parser: what it made of a recipe before. It is data, and nothing of it is run."""

    def __init__(self, kept: str):
        self.kept = kept

    def get_config_dict(self) -> Dict[str, Any]:
        """The parameters, as EasyBuild's parser gives them."""
        found: Dict[str, Any] = ast.literal_eval(self.kept)
        return found


def _is_plain(value: Any) -> bool:
    """Does a value come back from its `repr`? Not one with a function or a module in it."""
    kind = type(value)
    if kind is dict:
        return all(_is_plain(item) for pair in value.items() for item in pair)
    if kind in (list, tuple):
        return all(map(_is_plain, value))
    return value is None or kind in (str, int, bool) or kind is float and math.isfinite(value)


def _hand(content: bytes, path: str, parsed: _Parsed) -> None:
    """Hand the library what a recipe's text becomes; an older one may not take it, and reads the text itself."""
    with contextlib.suppress(ImportError, TypeError, ValueError):
        from lumi_hooks.recipe import parser_of
        parser_of(content.decode().replace('\r\n', '\n').replace('\r', '\n'), path, parsed)


def beside_of(path: str) -> Dict[str, str]:
    """What lies next to a recipe and belongs to it: name -> digest of its contents."""
    if path not in _beside:
        from lumi_hooks.recipe import patches_in_folder, sources_in_folder
        recipe = recipe_of(path)
        files = [*patches_in_folder(recipe), *sources_in_folder(recipe)]
        checksums = os.path.join(os.path.dirname(path), 'checksums.json')
        if os.path.isfile(checksums):
            files.append(checksums)
        _beside[path] = {os.path.basename(one): digest(read(one)) for one in files}
    return _beside[path]


def easyblocks_of(parameters: Mapping[str, Any], name: str, known: FrozenSet[str]) -> List[Tuple[str, bool]]:
    """
    The modules of the easyblocks of a recipe, its extensions and its components, as EasyBuild looks them up, and
    whether each is a generic one: by class where one is named, else by the name of the software.

    :param known: modules that there are; extensions have none of their own mostly
    """
    found: Dict[Tuple[str, bool], None] = {}

    def named(one: Any) -> None:
        if isinstance(one, str):
            found[_module(one, True), not one.startswith('EB_')] = None

    def software(one: Any) -> None:
        if isinstance(one, str) and _module(one, False) in known:
            found[_module(one, False), False] = None

    def options(one: Any) -> None:
        if isinstance(one, Mapping):
            named(one.get('easyblock'))

    named(parameters.get('easyblock'))
    if not parameters.get('easyblock'):
        software(name)
    named(parameters.get('exts_defaultclass'))
    named(parameters.get('default_easyblock'))
    options(parameters.get('exts_default_options'))
    options(parameters.get('default_component_specs'))
    for part in ('exts_list', 'components'):
        for item in parameters.get(part) or ():
            item = (item,) if isinstance(item, str) else item
            if isinstance(item, (list, tuple)) and item:
                software(item[0])
                if len(item) > 2:
                    options(item[2])
    return sorted(found)


def _module(name: str, is_class: bool) -> str:
    """The module of an easyblock, by its class or by the name of the software."""
    from easybuild.framework.easyconfig.easyconfig import get_module_path
    from easybuild.tools.filetools import encode_class_name
    if (name, is_class) not in _modules:
        cls = name if is_class else encode_class_name(name)
        _modules[name, is_class] = get_module_path(cls, generic=False).rpartition('.')[2]
    return _modules[name, is_class]


def plain(value: Any) -> Any:
    """A parameter as text; what has no notation in a recipe (a function, a module) by its kind alone."""
    text = repr(value)
    if ' at 0x' in text or text.startswith('<'):
        return type(value).__name__
    return text if not isinstance(value, set) else sorted(map(repr, value))


def digest(value: Any) -> str:
    """A short digest."""
    return hashlib.blake2b(value if isinstance(value, bytes) else repr(value).encode('utf-8', 'surrogatepass'),
                           digest_size=8).hexdigest()


def read(path: str) -> bytes:
    """The contents of a file; empty where it can't be read."""
    try:
        with open(path, 'rb') as stream:
            return stream.read()
    except OSError:
        return b''


def _unit(number: int) -> Dict[str, str]:
    """Look at the entries of one unit, and write each piece once it is done; the recipes that were read for it."""
    unit = _job['units'][number]
    looker: Optional[Looker] = None
    for start, path in pieces(_job['into'], unit):
        entries = unit['entries'][start:start + PIECE]
        if not os.path.exists(path):
            looker = looker or Looker(_job, unit)
            rows = {os.path.basename(entry): looker.look(entry) for entry in entries}
            _write(path, {'entries': rows, 'nodes': looker.nodes()})
        with _done.get_lock():
            _done.value += len(entries)
    read_now = dict(_read)
    _read.clear()
    return read_now


def pieces(folder: str, unit: Mapping[str, Any]) -> Iterator[Tuple[int, str]]:
    """Where the pieces of a unit begin, and the files that they are written to."""
    for start in range(0, max(len(unit['entries']), 1), PIECE):
        yield start, os.path.join(folder, f'{unit["key"]}-{start // PIECE}.json')


def _write(path: str, data: Any) -> None:
    new = f'{path}.{os.getpid()}.new'
    with open(new, 'w', encoding='utf-8') as stream:
        stream.write(json.dumps(data))  # at once: json.dump encodes in Python
    os.replace(new, path)


def _kept(path: str) -> Dict[str, str]:
    """The recipes that were read before; none where they can't be read."""
    try:
        found = json.loads(read(path))
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


_job: Dict[str, Any] = {}
_done: Any = None


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run(job: Dict[str, Any]) -> Iterable[int]:
    """Look at everything; yields how many entries are done."""
    global _done
    _job.update(job)
    # before there are several processes
    _parsed.update(_kept(job['parsed']))
    _done = multiprocessing.Value('q', 0)
    context = multiprocessing.get_context('fork')
    pool = context.Pool(max(1, min(job['jobs'], len(job['units']))), _begin)
    try:
        waiting = pool.map_async(_unit, range(len(job['units'])), 1)
        while not waiting.ready():
            waiting.wait(0.2)
            yield _done.value
        read_now = {key: value for some in waiting.get() for key, value in some.items()}
        pool.close()
    finally:
        pool.terminate()
        pool.join()
    if read_now:
        before = _parsed if len(_parsed) < MOST_PARSED else {}
        _write(job['parsed'], {**before, **read_now})


def main() -> int:
    """Read the job, do it, and tell how far it is."""
    job = json.load(sys.stdin)
    # before anything of this Python's own: the library and the EasyBuild that are looked at
    sys.path[:0] = [job['library'], *job['path']]
    out = os.dup(1)
    os.dup2(2, 1)  # whatever a recipe prints
    with os.fdopen(out, 'w') as told:
        for number in run(job):
            print(number, file=told, flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
