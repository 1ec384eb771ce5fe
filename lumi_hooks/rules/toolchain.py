# SPDX-License-Identifier: GPL-2.0-only
"""Upstream's toolchain becomes the cpe* toolchain of the release."""
import re
from typing import Any, Iterator, Optional, Tuple

from ..change import Change, Refusal
from ..data import texts
from ..releases import family_of, load_upstream
from ..site import Site
from .base import rule
from .draft import Draft
from .texts import TELLING


@rule('toolchain', 'the compilers, MPI and math libraries of the Cray PE replace upstream\'s toolchain')
def toolchain(draft: Draft, site: Site):
    """Upstream's toolchain → the site's cpe* toolchain; unknown ones and whole families are refused."""
    name, version = draft.upstream_toolchain
    if name not in load_upstream()['toolchains']:
        yield Refusal('toolchain', f'toolchain {f"{name}/{version}".rstrip("/")} {_instead(name, site)}', 'toolchain')
        return
    family = family_of(name)
    if family.get('refused'):
        yield Refusal(family['code'], f'toolchain {name}/{version}: {family["reason"]}', 'toolchain')
        return
    after = {'name': site.toolchain, 'version': site.toolchain_version}
    yield Change('toolchain', draft.parameters['toolchain'], after, 'toolchain',
                 f'compilers, MPI and math libraries of the Cray PE {site.release.name}; one flat level of '
                 'toolchains, as the central stack has it')


def _instead(name: str, site: Site) -> str:
    """What to do about a toolchain that is not adapted: the end of a sentence."""
    known = load_upstream()['others'].get(name)
    if not known:
        return 'has no counterpart here: take a recipe of the same software for foss, gfbf, gompi, GCC or GCCcore'
    here = known['here']
    if here == 'SYSTEM':
        return f'{known["reason"]}: write "toolchain = SYSTEM" in a copy of the recipe'
    if here and here not in site.partition_facts['toolchains']:
        return f'{known["reason"]}; its counterpart is {here}, which partition {site.partition} does not have'
    if here:
        return f'{known["reason"]}; its counterpart is {here}/{site.toolchain_version}: take a recipe of the same ' \
               'software for foss or GCC, or write that toolchain in a copy of this one'
    return f'{known["reason"]}: take a recipe of the same software for foss, gfbf or GCC'


@rule('other-compiler', 'a recipe that names another vendor\'s compilers or libraries needs exactly these')
def other_compiler(draft: Draft, site: Site):
    """Recipes for Intel's toolchains that name MKL, Intel MPI or Intel's compilers are refused."""
    name, version = draft.upstream_toolchain
    family = family_of(name)
    if not family.get('marks'):
        return
    marks = re.compile('|'.join(family['marks']))
    found = next(_marked(draft, marks), None)
    if found:
        yield Refusal(family['code'], f'toolchain {name}/{version}, and {found[0]} holds "{found[1]}": '
                      f'{family["reason"]}', 'other-compiler')


def _marked(draft: Draft, marks: 're.Pattern') -> Iterator[Tuple[str, str]]:
    """(parameter, the word) for parameters of the recipe as written that have a mark."""
    for parameter, value in draft.recipe.parameters.items():
        if parameter not in TELLING and not parameter.startswith('local_'):
            for text in texts(value):
                match: Optional[Any] = marks.search(text)
                if match:
                    yield parameter, _word(text, match.start(), match.end())


def _word(text: str, start: int, end: int) -> str:
    """The word of a text that a match lies in."""
    first = max(text.rfind(sign, 0, start) for sign in ' \n\t') + 1
    return text[first:end] + re.split(r'\s', text[end:], maxsplit=1)[0]
