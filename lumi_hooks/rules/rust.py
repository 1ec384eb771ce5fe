# SPDX-License-Identifier: GPL-2.0-only
"""Rust: its project's own binary release stands in for the one that upstream's recipe compiles."""
from functools import lru_cache
from typing import Any, Mapping

from ..change import Change
from ..dependency import SYSTEM, Dependency
from ..schemas import checked
from ..site import Site
from ..versions import version_key
from .base import rule
from .dependencies import in_step
from .draft import Draft


@lru_cache(maxsize=None)
def _facts() -> Mapping[str, Any]:
    return checked('releases/rust.json')


@rule('rust-binary', 'Rust is its project\'s own binary release, checked by its checksum, and is not compiled')
def rust_binary(draft: Draft, site: Site):
    """
    Rust → the oldest binary release that is not older, without a toolchain; the same version where the recipe, or
    something that it needs, carries it in its name. A newer one than there is data for is compiled, and so is all
    where the site's policy says so.
    """
    for parameter, dependency in draft.each():
        if dependency.name != 'Rust' or dependency.external or dependency.versionsuffix \
                or dependency.toolchain == SYSTEM:
            continue
        facts = _facts()
        if facts['policy'] != 'binary':
            return
        asked = version_key(dependency.version)
        choice = [dependency.version] if _named(draft, dependency) else facts['choice']
        version = next((item for item in choice if item in facts['archives'] and version_key(item) >= asked), None)
        if version:
            yield Change(parameter, dependency, Dependency('Rust', version, '', SYSTEM), 'rust-binary',
                         f'{facts["policy_reason"]}; {facts["choice_reason"]}', facts['choice_link'])


def _named(draft: Draft, rust: Dependency) -> bool:
    """Does the recipe, or something that it needs, carry the version of Rust in its name?"""
    return in_step(draft, rust) or any(f'-Rust-{rust.version}' in item.versionsuffix for _, item in draft.each())
