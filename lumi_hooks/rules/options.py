# SPDX-License-Identifier: GPL-2.0-only
"""Toolchain options that a cpe* toolchain does not know: EasyBuild would stop at them."""
from ..change import Change, Refusal
from ..releases import load_provided
from ..site import Site
from .base import rule
from .draft import Draft


@rule('toolchain-options', 'EasyBuild stops at a toolchain option that the toolchain does not know',
      link='https://docs.easybuild.io/version-specific/toolchain-opts/')
def toolchain_options(draft: Draft, site: Site):
    """
    An option that is switched off, or that is known to have no use with these compilers, is left out; another one
    that the toolchain does not know is refused.
    """
    options, known = draft.parameters.get('toolchainopts'), load_provided()['options']
    if not isinstance(options, dict):
        return
    strange = [name for name in options if name not in known['all'] and name not in known['toolchains'][site.toolchain]]
    left_out = {name: known['needless'].get(name, 'it is switched off') for name in strange
                if name in known['needless'] or not options[name]}
    if left_out:
        after = {name: value for name, value in options.items() if name not in left_out}
        why = '; '.join(f'{name}: {reason}' for name, reason in left_out.items())
        yield Change('toolchainopts', options, after or None, 'toolchain-options',
                     f'{site.toolchain} does not know it, and nothing is lost ({why})', toolchain_options.link)
    for name in strange:
        if name not in left_out:
            able = [toolchain for toolchain, more in known['toolchains'].items() if name in more]
            remedy = f'build it with {" or ".join(able)}' if able else 'leave it out by an override ' \
                '({"parameters": {"toolchainopts": …}}), if the software can do without'
            yield Refusal('option', f'{site.toolchain} does not know the toolchain option {name} = {options[name]!r}: '
                          f'{remedy}', 'toolchain-options', name)
