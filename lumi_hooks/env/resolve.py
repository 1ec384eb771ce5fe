# SPDX-License-Identifier: GPL-2.0-only
"""
What a spec becomes at a site: the recipes that it names, their plan, all modules that are loaded in the end, and what
of these can't be loaded together.
"""
import os
from collections import deque
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from .. import quote
from ..adapt import adapt
from ..change import Adaptation
from ..dependency import Dependency
from ..errors import DataError, LumiHooksError
from ..gpu import site_for_dependency
from ..mpi import uses_mpi
from ..packages import members
from ..plan import BUILD, Node, Plan
from ..plan.together import same_library
from ..recipe import read_recipe
from ..record.removable import needs_of
from ..releases import load_toolchains
from ..site import Site
from . import text
from .spec import Content, Spec

# answers for the recipe that is meant: name as it was typed -> path
Look = Callable[[str], str]
# options of an easystack's entries that say what an environment does anyway, and what to do instead of some others
_DONE_ANYWAY = ('robot', 'enforce-checksums')
_COPY_IT = 'copy that recipe next to the file, and name the copy'
_INSTEAD = {'robot': 'name folders of recipes in LUMI_HOOKS_OVERRIDES or in "overrides" (docs/prefixes.md)',
            'enforce-checksums': 'checksums are enforced; LUMI_HOOKS_ALLOW names what may lack them',
            'from-commit': _COPY_IT, 'from-pr': _COPY_IT}


@dataclass(frozen=True)
class Part:
    """What an environment, or a step, holds: modules that were asked for, and all that are loaded with them."""
    targets: Tuple[str, ...]
    closure: Tuple[str, ...]


def recipes(spec: Spec, content: Content, place: Tuple[Any, ...], look: Look, site: Site) \
        -> Tuple[List[str], List[str]]:
    """
    Paths of the recipes that a spec names, and the modules of the Cray PE.

    :param place: of the content in the spec
    :param look: gives the path of the recipe for what was typed
    :raises DataError: a line for each that can't be found
    """
    paths: List[str] = []
    modules: List[str] = []
    mistakes: List[str] = []
    for number, item in enumerate(content.recipes):
        where = spec.at(*place, 'recipes', number)
        try:
            name, _, version = item.partition('/')
            if name in site.cray and not os.path.isfile(item):
                known = site.cray[name].full_name
                if version and item != known:
                    raise LumiHooksError(f'release {site.release.name} has {known}, not {item}')
                modules.append(known)
                continue
            paths += [look(one) for one in (_easystack(item) if item.endswith(text.YAML) else [item])]
        except DataError as err:
            mistakes.append(str(err))
        except LumiHooksError as err:
            mistakes.append(f'{where}: {err}')
    if mistakes:
        raise DataError('\n'.join(mistakes))
    return paths, modules


def _easystack(path: str) -> Iterator[str]:
    """
    The recipes that an easystack of EasyBuild's lists (docs.easybuild.io/easystack-files).

    :raises DataError: it is none, or one of its entries has options that are not done anyway
    """
    found, lines, _ = text.read(path)
    listed = found.get('easyconfigs') if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise DataError(f'{path}:1: no easystack: it has no list "easyconfigs"')
    for number, item in enumerate(listed):
        line = lines.get(('easyconfigs', number), 1)
        name, more = next(iter(item.items())) if isinstance(item, dict) and len(item) == 1 else (item, None)
        if not isinstance(name, str):
            raise DataError(f'{path}:{line}: an entry of an easystack is the name of a recipe')
        for key, value in _options(path, lines, ('easyconfigs', number, name), more):
            option = key.replace('_', '-')
            if option not in _DONE_ANYWAY or value is not True:
                line = lines.get(('easyconfigs', number, name, 'options', key), line)
                instead = _INSTEAD.get(option) or f'install it by "eb --easystack {quote.shell(path)}" first, and ' \
                    'leave the option out here: what is installed is taken as it is'
                raise DataError(f'{path}:{line}: an environment does not pass on the option {key} of {name}: {instead}')
        beside = os.path.join(os.path.dirname(path), name)
        yield beside if os.path.isfile(beside) else name if name.endswith('.eb') else f'{name}.eb'


def _options(path: str, lines: text.Lines, place: Tuple[Any, ...], more: Any) -> Iterable[Tuple[str, Any]]:
    """
    The options of an entry of an easystack.

    :raises DataError: there is something else
    """
    keys = list(more) if isinstance(more, dict) else []
    found = more.get('options') or {} if isinstance(more, dict) else {}
    if more and keys != ['options'] or not isinstance(found, dict):
        line = lines.get((*place, *keys[-1:]), lines.get(place, 1))
        raise DataError(f'{path}:{line}: an entry of an easystack has "options", names with values, and nothing else')
    return found.items()


def adapted(node: Node, site: Site) -> Adaptation:
    """How the recipe of a module that is to be built is adapted."""
    name, version, suffix, toolchain = split(node.module)
    return adapt(read_recipe(node.source or ''),
                 site_for_dependency(Dependency(name, version, suffix), site, toolchain[0]))


def uses_cray_mpi(plan: Plan) -> Callable[[str], bool]:
    """Answers whether a module uses Cray MPICH: by the files of an installed one, else by how its recipe is adapted."""
    nodes = {node.module: node for node in plan.nodes if node.status == BUILD and node.source}

    def answer(module: str) -> bool:
        if module in nodes:
            return 'cray-mpich' not in adapted(nodes[module], plan.site).kept_out
        return bool(uses_mpi(module, plan.site).value)
    return answer


def needs(plan: Plan) -> Mapping[str, Sequence[str]]:
    """
    For each module of a plan, and each that these load, the modules that it loads: of what is to be built by the plan,
    of what is installed by its record and its module file.
    """
    found: Dict[str, Sequence[str]] = {}
    nodes = {node.module: node for node in plan.nodes}
    todo = deque(nodes)
    toolchains = load_toolchains()['toolchains']
    while todo:
        module = todo.popleft()
        if module in found:
            continue
        node, name = nodes.get(module), module.split('/')[0]
        if node and node.status == BUILD:
            found[module] = [other for other in node.dependencies if other not in node.build_only]
        elif name in toolchains or name in plan.site.cray:
            found[module] = []
        else:
            found[module] = sorted(needs_of(plan.site.index.module_text(module)))
        todo.extend(found[module])
    return found


def closure(targets: Sequence[str], loads: Mapping[str, Sequence[str]]) -> Tuple[str, ...]:
    """All modules that are loaded with some, what is needed before what needs it."""
    seen: Dict[str, None] = {}

    def visit(module: str) -> None:
        stack = [(module, iter(loads.get(module, ())))]
        open_ = {module}
        while stack:
            current, rest = stack[-1]
            other = next((item for item in rest if item not in seen and item not in open_), None)
            if other is None:
                seen[current] = None
                stack.pop()
            else:
                open_.add(other)
                stack.append((other, iter(loads.get(other, ()))))
    for target in targets:
        if target not in seen:
            visit(target)
    return tuple(seen)


def conflicts(part: Part, loads: Mapping[str, Sequence[str]], site: Site,
              uses: Callable[[str], bool]) -> Iterator[str]:
    """
    What of a closure can't be loaded together, each with the chains that bring it in; sentences.

    :param uses: does a module use the MPI of the toolchain?
    """
    toolchains = load_toolchains()['toolchains']
    groups: Dict[str, List[str]] = {}
    mpis = []
    for module in part.closure:
        name = module.split('/')[0]
        cray = site.cray.get(name)
        kinds = [name, *(cray.provides if cray else ()), *(['compilers (toolchains)'] if name in toolchains else ())]
        if members().get(name, {}).get('group') == 'mpi':
            mpis.append(module)
            kinds.append('MPI')
        for kind in dict.fromkeys(kinds):
            groups.setdefault(kind, []).append(module)
    for kind, modules in groups.items():
        # Java/17 only loads Java/17.0.15, and of two that are the same library the last one serves both
        names = list({same_library(module): module for module in modules if not any(
            other in loads.get(module, ()) for other in modules if other != module)}.values())
        if len(names) > 1:
            yield _together(kind, names, part, loads)
    for mpi in mpis:
        others = [module for module in part.closure if module not in mpis and not _is_without(module, toolchains, site)
                  and mpi not in closure([module], loads) and module not in closure([mpi], loads)
                  and uses(module)]
        if others:
            yield _together('MPI (the other one is Cray MPICH)', [mpi, others[0]], part, loads)


def _is_without(module: str, toolchains: Mapping[str, Any], site: Site) -> bool:
    """Is it a module that is no installation of a package: a toolchain, or one of the Cray PE?"""
    name = module.split('/')[0]
    return name in toolchains or name in site.cray


def _together(kind: str, names: Sequence[str], part: Part, loads: Mapping[str, Sequence[str]]) -> str:
    chains = [chain(part.targets, module, loads) for module in names]
    roots = dict.fromkeys(path[0] for path in chains)
    return f'two modules of {kind} cannot be loaded together: {" and ".join(" → ".join(path) for path in chains)}. ' \
           f'Leave out {" or ".join(roots)}, take another version or variant of one of them, or put them into ' \
           '"steps", where each has its own'


def chain(targets: Sequence[str], wanted: str, loads: Mapping[str, Sequence[str]]) -> List[str]:
    """The shortest chain from a module that was asked for to one that it brings in."""
    queue = deque([target] for target in targets)
    seen = set(targets)
    while queue:
        path = queue.popleft()
        if path[-1] == wanted:
            return path
        for module in loads.get(path[-1], ()):
            if module not in seen:
                seen.add(module)
                queue.append([*path, module])
    return [wanted]


def split(module: str) -> Tuple[str, str, str, Tuple[str, str]]:
    """
    Name, version, suffix and toolchain of a module in the flat naming scheme.

    >>> split('lz4/1.10.0-cpeGNU-25.03')
    ('lz4', '1.10.0', '', ('cpeGNU', '25.03'))
    """
    name, _, rest = module.partition('/')
    for toolchain in load_toolchains()['toolchains']:
        version, found, tail = rest.partition(f'-{toolchain}-')
        if found:
            number, dash, suffix = tail.partition('-')
            return name, version, dash + suffix, (toolchain, number)
    return name, rest, '', ('system', 'system')


def interpreter(part: Part) -> Optional[str]:
    """The module of the Python that a closure loads, None where it loads none."""
    return next((module for module in part.closure if module.split('/')[0] in ('Python', 'cray-python')), None)
