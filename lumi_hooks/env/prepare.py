# SPDX-License-Identifier: GPL-2.0-only
"""From a spec to what is going to be done: plan, lock, and the recipe of the next generation."""
import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .. import sites
from ..errors import DataError, LumiHooksError, SiteError
from ..files import write_atomic
from ..finding import all_software
from ..plan import Plan, make_plan
from ..site import Site, is_lumi
from . import generations, wheels
from .carried import carried, program
from .lock import differences, make_lock
from .recipe import recipe_text
from .resolve import Look, Part, closure, conflicts, interpreter, needs, recipes, uses_cray_mpi
from .spec import Content, Spec


@dataclass(frozen=True)
class Prepared:
    """What a spec was resolved to: its lock, the recipes of its parts, and the plan for them."""
    spec: Spec
    lock: Dict[str, Any]
    plan: Plan
    paths: Tuple[str, ...]
    # the newest generation that is the same, and what differs from the one that is loaded
    same: Optional[generations.Generation] = None
    changes: Tuple[str, ...] = field(default=())


def check_place(spec: Spec, site: Site) -> None:
    """
    Is the spec for the release and partition that are loaded, and is its name free?

    :raises LumiHooksError: it is not
    """
    if spec.release and spec.release != site.release.name:
        raise SiteError(f'{spec.at("release")}: release: {spec.name} is for release {spec.release}, and '
                        f'{site.release.name} is {"loaded" if is_lumi() else "meant"}: load {spec.release}')
    if spec.partitions and site.partition not in spec.partitions:
        raise SiteError(f'{spec.at("partitions")}: partitions: {spec.name} is for {", ".join(spec.partitions)}, and '
                        f'{site.partition} is {"loaded" if is_lumi() else "meant"}: load one of these')
    if spec.name in all_software(site.index) and not generations.generations(spec.name, site) \
            and any(not version.isdecimal() for version in site.index.modules(spec.name)) \
            or site.index.sources(spec.name):
        raise DataError(f'{spec.at("name")}: name: {spec.name} is the name of a software, whose modules an environment '
                        'would hide: take another name')


def prepare(spec: Spec, site: Site, look: Look, locked: Optional[Mapping[str, Any]] = None) -> Prepared:
    """
    Resolve a spec.

    :param look: gives the path of the recipe for what was typed
    :param locked: take what this lock says
    :raises LumiHooksError: a line for each thing that is wrong
    """
    parts: Dict[str, Part] = {}
    plans: List[Plan] = []
    problems: List[str] = []
    contents = {'': spec.content, **spec.steps}
    for name, content in contents.items():
        place = ('steps', name) if name else ()
        if locked:
            content, look_here = _as_locked(spec, name, content, locked, look)
        else:
            look_here = look
        paths, modules = recipes(spec, content, place, look_here, site)
        plan = make_plan(paths, site)
        plans.append(plan)
        loads = needs(plan)
        part = _part([*modules, *plan.targets], loads)
        if content.python:
            # sources are built with the compilers' wrappers
            more = [] if interpreter(part) else [site.cray['cray-python'].full_name]
            part = _part([f'{site.toolchain}/{site.toolchain_version}', *more, *part.targets], loads)
        parts[name] = part
        problems += [f'{spec.at(*place, "recipes")}: {text}'
                     for text in conflicts(part, loads, site, uses_cray_mpi(plan))]
    if problems:
        raise DataError('\n'.join(problems))
    plan = _joined(plans)
    pythons = {name: interpreter(part) if contents[name].python else None for name, part in parts.items()}
    pins = {name: _pins(contents[name], name, parts[name], pythons[name] or '', plan, locked)
            for name in parts if contents[name].python and not plan.refused}
    lock = make_lock(spec, plan, parts[''], {name: parts[name] for name in spec.steps}, pins, pythons)
    if locked:
        wrong = differences(locked, lock)
        if wrong and not plan.refused:
            raise LumiHooksError('what is resolved here is not what the lock says:\n' + '\n'.join(wrong))
    known = generations.generations(spec.name, site)
    same = next((item for item in reversed(known) if not differences(item.lock, lock)), None)
    loaded = next((item for item in known if item.default), None)
    given = dict.fromkeys(node.source for node in plan.nodes if node.module in plan.targets and node.source)
    return Prepared(spec, lock, plan, tuple(path for path in given if path), same if same in known[-1:] else None,
                    tuple(differences(loaded.lock, lock)) if loaded else ())


def _part(targets: Sequence[str], loads: Mapping[str, Sequence[str]]) -> Part:
    return Part(tuple(dict.fromkeys(targets)), closure(targets, loads))


def _joined(plans: Sequence[Plan]) -> Plan:
    """One plan of several: each step's is made by itself, as it is never loaded together with another one."""
    nodes = {node.module: node for plan in plans for node in plan.nodes}
    targets = dict.fromkeys(module for plan in plans for module in plan.targets)
    return Plan(plans[0].site, tuple(nodes.values()), tuple(targets),
                tuple(dict.fromkeys(text for plan in plans for text in plan.warnings)))


def _as_locked(spec: Spec, name: str, content: Content, locked: Mapping[str, Any], look: Look) -> Tuple[Content, Look]:
    """
    The content as a lock has it: the very recipes that it names.

    :raises LumiHooksError: the spec asks for something else
    """
    item = locked['steps'].get(name) if name else locked
    asked = [os.path.basename(one) if os.path.isabs(one) else one for one in content.recipes]
    if item is None or item['asked'] != asked or item['python']['requirements'] != list(content.python):
        raise LumiHooksError(f'{spec.path} was changed since its lock was written: leave --locked out')
    modules = {one['module']: one for one in locked['modules']}
    targets = [modules[one] for one in item['targets'] if one in modules]
    names = [one['module'] if one['external'] else one['source'] or f'{one["module"].replace("/", "-", 1)}.eb'
             for one in targets if not (one['name'] == 'cray-python' and 'cray-python' not in ' '.join(asked))]

    def exactly(what: str) -> str:
        beside = os.path.join(os.path.dirname(os.path.abspath(spec.path)), what)
        return beside if os.path.isfile(beside) else look(what)
    return Content(tuple(names), content.python, content.variables, content.commands), exactly


def _pins(content: Content, name: str, part: Part, python: str, plan: Plan,
          locked: Optional[Mapping[str, Any]]) -> Sequence[Any]:
    """The Python packages of an environment or a step, locked; see wheels.py."""
    if locked:
        item = locked['steps'][name] if name else locked
        return [wheels.Pin(**pin) for pin in item['python']['pins']]
    return wheels.resolve(content.python, program(python), carried(part, python, plan), archives())


def archives() -> str:
    """The user's folder of archives of Python packages: $XDG_CACHE_HOME or ~/.cache, lumi-hooks/wheels."""
    base = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    return os.path.join(base, 'lumi-hooks', 'wheels')


def fetched(prepared: Prepared, site: Site) -> Dict[str, str]:
    """
    Fetch the Python packages, before `eb` builds without a network; the variable that says to it where they are.

    :raises LumiHooksError: one can't be had, or is not what was locked
    """
    found: Dict[str, str] = {}
    for item in (prepared.lock, *prepared.lock['steps'].values()):
        if item['python']['pins']:
            wheels.fetch([wheels.Pin(**pin) for pin in item['python']['pins']], archives(),
                         program(item['python']['interpreter']))
            known = os.environ.get('EASYBUILD_SOURCEPATH') or os.path.join(site.prefix, 'sources')
            found['EASYBUILD_SOURCEPATH'] = f'{known}{os.pathsep}{archives()}'
    return found


@contextmanager
def recipe_of(prepared: Prepared, site: Site) -> Iterator[Tuple[str, int]]:
    """Path of the recipe of the next generation, for as long as `eb` runs, and the number of that generation."""
    number = generations.next_number(prepared.spec.name, site)
    with tempfile.TemporaryDirectory(prefix='lumi-eb-env-') as folder:
        path = os.path.join(folder, f'{prepared.spec.name}-{number}.eb')
        write_atomic(path, recipe_text(number, prepared.lock,
                                       (os.path.basename(prepared.spec.path), prepared.spec.text)))
        yield path, number


def finished(prepared: Prepared, number: int, site: Site) -> generations.Generation:
    """
    `eb` has installed a generation: it becomes the default.

    :raises LumiHooksError: it is not there
    """
    site.index.refresh()
    found = next((item for item in generations.generations(prepared.spec.name, site) if item.number == number), None)
    if not found:
        raise LumiHooksError(f'{prepared.spec.name}/{number} was installed, but is not found in {site.prefix}: is '
                             f'{sites.said("stack", release=site.release.name)} still loaded?')
    if differences(found.lock, prepared.lock):
        raise LumiHooksError(f'somebody else has installed {found.module} meanwhile: the same command again installs '
                             'yours')
    generations.make_default(found)
    return found
