# SPDX-License-Identifier: GPL-2.0-only
"""
Runs a command of a sanity check, which may start MPI: run as a program, by eb/lifecycle/sanity.py.

    attempt.py MARK PATTERN HIDDEN COMMAND

Its output and exit code are the command's. Where it fails because MPI_Init does (the output fits PATTERN; HIDDEN is 1
where the command keeps the output of an MPI program to itself, which then may be the reason), it is tried once more
by srun inside a job. Outside of one it counts as not checked: what it was given on its standard input is written to
the file MARK, and the exit code is 0.
"""
import os
import re
import stat
import subprocess
import sys
from typing import List, Optional, Tuple

# what is printed of a command that counts as not checked
NOT_CHECKED = 'lumi-hooks: not checked: MPI starts only inside a job'


def main(mark: str, pattern: str, hidden: str, command: str) -> int:
    """Run it; the exit code is its own, or 0 where it could not be checked."""
    # EasyBuild closes what it writes to; what it does not write to is /dev/null
    given = sys.stdin.buffer.read() if stat.S_ISFIFO(os.fstat(0).st_mode) else None
    code, started = run(['bash', '-c', command], given, pattern)
    if code == 0 or not (started or hidden == '1'):
        return code
    if os.environ.get('SLURM_JOB_ID'):
        os.environ.pop('MPI4PY_RC_INITIALIZE', None)  # a step of a job has MPI_Init
        return run(['srun', '--ntasks=1', 'bash', '-c', command], given, pattern)[0]
    with open(mark, 'wb') as handle:
        handle.write(given or b'')
    print(NOT_CHECKED, flush=True)
    return 0


def run(command: List[str], given: Optional[bytes], pattern: str) -> Tuple[int, bool]:
    """Exit code of a command whose output is passed on, and whether a line of that fits a pattern."""
    fits = re.compile(pattern.encode())
    found = False
    with subprocess.Popen(command, stdin=subprocess.PIPE if given is not None else subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout
        if given is not None and process.stdin:
            try:
                process.stdin.write(given)
                process.stdin.close()
            except BrokenPipeError:
                pass
        for line in process.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            found = found or fits.search(line) is not None
    return (process.returncode if process.returncode >= 0 else 128 - process.returncode), found


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:5]))
