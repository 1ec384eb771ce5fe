# SPDX-License-Identifier: GPL-2.0-only
"""
A job script for a module: binding of ranks to cores and GPUs, network and GPU settings of the partition
(releases/jobs.json). What a module must not set for everybody is set here, for one program.
"""
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from . import gpu
from .errors import DataError, LumiHooksError
from .packages import uses
from .schemas import checked
from .site import Site

SELECT_GPU = 'select_gpu'


@dataclass(frozen=True)
class Job:
    """
    What a job script says. `settings` are (name, value, reason) of environment variables; `once` of those that are
    set for the program alone.
    """
    module: str
    site: Site
    queue: str
    nodes: int
    tasks: int
    threads: int
    gpus: int
    binding: str
    account: str
    time: str
    program: str
    settings: Tuple[Tuple[str, str, str], ...] = field(default=())
    once: Tuple[Tuple[str, str, str], ...] = field(default=())

    def as_json(self) -> Dict[str, Any]:
        """The job as plain data."""
        return {'module': self.module, 'release': self.site.release.name, 'partition': self.site.partition,
                'queue': self.queue, 'nodes': self.nodes, 'tasks_per_node': self.tasks,
                'threads_per_task': self.threads, 'gpus_per_node': self.gpus, 'cpu_bind': self.binding,
                'account': self.account, 'time': self.time, 'program': self.program,
                'environment': [{'name': name, 'value': value, 'reason': reason}
                                for name, value, reason in (*self.settings, *self.once)], 'script': self.script()}

    def script(self) -> str:
        """The script, for sbatch."""
        return '\n'.join(self._lines()) + '\n'

    def _lines(self) -> Iterator[str]:
        yield '#!/bin/bash -l'
        yield f'#SBATCH --job-name={self.module.split("/")[0]}'
        yield f'#SBATCH --account={self.account}'
        yield f'#SBATCH --partition={self.queue}'
        yield f'#SBATCH --nodes={self.nodes}'
        yield f'#SBATCH --ntasks-per-node={self.tasks}'
        if self.gpus:
            yield f'#SBATCH --gpus-per-node={self.gpus}'
        else:
            yield f'#SBATCH --cpus-per-task={self.threads}'
        yield '#SBATCH --mem=0'
        yield f'#SBATCH --time={self.time}'
        yield ''
        yield f'module load LUMI/{self.site.release.name} partition/{self.site.partition}'
        yield f'module load {self.module}'
        yield ''
        for name, value, reason in self.settings:
            yield f'# {reason}'
            yield f'export {name}={value}'
        yield f'export OMP_NUM_THREADS={self.threads}'
        if self.gpus:
            yield ''
            yield '# each rank sees the GPU that its cores are nearest to'
            yield f'cat > {SELECT_GPU}.$SLURM_JOB_ID <<\'END\''
            yield '#!/bin/bash'
            yield f'export ROCR_VISIBLE_DEVICES=$((SLURM_LOCALID % {self.gpus}))'
            yield 'exec "$@"'
            yield 'END'
            yield f'chmod +x {SELECT_GPU}.$SLURM_JOB_ID'
            yield f'trap \'rm -f {SELECT_GPU}.$SLURM_JOB_ID\' EXIT'
        yield ''
        for _, _, reason in self.once:
            yield f'# {reason}'
        start = ''.join(f'{name}={value} ' for name, value, _ in self.once)
        wrapper = f'./{SELECT_GPU}.$SLURM_JOB_ID ' if self.gpus else ''
        yield f'{start}srun --cpu-bind={self.binding} {wrapper}{self.program}'


def load_jobs() -> Mapping[str, Any]:
    """
    How jobs are run on the partitions (jobs.json).

    :raises DataError: the data is wrong
    """
    found = checked('releases/jobs.json')['partitions']
    for name, facts in found.items():
        if 'gpus' in facts and len(facts['gpus']['first_cores']) != facts['gpus']['number']:
            raise DataError(f'releases/jobs.json: partitions/{name}/gpus: first_cores has to name a core for each '
                            'of the GPUs')
    return found


def make_job(module: str, site: Site, nodes: int = 1, tasks: Optional[int] = None, threads: Optional[int] = None,
             account: str = 'project_46…', time: str = '00:30:00', program: str = 'PROGRAM',
             gpu_mpi: Optional[bool] = None) -> Job:
    """
    The job for a module.

    :param tasks: ranks a node; one a GPU, or as many as cores and threads allow, where not given
    :param gpu_mpi: does the program hand buffers in the memory of GPUs to MPI? By what is known of the package where
        not given
    :raises LumiHooksError: the partition does not run what the module holds, or more is asked for than a node has
    """
    facts = load_jobs().get(site.partition)
    name, kind = module.partition('/')[0], gpu.split_suffix(module)[1]
    if facts is None:
        raise LumiHooksError(f'partition {site.partition} runs no jobs: load partition/C or partition/G')
    on_gpu = kind == gpu.ROCM
    if on_gpu and 'gpus' not in facts:
        raise LumiHooksError(f'{module} is built for GPUs, which partition {site.partition} does not have: add '
                             '--partition G')
    if on_gpu:
        gpus = facts['gpus']['number']
        tasks = tasks or gpus
        most = gpus * (facts['gpus']['cores'] - facts['gpus']['reserved']) // max(tasks, gpus)
        threads = threads or most
        if tasks > gpus and tasks % gpus:
            raise LumiHooksError(f'{tasks} ranks do not share the {gpus} GPUs of a node evenly: take a multiple')
        binding = gpu_binding(facts['gpus'], tasks, threads)
        gpus = min(gpus, tasks)
    else:
        gpus, threads = 0, threads or facts['threads']
        tasks = tasks or facts['cores'] // threads
        most = facts['cores'] // tasks
        binding = 'cores'
    if min(nodes, tasks, threads) < 1 or threads > most:
        raise LumiHooksError(f'{tasks} ranks of {threads} threads do not fit onto a node of partition '
                             f'{site.partition}: {tasks} ranks have {most} cores each')
    settings = [(item['name'], item['value'], item['reason']) for item in facts['environment']
                if not item.get('threads') or threads > 1]
    once: List[Tuple[str, str, str]] = []
    known = uses(name, 'mpi')
    if on_gpu and (gpu_mpi if gpu_mpi is not None else not known or known['value']):
        entry = facts['gpu_mpi']
        once.append((entry['name'], entry['value'], entry['reason']))
    return Job(module, site, facts['queue'], nodes, tasks, threads, gpus, binding, account, time, program,
               tuple(settings), tuple(once))


def gpu_binding(facts: Mapping[str, Any], tasks: int, threads: int) -> str:
    """
    The masks that put rank n onto the cores of GPU n; ranks that share a GPU share its cores out.

    >>> gpu_binding({'number': 2, 'first_cores': [8, 0], 'cores': 8, 'reserved': 1}, 2, 7)
    'mask_cpu:0xfe00,0xfe'
    """
    masks: List[str] = []
    for rank in range(tasks):
        first = facts['first_cores'][rank % facts['number']] + facts['reserved']
        start = first + rank // facts['number'] * threads
        masks.append(hex(((1 << threads) - 1) << start))
    return 'mask_cpu:' + ','.join(masks)
