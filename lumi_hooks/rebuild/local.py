# SPDX-License-Identifier: GPL-2.0-only
"""Jobs on this machine: processes of their own, which outlive whoever started them."""
import contextlib
import os
import signal
import subprocess
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from ..errors import LumiHooksError
from ..site import Site
from .run import Run
from .script import LOG, SCRIPT, Shares
from .tasks import ACTIVE, Attempt, Job, Task

# variables of the login shell that a job is; everything else is in its script
_KEPT = ('HOME', 'USER', 'LOGNAME', 'LANG', 'SHELL', 'SLURM_CONF')
KILLED = 'KILLED'


class Local:
    """Starts jobs on this machine."""

    #: can a job wait for another by itself?
    waits = False
    #: seconds between two looks
    every = 1.0

    def __init__(self, run: Run):
        self.run = run
        self._children: List[subprocess.Popen] = []
        if run.host and run.host != os.uname().nodename:
            raise LumiHooksError(f'the run {run.name} builds on {run.host}: go on with it there')

    def shares(self, site: Site) -> Optional[Shares]:
        """What a job gets: the machine's own."""
        return None

    def submit(self, task: Task, attempt: Attempt, text: str, after: Sequence[str],
               given: Optional[Shares] = None) -> str:
        """Start a job; returns the number of its process."""
        folder = self.run.folder_of(task, attempt)
        with open(os.path.join(folder, LOG), 'ab') as log:
            child = subprocess.Popen(['/bin/bash', '-l', os.path.join(folder, SCRIPT)], stdin=subprocess.DEVNULL,
                                     stdout=log, stderr=log, start_new_session=True,
                                     env={name: os.environ[name] for name in _KEPT if name in os.environ})
        self._children.append(child)
        return str(child.pid)

    def jobs(self) -> Optional[Mapping[str, Job]]:
        """Those of the run's jobs that are running."""
        for child in self._children:
            child.poll()
        found: Dict[str, Job] = {}
        for task in self.run.tasks:
            if task.state in ACTIVE and task.last and self._runs(task, task.last):
                found[task.last.job] = Job('RUNNING')
        return found

    def ended(self, job: str) -> str:
        """Why a job that wrote no end is not there any more."""
        return KILLED

    def cancel(self, pairs: Sequence[Tuple[Task, Attempt]]) -> None:
        """End jobs with all that they started; `eb` puts things in order."""
        for task, attempt in pairs:
            if self._runs(task, attempt):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(int(attempt.job), signal.SIGTERM)

    def _runs(self, task: Task, attempt: Attempt) -> bool:
        """Is its process there? A number that was given out again is known by the command line."""
        try:
            with open(f'/proc/{int(attempt.job)}/cmdline', 'rb') as stream:
                words = stream.read().split(b'\0')
        except (OSError, ValueError):
            return False
        return os.fsencode(os.path.join(self.run.folder_of(task, attempt), SCRIPT)) in words
