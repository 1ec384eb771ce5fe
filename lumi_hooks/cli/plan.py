# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb plan: everything that an installation needs, before anything is built."""
import argparse
import os
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .. import older, sites
from ..amounts import size_in_words
from ..easybuilds import collection
from ..errors import LumiHooksError
from ..plan import BUILD, CENTRAL, CRAY, INSTALLED, REFUSED, Node, Plan, make_plan
from ..plan.cost import chain, cost, on_full_stack
from ..prefix import holder, name_of
from ..record.experience import Estimate, Experience
from ..record.text import change_json
from ..site import Site
from . import site_options
from .command import add_command
from .console import Output, Styled, bold, dim, print_json
from .partial import Partial

EXAMPLES = """examples:
  lumi-eb plan GROMACS-2025.2-foss-2025a.eb
  lumi-eb plan --json Hypre-2.32.0-foss-2024a.eb mpi4py-4.1.0-gompi-2025a.eb
  lumi-eb plan GDAL --why Mesa                          the shortest chain that brings a module in
  lumi-eb plan --graph hypre.svg Hypre-2.32.0-foss-2024a.eb
  lumi-eb plan --release 25.09 --partition G QuantumESPRESSO-7.5-foss-2025b.eb

Modules are listed in the order in which they can be built. What has to be built is what
"eb --missing-modules -r --hooks …" lists (of a recipe that is installed already that lists what it was built with
all the same; eb builds none of it, and neither does the plan).

exit code: 0 all can be installed, 1 something is refused, 2 bad use or unreadable recipe
"""
COLOURS = {BUILD: 'yellow', CENTRAL: 'green', INSTALLED: 'cyan', CRAY: 'blue', REFUSED: 'red'}


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'plan', run, 'everything that an installation needs, and where it comes from',
                         'Shows what is there, what will be built and what can\'t be. Nothing is installed.', EXAMPLES)
    parser.add_argument('recipe', nargs='+', metavar='RECIPE', help='a path, a file name, or the name of a software')
    parser.add_argument('--json', action='store_true', help='print the plan as one JSON object')
    parser.add_argument('--why', metavar='MODULE', help='show the shortest chain that brings a module in: its '
                        'full name, or the name of a software')
    parser.add_argument('--graph', metavar='FILE.svg', help='draw it, with Graphviz')


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: the site is unknown, the graph can't be drawn
    """
    site, folders = site_options.find_site(options)
    failed = Partial('recipe')
    paths = site_options.given_recipes(options.recipe, site, folders, failed)
    plan = planned(paths, site)
    if options.graph and paths:
        from ..plan.graph import draw
        draw(plan, options.graph)
    stack = on_full_stack(paths, site) if not site.index.modulepath else None
    why = why_there(plan, options.why) if options.why and paths else None
    if options.json:
        print_json({**as_json(plan, estimates(plan)), 'on_full_stack': stack, 'why': why, 'errors': failed.errors})
    elif paths:
        show(plan, estimates(plan))
        show_cost(plan, stack)
        if why:
            show_why(plan, why)
        if options.graph:
            print(f'drawn in {os.path.abspath(options.graph)}')
    return failed.code(1 if plan.refused else 0)


def planned(paths: Sequence[str], site: Site) -> Plan:
    """
    The plan for recipes, with notes on what the loaded EasyBuild lacks for them.

    :raises RecipeError: one of them can't be read
    """
    plan = make_plan(paths, site)
    lacks = older.of_files(node.source for node in plan.of(BUILD) if node.source)
    return replace(plan, warnings=(*plan.warnings, *lacks))


def why_there(plan: Plan, wanted: str) -> List[str]:
    """
    The shortest chain of modules that brings a module in.

    :raises LumiHooksError: the plan does not hold it
    """
    found = chain(plan, wanted)
    if not found:
        raise LumiHooksError(f'{wanted} is not in the plan: --why takes a module that it lists, or the name of a '
                             'software')
    return found


def estimates(plan: Plan) -> Dict[str, Optional[Estimate]]:
    """What each module that is to be built will take, going by records of earlier installations."""
    experience = Experience(plan.site.prefixes)
    return {node.module: experience.estimate(node.module) for node in plan.of(BUILD)}


def as_json(plan: Plan, expected: Mapping[str, Optional[Estimate]]) -> Dict[str, Any]:
    """A plan as plain data, nodes in the order in which they can be built; the nodes' fields are a contract."""
    known = [estimate for estimate in expected.values() if estimate]
    total = _sum(known)
    return {
        'release': plan.site.release.name,
        'partition': plan.site.partition,
        'toolchain': f'{plan.site.toolchain}/{plan.site.toolchain_version}',
        'collection': collection(plan.site.index.upstream).as_json(),
        'settings': site_options.settings_in_force(),
        'targets': list(plan.targets),
        'counts': {status: len(plan.of(status)) for status in COLOURS},
        'estimate': {'known': len(known), 'unknown': len(expected) - len(known), 'seconds': total.seconds,
                     'bytes': total.bytes, 'inodes': total.inodes},
        'cost': cost(plan, expected).as_json(),
        'nodes': [node_json(node, plan.site, expected.get(node.module)) for node in plan.nodes],
        'warnings': list(plan.warnings),
    }


def node_json(node: Node, site: Site, estimate: Optional[Estimate] = None) -> Dict[str, Any]:
    """One module of a plan."""
    return {
        'module': node.module,
        'status': node.status,
        'prefix': installed_in(node, site),
        'recipe': node.recipe,
        'source': node.source,
        'dependencies': list(node.dependencies),
        'build_only': list(node.build_only),
        'reason': node.reason,
        'estimate': estimate.as_json() if estimate else None,
        'refusals': [{'code': block.code, 'what': block.culprit, 'module': block.module, 'reason': block.reason}
                     for block in node.blocks],
        'changes': [change_json(change) for change in node.outline.changes] if node.outline else [],
    }


def show(plan: Plan, expected: Mapping[str, Optional[Estimate]]) -> None:
    """Show a plan for reading."""
    console = Output()
    site = plan.site
    console.say(f'for {site.toolchain}/{site.toolchain_version}, release {site.release.name}, partition '
                f'{site.partition}; upstream\'s recipes: {collection(site.index.upstream)}')
    for text in site_options.settings_in_force():
        console.say(dim(f'set: {text}'), hang=5)
    console.say()
    groups = [(CRAY, 'from the Cray PE', plan.of(CRAY)), (CENTRAL, 'in the central stack', plan.of(CENTRAL))]
    groups += [(INSTALLED, f'in {name_of(prefix, site.prefixes)}',
                tuple(node for node in plan.of(INSTALLED) if installed_in(node, site) == prefix))
               for prefix in reversed(site.prefixes)]
    for status, text, nodes in groups:
        found = [node.module for node in nodes]
        if found:
            console.say(Styled(text, COLOURS[status]), f' ({len(found)}): {", ".join(found)}')
    build = plan.of(BUILD)
    console.say(Styled('to build', COLOURS[BUILD]), f' ({len(build)})' + (', in this order' if len(build) > 1 else ''))
    for number, node in enumerate(build, 1):
        console.say(f'  {number:3}  ', bold(node.module), '  ',
                    dim(f'from {_from(node)}{_takes(expected.get(node.module))}'), hang=7)
    known = [estimate for estimate in expected.values() if estimate]
    if known:
        unknown = len(expected) - len(known)
        console.say(dim(f'going by earlier installations{_takes(_sum(known))}'
                        + (f', and {unknown} that nothing is known of' if unknown else '')), indent=2)
    roots = _roots(plan)
    if roots:
        console.say(Styled('refused', COLOURS[REFUSED]), f' ({len(plan.of(REFUSED))})')
        for module, code, reason in roots:
            console.say(bold(module), '  ', dim(code), indent=2)
            console.say(reason, indent=7, hang=7)
        rest = [node.module for node in plan.of(REFUSED) if node.module not in {module for module, _, _ in roots}]
        if rest:
            console.say(f'and what needs it: {", ".join(rest)}', indent=2)
    for warning in plan.warnings:
        console.say(Styled('note', 'magenta'), ' ', warning)
    asked = ', '.join(node.module for node in plan.of(REFUSED) if node.module in plan.targets)
    if plan.refused:
        console.say()
        console.say(Styled('can\'t be installed', 'red'), f': {asked}')


def show_cost(plan: Plan, stack: Optional[int] = None) -> None:
    """
    What it costs, in a few lines.

    :param stack: number of modules on LUMI's own stack; None to say nothing of it
    """
    console, found = Output(), cost(plan, estimates(plan))
    if not found.modules:
        return
    console.say()
    tools = f' ({len(found.for_building)} of them only to build others)' if found.for_building else ''
    guessed = '' if not found.estimated else ', an estimate' if found.estimated == found.modules \
        else f', an estimate for {found.estimated} of them'
    console.say(bold('cost'), f' {_modules(found.modules)}{tools}, about {size_in_words(found.bytes)} in '
                f'{found.inodes:,} files and folders{guessed}')
    if found.giants:
        names = [f'{module}{" (only to build others)" if module in found.for_building else ""}'
                 for module in found.giants]
        console.say(f'large: {", ".join(names)}', indent=2)
    if found.most:
        console.say(f'more than half of it, {_modules(found.most[1])}, comes with {found.most[0]}', indent=2)
    if stack is not None:
        console.say(f'on {sites.name()}, with the libraries of its stack installed: {_modules(stack)}', indent=2)


def show_why(plan: Plan, path: Sequence[str]) -> None:
    """A chain of modules, a line each."""
    console = Output()
    nodes = {node.module: node for node in plan.nodes}
    console.say()
    console.say(bold(path[0]), ' was asked for')
    for before, module in zip(path, path[1:]):
        console.say('is built with ' if module in nodes[before].build_only else 'needs ', bold(module), indent=2)



def _modules(number: int) -> str:
    return f'{number} module{"s" if number != 1 else ""}'


def installed_in(node: Node, site: Site) -> Optional[str]:
    """The prefix that a node is installed in, None where it is in none (to be built, central, Cray's)."""
    path = site.index.module_file(node.module) if node.status == INSTALLED else None
    return holder(path, site.prefixes) if path else None


def _sum(known: Sequence[Estimate]) -> Estimate:
    return Estimate(sum(item.seconds or 0 for item in known), sum(item.bytes or 0 for item in known),
                    sum(item.inodes or 0 for item in known), '')


def duration(seconds: float) -> str:
    """A time in minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f'{minutes} min {rest:02} s' if minutes else f'{rest} s'


def _takes(estimate: Optional[Estimate]) -> str:
    """What is expected of an installation, in a few words."""
    if estimate is None:
        return ''
    return (f', about {duration(estimate.seconds)}' if estimate.seconds is not None else '') + \
        f', {size_in_words(estimate.bytes or 0)}, {estimate.inodes or 0:,} inodes'


def _from(node: Node) -> str:
    changes = len(node.outline.changes) if node.outline else 0
    source = os.path.basename(node.source or node.recipe or '')
    return f'{source}, {changes} change{"s" if changes != 1 else ""}' if changes else f'{source}, as it is'


def _roots(plan: Plan) -> List:
    """Module, code and reason of each refusal where it arises, once."""
    found = {(block.module, block.code, block.reason): None for node in plan.nodes for block in node.blocks}
    return list(found)
