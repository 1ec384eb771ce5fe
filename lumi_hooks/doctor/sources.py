# SPDX-License-Identifier: GPL-2.0-only
"""Checks of what goes into a build: checksums, and whose the folders are that recipes and hooks come from."""
import os
import tempfile
from typing import Optional

from .. import packages, schemas, sites, trust
from ..prefix import source_folders
from ..prefix.checksums import unchecked
from . import ERROR, WARNING, Situation, check, no_recipe

SHOWN = 3


def all_allowed(situation: Situation) -> Optional[str]:
    """What LUMI_HOOKS_ALLOW names may do without."""
    strict = not all(situation.site.allows(package.name) for package in situation.packages)
    return no_recipe(situation) or (None if strict else
                                    'all that would be built is allowed to lack them (LUMI_HOOKS_ALLOW, --allow)')


@check('checksums', 'every source and patch has a checksum', all_allowed)
def checksums(situation: Situation):
    """A file without a checksum may be any file; it is refused unless it is allowed by the software's name."""
    if not situation.fetches:
        return
    for package in situation.packages:
        if situation.site.allows(package.name):
            continue
        names = unchecked(package.parameters, os.path.dirname(os.path.abspath(package.path)) if package.path else None)
        if names:
            more = f' and {len(names) - SHOWN} more' if len(names) > SHOWN else ''
            yield ERROR, f'the recipe of {package.module} has no checksum for {", ".join(names[:SHOWN])}{more}, so ' \
                         'that any file of that name would be built (a size, a CRC, an MD5 or SHA-1 sum is not ' \
                         f'enough). LUMI_HOOKS_ALLOW={package.name} builds it anyway, once you know where the ' \
                         'files come from ("sha256sum FILE" prints what to write into the recipe\'s checksums; for a ' \
                         'git repository, name the full commit)'


@check('downloads', 'nothing is known to download while it is built', no_recipe)
def downloads(situation: Situation):
    """Builds have no network (cutoff.py): what is known to want it is told before it fails."""
    easyblocks = schemas.checked('downloads.json')['easyblocks']
    for package in situation.packages:
        entry = packages.package(package.name).get('downloads') or easyblocks.get(package.parameters.get('easyblock'))
        if entry and situation.fetches and not situation.site.allows(package.name):
            yield WARNING, f'{package.module} wants to download while it is built, and builds have no network: ' \
                           f'{entry["reason"]}. LUMI_HOOKS_ALLOW={package.name} gives it the network'


@check('work-folders', 'nobody else can replace files where EasyBuild works')
def work_folders(situation: Situation):
    """Temporary files and the build tree: a folder that somebody else prepared can be exchanged while a build runs."""
    judge = trust.current_judge(situation.env)
    # inside eb EasyBuild has made its own folder in there already, and TMPDIR names that
    setting = '' if situation.inside else situation.env.get('EASYBUILD_TMPDIR', '')
    named = {'the folder for temporary files': setting or situation.env.get('TMPDIR') or tempfile.gettempdir()}
    if situation.buildpath:
        named['the build path'] = situation.buildpath
        # in a folder for everybody (/tmp) each package's own could be there already
        builds = {package.name: os.path.join(situation.buildpath, package.name) for package in situation.packages}
        named.update({f'the build folder of {name}': path for name, path in builds.items() if os.path.lexists(path)})
    for what, path in named.items():
        reason = judge.why_no_work(path)
        if reason:
            yield ERROR, f'{what} is {path}, and {reason}. Choose a folder that only you can write to, ' \
                         f'also as TMPDIR: {sites.said("workdir")}'


def no_folders(situation: Situation) -> Optional[str]:
    """There is nothing to look at where no robot path is set and no prefix lies below the user's own."""
    if situation.robot or situation.site.prefixes[1:]:
        return None
    return 'EASYBUILD_ROBOT_PATHS is not set, and no prefix lies below yours: ' \
           f'module load {sites.setup()}'


@check('folders', 'nobody else can write to the folders of recipes and sources', no_folders)
def folders(situation: Situation):
    """Recipes are code: whoever writes to a folder on the robot path decides on what is run."""
    judge = trust.current_judge(situation.env)
    for path in situation.robot:
        reason = judge.why_not_in(path) if os.path.isdir(path) else None
        if reason:
            yield WARNING if situation.inside else ERROR, f'recipes of {path}, on the robot path, are refused: {reason}'
    if situation.inside:  # said when the folder was left out
        return
    for path in (folder for prefix in situation.site.prefixes[1:] for folder in source_folders(prefix)):
        reason = judge.why_not_in(path) if os.path.isdir(path) else None
        if reason:
            yield WARNING, f'sources of {path}, in a prefix below yours, are not used: {reason}'
