# SPDX-License-Identifier: GPL-2.0-only
"""
Which of a recipe's sources and patches have no checksum that can be relied on, by its parameters alone: nothing is
fetched. A size, a CRC, an MD5 or SHA-1 sum is none: another file can be made to have it.

Two kinds of files need none: a source from git of which the recipe names the full commit, which is a checksum of its
contents; and a patch that is next to the recipe, which is as good as the recipe itself.
"""
import os
import re
from typing import Any, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..recipe import as_list, checksums_in, file_name

# EasyBuild's default for the source of an extension
_EXTENSION_SOURCE = '%(name)s-%(version)s.tar.gz'
# kinds of checksums that EasyBuild 5.4.1 knows (tools/filetools.py, CHECKSUM_FUNCTIONS): does one mean one file alone?
# Text alone is an MD5 sum of 32 or a SHA-256 sum of 64 characters.
_KINDS = {'adler32': False, 'crc32': False, 'md5': False, 'sha1': False, 'size': False, 'sha256': True, 'sha512': True}


def unchecked(parameters: Mapping[str, Any], folder: Optional[str] = None) -> List[str]:
    """
    Names of the files that a recipe uses and has no checksum for that can be relied on.

    :param parameters: of the recipe
    :param folder: that the recipe lies in: it may hold a checksums.json, and patches
    :raises RecipeError: its checksums.json is no list of checksums
    """
    beside = checksums_in(folder) if folder else {}
    values = {**parameters, 'namelower': str(parameters.get('name', '')).lower()}
    found = []
    for file, checksum, patch in _files(parameters):
        name = _filled(file_name(file), values)
        # a checksums.json is only looked into where the recipe says nothing
        if not name or is_strong(checksum or beside.get(name), name, file_name(file)) or _is_pinned(file):
            continue
        if not (patch and folder and os.path.basename(name) == name and os.path.isfile(os.path.join(folder, name))):
            found.append(name)
    return found


def is_strong(checksum: Any, *names: str) -> bool:
    """
    Does a checksum, in any of EasyBuild's notations (filetools.verify_checksum), let no other file pass?

    :param names: the file's name, as it is and as the recipe writes it: checksums may be given by names
    """
    if isinstance(checksum, str):
        return re.fullmatch('[0-9a-f]{64}', checksum) is not None
    if isinstance(checksum, Mapping):
        found = [checksum[name] for name in names if name in checksum] or list(checksum.values())
        return bool(found) and all(is_strong(item, *names) for item in found)
    if not isinstance(checksum, (list, tuple)) or not checksum:
        return False
    if len(checksum) == 2 and isinstance(checksum[0], str) and checksum[0] in _KINDS:
        return _KINDS[checksum[0]] and isinstance(checksum[1], str)
    # of a tuple any one may fit, of a list all have to; EasyBuild makes tuples of lists in lists (types.to_checksums)
    items = (is_strong(tuple(item) if isinstance(item, list) else item, *names) for item in checksum)
    return all(items) if isinstance(checksum, tuple) else any(items)


def is_complete(parameters: Mapping[str, Any]) -> bool:
    """Does a recipe itself hold a checksum of each of its files, whatever it is worth?"""
    return all(checksum for _, checksum, _ in _files(parameters))


def _files(parameters: Mapping[str, Any]) -> Iterator[Tuple[Any, Any, bool]]:
    """Each file of a recipe, its checksum (None where it has none), and whether it is a patch."""
    for sources, patches, checksums in _groups(parameters):
        for position, (file, checksum) in enumerate(_pairs([*sources, *patches], checksums)):
            yield file, checksum, position >= len(sources)


def _groups(parameters: Mapping[str, Any]) -> Iterator[Tuple[List[Any], List[Any], Any]]:
    """Sources, patches and checksums of a recipe, and of its extensions and components."""
    yield [*as_list(parameters.get('sources')), *as_list(parameters.get('data_sources'))], _patches(parameters), \
        parameters.get('checksums')
    for key in ('exts_list', 'components'):
        defaults = parameters.get('exts_default_options' if key == 'exts_list' else 'default_component_specs') or {}
        for item in parameters.get(key) or ():
            if not isinstance(item, (list, tuple)) or len(item) < 2 or not isinstance(item[0], str):
                continue
            options = item[2] if len(item) > 2 and isinstance(item[2], Mapping) else {}
            options = {**(defaults if isinstance(defaults, Mapping) else {}), **options}
            sources = as_list(options.get('sources'))
            if key == 'exts_list' and not sources and not (options.get('nosource') or parameters.get('dummy_package')):
                sources = [str(options.get('source_tmpl') or _EXTENSION_SOURCE)
                           .replace('%(name)s', item[0]).replace('%(version)s', str(item[1]))]
            yield sources, _patches(options), options.get('checksums')


def _patches(parameters: Mapping[str, Any]) -> List[Any]:
    return [*as_list(parameters.get('patches')), *as_list(parameters.get('postinstallpatches'))]


def _pairs(files: Sequence[Any], checksums: Any) -> Iterator[Tuple[Any, Any]]:
    """Each file with its checksum, None where it has none."""
    if isinstance(checksums, Mapping):
        yield from ((file, checksums.get(file_name(file))) for file in files)
        return
    known = [checksums] if isinstance(checksums, str) else list(checksums or ())
    for position, file in enumerate(files):
        yield file, known[position] if position < len(known) else None


def _is_pinned(source: Any) -> bool:
    config = source.get('git_config') if isinstance(source, Mapping) else None
    commit = config.get('commit') if isinstance(config, Mapping) else None
    return isinstance(commit, str) and re.fullmatch('[0-9a-f]{40}', commit) is not None


def _filled(name: str, values: Mapping[str, Any]) -> str:
    """A file's name with the templates that are parameters filled in."""
    try:
        return name % values
    except (KeyError, ValueError, TypeError):
        return name
