# SPDX-License-Identifier: GPL-2.0-only
"""Check of the environment that `eb` is started in: what the caller's shell has set, and builds would see."""
from .. import sites
from ..caller import KEEP, TOLD, VALUE, foreign
from . import WARNING, Situation, check

# of a value this much is shown
SHOWN = 80


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
