# SPDX-License-Identifier: GPL-2.0-only
"""
What is done around the installation of each package: findings before the first one, permissions, checksums, and the
sources of licensed software. What is changed of EasyBuild's settings for one package is put back after it.
"""
import grp
import os
import stat
from functools import partial
from typing import Any, Callable, Dict, List, Sequence, Tuple

from easybuild.base import fancylogger
from easybuild.framework.easyblock import FETCH_STEP
from easybuild.tools.build_log import EasyBuildError, print_msg, print_warning
from easybuild.tools.config import (
    build_option,
    build_path,
    get_repositorypath,
    install_path,
    source_paths,
    update_build_option,
)
from easybuild.tools.environment import setvar, unset_env_vars

from ... import doctor
from ...doctor import ERROR, Package, Situation
from ...files import names_in, umask
from ...prefix import holder, permissions, sharing
from ...prefix.checksums import is_complete
from ...prefix.licensed import is_licensed
from ...recipe import parse_recipe
from .. import messages, patches
from ..policy import hidden, modules, prefixes
from . import environment, install, linkage, network, shared_folders

PRIVATE = 'LUMI_HOOKS_PRIVATE_SOURCES'
# pip takes nothing from an index, whoever calls it
_NO_DOWNLOADS = {'PIP_NO_INDEX': '1'}

_log = fancylogger.getLogger('lumi_hooks', fname=False)
# how to put back what was changed for the package that is being installed
_undo: List[Callable[[], Any]] = []


def before_all(session, ecs: Sequence[Dict[str, Any]]) -> None:
    """
    Look at everything that a build may fail for, before anything is built.

    :param session: the session
    :param ecs: what is to be built, as EasyBuild has it
    :raises EasyBuildError: with all errors together
    """
    if build_option('ignore_locks') and build_option('stop') != FETCH_STEP:  # --fetch sets it, and installs nothing
        raise EasyBuildError('lumi-hooks: --ignore-locks lets two eb write into one installation, and what was there '
                             'before could not be brought back: leave it out. Locks that dead processes left are '
                             'cleared by themselves; of any other one eb says whose it is, and which folder to remove')
    packages = []
    for entry in ecs:
        ec = entry['ec'] if isinstance(entry, dict) else entry
        recipe = parse_recipe(ec.rawtxt, ec.path)
        packages.append(Package(recipe.name, getattr(ec, 'full_mod_name', recipe.name), recipe.parameters, ec.path))
        session.tell_lost(packages[-1].module)
    fetches = not any(build_option(name, default=False) for name in ('module_only', 'sanity_check_only'))
    findings = doctor.examine(Situation(session.site, os.environ, tuple(packages),
                                        tuple(build_option('robot_path') or ()), build_path(), fetches, True))
    errors = [finding for finding in findings if finding.level == ERROR]
    for finding in findings:
        if finding.level != ERROR:
            messages.warn(finding.text, finding.check)
    if errors:
        raise messages.error('nothing was built, as it would have gone wrong:\n' + '\n'.join(doctor.lines(errors)))
    _log.info('lumi-hooks: %s checks before %s installations: %s', len(doctor.CHECKS), len(packages),
              '; '.join(doctor.lines(findings)) or 'no findings')
    hidden.refresh(session.requested)
    environment.clean()


def enter(session, app) -> None:
    """A package is going to be installed: modules, permissions, checksums and sources as it needs them."""
    modules.enter(app.cfg, session.site)
    leave_all()
    group = sharing.shared_group(session.site.prefix)
    licensed = is_licensed(app.name, app.cfg['group'], app.cfg.get('license_file'))
    _option('enforce_checksums', _enforced(session, app))
    if group is not None:
        _option('set_gid_bit', True)
        _umask(sharing.groups_umask())
        if not app.dry_run:
            # what EasyBuild-user made, under the umask of whoever loaded it first: this build may never end
            _settle_around(session, app, group)
    if app.group is not None:
        # what is installed is nobody else's to read before it has its group, but what is above it is everybody's
        if patches.on('folders'):
            _undo.append(shared_folders.keep_open(partial(_is_shared, session, app), umask()))
        _umask(0o077)
    if licensed:
        _private_sources()
    if not session.site.allows(app.name):
        wanted = {name: value for name, value in _NO_DOWNLOADS.items() if name not in os.environ}
        for name, value in wanted.items():
            setvar(name, value, verbose=False)
        _undo.append(lambda: unset_env_vars(list(wanted), verbose=False))
    network.enter(session, app)
    _undo.append(network.leave)


def repair(session, app) -> None:
    """
    Before what is installed is tried: programs that are not executable any more are made so again, and run paths that
    must not stay go (eb/lifecycle/linkage.py says which).
    """
    if app.dry_run:
        return
    for path in permissions.repair_programs(app.installdir):
        print_msg(f'lumi-hooks: {path} was readable only by its owner (mode 600), and is executable again', log=_log)
    if modules.SCOPE.active and not (build_option('sanity_check_only') or build_option('module_only')):
        linkage.forget_names(app)
        mended = linkage.mend_run_paths(app)
        if mended:
            session.run_paths[app.full_mod_name] = mended


def leave(session, app) -> None:
    """It is installed, or it failed: files belong to whom they should, and settings are as they were."""
    modules.SCOPE.leave()
    mask = next((value for value in _masks), umask())
    restricted = app.group is not None
    leave_all()
    group = sharing.shared_group(session.site.prefix)
    if app.dry_run or (group is None and not restricted):
        return
    if restricted:
        permissions.open_up(_around(session, app), mask)
    writable = bool(build_option('group_writable_installdir'))
    failed: List[str] = []
    for path in [app.installdir, *(_sources(session, app) if restricted else ())]:
        if os.path.lexists(path):
            failed += permissions.settle(path, app.group[1] if restricted else group, writable, restricted)
    if group is not None:
        failed += _settle_around(session, app, group)
    if failed:
        print_warning('lumi-hooks: the permissions of %s files of %s could not be set, the first is %s', len(failed),
                      app.installdir, failed[0])


def leave_all() -> None:
    """Put back everything that was changed for a package."""
    while _undo:
        _undo.pop()()
    _masks.clear()


# umasks as they were, the original first
_masks: List[int] = []


def _umask(value: int) -> None:
    before = os.umask(value)
    _masks.append(before)
    _undo.append(lambda: os.umask(before))


def _option(name: str, value: Any) -> None:
    """Set a build option until the package is done."""
    before = build_option(name, default=None)
    if before != value:
        update_build_option(name, value)
        _undo.append(lambda: update_build_option(name, before))


def _enforced(session, app) -> bool:
    """
    Does EasyBuild have to insist on a checksum of every file? It does not know that some files need none; those that
    lack one were refused before.
    """
    if session.site.allows(app.name) or not is_complete(parse_recipe(app.cfg.rawtxt, app.cfg.path).parameters):
        return bool(build_option('enforce_checksums'))
    return True


def _private_sources() -> None:
    """Licensed software's sources are looked for, and downloaded, in folders of the user's own first."""
    folders = _private_folders()
    before = source_paths()
    wanted = [*folders, *(path for path in before if path not in folders)]
    if wanted != before:
        prefixes.set_source_paths(wanted)
        _undo.append(lambda: prefixes.set_source_paths(before))


def _private_folders() -> List[str]:
    """The user's own folders with the sources of licensed software."""
    return [path for path in os.environ.get(PRIVATE, '').split(os.pathsep) if path]


def _settle_around(session, app, group: int) -> List[str]:
    """Give what is around a package to the group that the prefix is shared with; returns what could not be set."""
    failed = []
    for path in _around(session, app):
        try:
            permissions.settle_one(path, group)
        except OSError:
            failed.append(path)
    return failed


def _is_shared(session, app, folder: str) -> bool:
    """Is a folder one of the prefix's that others install below, too, and not this package's own?"""
    return bool(holder(folder, (session.site.prefix,))) and not holder(folder, (app.installdir,)) \
        and not shared_folders.of_a_build(folder, build_path())


def _sources(session, app) -> List[str]:
    """
    Files in the prefix that a package was made of and that only the user can read, as they came while it was installed:
    they are for those whom it is for. In the user's own folders nothing is changed.
    """
    private = _private_folders()
    files = [entry.get(key) for key, entries in (('path', app.src), ('src', app.exts)) for entry in entries
             if isinstance(entry, dict)]
    return [path for path in files if isinstance(path, str) and holder(path, (session.site.prefix,))
            and not holder(path, private) and os.path.isfile(path)
            and not os.lstat(path).st_mode & (stat.S_IRWXG | stat.S_IRWXO)]


def _around(session, app) -> List[str]:
    """What was made for a package outside its folder: module, archived recipe, and the folders above in the prefix."""
    archive = get_repositorypath()
    archive = os.path.join(archive[0] if isinstance(archive, (list, tuple)) else archive, app.name)
    found = dict.fromkeys([install.module_file(app), *(os.path.join(archive, name) for name in names_in(archive))])
    # EasyBuild's locks, and where it downloads to: other members of the project need them
    shared = [os.path.join(install_path('software'), '.locks'), source_paths()[0]]
    prefix = session.site.prefix
    for folder in (os.path.dirname(app.mod_filepath), os.path.dirname(app.installdir), archive, *shared):
        while holder(folder, (prefix,)) and os.path.realpath(folder) != os.path.realpath(prefix):
            if os.path.isdir(folder):
                found[folder] = None
            folder = os.path.dirname(folder)
    # what the module EasyBuild-user makes, under the umask of whoever loads it first
    if os.path.isdir(prefix) and os.stat(prefix).st_mode & stat.S_IXGRP:
        found[prefix] = None  # else it may be closed on purpose: doctor says so
    found.update(dict.fromkeys(os.path.join(prefix, name) for name in names_in(prefix)))
    found.update(dict.fromkeys(permissions.walk(os.path.join(prefix, 'UserRepo'))))
    return [path for path in found if os.path.lexists(path)]


@patches.replaces('easybuild.framework.easyblock:use_group')
def use_group(original, name: str) -> Tuple[str, int]:
    """
    Take a group that the user is in, but not with (a project's group never is the primary one): what EasyBuild needs it
    for is chgrp, which any group will do for.
    """
    try:
        number = grp.getgrnam(name).gr_gid
    except KeyError:
        return original(name)
    if number in os.getgroups() and number != os.getegid() and os.geteuid() != 0:
        return name, number
    return original(name)
