# SPDX-License-Identifier: GPL-2.0-only
"""The folder of a site that is none of ours ($LUMI_HOOKS_SITE_DIR): it is checked whole, before anything is read."""
import os

from ..data import texts
from ..errors import SiteError
from ..files import read_json
from ..schemas import checked
from . import FOLDER

# bytes that a file of a site's folder may have
LARGEST = 1_000_000


def check_files(path: str) -> None:
    """
    Data decides on what is derived: it has to come from the folder's owner or root, and nobody else.

    :raises SiteError: a file could have been written by others, or is not what a site's file can be
    :raises DataError: a file is not as its schema says
    """
    from ..trust.judge import Judge  # these ask for the site themselves
    from ..trust.owners import Trusted, Zone, private_group
    user, owner = os.geteuid(), os.stat(path).st_uid
    judge = Judge(Trusted(user, frozenset({0, private_group(user)}),
                          (Zone(os.path.realpath(path), frozenset({owner})),)))
    for place in (path, os.path.join(path, 'versions')):
        for entry in sorted(os.listdir(place)) if os.path.isdir(place) else ():
            if not entry.endswith('.json'):
                continue
            reason = judge.why_not(os.path.join(place, entry)) or _why_no_data(os.path.join(place, entry))
            if reason:
                raise SiteError(f'{FOLDER}: {os.path.join(place, entry)} is not read, as it decides on what is '
                                f'derived: {reason}')
            checked(os.path.join(place, entry), 'versions' if place != path else entry[:-len('.json')])


def _why_no_data(path: str) -> str:
    """Why a file is none of a site's: no regular one, too large, or with letters that move a terminal or end a line."""
    try:
        content = read_json(path, LARGEST)
    except (OSError, ValueError) as err:
        return str(getattr(err, 'strerror', None) or err)
    wrong = next((text for text in texts(content) if not text.isprintable()), None)
    return '' if wrong is None else f'it holds a control character, in {wrong!r}'
