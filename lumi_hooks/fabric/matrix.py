# SPDX-License-Identifier: GPL-2.0-only
"""Which versions of Cray MPICH, PMI, ROCm, CCE and libfabric are known to fit together (releases/fabric.json)."""
from functools import lru_cache
from typing import Iterator, Mapping, NamedTuple, Tuple

from ..releases import Release, load_machine
from ..schemas import checked
from ..versions import version_key


class Unproven(NamedTuple):
    """Two versions that nobody is known to have used together, and why that may matter. No error: a note."""
    what: str
    other: str
    reason: str
    source: str


@lru_cache(maxsize=None)
def load_fabric() -> Mapping:
    """What is known of the fabric, as data (releases/fabric.json)."""
    return checked('releases/fabric.json')


def versions_of(release: Release) -> Mapping[str, str]:
    """The versions that meet on a release: its modules, and the machine's libfabric."""
    return {**release.modules, 'libfabric': load_machine()['libfabric']['version']}


def unproven(versions: Mapping[str, str]) -> Iterator[Unproven]:
    """
    What does not fit together, or is not known to.

    :param versions: by the names of modules; what is missing is not looked at
    """
    for line in load_fabric()['matrix']:
        if line['what'] not in versions or line['with'] not in versions:
            continue
        this, other = versions[line['what']], versions[line['with']]
        if _between(this, line['from'], line['to']) and not _between(other, line['least'], line['most']):
            yield Unproven(f'{line["what"]}/{this}', f'{line["with"]}/{other}', line['reason'], line['source'])


def _between(version: str, least: str, most: str) -> bool:
    """Is a version within bounds? The upper one takes whatever begins with it: 6.3.4 is within 6.3."""
    key, upper = version_key(version), version_key(most)
    return version_key(least) <= key and key[:len(upper)] <= upper


def shs_of(libfabric: str) -> Tuple[str, ...]:
    """The versions of HPE's Slingshot software that bring a version of libfabric; empty: none is known."""
    return tuple(line['shs'] for line in load_fabric()['shs'] if _between(libfabric, line['libfabric'],
                                                                         line['libfabric']))
