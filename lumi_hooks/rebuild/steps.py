# SPDX-License-Identifier: GPL-2.0-only
"""
Moves a run on: sees what became of jobs, decides what comes next, and starts it.

Nothing is remembered that is not in the run's file, in what jobs wrote, or known to who runs them. So whoever comes
later goes on where another one was killed.
"""
import os
import time
from typing import Callable, Dict, List, Mapping, Optional, Protocol, Sequence, Tuple

from ..errors import LumiHooksError
from ..files import write_atomic
from ..record.failed import error_facts, failed_builds, read_log
from ..record.failure import first_error
from ..site import Site
from .run import Run, asked_to_cancel, built_of, make_folder, module_file, note_built
from .script import BUILD, LOG, OUTCOME, SCRIPT, Shares, read_outcome, script, verdict
from .slurm import NotSubmitted, token
from .tasks import (
    ACTIVE,
    BLOCKED,
    BUILT,
    CANCELLED,
    FAILED,
    LOST,
    OPEN,
    REFUSAL,
    RUNNING,
    SAME,
    SUBMITTED,
    WAITING,
    Attempt,
    Job,
    Task,
)

# all of it is as it should be
GOOD = (BUILT, SAME)
# jobs that a task may lose to nodes
_LOSSES = 3
# rounds without a start after sbatch has said no: there may be as many jobs as a user can have
_LONGEST_PAUSE = 32
# release and partition
Target = Tuple[str, str]
# an attempt whose job is never going to run
WITHDRAWN = 'withdrawn'
# jobs that are going to end, and say so then (squeue(1), JOB STATE CODES)
_LIVE = ('PENDING', 'CONFIGURING', 'RUNNING', 'COMPLETING', 'SUSPENDED', 'STOPPED', 'SIGNALING', 'STAGE_OUT',
         'REQUEUED', 'RESV_DEL_HOLD', 'REQUEUE_FED', 'REQUEUE_HOLD', 'SPECIAL_EXIT', 'RESIZING')
_NODE = ('NODE_FAIL', 'BOOT_FAIL', 'PREEMPTED', 'REVOKED', '')
_FULL = 'it ended, and could not write how: the disk may be full'
_WHY = {'TIMEOUT': 'it ran out of time: --time gives it more', 'COMPLETED': _FULL, 'FAILED': _FULL,
        'OUT_OF_MEMORY': 'it ran out of memory: --cores gives it more', 'KILLED': 'its process was killed',
        '': 'nobody knows what became of it'}


class Jobs(Protocol):
    """Who starts jobs and knows of them (local.py, slurm.py)."""
    waits: bool
    every: float

    def shares(self, site: Site) -> Optional[Shares]:
        """What a job gets on a partition."""

    def submit(self, task: Task, attempt: Attempt, text: str, after: Sequence[str], given: Optional[Shares]) -> str:
        """Start a job."""

    def jobs(self) -> Optional[Mapping[str, Job]]:
        """The jobs that there are."""

    def ended(self, job: str) -> str:
        """Why one is not there."""

    def cancel(self, pairs: Sequence[Tuple[Task, Attempt]]) -> None:
        """End some."""


def look(run: Run, jobs: Jobs, keep: bool = True) -> bool:
    """
    Write into the run what became of its jobs; False where nobody could say more than the jobs themselves.

    :param keep: note what was built, and give up jobs that were never started; else only look
    """
    known = jobs.jobs()
    for task in run.tasks:
        if task.state in ACTIVE and task.last:
            _look_at(run, task, task.last, jobs, known, keep)
    return known is not None


def _look_at(run: Run, task: Task, attempt: Attempt, jobs: Jobs, known: Optional[Mapping[str, Job]],
             keep: bool) -> None:
    folder = run.folder_of(task, attempt)
    begun = read_outcome(folder, attempt)
    if not attempt.job and known is not None and not attempt.ended:
        mine = token(run, task, attempt)
        attempt.job = next((number for number, job in known.items() if job.token == mine), '')
        if not attempt.job and (not keep or _withdrawn(folder)):
            task.state, attempt.state = (WAITING, WITHDRAWN) if keep else (task.state, attempt.state)
            return
        begun = read_outcome(folder, attempt)
    job = (known or {}).get(attempt.job)
    if not attempt.ended and known is not None and (job is None or job.state not in _LIVE):
        # it may have ended between the two looks
        begun = read_outcome(folder, attempt)
        if not attempt.ended:
            _gone(run, task, attempt, job.state if job else jobs.ended(attempt.job), begun, keep)
            return
    if attempt.ended:
        _done(run, task, attempt, keep)
    else:
        task.state = RUNNING if begun else SUBMITTED
        if attempt.state != CANCELLED:  # that it is to end is kept in mind
            attempt.state = task.state


def _withdrawn(folder: str) -> bool:
    """Claim what a job that nobody knows would claim: it does nothing if it comes late. False: it has begun."""
    try:
        with open(os.path.join(folder, OUTCOME), 'x', encoding='utf-8') as stream:
            stream.write('note it was never started\n')
    except FileExistsError:
        return False
    return True


def _done(run: Run, task: Task, attempt: Attempt, keep: bool) -> None:
    """A job has ended of itself."""
    built, wrong = verdict(attempt)
    if built and not module_file(run.prefix, task):
        built, wrong = False, BUILD
    task.installed = built
    task.state = attempt.state = FAILED if wrong else BUILT
    task.reason = f'{wrong} failed' if wrong else ''
    if wrong:
        _explain(run, task, attempt)
    if keep and built:
        note_built(run, task, not wrong)


def _gone(run: Run, task: Task, attempt: Attempt, state: str, begun: bool, keep: bool) -> None:
    """A job is not there any more, and wrote no end."""
    attempt.ended = time.time()
    if verdict(attempt)[0] and module_file(run.prefix, task):
        task.installed = True
        if keep:
            note_built(run, task, False)
    needs = [run.task(name) for name in task.needs]
    if state == 'CANCELLED' and not begun and attempt.state != CANCELLED and not all(one.installed for one in needs):
        # Slurm did, as what it waited for did not end well: that may be tried again
        task.state, attempt.state = WAITING, WITHDRAWN
        return
    lost = state in _NODE
    task.state = attempt.state = CANCELLED if state == 'CANCELLED' or attempt.state == CANCELLED else \
        LOST if lost else FAILED
    where = f' on {attempt.host}' if attempt.host else ''
    task.reason = _WHY.get(state, f'Slurm says {state}{where}')
    if task.state == FAILED:
        _explain(run, task, attempt)
    if task.state == LOST and sum(one.state == LOST for one in task.attempts) % _LOSSES:
        task.state = WAITING


def _explain(run: Run, task: Task, attempt: Attempt) -> None:
    """The first error of a job: as the failed builds of the prefix have it, else of the job's own log."""
    found = None
    try:
        found = next((build.facts.get('error') for build in failed_builds(run.prefix) if build.module == task.module
                      and build.when >= attempt.started - 1), None)
        if found is None:
            found = error_facts(first_error(read_log(os.path.join(run.folder_of(task, attempt), LOG))))
    except LumiHooksError:
        pass
    task.error = found
    if found and found.get('line'):
        task.reason += f': {found["line"]}'


def prepare(run: Run) -> None:
    """Before a run is begun, or begun again: what is built is not built again, and what is not is tried."""
    for task in run.tasks:
        if task.state in ACTIVE or task.state == REFUSAL:
            continue
        noted = built_of(run.prefix, task)
        task.installed = bool(noted)
        if noted.get('checked') or noted and not run.checks:
            task.state = BUILT if task.state == BUILT else SAME
            task.reason, task.error = '' if task.state == BUILT else 'it is installed, made of the same', None
        else:
            task.state, task.reason, task.error = WAITING, '', None


def decide(run: Run, waits: bool) -> List[Tuple[Task, List[Task]]]:
    """
    The tasks to start now, each with those that its job has to wait for; what can't be built is marked so.

    :param waits: can a job wait for others?
    """
    by_name = {task.name: task for task in run.tasks}
    ready: List[Tuple[Task, List[Task]]] = []
    later: List[Tuple[Task, List[Task]]] = []
    for task in run.tasks:
        if task.state != WAITING:
            continue
        missing = [by_name[name] for name in task.needs if not by_name[name].installed]
        wrong = next((one for one in missing if one.state not in OPEN), None)
        if wrong:
            task.state, task.reason = BLOCKED, f'it needs {wrong.module}, which is {wrong.state}'
        elif not missing:
            ready.append((task, []))
        elif waits and all(one.state in ACTIVE and one.last and one.last.job for one in missing):
            later.append((task, missing))
    room = run.limit - sum(task.state in ACTIVE for task in run.tasks)
    return (ready + later)[:max(0, room)]


def start(run: Run, task: Task, after: Sequence[Task], jobs: Jobs,
          given: Mapping[Target, Optional[Shares]]) -> None:
    """
    Start a job for a task. The state is written first: who is killed between that and the start leaves a job that is
    found by its token, or none.

    :raises NotSubmitted: it was not taken
    """
    attempt = Attempt(len(task.attempts) + 1, submitted=time.time(), built=task.installed)
    task.attempts.append(attempt)
    task.state, task.reason, task.error = SUBMITTED, '', None
    make_folder(run.prefix, run.name, task.name, str(attempt.number))
    folder = run.folder_of(task, attempt)
    here = run.loaded == [task.release, task.partition]
    paths = {'EASYBUILD_ROBOT_PATHS': [*run.recipes, *(run.robot if here else [])],
             'EASYBUILD_SOURCEPATH': run.sources}
    text = script(task, folder, run.environment, paths, run.options, run.checks,
                  module_file(run.prefix, task) is not None)
    write_atomic(os.path.join(folder, SCRIPT), text)
    run.save()
    attempt.job = jobs.submit(task, attempt, text, [one.last.job for one in after if one.last],
                              given[task.release, task.partition])


def advance(run: Run, jobs: Jobs, given: Mapping[Target, Optional[Shares]], begin: bool = True) -> str:
    """
    One round: look, decide, start, write. Returns what is to be told, empty where all is well.

    :param given: what jobs get
    :param begin: start jobs, too
    :raises LumiHooksError: the state can't be written
    """
    said = '' if look(run, jobs) else 'Slurm does not answer: jobs go on, and it is asked again'
    while not said:
        chosen = decide(run, jobs.waits)
        if not chosen or not begin:
            break
        try:
            start(run, *chosen[0], jobs, given)
        except NotSubmitted as err:
            said = str(err)
    run.save()
    return said


def conduct(run: Run, jobs: Jobs, given: Mapping[Target, Optional[Shares]], tell: Callable[[Run, str], None],
            every: float = 0) -> None:
    """
    Move a run on until all of it is done.

    :param tell: is told after each round, with what is to be said
    :param every: seconds between two rounds; as who starts jobs has it where not given
    :raises LumiHooksError: no job is taken though none is there, or the state can't be written
    """
    pause = rest = 0
    while True:
        if asked_to_cancel(run, forget=True):
            cancel(run, jobs)
        said = advance(run, jobs, given, begin=not rest)
        tell(run, said)
        if not any(task.state in OPEN for task in run.tasks):
            return
        if said and pause and not any(task.state == RUNNING or task.last and task.last.job and task.state in ACTIVE
                                      for task in run.tasks):
            raise LumiHooksError(said)
        if said:
            pause = rest = min(2 * pause or 1, _LONGEST_PAUSE)
        elif rest:
            rest -= 1
        else:
            pause = 0
        time.sleep(every or jobs.every)


def cancel(run: Run, jobs: Jobs) -> None:
    """
    Cancel what runs and what is to come. What is built stays.

    :raises LumiHooksError: Slurm does not
    """
    pairs = [(task, task.last) for task in run.tasks if task.state in ACTIVE and task.last]
    for _, attempt in pairs:
        attempt.state = CANCELLED
    for task in run.tasks:
        if task.state == WAITING:
            task.state, task.reason = CANCELLED, 'the run was cancelled'
    jobs.cancel(pairs)
    run.save()


def counts(run: Run) -> Dict[str, int]:
    """How many tasks are in which state."""
    found: Dict[str, int] = {}
    for task in run.tasks:
        found[task.state] = found.get(task.state, 0) + 1
    return found
