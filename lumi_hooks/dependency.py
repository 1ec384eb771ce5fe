# SPDX-License-Identifier: GPL-2.0-only
"""A dependency of a recipe, in all the shapes that recipes write it."""
import re
from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Tuple

EXTERNAL = 'EXTERNAL_MODULE'
SYSTEM = ('system', 'system')
DUMMY = 'dummy'  # the name of SYSTEM before EasyBuild 4; its version is empty in most recipes


@dataclass(frozen=True)
class Dependency:
    """
    One dependency: software with a version, or (`external`) a module that something else provides.

    `toolchain` is None where the recipe leaves it to EasyBuild, else (name, version).
    """
    name: str
    version: str = ''
    versionsuffix: str = ''
    toolchain: Optional[Tuple[str, str]] = None
    external: bool = False

    @classmethod
    def external_module(cls, full_name: str) -> 'Dependency':
        """The dependency on an external module, given as name/version or name."""
        name, _, version = full_name.partition('/')
        return cls(name, version, external=True)

    @classmethod
    def parse(cls, raw: Any) -> 'Dependency':
        """
        From a recipe's own notation: tuple, list or dictionary.

        :raises ValueError: it is none of these, or has no name
        """
        if isinstance(raw, cls):
            return raw
        if isinstance(raw, dict):
            if raw.get('external_module'):
                return cls.external_module(_text(raw.get('full_mod_name'), raw))
            raw = (raw.get('name'), raw.get('version'), raw.get('versionsuffix', ''),
                   raw.get('toolchain', raw.get('system')))
        if not isinstance(raw, (list, tuple)) or not raw or not raw[0]:
            raise ValueError(f'not a dependency: {raw!r}')
        if raw[-1] == EXTERNAL:
            return cls.external_module(_text(raw[0], raw))
        name, version, suffix, toolchain = (tuple(raw) + ('', '', None))[:4] if len(raw) > 1 else (raw[0], '', '', None)
        version = _of_architecture(version)
        # blanks around a version (LUMI's libfabric-2.3.0.eb) do not reach the module tool: a shell drops them
        return cls(_text(name, raw), _text(version or '', raw).strip(), _text(suffix or '', raw), _toolchain(toolchain))

    @classmethod
    def all_of(cls, value: Any) -> Tuple['Dependency', ...]:
        """
        Every dependency of a parameter's value, a list of lists (iterated builds) flattened, without those that the
        recipe switches off for this architecture ({'arch=x86_64': False}).

        :raises ValueError: an entry is no dependency
        """
        found: List['Dependency'] = []
        for item in value or ():
            if isinstance(item, list) and item and isinstance(item[0], (list, tuple, dict)):
                found.extend(cls.all_of(item))
            elif item and not _switched_off(item):
                found.append(cls.parse(item))
        return tuple(found)

    @property
    def module(self) -> Optional[str]:
        """Name of the external module, None for software."""
        if not self.external:
            return None
        return f'{self.name}/{self.version}' if self.version else self.name

    def raw(self) -> Tuple:
        """The notation of a recipe (SYSTEM and EXTERNAL_MODULE by their values)."""
        if self.external:
            return (self.module, EXTERNAL)
        toolchain: Any = self.toolchain
        if toolchain == SYSTEM:
            toolchain = {'name': 'system', 'version': 'system'}
        full = (self.name, self.version, self.versionsuffix, toolchain)
        size = 4 if toolchain else 3 if self.versionsuffix else 2
        return full[:size]

    def __str__(self):
        if self.external:
            return str(self.module)
        text = f'{self.name} {self.version}{self.versionsuffix}'
        return f'{text} ({"-".join(self.toolchain)})' if self.toolchain and self.toolchain != SYSTEM else text


def dependencies_in(parameters: Mapping[str, Any], parameter: str) -> Tuple[Dependency, ...]:
    """
    The dependencies that a recipe's parameters name in one of the two lists. What is built for several versions of a
    library (multi_deps) is built with each of them.

    :raises ValueError: an entry is no dependency
    """
    found = Dependency.all_of(parameters.get(parameter))
    several = parameters.get('multi_deps') if parameter == 'builddependencies' else None
    return found + tuple(Dependency.parse((name, version)) for name, versions in (several or {}).items()
                         for version in versions)


def _of_architecture(version: Any) -> Any:
    """The version that counts here, of one that is given by architecture; False for none."""
    return version.get('arch=x86_64', version.get('arch=*', '')) if isinstance(version, dict) else version


def _switched_off(raw: Any) -> bool:
    """Does a recipe say that a dependency is not wanted on this architecture?"""
    if isinstance(raw, dict):
        return _of_architecture(raw.get('version')) is False
    return isinstance(raw, (list, tuple)) and len(raw) > 1 and _of_architecture(raw[1]) is False


def _text(word: Any, raw: Any) -> str:
    if not isinstance(word, str):
        raise ValueError(f'not a dependency: {raw!r}')
    return word


def _toolchain(raw: Any) -> Optional[Tuple[str, str]]:
    if raw is None or raw is False or raw == '':
        return None
    if raw is True:
        return SYSTEM
    if isinstance(raw, dict):
        raw = (raw.get('name'), raw.get('version'))
    if isinstance(raw, (list, tuple)) and len(raw) == 2 and raw[0] == SYSTEM[0]:
        return SYSTEM  # EasyBuild goes by the name alone: ('system', '')
    if isinstance(raw, (list, tuple)) and raw and raw[0] == DUMMY:
        raise ValueError(f'toolchain {DUMMY} is what EasyBuild called SYSTEM before its version 4: write SYSTEM')
    if not isinstance(raw, (list, tuple)) or len(raw) != 2 or not all(isinstance(word, str) and word for word in raw):
        raise ValueError(f'not a toolchain: {raw!r}')
    return raw[0], raw[1]


def root_variable(name: str) -> str:
    """
    Name of the variable with the folder of an installed software (as EasyBuild's get_software_root_env_var_name).

    >>> root_variable('FFTW.MPI'), root_variable('libxml++'), root_variable('GTK4-x')
    ('EBROOTFFTWMPI', 'EBROOTLIBXMLPLUSPLUS', 'EBROOTGTK4MINX')
    """
    return 'EBROOT' + re.sub(r'\W', '', name.upper().replace('+', 'PLUS').replace('-', 'MIN'))
