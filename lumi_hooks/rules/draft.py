# SPDX-License-Identifier: GPL-2.0-only
"""The state between two rules: a recipe's parameters with the changes so far. Rules read it and never edit it."""
from typing import Any, Dict, List, Optional, Tuple

from ..change import Change
from ..dependency import SYSTEM, Dependency
from ..recipe import Recipe

DEPENDENCY_LISTS = ('dependencies', 'builddependencies')


class Draft:
    """A recipe on its way: the recipe as written (`recipe`) and its parameters as they stand (`parameters`)."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self.parameters: Dict[str, Any] = dict(recipe.parameters)
        self.changes: List[Change] = []
        # every rule asks for them
        self._dependencies: Dict[str, Tuple[Dependency, ...]] = {}

    @property
    def name(self) -> str:
        """Name of the software."""
        return self.recipe.name

    @property
    def version(self) -> str:
        """Version of the software."""
        return self.recipe.version

    @property
    def upstream_toolchain(self) -> Tuple[str, str]:
        """Toolchain of the recipe as written."""
        return self.recipe.toolchain

    def dependencies(self, parameter: str) -> Tuple[Dependency, ...]:
        """Dependencies as they stand, flattened."""
        if parameter not in self._dependencies:
            self._dependencies[parameter] = Dependency.all_of(self.parameters.get(parameter))
        return self._dependencies[parameter]

    def each(self) -> Tuple[Tuple[str, Dependency], ...]:
        """The dependencies of both lists as they stand, each with the name of its list."""
        return tuple((parameter, item) for parameter in DEPENDENCY_LISTS for item in self.dependencies(parameter))

    def option(self, name: str) -> Any:
        """A toolchain option as it stands."""
        options = self.parameters.get('toolchainopts')
        return options.get(name) if isinstance(options, dict) else None

    def apply(self, change: Change) -> None:
        """Take over a change."""
        self._dependencies.pop(change.parameter, None)
        if change.parameter in DEPENDENCY_LISTS:
            value = self.parameters.get(change.parameter) or []
            self.parameters[change.parameter] = _edit(value, change)
        elif change.after is None:
            self.parameters.pop(change.parameter, None)
        else:
            self.parameters[change.parameter] = change.after
        self.changes.append(change)


def _edit(value: Any, change: Change) -> List:
    """A list of dependencies (or a list of such lists) with one of them replaced, removed or added."""
    if value and all(isinstance(item, list) and not (item and isinstance(item[0], str)) for item in value):
        return [_edit(item, change) for item in value]
    after = change.after if isinstance(change.after, tuple) else (change.after,) if change.after else ()
    # each with what it is, as each is parsed once
    found: List[Tuple[Any, Optional[Dependency]]] = []

    def add(items):
        for item in items:
            if all(item != known for _, known in found):
                found.append((item.raw(), item))

    for item in value:
        dependency = Dependency.parse(item) if item else None
        if change.before is not None and dependency == change.before:
            add(after)
        else:
            found.append((item, dependency))
    if change.before is None:
        # a bundle of build tools comes first: what a recipe names itself is loaded behind it, and so found before it
        known = [dependency for _, dependency in found]
        found[:0] = [(item.raw(), item) for item in after if item.toolchain == SYSTEM and item not in known]
        add(after)
    # what was added stands once, where it stands first
    return [item for place, (item, dependency) in enumerate(found)
            if dependency not in after or all(dependency != known for _, known in found[:place])]
