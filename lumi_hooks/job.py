# SPDX-License-Identifier: GPL-2.0-only
"""
A job script for a module: binding of ranks to cores and GPUs, network and GPU settings of the partition
(releases/jobs.json). What a module must not set for everybody is set here, for one program.
"""
import re
import shlex
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from . import gpu, quote
from .errors import DataError, LumiHooksError
from .packages import uses
from .prefix import module_folders
from .schemas import checked
from .site import Site

# stands for an account that is left to be filled in; no project has this name
NO_ACCOUNT = 'fill_in_your_project'
_ACCOUNT = re.compile('[A-Za-z0-9][A-Za-z0-9_.-]*')
# minutes, or what else sbatch takes (man sbatch, --time)
TIME = re.compile('[0-9]+(:[0-9]+){0,2}|[0-9]+-[0-9]+(:[0-9]+){0,2}')


@dataclass(frozen=True)
class Job:
    """
    What a job script says. `settings` are (name, value, reason) of environment variables; `once` of those that are
    set for the program alone. `account` and `program` are empty where they are left to be filled in; `program` is a
    command line of the shell, as the user typed it.
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

    @property
    def left_out(self) -> List[str]:
        """What is left to be filled in; until then the script stops."""
        return [name for name in ('account', 'program') if not getattr(self, name)]

    def as_json(self) -> Dict[str, Any]:
        """The job as plain data."""
        return {'module': self.module, 'release': self.site.release.name,
                'partition': self.site.partition,
                'queue': self.queue, 'nodes': self.nodes, 'tasks_per_node': self.tasks,
                'threads_per_task': self.threads, 'gpus_per_node': self.gpus, 'cpu_bind': self.binding,
                'account': self.account or None, 'time': self.time, 'program': self.program or None,
                'left_out': self.left_out,
                'environment': [{'name': name, 'value': value, 'reason': reason}
                                for name, value, reason in (*self.settings, *self.once)], 'script': self.script()}

    def script(self) -> str:
        """The script, for sbatch."""
        return '\n'.join(self._lines()) + '\n'

    def _lines(self) -> Iterator[str]:
        # Slurm reads these lines, not the shell: what stands in them holds nothing to be quoted (make_job)
        yield '#!/bin/bash -l'
        yield f'#SBATCH --job-name={self.module.split("/")[0]}'
        yield f'#SBATCH --account={self.account or NO_ACCOUNT}'
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
        yield from self._guards()
        yield from self._modules()
        yield ''
        for name, value, reason in self.settings:
            yield f'# {quote.comment(reason)}'
            yield f'export {name}={quote.shell(value)}'
        yield f'export OMP_NUM_THREADS={self.threads}'
        if not self.gpus:
            yield '# since 22.05 srun takes this from nowhere else'
            yield f'export SRUN_CPUS_PER_TASK="${{SLURM_CPUS_PER_TASK:-{self.threads}}}"'
        yield ''
        for _, _, reason in self.once:
            yield f'# {quote.comment(reason)}'
        if self.gpus:
            yield '# each rank sees the GPU that its cores are nearest to'
        start = ''.join(f'{name}={quote.shell(value)} ' for name, value, _ in self.once)
        select = f"/bin/sh -c 'export ROCR_VISIBLE_DEVICES=$((SLURM_LOCALID % {self.gpus})); exec \"$@\"' sh " \
            if self.gpus else ''
        # a job that was submitted with --export=NONE hands its own environment on all the same
        yield f'{start}srun --export=ALL --cpu-bind={self.binding} {select}{self.program or _FILLED_IN}'

    def _guards(self) -> Iterator[str]:
        """Stops a script in which something is left to be filled in."""
        yield 'stop() { echo "$1" >&2; exit 2; }'
        if not self.account:
            yield f'[ "${{SLURM_JOB_ACCOUNT:-}}" != {NO_ACCOUNT} ] ||'
            yield '    stop "no account: name your project in the line #SBATCH --account of this script"'
        if not self.program:
            yield '# fill in what srun starts: program=(COMMAND ARGUMENT ...)'
            yield 'program=()'
            yield '[ ${#program[@]} -gt 0 ] || stop "no program: fill in the line program=() of this script"'

    def _modules(self) -> Iterator[str]:
        """Loads the module, from the prefixes that it was found in."""
        site, release = self.site, self.site.release.name
        if site.mode == 'user' and site.prefix:
            yield f'export EBU_USER_PREFIX={quote.shell(site.prefix)}'
            if len(site.prefixes) > 1:
                yield f'export LUMI_HOOKS_PREFIXES={quote.shell(":".join(site.prefixes))}'
        loads = [f'module load LUMI/{release} partition/{site.partition}']
        if site.mode == 'user' and len(site.prefixes) > 1:
            # each is put in front of the ones before, one's own in front of all, as the module lumi-hooks does it
            loads += [f'module use {quote.shell(folder)}' for prefix in reversed(site.prefixes)
                      for folder in reversed(module_folders(prefix, release, site.partition))]
        for command in [*loads, f'module load {self.module}']:
            yield command + ' ||'
            yield f'    stop {quote.shell(f"{self.module} cannot be loaded: " + command + " failed")}'


_FILLED_IN = '"${program[@]}"'


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
             account: str = '', time: str = '00:30:00', program: str = '',
             gpu_mpi: Optional[bool] = None) -> Job:
    """
    The job for a module.

    :param tasks: ranks a node; one a GPU, or as many as cores and threads allow, where not given
    :param account: the project to bill; empty: left to be filled in
    :param program: a command line of the shell, as its user types it: it goes into the script as it is. Empty: left
        to be filled in
    :param gpu_mpi: does the program hand buffers in the memory of GPUs to MPI? By what is known of the package where
        not given
    :raises LumiHooksError: the partition does not run what the module holds, more is asked for than a node has, or
        something can't be written into a script
    """
    _check(module, site, account, time, program)
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


def _check(module: str, site: Site, account: str, time: str, program: str) -> None:
    """
    Can all of it be written into a script?

    :raises LumiHooksError: the first that can't be
    """
    try:
        quote.module(module)
    except ValueError as err:
        raise LumiHooksError(f'{err}: it takes NAME/VERSION, as "module avail" shows it') from err
    if account and not _ACCOUNT.fullmatch(account):
        raise LumiHooksError(f'{quote.line(account)!r} is no account: it takes the name of a project, as '
                             'project_465000000')
    if not TIME.fullmatch(time):
        raise LumiHooksError(f'{quote.line(time)!r} is no time: it takes HH:MM:SS, D-HH:MM:SS or minutes')
    wrong = next((path for path in site.prefixes if quote.line(path) != path), None)
    if wrong is not None:
        raise LumiHooksError(f'the prefix {quote.line(wrong)!r} holds control characters: no script can name it')
    try:
        closed = bool(shlex.split(program, comments=True)) or not program
    except ValueError:
        closed = False
    if quote.line(program) != program or not closed:
        raise LumiHooksError(f'{quote.line(program)!r} is no command of one line with all its quotes closed')


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
