# SPDX-License-Identifier: GPL-2.0-only
"""Checks of the node that builds."""
import fnmatch
import socket
from typing import Optional

from ..releases import load_machine
from ..site import node_partition
from . import WARNING, Situation, check


def _name(situation: Situation) -> str:
    return (situation.hostname or socket.gethostname()).split('.')[0]


def _login(name: str) -> Optional[str]:
    """The partition of a login node, None where it is none."""
    return next((partition for partition, entry in load_machine()['partitions'].items()
                 if any('*' in pattern and fnmatch.fnmatch(name, pattern) for pattern in entry['hosts'])), None)


def no_node(situation: Situation) -> Optional[str]:
    """A partition without nodes of its own, or a node of another machine."""
    if situation.site.partition == 'common':
        return 'partition common is for all nodes'
    name = _name(situation)
    return None if node_partition(name) or _login(name) else f'this node, {name}, does not belong to a known partition'


@check('node', 'this node is one of those that the software is built for', no_node)
def node(situation: Situation):
    """Building for another kind of node works for most packages, but not for one that looks at the node it is on."""
    name, target, facts = _name(situation), situation.site.partition, load_machine()['partitions']
    there, login = node_partition(name), _login(name)
    if target in (there, login):
        return
    kind = f'a node of partition {there}' if there else 'a login node'
    gpu = facts[target]['gpu'] and not facts[str(there or login)]['gpu']
    more = 'it has no GPU, so packages that look for one, or run tests on one, fail' if gpu else \
        'packages that run what they have built may fail if the processors differ'
    yield WARNING, f'{name} is {kind}, and the target is partition {target}: {more}. If a build fails, repeat ' \
                   f'it in a job on partition {target} (eb --job, or in srun)'
