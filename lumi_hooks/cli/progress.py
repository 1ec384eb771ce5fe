# SPDX-License-Identifier: GPL-2.0-only
"""How far a long command is, on standard error: a line that changes on a terminal, now and then one in a job's log."""
import contextlib
import shutil
import sys
import time
from typing import Callable, Iterator

from .console import beneath, is_terminal

# is told how many of how many things are done
Told = Callable[[int, int], None]
# seconds between two lines where there is no terminal, and between two changes of the line where there is one
EVERY, CHANGE = 10.0, 0.1
# length of the bar
BAR = 30


@contextlib.contextmanager
def progress(things: str, least: int = 0) -> Iterator[Told]:
    """
    Shows how far it is, as long as the block runs.

    :param things: what is counted, such as "recipes"
    :param least: fewer of them are done in no time, and not shown
    """
    if not is_terminal(sys.stderr):
        yield _lines(things, least)
        return
    stream = beneath(sys.stderr)
    start, last, shown = time.monotonic(), 0.0, 0

    def told(done: int, total: int) -> None:
        nonlocal last, shown
        now = time.monotonic()
        if total < least or not total or now - last < CHANGE:
            return
        last = now
        full = BAR * done // total
        left = f'  {_minutes((now - start) * (total - done) / done)} left' if done else ''
        text = f'{things} {"#" * full}{"." * (BAR - full)} {done}/{total}{left}'
        text = text[:shutil.get_terminal_size().columns - 1]
        stream.write('\r' + text.ljust(shown))
        stream.flush()
        shown = len(text)

    try:
        yield told
    finally:
        if shown:
            stream.write('\r' + ' ' * shown + '\r')
            stream.flush()


def _minutes(seconds: float) -> str:
    return f'{int(seconds) // 60}:{int(seconds) % 60:02}'


def _lines(things: str, least: int) -> Told:
    """Writes a line when EVERY seconds have gone by since the last one."""
    start = last = time.monotonic()

    def told(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if total >= least and now - last >= EVERY and done < total:
            last = now
            print(f'lumi-eb: {things}: {done} of {total}, after {now - start:.0f} s', file=sys.stderr, flush=True)

    return told
