# SPDX-License-Identifier: GPL-2.0-only
"""
The lock of an environment: everything that its spec was resolved to, as plain data that is compared and shared.

It holds no path of a machine: two projects that resolve the same write the same lock.
"""
import hashlib
import json
import os
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .. import __version__
from ..adapt import UNCHANGED
from ..errors import DataError, LumiHooksError
from ..files import read_json, read_text
from ..plan import BUILD, Plan
from ..presence import root_of
from ..recipe import parse_recipe
from ..record.explanation import InstalledPackage
from ..render import render
from ..schemas import schema
from ..schemas.plain import faults
from ..site import Site
from ..store import with_checksums
from .resolve import Part, adapted, split
from .spec import Content, Spec

KIND = 'lock of a lumi-hooks environment'
_LARGEST = 16 << 20


def make_lock(spec: Spec, plan: Plan, main: Part, steps: Mapping[str, Part], pins: Mapping[str, Sequence[Any]],
              pythons: Mapping[str, Optional[str]]) -> Dict[str, Any]:
    """
    The lock for a spec that was resolved.

    :param steps: its steps by name; `main` has the name ''
    :param pins: by the same names the Python packages (wheels.Pin), `pythons` the modules of the interpreters
    :raises LumiHooksError: a recipe can't be read
    """
    site = plan.site
    modules = dict.fromkeys(module for part in (main, *steps.values()) for module in part.closure)
    nodes = {node.module: node for node in plan.nodes}
    return {
        'schema_version': 1, 'kind': KIND, 'name': spec.name, 'description': spec.description,
        'release': site.release.name, 'partition': site.partition, 'library': __version__,
        'modules': [_module(module, nodes.get(module), site) for module in modules],
        **_part(main, spec.content, pins.get('', ()), pythons.get('')),
        'steps': {name: {**_part(part, spec.steps[name], pins.get(name, ()), pythons.get(name)),
                         'commands': list(spec.steps[name].commands)} for name, part in steps.items()},
        'packed': any(pins.values()) if spec.packed is None else spec.packed,
    }


def _part(part: Part, content: Content, pins: Sequence[Any], python: Optional[str]) -> Dict[str, Any]:
    return {'asked': [os.path.basename(item) if os.path.isabs(item) else item for item in content.recipes],
            'targets': list(part.targets), 'variables': dict(content.variables),
            'python': {'requirements': list(content.python), 'interpreter': python,
                       'version': split(python)[1] if python else None,
                       'pins': [dict(pin._asdict()) for pin in pins]}}


def _module(module: str, node: Any, site: Site) -> Dict[str, Any]:
    """A module of the closure: what it is, and what it is made of."""
    name, version, suffix, toolchain = split(module)
    external = name in site.cray or (node is None and not site.index.module_file(module))
    found: Dict[str, Any] = {'module': module, 'name': name, 'version': version, 'versionsuffix': suffix,
                             'toolchain': list(toolchain), 'external': external, 'source': None, 'sha256': None,
                             'adapted': None}
    if node is not None and node.status == BUILD and node.source:
        adaptation = adapted(node, site)
        recipe = adaptation.recipe
        text = recipe.text if adaptation.status == UNCHANGED else render(with_checksums(adaptation), parse_recipe)
        found.update(source=recipe.filename, sha256=recipe.sha256, adapted=_digest(text))
    elif not external:
        root = root_of(site.index.module_text(module))
        try:
            installation = InstalledPackage.read(root) if root else None
        except LumiHooksError:
            installation = None  # of the central stack, and closed or without a recipe
        if installation and installation.recipe:
            record = installation.record or {}
            source = record.get('source') or record.get('recipe') or {}
            found.update(source=source.get('file'), sha256=source.get('sha256'),
                         adapted=_digest(read_text(installation.recipe)))
    return found


def _digest(text: str) -> str:
    """The SHA256 of a recipe's lines but comments: these name folders of one machine."""
    rows = [row.rstrip() for row in text.splitlines() if row.strip() and not row.startswith('#')]
    return hashlib.sha256('\n'.join(rows).encode('utf-8', 'surrogateescape')).hexdigest()


def lock_path(spec: str) -> str:
    """Where the lock of a spec lies: next to it."""
    return f'{os.path.splitext(spec)[0]}.lock.json'


def read_lock(path: str, below: Optional[str] = None) -> Dict[str, Any]:
    """
    A lock that was written.

    :param below: a folder that `path` is relative to
    :raises DataError: it can't be read, or is none
    """
    try:
        return checked(read_json(path, _LARGEST, below), path)
    except OSError as err:
        raise DataError(f'{path}: cannot be read ({err.strerror})') from err
    except ValueError as err:
        raise DataError(f'{path}:1: not valid JSON ({err})') from err


def checked(found: Any, path: str) -> Dict[str, Any]:
    """
    What is a lock.

    :raises DataError: it is none
    """
    fault = next(faults(found, schema('envlock')), None)
    if fault:
        raise DataError(f'{path}:1: no lock that this version of lumi-hooks reads: {fault}')
    return dict(found)


def as_text(lock: Mapping[str, Any]) -> str:
    """A lock as it is written."""
    return json.dumps(lock, indent=1) + '\n'


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> List[str]:
    """In what two locks differ, in words; empty where they are the same."""
    found = [f'{what}: {before[key] or "none"} → {after[key] or "none"}' for key, what in (
        ('release', 'release'), ('partition', 'partition')) if before[key] != after[key]]
    found += _parts(before, after, '')
    for name in dict.fromkeys((*before['steps'], *after['steps'])):
        if name not in before['steps'] or name not in after['steps']:
            found.append(f'step {name}: {"new" if name in after["steps"] else "gone"}')
        else:
            one, other = before['steps'][name], after['steps'][name]
            found += _parts(one, other, f'step {name}: ')
            if one['commands'] != other['commands']:
                found.append(f'step {name}: commands: {", ".join(one["commands"]) or "those of its recipes"} → '
                             f'{", ".join(other["commands"]) or "those of its recipes"}')
    found += _modules(before, after)
    if before['packed'] != after['packed']:
        found.append('packed: ' + ('now in one file' if after['packed'] else 'no longer in one file'))
    if before['description'] != after['description']:
        found.append('its description is another one')
    return found


def _modules(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Modules that came, went, or are made of something else."""
    one, other = ({item['module']: item for item in lock['modules']} for lock in (before, after))
    gone = [module for module in one if module not in other]
    new = [module for module in other if module not in one]
    for module in list(gone):
        key = (one[module]['name'], one[module]['versionsuffix'])
        same = next((item for item in new if (other[item]['name'], other[item]['versionsuffix']) == key), None)
        if same:
            gone.remove(module)
            new.remove(same)
            yield f'{module} → {same}'
    yield from (f'{module}: gone' for module in gone)
    yield from (f'{module}: new' for module in new)
    for module in one:
        if module not in other or None in (one[module]['adapted'], other[module]['adapted']):
            continue
        item, now = one[module], other[module]
        if item['sha256'] != now['sha256']:
            yield f'{module}: made of another recipe ({item["source"]}, {_short(item["sha256"])} → {now["source"]}, ' \
                  f'{_short(now["sha256"])})'
        elif item['adapted'] != now['adapted']:
            yield f'{module}: the same recipe, adapted in another way (another version of lumi-hooks, or an override)'


def _parts(one: Mapping[str, Any], other: Mapping[str, Any], where: str) -> Iterator[str]:
    """In what two environments, or two steps, differ beside the modules that they load."""
    for sign, these, those in (('no longer asked for', one, other), ('asked for', other, one)):
        names = [module for module in these['targets'] if module not in those['targets']]
        if where and names:
            yield f'{where}{sign}: {", ".join(names)}'
    if one['python']['interpreter'] != other['python']['interpreter']:
        yield f'{where}Python: {one["python"]["interpreter"] or "none"} → {other["python"]["interpreter"] or "none"}'
    pins = [{pin['name']: pin for pin in item['python']['pins']} for item in (one, other)]
    for name in sorted({*pins[0], *pins[1]}):
        versions = [known[name]['version'] if name in known else '' for known in pins]
        if not all(versions):
            yield f'{where}{name} {"".join(versions)}: {"new" if versions[1] else "gone"}'
        elif versions[0] != versions[1]:
            yield f'{where}{name} {versions[0]} → {versions[1]}'
        elif pins[0][name] != pins[1][name]:
            yield f'{where}{name} {versions[0]}: another file'
    for name in sorted({*one['variables'], *other['variables']}):
        values = [part['variables'].get(name) for part in (one, other)]
        if values[0] != values[1]:
            yield f'{where}${name}: {_value(values[0])} → {_value(values[1])}'


def _value(text: Optional[str]) -> str:
    return 'not set' if text is None else repr(text)


def _short(digest: Optional[str]) -> str:
    return (digest or 'unknown')[:12]


def totals(lock: Mapping[str, Any]) -> Tuple[int, int]:
    """How many modules an environment loads, and how many Python packages it adds."""
    return len(lock['modules']), len(lock['python']['pins'])
