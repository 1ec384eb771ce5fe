# SPDX-License-Identifier: GPL-2.0-only
"""What a cpe* toolchain loads on a release."""
from dataclasses import dataclass
from typing import Tuple

from ..errors import DataError
from . import Release, load_toolchains


@dataclass(frozen=True)
class ToolchainFacts:
    """What a cpe* toolchain loads on one release."""
    name: str
    family: str
    prgenv: str
    compiler: str
    modules: Tuple[str, ...]


def toolchain_facts(name: str, release: Release) -> ToolchainFacts:
    """
    What toolchain `name` loads on `release`, pinned.

    :raises DataError: unknown toolchain, or the release lacks one of its modules
    """
    known = load_toolchains()['toolchains']
    if name not in known:
        raise DataError(f'unknown toolchain "{name}"; known are {", ".join(known)}')
    entry = known[name]
    compiler = next((mod for mod in entry['compiler'] if mod in release.modules), None)
    if compiler is None:
        raise DataError(f'release {release.name} has none of the compiler modules {entry["compiler"]} of {name}')
    modules = [release.module(entry['prgenv']), release.module(compiler)]
    modules += [release.module(mod) for mod in load_toolchains()['always']]
    modules += load_toolchains()['unversioned']
    return ToolchainFacts(name, entry['family'], entry['prgenv'], release.module(compiler), tuple(modules))
