# SPDX-License-Identifier: GPL-2.0-only
"""
Rules that are data: names that are not here become what stands for them in commands and options. BLAS and MPI by the
names of their libraries, compilers and launchers (-lflexiblas, -lmpi_cxx, mpicc, mpirun), where the wrappers link
LibSci and Cray MPICH by themselves: releases/rewording.json.
"""
import re
from typing import Any, Iterator, Mapping

from ..change import Change
from ..schemas import checked
from ..site import Site
from .base import Rule, rule
from .draft import Draft
from .folders import is_provided
from .texts import in_commands, left_out


def _rule(id: str, entry: Mapping[str, Any]) -> Rule:
    """The rule that an entry of the data describes."""
    hint, needless = re.compile(entry['hint']), re.compile(entry['leave_out']) if 'leave_out' in entry else None
    instead = [(re.compile(one['pattern']), one['by']) for one in entry.get('replace', ())]

    def change(text: str) -> str:
        for pattern, words in instead:
            text = pattern.sub(words, text)
        return left_out(needless, text) if needless else text

    def reword(draft: Draft, site: Site) -> Iterator[Change]:
        # for most recipes there is nothing to look for
        if hint.search(draft.recipe.text) and not is_provided(draft):
            for parameter, before, after in in_commands(draft, change):
                yield Change(parameter, before, after, id, entry['why'], entry.get('link'))
    reword.__doc__ = entry['does']
    return rule(id, entry['reason'], entry.get('link'))(reword)


RULES = {id: _rule(id, entry) for id, entry in checked('releases/rewording.json')['rules'].items()}
