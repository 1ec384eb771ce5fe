# SPDX-License-Identifier: GPL-2.0-only
"""What a plan costs: modules, space, files, known giants; and why a module is in it."""
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ..index import Index
from ..record.experience import Estimate
from ..releases import library_versions
from ..schemas import checked
from ..site import Site
from .together import only_built_with
from .verdict import BUILD

if TYPE_CHECKING:
    from . import Node, Plan

# a small plan needs no note on what is most of it
_WORTH_A_NOTE = 6


@dataclass(frozen=True)
class Cost:
    """
    What a plan takes. `bytes` and `inodes` of all that is built; `estimated` of the modules by no record of an earlier
    installation; `for_building` are the modules that builds alone load; `giants` the known large ones; `most` the
    dependency that alone brings in more than half of the modules, and how many.
    """
    modules: int
    bytes: int
    inodes: int
    estimated: int
    for_building: Tuple[str, ...]
    giants: Tuple[str, ...]
    most: Optional[Tuple[str, int]]

    def as_json(self) -> Dict[str, Any]:
        """As plain data."""
        return {'modules': self.modules, 'bytes': self.bytes, 'inodes': self.inodes, 'estimated': self.estimated,
                'for_building': list(self.for_building), 'giants': list(self.giants),
                'most': {'module': self.most[0], 'modules': self.most[1]} if self.most else None}


def size_of(name: str, known: Optional[Estimate]) -> Tuple[int, int]:
    """
    Bytes and inodes of an installation: by the record of an earlier one, else by what sizes.json says of the software.

    :param known: what records say
    """
    facts = checked('sizes.json')
    other = {**facts['known'], **facts['giants']}.get(name, facts['other'])
    return (known.bytes if known and known.bytes is not None else other['bytes'],
            known.inodes if known and known.inodes is not None else other['inodes'])


def cost(plan: 'Plan', expected: Mapping[str, Optional[Estimate]]) -> Cost:
    """
    What a plan takes.

    :param expected: by module what records of earlier installations say
    """
    build, giants = plan.of(BUILD), checked('sizes.json')['giants']
    known = [expected.get(node.module) for node in build]
    sizes = [size_of(node.name, found) for node, found in zip(build, known)]
    tools = only_built_with(plan.nodes)
    return Cost(len(build), sum(size for size, _ in sizes), sum(inodes for _, inodes in sizes),
                sum(found is None or found.bytes is None for found in known),
                tuple(node.module for node in build if node.module in tools),
                tuple(node.module for node in build if node.name in giants), _most(plan))


def chain(plan: 'Plan', wanted: str) -> List[str]:
    """
    The shortest chain of modules from one that was asked for to a module; empty where the plan does not hold it.

    :param wanted: full name of a module, or name of a software
    """
    nodes = {node.module: node for node in plan.nodes}
    found = deque([[target] for target in plan.targets])
    seen = set(plan.targets)
    while found:
        path = found.popleft()
        node = nodes.get(path[-1])
        if wanted in (path[-1], node.name if node else ''):
            return path
        for module in node.dependencies if node else ():
            if module not in seen:
                seen.add(module)
                found.append([*path, module])
    return []


def _most(plan: 'Plan') -> Optional[Tuple[str, int]]:
    """The dependency of what was asked for without which more than half of what is built would not be needed."""
    nodes = {node.module: node for node in plan.nodes}
    build = {node.module for node in plan.of(BUILD)}
    direct = dict.fromkeys(module for target in plan.targets if target in nodes
                           for module in nodes[target].dependencies if module in build)
    brings = {module: len(build) - len(build & _reached(nodes, plan.targets, module)) for module in direct}
    most = max(brings, key=lambda module: brings[module], default=None)
    if most is None or len(build) < _WORTH_A_NOTE or 2 * brings[most] <= len(build):
        return None
    return most, brings[most]


def _reached(nodes: Mapping[str, 'Node'], targets: Sequence[str], without: str) -> Set[str]:
    """All modules of a plan that are needed without one of them."""
    seen: Set[str] = set()
    todo = list(targets)
    while todo:
        module = todo.pop()
        if module not in seen and module != without and module in nodes:
            seen.add(module)
            todo.extend(nodes[module].dependencies)
    return seen


class FullStack(Index):
    """What exists already, and every library of LUMI's version table of a release."""

    def __init__(self, site: Site):
        super().__init__(site.index.modulepath, site.index.recipes, site.index.upstream)
        self._tail = f'-{site.toolchain}-{site.toolchain_version}'
        self._table = library_versions(site.release.name)

    def modules(self, name: str) -> Dict[str, str]:
        """Installed modules of one software, those of the table without a file of theirs."""
        table = {f'{version}{self._tail}': '' for version in self._table.get(name, ())}
        return {**{version: f'{name}/{version}' for version in table}, **super().modules(name)}


def on_full_stack(paths: Sequence[str], site: Site) -> int:
    """
    How many modules the same recipes would take where every library of LUMI's version table is installed.

    :raises RecipeError: one of them can't be read
    """
    from . import make_plan
    full = replace(site, index=FullStack(site))
    return len(make_plan(paths, full).of(BUILD))
