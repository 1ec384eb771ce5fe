# SPDX-License-Identifier: GPL-2.0-only
"""
The tasks of a rebuild: one a module and target, each with what has to be there first, and a key of all that goes into
it.

The order is that of our own plan, not of EasyBuild's parallelbuild.py: that one needs an EasyBuild session in which
every recipe is parsed, for one target, and knows nothing of what is built already.
"""
import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from .. import __version__, easybuilds, gpu, loaded, quote
from ..adapt import adapt
from ..change import Adaptation
from ..data import ROOT
from ..errors import LumiHooksError
from ..files import read_bytes
from ..index import Index
from ..plan import BUILD, REFUSED, Node, Planner
from ..plan.outline import read_outline
from ..prefix import module_folders
from ..recipe import patches_in_folder, read_recipe
from ..releases import load_toolchains
from ..site import Site, stack_version
from .wanted import Wanted

# what a task can be; the first three are still to come, the last three are done
WAITING, SUBMITTED, RUNNING = 'waiting', 'submitted', 'running'
FAILED, CANCELLED, LOST, BLOCKED, REFUSAL = 'failed', 'cancelled', 'lost', 'blocked', 'refused'
BUILT, SAME = 'built', 'same'
STATES = (WAITING, SUBMITTED, RUNNING, FAILED, CANCELLED, LOST, BLOCKED, REFUSAL, BUILT, SAME)
# it can go on with the same job, or another one
ACTIVE, OPEN = (SUBMITTED, RUNNING), (WAITING, SUBMITTED, RUNNING)


class Job(NamedTuple):
    """What is known of a job: its state in Slurm's words, why it is in it, and the token that it was started with."""
    state: str
    reason: str = ''
    token: str = ''


@dataclass
class Attempt:
    """
    One job of a task. `job` is empty until whoever starts jobs has given it a name of its own; times are seconds since
    1970, 0 where it did not come to that; `steps` are what it did: name, exit code, seconds.
    """
    number: int
    job: str = ''
    submitted: float = 0
    started: float = 0
    ended: float = 0
    host: str = ''
    state: str = SUBMITTED
    # was it built before, so that this job only looks at it?
    built: bool = False
    steps: List[List[Any]] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)


@dataclass
class Task:
    """
    A module that is to be built for a target. `asked`: it was asked for, and not only needed by what was; `needs` are
    names of other tasks; `key` is a digest of what goes into it; `error` is the first one of its log.
    """
    name: str
    module: str
    recipe: str
    release: str
    stack: str
    partition: str
    toolchain: str
    asked: bool
    why: str = ''
    change: str = ''
    needs: List[str] = field(default_factory=list)
    key: str = ''
    state: str = WAITING
    reason: str = ''
    # are its files and its module there, made of what `key` says?
    installed: bool = False
    error: Optional[Dict[str, Any]] = None
    attempts: List[Attempt] = field(default_factory=list)

    @property
    def target(self) -> str:
        """Release, partition and toolchain, for reading."""
        return ' '.join(filter(None, (self.release, self.partition, self.toolchain)))

    @property
    def last(self) -> Optional[Attempt]:
        """Its last job."""
        return self.attempts[-1] if self.attempts else None

    @property
    def seconds(self) -> float:
        """How long its last job ran; 0 where none did."""
        last = self.last
        return max(0.0, last.ended - last.started) if last and last.ended and last.started else 0.0


class _Again(Planner):
    """A planner to whom nothing that was asked for is installed: it is to be built again, after what it needs."""

    def _there(self, name: str, module: str):
        return None if module in self.given else super()._there(name, module)


def make_tasks(wanted: Sequence[Tuple[Wanted, str]], site: Site, tell: Callable[[str, Adaptation], None],
               noted: Callable[[str], str]) -> List[Task]:
    """
    The tasks for one target, what others need first.

    :param wanted: what was asked for, each with the path of its recipe
    :param tell: is told the name of each task, and what becomes of its recipe
    :param noted: gives the key of what is installed, by the name that its task would have; empty where it has none
    """
    planner = _Again(site)
    asked: Dict[str, Wanted] = {}
    refused: List[Task] = []
    for item, path in wanted:
        try:
            outline = planner.asked(path)
        except LumiHooksError as err:
            refused.append(refusal(item, path, site, str(err)))
            continue
        if item.module and outline.module != item.module:
            refused.append(refusal(item, path, site, f'{os.path.basename(path)} becomes {outline.module} here'))
            continue
        planner.given.setdefault(outline.module, outline)
        asked.setdefault(outline.module, item)
    for outline in list(planner.given.values()):
        planner.visit(outline)
    nodes = planner.judged()
    # what the robot finds for a name is in one of the prefixes, or of what is loaded
    folders = [folder for prefix in site.prefixes
               for folder in module_folders(prefix, stack_version(site), site.partition)]
    there = Index((*site.index.modulepath, *folders))
    found: Dict[str, Task] = {}
    owners: Dict[str, str] = {}  # a module that no recipe of its own builds -> the task that builds it on its way
    by_module = {node.module: node for node in nodes}
    for node in nodes:
        given = asked.get(node.module)
        if given and node.status == REFUSED:
            refused.append(refusal(given, node.source or given.recipe, site, node.reason, node.module))
        elif node.status == BUILD and node.source and (given or not there.module_file(node.module)
                                                       and _alone(node, site)):
            found[node.module] = _task(node, given, site, tell)
            found[node.module].needs = sorted(_needs(node, by_module, found, owners))
    for module, task in found.items():  # what it needs goes into it
        task.key = _digest([task.key, *(found[need].key if need in found else noted(task_name(site, need))
                                        for need in sorted(by_module[module].dependencies))])
    return [*refused, *found.values()]


def _needs(node: Node, nodes: Mapping[str, Node], found: Mapping[str, Task], owners: Dict[str, str]) -> Set[str]:
    """
    Names of the tasks that come before that of a node. What only its own `eb -r` builds belongs to the first task that
    needs it; the others wait for that one.
    """
    names: Set[str] = set()
    rest = list(node.dependencies)
    while rest:
        module = rest.pop()
        child = nodes.get(module)
        if module in found:
            if module != node.module:
                names.add(found[module].name)
        elif child is not None and child.status == BUILD:
            if owners.setdefault(module, node.module) != node.module:
                names.add(found[owners[module]].name)
            rest.extend(child.dependencies)
    return names


def _toolchain(node: Node) -> str:
    """Name of the toolchain of ours that it is built with; empty where it is another, or none."""
    name = node.outline.toolchain if node.outline else ''
    return name if name in load_toolchains()['toolchains'] else ''


def _alone(node: Node, site: Site) -> bool:
    """Does `eb` make this module of its recipe, where nothing else is asked for?"""
    name = _toolchain(node)
    try:
        return read_outline(node.source or '', site.on(name) if name else site).module == node.module
    except LumiHooksError:
        return False


def _task(node: Node, item: Optional[Wanted], site: Site, tell: Callable[[str, Adaptation], None]) -> Task:
    toolchain = _toolchain(node)
    recipe = read_recipe(node.source or '')
    found = adapt(recipe, site.on(toolchain) if toolchain else site)
    # its values, not its text: a comment changes nothing
    text = repr(sorted(found.parameters.items()))
    parts = [site.release.name, site.partition, node.module, text, *_builders(),
             *map(_digest_of, (*patches_in_folder(recipe), *found.patches))]
    name = task_name(site, node.module)
    tell(name, found)
    return Task(name, node.module, node.source or '', site.release.name, stack_version(site),
                site.partition, toolchain, item is not None, item.why if item else '', item.change if item else '',
                key=_digest(parts))


def task_name(site: Site, module: str) -> str:
    """
    Name of a task, which is that of a file too.

    :raises ValueError: it can't be the name of a module
    """
    return f'{site.release.name}-{site.partition}-{quote.module(module).replace("/", "-")}'


def refusal(item: Wanted, path: str, site: Site, reason: str, module: str = '') -> Task:
    """A task for what can't be built."""
    module = module or item.module or os.path.basename(path)
    name = f'{site.release.name}-{site.partition}-{re.sub("[^A-Za-z0-9._+~-]", "-", module)}'
    return Task(name, module, path, site.release.name, stack_version(site), site.partition, item.toolchain, True,
                item.why, item.change, state=REFUSAL, reason=reason)


def uses_gpu(task: Task) -> bool:
    """Is it a variant for GPUs?"""
    return gpu.split_suffix(task.module)[1] == gpu.ROCM


@lru_cache(maxsize=None)
def _builders() -> Tuple[str, ...]:
    """Digests of what builds: EasyBuild, and our easyblocks, toolchains and hooks of builds."""
    versions = [easybuilds.version(root, part) or '' for root in loaded.roots() for part in ('framework', 'easyblocks')]
    clone = os.path.dirname(ROOT)
    files = sorted(os.path.join(folder, name) for top in (os.path.join(clone, 'easyblocks'),
                                                          os.path.join(clone, 'toolchains'),
                                                          os.path.join(ROOT, 'eb'))
                   for folder, _, names in os.walk(top) for name in names if name.endswith('.py'))
    return (__version__, *versions, _digest(list(map(_digest_of, files))))


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()


def _digest_of(path: str) -> str:
    try:
        return hashlib.sha256(read_bytes(path)).hexdigest()
    except OSError as err:
        raise LumiHooksError(f'{path} cannot be read: {err.strerror}') from err
