# SPDX-License-Identifier: GPL-2.0-only
"""What a rule is, and the contract that the engine holds it to."""
from dataclasses import dataclass
from typing import Callable, Iterable, Iterator, Optional, Union

from ..change import Change, Refusal
from ..site import Site
from .draft import Draft

Outcome = Union[Change, Refusal]


@dataclass(frozen=True)
class Rule:
    """
    A named rule: a pure function of draft and site that yields changes and refusals.

    `until` says when it can go; None where it stands for good.
    """
    id: str
    reason: str
    function: Callable[[Draft, Site], Iterable[Outcome]]
    link: Optional[str] = None
    until: Optional[str] = None

    def __call__(self, draft: Draft, site: Site) -> Iterator[Outcome]:
        """
        What the rule says of a draft.

        :raises TypeError: the rule yields something else than changes and refusals under its own id
        """
        for outcome in self.function(draft, site):
            if not isinstance(outcome, (Change, Refusal)) or outcome.rule != self.id:
                raise TypeError(f'rule {self.id} ({self.function.__module__}.{self.function.__name__}) yielded '
                                f'{outcome!r}: a rule yields Change or Refusal objects under its own id')
            yield outcome


def rule(id: str, reason: str, link: Optional[str] = None, until: Optional[str] = None):
    """Make a rule of a function; it takes effect once it is listed in rules/__init__.py."""
    def wrap(function: Callable[[Draft, Site], Iterable[Outcome]]) -> Rule:
        return Rule(id, reason, function, link, until)
    return wrap
