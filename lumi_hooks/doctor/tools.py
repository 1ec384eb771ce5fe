# SPDX-License-Identifier: GPL-2.0-only
"""Checks of the tools around a build: EasyBuild, Lmod, and the network that builds are to be without."""
import os
import shutil

from .. import seccomp, settings, sites
from ..cutoff import MEANS, OPEN, SETTING, cut_off
from ..easybuilds import too_old
from ..errors import SiteError
from . import ERROR, WARNING, Situation, check


@check('tools', 'EasyBuild and Lmod are there')
def tools(situation: Situation):
    """The commands that an installation needs; inside `eb` they are there."""
    if situation.inside:
        return
    if not shutil.which('eb', path=situation.env.get('PATH')):
        yield ERROR, f'there is no command eb on PATH: module load {sites.setup()}'
    old = too_old(situation.env)
    if old:
        yield ERROR, old
    if not (situation.env.get('LMOD_CMD') and os.access(situation.env['LMOD_CMD'], os.X_OK)):
        yield ERROR, 'Lmod is not there (LMOD_CMD is not set, or is no command): start a login shell'


@check('network', 'what is built has no network but its recipe\'s sources (by seccomp notification)')
def network(situation: Situation):
    """Inside `eb` the record of each installation says it."""
    if situation.inside:
        return
    try:
        if settings.value('NETWORK', situation.env) == OPEN:
            yield WARNING, f'{SETTING} is {OPEN}, so builds have the network: unset it'
            return
        way = cut_off(situation.env)
    except SiteError as err:
        yield ERROR, str(err)
    except OSError as err:
        yield WARNING, f'nothing cuts builds off from the network here ({err.strerror}), and what one downloads ' \
                       'beside its recipe\'s sources goes unnoticed'
    else:
        way.close()
        if way.by != seccomp.NOTIFY:
            yield WARNING, f'builds are cut off from the network by {way.by}: {MEANS[way.by]}' \
                        + ''.join(f' ({why})' for why in way.failed)
