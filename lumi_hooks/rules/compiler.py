# SPDX-License-Identifier: GPL-2.0-only
"""What the release's compiler no longer takes, and the recipe's own compiler took (releases/compilers.json)."""
import re
from functools import partial
from typing import Any, Iterator, Mapping, Optional

from ..change import Change
from ..releases import compiler_family, family_of, load_compilers, load_toolchains, load_upstream
from ..site import Site
from ..versions import version_key
from .base import rule
from .draft import Draft
from .texts import in_commands

# the C compiler that a recipe hands to make, in quotes that more words can go into; configure gets $CFLAGS
_HANDED = re.compile(r'(?<!\w)((?:CC|cc)="\$(?:(?:MPI)?CC|\{(?:MPI)?CC\}))(?=[ "])')
_OTHERS = ('toolchainopts', 'preconfigopts', 'configopts')


@rule('compiler-strictness', 'a compiler that is stricter than the one a recipe was made with is made to warn only')
def compiler_strictness(draft: Draft, site: Site):
    """
    C and Fortran that older and other compilers took: the options that make a warning of it again. Where a recipe hands
    $CC on, C's go with it: Makefiles that set CFLAGS, and scripts that try programs without them, see nothing else.
    """
    if draft.parameters.get('easyblock') in load_compilers()['easyblocks_without']:
        return
    options = draft.parameters.get('toolchainopts')
    for fact in _facts(draft, site, 'options'):
        after = dict(options) if isinstance(options, dict) else {}
        for option in fact['options']:
            flags = str(after.get(option) or '')
            if fact['flags'] not in flags:
                after[option] = f'{flags} {fact["flags"]}'.strip()
        if after != (options or {}):
            yield Change('toolchainopts', options, after, 'compiler-strictness', fact['reason'], fact['link'])
            options = after
        if 'extra_cflags' in fact['options']:
            for name, before, text in in_commands(draft, partial(_handed, fact['flags']), _OTHERS):
                yield Change(name, before, text, 'compiler-strictness', fact['reason'], fact['link'])


def _handed(flags: str, text: str) -> str:
    return text if flags in text else _HANDED.sub(rf'\1 {flags}', text)


@rule('linker-strictness', 'a linker that is stricter than the one a recipe was made with is made to continue')
def linker_strictness(draft: Draft, site: Site):
    """Flags for the linker, in the environment of configure, for easyblocks that are known to have that step."""
    if draft.parameters.get('easyblock') not in load_compilers()['easyblocks_configured']:
        return
    for fact in _facts(draft, site, 'variable'):
        name = fact['variable']
        export = f'export {name}="${name} {fact["flags"]}" && '
        before = draft.parameters.get('preconfigopts')
        after: Any = [f'{export}{item}' for item in before] if isinstance(before, (list, tuple)) \
            else f'{export}{before or ""}'
        if fact['flags'] not in str(before):
            yield Change('preconfigopts', before, after, 'linker-strictness', fact['reason'], fact['link'])


def _facts(draft: Draft, site: Site, kind: str) -> Iterator[Mapping]:
    """The facts of a kind (options, variable) that hold at a site for a recipe, by what it was made with."""
    known, base = load_compilers(), compiler_base(site)
    family = load_toolchains()['toolchains'][site.toolchain]['family']
    made_with = _gcc_of(draft)
    made_for = load_upstream()['toolchains'].get(draft.upstream_toolchain[0], {}).get('family')
    for fact in known['facts']:
        if kind not in fact or not base or fact['base'] != compiler_family(family)['base'] \
                or family not in fact.get('families', (family,)) or version_key(base) < version_key(fact['since']):
            continue
        limit = fact.get('recipes_before')
        older = made_with and (limit is None or version_key(made_with) < version_key(limit))
        if older or made_for in fact.get('recipes_of', ()):
            yield fact


def compiler_base(site: Site) -> Optional[str]:
    """Version of the compiler at a site: GCC's own, or that of the Clang that it is made of; None if unknown."""
    family = compiler_family(load_toolchains()['toolchains'][site.toolchain]['family'])
    module = next((name for name in family['modules'] if name in site.release.modules), None)
    if module is None:
        return None
    version = site.release.modules[module]
    if not family['bases']:
        return version
    return family['bases'].get(version.split('.')[0])


def _gcc_of(draft: Draft) -> Optional[str]:
    """Version of the GCC that an upstream recipe was made with; None where it was another compiler, or unknown."""
    name, version = draft.upstream_toolchain
    if family_of(name) or load_upstream()['toolchains'].get(name, {}).get('family') != 'GNU':
        return None
    if name in ('GCC', 'GCCcore'):
        return version
    return load_upstream()['generations'].get(version)
