# SPDX-License-Identifier: GPL-2.0-only
"""
The index of what exists already: modules on MODULEPATH, recipes for cpe* toolchains on the robot path, and
upstream's recipes.

It is part of Site, so that `adapt` stays a pure function of recipe and site. Folders are listed by name of the
software, when first asked for: no tree is walked.
"""
import functools
import os
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, FrozenSet, Iterable, List, Optional, Sequence, Set, Tuple, TypeVar

from .data import our_recipes
from .dependency import Dependency
from .errors import RecipeError
from .files import names_in, read_bytes, read_text
from .presence import fallen
from .recipe import RECORD, read_recipe
from .releases import generation_of, load_upstream, refused_family
from .versions import version_key

# what LUMI calls the archive of recipes in a prefix, today and before September 2024; and the store of adapted ones
ARCHIVES = ('ebfiles_repo', 'ebrepo_files', '.lumi-hooks')


@dataclass(frozen=True)
class Source:
    """An upstream recipe that may stand for a derived one, by its file name alone."""
    name: str
    version: str
    toolchain: Optional[Tuple[str, str]]
    versionsuffix: str
    path: str

    @property
    def generation(self) -> Optional[str]:
        """Upstream generation of the toolchain."""
        return generation_of(*self.toolchain) if self.toolchain else None


def is_archive(path: str) -> bool:
    """Does a folder or file belong to an archive of recipes, where EasyBuild keeps what it installed?"""
    return any(part in ARCHIVES for part in path.split(os.sep))


# what EasyBuild calls a module file that it keeps before it writes another one, without the .lua of it
_KEPT = re.compile(r'\.bak_\d{14}_\d+$')


def module_version(file_name: str) -> Optional[str]:
    """
    The version that a module file is of, by its name; None for what is no module to Lmod: hidden files, copies, the
    link that says which one is the default.
    """
    if file_name.startswith('.') or file_name == 'default' or _KEPT.search(file_name):
        return None
    return file_name[:-4] if file_name.endswith('.lua') else file_name


_Method = TypeVar('_Method', bound=Callable[..., Any])


def _once(method: _Method) -> _Method:
    """A method of an index whose answer is kept until `refresh`."""
    @functools.wraps(method)
    def asked(self, what):
        known = self.answers(method.__name__)
        if what not in known:
            known[what] = method(self, what)
        return known[what]
    return asked  # type: ignore[return-value]


class Index:
    """
    What exists already.

    :param modulepath: folders with modules, first one first
    :param recipes: folders with recipes for cpe* toolchains: the user's, the central stack's, LUMI's
    :param upstream: folders with upstream's recipes
    """

    def __init__(self, modulepath: Sequence[str] = (), recipes: Sequence[str] = (), upstream: Sequence[str] = ()):
        self.modulepath, self.recipes, self.upstream = tuple(modulepath), tuple(recipes), tuple(upstream)
        # an archived copy says what was installed once: any other recipe of its name comes first
        self._by_rank = sorted(self.recipes, key=is_archive)
        # full names of modules that were seen to stand for an installation
        self._standing: Set[str] = set()
        # of the paths of recipes, those that were seen not to be derived ones
        self._own: Set[str] = set()
        # name of a method -> what it was asked -> its answer
        self._known: Dict[str, Dict[Any, Any]] = {}

    def refresh(self) -> None:
        """Look again at what may have been installed since."""
        self._standing.clear()
        self._known = {name: known for name, known in self._known.items() if name in ('sources', 'extensions')}

    def answers(self, what: str) -> Dict[Any, Any]:
        """What somebody found out by this index, to be kept until `refresh`: question -> answer."""
        return self._known.setdefault(what, {})

    def modules(self, name: str) -> Dict[str, str]:
        """
        Installed modules of one software: version part of the module name -> module file. Those whose installation is
        gone or due for removal are left out (`fallen` tells them); what they hide in folders further back is, too.
        """
        return self._module_files(name)[0]

    @_once
    def _module_files(self, name: str) -> Tuple[Dict[str, str], Dict[str, Tuple[str, str]]]:
        """What `modules` and `fallen` say of a software."""
        found: Dict[str, str] = {}
        for folder in (folder for folder in self.modulepath if name in self.entries(folder)):
            for entry in names_in(os.path.join(folder, name)):
                version = module_version(entry)
                if version:
                    found.setdefault(version, os.path.join(folder, name, entry))
        reasons = {version: fallen(self._text(path)) for version, path in found.items()}
        return ({version: path for version, path in found.items() if not reasons[version]},
                {version: (path, reasons[version] or '') for version, path in found.items() if reasons[version]})

    def fallen(self, name: str) -> Dict[str, Tuple[str, str]]:
        """Module files of one software that stand for no installation: version -> path, and DUE or GONE."""
        return self._module_files(name)[1]

    def why_fallen(self, module: str) -> Optional[str]:
        """DUE or GONE where a module file of that full name stands for no installation, else None."""
        name, _, version = module.partition('/')
        found = self.fallen(name).get(version)
        return found[1] if found else None

    def stands(self, module: str) -> bool:
        """
        Does a module of that full name stand for an installation, as far as its file tells? EasyBuild asks for all
        modules with every recipe.
        """
        if module in self._standing:
            return True
        name, _, version = module.partition('/')
        found = self.fallen(name).get(version) if version else None
        if found:
            try:
                return fallen(read_text(found[0])) is None  # it may have been installed in this very run
            except OSError:
                return False
        self._standing.add(module)
        return True

    def module_file(self, module: str) -> Optional[str]:
        """Module file of an installed module given by its full name, None where it is not installed."""
        name, _, version = module.partition('/')
        return self.modules(name).get(version)

    def module_text(self, module: str) -> str:
        """Text of an installed module's file, empty where it is not installed or can't be read."""
        path = self.module_file(module)
        return self._text(path) if path else ''

    @_once
    def _text(self, path: str) -> str:
        try:
            return read_text(path, 'replace')
        except OSError:
            return ''

    def recipe(self, name: str, filename: str) -> Optional[str]:
        """The recipe of that file name on the user's or LUMI's recipe folders, None where there is none."""
        paths = self._own_recipes(name).get(filename, [])
        while paths and paths[0] not in self._own:
            if not is_derived(paths[0]):
                self._own.add(paths[0])
            else:
                del paths[0]
        return paths[0] if paths else None

    def installed_versions(self, name: str, middle: str) -> Tuple[Tuple[str, str], ...]:
        """(version, suffix) of the installed modules of a toolchain; `middle` is '-cpeGNU-25.03'."""
        return _split(self.modules(name), middle)

    def own_versions(self, name: str, middle: str) -> Tuple[Tuple[str, str], ...]:
        """(version, suffix) for which a recipe for a toolchain exists; `middle` is '-cpeGNU-25.03'."""
        names = (filename for filename in self._own_recipes(name) if middle in filename and self.recipe(name, filename))
        return _split((filename[len(name) + 1:-3] for filename in names), middle)

    @_once
    def _own_recipes(self, name: str) -> Dict[str, List[str]]:
        """File name -> paths in the order of the folders; derived ones among them, as telling them means to read."""
        found: Dict[str, List[str]] = {}
        for path in self._recipe_files(self._by_rank, name):
            found.setdefault(os.path.basename(path), []).append(path)
        return found

    @_once
    def sources(self, name: str) -> Tuple[Source, ...]:
        """
        Upstream's recipes of one software, by their file names; of two of one name the first folder's. Where upstream
        has none, ours for upstream's toolchains.
        """
        found: Dict[str, str] = {}
        for path in self._recipe_files(self.upstream, name):
            found.setdefault(os.path.basename(path), path)
        ours = our_recipes() if self.upstream and not found else None
        if ours:
            sources = (parse_filename(name, path) for path in self._recipe_files([ours], name))
            return tuple(source for source in sources if source.toolchain)
        return tuple(parse_filename(name, path) for path in found.values())

    @_once
    def own_sources(self, name: str) -> Tuple[Source, ...]:
        """
        The recipes of the user's or LUMI's of one software that are for upstream's toolchains, by their file names; of
        two of one name the first folder's. Archived copies are none.
        """
        found = (parse_filename(name, path) for path in self.own_files(name))
        return tuple(source for source in found if source.toolchain)

    def own_files(self, name: str) -> Tuple[str, ...]:
        """Paths of all recipes of the user's and LUMI's of one software, archived copies left out."""
        return tuple(paths[0] for paths in self._own_recipes(name).values() if paths and not is_archive(paths[0]))

    @_once
    def extensions(self, source: Source) -> Dict[str, str]:
        """
        What an upstream recipe installs as its extensions: name of each, in lower case and with dashes, as Python's
        package index writes it -> version. Empty where it can't be read.
        """
        try:
            listed = read_recipe(source.path).parameters.get('exts_list') or ()
        except RecipeError:
            return {}
        return {normal_name(item[0]): str(item[1]) for item in listed
                if isinstance(item, (list, tuple)) and len(item) > 1}

    def needs(self, source: Source) -> FrozenSet[str]:
        """Names of what a recipe needs when it runs, its own among them; empty where it can't be read."""
        needed = self.loads(source.path)
        return frozenset() if needed is None else frozenset({source.name, *(item.name for item in needed)})

    @_once
    def loads(self, path: str) -> Optional[Tuple[Dependency, ...]]:
        """What a recipe needs when it runs, as it is written; None where it can't be read."""
        try:
            return tuple(read_recipe(path).dependencies())
        except RecipeError:
            return None

    def _recipe_files(self, folders: Sequence[str], name: str) -> Iterable[str]:
        """Recipes of one software below folders, in EasyBuild's layouts: letter/name/, name/ or flat."""
        for folder in folders:
            for parent in (f'{folder}{os.sep}{letter_of(name)}', folder):
                if name in self.entries(parent):
                    place = os.path.join(parent, name)
                    yield from (os.path.join(place, entry) for entry in sorted(self.entries(place))
                                if entry.endswith('.eb') and entry.startswith(name + '-'))
            for entry in self._flat(folder):
                if entry.startswith(name + '-') and _is_for(os.path.join(folder, entry), name):
                    yield os.path.join(folder, entry)

    @_once
    def entries(self, folder: str) -> FrozenSet[str]:
        """Names in a folder, which may hold those of much software: on Lustre each look is a round trip."""
        return frozenset(names_in(folder))

    @_once
    def _flat(self, folder: str) -> Sequence[str]:
        """Recipes that lie in a folder itself, sorted."""
        return sorted(entry for entry in self.entries(folder) if entry.endswith('.eb'))


NOTHING = Index()


def letter_of(name: str) -> str:
    """The folder of a software's recipes and sources, in EasyBuild's layout by letters."""
    return name[:1].lower() if name[:1].isalpha() else '0'


def normal_name(package: str) -> str:
    """
    Name of a Python package, as the package index compares it (PEP 503).

    >>> normal_name('Typing_Extensions')
    'typing-extensions'
    """
    return re.sub(r'[-_.]+', '-', package).lower()


def is_derived(path: str) -> bool:
    """
    Was a recipe written by this library? The archive of a prefix holds such copies: they say what was installed once,
    and never win over what is derived now.
    """
    try:
        return f'\n{RECORD} = '.encode() in read_bytes(path)
    except OSError:
        return False


def parse_filename(name: str, path: str) -> Source:
    """Version, toolchain and suffix from a recipe's file name, the software's name being known."""
    stem = os.path.basename(path)[len(name) + 1:-3]
    known, compound = '|'.join(load_upstream()['toolchains']), load_upstream()['compound_versions']
    match = re.fullmatch(rf'(?P<version>.+?)-(?P<tc>{known})-(?P<tcver>[^-_]+)(?P<suffix>.*)', stem)
    inside = re.match(rf'{compound[match["tc"]]}[^-_]+', match['suffix']) if match and match['tc'] in compound else None
    if match and inside:
        return Source(name, match['version'], (match['tc'], match['tcver'] + inside[0]),
                      match['suffix'][inside.end():], path)
    if match:
        return Source(name, match['version'], (match['tc'], match['tcver']), match['suffix'], path)
    return Source(name, stem, None, '', path)


def choose_source(candidates: Iterable[Source], generation: str) -> Optional[Source]:
    """
    The recipe that stands for a derived one: one of the GNU family before others; the generation nearest the
    release's compiler, of two equally near ones the newer; then the newest version, the toolchain that stands first
    in upstream.json, the first name. A total order, that does not depend on who asks.

    :param generation: upstream generation of the release's compiler
    """
    order = list(load_upstream()['generations'])
    home = order.index(generation)
    toolchains = load_upstream()['toolchains']
    levels = list(toolchains)

    def rank(source: Source):
        assert source.toolchain
        name = source.toolchain[0]
        place = order.index(source.generation) if source.generation in order else None
        distance = abs(place - home) if place is not None else len(order)
        return (toolchains[name]['family'] == 'GNU', -distance, -1 if place is None else place,
                version_key(source.version), -levels.index(name))

    adaptable = [source for source in candidates if source.toolchain and source.toolchain[0] in toolchains
                 and not refused_family(source.toolchain[0])]
    return max(sorted(adaptable, key=lambda source: source.path), key=rank, default=None)


def _is_for(path: str, name: str) -> bool:
    """Is a recipe in a flat folder one of `name`, and not of software whose name goes on (netCDF, netCDF-Fortran)?"""
    if os.path.basename(path)[len(name) + 1].isdigit():
        return True
    try:
        found = re.search(r'^name *= *[\'"](.+?)[\'"]', read_text(path, 'strict'), re.M)
    except (OSError, UnicodeDecodeError):
        return False
    return found is None or found.group(1) == name


def _split(items: Iterable[str], middle: str) -> Tuple[Tuple[str, str], ...]:
    parts = (item.partition(middle) for item in items)
    return tuple((version, suffix) for version, found, suffix in parts if found)
