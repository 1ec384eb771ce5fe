# SPDX-License-Identifier: GPL-2.0-only
"""Makes the record of an installation inside `eb`, before the module is written and permissions are set."""
import hashlib
import os
import re
import subprocess
import tempfile
import time
from functools import lru_cache
from typing import Any, Dict, List, Mapping, Optional, Tuple

from easybuild.tools.build_log import print_warning
from easybuild.tools.config import build_option, get_module_naming_scheme, get_module_syntax
from easybuild.tools.version import EASYBLOCKS_VERSION, FRAMEWORK_VERSION

from ... import __version__, sites
from ...change import Adaptation
from ...data import ROOT
from ...errors import DataError, LumiHooksError
from ...files import read_text, write_atomic
from ...prefix import holder
from ...recipe import parse_recipe
from ...record import CHANGES, FILE, FOLDER, SCHEMA_VERSION, read_record
from ...record.source import adapted_again, find_source
from ...record.text import as_text, change_json, changes_markdown, help_text, with_help
from ...render import describe
from ...rules.override import override
from ...schemas import checked
from ...site import Site
from . import install, network, sanity
from .environment import left_out

# values with a user's name, and mostly a password, in an address; with control characters
_LEFT_OUT = re.compile(r'://\S*@|[\x00-\x1f\x7f-\x9f]')
# EasyBuild's settings that decide on what is built
_SETTINGS = ('optarch', 'rpath', 'debug', 'filter_deps', 'minimal_toolchains', 'ignore_osdeps', 'skip_test_step',
             'ignore_test_failure', 'skip_sanity_check', 'skip_extensions')


class Records:
    """
    The records that are made in one `eb`.

    :param session: the session of this process (session.py)
    """

    def __init__(self, session):
        self._session = session
        self._texts: Dict[str, str] = {}

    def write(self, easyblock) -> None:
        """
        Write the record of what is being installed.

        :raises LumiHooksError: it can't be written
        """
        if build_option('extended_dry_run') or build_option('sanity_check_only'):
            return
        session, ec = self._session, easyblock.cfg
        adaptation = session.adaptations.get(easyblock.full_mod_name)
        noted = parse_recipe(ec.rawtxt, ec.path).record
        beside = adaptation.recipe.path if adaptation else ec.path
        origin = find_source(noted, easyblock.name, beside, session.site) if noted else None
        if adaptation is None or adaptation.recipe.sha256 != noted.get('sha256'):
            # the recipe was adapted by another process: in a job, or for a --reproduce
            adaptation = adapted_again(ec.rawtxt, origin, session.site) if origin else None
        source = origin.as_json(noted['source'], noted['sha256']) if origin else None
        found = write(easyblock, session.site, adaptation, source, install.started(),
                      session.linkage.get(easyblock.full_mod_name), easyblock.full_mod_name in session.requested)
        self._texts[easyblock.full_mod_name] = help_text(found)

    def with_help(self, easyblock, path: str, text: str) -> str:
        """A module's text with the short form of its record in its help; that of a temporary module as it is."""
        known = self._texts.get(easyblock.full_mod_name)
        if not known or path != easyblock.mod_filepath:
            return text
        return with_help(text, known)


def write(easyblock, site: Site, adaptation: Optional[Adaptation], source: Optional[Mapping[str, Any]], started: float,
          linkage: Optional[Mapping[str, Any]] = None, asked_for: bool = True) -> Dict[str, Any]:
    """
    Write the record of what is being installed: record.json, changes.md and the source recipe. With --module-only the
    record of the installation stays, and that its module was made again is noted in it.

    :param adaptation: how its recipe was derived, None where it was not or that is not known
    :param source: the recipe that it was derived from: file, sha256, origin and text (None: not found again)
    :param started: when the installation began, in seconds since 1970
    :param asked_for: was it asked for by name, or did it come in as a dependency alone?
    :return: the record; it is not in the installation where that can't be written with --module-only
    :raises LumiHooksError: it can't be written
    """
    module_only = build_option('module_only') or easyblock.cfg['module_only']
    installation = easyblock.installdir
    earlier = _earlier(installation) if module_only else None
    if earlier:
        found = dict(earlier, module_only=[*earlier.get('module_only', ()), {
            'finished': _now(), 'library': __version__, 'easybuild': str(FRAMEWORK_VERSION)}])
    else:
        found = collect(easyblock, site, adaptation, source, started, linkage, module_only, asked_for)
    if not os.path.isdir(installation):
        return found  # a recipe that installs nothing but a module
    try:
        os.makedirs(os.path.join(installation, FOLDER), exist_ok=True)
        if source and source.get('text') is not None and not earlier:
            write_atomic(os.path.join(installation, FOLDER, source['file']), source['text'])
        write_atomic(os.path.join(installation, FILE), as_text(found))
        if not earlier:
            described = [(change.rule, describe(change, adaptation), change.reason, change.link)
                         for change in (adaptation.changes if adaptation else ())]
            write_atomic(os.path.join(installation, CHANGES), changes_markdown(found, described))
    except OSError as err:
        problem = f'the record of {easyblock.full_mod_name} cannot be written into {installation}: {err.strerror}'
        if not module_only:
            raise LumiHooksError(problem) from err
        print_warning('lumi-hooks: %s; the module is written anyway', problem)
    return found


def collect(easyblock, site: Site, adaptation: Optional[Adaptation], source: Optional[Mapping[str, Any]],
            started: float, linkage: Optional[Mapping[str, Any]], module_only: bool,
            asked_for: bool = True) -> Dict[str, Any]:
    """The record of what is being installed, as schemas/record.schema.json describes it."""
    ec = easyblock.cfg
    noted = parse_recipe(ec.rawtxt, ec.path).record
    sources, patches = _files(easyblock)
    commit, modified = library_commit()
    return {
        'schema_version': SCHEMA_VERSION,
        'module': easyblock.full_mod_name,
        'name': easyblock.name,
        'version': str(easyblock.version),
        'versionsuffix': ec['versionsuffix'] or '',
        'toolchain': {'name': easyblock.toolchain.name, 'version': str(easyblock.toolchain.version)},
        'installation': easyblock.installdir,
        'asked_for': asked_for,
        'library': {'version': __version__, 'commit': commit, 'modified': modified},
        'easybuild': {'version': str(FRAMEWORK_VERSION), 'easyblocks': str(EASYBLOCKS_VERSION),
                      'easyblock': type(easyblock).__name__, 'settings': _settings()},
        'site': {'release': site.release.name, 'partition': site.partition, 'toolchain': site.toolchain,
                 'mode': site.mode, 'prefix': site.prefix, 'stack': os.environ.get(sites.variable('full_name')),
                 'disabled': sorted(site.disabled), 'derive': sorted(site.derive)},
        'recipe': {'file': ec.filename(), 'sha256': hashlib.sha256(ec.rawtxt.encode()).hexdigest(),
                   'status': 'adapted' if noted else 'unchanged'},
        'source': _source(noted, source),
        'rules': list(noted.get('rules', ())),
        'changes': [_plain(change_json(change)) for change in adaptation.changes] if adaptation else [],
        'kept_out': list(noted.get('without', ())),
        'overrides': [_plain(change_json(change)) for change in (adaptation.changes if adaptation else ())
                      if change.rule == override.id],
        'dependencies': _dependencies(ec, site),
        'sources': sources,
        'patches': patches,
        'modules': [name for name in os.environ.get('LOADEDMODULES', '').split(':') if name],
        'environment': environment(os.environ),
        'left_out': left_out(),
        'network': None if module_only else network.as_json(),
        'fabric': _fabric() if _uses_mpi(easyblock, linkage) else None,
        'for_jobs': sanity.left(_uses_mpi(easyblock, linkage)),
        'linkage': {key: value for key, value in linkage.items() if key != 'seconds'} if linkage else None,
        'size': measure(easyblock.installdir),
        'times': {'started': None if module_only else _now(started), 'finished': _now(),
                  'seconds': None if module_only else round(install.took(), 1)},
        'module_only': [],
    }


def _uses_mpi(easyblock, linkage: Optional[Mapping[str, Any]]) -> bool:
    """Does a package use MPI, by its recipe or by the libraries that its files load?"""
    loads = (linkage or {}).get('summary', {}).get('mpi')
    return bool(loads or easyblock.toolchain.options.get('usempi'))


def _fabric() -> Optional[Dict[str, Any]]:
    """The machine's libfabric that a package was built with, and the versions of SHS that bring it."""
    from ...doctor.fabric import libfabric
    from ...fabric.matrix import shs_of
    found = libfabric(os.environ)
    return {'libfabric': found['version'], 'prefix': found['prefix'], 'shs': list(shs_of(found['version']))} \
        if found else None


def environment(env: Mapping[str, str], temporary: Optional[str] = None) -> Dict[str, str]:
    """
    The variables that a build depends on: those that record/environment.json lists, and no other. Values that name a
    user in an address or hold control characters are left out, and folders that only this run had.

    :param temporary: the run's own folder for temporary files
    """
    temporary = temporary or tempfile.gettempdir()
    stack = {'names': [sites.variable(key) for key in ('name', 'full_name', 'stack', 'release', 'partition')]}
    kept, found = [stack, *checked('record/environment.json')['kept']], {}
    for name, value in sorted(env.items()):
        if any(_fits(name, value, item) for item in kept) and not _LEFT_OUT.search(value):
            parts = [part for part in value.split(':') if not part.startswith(temporary)]
            if any(parts):
                found[name] = ':'.join(parts)
    return found


def _fits(name: str, value: str, item: Mapping[str, Any]) -> bool:
    """Does an entry of the list hold a variable, with a value as it has?"""
    named = name in item['names'] if 'names' in item else re.fullmatch(item['pattern'], name) is not None
    return named and re.search(item.get('value', ''), value) is not None


def measure(folder: str) -> Dict[str, int]:
    """Size of an installation: bytes of its files (hard links once), and its files and folders. Records left out."""
    size, seen = 0, set()
    own = os.path.join(folder, FOLDER)
    for path, folders, files in os.walk(folder):
        if path == own:
            folders[:] = []
            continue
        for name in [*folders, *files]:
            status = os.lstat(os.path.join(path, name))
            if (status.st_dev, status.st_ino) not in seen and os.path.join(path, name) != own:
                seen.add((status.st_dev, status.st_ino))
                size += 0 if name in folders else status.st_size
    return {'bytes': size, 'inodes': len(seen) + 1}


@lru_cache(maxsize=None)
def library_commit() -> Tuple[Optional[str], Optional[bool]]:
    """Commit of the clone that this is, and whether it was changed since; (None, None) for an installed copy."""
    clone = os.path.dirname(ROOT)
    commit = _head(os.path.join(clone, '.git'))
    if commit is None:
        return None, None
    try:
        # no program that the clone's configuration names is run for it
        done = subprocess.run(['git', '-C', clone, '-c', 'core.fsmonitor=false', 'status', '--porcelain',
                               '--untracked-files=no'], text=True, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError):
        return commit, None
    return commit, bool(done.stdout.strip()) if done.returncode == 0 else None


def _head(folder: str) -> Optional[str]:
    """
    The commit that a clone stands at. Read from its files (gitrepository-layout(5)): the command refuses a clone that
    belongs to somebody else, and a project shares one.
    """
    try:
        if os.path.isfile(folder):  # of a worktree
            folder = os.path.join(os.path.dirname(folder), read_text(folder).partition('gitdir:')[2].strip())
        head = read_text(os.path.join(folder, 'HEAD')).strip()
        if not head.startswith('ref:'):
            return head
        name, common = head[4:].strip(), folder
        if os.path.isfile(os.path.join(folder, 'commondir')):
            common = os.path.join(folder, read_text(os.path.join(folder, 'commondir')).strip())
        for place in (folder, common):
            if os.path.isfile(os.path.join(place, name)):
                return read_text(os.path.join(place, name)).strip()
        for line in read_text(os.path.join(common, 'packed-refs')).splitlines():
            if line.endswith(f' {name}'):
                return line.split()[0]
    except OSError:
        pass
    return None


def _source(noted: Mapping[str, Any], source: Optional[Mapping[str, Any]]) -> Optional[Dict[str, Any]]:
    """Where the recipe comes from; a recipe that was not derived has no source."""
    if not noted:
        return None
    kept = source['file'] if source and source.get('text') is not None else None
    return {'file': noted['source'], 'sha256': noted['sha256'], 'origin': source['origin'] if source else 'user',
            'kept': kept}


def _dependencies(ec, site: Site) -> List[Dict[str, Any]]:
    found = []
    site.index.refresh()  # what was installed before it in the same run
    for item in ec.dependencies():
        module = item['full_mod_name']
        if item.get('external_module'):
            name, _, version = module.partition('/')
            origin = 'cray' if name in site.cray else 'external'
        else:
            name, version = item['name'], str(item['version'])
            path = site.index.module_file(module)
            origin = 'unknown' if not path else 'prefix' if holder(path, site.prefixes) else 'central'
        found.append({'name': name, 'version': version or None, 'module': module, 'origin': origin,
                      'build_only': bool(item.get('build_only'))})
    return found


def _files(easyblock) -> Tuple[List[Dict[str, Any]], List[Dict[str, Any]]]:
    """Sources and patches that were used, those of extensions too, with their checksums as they are."""
    sources = [item['path'] for item in easyblock.src]
    patches = [item['path'] for item in easyblock.patches]
    for item in easyblock.exts:
        if item.get('src'):
            sources.append(item['src'])
        patches += [patch['path'] for patch in item.get('patches') or () if isinstance(patch, dict) and 'path' in patch]
    return ([{'file': os.path.basename(path), 'sha256': _checksum(path)} for path in dict.fromkeys(sources)],
            [{'file': os.path.basename(path), 'sha256': _checksum(path)} for path in dict.fromkeys(patches)])


def _checksum(path: str) -> Optional[str]:
    """SHA256 of a file, None for a folder."""
    if not os.path.isfile(path):
        return None
    found = hashlib.sha256()
    with open(path, 'rb') as handle:
        for block in iter(lambda: handle.read(1 << 20), b''):
            found.update(block)
    return found.hexdigest()


def _settings() -> Dict[str, Any]:
    found: Dict[str, Any] = {name: build_option(name, default=None) for name in _SETTINGS}
    found.update(module_syntax=get_module_syntax(), module_naming_scheme=get_module_naming_scheme())
    return {name: value for name, value in sorted(found.items()) if value not in (None, False, [], '')}


def _earlier(installation: str) -> Optional[Dict[str, Any]]:
    try:
        return read_record(installation)
    except DataError:
        return None


def _plain(value: Any) -> Any:
    """Only what JSON has."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _now(moment: Optional[float] = None) -> str:
    """A moment in the notation of ISO 8601, with the offset of the local time."""
    return time.strftime('%Y-%m-%dT%H:%M:%S%z', time.localtime(moment))
