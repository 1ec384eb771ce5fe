# SPDX-License-Identifier: GPL-2.0-only
"""
Jobs by Slurm.

EasyBuild's own back end (tools/job/slurm.py) is not used: it knows no account, partition, GPU or memory, wraps the
command into the options of sbatch, which need an EasyBuild session, and forgets what it submitted. Taken over from it:
one `eb` a recipe, `--disable-job`, afterok with --kill-on-invalid-dep.
"""
import os
import pwd
import re
import subprocess
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from .. import quote
from ..errors import LumiHooksError
from ..site import Site
from .run import Run
from .script import LOG, Shares, shares
from .tasks import Attempt, Job, Task

# seconds that an answer of Slurm's is waited for
_PATIENCE = 60
_JOB = re.compile('[0-9]+')


class NotSubmitted(LumiHooksError):
    """sbatch did not take a job; whether Slurm has it all the same is known later."""


def token(run: Run, task: Task, attempt: Attempt) -> str:
    """What a job is known by before Slurm has given it a number: it stands in its comment."""
    return f'lumi-eb/{run.name}/{run.created:.0f}/{task.name}/{attempt.number}'


class Slurm:
    """Submits jobs, and asks for them: once for all of them."""

    #: can a job wait for another by itself?
    waits = True
    #: seconds between two looks: all users ask the same controller
    every = 10.0

    def __init__(self, run: Run):
        self.run = run

    def shares(self, site: Site) -> Shares:
        """
        What a job gets on a partition.

        :raises LumiHooksError: it runs no such jobs
        """
        return shares(site, self.run.queue, self.run.time, self.run.cores)

    def submit(self, task: Task, attempt: Attempt, text: str, after: Sequence[str],
               given: Optional[Shares] = None) -> str:
        """
        Submit a job; returns its number.

        :param after: numbers of jobs that have to end well first
        :raises NotSubmitted: sbatch says no, or nothing
        """
        assert given
        folder = self.run.folder_of(task, attempt)
        words = ['sbatch', '--parsable', f'--job-name={task.module.partition("/")[0]}',
                 f'--comment={token(self.run, task, attempt)}', f'--partition={given.queue}', '--nodes=1',
                 f'--ntasks-per-node={given.tasks}', f'--cpus-per-task={given.threads}', given.memory,
                 f'--time={given.time}', f'--output={os.path.join(folder, LOG).replace("%", "%%")}',
                 '--open-mode=append', f'--chdir={folder}', '--no-requeue',
                 '--export=HOME,USER,LOGNAME,LANG,SHELL,SLURM_CONF']
        if given.gpus:
            words.append(f'--gpus-per-node={given.gpus}')
        if self.run.account:
            words.append(f'--account={self.run.account}')
        if after:
            words += [f'--dependency=afterok:{":".join(after)}', '--kill-on-invalid-dep=yes']
        done = _run(words, text)
        number = done.stdout.strip().partition(';')[0]
        if done.returncode or not _JOB.fullmatch(number):
            said = (done.stderr.strip() or done.stdout.strip() or 'nothing').splitlines()[-1]
            raise NotSubmitted(f'{task.module} was not submitted; sbatch says: {quote.line(said)}')
        return number

    def jobs(self) -> Optional[Mapping[str, Job]]:
        """The user's jobs that Slurm knows, also those that ended a few minutes ago; None where it does not answer."""
        user = pwd.getpwuid(os.geteuid()).pw_name
        done = _run(['squeue', '--noheader', '--all', '--states=all', f'--user={user}', '--format=%i|%T|%r|%k'])
        if done.returncode:
            return None
        found: Dict[str, Job] = {}
        for line in done.stdout.splitlines():
            number, state, reason, comment = [*line.split('|', 3), '', '', ''][:4]
            found[number] = Job(state, reason, comment)
        return found

    def ended(self, job: str) -> str:
        """
        Why a job that wrote no end is not there any more, in Slurm's words; empty where nobody knows: it is not
        everywhere that accounts are kept.
        """
        for database in ([], ['--completion']):
            done = _run(['sacct', *database, '--noheader', '--parsable2', f'--jobs={job}', '--format=State'])
            words = done.stdout.split()
            if not done.returncode and words:
                return words[0].rstrip('+')
        return ''

    def cancel(self, pairs: Sequence[Tuple[Task, Attempt]]) -> None:
        """
        Cancel jobs.

        :raises LumiHooksError: Slurm does not
        """
        numbers: List[str] = [attempt.job for _, attempt in pairs if _JOB.fullmatch(attempt.job)]
        done = _run(['scancel', *numbers]) if numbers else None
        if done and done.returncode:
            raise LumiHooksError(f'scancel says: {quote.line(done.stderr.strip())}')


def _run(words: Sequence[str], text: str = '') -> 'subprocess.CompletedProcess[str]':
    """A command of Slurm's; one that does not answer has failed."""
    try:
        return subprocess.run(words, input=text, capture_output=True, text=True, errors='replace', check=False,
                              timeout=_PATIENCE, start_new_session=True)
    except FileNotFoundError:
        raise LumiHooksError(f'there is no command {words[0]} here: --slurm needs Slurm\'s') from None
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 1, '', f'no answer in {_PATIENCE} seconds')
