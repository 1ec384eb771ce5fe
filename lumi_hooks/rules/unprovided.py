# SPDX-License-Identifier: GPL-2.0-only
"""
The general check: names in an adapted recipe that nothing answers to. A variable counts as set where
releases/provided.json says who sets it, where a dependency, the toolchain or the recipe itself does; programs,
libraries and folders as there unless they are known to be absent.
"""
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Collection, FrozenSet, Iterator, Pattern, Tuple

from ..change import Refusal
from ..dependency import root_variable
from ..recipe import patched_texts
from ..releases import load_provided, load_toolchains
from ..site import Site
from .base import rule
from .draft import Draft
from .folders import is_provided
from .texts import command_texts

# ${X:-…} has a value of its own; \$X and $$X are for somebody else's eyes
_VARIABLE = re.compile(r'(?<![\\$])\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))')
_BEFORE, _BEHIND = r'(?<![\w./+$%({-])', r'(?![\w./+(=-])'


@dataclass(frozen=True)
class Unprovided:
    """
    A name that nothing answers to: `kind` is variable, root (of a software), program, library, header or place.
    `refused`: it is known that it can't be here.
    """
    kind: str
    name: str
    parameter: str
    reason: str
    refused: bool = False

    def __str__(self):
        return f'{self.parameter} names {self.name}: {self.reason}'


def unprovided(draft: Draft, site: Site) -> Iterator[Unprovided]:
    """What a recipe as it stands names in its commands and options, and nothing provides."""
    if is_provided(draft):
        return
    found = list(command_texts(draft))
    whole = '\n'.join(text for _, text in found)
    yield from _places(found)
    yield from _absent(found, whole, site)
    yield from _patched(draft, whole, site)
    if '$' in whole:
        yield from _variables(draft, site, found, whole)


@rule('unprovided', 'what only other sites have can\'t be here')
def unprovided_names(draft: Draft, site: Site):
    """Folders and variables that only other sites have: refused, as the build would stop, or go wrong in silence."""
    for item in unprovided(draft, site):
        if item.refused:
            yield Refusal('not-here', f'{item}: take a recipe that does without, or change it by an override',
                          'unprovided', item.name)


def unprovided_notes(draft: Draft, site: Site) -> Iterator[str]:
    """The same of what may still be answered: to be looked at where the build fails."""
    for item in unprovided(draft, site):
        if not item.refused:
            yield str(item)


def _places(found: Collection[Tuple[str, str]]) -> Iterator[Unprovided]:
    for entry in load_provided()['places']:
        for parameter in dict.fromkeys(parameter for parameter, text in found if entry['path'] in text):
            yield Unprovided('place', entry['path'], parameter, entry['reason'], True)


@lru_cache(maxsize=None)
def _patterns(toolchain: str) -> Tuple[Tuple[str, Pattern[str], str, bool], ...]:
    return tuple((entry['kind'], re.compile(_BEFORE + f'(?:{entry["pattern"]})' + _BEHIND), entry['instead'],
                  entry.get('answered', False)) for entry in load_provided()['absent']
                 if toolchain in entry.get('toolchains', (toolchain,)))


def _absent(found: Collection[Tuple[str, str]], whole: str, site: Site, linked: bool = False) -> Iterator[Unprovided]:
    """Programs, libraries and headers that are not there; `linked`: without those that the linker finds."""
    for kind, pattern, instead, answered in _patterns(site.toolchain):
        if not (linked and answered) and pattern.search(whole):
            for parameter, text in found:
                for word in dict.fromkeys(pattern.findall(text)):
                    yield Unprovided(kind, word, parameter, instead)


def _patched(draft: Draft, whole: str, site: Site) -> Iterator[Unprovided]:
    """
    The same of the lines that a recipe's patches add. What its commands name as well, they deal with; libraries that
    the toolchain answers to are there.
    """
    for name, text in patched_texts(draft.recipe):
        yield from (item for item in _absent([(f'the patch {name}', text)], text, site, True)
                    if item.name not in whole)


@lru_cache(maxsize=None)
def _known() -> Pattern[str]:
    return re.compile('|'.join(f'(?:{entry["pattern"]})' for entry in load_provided()['variables']))


def _variables(draft: Draft, site: Site, found: Collection[Tuple[str, str]], whole: str) -> Iterator[Unprovided]:
    roots = _roots(draft, site)
    told = set()
    for parameter, text in found:
        for match in _VARIABLE.finditer(text):
            name = match[1] or match[2]
            if name in told or name in roots or _known().fullmatch(name):
                continue
            told.add(name)
            for pattern, reason in load_provided()['nobodys'].items():
                if re.fullmatch(pattern, name):
                    yield Unprovided('variable', f'${name}', parameter, reason, True)
                    break
            else:
                if name.startswith('EBROOT'):
                    yield Unprovided('root', f'${name}', parameter, 'no dependency of the recipe sets it; it has a '
                                     'value only where one of them brings that software along')
                elif not _set_here(name, whole, draft):
                    yield Unprovided('variable', f'${name}', parameter, 'nothing is known to set it')


def _set_here(name: str, whole: str, draft: Draft) -> bool:
    """Does the recipe set a variable itself, for a command or in the module that it makes?"""
    extra = draft.parameters.get('modextravars')
    if isinstance(extra, dict) and name in extra:
        return True
    return re.search(rf'(?<!\w){name}\+?=|\bfor {name} in\b|\bread (?:-\w+ )*{name}\b|-v {name}\b', whole) is not None


def _roots(draft: Draft, site: Site) -> FrozenSet[str]:
    """The variables with folders of software that are set: of the recipe itself and of its dependencies."""
    names = {draft.name, 'cray-mpich', 'LibSci', 'cray-libsci', 'ScaLAPACK'}
    # our toolchain class answers for the compiler that it has
    if load_toolchains()['toolchains'][site.toolchain]['family'] == 'GCC':
        names.update(('GCC', 'GCCcore'))
    for _, dependency in draft.each():
        module = site.cray.get(dependency.name) if dependency.external else None
        names.update(module.provides if module else ())
        names.add(dependency.name)
    components = draft.parameters.get('components')
    for item in components if isinstance(components, (list, tuple)) else ():
        if isinstance(item, (list, tuple)) and item and isinstance(item[0], str):
            names.add(item[0])
    return frozenset(map(root_variable, names))
