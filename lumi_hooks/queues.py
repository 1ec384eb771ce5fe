# SPDX-License-Identifier: GPL-2.0-only
"""
The queues of Slurm (the site's jobs.json): their limits, what a job gets, and which cores are next to which GPU.

Slurm calls them partitions, a word that LUMI's modules use for something else.
"""
import re
from typing import Any, List, Mapping

from . import sites
from .errors import DataError, LumiHooksError
from .site import Site

# minutes, or what else sbatch takes (man sbatch, --time)
TIME = re.compile('[0-9]+(:[0-9]+){0,2}|[0-9]+-[0-9]+(:[0-9]+){0,2}')


def load_jobs() -> Mapping[str, Any]:
    """
    How jobs are run on the partitions (jobs.json).

    :raises DataError: the data is wrong
    """
    data = sites.read('jobs.json')
    for name, facts in data['partitions'].items():
        if 'gpus' in facts and len(facts['gpus']['first_cores']) != facts['gpus']['number']:
            raise DataError(f'{sites.folder()}/jobs.json: partitions/{name}/gpus: first_cores has to name a core for '
                            'each of the GPUs')
        queues = {key: facts.get(key) for key in ('queue', 'one_task', 'tests')}
        for key, queue in {**queues, 'build/queue': facts['build']['queue']}.items():
            if queue and data['queues'].get(queue, {}).get('partition') != name:
                raise DataError(f'{sites.folder()}/jobs.json: partitions/{name}/{key}: queues has no {queue} of '
                                f'{name}')
    return data['partitions']


def queues_of(partition: str) -> Mapping[str, Mapping[str, Any]]:
    """The queues whose nodes belong to a partition of LUMI: name -> limits."""
    return {name: facts for name, facts in sites.read('jobs.json')['queues'].items()
            if facts['partition'] == partition}


def check_limits(queue: str, site: Site, nodes: int, time: str) -> Mapping[str, Any]:
    """
    What is known of a queue, for a job that fits into it.

    :param time: as sbatch takes it
    :raises LumiHooksError: the partition has no such queue, or the job is beyond one of its limits
    """
    known = queues_of(site.partition)
    if queue not in known:
        raise LumiHooksError(f'partition {site.partition} has no queue {queue}: take one of {", ".join(known)}')
    limits, source = known[queue], sites.link('queues')
    wrong = []
    if nodes > limits['nodes']:
        wrong.append(f'takes at most {limits["nodes"]} node{"s" if limits["nodes"] > 1 else ""} (--nodes {nodes})')
    if minutes(time) > minutes(limits['time']):
        wrong.append(f'runs jobs for at most {limits["time"]} (--time {time})')
    if wrong:
        others = [f'--queue {name}' for name, facts in known.items()
                  if nodes <= facts['nodes'] and minutes(time) <= minutes(facts['time'])]
        raise LumiHooksError(f'the queue {queue} {" and ".join(wrong)}; '
                             + (f'{" or ".join(others)} takes such a job' if others else 'no queue takes such a job')
                             + f' ({source})')
    return limits


def minutes(time: str) -> float:
    """
    Minutes of a time as sbatch takes it.

    >>> [minutes(text) for text in ('90', '90:30', '1:30:00', '2-0', '1-02:03', '1-00:00:30')]
    [90.0, 90.5, 90.0, 2880.0, 1563.0, 1440.5]
    """
    days, dash, rest = time.rpartition('-')
    parts = [int(part) for part in rest.split(':')]
    if dash:
        parts = [*parts, 0, 0][:3]
    else:
        parts = [0, *parts, 0] if len(parts) == 1 else [0, *parts] if len(parts) == 2 else parts
    return int(days or 0) * 1440.0 + parts[0] * 60 + parts[1] + parts[2] / 60


def gpu_binding(facts: Mapping[str, Any], tasks: int, threads: int, gpus: int) -> str:
    """
    The masks that put each rank onto the cores of its GPUs: ranks that share a GPU share its cores out, a rank of
    several GPUs has the cores of all of them.

    :param facts: of the GPUs of a node
    :param gpus: number of GPUs that the job has of a node

    >>> gpu_binding({'number': 2, 'first_cores': [8, 0], 'cores': 8, 'reserved': 1}, 2, 7, 2)
    'mask_cpu:0xfe00,0xfe'
    >>> gpu_binding({'number': 2, 'first_cores': [8, 0], 'cores': 8, 'reserved': 1}, 1, 14, 2)
    'mask_cpu:0xfefe'
    """
    masks: List[str] = []
    each = max(gpus // tasks, 1)
    for rank in range(tasks):
        first = rank * each % gpus
        cores = [core for gpu in range(first, first + each)
                 for core in range(facts['first_cores'][gpu] + facts['reserved'],
                                   facts['first_cores'][gpu] + facts['cores'])]
        start = rank // gpus * threads
        masks.append(hex(sum(1 << core for core in cores[start:start + threads])))
    return 'mask_cpu:' + ','.join(masks)
