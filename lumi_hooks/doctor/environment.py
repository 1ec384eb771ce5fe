# SPDX-License-Identifier: GPL-2.0-only
"""Check of the environment that `eb` is started in: what the caller's shell has set, and builds would see."""
import os

from .. import sites
from ..caller import KEEP, TOLD, VALUE, foreign
from ..errors import DataError
from ..releases import load_toolchains
from . import WARNING, Situation, check

# of a value this much is shown
SHOWN = 80


@check('loaded', 'every loaded environment has its modules loaded')
def loaded(situation: Situation):
    """Lmod can't forbid to unload what an environment has loaded (docs/environments.md)."""
    if situation.inside:
        return
    from ..env.lock import read_lock
    from ..env.recipe import LOCK
    modules = [name for name in situation.env.get('LOADEDMODULES', '').split(':') if name]
    for module in modules:
        name = module.partition('/')[0].upper().replace('-', 'MIN').replace('+', 'PLUS').replace('.', '')
        root = situation.env.get(f'EBROOT{name}', '')
        if not root or not os.path.isfile(os.path.join(root, LOCK)):
            continue
        try:
            lock = read_lock(LOCK, root)
        except DataError:
            continue  # "lumi-eb env show" tells it
        gone = [item['module'] for item in lock['modules'] if item['module'] not in modules
                and (item['external'] or item['name'] in load_toolchains()['toolchains'])]
        if gone:
            yield WARNING, f'the environment {module} is loaded without {", ".join(gone)}, which was unloaded since: ' \
                           f'module load {module}'


@check('environment', 'the environment holds nothing that changes what is built')
def environment(situation: Situation):
    """`eb` keeps builds clean of all but MODULEPATH, and says itself what it leaves out: nothing twice."""
    if situation.inside:
        return
    for one in foreign(situation.env):
        parts = ', '.join(one.parts)
        shown = parts if len(parts) <= SHOWN else parts[:SHOWN] + ' …'
        has = f'{one.name}={shown}' if one.kind == VALUE else f'{one.name} holds {shown}'
        if one.kind == TOLD:
            yield WARNING, f'{has}, which neither {sites.name()} nor a loaded module has put there: {one.does}. If ' \
                           f'they are not meant: module unuse {one.parts[0]}'
        else:
            yield WARNING, f'{has}: {one.does}. eb leaves it out of builds; to keep it: {KEEP}={one.name}'
