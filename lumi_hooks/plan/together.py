# SPDX-License-Identifier: GPL-2.0-only
"""
Which modules of a plan, or installed ones, can't be loaded together: two of one name unload each other, and so do two
Cray modules of one library, such as the serial and the parallel HDF5.
"""
import os
import re
from typing import TYPE_CHECKING, Dict, Iterator, List, Sequence, Set, Tuple

from ..files import names_in, read_text
from ..index import module_version
from ..releases import load_machine
from ..site import Site
from .verdict import BUILD, CRAY

if TYPE_CHECKING:
    from . import Node

_LOADS = re.compile(r'''(?:\bload|\bdepends_on)\(\s*["']([^"']+)["']|^\s*module load\s+(\S+)''', re.M)


def not_together(nodes: Sequence['Node'], site: Site) -> Iterator[str]:
    """What does not stop an installation, but will be noticed when modules are loaded together; sentences."""
    yield from _within(nodes)
    yield from _installed_versions(nodes, site)
    yield from _flavours(nodes, site)


def loaded_with(nodes: Sequence['Node']) -> Dict[str, Set[str]]:
    """
    All modules that are loaded with each module of a plan, itself included.

    :param nodes: of a plan, dependencies first
    """
    found: Dict[str, Set[str]] = {}
    for node in nodes:
        found[node.module] = {node.module}.union(*(found[module] for module in node.dependencies
                                                   if module not in node.build_only and module in found))
    return found


def only_built_with(nodes: Sequence['Node']) -> Set[str]:
    """
    The modules of a plan that builds alone load: nothing that was asked for loads them when it runs.

    :param nodes: of a plan, dependencies first
    """
    needed = {module for node in nodes for module in node.dependencies}
    run = {node.module for node in nodes if node.module not in needed}
    for node in reversed(nodes):
        if node.module in run:
            run.update(set(node.dependencies).difference(node.build_only))
    return {node.module for node in nodes if node.module not in run}


def same_library(module: str) -> str:
    """
    A module without a suffix that makes no other library of it (`own_suffixes` in machine.json): of two such modules of
    one version the one that is loaded last serves both.

    >>> same_library('GSL/2.8-cpeGNU-25.03-OpenMP')
    'GSL/2.8-cpeGNU-25.03'
    """
    return next((module[:-len(suffix)] for suffix in sorted(load_machine()['own_suffixes'], key=len, reverse=True)
                 if module.endswith(suffix)), module)


def _alias(node: 'Node') -> bool:
    """Is it only another name for another module (Java/17)?"""
    return '/' not in node.module or (node.outline is not None and node.outline.alias)


def _within(nodes: Sequence['Node']) -> Iterator[str]:
    """Two modules of one name in a plan."""
    names: Dict[str, List[str]] = {}
    for node in nodes:
        if not _alias(node):
            names.setdefault(node.name, []).append(node.module)
    refused = {block.culprit for node in nodes for block in node.blocks if block.code == 'two-versions'}
    for name, modules in names.items():
        if len(modules) > 1 and name not in refused:
            yield f'the plan holds two modules of {name}, which can\'t be loaded together: {", ".join(modules)}'


def _installed_versions(nodes: Sequence['Node'], site: Site) -> Iterator[str]:
    """A module that is built, where others of its name are installed."""
    middle = f'-{site.toolchain}-{site.toolchain_version}'
    for node in nodes:
        if node.status != BUILD or _alias(node):
            continue
        # other toolchains' modules do not matter: they can't be loaded together anyway
        others = sorted(f'{node.name}/{version}' for version in site.index.modules(node.name)
                        if f'{node.name}/{version}' != node.module and (middle in version or '-cpe' not in version)
                        and not _points(node, version))
        if others:
            yield f'{", ".join(others)} {"is" if len(others) == 1 else "are"} installed: {node.module} can\'t be ' \
                  f'loaded together with {"it" if len(others) == 1 else "any of them"}'


def _points(node: 'Node', version: str) -> bool:
    """Is an installed module only the alias of the one that is built (Java/17 of Java/17.0.15)?"""
    return node.module.startswith(f'{node.name}/{version}.')


def _flavours(nodes: Sequence['Node'], site: Site) -> Iterator[str]:
    """Two Cray modules of one library: both in the plan, or one of them loaded by what is installed in the prefix."""
    flavours: Dict[Tuple[str, ...], str] = {}
    for node in nodes:
        cray = site.cray.get(node.name) if node.status == CRAY else None
        for name in cray.provides if cray else ():
            several = tuple(sorted(module.name for module in site.cray.values() if name in module.provides))
            if len(several) > 1:
                flavours.setdefault(several, name)
    if not flavours:
        return
    loads = loaded_with(nodes)
    mine = _installed_loads(site) if site.prefix else {}
    for several, name in flavours.items():
        modules = {flavour: sorted(node.module for node in nodes if node.status == BUILD and any(
            item.split('/')[0] == flavour for item in loads[node.module])) for flavour in several}
        installed = {flavour: sorted(module for module, items in mine.items() if flavour in items)
                     for flavour in several}
        together = [flavour for flavour in several if modules[flavour] or installed[flavour]]
        if len(together) < 2 or not any(modules.values()):
            continue
        parts = [f'{flavour} (loaded by {_few([*modules[flavour], *installed[flavour]])})' for flavour in together]
        yield f'two Cray modules of {name} can\'t be loaded together, and neither can what loads them: ' \
              f'{" and ".join(parts)}'


def _installed_loads(site: Site) -> Dict[str, Set[str]]:
    """The names of the modules that each module of the prefix loads itself, by the text of its module file."""
    root = os.path.realpath(site.prefix) + os.sep
    found: Dict[str, Set[str]] = {}
    for folder in site.index.modulepath:
        if os.path.realpath(folder).startswith(root):
            for module, path in _module_files(folder):
                try:
                    text = read_text(path, 'replace')
                except OSError:
                    continue
                found.setdefault(module, {(match[0] or match[1]).split('/')[0] for match in _LOADS.findall(text)})
    return found


def _module_files(folder: str) -> Iterator[Tuple[str, str]]:
    """(module, path of its file) of all modules in a folder of MODULEPATH."""
    for name in names_in(folder):
        for entry in names_in(os.path.join(folder, name)):
            version = module_version(entry)
            if version:
                yield f'{name}/{version}', os.path.join(folder, name, entry)


def _few(modules: Sequence[str]) -> str:
    """Some names of modules, and how many more there are."""
    return ', '.join(modules[:4]) + (f' and {len(modules) - 4} more' if len(modules) > 4 else '')
