# SPDX-License-Identifier: GPL-2.0-only
"""Checks of what goes into a build: checksums, and whose the folders are that recipes and hooks come from."""
import os
import tempfile
from typing import Optional

from .. import schemas, sites, trust
from ..prefix import source_folders
from ..prefix.checksums import unchecked
from . import ERROR, WARNING, Situation, check, no_recipe

SHOWN = 3


def all_allowed(here: Situation) -> Optional[str]:
    """What LUMI_HOOKS_ALLOW names may do without."""
    return no_recipe(here) or (None if not all(here.site.allows(package.name) for package in here.packages) else
                               'all that would be built is allowed to lack them (LUMI_HOOKS_ALLOW, --allow)')


@check('checksums', 'every source and patch has a checksum', all_allowed)
def checksums(here: Situation):
    """A file without a checksum may be any file; it is refused unless it is allowed by the software's name."""
    if not here.fetches:
        return
    for package in here.packages:
        if here.site.allows(package.name):
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
def downloads(here: Situation):
    """Builds have no network (cutoff.py): what is known to want it is told before it fails."""
    known = schemas.checked('downloads.json')
    for package in here.packages:
        entry = known['software'].get(package.name) or known['easyblocks'].get(package.parameters.get('easyblock'))
        if entry and here.fetches and not here.site.allows(package.name):
            yield WARNING, f'{package.module} wants to download while it is built, and builds have no network: ' \
                           f'{entry["reason"]}. LUMI_HOOKS_ALLOW={package.name} gives it the network'


@check('work-folders', 'nobody else can replace files where EasyBuild works')
def work_folders(here: Situation):
    """Temporary files and the build tree: a folder that somebody else prepared can be exchanged while a build runs."""
    judge = trust.here(here.env)
    # inside eb EasyBuild has made its own folder in there already, and TMPDIR names that
    setting = '' if here.inside else here.env.get('EASYBUILD_TMPDIR', '')
    named = {'the folder for temporary files': setting or here.env.get('TMPDIR') or tempfile.gettempdir()}
    if here.buildpath:
        named['the build path'] = here.buildpath
        # in a folder for everybody (/tmp) each package's own could be there already
        named.update({f'the build folder of {package.name}': os.path.join(here.buildpath, package.name)
                      for package in here.packages if os.path.lexists(os.path.join(here.buildpath, package.name))})
    for what, path in named.items():
        reason = judge.why_no_work(path)
        if reason:
            yield ERROR, f'{what} is {path}, and {reason}. Choose a folder that only you can write to, ' \
                         f'also as TMPDIR: {sites.said("workdir")}'


def no_folders(here: Situation) -> Optional[str]:
    """There is nothing to look at where no robot path is set and no prefix lies below the user's own."""
    if here.robot or here.site.prefixes[1:]:
        return None
    return 'EASYBUILD_ROBOT_PATHS is not set, and no prefix lies below yours: ' \
           f'module load {sites.setup()}'


@check('folders', 'nobody else can write to the folders of recipes and sources', no_folders)
def folders(here: Situation):
    """Recipes are code: whoever writes to a folder on the robot path decides on what is run."""
    judge = trust.here(here.env)
    for path in here.robot:
        reason = judge.why_not_in(path) if os.path.isdir(path) else None
        if reason:
            yield WARNING if here.inside else ERROR, f'recipes of {path}, on the robot path, are refused: {reason}'
    if here.inside:  # said when the folder was left out
        return
    for path in (folder for prefix in here.site.prefixes[1:] for folder in source_folders(prefix)):
        reason = judge.why_not_in(path) if os.path.isdir(path) else None
        if reason:
            yield WARNING, f'sources of {path}, in a prefix below yours, are not used: {reason}'
