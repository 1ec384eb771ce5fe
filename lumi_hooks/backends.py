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
def stands_for() -> Mapping[str, str]:
    """Software of upstream's that the module holds -> version that it holds."""
    return {name: entry['version'] for entry in load_backends()['packages'].values()
            for name in entry.get('stands_for', ())}
