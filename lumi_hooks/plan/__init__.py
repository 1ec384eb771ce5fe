# SPDX-License-Identifier: GPL-2.0-only
"""
The closed plan: everything that an installation needs, where it comes from, and why something can't be.

Nothing is built and no EasyConfig object is made: what `eb` would find is looked up in the site's index.
"""
import os
from dataclasses import dataclass, field, replace
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from .. import sites
from ..adapt import REFUSED as NOT_ADAPTED
from ..adapt import UNCHANGED
from ..catalogue import our_recipes
from ..dependency import SYSTEM, Dependency
from ..errors import RecipeError
from ..gpu import site_for_dependency
from ..index import Index
from ..packages import treatment
from ..prefix import closed, holder
from ..record.lost import lost
from ..schemas import checked
from ..selection import own_recipe, source_recipe
from ..site import Site, stack_version
from .outline import Block, Need, Outline, read_outline
from .pins import Pins
from .together import not_together, same_library
from .verdict import BUILD, CENTRAL, CRAY, INSTALLED, REASONS, REFUSED, STATUSES

__all__ = ['BUILD', 'CENTRAL', 'CRAY', 'INSTALLED', 'REASONS', 'REFUSED', 'STATUSES', 'Node', 'Plan', 'Planner',
           'make_plan']


@dataclass(frozen=True)
class Node:
    """
    One module of a plan.

    `dependencies` are the modules that it needs, `build_only` those of them that only its build needs. `recipe` is
    the name of the recipe that EasyBuild installs, `source` the path of the recipe that it is made of (None where
    nothing is installed). `builds` counts the modules that have to be built for it, itself included, and `giants` names
    the large ones among them (sizes.json).
    """
    name: str
    module: str
    status: str
    reason: str
    recipe: Optional[str] = None
    source: Optional[str] = None
    dependencies: Tuple[str, ...] = ()
    build_only: Tuple[str, ...] = ()
    blocks: Tuple[Block, ...] = ()
    outline: Optional[Outline] = None
    builds: int = 0
    giants: Tuple[str, ...] = ()

    @property
    def codes(self) -> Tuple[str, ...]:
        """Codes of all its refusals, the most telling first."""
        found = {block.code for block in self.blocks}
        return tuple(code for code in REASONS if code in found) + tuple(sorted(found.difference(REASONS)))


@dataclass(frozen=True)
class Plan:
    """A plan: its nodes, dependencies first; the modules that were asked for; what to know before building."""
    site: Site
    nodes: Tuple[Node, ...]
    targets: Tuple[str, ...]
    warnings: Tuple[str, ...] = field(default=())

    def of(self, status: str) -> Tuple[Node, ...]:
        """The nodes of one status."""
        return tuple(node for node in self.nodes if node.status == status)

    @property
    def refused(self) -> bool:
        """Is something refused that was asked for?"""
        return any(node.status == REFUSED and node.module in self.targets for node in self.nodes)


def make_plan(paths: Sequence[str], site: Site) -> Plan:
    """
    The plan for recipes that are to be installed together.

    :param paths: paths of recipes
    :raises RecipeError: one of them can't be read
    """
    planner, targets, warnings = Planner(site), [], []
    for path in paths:
        found = planner.asked(path)
        same = planner.given.setdefault(found.module, found)
        if same is not found and os.path.realpath(same.path) != os.path.realpath(found.path):
            warnings.append(f'{os.path.basename(same.path)} and {os.path.basename(found.path)} both become '
                            f'{found.module}: only the first is installed')
        targets.append(found.module)
    for module in dict.fromkeys(targets):
        planner.visit(planner.given[module])
    nodes = planner.judged()
    warnings.extend(planner.vouched())
    warnings.extend(planner.pins.unproven([node.module for node in nodes if node.status == CRAY]))
    warnings.extend(not_together(nodes, site))
    warnings.extend(said for node in nodes if node.status == BUILD for said in [lost(node.module, site)] if said)
    warnings.extend(closed.sentences(site.prefixes, stack_version(site), site.partition))
    return Plan(site, nodes, tuple(dict.fromkeys(targets)), tuple(warnings))


class Planner:
    """
    Plans at one site. Each module is looked at once, however many recipes need it.

    :param read: gives the outline of a recipe file
    """

    def __init__(self, site: Site, read: Callable[[str, Site], Outline] = read_outline):
        self.site, self.read = site, read
        self.nodes: Dict[str, Node] = {}
        self.given: Dict[str, Outline] = {}
        self.pins = Pins(site)
        # what is loaded with a module: name -> module
        self._run: Dict[str, Dict[str, str]] = {}
        # everything in a module's plan
        self._all: Dict[str, int] = {}
        self._places: Dict[str, int] = {}
        self._to_build = 0
        # of those to build, the large ones: name -> the same kind of set
        self._giants = dict.fromkeys(checked('sizes.json')['giants'], 0)
        # modules of the Cray PE that the release data does not know
        self._doubts: Dict[str, Block] = {}
        # what is no refusal, as LUMI's own recipe does it
        self._remarks: List[str] = []
        ours = our_recipes()
        self._ours = Index((), [ours] if ours else [])

    def asked(self, path: str) -> Outline:
        """
        The outline of a recipe that is asked for; where LUMI or the user has a recipe of the same module name, that
        one's.

        :raises RecipeError: it can't be read
        """
        found = self.read(path, self.site)
        if found.status in (NOT_ADAPTED, UNCHANGED):
            return found
        own = own_recipe(found.name, found.version, found.versionsuffix, self.site.on(found.toolchain))
        return self.read(own, self.site) if own else found

    def stands(self, outline: Outline) -> bool:
        """Is this the recipe that the robot takes for its module when something else needs it?"""
        need = Dependency(outline.name, outline.version, outline.versionsuffix)
        path = self._system_recipe(outline.name, outline.filename) if outline.upstream[0] == 'system' \
            else self._recipe(need, site_for_dependency(need, self.site, outline.toolchain))
        return path is not None and os.path.realpath(path) == os.path.realpath(outline.path)

    def visit(self, outline: Outline) -> Node:
        """The node of a recipe; everything that it needs becomes a node too."""
        if outline.module not in self.nodes:
            self._walk(self._opened(outline.module, outline))
        return self.nodes[outline.module]

    def look(self, outline: Outline) -> Node:
        """
        The node of a recipe that nothing else is planned with: it is not kept, but what it needs is. Another recipe
        may stand for the same module.
        """
        if self.stands(outline):
            return self.visit(outline)
        frame = self._opened(outline.module, outline)
        frame.keep = False
        for need in frame.needs:
            if need.module not in self.nodes:
                self._walk(self._open(need))
        return self._closed(frame)

    def judged(self) -> Tuple[Node, ...]:
        """All nodes, dependencies first; a module of the Cray PE is refused where a recipe is refused for it."""
        refused = {block for node in self.nodes.values() for block in node.blocks}
        return tuple(replace(node, status=REFUSED, blocks=(self._doubts[node.module],))
                     if self._doubts.get(node.module) in refused else node for node in self.nodes.values())

    def vouched(self) -> Iterator[str]:
        """What the plan takes LUMI's word for; sentences."""
        yield from self._remarks
        refused = {block for node in self.nodes.values() for block in node.blocks}
        for doubt in self._doubts.values():
            if doubt not in refused:
                loader = next(node.module for node in self.nodes.values() if doubt.module in node.dependencies)
                yield f'{self.pins.whose} of {loader} loads {doubt.module}, so it is taken to be there: {doubt.reason}'

    def _walk(self, first: '_Frame') -> None:
        """Depth first, without recursion: chains of dependencies may be long."""
        stack = [first]
        while stack:
            frame = stack[-1]
            need = next((item for item in frame.needs
                         if item.module not in self.nodes and item.module not in frame.closed_circle), None)
            if need is None:
                stack.pop()
                self.nodes[frame.module] = self._closed(frame)
            elif any(item.module == need.module for item in stack):
                chain = [item.module for item in stack]
                chain = chain[chain.index(need.module):] + [need.module]
                frame.blocks.append(Block('circle', need.dependency.name, frame.module,
                                          'its dependencies lead back to itself: ' + ' → '.join(chain)))
                frame.closed_circle.add(need.module)
            else:
                stack.append(self._open(need))

    def _open(self, need: Need) -> '_Frame':
        """The beginning of a node: where it comes from, and what it needs in turn."""
        if need.module in self.given:
            return self._opened(need.module, self.given[need.module])
        dependency = need.dependency
        if dependency.external:
            problem = self.pins.problem(dependency)
            frame = _Frame(dependency.name, need.module, CRAY, 'a module of the Cray PE or of the system')
            if problem:
                # whether it is refused is up to the recipe that loads it
                frame.reason = problem
                self._doubts[need.module] = Block('cray-module', dependency.name, need.module, problem)
            frame.loads = self.pins.loaded(dependency)
            return frame
        there = self._there(dependency.name, need.module)
        if there:
            return there
        if need.stack and not self.site.index.modulepath:
            return _Frame(dependency.name, need.module, CENTRAL, 'the release\'s central stack holds it (not checked: '
                          'that stack is not loaded here)')
        path = self._found(need)
        if path is None:
            file = f'{dependency.name}-{need.module[len(dependency.name) + 1:]}.eb'
            reason = f'there is no recipe {file}, and none to derive it from: write one, or take another version of ' \
                     'what needs it'
            return _Frame(dependency.name, need.module, BUILD, reason, file,
                          blocks=[Block('no-recipe', dependency.name, need.module, reason)])
        try:
            found = self.read(path, site_for_dependency(dependency, self.site, (dependency.toolchain or SYSTEM)[0]))
        except RecipeError as err:
            return _Frame(dependency.name, need.module, BUILD, str(err), os.path.basename(path), path,
                          blocks=[Block('unreadable', dependency.name, need.module, str(err))])
        frame = self._opened(need.module, found)
        if found.module != need.module and frame.outline:
            frame.blocks.append(self._other(need, found))
        return frame

    def _other(self, need: Need, found: Outline) -> Block:
        """The refusal for a recipe that does not become what is needed: `eb` stops there too."""
        name, version = need.dependency.toolchain or SYSTEM
        source = os.path.basename(found.path)
        if self._is_cpe((name, version)):
            return Block('no-recipe', need.dependency.name, need.module, f'{source} becomes {found.module} here, and '
                         f'there is no other recipe for {need.module}')
        return Block('toolchain', f'{name}/{version}', need.module, 'nothing is installed for upstream\'s own '
                     f'toolchain {name}/{version} here: {source} becomes {found.module}, not what is asked for')

    def _opened(self, module: str, outline: Outline) -> '_Frame':
        """The beginning of the node of a recipe."""
        there = self._there(outline.name, module)
        if there:
            return there
        frame = _Frame(outline.name, module, BUILD, outline.reason, outline.filename, outline.path, outline.needs,
                       list(outline.blocks), outline)
        if outline.status == UNCHANGED and outline.upstream[0] != 'system':
            frame.reason = f'{sites.name()} or you have a recipe for it: {outline.reason}'
        return frame

    def _there(self, name: str, module: str) -> Optional['_Frame']:
        """The node of an installed module, None where it is not installed."""
        path = self.site.index.module_file(module)
        if not path:
            return None
        return _Frame(name, module, INSTALLED if holder(path, self.site.prefixes) else CENTRAL, path)

    def _found(self, need: Need) -> Optional[str]:
        """Path of the recipe that EasyBuild's robot would take."""
        dependency = need.dependency
        if dependency.toolchain == SYSTEM:
            return self._system_recipe(dependency.name, f'{need.module.replace("/", "-", 1)}.eb')
        if dependency.toolchain and self._is_cpe(dependency.toolchain):
            return self._recipe(dependency, site_for_dependency(dependency, self.site, dependency.toolchain[0]))
        file = f'{need.module.replace("/", "-", 1)}.eb'
        return self.site.index.recipe(dependency.name, file) or next(
            (source.path for source in self.site.index.sources(dependency.name)
             if os.path.basename(source.path) == file), None)

    def _is_cpe(self, toolchain: Tuple[str, str]) -> bool:
        """Is it a toolchain that the site has in its release?"""
        return toolchain[0] in self.site.partition_facts['toolchains'] \
            and toolchain[1] == self.site.toolchain_version

    def _recipe(self, dependency: Dependency, site: Site) -> Optional[str]:
        """The recipe that stands for a dependency on a toolchain of the site."""
        name, version, suffix = dependency.name, dependency.version, dependency.versionsuffix
        own = own_recipe(name, version, suffix, site)
        if own:
            return own
        source = source_recipe(name, version, suffix, site)
        if source:
            return source.path
        return self._ours.recipe(name, f'{name}-{version}-{site.toolchain}-{site.toolchain_version}{suffix}.eb')

    def _system_recipe(self, name: str, file: str) -> Optional[str]:
        """The recipe of a file name in the order of the robot path: LUMI's and the user's, ours, upstream's."""
        return self.site.index.recipe(name, file) or self._ours.recipe(name, file) or next(
            (source.path for source in self.site.index.sources(name) if os.path.basename(source.path) == file), None)

    def _closed(self, frame: '_Frame') -> Node:
        """The node, once everything that it needs has one."""
        blocks = list(frame.blocks)
        # what is missing there is the end of a circle, which is refused already
        children = [(need, self.nodes[need.module]) for need in frame.needs if need.module in self.nodes]
        everything = self._bit(frame.module) | _union(self._all[need.module] for need, _ in children)
        together = list(self._together(frame, [need for need, _ in children]))
        if together and self.pins.lumis(frame.source or ''):
            # so it was installed: the module that is loaded last stays
            self._remarks.extend(f'{self.pins.whose} of {frame.module}: {block.reason}' for block in together)
        else:
            blocks.extend(together)
        for need, child in children:
            if not frame.keep and self._all[need.module] & self._bit(frame.module):
                blocks.append(Block('circle', frame.name, frame.module,
                                    f'its dependencies lead back to itself: {need.module} needs it too'))
            blocks.extend(child.blocks)
            doubt = self._doubts.get(need.module)
            if doubt and not self.pins.vouched(need.dependency, frame.source or ''):
                blocks.append(doubt)
        unique = tuple(dict.fromkeys(blocks))
        status = REFUSED if unique else frame.status
        reason = _why(frame.module, unique) if unique else frame.reason
        builds = everything & self._to_build | (self._bit(frame.module) if status == BUILD else 0)
        if status == BUILD and frame.name in self._giants:
            self._giants[frame.name] |= self._bit(frame.module)
        if frame.keep:
            self._all[frame.module] = everything
            self._to_build |= builds
        return Node(frame.name, frame.module, status, reason, frame.recipe, frame.source,
                    tuple(need.module for need, _ in children),
                    tuple(need.module for need, _ in children if need.build), unique, frame.outline,
                    bin(builds).count('1'), tuple(name for name, large in self._giants.items() if large & builds))

    def _together(self, frame: '_Frame', needs: Sequence[Need]) -> Iterator[Block]:
        """
        Refusals for modules of one name, and for MPIs, that would be loaded together: while it is built, or when it is
        loaded.

        What is loaded with `frame.module` is noted for those that need it.
        """
        loaded: Dict[str, Tuple[str, str]] = {}
        alias = frame.outline is not None and frame.outline.alias
        runs: Dict[str, str] = {} if alias else {frame.name: frame.loads}
        for need in needs:
            for name, module in self._run[need.module].items():
                first, by = loaded.setdefault(name, (module, need.module))
                if first != module and same_library(first) != same_library(module):
                    yield Block('two-versions', name, frame.module, 'its build loads two modules of one name, which '
                                f'unload each other: {_with(first, by)} and {_with(module, need.module)}')
                found = None if need.build else treatment(name)
                if found and found.uses == 'mpi' and f'-{self.site.toolchain}-' in frame.module:
                    yield Block('two-mpis', name, frame.module, f'it needs {_with(module, need.module)}, and '
                                f'{self.site.toolchain} links Cray MPICH: two MPIs in one process end it')
                if not need.build and runs.setdefault(name, module) == frame.module != module:
                    yield Block('two-versions', name, frame.module, f'it needs {_with(module, need.module)} when it '
                                'is loaded, and two modules of one name unload each other')
        if frame.keep:
            self._run[frame.module] = runs

    def _bit(self, module: str) -> int:
        """A module's place in a set of modules that is kept as a number: sets of thousands stay small."""
        return 1 << self._places.setdefault(module, len(self._places))


class _Frame:
    """A node that is being made."""

    def __init__(self, name: str, module: str, status: str, reason: str, recipe: Optional[str] = None,
                 source: Optional[str] = None, needs: Tuple[Need, ...] = (), blocks: Optional[List[Block]] = None,
                 outline: Optional[Outline] = None):
        self.name, self.module, self.status, self.reason = name, module, status, reason
        self.recipe, self.source, self.needs, self.outline = recipe, source, needs, outline
        self.blocks: List[Block] = list(blocks or ())
        # the module under the name that it is loaded by
        self.loads = module
        self.closed_circle: Set[str] = set()
        # False for a recipe that does not stand for its module
        self.keep = True


def _union(sets: Iterable[int]) -> int:
    found = 0
    for item in sets:
        found |= item
    return found


def _with(module: str, loader: str) -> str:
    """A module with the one that loads it, where that is another one."""
    return module if module == loader else f'{module} (with {loader})'


def _why(module: str, blocks: Sequence[Block]) -> str:
    """Why something is refused: its own reasons, then those of what it needs."""
    own = [block.reason for block in blocks if block.module == module]
    others = [f'it needs {block.module}: {block.reason}' for block in blocks if block.module != module]
    shown = (own + others)[:3]
    rest = len(own) + len(others) - len(shown)
    return '; '.join(dict.fromkeys(shown)) + (f'; and {rest} more' if rest else '')
