# SPDX-License-Identifier: GPL-2.0-only
"""
The record of an installation: what it is, where it comes from and what was changed, kept in the installation itself.

`easybuild/lumi/record.json` (schemas/record.schema.json, docs/record.md) is for programs, `changes.md` next to it for
people. Both are data: they are read, and never executed. eb/lifecycle/record.py makes records, inside `eb`; text.py has
their words.
"""
import fnmatch
import os
from typing import Any, Dict, Iterator, List, Optional

from .. import sites
from ..errors import DataError
from ..files import names_in, read_json
from ..schemas import schema
from ..schemas.plain import faults

SCHEMA_VERSION = 1
# below an installation
FOLDER = os.path.join('easybuild', 'lumi')
FILE = os.path.join(FOLDER, 'record.json')
CHANGES = os.path.join(FOLDER, 'changes.md')


def read_record(installation: str) -> Optional[Dict[str, Any]]:
    """
    The record of an installation, None where it has none.

    :param installation: its folder
    :raises DataError: the record is no record: not JSON, too large, no regular file, of an unknown version
    """
    path = os.path.join(installation, FILE)
    try:
        # no link leads out of an installation: what is read may be shown, copied and sent to others
        found = read_json(FILE, below=installation)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as err:
        raise DataError(f'{path}: cannot be read ({err.strerror})') from err
    except ValueError as err:
        raise DataError(f'{path}: not valid JSON ({err})') from err
    if not isinstance(found, dict) or found.get('schema_version') != SCHEMA_VERSION:
        raise DataError(f'{path}: not a record of version {SCHEMA_VERSION}, which this version of lumi-hooks reads')
    # what a reader relies on: older records lack some fields, newer ones may have more
    fault = next(faults(found, schema('reading')), None)
    if fault:
        raise DataError(f'{path}: incomplete or damaged: {fault}')
    return found


def installations(folder: str, name: str = '') -> Iterator[str]:
    """
    Folders of installations that hold a record; those that are due for removal are left out.

    :param folder: folder with software (…/SW/LUMI-25.03/C), in EasyBuild's layout name/version
    :param name: only this software
    """
    from ..prefix.held import due_in  # eb asks only where somebody deleted a module by hand
    names = [name] if name else names_in(folder)
    due = due_in(folder.rpartition(f'{os.sep}SW{os.sep}')[0])
    for software in names:
        for version in names_in(os.path.join(folder, software)):
            path = os.path.join(folder, software, version)
            if not version.startswith('.') and os.path.isfile(os.path.join(path, FILE)) \
                    and not (due and os.path.realpath(path) in due):
                yield path


def software_folders(prefix: str, release: str = '', partition: str = '') -> List[str]:
    """
    Folders with software below a prefix, by the site's layout (LUMI's is SW/LUMI-<release>/<partition>), and …/EB.

    :param release: only of this release
    :param partition: only of this partition
    """
    found = ['']
    for part in sites.layout('software', release or '*', partition or '*').split('/'):
        # what is known is not looked for: eb asks for the folders of one release and partition with each recipe
        found = [os.path.join(above, name) for above in found for name in (
            fnmatch.filter(names_in(os.path.join(prefix, above)), part) if '*' in part else [part])]
    there = [path for path in (os.path.join(prefix, below) for below in found) if os.path.isdir(path)]
    return [os.path.join(path, 'EB') if os.path.isdir(os.path.join(path, 'EB')) else path for path in there]
