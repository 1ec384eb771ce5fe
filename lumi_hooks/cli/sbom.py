# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb sbom: a software bill of materials of what is installed in a prefix, in CycloneDX."""
import argparse
import os
import sys
import uuid
from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, Sequence

from .. import __version__, quote
from ..errors import DataError, LumiHooksError
from ..extras import packages_remedy
from ..files import names_in, write_atomic
from ..prefix.closed import is_open
from ..record import installations, read_record, software_folders
from . import site_options
from .command import add_command

EXAMPLES = """examples:
  lumi-eb sbom                                  of the prefix ({prefix}), to standard output
  lumi-eb sbom --output software.cdx.json
  lumi-eb sbom /path/to/a/prefix

What was installed without lumi-hooks has no record and is not in it. The same installations make the same text.

exit code: 0 written, 1 some records can't be read, 2 bad use or there is no record at all
"""
# the namespace of serial numbers, which follow from the records
_SPACE = uuid.UUID('6a5b6b52-0d5c-5f0e-9a8e-6c756d690000')


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'sbom', run, 'software bill of materials of a prefix (CycloneDX 1.6, JSON)',
                         'Lists what is installed, with its sources and what it needs.', EXAMPLES)
    parser.add_argument('prefix', nargs='?', metavar='PREFIX', help='default: your own')
    parser.add_argument('--output', metavar='FILE', help='write it there instead of to standard output')


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: there is no record, the library is missing, FILE can't be written
    """
    prefix = options.prefix or site_options.find_site(options)[0].prefix
    records, wrong = records_of(prefix, options.release or '', options.partition or '')
    for problem in wrong:
        print(f'lumi-eb: left out: {quote.terminal(problem)}', file=sys.stderr)
    if prefix and os.path.isdir(prefix) and not is_open(prefix):
        raise LumiHooksError(f'{prefix} can\'t be read by you')
    if not records:
        asked = ', '.join(f'{name} {value}' for name, value in (('release', options.release),
                                                                ('partition', options.partition)) if value)
        raise LumiHooksError(f'there is no installation with a record that you can read in {prefix or "no prefix"}'
                             + (f' for {asked}' if asked else '') + ': name the prefix of a project or a colleague, or '
                             'install something with lumi-hooks first')
    text = as_cyclonedx(records)
    if options.output:
        try:
            write_atomic(options.output, text)
        except OSError as err:
            raise LumiHooksError(f'{options.output} cannot be written: {err.strerror}') from err
        print(f'{quote.terminal(options.output)}: {len(records)} installations')
    else:
        print(text, end='')
    return 1 if wrong else 0


def records_of(prefix: str, release: str = '', partition: str = ''):
    """The records in a prefix, and what is wrong with those that can't be read."""
    found: List[Dict[str, Any]] = []
    wrong: List[str] = []
    for folder in software_folders(prefix, release, partition):
        for path in installations(folder):
            try:
                record = read_record(path)
            except DataError as err:
                wrong.append(str(err))
                continue
            if record:
                found.append(record)
        wrong += [f'{path} can\'t be read by you' for path in _closed_installations(folder)]
    return found, wrong


def as_cyclonedx(records: Sequence[Mapping[str, Any]]) -> str:
    """
    A bill of materials in CycloneDX 1.6, as JSON text: the same for the same records.

    :raises LumiHooksError: the library cyclonedx-python-lib is not installed
    """
    try:
        from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
        from cyclonedx.model.bom import Bom
        from cyclonedx.model.component import Component, ComponentType
        from cyclonedx.output.json import JsonV1Dot6
        from packageurl import PackageURL
    except ModuleNotFoundError as err:
        raise LumiHooksError(f'this Python ({sys.executable}) lacks the package cyclonedx-python-lib: '
                             f'{packages_remedy("cyclonedx-python-lib")}') from err
    components: Dict[str, Component] = {}

    def needed(item: Mapping[str, Any]) -> Component:
        """What is not installed here but needed: a module of the Cray PE or of the central stack."""
        kind = ComponentType.PLATFORM if item.get('origin') == 'cray' else ComponentType.LIBRARY
        version = _text(item['version']) if item.get('version') else None
        return Component(name=_text(item['name']), type=kind, bom_ref=item['module'], version=version,
                         purl=PackageURL('generic', None, item['name'], item.get('version') or None),
                         properties=[Property(name='lumi-hooks:module', value=_text(item['module']))])

    for record in records:
        references = [ExternalReference(type=ExternalReferenceType.SOURCE_DISTRIBUTION,
                                        url=XsUri(quote.uri(item['file'])),
                                        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=item['sha256'])])
                      for item in [*record['sources'], *record['patches']] if item.get('sha256')]
        facts = {'module': record['module'], 'installation': record['installation'],
                 'toolchain': '{name}/{version}'.format(**record['toolchain']),
                 'recipe': record['recipe']['file'], 'recipe-sha256': record['recipe']['sha256'],
                 'source-recipe': (record.get('source') or {}).get('file'), 'release': record['site']['release'],
                 'partition': record['site']['partition'], 'lumi-hooks': record['library']['version'],
                 'easybuild': record['easybuild']['version']}
        components[_key(record)] = Component(
            name=_text(record['name']), version=_text(record['version']), type=ComponentType.APPLICATION,
            bom_ref=_key(record),
            purl=PackageURL('generic', None, record['name'], record['version']), external_references=references,
            properties=[Property(name=f'lumi-hooks:{name}', value=_text(value))
                        for name, value in facts.items() if value])
    newest = max(record['times']['finished'] for record in records)
    bom = Bom(serial_number=uuid.uuid5(_SPACE, '\n'.join(sorted(map(str, records)))))
    bom.metadata.timestamp = _moment(newest)
    bom.metadata.component = Component(name='lumi-hooks prefix', type=ComponentType.PLATFORM, version=__version__,
                                       bom_ref='prefix')
    own = list(components.items())
    for record, (_, component) in zip(records, own):
        depends = []
        for item in record['dependencies']:
            key = _key({**record, 'module': item['module']})
            if key not in components:
                key = item['module']
                components.setdefault(key, needed(item))
            depends.append(components[key])
        bom.register_dependency(component, depends)
    for component in components.values():
        bom.components.add(component)
    bom.register_dependency(bom.metadata.component, [component for _, component in own])
    return JsonV1Dot6(bom).output_as_string(indent=2) + '\n'


def _key(record: Mapping[str, Any]) -> str:
    """A module in its release and partition: two partitions hold modules of the same name."""
    return f'{record["site"]["release"]}/{record["site"]["partition"]}/{record["module"]}'


def _text(value: Any) -> str:
    """A text of a record in one line; CycloneDX 1.6 takes versions of up to 1024 characters."""
    return quote.line(value)[:1024]


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, '%Y-%m-%dT%H:%M:%S%z')
    except ValueError:
        return datetime.fromtimestamp(0, timezone.utc)


def _closed_installations(folder: str) -> List[str]:
    """Folders below one with software that can't be entered: what is a group's alone."""
    found = [os.path.join(folder, name, version) for name in names_in(folder)
             for version in names_in(os.path.join(folder, name)) if not version.startswith('.')]
    return [path for path in found if os.path.isdir(path) and not is_open(path)]
