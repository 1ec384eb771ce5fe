# SPDX-License-Identifier: GPL-2.0-only
"""What is said when an installation ends: where it is and how to load it, or the first real error and what to try."""
import hashlib
import os
import re
import time
from typing import Any, Dict, List, Optional, Sequence, Tuple

from easybuild.base import fancylogger
from easybuild.tools.config import build_option
from easybuild.tools.version import VERSION as EASYBUILD

from ... import __version__, quote
from ...amounts import size_in_words
from ...change import Adaptation
from ...errors import DataError
from ...files import read_text
from ...record import read_record
from ...record.failed import error_facts, keep
from ...record.failure import UNKNOWN, Failure, first_error, nearest
from ...site import Site
from .. import messages

# letters of a message that are shown
_LONGEST = 300
# letters of a recipe that are kept
_LARGEST_RECIPE = 200_000
_CHECKSUM = re.compile(r'Checksum verification for (?P<path>.+) using (?P<old>.+) failed')

_log = fancylogger.getLogger('lumi_hooks.ending', fname=False)


def succeeded(installation, site: Site) -> None:
    """One line: where it is, what it took, and how to load it."""
    if build_option('stop') or build_option('sanity_check_only') or not os.path.exists(installation.module_file):
        return
    took = ''
    try:
        record = read_record(installation.installdir)
    except DataError:
        record = None
    if record:
        took = f' ({size_in_words(record["size"]["bytes"])}, {record["size"]["inodes"]} files and folders)'
    module = installation.module
    _say(f'{module} is in {installation.installdir}{took}; load it with: module load {module}')


def failed(installation, site: Site, result: Any, adaptation: Optional[Adaptation]) -> None:
    """The first real error, the rule whose change it names, what to try, and where the log is."""
    log, message = result[1], str(result[2])
    try:
        text = read_text(log) if log and os.path.isfile(log) else message
    except OSError:
        text = message
    found = first_error(text)
    change = nearest(found, adaptation.changes) if found and adaptation else None
    notes = checksum_notes(found) if found else []
    kept = None
    try:
        kept = keep(log if log and os.path.isfile(log) else None,
                    facts(installation, site, found, change, notes, adaptation), site.prefix, installation.restricted)
    except (OSError, ValueError) as err:
        _log.info('lumi-hooks: no copy of the log %s in %s: %s', log, site.prefix, err)
    for line in report(installation.module, found, message, change, notes, kept or log):
        _say(quote.line(line))


def facts(installation, site: Site, found: Optional[Failure], change: Optional[Tuple[str, str]], notes: Sequence[str],
          adaptation: Optional[Adaptation]) -> Dict[str, Any]:
    """What is kept next to the log (schemas/failed.schema.json)."""
    now = time.time()
    given = adaptation.recipe if adaptation else None
    return {'module': installation.module, 'when': {'seconds': now, 'time': time.strftime('%Y-%m-%dT%H:%M:%SZ',
                                                                                  time.gmtime(now))},
            'release': site.release.name, 'partition': site.partition, 'toolchain': site.toolchain,
            'easybuild': str(EASYBUILD), 'lumi_hooks': __version__, 'node': os.uname().nodename,
            'job': os.environ.get('SLURM_JOB_ID'), 'private': installation.restricted,
            'recipe': {'given': given.filename if given else None,
                       'given_text': given.text[:_LARGEST_RECIPE] if given else None,
                       'file': os.path.basename(installation.recipe[0] or '') or None,
                       'text': installation.recipe[1][:_LARGEST_RECIPE]},
            'error': error_facts(found), 'notes': list(notes),
            'rule': {'rule': change[0], 'change': change[1]} if change else None}


def checksum_notes(found: Failure) -> List[str]:
    """Of a file whose checksum is another one: what it is, and the line for a recipe of your own version."""
    match = _CHECKSUM.search(found.line) if found.kind == 'checksum' else None
    if not match or not os.path.isfile(match['path']):
        return []
    digest = hashlib.sha256()
    try:
        with open(match['path'], 'rb') as source:
            for block in iter(lambda: source.read(1 << 20), b''):
                digest.update(block)
    except OSError:
        return []
    name, value = os.path.basename(match['path']), digest.hexdigest()
    return [f'the sha256 of {name} is {value}',
            f'if the version is your own change and you trust the file, write into the checksums of your recipe, '
            f'instead of {match["old"]}: \'{value}\',  # {name}']


def report(module: str, found: Optional[Failure], message: str, change: Optional[Tuple[str, str]],
           notes: Sequence[str], log: Optional[str]) -> List[str]:
    """The lines that explain a failure."""
    what = message.splitlines()[0][:_LONGEST] if message else 'it failed'
    title = 'was not installed: ' + what
    if found:
        title = 'was not installed. ' + ('It ended with:' if found.kind == UNKNOWN else 'The first error:')
    lines = [f'{module} {title}']
    if found:
        lines += [f'    {line}' for line in found.context]
        lines.append(f'  what it means: {found.means}')
        if change:
            lines.append(f'  it names what the rule {change[0]} changed: {change[1]}')
        if found.advice:
            lines.append(f'  what to try: {found.advice}')
        lines += [f'  {note}' for note in notes]
    if log:
        lines.append(f'  the whole log{f", line {found.number}" if found else ""}: {log}')
        lines.append(f'  all of it in one file, for whoever helps you: lumi-eb report {module} --output report.md')
    return lines


def _say(text: str) -> None:
    messages.say(text)
