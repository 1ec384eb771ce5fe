# SPDX-License-Identifier: GPL-2.0-only
"""The module of build back ends: wheels that the Python packages of a release are built and tested with."""
from functools import lru_cache
from typing import Any, Mapping

from .schemas import checked


@lru_cache(maxsize=None)
def load_backends() -> Mapping[str, Any]:
    """The wheels, and which software of upstream's they stand in for (releases/backends.json)."""
    return checked('releases/backends.json')


@lru_cache(maxsize=None)
def stands_for(suffix: str) -> Mapping[str, str]:
    """Software of upstream's that a variant of the module holds -> version that it holds."""
    return {name: entry['version'] for entry in of_variant(suffix).values() for name in entry.get('stands_for', ())}


def of_variant(suffix: str) -> Mapping[str, Mapping[str, Any]]:
    """The wheels of a variant ('': with cray-python's own setuptools), by normal name."""
    return {name: {**entry, **({} if suffix else entry.get('carried_setuptools', {}))}
            for name, entry in load_backends()['packages'].items()}
