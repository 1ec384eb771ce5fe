# SPDX-License-Identifier: GPL-2.0-only
"""Checks of the prefix: is it there, can it be written to, does it lie where software belongs, whose is it?"""
import grp
import os
import re
import stat
import tempfile
from typing import Iterator, List, Optional, Sequence

from .. import sites
from ..errors import DataError
from ..files import existing, names_in, umask
from ..prefix import FILE, VARIABLE, area_of, changes_since_loaded, holder, project_of
from ..prefix.closed import closed_folders
from ..presence import GONE
from ..record import installations, read_record, software_folders
from ..record.lost import lost, software
from ..site import Site, stack_version
from . import ERROR, WARNING, Situation, check, no_prefix


@check('prefix', 'the prefix can be written to')
def prefix(situation: Situation):
    """It exists or can be made, and a file can be written there: mode bits do not say all (quota, read-only mount)."""
    path = situation.site.prefix
    if not path:
        yield ERROR, f'there is no prefix: {sites.said("set_prefix")}'
        return
    reason = why_unusable(path)
    if reason:
        yield ERROR, reason


def why_unusable(prefix: str) -> Optional[str]:
    """Why a prefix can neither be written to nor be made, and what to do; None where it can."""
    if os.path.lexists(prefix) and not os.path.isdir(prefix):
        return f'{prefix}, the prefix, is no folder: set {sites.variable("prefix")} to one'
    place = existing(prefix)
    below = os.path.join(place, os.path.relpath(prefix, place).split(os.sep)[0])
    reason = f'{below} is no folder' if place != prefix and os.path.lexists(below) else why_unwritable(place)
    if not reason:
        return None
    what = f'the prefix {prefix}' if place == prefix else f'{place}, in which the prefix {prefix} would be made,'
    return f'{what} cannot be written to ({reason}): choose another {sites.variable("prefix")}, or ask its ' \
           'owner for access'


def why_unwritable(folder: str) -> Optional[str]:
    """Why no file can be written in a folder, None where one can. A file without a name is written and goes at once."""
    try:
        with tempfile.TemporaryFile(dir=folder) as handle:
            handle.write(b'\0')
    except OSError as err:
        return err.strerror or str(err)
    return None


@check('umask', 'you may use what you make')
def own_umask(situation: Situation):
    """With a umask that takes rights from oneself EasyBuild can't enter the folders that it makes."""
    mask = umask()
    if mask & stat.S_IRWXU:
        yield ERROR, f'your umask is {mask:04o}, which removes your own rights to the files that you create; eb ends ' \
                     'with a PermissionError before it reads anything: umask 022 (in a project: umask 002), then ' \
                     'repeat the command'


def no_stack(situation: Situation) -> Optional[str]:
    """Without modules there is no MODULEPATH to compare with."""
    return None if situation.env.get('MODULEPATH') or situation.site.prefixes[1:] else \
        f'{sites.name()}\'s modules are not loaded'


@check('prefixes', 'the stack of prefixes is as it was when modules were loaded', no_stack)
def stack(situation: Situation):
    """Nothing was changed since LUMI's modules were loaded, the lower prefixes exist, nothing stale is searched."""
    changed = changes_since_loaded(situation.site.prefixes, situation.env)
    if changed:
        yield ERROR, changed
    site = situation.site
    closed = closed_folders(site.prefixes, stack_version(site, situation.env), site.partition)
    for found in closed if not situation.inside else ():  # eb says it at its start
        yield WARNING, found.sentence(situation.site.prefixes)
    for path in situation.site.prefixes[1:]:
        if not os.path.isdir(path) and path not in {found.prefix for found in closed}:
            yield WARNING, f'{path}, which should be below your prefix, does not exist: create it, or remove it ' \
                           f'from {VARIABLE} or from {os.path.join(situation.site.prefix, FILE)}'
    modulepath = [path for path in situation.env.get('MODULEPATH', '').split(':') if path]
    for path in stale_modules(modulepath, situation.site.prefixes, situation.site.partition):
        yield WARNING, f'{path} is on MODULEPATH and belongs to no prefix of yours, or to another partition: modules ' \
                       'are taken from there. Start in a new shell, or name its prefix in LUMI_HOOKS_PREFIXES'


def no_modules(situation: Situation) -> Optional[str]:
    """Whether a module is there is known where modules are."""
    return no_prefix(situation) or (None if situation.site.index.modulepath else
                               'the modules of this release and partition are not loaded')


@check('needs', 'what is installed finds the modules that it needs', no_modules)
def needs(situation: Situation):
    """Modules that went since, or lie in a prefix that is below no more; `eb` itself says what a build lacks."""
    index = situation.site.index
    if situation.inside:
        return
    for folder in software_folders(situation.site.prefix, situation.site.release.name, situation.site.partition):
        for path in installations(folder):
            try:
                found = read_record(path) or {}
            except DataError:
                continue  # lumi-eb explain tells it
            missing = [item['module'] for item in found.get('dependencies', ()) if not item['build_only']
                       and item['origin'] in ('prefix', 'central', 'unknown') and not index.module_file(item['module'])]
            if missing and index.module_file(found['module']):
                yield WARNING, f'{found["module"]} cannot be loaded, because it needs {", ".join(missing)}, which is ' \
                               'missing: install that, or name the prefix that it is in in LUMI_HOOKS_PREFIXES'


@check('lost', 'what is installed has its module and its files', no_modules)
def half(situation: Situation):
    """What somebody deleted by hand; `eb` installs that again."""
    for text in _all_lost(situation.site) if not situation.inside else ():
        yield WARNING, text


def no_area(situation: Situation) -> Optional[str]:
    """Only of LUMI's own storage areas it is known what they are for."""
    return no_prefix(situation) or (None if area_of(situation.site.prefix) else
                               f'nothing is known about the storage that {situation.site.prefix} lies on')


@check('file-system', 'the prefix lies on storage that lasts and that jobs see', no_area)
def file_system(situation: Situation):
    """What LUMI says of each storage area."""
    area = area_of(situation.site.prefix)
    if area and area['advice']:
        yield WARNING, f'the prefix {situation.site.prefix} lies in {area["description"]}: {area["advice"]}'


def no_project(situation: Situation) -> Optional[str]:
    """A folder of the user alone needs no group."""
    return no_prefix(situation) or (None if project_of(situation.site.prefix) else
                               f'{situation.site.prefix} is not in a project\'s folder')


@check('group', 'in a project\'s folder what is installed belongs to the project', no_project)
def group(situation: Situation):
    """A project's prefix has the project's group and the set-gid bit, and the user is in that group."""
    path = situation.site.prefix
    project = project_of(path)
    assert project
    try:
        wanted = grp.getgrnam(project).gr_gid
    except KeyError:
        yield WARNING, f'there is no group {project} on this node, which files in {path} should belong to'
        return
    if wanted not in (os.getegid(), *os.getgroups()):
        yield ERROR, f'you are not in the group {project}, and {path} is in its folder: choose an ' \
                     f'{sites.variable("prefix")} of a project of yours, or ask its leader to invite you'
        return
    place = existing(path)
    status = os.stat(place)
    if status.st_gid != wanted:
        yield WARNING, f'{place} does not belong to the group {project}, whose quota counts and whose members ' \
                       f'should use it: chgrp {project} {place}'
    if not status.st_mode & stat.S_ISGID:
        yield WARNING, f'{place} lacks the set-gid bit, so files that are created there get your own group: chmod ' \
                       f'g+s {place}'
    if not status.st_mode & stat.S_IXGRP:
        yield WARNING, f'the group {project} cannot enter {place}, so the project cannot use what is in it: ' \
                       f'chmod g+rwx {place}'
    if status.st_mode & stat.S_IWOTH:
        yield ERROR, f'everybody can write to {place}: chmod o-w {place}'


@check('overrides', 'the files of overrides are valid')
def overrides(situation: Situation):
    """What is wrong in them concerns their packages alone; of those that are to be built the rule refuses."""
    for name in situation.site.overrides.names():
        try:
            situation.site.overrides.of(name)
        except DataError as err:
            yield WARNING, f'{err}. Recipes of that software are refused until it is fixed'


def stale_modules(modulepath: Sequence[str], stack: Sequence[str], partition: str) -> List[str]:
    """
    Entries of MODULEPATH in the shape of a user's tree that belong to no prefix of the stack, or to another partition:
    what is left of another prefix, or of a module that was loaded for another partition. None where the site's layout
    does not tell a user's tree from another one.
    """
    shape = sites.site()['layout']['modules']
    if '{partition}' not in shape:
        return []
    found = []
    pattern = re.compile('.*/' + re.escape(shape).replace(r'\{stack\}', '[^/]+')
                         .replace(r'\{partition\}', '(?P<partition>[^/]+)') + '/*')
    for entry in modulepath:
        match = pattern.fullmatch(entry)
        if match and (holder(entry, stack) is None
                      or match['partition'] not in (partition, sites.site()['partitions'].get('common'))):
            found.append(entry)
    return found


def _all_lost(site: Site) -> Iterator[str]:
    """`lost` of everything in the user's own prefix."""
    modules: List[str] = []
    top = os.path.realpath(site.prefix) + os.sep
    for tree in site.index.modulepath:
        if os.path.realpath(tree).startswith(top):
            for name in (entry for entry in names_in(tree) if not entry.startswith('.')):
                modules += [f'{name}/{version}' for version, (_, why) in site.index.fallen(name).items() if why == GONE]
    for folder in software(site):
        for path in installations(folder):
            modules.append('/'.join(path.split(os.sep)[-2:]))
    for module in dict.fromkeys(modules):
        said = lost(module, site)
        if said:
            yield said
