# SPDX-License-Identifier: GPL-2.0-only
"""What the release's compiler no longer takes, and the recipe's own compiler took (releases/compilers.json)."""
from typing import Mapping, Optional

from ..change import Change
from ..releases import family_of, load_compilers, load_toolchains, load_upstream
from ..site import Site
from ..versions import version_key
from .base import rule
from .draft import Draft


@rule('compiler-strictness', 'a compiler that is stricter than the one a recipe was made with is told to warn only')
def compiler_strictness(draft: Draft, site: Site):
    """C that GCC before 14 and Clang before 16 warned of: the options that make it a warning again."""
    made_with = _gcc_of(draft)
    if not made_with or draft.parameters.get('easyblock') in load_compilers()['easyblocks_without']:
        return
    family = load_toolchains()['toolchains'][site.toolchain]['family']
    base = compiler_base(site)
    for fact in load_compilers()['facts']:
        if not base or fact['base'] != load_compilers()['families'][family]['base']:
            continue
        if version_key(base) < version_key(fact['since']) \
                or version_key(made_with) >= version_key(fact['recipes_before']):
            continue
        options = draft.parameters.get('toolchainopts')
        before: Mapping = options if isinstance(options, dict) else {}
        flags = str(before.get(fact['option']) or '')
        if fact['flags'] not in flags:
            after = {**before, fact['option']: f'{flags} {fact["flags"]}'.strip()}
            yield Change('toolchainopts', options, after, 'compiler-strictness', fact['reason'], fact['link'])


def compiler_base(site: Site) -> Optional[str]:
    """Version of the compiler at a site: GCC's own, or that of the Clang that it is made of; None if unknown."""
    family = load_compilers()['families'][load_toolchains()['toolchains'][site.toolchain]['family']]
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
