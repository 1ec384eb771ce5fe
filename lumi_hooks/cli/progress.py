# SPDX-License-Identifier: GPL-2.0-only
"""How far a long command is, on standard error: a bar on a terminal, a line now and then in the log of a job."""
import contextlib
import sys
import time
from typing import Callable, Iterator

# is told how many of how many things are done
Told = Callable[[int, int], None]
# seconds between two lines where there is no terminal
EVERY = 10.0


@contextlib.contextmanager
def progress(things: str, least: int = 0) -> Iterator[Told]:
    """
    Shows how far it is, as long as the block runs.

    :param things: what is counted, such as "recipes"
    :param least: fewer of them are done in no time, and not shown
    """
    if not sys.stderr.isatty():
        yield _lines(things, least)
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ModuleNotFoundError:
        yield _lines(things, least)
        return
    with Progress(TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                  console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(things, total=None)

        def told(done: int, total: int) -> None:
            if total >= least:
                bar.update(task, completed=done, total=total)

        yield told


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
