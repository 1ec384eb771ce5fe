# SPDX-License-Identifier: GPL-2.0-only
"""Which of a recipe's sources and patches have no checksum, by its parameters alone: nothing is fetched."""
import re
from typing import Any, Iterator, List, Mapping, Optional, Sequence, Tuple

# EasyBuild's default for the source of an extension
_EXTENSION_SOURCE = '%(name)s-%(version)s.tar.gz'


def unchecked(parameters: Mapping[str, Any], beside: Mapping[str, str]) -> List[str]:
    """
    Names of the files that a recipe uses and has no checksum for, as the recipe writes them. A source from git that
    names a full commit is no such file: the commit is a checksum of its contents.

    :param parameters: of the recipe
    :param beside: what a checksums.json beside the recipe holds
    """
    return [name for name, _ in _unchecked(parameters, beside)]


def pinned_by_commit(parameters: Mapping[str, Any]) -> bool:
    """Has a recipe a source without a checksum that a full git commit stands for?"""
    return any(_is_pinned(source) and not checksum
               for sources, checksums in _groups(parameters) for source, checksum in _pairs(sources, checksums))


def _unchecked(parameters: Mapping[str, Any], beside: Mapping[str, str]) -> Iterator[Tuple[str, Any]]:
    for files, checksums in _groups(parameters):
        for file, checksum in _pairs(files, checksums):
            name = _name(file)
            if isinstance(checksum, Mapping):
                checksum = checksum.get(name) or next(iter(checksum.values()), None)
            if name and not checksum and name not in beside and not _is_pinned(file):
                yield name, file


def _groups(parameters: Mapping[str, Any]) -> Iterator[Tuple[List[Any], Any]]:
    """The files of a recipe, and of its extensions and components, with their checksums in order."""
    files = [*_list(parameters.get('sources')), *_list(parameters.get('data_sources')),
             *_list(parameters.get('patches')), *_list(parameters.get('postinstallpatches'))]
    yield files, parameters.get('checksums')
    for key in ('exts_list', 'components'):
        defaults = parameters.get('exts_default_options' if key == 'exts_list' else 'default_component_specs') or {}
        for item in parameters.get(key) or ():
            if not isinstance(item, (list, tuple)) or len(item) < 2 or not isinstance(item[0], str):
                continue
            options = item[2] if len(item) > 2 and isinstance(item[2], Mapping) else {}
            options = {**(defaults if isinstance(defaults, Mapping) else {}), **options}
            sources = _list(options.get('sources'))
            if key == 'exts_list' and not sources and not (options.get('nosource') or parameters.get('dummy_package')):
                sources = [str(options.get('source_tmpl') or _EXTENSION_SOURCE)
                           .replace('%(name)s', item[0]).replace('%(version)s', str(item[1]))]
            yield [*sources, *_list(options.get('patches')), *_list(options.get('postinstallpatches'))], \
                options.get('checksums')


def _pairs(files: Sequence[Any], checksums: Any) -> Iterator[Tuple[Any, Any]]:
    """Each file with its checksum, None where it has none."""
    if isinstance(checksums, Mapping):
        yield from ((file, checksums.get(_name(file) or '')) for file in files)
        return
    known = [checksums] if isinstance(checksums, str) else list(checksums or ())
    for position, file in enumerate(files):
        yield file, known[position] if position < len(known) else None


def _is_pinned(source: Any) -> bool:
    config = source.get('git_config') if isinstance(source, Mapping) else None
    commit = config.get('commit') if isinstance(config, Mapping) else None
    return isinstance(commit, str) and re.fullmatch('[0-9a-f]{40}', commit) is not None


def _list(value: Any) -> List[Any]:
    if value is None or value == '':
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _name(file: Any) -> Optional[str]:
    """File name of a source or a patch, in all the notations of recipes."""
    if isinstance(file, Mapping):
        file = file.get('filename') or file.get('name')
    elif isinstance(file, (list, tuple)):
        file = file[0] if file else None
    return file if isinstance(file, str) and file else None
