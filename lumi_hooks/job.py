# SPDX-License-Identifier: GPL-2.0-only
"""
A job script for a module: binding of ranks to cores and GPUs, network and GPU settings of the partition
(the site's jobs.json). What a module must not set for everybody is set here, for one program.
"""
import re
import shlex
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from . import gpu, jobtests, quote, sites
from .errors import LumiHooksError
from .fabric.variables import OURS, holds, setting, versions
from .mpi import Answer, uses_mpi
from .prefix import module_folders
from .queues import TIME, check_limits, gpu_binding, load_jobs
from .site import Site

# stands for an account that is left to be filled in; no project has this name
NO_ACCOUNT = 'fill_in_your_project'
_ACCOUNT = re.compile('[A-Za-z0-9][A-Za-z0-9_.-]*')


class Setting(NamedTuple):
    """
    A variable of the environment, and why. `as_comment`: whoever meets the error that `reason` names removes the #.
    `versions`: of what it is for, empty: of all.
    """
    name: str
    value: str
    reason: str
    as_comment: bool = False
    versions: str = ''
    source: str = ''


@dataclass(frozen=True)
class Job:
    """
    What a job script says. `settings` are variables of the whole job; `once` those that are set for the program alone.
    `account` and `program` are empty where they are left to be filled in; `program` is a command line of the shell, as
    the user typed it. `tests` are run in its place.
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
    mpi: Answer
    memory: str = '--mem=0'
    settings: Tuple[Setting, ...] = field(default=())
    once: Tuple[Setting, ...] = field(default=())
    tests: Optional[jobtests.Tests] = None

    @property
    def left_out(self) -> List[str]:
        """What is left to be filled in; until then the script stops."""
        given = {'account': self.account, 'program': self.program or self.tests}
        return [name for name, value in given.items() if not value]

    def as_json(self) -> Dict[str, Any]:
        """The job as plain data."""
        return {'module': self.module, 'release': self.site.release.name,
                'partition': self.site.partition,
                'queue': self.queue, 'nodes': self.nodes, 'tasks_per_node': self.tasks,
                'threads_per_task': self.threads, 'gpus_per_node': self.gpus, 'cpu_bind': self.binding,
                'account': self.account or None, 'time': self.time, 'program': self.program or None,
                'left_out': self.left_out, 'mpi': self.mpi._asdict(),
                'tests': self.tests.as_json() if self.tests else None,
                'environment': [item._asdict() for item in (*self.settings, *self.once)], 'script': self.script()}

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
        if not self._masked:
            yield f'#SBATCH --cpus-per-task={self.threads}'
        yield f'#SBATCH {self.memory}'
        yield f'#SBATCH --time={self.time}'
        yield ''
        yield from self._guards()
        yield from self._modules()
        yield ''
        yield f'# {self._about_mpi()}'
        for item in self.settings:
            yield f'# {quote.comment(item.reason)}'
            yield f'{"# " if item.as_comment else ""}export {item.name}={quote.shell(item.value)}'
        yield f'export OMP_NUM_THREADS={self.threads}'
        yield ''
        for item in self.once:
            yield f'# {quote.comment(item.reason)}'
        yield from self._start()

    @property
    def _masked(self) -> bool:
        """Do masks say which cores each rank has?"""
        return self.binding.startswith('mask_cpu')

    def _about_mpi(self) -> str:
        told = {True: 'it uses MPI', False: 'it does not use MPI, so it is started once',
                None: 'not known whether it uses MPI (--mpi or --no-mpi says so)'}[self.mpi.value]
        if self.mpi.value is False and self.nodes * self.tasks > 1:
            told = f'it does not use MPI, and {self.nodes * self.tasks} copies of it are started, as was asked for'
        return f'{self.module}: {told}: {quote.comment(self.mpi.reason)}'

    def _start(self) -> Iterator[str]:
        """The line that starts the program."""
        select = ''
        if self.gpus and self.tasks > 1:
            each = max(self.gpus // self.tasks, 1)
            yield f'# each rank sees the {"GPU" if each == 1 else f"{each} GPUs"} that its cores are nearest to'
            first = f'$((SLURM_LOCALID * {each} % {self.gpus}))'
            seen = first if each == 1 else f'$(seq -s , {first} $((SLURM_LOCALID * {each} % {self.gpus} + {each - 1})))'
            select = f"/bin/sh -c 'export ROCR_VISIBLE_DEVICES={seen}; exec \"$@\"' sh "
        start = ''.join(f'{item.name}={quote.shell(item.value)} ' for item in self.once)
        start = f'env {start}' if start and self.tests else start
        # a job that was submitted with --export=NONE hands its own environment on all the same
        options = f'--export=ALL --cpu-bind={self.binding}'
        if not self._masked:
            # srun does not take it from the job: since 22.05 it has to be told
            options += f' --cpus-per-task="${{SLURM_CPUS_PER_TASK:-{self.threads}}}"'
        if self.tests:
            yield from jobtests.script(self.tests, f'{start}srun {options} {select}'.rstrip(), start)
        else:
            yield f'{start}srun {options} {select}{self.program or _FILLED_IN}'

    def _guards(self) -> Iterator[str]:
        """Stops a script in which something is left to be filled in."""
        yield 'stop() { echo "$1" >&2; exit 2; }'
        if not self.account:
            yield f'[ "${{SLURM_JOB_ACCOUNT:-}}" != {NO_ACCOUNT} ] ||'
            yield '    stop "no account: name your project in the line #SBATCH --account of this script"'
        if self.tests:
            yield from jobtests.BEGIN
        elif not self.program:
            yield '# fill in what srun starts: program=(COMMAND ARGUMENT ...)'
            yield 'program=()'
            yield '[ ${#program[@]} -gt 0 ] || stop "no program: fill in the line program=() of this script"'

    def _modules(self) -> Iterator[str]:
        """Loads the module, from the prefixes that it was found in."""
        site, release = self.site, self.site.release.name
        if site.mode == 'user' and site.prefix:
            yield f'export {sites.variable("prefix")}={quote.shell(site.prefix)}'
            if len(site.prefixes) > 1:
                yield f'export LUMI_HOOKS_PREFIXES={quote.shell(":".join(site.prefixes))}'
        loads = [f'module load {sites.said("here", release=release, partition=site.partition)}']
        # modules of a site's own stack put a single prefix onto MODULEPATH themselves
        if site.mode == 'user' and (len(site.prefixes) > 1 or not sites.variable('stack')):
            # each is put in front of the ones before, one's own in front of all, as the module lumi-hooks does it
            loads += [f'module use {quote.shell(folder)}' for prefix in reversed(site.prefixes)
                      for folder in reversed(module_folders(prefix, release, site.partition))]
        for command in [*loads, f'module load {self.module}']:
            if command not in loads and self.tests:
                yield from jobtests.rebuild(self.tests)
            yield command + ' ||'
            yield f'    stop {quote.shell(f"{self.module} cannot be loaded: " + command + " failed")}'


_FILLED_IN = '"${program[@]}"'


def make_job(module: str, site: Site, nodes: int = 1, tasks: Optional[int] = None, threads: Optional[int] = None,
             account: str = '', time: str = '00:30:00', program: str = '', gpu_mpi: Optional[bool] = None,
             gpus: Optional[int] = None, mpi: Optional[bool] = None, queue: str = '',
             tests: Optional[jobtests.Tests] = None) -> Job:
    """
    The job for a module.

    :param tasks: ranks a node; where not given one a GPU, or as many as cores and threads allow; one for software that
        does not use MPI
    :param account: the project to bill; empty: left to be filled in
    :param program: a command line of the shell, as its user types it: it goes into the script as it is. Empty: left
        to be filled in
    :param gpu_mpi: does the program hand buffers in the memory of GPUs to MPI? By what is known of the package where
        not given
    :param gpus: GPUs of a node, where not given all of them with MPI, and one without
    :param mpi: does it use MPI? By its installation, or by what is known of the package, where not given
    :param queue: of Slurm; the partition's own where not given
    :param tests: what it is to run instead of a program, on two ranks where nothing else is asked for
    :raises LumiHooksError: the partition does not run what the module holds, more is asked for than a node or the
        queue has, options contradict each other, or something can't be written into a script
    """
    _check(module, site, account, time, program, nodes)
    facts = load_jobs().get(site.partition)
    if facts is None:
        raise LumiHooksError(f'partition {site.partition} runs no jobs: {sites.said("for_jobs")}')
    on_gpu = gpu.split_suffix(module)[1] == gpu.ROCM
    if on_gpu and 'gpus' not in facts:
        raise LumiHooksError(f'{module} is built for GPUs, which partition {site.partition} does not have: add '
                             '--partition G')
    for option, given in (('--gpu-mpi', gpu_mpi), ('--gpus', gpus)):
        if given and not on_gpu:
            raise LumiHooksError(f'{module} is built for processors, and {option} is for software that is built for '
                                 f'GPUs (its module ends in {gpu.TAILS[gpu.ROCM]}): leave {option} out')
    if gpu_mpi and mpi is False:
        raise LumiHooksError('--gpu-mpi is for programs that use MPI: leave it or --no-mpi out')
    answer = uses_mpi(module, site) if mpi is None and not gpu_mpi else Answer(mpi is not False, 'you said so')
    alone = answer.value is False and tasks is None
    if alone and nodes > 1:
        raise LumiHooksError(f'{module} does not use MPI ({answer.reason}), so it can\'t use {nodes} nodes at once: '
                             'leave --nodes out; --tasks N starts N copies of it on each node, --mpi says that it does '
                             'use MPI')
    tasks = 1 if alone else jobtests.RANKS if tests and tasks is None else tasks
    if tests:
        queue = queue or facts.get('tests', '')
        if tests.recipe and not on_gpu:
            threads = threads or max(jobtests.BUILD_CORES // (tasks or 1), 1)
    gpus, tasks = _shares(facts, tasks, gpus) if on_gpu else (0, tasks)
    one = tasks == 1 and nodes == 1 and gpus < facts.get('gpus', {}).get('number', 1)
    queue = queue or (facts.get('one_task') if one else None) or facts['queue']
    limits = check_limits(queue, site, nodes, time)
    tasks, threads = _sizes(facts, site, tasks, threads, gpus)
    binding = gpu_binding(facts['gpus'], tasks, threads, gpus) if on_gpu and limits['whole'] else 'cores'
    aware = on_gpu and answer.value is not False and gpu_mpi is not False
    once = _with_reasons([facts['gpu_mpi']] if aware else [], site)
    return Job(module, site, queue, nodes, tasks, threads, gpus, binding, account, time, program, answer,
               limits['memory'], _settings(facts, nodes, threads, answer.value, aware, site), tuple(once), tests)


def _shares(facts: Mapping[str, Any], tasks: Optional[int], gpus: Optional[int]) -> Tuple[int, int]:
    """
    GPUs and ranks of a node, which share each other out evenly.

    :raises LumiHooksError: they don't, or a node has fewer GPUs
    """
    most = facts['gpus']['number']
    gpus = gpus or min(most, tasks or most)
    tasks = tasks or gpus
    if gpus > most:
        raise LumiHooksError(f'--gpus {gpus}: a node has {most}')
    if max(tasks, gpus) % min(tasks, gpus):
        raise LumiHooksError(f'{tasks} ranks do not share the {gpus} GPUs of a node evenly: take a multiple')
    return gpus, tasks


def _sizes(facts: Mapping[str, Any], site: Site, tasks: Optional[int], threads: Optional[int],
           gpus: int) -> Tuple[int, int]:
    """
    Ranks of a node and threads of a rank, which fit onto it.

    :raises LumiHooksError: they don't
    """
    if gpus:
        assert tasks
        most = gpus * (facts['gpus']['cores'] - facts['gpus']['reserved']) // tasks
        threads = most if threads is None else threads
    else:
        threads = facts['threads'] if threads is None else threads
        tasks = facts['cores'] // max(threads, 1) if tasks is None else tasks
        most = facts['cores'] // max(tasks, 1)
    if min(tasks, threads) < 1 or threads > most:
        raise LumiHooksError(f'{tasks} ranks of {threads} threads do not fit onto a node of partition '
                             f'{site.partition}: {tasks} ranks have {most} cores each')
    return tasks, threads


def _settings(facts: Mapping[str, Any], nodes: int, threads: int, mpi: Optional[bool],
              aware: bool, site: Site) -> Tuple[Setting, ...]:
    """The variables of a job; `aware`: MPI is handed buffers of GPUs."""
    true = {'mpi': mpi is not False, 'gpu-mpi': aware, 'host-mpi': mpi is not False and not aware,
            'threads': threads > 1}
    found = _with_reasons([item for item in facts['environment'] if 'for' not in item or true[item['for']]], site)
    if mpi is not False:
        found += [Setting(item['name'], item['value'], item['reason'], item.get('comment', False), source=item['link'])
                  for item in sites.read('jobs.json')['issues'] if nodes >= item.get('nodes', 1)]
    return tuple(found)


def _with_reasons(items: Sequence[Mapping[str, str]], site: Site) -> List[Setting]:
    """Variables as the site's data have them; those of the fabric with their reasons, and for their versions alone."""
    found = []
    for item in items:
        if OURS.fullmatch(item['name']):
            known = setting(item['name'], item['value'])
            if holds(known, site.release):
                found.append(Setting(item['name'], item['value'], known['reason'], versions=versions(known),
                                     source=known['source']))
        else:
            found.append(Setting(item['name'], item['value'], item['reason'], source=item.get('link', '')))
    return found


def _check(module: str, site: Site, account: str, time: str, program: str, nodes: int) -> None:
    """
    Can all of it be written into a script?

    :raises LumiHooksError: the first that can't be
    """
    try:
        quote.module(module)
    except ValueError as err:
        raise LumiHooksError(f'{err}: it takes NAME/VERSION, as "module avail" shows it') from err
    if nodes < 1:
        raise LumiHooksError(f'--nodes {nodes}: a job has one node at least')
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
