# SPDX-License-Identifier: GPL-2.0-only
"""The difference between a recipe and what it becomes, with rule, reason and link at each place."""
import ast
import difflib
from typing import Dict, Iterable, List, Set, Tuple

from ..adapt import ADAPTED
from ..change import Adaptation, Change
from ..recipe import parse_recipe
from ..render import body, describe


def show(found: Iterable[Adaptation]) -> None:
    """Print the differences, coloured on a terminal."""
    from rich.text import Text

    from .console import Output
    console = Output(exact=True)
    styles = {'+': 'green', '-': 'red', '@': 'cyan', '#': 'yellow'}
    for adaptation in found:
        for line in lines(adaptation):
            console.print(Text(line, style=styles.get(line[:1], '')), soft_wrap=True)


def lines(adaptation: Adaptation) -> List[str]:
    """
    A unified diff with comment lines (#) that explain each hunk. A recipe that is not adapted has one such line.
    """
    recipe = adaptation.recipe
    if adaptation.status != ADAPTED:
        return [f'# {recipe.filename}: {adaptation.status}: {adaptation.reason}']
    old, new = recipe.text.splitlines(), body(adaptation, parse_recipe).splitlines()
    found = [f'--- {recipe.filename}', f'+++ {adaptation.filename}']
    spans = _spans(recipe.text)
    told: Set[int] = set()
    for group in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(2):
        first, last = group[0], group[-1]
        found.append(f'@@ -{first[1] + 1},{last[2] - first[1]} +{first[3] + 1},{last[4] - first[3]} @@')
        changed = [op for op in group if op[0] != 'equal']
        for change in adaptation.changes:
            start, end = spans.get(change.parameter, (len(old), len(old) + 1))
            if id(change) not in told and any(op[1] <= end and op[2] >= start for op in changed):
                told.add(id(change))
                found.extend(_explain(change, adaptation))
        for tag, i1, i2, j1, j2 in group:
            if tag == 'equal':
                found.extend(f' {line}' for line in old[i1:i2])
            else:
                found.extend(f'-{line}' for line in old[i1:i2])
                found.extend(f'+{line}' for line in new[j1:j2])
    return found


def _explain(change: Change, adaptation: Adaptation) -> List[str]:
    found = [f'# [{change.rule}] {describe(change, adaptation)}', f'#     {change.reason}']
    return found + ([f'#     {change.link}'] if change.link else [])


def _spans(text: str) -> Dict[str, Tuple[int, int]]:
    """First and last line (counted from 0) of each top-level assignment."""
    return {node.targets[0].id: (node.lineno - 1, node.end_lineno or node.lineno)
            for node in ast.parse(text).body
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)}
