# SPDX-License-Identifier: GPL-2.0-only
"""
The benchmarks by name. To add one:

    @benchmark('verify', 'lumi-eb verify of an installation against …', goal='at most …')
    def verify(run: Run) -> Iterator[Result]:
        ...
        yield compared('ParMETIS', 's', with_it, without, limit=1.0)
"""
import os
import statistics
import sys
from dataclasses import asdict, dataclass
from typing import Any, Callable, Dict, Iterator, Optional, Sequence, Tuple


@dataclass(frozen=True)
class Result:
    """
    One line of a benchmark's table.

    `value` and `baseline` are medians in `unit`; `ratio` is the median of the pairs' ratios; `limit` is what the
    ratio (where there is a baseline) or the value must not exceed, None where nothing is promised.
    """
    what: str
    unit: str
    value: float
    baseline: Optional[float] = None
    ratio: Optional[float] = None
    limit: Optional[float] = None
    samples: Tuple[float, ...] = ()
    baseline_samples: Tuple[float, ...] = ()
    note: str = ''

    @property
    def met(self) -> Optional[bool]:
        """Is the limit kept? None where there is none."""
        if self.limit is None:
            return None
        return (self.value if self.ratio is None else self.ratio) <= self.limit

    def as_json(self) -> Dict[str, Any]:
        """As plain data."""
        return {**asdict(self), 'met': self.met}


@dataclass(frozen=True)
class Run:
    """
    What a benchmark is given.

    `pairs`: how many alternating pairs it measures; `work`: an empty folder of its own; `tell`: shows progress.
    """
    pairs: int
    work: str
    tell: Callable[[str], None] = lambda text: print(f'   {text}', file=sys.stderr, flush=True)

    def folder(self, name: str) -> str:
        """A folder below `work`, made where it is missing."""
        path = os.path.join(self.work, name)
        os.makedirs(path, exist_ok=True)
        return path


@dataclass(frozen=True)
class Benchmark:
    """
    A benchmark: `title` says what is compared (`columns`: the value, what it is compared with), `goal` what is to
    be reached, in words.
    """
    name: str
    title: str
    goal: str
    columns: Tuple[str, str]
    measure: Callable[[Run], Iterator[Result]]


BENCHMARKS: Dict[str, Benchmark] = {}


def benchmark(name: str, title: str, goal: str, columns: Tuple[str, str] = ('with', 'without')):
    """
    Register a function as the benchmark of that name.

    :raises ValueError: there is one of that name
    """
    def register(measure):
        if name in BENCHMARKS:
            raise ValueError(f'there are two benchmarks {name}')
        BENCHMARKS[name] = Benchmark(name, title, goal, columns, measure)
        return measure
    return register


def compared(what: str, unit: str, samples: Sequence[float], baseline: Sequence[float], limit: Optional[float] = None,
             note: str = '') -> Result:
    """Alternating pairs of measurements: the n-th of `samples` was made beside the n-th of `baseline`."""
    ratio = statistics.median(one / other for one, other in zip(samples, baseline))
    return Result(what, unit, statistics.median(samples), statistics.median(baseline), ratio, limit, tuple(samples),
                  tuple(baseline), note)


def single(what: str, unit: str, samples: Sequence[float], limit: Optional[float] = None, note: str = '') -> Result:
    """Measurements that are compared with a fixed limit."""
    return Result(what, unit, statistics.median(samples), limit=limit, samples=tuple(samples), note=note)
