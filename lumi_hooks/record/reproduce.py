# SPDX-License-Identifier: GPL-2.0-only
"""Writes what repeats an installation: its recipe, source recipe and patches as they were, and the command."""
import hashlib
import os
from typing import Any, Dict, List, Mapping

from .. import quote, sites
from ..errors import LumiHooksError
from ..files import read_text, write_atomic
from ..store import SOURCE_FOLDER
from .explanation import InstalledPackage

SCRIPT = 'reproduce.sh'


def write(installation: InstalledPackage, folder: str) -> List[str]:
    """
    Write recipe, source recipe, patches and reproduce.sh into a folder.

    :return: the paths that were written
    :raises LumiHooksError: the installation has no record, lacks something, or was changed; the folder can't be written
    """
    record = installation.record
    if not record or not installation.recipe:
        raise LumiHooksError(f'{installation.folder} has no record of lumi-hooks, so it is not known how to repeat it; '
                             'the recipe in its folder easybuild and EasyBuild\'s log are what there is')
    contents: Dict[str, str] = {}

    def add(name: str, text: str) -> None:
        if name in contents:
            raise LumiHooksError(f'the record of {installation.folder} names {quote.line(name)} twice')
        contents[name] = text

    add(SCRIPT, script(record))
    add(record['recipe']['file'], _checked(installation.recipe, record['recipe']['sha256']))
    if record.get('source') and installation.source:
        source = record['source']
        add(os.path.join(SOURCE_FOLDER, source['file']), _checked(installation.source, source['sha256']))
    there = {os.path.basename(path): path for path in installation.patches()}
    for name, sha256 in {item['file']: item.get('sha256') for item in record['patches']}.items():
        if name not in there:
            raise LumiHooksError(f'{installation.folder} lacks the patch {name}, so it can\'t be repeated')
        add(name, _checked(there[name], sha256))
    written = []
    try:
        for name, text in contents.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if os.path.exists(path) and read_text(path) != text:
                raise LumiHooksError(f'{path} exists with different contents: give an empty folder')
            write_atomic(path, text, 0o755 if name == SCRIPT else None)
            written.append(path)
    except OSError as err:
        raise LumiHooksError(f'{folder} cannot be written: {err.strerror}') from err
    return written


def _checked(path: str, sha256: Any) -> str:
    """A file's text, which is to have that checksum."""
    try:
        text = read_text(path)
    except OSError as err:
        raise LumiHooksError(f'{path} cannot be read: {err.strerror}') from err
    if sha256 and hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest() != sha256:
        raise LumiHooksError(f'{path} is not the file that the record means: it was changed since')
    return text


def script(record: Mapping[str, Any]) -> str:
    """
    A shell script that repeats the installation of a record; arguments go to eb (--rebuild, --robot …).

    :raises LumiHooksError: the record holds what no script can name
    """
    try:
        return _script(record)
    except ValueError as err:
        raise LumiHooksError(f'the record can\'t be repeated: {err}') from err


def _script(record: Mapping[str, Any]) -> str:
    site, library, easybuild = record['site'], record['library'], record['easybuild']
    module, version, commit, eb = map(quote.comment, (record['module'], library['version'],
                                                      library.get('commit') or '', easybuild['version']))
    clone = f', commit {commit}' if commit else ''
    changed = ' with changes that were not committed' if library.get('modified') else ''
    # words before values: what a record says stays one word, whatever is in it
    stack, *more = [word.format(release=site['release'], partition=site['partition'])
                    for word in sites.site()['words']['here'].split()]
    # a module by its path would be code of whoever wrote the record
    modules = ' '.join(map(quote.module, (site.get('stack') or stack, *more,
                                          sites.said('easybuild', mode=site['mode']))))
    facts = [(sites.variable('stack') or sites.variable('release'), site['release']),
             (sites.variable('partition'), site['partition'])]
    loaded = '/'.join(f'${{{name}:-}}' for name, _ in facts if name)
    here = '/'.join(value for name, value in facts if name)
    lines = [
        '#!/bin/bash',
        f'# Repeats the installation of {module}, which was made by lumi-hooks {version}{clone}{changed},',
        f'# with EasyBuild {eb}. Run it in a new shell, with EASYBUILD_HOOKS or HOOKS '
        'naming lumi_hooks/hooks.py.',
        f'# It is installed into the prefix of {sites.variable("prefix")}. Arguments go to eb: --rebuild replaces what '
        'is there,',
        '# --sourcepath=DIR names a folder with its sources.',
        'set -eu', 'here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)',
        'hooks=${HOOKS:-${EASYBUILD_HOOKS:?name lumi_hooks/hooks.py with EASYBUILD_HOOKS}}',
        f'if [ "{loaded}" != {quote.shell(here)} ]; then',
        f'    module load {modules}',
        'fi',
        'export ' + ' '.join(f'LUMI_HOOKS_{name.upper()}={quote.shell(site[name])}'
                             for name in ('release', 'partition', 'toolchain')),
    ]
    for name in ('disabled', 'derive'):
        words = [word for word in site.get(name) or () if isinstance(word, str)]
        if words:
            variable = 'LUMI_HOOKS_DISABLE' if name == 'disabled' else 'LUMI_HOOKS_DERIVE'
            lines.append(f'export {variable}={quote.shell(",".join(words))}')
    if easybuild.get('settings', {}).get('optarch'):
        lines.append(f'export EASYBUILD_OPTARCH={quote.shell(easybuild["settings"]["optarch"])}')
    lines.append(f'exec eb --hooks="$hooks" "$here/"{quote.shell(record["recipe"]["file"])} "$@" --robot')
    return '\n'.join(lines) + '\n'
