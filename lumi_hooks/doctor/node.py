# SPDX-License-Identifier: GPL-2.0-only
"""Checks of the node that builds."""
import fnmatch
import socket

from ..releases import load_machine
from ..site import node_partition
from . import WARNING, Situation, check


@check('node', 'this node is one of those that the software is built for')
def node(here: Situation):
    """Building for another kind of node works for most packages, but not for one that looks at the node it is on."""
    name = (here.hostname or socket.gethostname()).split('.')[0]
    target, facts = here.site.partition, load_machine()['partitions']
    if target == 'common':
        return
    there = node_partition(name)
    login = next((partition for partition, entry in facts.items()
                  if any('*' in pattern and fnmatch.fnmatch(name, pattern) for pattern in entry['hosts'])), None)
    if there == target or login == target or not (there or login):
        return
    kind = f'a node of partition {there}' if there else 'a login node'
    gpu = facts[target]['gpu'] and not facts[there or login]['gpu']
    more = 'it has no GPU, so packages that look for one, or test on one, go wrong' if gpu else \
        'packages that run what they have built may fail where the processors differ'
    yield WARNING, f'{name} is {kind}, and the target is partition {target}: {more}. Where a build fails, repeat ' \
                   'it in a ' \
                   f'job on partition {target} (eb --job, or in srun)'
