# SPDX-License-Identifier: GPL-2.0-only
"""
Options of `eb` that would do something else than they say, as EasyBuild sees an adapted copy of the recipe.

EasyBuild itself is asked which options it has: besides the command line they come from EASYBUILD_* variables, from
configuration files and from entries of an easystack, and its parser takes abbreviations. docs/options.md says of
these options and of others what they do.
"""
import shlex
from typing import Dict, Iterable, Optional, Tuple

from easybuild.tools.config import build_option

from ... import sites
from ...errors import LumiHooksError
from ...releases import load_toolchains

_COPY = 'it acts on the recipe itself, but with these hooks EasyBuild sees an adapted copy'
_REPORT = 'what it says would be true only of the adapted copy that is built with these hooks, not of the recipe'
REFUSED_OPTIONS = {
    'inject-checksums': _COPY, 'inject-checksums-to-json': _COPY, 'fix-deprecated-easyconfigs': _COPY,
    'new-pr': _COPY, 'new-branch-github': _COPY, 'update-pr': _COPY, 'update-branch-github': _COPY,
    'preview-pr': _COPY, 'review-pr': _COPY,
    'check-style': _REPORT, 'check-contrib': _REPORT, 'upload-test-report': _REPORT,
}
# options that name a toolchain, or its name and version: every recipe is for one of the Cray PE's when they act
TOOLCHAIN_OPTIONS = ('toolchain', 'toolchain-name', 'try-toolchain', 'try-toolchain-name')


def refuse_options() -> None:
    """
    Refuse what EasyBuild is configured to do, if it would go wrong.

    :raises LumiHooksError: it names the option, wherever it was set, and says why and what to do
    """
    found = refused(build_option('command_line') or ())
    if found:
        name, reason = found
        variable = 'EASYBUILD_' + name.upper().replace('-', '_')
        raise LumiHooksError(f'--{name} (or {variable}, or a configuration file) is refused: {reason}')


def refused(words: Iterable[str]) -> Optional[Tuple[str, str]]:
    """
    The first option that is refused, and why; None where none is.

    :param words: the options that EasyBuild is configured with and its arguments, in its own notation (--name=value,
        quoted for a shell)
    """
    given: Dict[str, str] = {}
    for word in words:
        if word.startswith('--'):
            name, _, value = word[2:].partition('=')
            given[name] = value
    for name, reason in REFUSED_OPTIONS.items():
        if name in given:
            return name, f'{reason}. Run it without them: eb --hooks= …, {sites.name()}\'s modules unloaded'
    known = load_toolchains()['toolchains']
    for name in TOOLCHAIN_OPTIONS:
        toolchain = ''.join(shlex.split(given.get(name, ''))).partition(',')[0]
        if toolchain and toolchain != 'system' and toolchain not in known:
            return name, f'with these hooks every recipe is for a toolchain of the Cray PE, and {toolchain} is none: ' \
                         f'leave it out, or name another of them ({", ".join(known)}) with LUMI_HOOKS_TOOLCHAIN'
    return None
