# SPDX-License-Identifier: GPL-2.0-only
"""What users change of recipes by overrides of their own (lumi_hooks/prefix/overrides.py): the last word."""
from typing import Any, Dict, Iterator, List, Mapping, Tuple

from ..change import Change, Refusal
from ..dependency import Dependency
from ..errors import DataError
from ..prefix.overrides import Override, Patch
from ..recipe import as_list, file_name
from ..site import Site
from .base import Outcome, rule
from .draft import DEPENDENCY_LISTS, Draft

ID = 'override'


@rule(ID, 'users change a recipe by an override of their own, not by a copy of it')
def override(draft: Draft, site: Site):
    """Patches, dependencies and other parameters, each from the most specific override that speaks of it."""
    try:
        found = site.overrides.fitting(draft.name, draft.version, _toolchain(draft))
    except DataError as err:
        yield Refusal(ID, str(err), ID)
        return
    for parameter in DEPENDENCY_LISTS:
        for name, (item, wanted) in _first(found, parameter).items():
            yield from _dependency(draft, parameter, name, wanted, item)
    parameters = _first(found, 'parameters')
    for key in ('group', 'license_file'):
        said = [(item, item.entry[key]) for item in found if key in item.entry]
        if said:
            parameters[key] = said[0]
    for name, (item, wanted) in parameters.items():
        before = draft.parameters.get(name)
        try:
            after = _value(before, wanted)
        except TypeError as err:
            yield Refusal(ID, f'{item.path}: {name}: {err}', ID)
            continue
        if after != before:
            yield Change(name, before, after, ID, item.reason, item.link)
    patching = next((item for item in found if item.patches), None)
    if patching:
        yield from _patches(draft, patching)


def patches_used(draft: Draft, site: Site) -> Tuple[Patch, ...]:
    """The patches of overrides that a recipe names as it stands: they belong next to it."""
    try:
        found = site.overrides.fitting(draft.name, draft.version, _toolchain(draft))
    except DataError:
        return ()
    patching = next((item for item in found if item.patches), None)
    names = _names(draft)
    return tuple(patch for patch in patching.patches if patch.name in names) if patching else ()


def _toolchain(draft: Draft) -> Tuple[str, str]:
    """The toolchain that the recipe is installed with."""
    toolchain = draft.parameters['toolchain']
    return toolchain['name'], toolchain['version']


def _first(found: List[Override], key: str) -> Dict[str, Tuple[Override, Any]]:
    """For each name below a key, the override that counts and what it says."""
    said: Dict[str, Tuple[Override, Any]] = {}
    for item in found:
        for name, wanted in item.entry.get(key, {}).items():
            said.setdefault(name, (item, wanted))
    return said


def _dependency(draft: Draft, parameter: str, name: str, wanted: Any, item: Override) -> Iterator[Outcome]:
    """Another version of a dependency, which replaces what it became; added where nothing does."""
    parameter = _place(draft, parameter, name)
    there = _standing(draft, parameter, name)
    after = None
    if wanted is not None:
        version = wanted if isinstance(wanted, str) else wanted['version']
        suffix = '' if isinstance(wanted, str) else wanted.get('versionsuffix', '')
        after = Dependency(name, version, suffix, there[0].toolchain if there and not there[0].external else None)
    if after in there:
        return
    if not there and after:
        yield Change(parameter, None, after, ID, item.reason, item.link)
    for before in there:
        yield Change(parameter, before, after, ID, item.reason, item.link)


def _place(draft: Draft, parameter: str, name: str) -> str:
    """The list in which a dependency stands now: another rule can have moved it (Java of R is only built with)."""
    gone = any(change.parameter == parameter and isinstance(change.before, Dependency) and change.before.name == name
               for change in draft.changes)
    if not gone or _standing(draft, parameter, name):
        return parameter
    return next((other for other in DEPENDENCY_LISTS if _standing(draft, other, name)), parameter)


def _standing(draft: Draft, parameter: str, name: str) -> List[Dependency]:
    """A dependency as it stands after the other rules: itself, or the module that stands in for it alone."""
    now = draft.dependencies(parameter)
    found = [dependency for dependency in now if dependency.name == name]
    if found:
        return found
    made: Dict[Any, set] = {}
    for change in draft.changes:
        if change.parameter == parameter and isinstance(change.before, Dependency):
            for after in change.after if isinstance(change.after, tuple) else (change.after,):
                made.setdefault(after, set()).add(change.before.name)
    return [dependency for dependency in now if made.get(dependency) == {name}]


def _value(before: Any, wanted: Any) -> Any:
    """
    A parameter's new value.

    :raises TypeError: what is wanted does not go with what the recipe says
    """
    if not isinstance(wanted, Mapping):
        return wanted
    (how, what), = wanted.items()
    if how == 'update':
        if before is not None and not isinstance(before, Mapping):
            raise TypeError(f'it is no object in the recipe, but {before!r}')
        return {**(before or {}), **what}
    if before in (None, '', []):
        return what
    if isinstance(before, str) and isinstance(what, str):
        return before if _holds(before, what) else _joined(before, what, how)
    if isinstance(before, (list, tuple)):
        if isinstance(what, str) and all(isinstance(one, str) for one in before):
            # one text for each round of an iterated build
            return [one if _holds(one, what) else _joined(one, what, how) for one in before]
        new = [one for one in what if one not in before] if isinstance(what, list) else None
        if new is not None:
            return [*before, *new] if how == 'append' else [*new, *before]
    raise TypeError(f'{what!r} cannot be combined with what the recipe says, {before!r}')


def _holds(text: str, what: str) -> bool:
    """Does a text hold another as whole words? Then it was put there before."""
    return f' {" ".join(what.split())} ' in f' {" ".join(text.split())} '


def _joined(before: str, what: str, how: str) -> str:
    return f'{before.rstrip()} {what.strip()}' if how == 'append' else f'{what.strip()} {before.lstrip()}'


def _patches(draft: Draft, item: Override) -> Iterator[Change]:
    """An override's patches behind the recipe's own, with their checksums."""
    before = as_list(draft.parameters.get('patches'))
    names = _names(draft)
    new = [patch for patch in item.patches if patch.name not in names]
    if not new:
        return
    yield Change('patches', draft.parameters.get('patches'), [*before, *(patch.notation for patch in new)], ID,
                 item.reason, item.link)
    sources = draft.parameters.get('sources') or draft.parameters.get('data_sources') or []
    place = len(as_list(sources)) + len(before)
    checksums = draft.parameters.get('checksums')
    if isinstance(checksums, (list, tuple)) or checksums is None:
        known = list(checksums or [])
        # the recipe's own checksums come first; those that it lacks stay unknown
        known[len(known):place] = [None] * (place - len(known))
        known[place:place] = [{patch.name: patch.sha256} for patch in new]
        yield Change('checksums', checksums, known, ID, f'the checksums of the patches that {item.path} adds')


def _names(draft: Draft) -> List[str]:
    """File names of a recipe's patches as they stand."""
    return [file_name(patch) for patch in as_list(draft.parameters.get('patches'))]
