# SPDX-License-Identifier: GPL-2.0-only
"""
The text of an adapted recipe: the original with the changed parameters replaced in place, and a header.

What was written is read back and compared with what was meant; where the original's text is too clever to be
edited (loops, conditions), the parameters are written out in full instead.
"""
import ast
import pprint
import re
import textwrap
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from . import __version__, quote
from .change import Adaptation, Change
from .dependency import EXTERNAL, Dependency
from .errors import RecipeError
from .recipe import RECORD, Recipe
from .rules.draft import DEPENDENCY_LISTS

_WIDTH = 110
# EasyBuild's second names for parameters, for recipes that use them
ALTERNATIVES = {'builddependencies': 'build_deps', 'dependencies': 'deps', 'versionsuffix': 'version_suffix',
                'toolchainopts': 'toolchain_opts'}


def record_of(adaptation: Adaptation) -> Dict[str, Any]:
    """What an adapted recipe says about itself (variable local_lumi_hooks, which EasyBuild ignores)."""
    return {'source': adaptation.recipe.filename, 'sha256': adaptation.recipe.sha256,
            'rules': list(dict.fromkeys(change.rule for change in adaptation.changes)),
            'without': list(adaptation.without), 'library': __version__}


def render(adaptation: Adaptation, reread: Callable[[str], Recipe], standalone: bool = False) -> str:
    """
    The adapted recipe as text.

    :param reread: parses a text into a recipe (recipe.parse_recipe); what is written is checked with it
    :param standalone: leave out what only this library reads
    """
    tail = '' if standalone else f'\n{RECORD} = {_value(record_of(adaptation))}\n'
    return _header(adaptation) + body(adaptation, reread) + tail


def body(adaptation: Adaptation, reread: Callable[[str], Recipe]) -> str:
    """The adapted recipe's text without header and record, to compare with the original."""
    parameters = list(dict.fromkeys(change.parameter for change in adaptation.changes))
    edited = _edited(adaptation.recipe.text, {name: adaptation.parameters.get(name) for name in parameters})
    try:
        if _same(reread(edited), adaptation.parameters):
            return edited
    except RecipeError:
        pass  # something else in the text was made of what was replaced
    full = _in_full(adaptation.parameters)
    if not _same(reread(full), adaptation.parameters):
        raise RecipeError(f'{adaptation.recipe.filename}: the adapted recipe cannot be written down, as a parameter '
                          'holds what has no notation in a recipe')
    return full


def _header(adaptation: Adaptation) -> str:
    recipe, lines = adaptation.recipe, []
    lines.append(f'{adaptation.module}: adapted by lumi-hooks {__version__} from {recipe.filename}')
    lines.append(f'(sha256 {recipe.sha256}). What was changed, and why:')
    for rule, reasons in _grouped(adaptation):
        lines.append(f' * {rule}')
        for reason in reasons:
            lines.extend(textwrap.wrap(reason, _WIDTH, initial_indent='     ', subsequent_indent='       ',
                                       break_on_hyphens=False, break_long_words=False))  # paths stay whole
    return ''.join(f'# {quote.line(line)}\n' for line in lines) + '\n'


def _grouped(adaptation: Adaptation) -> List[Tuple[str, List[str]]]:
    found: Dict[str, List[str]] = {}
    for change in adaptation.changes:
        found.setdefault(change.rule, []).append(f'{describe(change, adaptation)}: {change.reason}')
    return list(found.items())


def describe(change: Change, adaptation: Optional[Adaptation] = None) -> str:
    """
    One change in a few words: what became what.

    :param adaptation: the one that it is of; its toolchain is written out where a dependency is named by it
    """
    if change.parameter in DEPENDENCY_LISTS:
        items = change.after if isinstance(change.after, tuple) else (change.after,) if change.after else ()
        after = ' + '.join(map(str, items))
        if adaptation:
            after = after.replace('%(toolchain_version)s', adaptation.toolchain[1])
        if change.before is None:
            return f'+ {after}'
        return f'{change.before} → {after}' if after else f'- {change.before}'
    if change.parameter == 'toolchain':
        return f'{change.before["name"]}/{change.before["version"]} → {change.after["name"]}/{change.after["version"]}'
    return f'{change.parameter}: {change.before!r} → {change.after!r}'


def _edited(text: str, values: Mapping[str, Any]) -> str:
    """The text with top-level assignments of the named parameters replaced; new parameters go to the end."""
    lines = re.findall('[^\n]*\n|[^\n]+', text)  # splitlines() also splits at what is no line end to Python
    statements: Dict[str, ast.Assign] = {}
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1 \
                and isinstance(statement.targets[0], ast.Name):
            statements[statement.targets[0].id] = statement
    edits: List[Tuple[ast.Assign, str]] = []
    extra: List[str] = []
    for name, value in values.items():
        alias = name if name in statements else ALTERNATIVES.get(name, name)
        node = statements.get(alias)
        if node is None:
            if value:
                extra.append(f'\n{name} = {_value(value)}\n')
        else:
            edits.append((node, '' if value in (None, []) else f'{alias} = {_value(value)}\n'))
    for node, new in sorted(edits, key=lambda edit: edit[0].lineno, reverse=True):
        # an inline comment behind the old value went with it
        lines[node.lineno - 1:node.end_lineno] = [new] if new else []
    found = ''.join(lines)
    return (found if found.endswith('\n') else found + '\n') + ''.join(extra)


def _in_full(parameters: Mapping[str, Any]) -> str:
    """All parameters written out, for recipes whose text can't be edited."""
    lines = [f'{name} = {_value(value)}\n' for name, value in parameters.items()
             if not name.startswith('local_') and not callable(value) and type(value).__name__ != 'module']
    return ''.join(lines)


def _value(value: Any) -> str:
    """A value in a recipe's notation: constants by name, lists of dependencies one a line."""
    if isinstance(value, Dependency):
        value = value.raw()
    if isinstance(value, list) and value and all(isinstance(item, (tuple, list)) for item in value):
        return '[\n' + ''.join(f'    {_item(item)},\n' for item in value) + ']'
    if isinstance(value, dict) and value and set(value) != {'name', 'version'}:
        return '{\n' + ''.join(f'    {key!r}: {_item(item)},\n' for key, item in value.items()) + '}'
    return _item(value)


def _item(value: Any) -> str:
    if isinstance(value, tuple):
        if value and value[-1] == EXTERNAL:
            return f'({value[0]!r}, EXTERNAL_MODULE)'
        if value and value[-1] == {'name': 'system', 'version': 'system'}:
            return '(' + ', '.join([repr(item) for item in value[:-1]] + ['SYSTEM']) + ')'
    if isinstance(value, list) and any(isinstance(item, tuple) for item in value):
        return '[' + ', '.join(map(_item, value)) + ']'
    text = repr(value)
    return text if len(text) < _WIDTH else pprint.pformat(value, width=_WIDTH, compact=True, sort_dicts=False)


def _same(recipe: Recipe, meant: Mapping[str, Any]) -> bool:
    """Does a text that was read back say what was meant?"""
    def plain(parameters):
        return {name: value for name, value in parameters.items()
                if not name.startswith('local_') and value not in (None, []) and not callable(value)
                and type(value).__name__ != 'module'}
    return plain(recipe.parameters) == plain(meant)
