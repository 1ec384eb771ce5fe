# SPDX-License-Identifier: GPL-2.0-only
"""
Which Python packages are asked for: in requirement files, a pyproject.toml, and by sources, to be built with.

Formats: https://pip.pypa.io/en/stable/reference/requirements-file-format/,
https://packaging.python.org/en/latest/specifications/pyproject-toml/, PEP 508, PEP 518.
"""
import importlib
import os
import re
import tarfile
import zipfile
from typing import Any, List, Mapping, Tuple

from .. import quote
from ..errors import LumiHooksError
from ..files import read_text

# a name, extras, versions; or a name and the address of an archive, which pip can compute a hash of
_REQUIREMENT = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[A-Za-z0-9 ,._-]*\])?\s*'
                          r'(@\s*(https|file)://\S+(\s+;.*)?|[(<>=!~][^@;#]*(;.*)?|;.*)?\Z')
_COMMENT = re.compile(r'(^|\s)#.*')
_OPTION = re.compile(r'(--requirement|--constraint|-r|-c)[\s=]+(\S+)\Z')
# files that name each other
_DEEPEST = 8
_LARGEST = 1 << 20
# a source that does not say (PEP 518)
_OLD_WAY = ('setuptools>=40.8.0', 'wheel')


def requirement(text: str, place: str = '') -> str:
    """
    One requirement as pip takes it.

    :param place: FILE:LINE, for the message
    :raises LumiHooksError: it is none: an option, a folder, a repository
    """
    found = text.strip()
    if '\n' in found or '\r' in found or not _REQUIREMENT.match(found):
        raise LumiHooksError(f'{place}{": " if place else ""}{quote.line(found)!r} is no requirement that can be '
                             'locked: write NAME, NAME==VERSION, or NAME @ https://ADDRESS of an archive')
    return found


def of_file(path: str, depth: int = 0) -> List[str]:
    """
    The requirements of a requirements.txt or a pyproject.toml, and of the files that it names.

    :raises LumiHooksError: it can't be read, or holds what can't be locked; the message has file and line
    """
    try:
        text = read_text(path, errors='strict', largest=_LARGEST)
    except (OSError, UnicodeDecodeError) as err:
        reason = getattr(err, 'strerror', None) or 'it is not UTF-8'
        raise LumiHooksError(f'{quote.line(path)} cannot be read: {reason}') from err
    if os.path.basename(path).endswith('.toml'):
        return _of_project(path, text)
    found: List[str] = []
    number, lines = 0, text.splitlines()
    while number < len(lines):
        place, line = f'{quote.line(path)}:{number + 1}', lines[number]
        while line.endswith('\\') and number + 1 < len(lines):
            number += 1
            line = line[:-1] + lines[number]
        number += 1
        # hashes are ours: every archive gets one
        line = re.sub(r'\s--hash[=\s]\S+', '', _COMMENT.sub('', line)).strip()
        option = _OPTION.match(line)
        if option and option[1] in ('-r', '--requirement') and depth < _DEEPEST:
            found.extend(of_file(os.path.join(os.path.dirname(path), option[2]), depth + 1))
        elif line.startswith('-'):
            raise LumiHooksError(f'{place}: the option {quote.line(line.split()[0])} has no place here: '
                                 'settings of pip belong into pip.conf, other requirements into -r FILE')
        elif line:
            found.append(requirement(line, place))
    return found


def _of_project(path: str, text: str) -> List[str]:
    project = toml(text, path).get('project')
    if not isinstance(project, dict):
        raise LumiHooksError(f'{quote.line(path)} has no table [project]: dependencies of other tools are not read')
    dependencies = project.get('dependencies', [])
    if 'dependencies' in project.get('dynamic', []) or not isinstance(dependencies, list):
        raise LumiHooksError(f'{quote.line(path)}: its dependencies are computed when it is built: list them instead')
    return [requirement(str(item), f'{quote.line(path)}: dependencies') for item in dependencies]


def built_with(archive: str) -> Tuple[str, ...]:
    """
    What a source (sdist) says that it is built with; nothing of it is run.

    :raises LumiHooksError: it can't be read
    """
    try:
        text = _from_archive(archive, 'pyproject.toml')
    except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError) as err:
        raise LumiHooksError(f'{quote.line(archive)} cannot be read: {quote.line(err)}') from err
    system: Any = toml(text, archive).get('build-system') if text else None
    if not isinstance(system, dict):
        return _OLD_WAY
    return tuple(requirement(str(item), quote.line(archive)) for item in system.get('requires', _OLD_WAY))


def _from_archive(path: str, wanted: str) -> str:
    """The text of a file in the top folder of an archive; empty where there is none."""
    if path.endswith('.zip'):
        with zipfile.ZipFile(path) as pack:
            for entry in pack.infolist():
                if entry.filename.partition('/')[2] == wanted and entry.file_size <= _LARGEST:
                    return pack.read(entry).decode('utf-8', 'replace')
        return ''
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile() and member.name.partition('/')[2] == wanted and member.size <= _LARGEST:
                stream = tar.extractfile(member)
                return stream.read().decode('utf-8', 'replace') if stream else ''
    return ''


def toml(text: str, path: str) -> Mapping[str, Any]:
    """
    A text in TOML as data.

    :raises LumiHooksError: it is none, or this Python can't read TOML
    """
    reader: Any
    try:
        reader = importlib.import_module('tomllib')
    except ImportError:  # before Python 3.11, where pip brings one
        try:
            reader = importlib.import_module('pip._vendor.tomli')
        except ImportError:
            raise LumiHooksError(f'{quote.line(path)}: this Python cannot read TOML: write JSON, or a '
                                 'requirements.txt') from None
    try:
        found: Mapping[str, Any] = reader.loads(text)
        return found
    except (ValueError, RecursionError) as err:
        raise LumiHooksError(f'{quote.line(path)} is no TOML: {quote.line(err)}') from err
