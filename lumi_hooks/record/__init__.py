# SPDX-License-Identifier: GPL-2.0-only
"""
The record of an installation: what it is, where it comes from and what was changed, kept in the installation itself.

`easybuild/lumi/record.json` (schemas/record.schema.json, docs/record.md) is for programs, `changes.md` next to it for
people. Both are data: they are read, and never executed. eb/lifecycle/record.py makes records, inside `eb`; text.py has
their words.
"""
import fnmatch
import os
import re
from typing import Any, Dict, Iterator, List, Optional

from .. import sites
from ..errors import DataError
from ..files import names_in, read_json
from ..prefix.held import due_in

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
    problem = _problem(found)
    if problem:
        raise DataError(f'{path}: {problem}')
    return found


# what a reader relies on: the types of fields, of which some may be missing; the schema says more
_NONE = type(None)
_TEXT, _NUMBER = (str, _NONE), (int, float, _NONE)
# the name of a file and nothing else: what is made of a record stays in its folder; the schema says the same
_NAME = re.compile(r'(?!\.{1,2}\Z)[^/\x00-\x1f\x7f]+')
_FILE = {'file': _NAME, 'sha256': _TEXT}
_SHAPE: Dict[str, Any] = {
    'module': str, 'name': str, 'version': str, 'installation': str, 'rules': [str], 'kept_out': [str],
    'modules': [str], 'sources': [_FILE], 'patches': [_FILE], 'environment': {}, 'overrides': (list, _NONE),
    'changes': [{'parameter': str, 'rule': str, 'reason': str}], 'module_only': (list, _NONE),
    'toolchain': {'name': str, 'version': str}, 'library': {'version': str, 'commit': _TEXT},
    'easybuild': {'version': str, 'easyblock': str, 'settings': {'optarch': _TEXT}},
    'site': {'release': str, 'partition': str, 'toolchain': str, 'mode': str, 'prefix': str, 'stack': _TEXT,
             'disabled': [str], 'derive': [str]},
    'recipe': {'file': _NAME, 'sha256': str, 'status': str}, 'size': {'bytes': int, 'inodes': int},
    'dependencies': [{'name': str, 'module': str, 'version': _TEXT, 'build_only': bool}],
    'times': {'finished': str, 'seconds': _NUMBER},
}
_NO_TEXT = re.compile('[\x00\ud800-\udfff]')
_SOURCE = {'file': _NAME, 'sha256': str, 'origin': str}
# more is no count of bytes or seconds
_MOST = 1 << 63


def _problem(found: Any) -> Optional[str]:
    """Why this can't be used as a record, None where it can."""
    if not isinstance(found, dict) or found.get('schema_version') != SCHEMA_VERSION:
        return f'not a record of version {SCHEMA_VERSION}, which this version of lumi-hooks reads'
    wrong = [key for key, shape in _SHAPE.items() if not _fits(found.get(key), shape)]
    if not found.get('name') or not all(item.get('name') for item in _dictionaries(found.get('dependencies'))):
        wrong.append('name')
    if not _fits(found.get('for_jobs', []), [{'command': str, 'stdin': str, 'why': str}]):
        wrong.append('for_jobs')
    if found.get('network') is not None and not _fits(found['network'], {'cut_off': bool, 'reason': _TEXT}):
        wrong.append('network')
    if found.get('fabric') is not None and not _fits(found['fabric'], {'libfabric': str, 'shs': [str]}):
        wrong.append('fabric')
    source = found.get('source')
    if source is not None and not (_fits(source, _SOURCE) and (source.get('kept') is None
                                                               or _fits(source['kept'], _NAME))):
        wrong.append('source')
    return f'incomplete or damaged: {", ".join(wrong)}' if wrong else None


def _dictionaries(value: Any) -> List[Dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _fits(value: Any, shape: Any) -> bool:
    """Has a value the types that a shape names, and is a text what its pattern says?"""
    if isinstance(shape, re.Pattern):
        return _fits(value, str) and shape.fullmatch(value) is not None
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(_fits(value.get(key), item) for key, item in shape.items())
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(item, shape[0]) for item in value)
    if isinstance(value, (int, float)):
        return isinstance(value, shape) and -_MOST < value < _MOST
    # text that is no text: half of a pair of surrogates can't be shown, and no path holds a NUL byte
    return isinstance(value, shape) and not (isinstance(value, str) and _NO_TEXT.search(value))


def installations(folder: str, name: str = '') -> Iterator[str]:
    """
    Folders of installations that hold a record; those that are due for removal are left out.

    :param folder: folder with software (…/SW/LUMI-25.03/C), in EasyBuild's layout name/version
    :param name: only this software
    """
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
