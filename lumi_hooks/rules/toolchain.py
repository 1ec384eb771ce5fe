# SPDX-License-Identifier: GPL-2.0-only
"""Upstream's toolchain becomes the cpe* toolchain of the release."""
from ..change import Change, Refusal
from ..releases import load_upstream
from ..site import Site
from .base import rule
from .draft import Draft


@rule('toolchain', 'the compilers, MPI and math libraries of the Cray PE take the place of upstream\'s toolchain')
def toolchain(draft: Draft, site: Site):
    """foss, gompi, gfbf, GCC, GCCcore … → the site's cpe* toolchain; unknown ones are refused."""
    name, version = draft.upstream_toolchain
    if name not in load_upstream()['toolchains']:
        known = ', '.join(load_upstream()['toolchains'])
        yield Refusal('toolchain', f'toolchain {name}/{version} has no counterpart here (known are {known}): look for '
                      'a recipe of the same software with one of these toolchains', 'toolchain')
        return
    after = {'name': site.toolchain, 'version': site.toolchain_version}
    yield Change('toolchain', draft.parameters['toolchain'], after, 'toolchain',
                 f'compilers, MPI and math libraries of the Cray PE {site.release.name}; one flat level of '
                 'toolchains, as the central stack has it')
