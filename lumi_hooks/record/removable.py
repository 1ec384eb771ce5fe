# SPDX-License-Identifier: GPL-2.0-only
"""What belongs to an installation that is to be removed, and what depends on it. Everything is read, nothing is run."""
import os
import re
from contextlib import suppress
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from .. import sites
from ..eb.lifecycle.removal import Target
from ..errors import DataError, LumiHooksError, SiteError
from ..files import names_in, read_text
from ..finding import installed_software, similar
from ..index import module_version
from ..prefix import archive_folders, holder, name_of
from ..presence import DUE, fallen, root_of
from ..site import Site, stack_version
from ..versions import version_key
from . import read_record

# how a module file says which others it needs, in Lua and in Tcl
_NEEDS = re.compile(r'^\s*(?:(?:depends_on|load|try_load|prereq|always_load)\s*\(([^)\n]*)\)|'
                    r'(?:depends-on|prereq|module\s+load)\s+([^\n]*))', re.MULTILINE)
_WORD = re.compile(r'[^\s"\',]+')


def target(what: str, site: Site) -> Target:
    """
    The installation that is meant.

    :param what: module, or the name of a software of which one version is installed
    :raises LumiHooksError: there is none or there are several of that name, or it is not this user's to remove
    """
    if not site.index.modulepath:
        raise SiteError(f'{sites.name()}\'s modules are not loaded, so what is installed there can\'t be looked up: '
                        f'{sites.said("load")}')
    name, _, version = what.partition('/')
    found = {**site.index.modules(name), **{one: path for one, (path, why) in site.index.fallen(name).items()
                                            if why != DUE}}
    if version:
        found = {one: path for one, path in found.items() if one == version}
    if not found:
        raise LumiHooksError(_unknown(what, site))
    if len(found) > 1:
        known = ', '.join(f'{name}/{one}' for one in sorted(found, key=version_key))
        raise LumiHooksError(f'{name} is {len(found)} modules: name one of {known}')
    (version, path), = found.items()
    return _target(f'{name}/{version}', path, site)


def _unknown(what: str, site: Site) -> str:
    name, _, version = what.partition('/')
    due = [one for one, (_, why) in site.index.fallen(name).items() if why == DUE and version in ('', one)]
    if due:
        return f'{name}/{due[0]} was removed already, and is due for deletion ("lumi-eb remove" lists what is kept)'
    versions = [f'{name}/{one}' for one in sorted(site.index.modules(name), key=version_key)]
    near = versions or similar(name, set(installed_software(site.index)))
    return f'{what} is not installed in {site.prefix}' + (f': did you mean {" or ".join(near)}?' if near else '')


def _target(module: str, path: str, site: Site) -> Target:
    prefix = holder(path, site.prefixes)
    if prefix is None or os.path.realpath(prefix) != os.path.realpath(site.prefix):
        raise LumiHooksError(f'{module} is not in your prefix ({site.prefix}), but in {name_of(prefix, site.prefixes)}'
                             f' ({os.path.dirname(path)}): who installs there removes it')
    try:
        root = root_of(read_text(path))
    except OSError as err:
        raise LumiHooksError(f'{path} cannot be read: {err.strerror}') from err
    if not root or not holder(root, (prefix,)):
        raise LumiHooksError(f'{module} cannot be removed: its module file does not say which folder of {prefix} it is '
                             'for')
    for folder in {os.path.dirname(path), os.path.dirname(root)}:
        if os.path.isdir(folder) and not os.access(folder, os.W_OK | os.X_OK):
            raise LumiHooksError(f'{module} cannot be removed: you cannot write to {folder}')
    record: Mapping[str, Any] = {}
    with suppress(DataError):  # it is removed all the same
        record = read_record(root) or {}
    size = record.get('size') or {}
    return Target(prefix, module, os.path.dirname(os.path.dirname(path)), path, root, _archived(module, record, site),
                  size.get('bytes'), size.get('inodes'))


def _archived(module: str, record: Mapping[str, Any], site: Site) -> str:
    """The archived recipe of an installation; empty where there is none."""
    name, version = module.split('/', 1)
    file = (record.get('recipe') or {}).get('file') or f'{name}-{version}.eb'
    for folder in archive_folders(site.prefix, stack_version(site), site.partition):
        path = os.path.join(folder, name, os.path.basename(file))
        if os.path.isfile(path) and not os.path.islink(path):
            return path
    return ''


def needed_by(targets: Sequence[Target], site: Site) -> Dict[str, List[str]]:
    """
    For each module that is to be removed the others that need it, by their records and by their module files: those
    of all prefixes that are seen from here.
    """
    leaving = {item.module for item in targets}
    found: Dict[str, Set[str]] = {module: set() for module in leaving}
    for module, needs in _needs(_trees(targets, site)):
        if module not in leaving:
            for other in leaving.intersection(needs):
                found[other].add(module)
    return {module: sorted(others) for module, others in found.items()}


def _trees(targets: Sequence[Target], site: Site) -> List[str]:
    """Folders of modules that may need one of the targets; what all partitions share is needed by each of them."""
    trees = [path for path in site.index.modulepath if holder(path, site.prefixes)]
    for item in targets:
        above, partition = os.path.split(item.tree)
        trees += [os.path.join(above, name) for name in names_in(above)] if partition == 'common' else [item.tree]
    return list(dict.fromkeys(trees))


def _needs(trees: Sequence[str]) -> Iterator[Tuple[str, Set[str]]]:
    """Full names of the modules in folders, with those that each needs to run."""
    for tree in trees:
        for name in names_in(tree):
            for entry in names_in(os.path.join(tree, name)) if not name.startswith('.') else ():
                version = module_version(entry)
                text = _text(os.path.join(tree, name, entry)) if version else None
                if text is not None and not fallen(text):
                    yield f'{name}/{version}', needs_of(text)


def needs_of(text: str) -> Set[str]:
    """The modules that an installed module needs to run, by the text of its file and by its record."""
    return {*_loaded(text), *_recorded(root_of(text))}


def _loaded(text: str) -> Iterator[str]:
    for match in _NEEDS.finditer(text):
        yield from _WORD.findall(match[1] or match[2] or '')


def _recorded(root: Optional[str]) -> Iterator[str]:
    try:
        record = read_record(root) if root else None
    except DataError:
        return
    for item in (record or {}).get('dependencies', ()):
        if not item.get('build_only'):
            yield item['module']


def _text(path: str) -> Optional[str]:
    try:
        return read_text(path, 'replace')
    except OSError:
        return None
