# SPDX-License-Identifier: GPL-2.0-only
"""
A recipe (easyconfig) as it is written: its raw parameters and its text.

The readers at the end are the only place below `adapt` that imports EasyBuild.
"""
import hashlib
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from . import trust
from .dependency import DUMMY, Dependency, dependencies_in
from .errors import RecipeError, TrustError, UntrustedRecipeError
from .files import read_json, read_text

# what the library writes about itself into an adapted recipe; EasyBuild ignores variables named local_*
RECORD = 'local_lumi_hooks'


# what the parameters have to be that are looked into; EasyBuild checks few of them itself
_TYPES = (('versionsuffix', str, 'text'), ('easyblock', str, 'text'), ('toolchainopts', dict, 'a dictionary'),
          ('sources', (list, tuple, str, dict), 'a list'), ('patches', (list, tuple, str), 'a list'),
          ('postinstallpatches', (list, tuple, str), 'a list'), ('checksums', (list, tuple, str, dict), 'a list'),
          ('exts_list', (list, tuple), 'a list'), ('components', (list, tuple), 'a list'),
          ('exts_default_options', dict, 'a dictionary'), ('dependencies', (list, tuple), 'a list'),
          ('builddependencies', (list, tuple), 'a list'),
          ('hiddendependencies', (list, tuple), 'a list'), ('multi_deps', dict, 'a dictionary'))

# some of upstream's recipes have a set there; EasyBuild makes a list of it, whose order is another one in each run
_SET = re.compile(r'^((?:build)?dependencies)\s*=\s*\{', re.MULTILINE)


# a variable that a recipe asks for: os.environ['NAME'], os.environ.get('NAME'), os.getenv('NAME')
_ASKED = re.compile(r'(?:environ\s*\[|environ\.get\(|getenv\()\s*[\'"](\w+)[\'"]')


@dataclass(frozen=True)
class Recipe:
    """
    A recipe: raw parameters (templates such as %(version)s unresolved, constants resolved) and the text.

    `beside` holds what lies next to the file and belongs to it: patches' names and the contents of checksums.json.
    """
    name: str
    version: str
    versionsuffix: str
    toolchain: Tuple[str, str]
    parameters: Mapping[str, Any] = field(compare=False)
    text: str
    path: Optional[str] = field(default=None, compare=False)
    # several rules ask for them, of every recipe that is read
    _dependencies: Dict[str, Tuple[Dependency, ...]] = field(default_factory=dict, init=False, compare=False,
                                                             repr=False)

    @cached_property
    def sha256(self) -> str:
        """Checksum of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def filename(self) -> str:
        """Name of the file; of one that never was a file, the name it should have."""
        if self.path:
            return os.path.basename(self.path)
        middle = '' if self.toolchain[0] == 'system' else '-'.join(('',) + self.toolchain)
        return f'{self.name}-{self.version}{middle}{self.versionsuffix}.eb'

    @property
    def record(self) -> Mapping[str, Any]:
        """What the library noted in a recipe that it adapted earlier (empty for any other)."""
        found = self.parameters.get(RECORD)
        return found if isinstance(found, dict) else {}

    def dependencies(self, parameter: str = 'dependencies') -> Tuple[Dependency, ...]:
        """
        Dependencies as written, flattened.

        :raises RecipeError: an entry is no dependency
        """
        if parameter not in self._dependencies:
            try:
                self._dependencies[parameter] = dependencies_in(self.parameters, parameter)
            except (ValueError, TypeError) as err:
                raise RecipeError(f'{self.path or self.filename}: {parameter}: {_first_line(err)}') from err
        return self._dependencies[parameter]

    def all_dependencies(self) -> Tuple[Dependency, ...]:
        """The dependencies of both lists as written; raises as `dependencies` does."""
        return (*self.dependencies(), *self.dependencies('builddependencies'))

    def option(self, name: str) -> Any:
        """The value of a toolchain option, None where the recipe does not set it."""
        options = self.parameters.get('toolchainopts')
        return options.get(name) if isinstance(options, dict) else None

    def __hash__(self):
        return hash((self.name, self.sha256))


# what recipes find in the environment while they are read: name -> value
_variables: Dict[str, str] = {}


def read_for(variables: Mapping[str, str]) -> None:
    """
    Say which variables are set while recipes are read from now on, whatever the environment says. Some of LUMI's
    recipes ask for those of LUMI's modules, which may not be loaded, or for another release (site.variables).
    """
    _variables.clear()
    _variables.update(variables)


@contextmanager
def _site_variables() -> Iterator[None]:
    """The environment with the variables of `read_for`, as it was before afterwards."""
    before = {name: os.environ.get(name) for name in _variables}
    os.environ.update(_variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _unset_variable(message: str, text: str) -> Optional[str]:
    """Which variable of the environment a recipe could not be read without, as a sentence; None where it is none."""
    line = re.search(r'\(line (\d+)\)$', message)
    lines = text.split('\n')
    number = int(line[1]) if line else 0
    here = lines[number - 1] if 0 < number <= len(lines) else ''
    # os.getenv gives None, which a later line fails for
    asked = _ASKED.findall(here) or (_ASKED.findall(text) if 'NoneType' in message else [])
    missing = [name for name in dict.fromkeys(asked) if name not in os.environ]
    if not missing:
        return None
    return f'asks for the variable {missing[0]} of the environment, which is not set: set it first (export ' \
           f'{missing[0]}=...)'


def read_recipe(path: str) -> Recipe:
    """
    Read a recipe from a file.

    :raises UntrustedRecipeError: others could have written it: it was not run
    :raises RecipeError: no such file, or its contents are no recipe
    """
    try:
        text = read_text(path, errors='strict')
    except (OSError, ValueError) as err:
        reason = err.strerror if isinstance(err, OSError) else 'it is not text'
        raise RecipeError(f'recipe {path} cannot be read: {reason}') from err
    return parse_recipe(text.replace('\r\n', '\n').replace('\r', '\n'), path)


def parse_recipe(text: str, path: Optional[str] = None) -> Recipe:
    """
    Read a recipe from its text. A recipe is Python code: reading it runs it, as EasyBuild does.

    :param path: where the text comes from, for messages and for files next to it; without one it is a text that this
        library made of a recipe that it has read
    :raises UntrustedRecipeError: others could have written the file: the text was not run
    :raises RecipeError: the text is no recipe
    """
    if '\0' in text:
        raise RecipeError(f'{path or "the recipe"} is not a readable recipe: it holds a NUL byte')
    if path:
        try:
            trust.check(path, 'the recipe')
        except TrustError as err:
            raise UntrustedRecipeError(str(err)) from err
    from easybuild.framework.easyconfig.parser import ALTERNATIVE_EASYCONFIG_PARAMETERS
    with _site_variables():
        try:
            found = parser_of(text, path).get_config_dict()  # a copy, whoever else has the parser
        except (Exception, SystemExit) as err:  # the text is foreign code: it may raise anything
            why = _unset_variable(_first_line(err), text) or f'is not a readable recipe: {_first_line(err)}'
            raise RecipeError(f'{path or "the recipe"} {why}') from err
    # EasyBuild 6's parameter names, which 5.4 accepts beside its own
    for new, old in ALTERNATIVE_EASYCONFIG_PARAMETERS.items():
        if new in found and old not in found:
            found[old] = found.pop(new)
    for key in _SET.findall(text):
        if isinstance(found.get(key), list):
            found[key] = sorted(found[key], key=repr)
    missing = [key for key in ('name', 'version', 'toolchain') if key not in found]
    if missing:
        raise RecipeError(f'{path or "the recipe"} is not a complete recipe: it lacks {", ".join(missing)}')
    toolchain = found['toolchain']
    if not isinstance(toolchain, dict) or not {'name', 'version'} <= set(toolchain):
        raise RecipeError(f'{path or "the recipe"}: the toolchain has no name and version')
    for key, value in (('name', found['name']), ('version', str(found['version'])),
                       ('versionsuffix', found.get('versionsuffix') or ''), ('toolchain', toolchain['name']),
                       ('toolchain', str(toolchain['version']))):
        # they become names of files and modules
        if not isinstance(value, str) or os.sep in value or not value.isprintable() or len(value) > 200 \
                or (not value and key != 'versionsuffix' and toolchain['name'] != DUMMY):
            raise RecipeError(f'{path or "the recipe"}: {key} is {value!r:.80}, which no software can be called')
    for key, types, what in _TYPES:
        if found.get(key) is not None and not isinstance(found[key], types):
            raise RecipeError(f'{path or "the recipe"}: {key} is {found[key]!r:.80}, and has to be {what}')
    recipe = Recipe(found['name'], str(found['version']), found.get('versionsuffix') or '',
                    (toolchain['name'], str(toolchain['version'])), found, text, path)
    recipe.all_dependencies()
    return recipe


# parsers of the recipes that were read last, which have run them: a build reads each of a few texts many times
_parsers: Dict[Tuple, Any] = {}
_MOST_PARSERS = 100


def parser_of(text: str, path: Optional[str], parser: Any = None) -> Any:
    """
    EasyBuild's parser of a recipe's text, which runs it: once for a text, as long as the variables that it asks for
    and those of `read_for` are the same. Of its path it learns nothing.

    :param path: tells the format by its ending
    :param parser: one that has run the text already
    """
    from easybuild.framework.easyconfig.parser import EasyConfigParser
    asked = tuple(map(os.environ.get, _ASKED.findall(text)))
    key = text, (path or '').endswith('.yeb'), tuple(_variables.items()), asked
    found = _parsers.get(key) or parser or EasyConfigParser(filename=path, rawcontent=text)
    if key not in _parsers:
        if len(_parsers) >= _MOST_PARSERS:
            del _parsers[next(iter(_parsers))]
        _parsers[key] = found
    return found


def patches_in_folder(recipe: Recipe) -> Tuple[str, ...]:
    """Paths of the recipe's patches that lie in its own folder (those of extensions and components included)."""
    return _files_in_folder(recipe, 'patches', 'postinstallpatches')


def patched_texts(recipe: Recipe) -> Iterator[Tuple[str, str]]:
    """The recipe's patches that lie in its own folder: file name, and the lines that it adds."""
    for path in patches_in_folder(recipe):
        try:
            lines = read_text(path, 'replace').splitlines()
        except OSError:
            continue
        yield os.path.basename(path), '\n'.join(line[1:] for line in lines
                                                if line.startswith('+') and not line.startswith('+++'))


def sources_in_folder(recipe: Recipe) -> Tuple[str, ...]:
    """Paths of the recipe's sources that lie in its own folder, where EasyBuild looks first."""
    return _files_in_folder(recipe, 'sources', 'data_sources')


def _files_in_folder(recipe: Recipe, *parameters: str) -> Tuple[str, ...]:
    """Paths of the files that parameters name, of those that lie in the recipe's own folder."""
    names = list(_names(recipe.parameters, parameters)) if recipe.path else []
    if not names or not recipe.path:
        return ()
    folder = os.path.dirname(os.path.abspath(recipe.path))
    values = template_values(recipe)
    found: List[str] = []
    for name in names:
        try:
            name = name % values
        except (KeyError, ValueError, TypeError):
            continue
        path = os.path.join(folder, name)
        if os.path.basename(name) == name and os.path.isfile(path) and path not in found:
            found.append(path)
    return tuple(found)


def template_values(recipe: Recipe) -> Mapping[str, str]:
    """EasyBuild's templates that follow from name and version, by name: what file names are made of."""
    parts = recipe.version.split('.')
    values = {'name': recipe.name, 'namelower': recipe.name.lower(), 'nameletter': recipe.name[:1],
              'nameletterlower': recipe.name[:1].lower(), 'version': recipe.version, 'version_major': parts[0],
              'versionsuffix': recipe.versionsuffix, 'versionprefix': recipe.parameters.get('versionprefix') or ''}
    if len(parts) > 1:
        values.update(version_minor=parts[1], version_major_minor='.'.join(parts[:2]))
    return values


def checksums_in_folder(recipe: Recipe) -> Mapping[str, str]:
    """Contents of a checksums.json in the recipe's folder: file name -> checksum."""
    return checksums_in(os.path.dirname(recipe.path)) if recipe.path else {}


def checksums_in(folder: str) -> Mapping[str, str]:
    """
    Contents of a folder's checksums.json: file name -> checksum; empty where there is none.

    :raises RecipeError: it is no list of checksums
    :raises TrustError: others could have written it
    """
    path = os.path.join(folder, 'checksums.json')
    if not os.path.isfile(path):
        return {}
    trust.check(path, 'the list of checksums')
    try:
        found = read_json(path)
    except (OSError, ValueError) as err:
        raise RecipeError(f'{path} is no valid list of checksums: {err}') from err
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def as_list(value: Any) -> List[Any]:
    """The entries of a parameter that is a list, or a single entry."""
    if value is None or value == '':
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def file_name(item: Any) -> str:
    """File name of a source or a patch, in all the notations of recipes; empty where it has none."""
    if isinstance(item, (list, tuple)):
        item = item[0] if item else ''
    if isinstance(item, dict):
        item = item.get('filename') or item.get('name')
    return item if isinstance(item, str) else ''


def _names(value: Any, parameters: Sequence[str]) -> Iterator[str]:
    """Names of the files that parameters name, anywhere in a recipe."""
    if isinstance(value, dict):
        for key in parameters:
            yield from filter(None, map(file_name, as_list(value.get(key))))
        for key in ('exts_list', 'components'):
            yield from _names(value.get(key), parameters)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _names(item, parameters)


def _first_line(err: BaseException) -> str:
    return (str(err).strip() or type(err).__name__).splitlines()[0]
