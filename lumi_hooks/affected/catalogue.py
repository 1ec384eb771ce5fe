# SPDX-License-Identifier: GPL-2.0-only
"""
A catalogue: what a site offers, as one easystack of EasyBuild's for each release, partition and compiler.

`eb --easystack` reads such a file as it is. Its place says what it is for: <release>/<toolchain>-<partition>.yaml. It
lists what was asked for, in build order; what these need follows from the recipes (`--robot`).
"""
import json
import os
from dataclasses import dataclass, replace
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from ..errors import LumiHooksError, RecipeError, SiteError
from ..files import names_in, write_atomic
from ..finding import find_recipe
from ..index import Index
from ..plan import REFUSED, Node, Planner
from ..site import Site, make_site

ENDING = '.yaml'


@dataclass(frozen=True, order=True)
class Target:
    """What a file of a catalogue is for."""
    release: str
    toolchain: str
    partition: str

    @property
    def file(self) -> str:
        """Its place in the folder of a catalogue."""
        return os.path.join(self.release, f'{self.toolchain}-{self.partition}{ENDING}')

    def __str__(self) -> str:
        return f'{self.toolchain}/{self.release} on partition {self.partition}'


class Entry(NamedTuple):
    """A recipe's file name, and the options of eb that are given for it alone."""
    recipe: str
    options: Optional[Mapping[str, Any]] = None


def files(folder: str) -> Dict[Target, str]:
    """
    The files of a catalogue, sorted by what they are for. Other files, and folders that begin with a dot, are passed
    over; a file with the ending of an easystack has to say what it is for.

    :raises LumiHooksError: there is no such folder, or a file's place does not say what it is for
    """
    if not os.path.isdir(folder):
        raise LumiHooksError(f'there is no catalogue {folder}: "lumi-eb catalogue write {folder} RECIPE …" makes one')
    found: Dict[Target, str] = {}
    for release in sorted(names_in(folder)):
        inside = os.path.join(folder, release)
        if release.endswith((ENDING, '.yml')):
            raise LumiHooksError(f'{inside} belongs into a folder named after its release: move it there')
        for name in sorted(names_in(inside)) if os.path.isdir(inside) and not release.startswith('.') else ():
            toolchain, dash, partition = name[:-len(ENDING)].partition('-')
            if name.endswith('.yml') or name.endswith(ENDING) and not dash:
                raise LumiHooksError(f'{os.path.join(inside, name)}: call it TOOLCHAIN-PARTITION{ENDING}')
            if name.endswith(ENDING):
                found[Target(release, toolchain, partition)] = os.path.join(inside, name)
    return found


def entries(path: str) -> List[Entry]:
    """
    What a file lists, read by EasyBuild's own reader of easystacks.

    :raises LumiHooksError: EasyBuild can't read it
    """
    from easybuild.framework.easystack import parse_easystack
    from easybuild.tools.build_log import EasyBuildError
    try:
        return [Entry(*pair) for pair in parse_easystack(path).ec_opt_tuples]
    # EasyBuild's reader looks into whatever the file holds
    except (EasyBuildError, TypeError, AttributeError, ValueError) as err:
        reason = ' '.join(str(err).strip("'").split())
        raise LumiHooksError(f'{path} cannot be read as an easystack: {reason[:300]}') from err


def text(target: Target, listed: Iterable[Entry]) -> str:
    """The text of a file. Values are written as JSON, which is YAML; so no name is read as a number."""
    lines = [f'# What is offered for {target}.',
             f'# Written by "lumi-eb catalogue write"; install it with LUMI_HOOKS_TOOLCHAIN={target.toolchain} set: '
             'eb --easystack FILE --robot',
             'easyconfigs:']
    for entry in listed:
        name = json.dumps(entry.recipe)
        lines += [f'  - {name}:', f'      options: {json.dumps(entry.options)}'] if entry.options else [f'  - {name}']
    # an empty list has a notation of its own
    return '\n'.join(lines if len(lines) > 3 else [*lines[:2], f'{lines[2]} []']) + '\n'


def site_of(target: Target, base: Site) -> Site:
    """
    The site of a file: that of a command, with the file's release, partition and toolchain. What is installed plays no
    part: a catalogue says what can be.

    :raises SiteError: one of them is unknown, or the partition lacks the toolchain
    """
    found = make_site(target.release, target.partition, target.toolchain, base.mode)
    return replace(found, index=Index((), base.index.recipes, base.index.upstream), overrides=base.overrides,
                   prefixes=base.prefixes)


class Planned(NamedTuple):
    """An entry with its plan; `problem` says why there is none."""
    entry: Entry
    node: Optional[Node]
    problem: str = ''


def planned(listed: Sequence[Entry], site: Site, folders: Sequence[str]) -> Tuple[List[Planned], List[str]]:
    """
    Entries with their plans, as they are listed, and the modules that they become in build order.

    :param folders: where their recipes are looked for
    """
    planner, found = Planner(site), []
    for entry in listed:
        try:
            node = planner.look(planner.asked(find_recipe(entry.recipe, folders)))
            found.append(Planned(entry, node, node.reason if node.status == REFUSED else ''))
        except RecipeError as err:
            found.append(Planned(entry, None, str(err)))
    return found, list(planner.nodes)


def in_build_order(found: Sequence[Planned], order: Sequence[str]) -> List[Planned]:
    """The entries that have plans, dependencies before what needs them; one for each module."""
    place = {module: number for number, module in enumerate(order)}
    # one that stands for nobody's dependency comes after all that it needs
    ready = sorted((item for item in found if not item.problem), key=lambda item: _place(item.node, place))
    first: Dict[str, Planned] = {}
    for item in ready:
        assert item.node
        first.setdefault(item.node.module, item)
    return list(first.values())


def _place(node: Optional[Node], place: Mapping[str, int]) -> Tuple[int, str]:
    assert node
    own = place.get(node.module)
    return (own if own is not None else 1 + max((place[need] for need in node.dependencies), default=-1), node.module)


def problems(target: Target, path: str, base: Site, folders: Sequence[str]) -> Iterator[str]:
    """What is wrong with one file, one sentence each."""
    try:
        site, listed = site_of(target, base), entries(path)
    except (SiteError, LumiHooksError) as err:
        yield str(err)
        return
    found, _ = planned(listed, site, folders)
    seen: Set[str] = set()
    above: Dict[str, str] = {}
    listed_modules = {item.node.module for item in found if item.node}
    for recipe, node, problem in ((item.entry.recipe, item.node, item.problem) for item in found):
        if problem:
            yield f'{recipe}: {problem}'
        if recipe in seen:
            yield f'{recipe} is listed twice: remove one'
        elif node and node.module in above:
            yield f'{recipe} and {above[node.module]} both become {node.module}: remove one'
        seen.add(recipe)
        if node:
            late = [need for need in node.dependencies if need in listed_modules and need not in above]
            if late:
                yield f'{recipe} is listed above {late[0]}, which it needs: "lumi-eb catalogue write" puts it in order'
            above.setdefault(node.module, recipe)


def write(folder: str, target: Target, new: Sequence[str], base: Site, folders: Sequence[str]) -> List[Planned]:
    """
    Add recipes to the file of a target, and put it in build order. What is refused, or is listed already, is left out.

    :param new: paths or file names of recipes
    :return: the entries that have no plan, which are left out, and why
    :raises LumiHooksError: the file is there and can't be read, or can't be written
    """
    path = os.path.join(folder, target.file)
    listed = entries(path) if os.path.exists(path) else []
    known = {entry.recipe for entry in listed}
    paths = {os.path.basename(name): name for name in new}
    listed += [Entry(name) for name in paths if name not in known]
    # one that was given by its path has to be on the robot path, or eb does not find it
    found, order = planned(listed, site_of(target, base), folders)
    contents = text(target, (item.entry for item in in_build_order(found, order)))
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_atomic(path, contents)
    except OSError as err:
        raise LumiHooksError(f'{path} cannot be written: {err.strerror}') from err
    return [item for item in found if item.problem]
