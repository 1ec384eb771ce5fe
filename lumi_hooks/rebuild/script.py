# SPDX-License-Identifier: GPL-2.0-only
"""
What a job of a rebuild runs: one `eb` for one recipe, and then what tells whether the module is any good.

The script needs nothing of the shell that started the run: it loads the target's modules in a login shell, and brings
the settings along. So a run goes on from any other shell, and builds for several targets. What it did stands in a file
next to its log, a line a step, which is the first to know that the job has ended.
"""
import os
import re
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .. import quote, sites
from ..data import ROOT
from ..errors import LumiHooksError
from ..files import read_text
from ..queues import check_limits, load_jobs
from ..settings import load_settings
from ..site import Site
from .tasks import Attempt, Task, uses_gpu

# beside a job's log: what it did
OUTCOME, LOG, SCRIPT = 'outcome', 'log', 'script'
BUILD, LOAD, VERIFY, TEST = 'build', 'load', 'verify', 'test'
# bytes of an outcome: a few lines
_LARGEST = 1 << 16
# what follows from the target, and is not brought along
_OF_TARGET = ('RELEASE', 'PARTITION', 'TOOLCHAIN', 'MODE', 'PYTHON')
# the variable by which the site's modules are told where to work
_WORKDIR = re.compile('export ([A-Z_]+)=')
# our hooks file is named on the command line, and search paths are added to
_OTHERWISE = ('EASYBUILD_HOOKS', 'EASYBUILD_ROBOT_PATHS', 'EASYBUILD_SOURCEPATH')
_STEP = re.compile(r'step (\w+) (\d+) (\d+)')
_CLONE = os.path.dirname(ROOT)


class Shares(NamedTuple):
    """What a job gets: queue, ranks for tests, cores of each, GPUs, run time, and sbatch's words for memory."""
    queue: str
    tasks: int
    threads: int
    gpus: int
    time: str
    memory: str


def shares(site: Site, queue: str = '', time: str = '', cores: int = 0) -> Shares:
    """
    What a job that builds gets on a partition (`build` in the site's jobs.json), and what was asked for instead.

    :raises LumiHooksError: the partition runs no jobs, or the queue takes no such job
    """
    facts = load_jobs().get(site.partition)
    if facts is None:
        raise LumiHooksError(f'partition {site.partition} runs no jobs: {sites.said("for_jobs")}, or leave --slurm out')
    build = facts['build']
    time = time or build['time']
    limits = check_limits(queue or build['queue'], site, 1, time)
    cores = cores or build['cores']
    if cores > facts['cores']:
        raise LumiHooksError(f'--cores {cores}: a node of partition {site.partition} has {facts["cores"]}')
    tasks = min(build['tasks'], cores)
    return Shares(queue or build['queue'], tasks, cores // tasks, build.get('gpus', 0), time, limits['memory'])


def brought(env: Mapping[str, str]) -> Dict[str, str]:
    """
    Variables of this shell that jobs have too: the prefix, where to work, settings of lumi-hooks, and those of
    EasyBuild, which count in a job where its own modules set none.
    """
    names = [sites.variable('prefix'), *_WORKDIR.findall(sites.said('workdir')),
             *(f'LUMI_HOOKS_{name}' for name in load_settings() if name not in _OF_TARGET)]
    found = {name: env[name] for name in names if env.get(name)}
    python = env.get('LUMI_HOOKS_PYTHON')
    if python:
        found['LUMI_HOOKS_PYTHON'] = python
    found.update({name: value for name, value in env.items()
                  if name.startswith('EASYBUILD_') and re.fullmatch('[A-Z_]+', name) and name not in _OTHERWISE})
    return found


def script(task: Task, folder: str, environment: Mapping[str, str], paths: Mapping[str, Sequence[str]],
           options: Sequence[str], checks: bool, rebuild: bool) -> str:
    """
    The script of the last attempt of a task, for bash.

    :param folder: of the attempt, with its outcome
    :param environment: as `brought` has it
    :param paths: EASYBUILD_… -> folders that its list has to hold too
    :param options: for eb
    :param checks: are `lumi-eb verify` and `lumi-eb job --test` run?
    :param rebuild: an installation is there, of something else
    """
    return '\n'.join(_lines(task, folder, environment, paths, options, checks, rebuild)) + '\n'


def _lines(task: Task, folder: str, environment: Mapping[str, str], paths: Mapping[str, Sequence[str]],
           options: Sequence[str], checks: bool, rebuild: bool) -> Iterator[str]:
    yield '#!/bin/bash -l'
    yield f'# {quote.comment(task.module)} for {quote.comment(task.target)}'
    yield f'outcome={quote.shell(os.path.join(folder, OUTCOME))} module={quote.shell(quote.module(task.module))}'
    yield f'command={quote.shell(os.path.join(_CLONE, "bin", "lumi-eb"))}'
    yield '# whoever makes this file first does the work: another job of the same attempt, and a late one, ends here'
    yield 'set -o noclobber'
    yield '{ echo "started ${SLURM_JOB_ID:-$$} ${SLURMD_NODENAME:-$(hostname -s)} $(date +%s)" >"$outcome"; } \\'
    yield '    2>/dev/null || exit 0'
    yield 'set +o noclobber'
    yield 'told() { echo "$@" >>"$outcome"; }'
    yield 'step() {'
    yield '    local name=$1 code=0 began=$SECONDS'
    yield '    shift'
    yield '    echo "== $name: $*"'
    yield '    "$@" || code=$?'
    yield '    told step "$name" "$code" $((SECONDS - began))'
    yield '    return $code'
    yield '}'
    yield 'ended() { told ended "$(date +%s)"; exit "$1"; }'
    yield '# entries that a list lacks, behind those that it has'
    yield 'also() {'
    yield '    local name=$1 one'
    yield '    shift'
    yield '    for one in "$@"; do'
    yield '        case ":${!name-}:" in *":$one:"*) ;; *) export "$name=${!name:+${!name}:}$one" ;; esac'
    yield '    done'
    yield '}'
    yield 'unset TMPDIR'
    early = {name: value for name, value in environment.items() if not name.startswith('EASYBUILD_')}
    for name, value in sorted(early.items()):
        yield f'export {name}={quote.shell(value)}'
    here = sites.said('here', release=task.stack, partition=task.partition)
    yield f'module use {quote.shell(os.path.join(_CLONE, "modulefiles"))}'
    yield f'step modules module load {here} {sites.setup()} lumi-hooks || ended 1'
    if not sites.variable('partition'):
        yield f'export LUMI_HOOKS_PARTITION={quote.shell(task.partition)}'
    for name, value in sorted(environment.items()):
        if name not in early:
            yield f'[ -n "${{{name}-}}" ] || export {name}={quote.shell(value)}'
    for name, folders in sorted(paths.items()):
        if folders:
            yield f'also {name} {" ".join(map(quote.shell, folders))}'
    if task.toolchain:
        yield f'export LUMI_HOOKS_TOOLCHAIN={quote.shell(task.toolchain)}'
    if uses_gpu(task):
        yield f'export LUMI_HOOKS_GPU={quote.shell(task.module.partition("/")[0])}'
    yield 'cd "$(dirname "$outcome")" || ended 1'
    if not task.attempts[-1].built:
        words = ['eb', f'--hooks={os.path.join(ROOT, "hooks.py")}', task.recipe, '--robot', '--disable-job',
                 *(['--rebuild'] if rebuild else []), *options]
        yield f'step {BUILD} {" ".join(map(quote.shell, words))} || ended 1'
    yield f'step {LOAD} module load "$module" || ended 1'
    if checks:
        yield f'step {VERIFY} "$command" verify "$module"'
        yield '# what its recipe tests with MPI; it needs a job, as srun starts it'
        yield 'if [ -n "${SLURM_JOB_ID-}" ] && "$command" job "$module" --test >test.sh; then'
        yield f'    step {TEST} bash -l test.sh'
        yield 'else'
        yield '    told note no tests were left for a job, or this is none'
        yield 'fi'
    yield 'ended 0'


def read_outcome(folder: str, attempt: Attempt) -> bool:
    """
    What a job has written of itself, into an attempt; did it begin?

    :param folder: of the attempt
    """
    try:
        lines = read_text(os.path.join(folder, OUTCOME), 'replace', _LARGEST).split('\n')
    except OSError:
        return False
    steps: List[List[Any]] = []
    notes: List[str] = []
    for line in lines:
        words = line.split()
        step = _STEP.fullmatch(line)
        if step:
            steps.append([step[1], int(step[2]), int(step[3])])
        elif line.startswith('started ') and len(words) == 4 and words[3].isdecimal():
            attempt.host, attempt.started = quote.line(words[2]), float(words[3])
            attempt.job = attempt.job or words[1]
        elif line.startswith('ended ') and len(words) == 2 and words[1].isdecimal():
            attempt.ended = float(words[1])
        elif line.startswith('note '):
            notes.append(quote.line(line[len('note '):]))
    attempt.steps, attempt.notes = steps, notes
    return bool(lines[0])


def verdict(attempt: Attempt) -> Tuple[bool, Optional[str]]:
    """
    What the steps of an attempt say: was it built, and which step failed first? A job that ended of itself and left
    out a step lost it.
    """
    codes = {name: code for name, code, _ in attempt.steps}
    built = attempt.built or codes.get(BUILD) == 0
    return built, next((name for name, code, _ in attempt.steps if code),
                       None if codes.get(LOAD) == 0 and built else LOAD if built else BUILD)
