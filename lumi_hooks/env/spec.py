# SPDX-License-Identifier: GPL-2.0-only
"""
The file that says what is in an environment, read and checked. Every mistake is a line, FILE:LINE: what.

Its keys are those of schemas/envspec.schema.json. A recipe is named as `lumi-eb install` takes it; an easystack of
EasyBuild's is read as a list of recipes; Python packages are requirements, or a file of them.
"""
import os
import re
import tempfile
from dataclasses import dataclass, field, replace
from typing import Any, Iterator, List, Mapping, Optional, Sequence, Tuple

from .. import quote
from ..errors import DataError, LumiHooksError
from ..files import read_text, write_atomic
from ..finding import similar
from ..releases import load_machine, release_names
from ..schemas import schema
from ..schemas.plain import faults
from . import asked, text
from .text import Lines

# what others call it, or what it can't be: key -> what to do
_MEANT = {
    'dependencies': '"recipes" names modules, "python" Python packages', 'specs': 'the key is called "recipes"',
    'packages': 'the key is called "recipes"', 'modules': 'the key is called "recipes"',
    'channels': 'nothing is taken from channels of conda; software comes from EasyBuild\'s recipes',
    'spack': 'Spack\'s settings do not apply; "recipes" names what is in it', 'pip': 'the key is called "python"',
    'env': 'the key is called "variables"', 'environment': 'the key is called "variables"',
    'prefix': 'it is installed where the loaded modules say (docs/prefixes.md)',
    'easyconfigs': 'the key is called "recipes"; an easystack is named in it by its path',
}
# joined by modules: set as a whole they would take away what others put there
_SEARCHED = re.compile(r'PATH$|(^|_)PATH$|LD_LIBRARY_PATH|LD_PRELOAD|CPATH|MANPATH|PYTHON(HOME|PATH)|XDG_DATA_DIRS|LM_|'
                       r'LMOD_|_?MODULE|_LMFILES_|LOADEDMODULES|EB(ROOT|VERSION|DEVEL)|HOME$|USER$|SHELL$|IFS$|BASH_ENV$|ENV$')


@dataclass(frozen=True)
class Content:
    """What an environment, or one of its steps, holds."""
    recipes: Tuple[str, ...] = ()
    python: Tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    commands: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Spec:
    """A spec. `overrides` are folders; `packed` is None where nothing is said of it; paths are absolute."""
    path: str
    text: str
    name: str
    content: Content
    release: str = ''
    partitions: Tuple[str, ...] = ()
    description: str = ''
    overrides: Tuple[str, ...] = ()
    steps: Mapping[str, Content] = field(default_factory=dict)
    packed: Optional[bool] = None
    lines: Lines = field(default_factory=dict, compare=False, repr=False)

    def at(self, *place: Any) -> str:
        """FILE:LINE of a value, for a message."""
        return f'{self.path}:{_line(self.lines, place)}'


def read_spec(path: str) -> Spec:
    """
    The spec in a file.

    :raises DataError: with a line for each mistake in it
    """
    found, lines, content = text.read(path)
    if not isinstance(found, dict):
        raise DataError(f'{path}:1: an environment is written as keys with values: name, recipes …')
    mistakes = sorted({(_line(lines, place), what) for place, what in _mistakes(found, lines)})
    if mistakes:
        raise DataError('\n'.join(f'{path}:{line}: {what}' for line, what in mistakes))
    folder = os.path.dirname(os.path.abspath(path))
    spec = Spec(path, content, found['name'], _content(found, path, folder, lines), str(found.get('release') or ''),
                tuple(found.get('partitions') or ()), found.get('description') or '',
                tuple(os.path.join(folder, item) for item in found.get('overrides') or ()),
                {name: _content(item, path, folder, lines, ('steps', name))
                 for name, item in (found.get('steps') or {}).items()}, found.get('packed'), lines)
    if not any((item.recipes or item.python) for item in (spec.content, *spec.steps.values())):
        raise DataError(f'{path}:1: nothing is in it: name something in "recipes", "python" or "steps"')
    return spec


def write_spec(name: str, recipes: Sequence[str], python: Sequence[str], release: str, partition: str) -> str:
    """The text of a spec in YAML."""
    def items(words: Sequence[str]) -> str:
        return '[' + ', '.join(word if re.fullmatch(r'[A-Za-z][\w./-]*', word) else text.quoted(word)
                               for word in words) + ']'

    lines = [f'name: {name}', f'release: "{release}"', f'partitions: [{partition}]', f'recipes: {items(recipes)}']
    return '\n'.join(lines + ([f'python: {items(python)}'] if python else [])) + '\n'


def spec_file(what: str, new: bool) -> str:
    """
    The file that says what is in an environment, named by itself or by the environment's name.

    :param new: it is going to be written
    :raises LumiHooksError: there is none
    """
    named = what.endswith(text.ENDINGS) or os.sep in what
    if new and named:
        raise LumiHooksError('name the environment, not a file, where you name what is in it')
    if new:
        return f'{what}.yaml'
    found = next((path for path in [what, *(what + ending for ending in text.ENDINGS)]
                  if path.endswith(text.ENDINGS) and os.path.isfile(path)), '')
    if not found:
        raise LumiHooksError(f'{what}: cannot be read (no such file)' if named else f'there is no {what}.yaml here: '
                             f'name the file, or say what is in it: lumi-eb env create {quote.shell(what)} RECIPE …')
    return found


def draft(path: str, content: str) -> Spec:
    """
    A spec that the command line says, checked like one that was written by hand; it is not written yet.

    :raises LumiHooksError: it is wrong, or a file of that name has different contents
    """
    if os.path.lexists(path) and read_text(path) != content:
        raise LumiHooksError(f'{path} exists with different contents: change it and use "lumi-eb env create {path}", '
                             'or take another name')
    with tempfile.TemporaryDirectory() as folder:
        written = os.path.join(folder, 'env.yaml')
        write_atomic(written, content)
        try:
            found = read_spec(written)
        except DataError as err:
            raise DataError(re.sub(re.escape(written) + r':\d+', 'on the command line', str(err))) from None
    return replace(found, path=os.path.abspath(path))


def without_python(spec: Spec) -> Spec:
    """A spec without its Python packages: what is planned, and not installed, needs no index."""
    return replace(spec, content=replace(spec.content, python=()),
                   steps={name: replace(step, python=()) for name, step in spec.steps.items()})


def _line(lines: Lines, place: Sequence[Any]) -> int:
    """The line of a value, or of the nearest thing around it."""
    place = tuple(place)
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place, 1)


def _mistakes(found: Mapping[str, Any], lines: Lines) -> Iterator[Tuple[Tuple[Any, ...], str]]:
    """What is wrong, with its place."""
    rules = schema('envspec')
    unknown = list(_unknown(found, rules, ()))
    yield from unknown
    yield from _unknown_steps(found, rules)
    for fault in faults(found, _open(rules)):
        where, _, what = fault.partition(': ')
        place = tuple(int(word) if word.isdecimal() else word for word in where.split('/')) \
            if where != 'top level' else ()
        named = re.match(r"'(.*?)' does not match", what)  # a key that is no name
        if named and (*place, named[1]) in lines:
            place = (*place, named[1])
        yield place, what if where == 'top level' else f'{where}: {what}'
    if isinstance(found.get('name'), str) and found['name'].lower() in ('default', 'latest'):
        yield ('name',), f'name: "{found["name"]}" means something to Lmod: take another name'
    if found.get('packed') is True and not any(isinstance(item, dict) and item.get('python')
                                               for item in (found, *_steps(found).values())):
        yield ('packed',), 'packed: there are no Python packages, which are what is packed: leave it out'
    yield from _contents(found, ())
    for name, step in _steps(found).items():
        yield from _contents(step, ('steps', name))
    release, partitions = found.get('release'), found.get('partitions')
    if isinstance(release, str) and release not in release_names():
        yield ('release',), f'release: "{release}" is not known; known are {", ".join(release_names())}'
    for number, item in enumerate(partitions if isinstance(partitions, list) else ()):
        if isinstance(item, str) and item not in load_machine()['partitions']:
            yield ('partitions', number), f'partitions: "{item}" is not known; known are ' \
                f'{", ".join(load_machine()["partitions"])}'


def _unknown(found: Mapping[str, Any], rules: Mapping[str, Any], place: Tuple[Any, ...]) \
        -> Iterator[Tuple[Tuple[Any, ...], str]]:
    for key in found:
        if key not in rules['properties']:
            near = similar(key, set(rules['properties']))
            hint = _MEANT.get(key.lower()) or (f'did you mean {" or ".join(near)}?' if near else
                                               f'known are {", ".join(rules["properties"])}')
            yield (*place, key), f'"{key}" is no key of {"a step" if place else "an environment"}: {hint}'


def _unknown_steps(found: Mapping[str, Any], rules: Mapping[str, Any]) -> Iterator[Tuple[Tuple[Any, ...], str]]:
    inner = rules['properties']['steps']['additionalProperties']
    for name, step in _steps(found).items():
        if isinstance(step, dict):
            yield from _unknown(step, inner, ('steps', name))


def _steps(found: Mapping[str, Any]) -> Mapping[str, Any]:
    steps = found.get('steps')
    return steps if isinstance(steps, dict) else {}


def _open(rules: Any) -> Any:
    """The schema without what says that other keys are wrong: these are told before, with what may be meant."""
    if not isinstance(rules, dict):
        return rules
    return {key: _open(value) if key not in ('properties', 'required') else
            {name: _open(item) for name, item in value.items()} if key == 'properties' else value
            for key, value in rules.items() if (key, value) != ('additionalProperties', False)}


def _contents(found: Any, place: Tuple[Any, ...]) -> Iterator[Tuple[Tuple[Any, ...], str]]:
    """What is wrong in what an environment and a step both have."""
    if not isinstance(found, dict):
        return
    recipes = found.get('recipes')
    for number, item in enumerate(recipes if isinstance(recipes, list) else ()):
        if isinstance(item, str) and (item.startswith('-') or not item.isprintable() or not item.strip()):
            yield (*place, 'recipes', number), f'recipes: {item!r} cannot be the name of a recipe'
        elif isinstance(recipes, list) and item in recipes[:number]:
            yield (*place, 'recipes', number), f'recipes: {item} is named twice: remove one of them'
    python = found.get('python')
    for number, item in enumerate(python if isinstance(python, list) else ()):
        problem = _requirement(item)
        if problem:
            yield (*place, 'python', number), f'python: {problem}'
    variables = found.get('variables')
    for key, value in (variables.items() if isinstance(variables, dict) else ()):
        if _SEARCHED.match(key) or key.endswith('PATH'):
            yield (*place, 'variables', key), f'variables: {key} belongs to modules, the system or the shell, and ' \
                'cannot be set as a whole'
        elif not isinstance(value, (str, int)) or isinstance(value, bool):
            yield (*place, 'variables', key), f'variables: the value of {key} is no text: write it in quotes'
        elif isinstance(value, str) and not value.isprintable():
            yield (*place, 'variables', key), f'variables: the value of {key} holds a control character'


def _requirement(item: Any) -> str:
    """Why something is no requirement that can be locked; empty where it is one."""
    if not isinstance(item, str):
        return f'{item!r} is no text: write it in quotes'
    if re.search(r'(?<![=<>!~])=(?!=)', item.partition(';')[0].partition('@')[0]):
        return f'{item!r} is no requirement: did you mean "=="?'
    try:
        asked.requirement(item)
    except LumiHooksError as err:
        return str(err)
    return ''


def _content(found: Mapping[str, Any], path: str, folder: str, lines: Lines, place: Tuple[Any, ...] = ()) -> Content:
    python = found.get('python') or ()
    if isinstance(python, str):
        python = _from_file(python, folder, f'{path}:{_line(lines, (*place, "python"))}')
    return Content(tuple(_recipe(item, folder) for item in found.get('recipes') or ()), tuple(python),
                   {key: str(value) for key, value in (found.get('variables') or {}).items()},
                   tuple(found.get('commands') or ()))


def _recipe(item: str, folder: str) -> str:
    """A file that is named is looked for next to the spec; a name stays a name."""
    beside = os.path.join(folder, item)
    return beside if (os.sep in item or item.endswith(('.eb', '.yaml', '.yml'))) and os.path.isfile(beside) else item


def _from_file(item: str, folder: str, where: str) -> List[str]:
    """
    The requirements in a requirements.txt or a pyproject.toml.

    :raises DataError: it can't be read, or one of them can't be locked
    """
    if not item.endswith(('.txt', '.toml')):
        raise DataError(f'{where}: python: {item} is neither a list of requirements, nor the name of a '
                        'requirements.txt or pyproject.toml')
    try:
        return asked.of_file(os.path.join(folder, item))
    except LumiHooksError as err:
        raise DataError(str(err) if re.match(r'[^\n]*:\d+: ', str(err)) else f'{where}: python: {err}') from err
