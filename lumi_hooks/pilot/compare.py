# SPDX-License-Identifier: GPL-2.0-only
"""Judges what was assumed of LUMI by the facts of a probe: a small function for each way of comparing."""
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..errors import DataError
from ..releases import default_release, load_release, release_names
from ..schemas import checked
from ..versions import version_key
from .probe import Probe

DATA = 'pilot/assumptions.json'
RIGHT, WRONG, MISSING = 'as assumed', 'differs', 'not brought'


@dataclass(frozen=True)
class Fact:
    """One assumption, judged."""
    id: str
    state: str
    assumed: str
    file: str
    key: Optional[str]
    node: str
    probe: str
    present: List[str]
    found: List[str]
    why: str
    otherwise: str


def assumptions() -> Sequence[Mapping[str, Any]]:
    """All that is assumed (pilot/assumptions.json), as it stands there."""
    found: Sequence[Mapping[str, Any]] = _data(DATA)['assumptions']
    return found


@lru_cache(maxsize=None)
def _data(path: str) -> Any:
    """One of the library's data files, checked once."""
    return checked(path)


def judge(probe: Probe) -> List[Fact]:
    """Each assumption, judged by what a probe brought, in the order of the data."""
    release = probe.get('login', {}).get('probe.release', '')
    if release not in release_names():
        # somebody else's text: it is not to become a part of a path
        release = default_release().name
    return [_judge(one, item, release, probe) for one in assumptions() for item in _items(one)]


def expected(assumption: Mapping[str, Any], item: str = '', release: str = '') -> List[str]:
    """
    What the data says today, as lines.

    :param item: the release, module or Python that this is about (`each`)
    :param release: the release of the probe; without it the default one
    :raises DataError: the place that the assumption names is not there
    """
    release = release or default_release().name
    if assumption['compare'] in ('absent', 'present'):
        return [{'absent': '(nothing)', 'present': '(something)'}[assumption['compare']]]
    if 'value' in assumption:
        value = assumption['value']
    else:
        where = assumption['where']
        path = _fill(where['file'], item, release)
        value = _data(path[len('lumi_hooks/'):])
        for part in _fill(where['key'], item, release).split('/'):
            try:
                value = value[int(part)] if isinstance(value, list) else value[part]
            except (KeyError, IndexError, ValueError, TypeError):
                raise DataError(f'{DATA}: {assumption["id"]}: {path} has no {where["key"]}') from None
    return [_fill(assumption.get('as', '{}'), item, release).replace('{}', line) for line in _lines(value)]


def _lines(value: Any) -> List[str]:
    """Data as lines: entries of a list; name/version of an object of modules, its names where there are no texts."""
    if isinstance(value, dict):
        return [f'{name}/{one}' if isinstance(one, str) and one else f'{name}=={one["version"]}'
                if isinstance(one, dict) and one.get('version') else name for name, one in value.items()]
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _fill(text: str, item: str, release: str) -> str:
    return text.replace('{item}', item).replace('{release}', release)


def _items(assumption: Mapping[str, Any]) -> List[str]:
    """What an assumption is repeated for; one empty name where it stands alone."""
    each = assumption.get('each')
    if each == 'release':
        return [name for name in release_names() if load_release(name).installation == 'native']
    if each == 'module':
        return list(_data('releases/modules.json')['modules'])
    if each == 'python':
        folder = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'releases', 'python')
        return sorted(name[:-len('.json')] for name in os.listdir(folder) if name.endswith('.json'))
    return ['']


def _judge(assumption: Mapping[str, Any], item: str, release: str, probe: Probe) -> Fact:
    key = _fill(assumption['probe'], item, release)
    facts = probe.get(assumption['node'], {})
    present = expected(assumption, item, release)
    value = facts.get(key)
    if value is None or facts.get(f'{key}.exit') in ('124', '137'):
        # 124 and 137: ended by its time limit
        state, found = MISSING, []
    else:
        differing = COMPARISONS[assumption['compare']](present, value)
        state = RIGHT if not differing else WRONG
        found = list(differing) if differing else value.split('\n')
    where = assumption['where']

    def filled(text: str) -> str:
        return _fill(text, item, release)

    return Fact(f'{assumption["id"]}@{item}' if item else assumption['id'], state, filled(assumption['assumed']),
                filled(where['file']), filled(where['key']) if 'key' in where else None, assumption['node'], key,
                present, found, filled(assumption['why']), assumption['otherwise'])


# ---- ways of comparing: expected lines and the value found -> what differs, told in lines; empty where nothing does

def _equal(present: Sequence[str], found: str) -> List[str]:
    return [] if found.strip() == present[0] else [_shown(found)]


def _version(present: Sequence[str], found: str) -> List[str]:
    """The version found begins with the parts of the one assumed: 14 is 14.2.0."""
    wanted = version_key(present[0])
    return [] if _found_version(found)[:len(wanted)] == wanted else [_shown(found)]


def _at_least(present: Sequence[str], found: str) -> List[str]:
    return [] if _found_version(found) >= version_key(present[0]) else [_shown(found)]


def _found_version(found: str) -> Tuple:
    # no version is that long, and Python refuses numbers of many digits
    return version_key(found.strip()[:60])


def _contains(present: Sequence[str], found: str) -> List[str]:
    """Each is a line of what was found, or the first word of one."""
    lines = set(found.split('\n')) | {line.split()[0] for line in found.split('\n') if line.split()}
    return [_instead(one, lines) for one in present if one not in lines]


def _packages(present: Sequence[str], found: str) -> List[str]:
    """The same for Python packages, whose names are compared as PEP 503 says; without a version any will do."""
    lines = {_normal(line) for line in found.split('\n')}
    lines |= {line.partition('==')[0] for line in lines}
    return [_instead(one, lines) for one in map(_normal, present) if one not in lines]


def _set(present: Sequence[str], found: str) -> List[str]:
    lines = {line for line in found.split('\n') if line}
    return [*(f'no {one}' for one in present if one not in lines),
            *(f'also {one}' for one in sorted(lines - set(present)))]


def _mentions(present: Sequence[str], found: str) -> List[str]:
    return [f'no {one} in: {_shown(found)}' for one in present if one not in found]


def _matches(present: Sequence[str], found: str) -> List[str]:
    return [_shown(found) for one in present if not re.search(one, found, re.MULTILINE)][:1]


def _lacks(present: Sequence[str], found: str) -> List[str]:
    return [line for line in found.split('\n') if any(re.search(one, line) for one in present)]


def _absent(present: Sequence[str], found: str) -> List[str]:
    return [_shown(found)] if found.strip() else []


def _there(present: Sequence[str], found: str) -> List[str]:
    return [] if found.strip() else [_shown(found)]


COMPARISONS: Dict[str, Callable[[Sequence[str], str], List[str]]] = {
    'equal': _equal, 'version': _version, 'at-least': _at_least, 'contains': _contains, 'packages': _packages,
    'set': _set, 'mentions': _mentions, 'matches': _matches, 'lacks': _lacks, 'absent': _absent, 'present': _there}


def _shown(found: str) -> str:
    return ' | '.join(line.strip() for line in found.split('\n') if line.strip())[:400] or '(nothing)'


def _normal(line: str) -> str:
    name, mark, version = line.strip().partition('==')
    return re.sub(r'[-_.]+', '-', name).lower() + mark + version


def _instead(one: str, lines: Iterable[str]) -> str:
    """What was found instead of a name with a version: other versions of that name."""
    name, mark, _ = one.partition('/') if '/' in one else one.partition('==')
    others = sorted(line for line in lines if mark and line.startswith(name + mark))
    return f'no {one}' + (f' (found: {", ".join(others[:6])})' if others else '')
