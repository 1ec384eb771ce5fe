# SPDX-License-Identifier: GPL-2.0-only
"""
Which folders of the prefixes below the user's own are closed: nothing in them is found, and nothing says so by itself.

A closed folder is there for everybody who asks whether it is (os.path.isdir), and empty for who lists it.
"""
import os
from dataclasses import dataclass
from typing import Dict, Iterator, List, Sequence, Tuple

from .. import quote, sites
from ..files import existing
from ..trust.owners import user_name
from . import Folders, archive_folders, module_folders, name_of, own_folders, source_folders


@dataclass(frozen=True)
class Closed:
    """
    A folder that is closed to this user.

    :ivar prefix: that it belongs to
    :ivar folder: itself: the prefix, or one below it
    :ivar lost: what comes of that
    :ivar owner: name of the user whose it is
    :ivar member: is this user in its group?
    """
    prefix: str
    folder: str
    lost: str
    owner: str
    member: bool

    def sentence(self, prefixes: Sequence[str]) -> str:
        """One sentence that says what is closed, what comes of it, and whom to ask for what."""
        name = name_of(self.prefix, prefixes)
        whose = f'{self.folder} ({name})' if self.prefix not in name else self.folder
        ask = f'chmod {"g" if self.member else "o"}+rx {quote.shell(self.folder)}'
        return f'{whose} is closed to you: {self.lost}. Ask {self.owner}, whose it is, for access ({ask}), or leave ' \
               'that prefix out of your stack (LUMI_HOOKS_PREFIXES)'


_ALL = 'nothing that it holds is found, so what is planned or built now may be installed there already'
# the folders of a prefix that are looked through, and what it means if one cannot be
_LOOKED_AT: Tuple[Tuple[Folders, str], ...] = (
    (module_folders, 'its modules are not found, so what is planned or built now may be installed there already'),
    (lambda prefix, *where: [os.path.join(prefix, sites.layout('software', *where))],
     'its modules are found, and cannot be used: what they load cannot be read'),
    (own_folders, 'the recipes that its owners wrote are not found, so others may be taken'),
    (archive_folders, 'the recipes of what is installed there are not found'),
    (lambda prefix, *_: [os.path.join(prefix, 'overrides')],
     'its overrides are not found, so software is built without them'),
    (source_folders, 'its sources are not found, and are fetched once more'),
)


def is_open(folder: str) -> bool:
    """Can this user list a folder and what is in it?"""
    return os.access(folder, os.R_OK | os.X_OK)


def closed_folders(prefixes: Sequence[str], stack: str, partition: str) -> List[Closed]:
    """
    What is closed of the prefixes below the first, each folder once; not what does not exist.

    :param stack: version of the LUMI module, which folders are named after
    """
    found: Dict[str, Closed] = {}
    for prefix in prefixes[1:]:
        # what is closed may be further up: then not even the prefix is seen
        above = existing(prefix)
        if not os.path.lexists(prefix) and not os.access(above, os.X_OK):
            found.setdefault(above, _closed(prefix, above, _ALL))
            continue
        for folder, lost in ((folder, lost) for folders, lost in _LOOKED_AT
                             for folder in folders(prefix, stack, partition)):
            place = next((place for place in _down(prefix, folder) if os.path.isdir(place) and not is_open(place)), '')
            if place:
                found.setdefault(place, _closed(prefix, place, _ALL if place == prefix else lost))
    return list(found.values())


def sentences(prefixes: Sequence[str], stack: str, partition: str) -> Tuple[str, ...]:
    """What is to be said of closed folders, one sentence each."""
    return tuple(one.sentence(prefixes) for one in closed_folders(prefixes, stack, partition))


def _down(prefix: str, folder: str) -> Iterator[str]:
    """A prefix, the folders on the way to one in it, and that one."""
    yield prefix
    place = prefix
    for name in os.path.relpath(folder, prefix).split(os.sep):
        place = os.path.join(place, name)
        yield place


def _closed(prefix: str, folder: str, lost: str) -> Closed:
    status = os.stat(folder)
    return Closed(prefix, folder, lost, user_name(status.st_uid), status.st_gid in (os.getegid(), *os.getgroups()))
