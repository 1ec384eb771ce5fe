# SPDX-License-Identifier: GPL-2.0-only
"""What counts as licensed software: its logs and sources are nobody else's to read. Decided here and nowhere else."""
from functools import lru_cache
from typing import Any, FrozenSet

from ..schemas import checked


def is_licensed(name: str, group: Any = None, license_file: Any = None) -> bool:
    """
    Is a package licensed: restricted to a group, with a licence of its own, or known to be (licensed.json)?

    :param name: name of the software; capitals do not matter, as users write recipes for it by hand
    :param group: the recipe's parameter `group`
    :param license_file: the recipe's parameter `license_file`
    """
    return bool(group or license_file) or name.lower() in _known()


@lru_cache(maxsize=None)
def _known() -> FrozenSet[str]:
    return frozenset(name.lower() for name in checked('licensed.json')['software'])
