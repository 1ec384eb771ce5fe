# SPDX-License-Identifier: GPL-2.0-only
"""The difference between a recipe and what it becomes: a patch, with rule, reason and link above it."""
import ast
import difflib
from typing import Dict, Iterable, List, Sequence, Tuple

from ..adapt import ADAPTED
from ..change import Adaptation, Change
from ..files import read_text
from ..quote import line as in_line
from ..quote import terminal
from ..recipe import Recipe, parse_recipe
from ..render import body, describe
from .console import Output, Styled

# lines that are shown around a change
_AROUND = 2


def show(found: Iterable[Adaptation]) -> None:
    """Print the differences, coloured on a terminal."""
    console = Output()
    styles = {'+': 'green', '-': 'red', '@': 'cyan', '#': 'yellow'}
    for adaptation in found:
        told = lines(adaptation)
        if any(terminal(line.rstrip('\r')) != line.rstrip('\r') for line in told):
            console.exact(Styled(f'# {adaptation.recipe.filename} holds control characters or bytes that are no UTF-8: '
                                 'they are shown as escapes, so this is no patch', 'yellow'))
        for line in told:
            # a line end of DOS belongs to the patch, and moves no cursor
            console.exact(Styled(line.rstrip('\r'), styles.get(line[:1], '')), end=line[len(line.rstrip('\r')):] + '\n')


def lines(adaptation: Adaptation) -> List[str]:
    """
    A unified diff, which `patch` applies, below comment lines (#) that explain its changes; each hunk names its rules.
    A recipe that is not adapted has one such line.
    """
    recipe = adaptation.recipe
    if adaptation.status != ADAPTED:
        return [in_line(f'# {recipe.filename}: {adaptation.status}: {adaptation.reason}')]
    old, new = _split(recipe.text), _split(body(adaptation, parse_recipe))
    spans = _spans(recipe.text)
    told: List[Change] = []
    hunks: List[str] = []
    for group in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(_AROUND):
        changed = [op for op in group if op[0] != 'equal']
        here = []
        for change in adaptation.changes:
            start, end = spans.get(change.parameter, (len(old), len(old) + 1))
            if all(change is not other for other in told) and any(op[1] <= end and op[2] >= start for op in changed):
                here.append(change)
        told += here
        rules = ', '.join(dict.fromkeys(change.rule for change in here))
        hunks.append(f'@@ -{_range(group[0][1], group[-1][2])} +{_range(group[0][3], group[-1][4])} @@'
                     + (f' {rules}' if rules else ''))
        for tag, i1, i2, j1, j2 in group:
            if tag == 'equal':
                hunks += _marked(' ', old[i1:i2])
            else:
                hunks += _marked('-', old[i1:i2]) + _marked('+', new[j1:j2])
    told += [change for change in adaptation.changes if all(change is not other for other in told)]
    dos = '\r' if _of_dos(recipe) else ''
    return [*(in_line(line) for change in told for line in _explain(change, adaptation)),
            f'--- {_name(recipe.filename)}', f'+++ {_name(adaptation.filename)}',
            *(line + dos if line[0] in ' +-' and after[:1] != '\\' else line
              for line, after in zip(hunks, [*hunks[1:], '']))]


def _of_dos(recipe: Recipe) -> bool:
    """Does each line of the file end as on DOS? A recipe is read without that; its patch needs it."""
    try:
        text = read_text(recipe.path) if recipe.path else ''
    except OSError:
        return False
    return '\r\n' in text and text.replace('\r\n', '\n') == recipe.text


def _split(text: str) -> List[str]:
    """Lines as `patch` counts them, each with its line end; Python's splitlines knows more line ends."""
    parts = text.split('\n')
    return [f'{part}\n' for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _marked(mark: str, texts: Sequence[str]) -> List[str]:
    found = []
    for text in texts:
        found.append(mark + (text[:-1] if text.endswith('\n') else text))
        if not text.endswith('\n'):
            found.append('\\ No newline at end of file')
    return found


def _range(start: int, end: int) -> str:
    """Lines of a hunk, counted from 1; of an empty range the line before."""
    return f'{start + 1 if end > start else start},{end - start}'


def _name(text: str) -> str:
    """A file's name, which a tab ends where it holds a blank."""
    return in_line(text) + ('\t' if ' ' in text else '')


def _explain(change: Change, adaptation: Adaptation) -> List[str]:
    found = [f'# [{change.rule}] {describe(change, adaptation)}', f'#     {change.reason}']
    return found + ([f'#     {change.link}'] if change.link else [])


def _spans(text: str) -> Dict[str, Tuple[int, int]]:
    """First and last line (counted from 0) of each top-level assignment."""
    return {node.targets[0].id: (node.lineno - 1, node.end_lineno or node.lineno)
            for node in ast.parse(text).body
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)}
