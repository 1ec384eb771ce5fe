# SPDX-License-Identifier: GPL-2.0-only
"""
The text of an adapted recipe: the original with the changed parameters replaced in place, and a header.

What was written is read back and compared with what was meant; where the original's text is too clever to be
edited, the parameters are written out in full instead.
"""
import ast
import pprint
import re
import textwrap
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Mapping, Optional, Tuple

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
# a parameter that an adapted recipe has no more
_GONE = object()
# what EasyBuild's fetch_parameters_from_easyconfig is asked for, and what tools look for in a recipe's text
_BY_LINE = frozenset({'easyblock', 'name', 'version', 'versionsuffix', 'toolchain'})
_SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr, ast.Import, ast.ImportFrom)


def record_of(adaptation: Adaptation) -> Dict[str, Any]:
    """What an adapted recipe says about itself (variable local_lumi_hooks, which EasyBuild ignores)."""
    return {'source': adaptation.recipe.filename, 'sha256': adaptation.recipe.sha256,
            'rules': list(dict.fromkeys(change.rule for change in adaptation.changes)),
            'without': list(adaptation.kept_out), 'library': __version__}


def render(adaptation: Adaptation, reread: Callable[[str], Recipe], standalone: bool = False) -> str:
    """
    The adapted recipe as text.

    :param reread: parses a text into a recipe (recipe.parse_recipe); what is written is checked with it
    :param standalone: leave out what only this library reads
    """
    tail = '' if standalone else f'\n{RECORD} = {_value(record_of(adaptation))}\n'
    return _checked(adaptation, reread, _header(adaptation), tail)


def body(adaptation: Adaptation, reread: Callable[[str], Recipe]) -> str:
    """The adapted recipe's text without header and record, to compare with the original."""
    return _checked(adaptation, reread)


def _checked(adaptation: Adaptation, reread: Callable[[str], Recipe], head: str = '', tail: str = '') -> str:
    """The text that says what is meant, between a head and a tail: as a whole, so that it need not be read again."""
    text, names = adaptation.recipe.text, dict.fromkeys(change.parameter for change in adaptation.changes)
    values = {name: adaptation.parameters.get(name, _GONE) for name in names}
    for at_the_end in dict.fromkeys(_ways(text, values)):
        try:
            edited = head + _edited(text, values, at_the_end) + tail
            if _same(reread(edited), adaptation.parameters):
                return edited
        except RecipeError:
            pass  # something else in the text was made of what was replaced
    full = head + _in_full(adaptation.parameters) + tail
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


def _statements(text: str, name: str) -> List[ast.stmt]:
    """The statements at the top level that make a parameter and nothing else: x = …, x += …, x.append(…)."""
    def made(statement: ast.stmt) -> Optional[ast.expr]:
        if isinstance(statement, ast.Assign):
            return statement.targets[0] if len(statement.targets) == 1 else None
        if isinstance(statement, ast.AugAssign):
            return statement.target
        call = statement.value if isinstance(statement, ast.Expr) else None
        return call.func.value if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) else None
    found = ((statement, made(statement)) for statement in ast.parse(text).body)
    return [statement for statement, what in found if isinstance(what, ast.Name) and what.id == name]


def _ways(text: str, values: Mapping[str, Any]) -> Iterator[FrozenSet[str]]:
    """
    What is tried one after the other: the parameters that are written behind everything else, the others in place.

    First none, then those that a loop or a condition speaks of, then all. Those that EasyBuild looks up in the text,
    where the first line of that name counts, are always in place.
    """
    yield frozenset()
    movable = {name for name, value in values.items() if name not in _BY_LINE and value is not _GONE}
    nested = {node.id for statement in ast.parse(text).body if not isinstance(statement, _SIMPLE)
              for node in ast.walk(statement) if isinstance(node, ast.Name)}
    yield frozenset(name for name in movable if {name, ALTERNATIVES.get(name)} & nested)
    yield frozenset(movable)


def _edited(text: str, values: Mapping[str, Any], at_the_end: FrozenSet[str] = frozenset()) -> str:
    """
    The text with what makes the named parameters replaced by their values; new parameters go to the end.

    :param values: parameter -> value, _GONE for one that goes
    :param at_the_end: parameters whose statements stay, as others rely on them, and that get their value at the end
    """
    lines = re.findall('[^\n]*\n|[^\n]+', text)  # splitlines() also splits at what is no line end to Python
    edits: List[Tuple[ast.stmt, str]] = []
    extra: List[str] = []
    for name, value in values.items():
        second = ALTERNATIVES.get(name, name)
        alias = second if _statements(text, second) and not _statements(text, name) else name
        statements = [] if name in at_the_end else _statements(text, alias)
        # no dependencies are the same to EasyBuild as an empty list of them
        gone = value is _GONE or name in DEPENDENCY_LISTS and not value and name not in at_the_end
        new = '' if gone else f'{alias} = {_value(value)}\n'
        # an inline comment behind the old value goes with it
        edits += zip(statements, [new, *[''] * len(statements)])
        if new and not statements:
            extra.append(f'\n# instead of what is said above\n{new}' if name in at_the_end else f'\n{new}')
    for node, new in sorted(edits, key=lambda edit: edit[0].lineno, reverse=True):
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
                if not name.startswith('local_') and not callable(value) and type(value).__name__ != 'module'
                and not (name in DEPENDENCY_LISTS and not value)}
    return plain(recipe.parameters) == plain(meant)
