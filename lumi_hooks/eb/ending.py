# SPDX-License-Identifier: GPL-2.0-only
"""What is said when an installation ends: where it is and how to load it, or the first real error and what to try."""
import os
import shutil
from typing import Any, Optional

from easybuild.base import fancylogger
from easybuild.tools.build_log import print_msg
from easybuild.tools.config import build_option

from ..change import Adaptation
from ..errors import DataError
from ..files import at, open_folder, open_regular, read_text, replacing
from ..record import read_record
from ..record.failure import Failure, first_error, nearest
from ..site import OVERLAY_FOLDER, Site

# letters of a message that are shown
_LONGEST = 300

_log = fancylogger.getLogger('lumi_hooks.ending', fname=False)


def succeeded(here, site: Site) -> None:
    """One line: where it is, what it took, and how to load it."""
    if build_option('stop') or build_option('sanity_check_only') or not os.path.exists(here.module_file):
        return
    took = ''
    try:
        record = read_record(here.installdir)
    except DataError:
        record = None
    if record:
        took = f' ({sizes(record["size"]["bytes"])}, {record["size"]["inodes"]} files and folders)'
    _say(f'{here.module} is in {here.installdir}{took}; load it with: module load {here.module}')


def failed(here, site: Site, result: Any, adaptation: Optional[Adaptation]) -> None:
    """The first real error, the rule that is nearest to it, what to try, and where the log is."""
    log, message = result[1], str(result[2])
    try:
        text = read_text(log) if log and os.path.isfile(log) else message
    except OSError:
        text = message
    found = first_error(text)
    kept = _keep(log, here.module, site.prefix, here.restricted) if log else None
    for line in report(here.module, found, message, adaptation, kept or log):
        _say(line)


def report(module: str, found: Optional[Failure], message: str, adaptation: Optional[Adaptation],
           log: Optional[str]) -> list:
    """The lines that explain a failure."""
    what = message.splitlines()[0][:_LONGEST] if message else 'it failed'
    lines = [f'{module} was not installed. The first error:' if found else f'{module} was not installed: {what}']
    if found:
        lines += [f'    {line}' for line in found.context]
        change = nearest(found, adaptation.changes) if adaptation else None
        if change:
            lines.append(f'  nearest rule: {change[0]} ({change[1]})')
        lines.append(f'  what to try: {found.advice}')
    if log:
        lines.append(f'  the whole log{f", line {found.number}" if found else ""}: {log}')
    return lines


def sizes(number: float) -> str:
    """Bytes for reading, in decimal units."""
    for unit in ('bytes', 'kB', 'MB', 'GB'):
        if number < 1000 or unit == 'GB':
            return f'{number:.0f} {unit}' if unit == 'bytes' or number >= 10 else f'{number:.1f} {unit}'
        number /= 1000
    raise AssertionError('not reached')


def _keep(log: str, module: str, prefix: str, restricted: bool) -> Optional[str]:
    """
    A copy of the log in the prefix, one a module: the build's own folder is in memory and goes with the job. Of what
    is a group's alone nobody else reads the log: compilers quote sources.
    """
    inner, name = os.path.join(OVERLAY_FOLDER, 'failed'), module.replace('/', '-') + '.log'
    folder = os.path.join(prefix, inner)
    try:
        with open_folder(prefix, inner, make=True) as there, os.fdopen(open_regular(log), 'rb') as text, \
                replacing(at(there, name), 0o600 if restricted else 0o644) as copy:
            shutil.copyfileobj(text, copy)
    except OSError as err:
        _log.info('lumi-hooks: no copy of the log %s in %s: %s', log, folder, err)
        return None
    return os.path.join(folder, name)


def _say(text: str) -> None:
    print_msg(f'lumi-hooks: {text}', log=_log, silent=build_option('silent'))
