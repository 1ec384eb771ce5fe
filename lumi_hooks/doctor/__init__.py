# SPDX-License-Identifier: GPL-2.0-only
"""
What is looked at before anything is built: one table of findings, all at once.

A check is a small function with an id, registered by `check`; it yields findings and changes nothing. `eb` shows the
same findings as lines before the first build, and stops where one is an error; `lumi-eb doctor` shows them as a table.
"""
import os
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

from ..site import Site

ERROR, WARNING = 'error', 'warning'


@dataclass(frozen=True)
class Finding:
    """One finding: its check, an error (nothing can be built) or a warning, and a sentence that says what to do."""
    check: str
    level: str
    text: str


@dataclass(frozen=True)
class Package:
    """A package that is to be built: its module, its recipe's parameters as they are installed, and the recipe."""
    name: str
    module: str
    parameters: Mapping[str, Any]
    path: Optional[str] = None


@dataclass(frozen=True)
class Situation:
    """
    What the checks look at.

    :ivar packages: what is to be built
    :ivar robot: folders on the robot path
    :ivar buildpath: where EasyBuild builds
    :ivar fetches: are sources fetched at all (not so with --module-only)?
    :ivar inside: do the checks run inside `eb`?
    """
    site: Site
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)
    packages: Tuple[Package, ...] = ()
    robot: Tuple[str, ...] = ()
    buildpath: Optional[str] = None
    fetches: bool = True
    inside: bool = False
    hostname: Optional[str] = None


@dataclass(frozen=True)
class Check:
    """A check: its id, what it asks, the function, and what says why it has nothing to look at."""
    id: str
    title: str
    function: Callable[[Situation], Iterable[Tuple[str, str]]]
    unless: Callable[[Situation], Optional[str]] = lambda situation: None

    def __call__(self, situation: Situation) -> Iterator[Finding]:
        """The findings in a situation; none where it can't look."""
        for level, text in () if self.unless(situation) else self.function(situation):
            yield Finding(self.id, level, text)


CHECKS: Dict[str, Check] = {}


def check(id: str, title: str, unless: Callable[[Situation], Optional[str]] = lambda situation: None):
    """
    Register a function as a check. It yields pairs of a level and a sentence.

    :param title: what is so where it has looked and finds nothing
    :param unless: why it can't look in a situation; None where it can
    """
    def register(function: Callable[[Situation], Iterable[Tuple[str, str]]]) -> Check:
        assert id not in CHECKS, id
        CHECKS[id] = Check(id, title, function, unless)
        return CHECKS[id]
    return register


def examine(situation: Situation) -> List[Finding]:
    """All findings of all checks, errors first. A check that can't look is not asked."""
    # they register their checks
    from . import environment, fabric, licences, node, prefix, python, room, shared, sources, tools  # noqa: F401
    found = [finding for entry in CHECKS.values() for finding in entry(situation)]
    return sorted(dict.fromkeys(found), key=lambda finding: finding.level != ERROR)


def skipped(situation: Situation) -> Dict[str, str]:
    """The checks that can't look, and why: such a check is not passed. For after `examine`."""
    return {entry.id: why for entry in CHECKS.values() for why in [entry.unless(situation)] if why}


def no_prefix(situation: Situation) -> Optional[str]:
    """For checks of the prefix."""
    return None if situation.site.prefix else 'there is no prefix'


def no_recipe(situation: Situation) -> Optional[str]:
    """For checks of what is to be built."""
    return None if situation.packages else 'no recipe was named that has to be built'


def lines(findings: Iterable[Finding]) -> List[str]:
    """Findings as lines of text."""
    return [f'  * {finding.level} ({finding.check}): {finding.text}' for finding in findings]
