# SPDX-License-Identifier: GPL-2.0-only
"""Variables of Cray MPICH, libfabric and RCCL that are set for users, each with a reason (releases/variables.json)."""
import re
from typing import Mapping

from ..errors import DataError
from ..releases import Release
from ..schemas import checked
from ..versions import version_key
from .matrix import versions_of

# whose variables have to be there
OURS = re.compile('(FI|MPICH|NCCL|RCCL)_[A-Z0-9_]+')


def setting(name: str, value: str) -> Mapping:
    """
    What is known of a variable and a value of it.

    :raises DataError: nothing is
    """
    for entry in checked('releases/variables.json')['settings']:
        if (entry['name'], entry['value']) == (name, value):
            return entry
    raise DataError(f'releases/variables.json has no reason for {name}={value}')


def holds(entry: Mapping, release: Release) -> bool:
    """Is a setting for the version that a release has of its product?"""
    version = version_key(versions_of(release).get(entry['of'], ''))
    return version_key(entry['from']) <= version and ('below' not in entry or version < version_key(entry['below']))


def versions(entry: Mapping) -> str:
    """The versions that a setting is for, in words."""
    return f'{entry["of"]} from {entry["from"]} on' + (f', below {entry["below"]}' if 'below' in entry else '')
