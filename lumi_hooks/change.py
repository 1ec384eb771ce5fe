# SPDX-License-Identifier: GPL-2.0-only
"""What a rule says: a change of one parameter with its reason, or a refusal; and the sum of them for a recipe."""
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Tuple

from .dependency import Dependency, dependencies_in
from .recipe import Recipe


@dataclass(frozen=True)
class Change:
    """
    One change of one parameter.

    In a list of dependencies, `before` is one dependency (None: something is added) and `after` one, several
    (a tuple) or None (it is removed).
    """
    parameter: str
    before: Any
    after: Any
    rule: str
    reason: str
    link: Optional[str] = None


@dataclass(frozen=True)
class Refusal:
    """Why a recipe can't be installed here, and what to do instead; `culprit` names what is to blame, if known."""
    code: str
    reason: str
    rule: str
    culprit: str = ''


@dataclass(frozen=True)
class Adaptation:
    """
    The outcome of `adapt`: a recipe's parameters as they are to be installed, and how they came about.

    `kept_out` lists the Cray modules that are kept out while the package is built, as it does not use them; `patches`
    files that belong next to the adapted recipe and are not next to its source: patches of overrides.
    """
    recipe: Recipe
    status: str
    reason: str
    parameters: Mapping[str, Any]
    changes: Tuple[Change, ...] = ()
    refusals: Tuple[Refusal, ...] = ()
    kept_out: Tuple[str, ...] = ()
    notes: Tuple[str, ...] = field(default=())
    patches: Tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the software."""
        return self.recipe.name

    @property
    def version(self) -> str:
        """Version of the software."""
        return self.recipe.version

    @property
    def versionsuffix(self) -> str:
        """Version suffix after adapting."""
        return self.parameters.get('versionsuffix') or ''

    @property
    def toolchain(self) -> Tuple[str, str]:
        """Toolchain after adapting, as (name, version)."""
        toolchain = self.parameters['toolchain']
        return toolchain['name'], toolchain['version']

    @property
    def full_version(self) -> str:
        """Version with toolchain and suffix, as in file and module names."""
        name, version = self.toolchain
        middle = '' if name == 'system' else f'-{name}-{version}'
        return f'{self.version}{middle}{self.versionsuffix}'

    @property
    def module(self) -> str:
        """Full module name, e.g. HPCC/1.5.0-cpeGNU-25.03."""
        return f'{self.name}/{self.full_version}'

    @property
    def filename(self) -> str:
        """File name that EasyBuild's robot expects of the adapted recipe."""
        return f'{self.name}-{self.full_version}.eb'

    def dependencies(self, parameter: str = 'dependencies') -> Tuple[Dependency, ...]:
        """The dependencies after adapting; lists to iterate over are flattened."""
        return dependencies_in(self.parameters, parameter)
