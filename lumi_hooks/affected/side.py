# SPDX-License-Identifier: GPL-2.0-only
"""
One side of a comparison: what everything that is offered becomes with one version of the library, the recipes and
EasyBuild, as digests.

It is run by its path, in a process of its own, by `compare.look`: what it imports of lumi_hooks is that of the version
that it looks at. It reads a job as JSON on standard input, writes its findings piece by piece into the folder that the
job names, and tells how far it is on standard output.
"""
import hashlib
import importlib.util
import json
import multiprocessing
import os
import signal
import sys
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

# entries that are looked at before the next file is written: what Ctrl-C loses at most
PIECE = 400
# what is said of a recipe
PLANNED, REFUSED, FAILED = 'planned', 'refused', 'failed'


class Looker:
    """Looks at the entries of one target."""

    def __init__(self, job: Mapping[str, Any], target: Mapping[str, Any], code: Any):
        from dataclasses import make_dataclass, replace

        from lumi_hooks import packages, plan
        from lumi_hooks.data import our_recipes
        from lumi_hooks.index import Index
        from lumi_hooks.plan.outline import Outline
        from lumi_hooks.prefix.overrides import Overrides
        from lumi_hooks.recipe import read_for
        from lumi_hooks.site import make_site, variables
        self.code, self.packages = code, packages
        site = make_site(target['release'], target['partition'], target['toolchain'])
        self.site = replace(site, index=Index((), job['own'], job['upstream']),
                            overrides=Overrides(job['overrides']))
        read_for(variables(self.site))
        self.planner = plan.Planner(self.site, self._read)
        self.refused = plan.REFUSED
        self._ours = Index((), [one for one in [our_recipes()] if one])
        # an outline with what it was made of
        self._kind = make_dataclass('Looked', [('inputs', dict, None)], bases=(Outline,), frozen=True)
        self._outlines: Dict[Tuple, Any] = {}
        self._told: set = set()

    def look(self, path: str) -> Dict[str, Any]:
        """The row of an entry."""
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
                'inputs': outline.inputs}

    def _given(self, node: Any) -> Dict[str, str]:
        """What is known of a module that is there already: of one of the stack, its recipe."""
        file = node.module.replace('/', '-', 1) + '.eb'
        path = self.site.index.recipe(node.name, file) or self._ours.recipe(node.name, file)
        return self._parameters(recipe_of(path), None) if path else {}

    def _read(self, path: str, site: Any) -> Any:
        key = (os.path.realpath(path), site)
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
            inputs = {} if adaptation.status == 'refused' else self._inputs(adaptation, path)
            self._outlines[key] = self._kind(**vars(found), inputs=inputs)
        return self._outlines[key]

    def _inputs(self, adaptation: Any, path: str) -> Dict[str, str]:
        """Digests of all that an installation is made of, by what they are of."""
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
        name = adaptation.toolchain[0]
        if name != 'system':
            found['toolchain classes'] = self._once('toolchain', name)
            facts = site.partition_facts
            found['partition'] = digest([facts.get('targets'), facts.get('gpu')])
        found['easyblocks'] = self.code.easyblock(easyblocks_of(adaptation.parameters, recipe.name, self.code))
        found['hooks'] = self._once('hooks')
        found['EasyBuild'] = self._once('framework')
        return found

    def _once(self, what: str, *arguments: str) -> str:
        key = (what, *arguments)
        if key not in _known:
            _known[key] = getattr(self.code, what)(*arguments)
        return _known[key]

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


_known: Dict[Tuple, str] = {}
_digests: Dict[int, Dict[str, str]] = {}
_recipes: Dict[str, Any] = {}
_beside: Dict[str, Dict[str, str]] = {}


def recipe_of(path: str) -> Any:
    """A recipe, read once for all targets, unless it asks for what differs from one to the other."""
    from lumi_hooks.recipe import read_recipe
    if path not in _recipes:
        found = read_recipe(path)
        if 'environ' in found.text or 'getenv' in found.text:
            return found
        _recipes[path] = found
    return _recipes[path]


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


def easyblocks_of(parameters: Mapping[str, Any], name: str, code: Any) -> List[Tuple[str, bool]]:
    """
    The modules of the easyblocks of a recipe, its extensions and its components, as EasyBuild looks them up: by class
    where one is named, else by the name of the software where there is one for it.
    """
    from easybuild.framework.easyconfig.easyconfig import get_module_path
    from easybuild.tools.filetools import encode_class_name
    classes: Dict[str, None] = {}
    names: Dict[str, None] = {}

    def note(one: Any) -> None:
        if isinstance(one, str):
            classes[one] = None

    def options(one: Any) -> None:
        if isinstance(one, Mapping):
            note(one.get('easyblock'))

    note(parameters.get('easyblock'))
    if not parameters.get('easyblock'):
        names[name] = None
    note(parameters.get('exts_defaultclass'))
    note(parameters.get('default_easyblock'))
    options(parameters.get('exts_default_options'))
    options(parameters.get('default_component_specs'))
    for part in ('exts_list', 'components'):
        for item in parameters.get(part) or ():
            if isinstance(item, str):
                names[item] = None
            elif isinstance(item, (list, tuple)) and item:
                if isinstance(item[0], str):
                    names[item[0]] = None
                if len(item) > 2:
                    options(item[2])
    found = {(_module(get_module_path, one), not one.startswith('EB_')) for one in classes}
    for one in names:
        key = ('module', one)
        if key not in _known:
            _known[key] = _module(get_module_path, encode_class_name(one))
        if code.has(_known[key]):
            found.add((_known[key], False))
    return sorted(found)


def _module(get_module_path: Any, name: str) -> str:
    key = ('class', name)
    if key not in _known:
        _known[key] = get_module_path(name, generic=False).rpartition('.')[2]
    return _known[key]


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


def _unit(number: int) -> int:
    """Look at the entries of one unit, and write each piece once it is done; how many entries it had."""
    unit = _job['units'][number]
    looker: Optional[Looker] = None
    for start, path in pieces(_job['into'], unit):
        entries = unit['entries'][start:start + PIECE]
        if not os.path.exists(path):
            looker = looker or Looker(_job, unit, _code)
            rows = {os.path.basename(entry): looker.look(entry) for entry in entries}
            _write(path, {'entries': rows, 'nodes': looker.nodes()})
        with _done.get_lock():
            _done.value += len(entries)
    return number


def pieces(folder: str, unit: Mapping[str, Any]) -> Iterator[Tuple[int, str]]:
    """Where the pieces of a unit begin, and the files that they are written to."""
    for start in range(0, max(len(unit['entries']), 1), PIECE):
        yield start, os.path.join(folder, f'{unit["key"]}-{start // PIECE}.json')


def _write(path: str, data: Any) -> None:
    new = f'{path}.{os.getpid()}.new'
    with open(new, 'w', encoding='utf-8') as stream:
        json.dump(data, stream)
    os.replace(new, path)


_job: Dict[str, Any] = {}
_code: Any = None
_done: Any = None


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run(job: Dict[str, Any]) -> Iterable[int]:
    """Look at everything; yields how many entries are done."""
    global _code, _done
    _job.update(job)
    place = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'fingerprint.py')
    spec = importlib.util.spec_from_file_location('lumi_hooks_fingerprint', place)
    assert spec and spec.loader
    fingerprint = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fingerprint)
    kept = os.path.join(job['cache'], 'code.json')
    known = json.loads(read(kept) or b'{}')
    number = len(known)
    _code = fingerprint.Code(job['library'], job['plugins'], job['framework'], job['easyblocks'], known)
    # made before there are several processes
    for what in ('hooks', 'framework', 'everything'):
        _known[what,] = getattr(_code, what)()
    if len(known) > number:
        _write(kept, known)
    _done = multiprocessing.Value('q', 0)
    context = multiprocessing.get_context('fork')
    pool = context.Pool(max(1, min(job['jobs'], len(job['units']))), _begin)
    try:
        waiting = pool.map_async(_unit, range(len(job['units'])), 1)
        while not waiting.ready():
            waiting.wait(0.2)
            yield _done.value
        waiting.get()
        pool.close()
    finally:
        pool.terminate()
        pool.join()


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
