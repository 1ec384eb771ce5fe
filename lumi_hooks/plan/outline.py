# SPDX-License-Identifier: GPL-2.0-only
"""What a plan has to know of an adapted recipe, and nothing more: small enough to keep thousands of them."""
import re
from dataclasses import dataclass, replace
from typing import Dict, Mapping, Optional, Tuple

from ..adapt import REFUSED, adapt
from ..backends import load_backends
from ..change import Adaptation, Change
from ..dependency import SYSTEM, Dependency
from ..packages import treatment
from ..recipe import read_recipe, template_values
from ..releases import load_toolchains
from ..site import Site

# EasyBuild's templates that follow from the version of a dependency: %(pyver)s, %(pyshortver)s …
_VERSION_TEMPLATES = {'CUDA': 'cuda', 'CUDAcore': 'cuda', 'Java': 'java', 'Perl': 'perl', 'Python': 'py', 'R': 'r'}


@dataclass(frozen=True)
class Block:
    """
    Why something can't be installed.

    `code` is one of plan.REASONS; `culprit` names what is to blame, to count by; `module` is what is refused.
    """
    code: str
    culprit: str
    module: str
    reason: str


@dataclass(frozen=True)
class Need:
    """A dependency under its module name. `build`: while building only; `stack`: LUMI's central stack holds it."""
    module: str
    dependency: Dependency
    build: bool = False
    stack: bool = False


@dataclass(frozen=True)
class Outline:
    """
    A recipe as it is to be installed, in outline.

    `path` is the recipe that it comes from, `filename` the recipe's name after adapting, `upstream` its toolchain
    before.
    """
    name: str
    version: str
    versionsuffix: str
    module: str
    filename: str
    path: str
    upstream: Tuple[str, str]
    status: str
    reason: str
    needs: Tuple[Need, ...] = ()
    blocks: Tuple[Block, ...] = ()
    changes: Tuple[Change, ...] = ()
    # name of its toolchain after adapting
    toolchain: str = ''
    # only another name for the module of another version (Java/11 for Java/11.0.27), loaded with it
    alias: bool = False

    def bare(self) -> 'Outline':
        """Without the changes, to be kept by the thousand."""
        return replace(self, changes=())


def read_outline(path: str, site: Site) -> Outline:
    """
    The outline of a recipe file at a site.

    :raises RecipeError: it can't be read
    """
    return outline(adapt(read_recipe(path), site), site)


def outline(adaptation: Adaptation, site: Site) -> Outline:
    """The outline of an adapted recipe."""
    values = _template_values(adaptation, site)
    recipe = adaptation.recipe
    version, suffix = _resolve(adaptation.version, values), _resolve(adaptation.versionsuffix, values)
    toolchain = adaptation.toolchain
    middle = '' if toolchain[0] == 'system' else f'-{toolchain[0]}-{toolchain[1]}'
    full = f'{version}{middle}{suffix}'
    module = f'{adaptation.name}/{full}'
    blocks = tuple(Block(refusal.code, refusal.culprit or _culprit(refusal.code, adaptation), module, refusal.reason)
                   for refusal in adaptation.refusals)
    needs = () if adaptation.status == REFUSED else _needs(adaptation, values, site)
    return Outline(adaptation.name, version, suffix, module, f'{adaptation.name}-{full}.eb',
                   recipe.path or recipe.filename, recipe.toolchain, adaptation.status, adaptation.reason, needs,
                   blocks, adaptation.changes, toolchain[0], recipe.parameters.get('easyblock') == 'ModuleRC')


def module_name(dependency: Dependency, toolchain: Tuple[str, str]) -> str:
    """
    Module name of a dependency.

    :param toolchain: of the recipe that has it, for a dependency that names none
    """
    if dependency.external:
        return str(dependency.module)
    name, version = dependency.toolchain or toolchain
    middle = '' if name == 'system' else f'-{name}-{version}'
    return f'{dependency.name}/{dependency.version}{middle}{dependency.versionsuffix}'


def _needs(adaptation: Adaptation, values: Mapping[str, str], site: Site) -> Tuple[Need, ...]:
    """Everything that a recipe needs, its toolchain first, what it needs at run time before what it is built with."""
    toolchain = adaptation.toolchain
    stack = {after for change in adaptation.changes if change.rule == 'central-tools'
             for after in (change.after if isinstance(change.after, tuple) else (change.after,))}
    found: Dict[str, Need] = {}
    if toolchain[0] in load_toolchains()['toolchains']:
        dependency = Dependency(toolchain[0], toolchain[1], '', SYSTEM)
        found['toolchain'] = Need(module_name(dependency, toolchain), dependency, stack=True)
    for parameter in ('dependencies', 'builddependencies'):
        for item in adaptation.dependencies(parameter):
            dependency = item if item.external else replace(
                item, version=_resolve(item.version, values), versionsuffix=_resolve(item.versionsuffix, values),
                toolchain=item.toolchain or toolchain)
            module = module_name(dependency, toolchain)
            # LUMI names what its stack holds after the release, and so do we
            named = dependency.toolchain == SYSTEM and dependency.version == site.toolchain_version
            central = (item in stack or named) and dependency.name != load_backends()['name']
            found.setdefault(module, Need(module, dependency, parameter == 'builddependencies', central))
    return tuple(found.values())


def _template_values(adaptation: Adaptation, site: Site) -> Mapping[str, str]:
    """EasyBuild's templates in a recipe's dependencies, by name."""
    values = dict(template_values(adaptation.recipe))
    values['arch'] = 'x86_64'  # of all of the machine
    values['toolchain_name'], values['toolchain_version'] = adaptation.toolchain
    for parameter in ('dependencies', 'builddependencies'):
        for dependency in adaptation.dependencies(parameter):
            cray = site.cray.get(dependency.name) if dependency.external else None
            name = cray.provides[0] if cray and cray.provides else dependency.name
            version = cray.upstream_version if cray else dependency.version
            prefix = _VERSION_TEMPLATES.get(name)
            if prefix and version and f'{prefix}ver' not in values:
                parts = version.split('.')
                values[f'{prefix}ver'], values[f'{prefix}majver'] = version, parts[0]
                values[f'{prefix}shortver'] = '.'.join(parts[:2])
                if len(parts) > 1:
                    values[f'{prefix}minver'] = parts[1]
    return values


def _resolve(text: str, values: Mapping[str, str]) -> str:
    """A text with the templates that are known filled in, which may hold templates themselves."""
    for _ in range(3):
        filled = re.sub(r'%\((\w+)\)s', lambda found: str(values.get(found.group(1), found.group(0))), text)
        if filled == text:
            break
        text = filled
    return text


def _culprit(code: str, adaptation: Adaptation) -> str:
    """What is to blame for a refusal: the dependency that can't be, the toolchain, or the package itself."""
    if code in ('toolchain', 'release'):
        return '/'.join(adaptation.recipe.toolchain)
    for parameter in ('dependencies', 'builddependencies'):
        for dependency in adaptation.recipe.dependencies(parameter):
            found: Optional[object] = treatment(dependency.name)
            if getattr(found, 'code', None) == code:
                return dependency.name
    return adaptation.name
