# SPDX-License-Identifier: GPL-2.0-only
"""
The record of an installation: what it is, where it comes from and what was changed, kept in the installation itself.

`easybuild/lumi/record.json` (schemas/record.schema.json, docs/record.md) is for programs, `changes.md` next to it for
people. Both are data: they are read, and never executed. eb/lifecycle/record.py makes records, inside `eb`.
"""
import fnmatch
import json
import os
import re
from dataclasses import asdict, dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .. import quote, sites
from ..errors import DataError
from ..files import names_in, read_json
from ..prefix import name_of
from ..prefix.closed import is_open
from ..prefix.held import due_in
from ..releases import load_machine
from ..versions import version_key

SCHEMA_VERSION = 1
# below an installation
FOLDER = os.path.join('easybuild', 'lumi')
FILE = os.path.join(FOLDER, 'record.json')
CHANGES = os.path.join(FOLDER, 'changes.md')
# fields that say when and how long: everything else is the same when an installation is repeated
TIMES = ('times', 'module_only')


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


def same(first: Mapping[str, Any], second: Mapping[str, Any]) -> List[str]:
    """The fields in which two records differ, times left out."""
    return sorted(key for key in {*first, *second} if key not in TIMES and first.get(key) != second.get(key))


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


def closed_installations(folder: str) -> List[str]:
    """Folders below one with software that can't be entered: what is a group's alone."""
    found = [os.path.join(folder, name, version) for name in names_in(folder)
             for version in names_in(os.path.join(folder, name)) if not version.startswith('.')]
    return [path for path in found if os.path.isdir(path) and not is_open(path)]


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


@dataclass(frozen=True)
class Estimate:
    """
    What an installation will take, going by an earlier one: `seconds`, `bytes` and `inodes` (None: not known), and
    `basis`, the module whose record says so.
    """
    seconds: Optional[float]
    bytes: Optional[int]
    inodes: Optional[int]
    basis: str

    def as_json(self) -> Dict[str, Any]:
        """As plain data."""
        return asdict(self)


class Experience:
    """
    What earlier installations took.

    :param prefixes: where to look for their records; of two for the same module the first one's counts
    """

    def __init__(self, prefixes: Sequence[str]):
        self._folders = [folder for prefix in prefixes if prefix for folder in software_folders(prefix)]
        self._known: Dict[str, List[Dict[str, Any]]] = {}

    def estimate(self, module: str) -> Optional[Estimate]:
        """
        From the record of that very module, else of the nearest version of the same software: the same version for
        another toolchain, then the newest. None where there is no record.
        """
        name, _, version = module.partition('/')
        records = self._records(name)
        if not records:
            return None
        plain = version.split('-', 1)[0]

        def rank(record: Dict[str, Any]) -> Tuple:
            return (record['module'] == module, record['version'] == plain, version_key(record['version']))

        best = max(records, key=rank)
        seconds = best['times'].get('seconds')
        return Estimate(seconds if isinstance(seconds, (int, float)) else None, best['size']['bytes'],
                        best['size']['inodes'], best['module'])

    def _records(self, name: str) -> List[Dict[str, Any]]:
        if name not in self._known:
            found: List[Dict[str, Any]] = []
            for folder in self._folders if name and os.sep not in name and not name.startswith('.') else ():
                for path in installations(folder, name):
                    try:
                        record = read_record(path)
                    except DataError:
                        continue  # what can't be read says nothing
                    if record:
                        found.append(record)
            self._known[name] = found
        return self._known[name]


def headline(record: Mapping[str, Any]) -> str:
    """One sentence: what this is and where it comes from."""
    source, changes = record.get('source'), len(record['changes'])
    by = f'lumi-hooks {record["library"]["version"]}'
    if not source:
        return f'{record["module"]}, installed by {by} from {record["recipe"]["file"]}, which was not changed'
    count = f'{changes} change{"" if changes == 1 else "s"}' if changes or not record['rules'] else \
        f'changes by the rules {", ".join(record["rules"])}'
    return f'{record["module"]}, installed by {by} from {source["file"]} with {count}'


def where(record: Mapping[str, Any]) -> str:
    """Which prefix it was installed into, by name and path: the same for everybody, whoever's prefix lies on top."""
    prefix = record['site']['prefix']
    name = name_of(prefix if record['site']['mode'] == 'user' else None, ())
    return name if prefix in name else f'{name}, {prefix}'


def whose(record: Mapping[str, Any]) -> str:
    """Whose derived software is, and whom to ask (site data); empty for what was not derived."""
    said, source = load_machine().get('support'), record.get('source')
    return f'Derived by lumi-hooks from {source["file"]}; {said["text"]} ({said["contact"]})' if source and said else ''


def help_text(record: Mapping[str, Any]) -> str:
    """The short form, for the module's help. The same for the same record, whenever it is made."""
    source = record.get('source')
    lines = [headline(record) + '.', f'Installed into {where(record)}.', *filter(None, [whose(record)])]
    if source:
        lines.append(f'Source recipe: sha256 {source["sha256"]}.')
        rules = ', '.join(record['rules'])
        lines.append(f'Rules: {rules}.' if rules else 'No rule changed anything.')
    lines.append(f'What was changed and why: {os.path.join(record["installation"], CHANGES)}')
    lines.append(f'                          or lumi-eb explain {record["module"]}')
    return '\n'.join(lines)


def with_help(module: str, text: str) -> str:
    """A module file's text, in Lua or Tcl, with a section at the end of its help; unchanged where it has none."""
    title = 'lumi-hooks'
    section = f'\n\n{title}\n{"=" * len(title)}\n{text}\n'
    match = re.search(r'^help\(\[(=*)\[', module, re.MULTILINE)
    if match:
        end = module.find(f']{match[1]}]', match.end())
        return module if end < 0 else module[:end].rstrip('\n') + quote.lua(section) + module[end:]
    match = re.search(r'^\s*puts stderr \{', module, re.MULTILINE)
    if match:
        closing = re.compile(r'^\s*\}\s*$', re.MULTILINE).search(module, match.end())
        return module[:closing.start()].rstrip('\n') + quote.tcl(section) + module[closing.start():] if closing \
            else module
    return module


def changes_markdown(record: Mapping[str, Any], described: Sequence[Tuple[str, str, str, Optional[str]]]) -> str:
    """
    The readable form of a record.

    :param described: (rule, what became what, reason, link) of each change
    """
    text = quote.markdown
    site, source, size = record['site'], record.get('source'), record['size']
    lines = [f'# {text(record["module"])}', '', text(headline(record)) + '.', '',
             f'* Installed into {text(where(record))}',
             text(f'* Site: release {site["release"]}, partition {site["partition"]}, {site["toolchain"]}, mode '
                  f'{site["mode"]}'),
             text(f'* EasyBuild {record["easybuild"]["version"]}, easyblock {record["easybuild"]["easyblock"]}')]
    if source:
        lines.append(text(f'* Source recipe {source["file"]}, of {source["origin"]}, sha256 {source["sha256"]}'))
    lines.append(text(f'* Installed recipe {record["recipe"]["file"]}, sha256 {record["recipe"]["sha256"]}'))
    lines.append(f'* {size["bytes"]:,} bytes in {size["inodes"]:,} files and folders')
    network = record.get('network')
    if network:
        by = f' (by {text(network["by"])})' if isinstance(network.get('by'), str) else ''
        lines.append(f'* Built without a network: from its sources alone{by}' if network['cut_off'] else
                     text(f'* Built with the network, so perhaps from more than its sources: {network["reason"]}'))
    if record['kept_out']:
        lines.append(text(f'* Kept out of the build, as it does not use them: {", ".join(record["kept_out"])}'))
    lines += ['', '## What was changed, and why', '']
    if not described:
        lines.append('Nothing.' if not record['rules'] else
                     text(f'By the rules {", ".join(record["rules"])}; the recipe\'s own header says what and why.'))
    for rule, what, reason, link in described:
        lines.append(f'* {text(what)}  \n  {text(reason)} (rule `{text(rule)}`{text(", " + link) if link else ""})')
    for title, key in (('Sources', 'sources'), ('Patches', 'patches')):
        if record.get(key):
            lines += ['', f'## {title}', '']
            lines += [f'* {text(item["file"])}' + (f'  \n  sha256 {text(item["sha256"])}' if item.get('sha256') else '')
                      for item in record[key]]
    lines += ['', '## What it needs', '']
    lines += [text(f'* {item["module"]}{", only to be built" if item["build_only"] else ""}')
              for item in record['dependencies']] or ['* nothing but the toolchain']
    return '\n'.join(lines) + '\n'


def as_text(record: Mapping[str, Any]) -> str:
    """A record as it is written to its file."""
    return json.dumps(record, indent=1, ensure_ascii=False, default=str) + '\n'
