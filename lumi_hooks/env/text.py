# SPDX-License-Identifier: GPL-2.0-only
"""
Reads YAML, JSON and TOML as plain data, and remembers which line each value is in.

Of YAML only what JSON has too is taken: no tags, no aliases, no duplicate keys. Nodes are composed by PyYAML and made
into values here, so that nothing of the text is ever constructed as an object of Python. Numbers with a point stay
text: "release: 25.10" is no number. Standard library alone, but for YAML: PyYAML is taken from where EasyBuild has it.
"""
import json
import os
import re
from typing import Any, Callable, Dict, Iterator, List, Tuple

from ..errors import DataError
from ..files import DEEPEST, parse_json, read_bytes

# bytes of a file that people write by hand
_LARGEST = 1 << 20
# (key or number of an entry, …) -> line, from 1
Lines = Dict[Tuple[Any, ...], int]
YAML, JSON, TOML = ('.yaml', '.yml'), ('.json',), ('.toml',)
ENDINGS = YAML + JSON + TOML


def read(path: str) -> Tuple[Any, Lines, str]:
    """
    What a file holds, the lines of its values, and its text.

    :raises DataError: it can't be read; the message begins with FILE:LINE where the line is known
    """
    ending = os.path.splitext(path)[1].lower()
    if ending not in ENDINGS:
        raise DataError(f'{path}: its name has to end in .yaml, .json or .toml')
    try:
        text = read_bytes(path, _LARGEST).decode('utf-8')
    except OSError as err:
        raise DataError(f'{path}: cannot be read ({err.strerror})') from err
    except UnicodeDecodeError as err:
        raise DataError(f'{path}: not a text in UTF-8 (byte {err.start})') from err
    reader: Callable[[str, str], Tuple[Any, Lines]] = _yaml if ending in YAML else _json if ending in JSON else _toml
    try:
        return (*reader(path, text), text)
    except RecursionError:
        raise DataError(f'{path}: it is nested too deeply') from None


def _yaml(path: str, text: str) -> Tuple[Any, Lines]:
    try:
        from yaml import SafeLoader, YAMLError
        from yaml.events import AliasEvent
        from yaml.nodes import MappingNode, ScalarNode
    except ImportError:
        raise DataError(f'{path}: this Python has no PyYAML (EasyBuild\'s module brings it): load the module '
                        'EasyBuild-user, or write the same as JSON') from None
    lines: Lines = {}

    def wrong(mark: Any, what: str) -> DataError:
        return DataError(f'{path}:{mark.line + 1 if mark else 1}: {what}')

    class Loader(SafeLoader):
        """Composes nodes without aliases."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(AliasEvent):
                event = self.peek_event()
                raise wrong(event.start_mark, f'*{event.anchor} repeats another part: write it out')
            return super().compose_node(parent, index)

    def value(node: Any, place: Tuple[Any, ...]) -> Any:
        lines.setdefault(place, node.start_mark.line + 1)
        if len(place) > DEEPEST:
            raise wrong(node.start_mark, 'it is nested too deeply')
        if not node.tag.startswith('tag:yaml.org,2002:') or node.tag.rpartition(':')[2] not in (
                'map', 'seq', 'str', 'int', 'float', 'bool', 'null', 'timestamp', 'merge', 'value'):
            raise wrong(node.start_mark, f'the tag {node.tag} is not allowed: write plain values')
        if isinstance(node, ScalarNode):
            return scalar(node)
        if not isinstance(node, MappingNode):
            return [value(item, (*place, number)) for number, item in enumerate(node.value)]
        found: Dict[str, Any] = {}
        for key, item in node.value:
            if not isinstance(key, ScalarNode) or key.tag.endswith(':merge'):
                raise wrong(key.start_mark, 'a key has to be a word')
            if key.value in found:
                raise wrong(key.start_mark, f'duplicate key "{key.value}": remove one of them')
            inner = (*place, key.value)
            lines[inner] = key.start_mark.line + 1
            found[key.value] = value(item, inner)
        return found

    def scalar(node: Any) -> Any:
        kind = node.tag.rpartition(':')[2]
        if kind == 'bool':
            return node.value.lower() in ('true', 'yes', 'on')
        if kind == 'null':
            return None
        return int(node.value) if kind == 'int' and re.fullmatch(r'[-+]?(0|[1-9]\d{0,18})', node.value) else node.value

    loader = None
    try:
        loader = Loader(text)
        node = loader.get_single_node()
        return (value(node, ()) if node is not None else None), lines
    except YAMLError as err:
        mark = getattr(err, 'problem_mark', None) or getattr(err, 'context_mark', None)
        raise wrong(mark, f'not valid YAML ({getattr(err, "problem", None) or "a character that YAML does not allow"})'
                    ) from None
    finally:
        if loader is not None:
            loader.dispose()


def _json(path: str, text: str) -> Tuple[Any, Lines]:
    def unique(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
        for number, (key, _) in enumerate(pairs):
            if any(key == other for other, _ in pairs[:number]):
                places = [match.start() for match in re.finditer(re.escape(json.dumps(key)) + r'\s*:', text)]
                line = text.count('\n', 0, places[1]) + 1 if len(places) > 1 else 1
                raise DataError(f'{path}:{line}: duplicate key "{key}": remove one of them')
        return dict(pairs)

    try:
        parse_json(text.encode())  # bounds depth and digits
        found = json.loads(text, object_pairs_hook=unique, parse_float=str)
    except json.JSONDecodeError as err:
        raise DataError(f'{path}:{err.lineno}: not valid JSON ({err.msg})') from None
    except ValueError as err:
        raise DataError(f'{path}: {err}') from None
    return found, dict(_searched(found, text, r'"\s*:'))


def _toml(path: str, text: str) -> Tuple[Any, Lines]:
    try:
        import tomllib
    except ImportError:
        raise DataError(f'{path}: TOML is read by Python 3.11 and newer: write the same as YAML or JSON') from None
    try:
        found = tomllib.loads(text, parse_float=str)
    except tomllib.TOMLDecodeError as err:
        line = re.search(r'line (\d+)', str(err))
        raise DataError(f'{path}:{line[1] if line else text.count(chr(10)) + 1}: not valid TOML ({err})') from None
    return found, dict(_searched(found, text, r'"?\s*[=\].]'))


def _searched(found: Any, text: str, behind: str) -> Iterator[Tuple[Tuple[Any, ...], int]]:
    """
    The lines of values, looked for in the order in which the text has them: neither format's reader tells them.

    :param behind: what follows a key, a regular expression
    """
    def walk(value: Any, place: Tuple[Any, ...], start: int) -> Iterator[Tuple[Tuple[Any, ...], int, int]]:
        yield place, text.count('\n', 0, start) + 1, start
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, item in items:
            pattern = rf'(?<![\w-]){re.escape(str(key))}{behind}' if isinstance(value, dict) else \
                re.escape(item if isinstance(item, str) else str(item).lower())
            match = re.compile(pattern).search(text, start)
            inner = match.start() if match else start
            for below in walk(item, (*place, key), inner):
                yield below
                # the next entry of a list is not before this one; keys of an object may be in any order
                start = below[2] + 1 if isinstance(value, list) and match else start

    return ((place, line) for place, line, _ in walk(found, (), 0))


def quoted(word: str) -> str:
    """A word in the quotes that YAML and JSON share."""
    return json.dumps(word)
