# SPDX-License-Identifier: GPL-2.0-only
"""Runs a command and says what it cost: time, CPU time and the memory of all its processes together."""
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Callable, List, Mapping, Sequence, Tuple

# seconds between two looks at the processes' memory
_INTERVAL = 0.05


class MeasureError(Exception):
    """A command that is measured failed, so that its time says nothing."""


@dataclass(frozen=True)
class Cost:
    """Of one command: seconds by the clock, seconds of CPU (user and system, children included), peak memory in MB."""
    seconds: float
    cpu: float
    peak: float
    output: str


def cost_of(arguments: Sequence[str], env: Mapping[str, str], codes: Sequence[int] = (0,)) -> Cost:
    """
    Run a command in a session of its own and measure it.

    The memory is the largest sum of the resident memory of all its processes at one time: what processes share is
    counted for each, so it is an upper bound.

    :param codes: exit codes that are no failure
    :raises MeasureError: another exit code; the message ends with the command's output
    """
    start = time.monotonic()
    process = subprocess.Popen(arguments, env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, start_new_session=True)
    chunks: List[str] = []
    reader = threading.Thread(target=lambda: chunks.append(process.stdout.read()))  # type: ignore[union-attr]
    reader.start()
    peak = 0.0
    while True:
        done, status, usage = os.wait4(process.pid, os.WNOHANG)
        if done:
            break
        peak = max(peak, _resident(process.pid))
        time.sleep(_INTERVAL)
    seconds = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    reader.join()
    output = ''.join(chunks)
    if process.returncode not in codes:
        raise MeasureError(f'exit code {process.returncode} of {arguments[-1]}\n{output[-3000:]}')
    return Cost(seconds, usage.ru_utime + usage.ru_stime, peak, output)


def alternating(pairs: int, one: Callable[[], Cost], other: Callable[[], Cost],
                tell: Callable[[str], None]) -> Tuple[List[Cost], List[Cost]]:
    """Measure two things in turn, each of them first in every other pair: what else the machine does meets both."""
    found: Tuple[List[Cost], List[Cost]] = ([], [])
    for number in range(pairs):
        order = [(0, one), (1, other)]
        for place, measure in order if number % 2 == 0 else reversed(order):
            found[place].append(measure())
        tell(f'pair {number + 1}/{pairs}: {found[0][-1].seconds:.2f} s, {found[1][-1].seconds:.2f} s')
    return found


def _resident(session: int) -> float:
    """Resident memory of all processes of a session in MB."""
    pages = 0
    for name in os.listdir('/proc'):
        if not name.isdigit():
            continue
        try:
            with open(f'/proc/{name}/stat', encoding='utf-8', errors='replace') as handle:
                fields = handle.read().rpartition(')')[2].split()
        except OSError:
            continue  # it has ended
        if int(fields[3]) == session:
            pages += int(fields[21])
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6
