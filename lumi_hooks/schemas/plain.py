# SPDX-License-Identifier: GPL-2.0-only
"""
Checks data against a JSON Schema with the standard library alone: users' files are read inside `eb`.

It knows the keywords that the schemas in this folder use, and refuses a schema that uses another one. A test compares
it with jsonschema, which may not be imported there.
"""
import re
from typing import Any, Iterator, Mapping

_TYPES = {'object': dict, 'array': list, 'string': str, 'boolean': bool, 'null': type(None)}
_SAID = {'title', 'description', '$schema'}
_KNOWN = _SAID | {'type', 'enum', 'const', 'not', 'anyOf', 'oneOf', 'allOf', 'if', 'then', 'else', 'pattern',
                  'format', 'minLength', 'minimum', 'maximum', 'items', 'minItems', 'maxItems', 'uniqueItems',
                  'properties', 'required', 'dependentRequired', 'additionalProperties', 'propertyNames',
                  'minProperties', 'maxProperties'}


def faults(value: Any, schema: Mapping[str, Any], place: str = 'top level') -> Iterator[str]:
    """
    What is wrong with a value, as sentences that name the place.

    :raises ValueError: the schema uses a keyword that is not known here
    """
    unknown = set(schema) - _KNOWN
    if unknown:
        raise ValueError(f'the schema uses {", ".join(sorted(unknown))}, which is not known here')
    types = schema.get('type')
    if types and not any(_is(value, name) for name in ([types] if isinstance(types, str) else types)):
        yield f'{place}: {_short(value)} is no {types if isinstance(types, str) else " or ".join(types)}'
        return
    if 'enum' in schema and not any(_equal(value, one) for one in schema['enum']):
        yield f'{place}: {_short(value)} is none of {", ".join(map(str, schema["enum"]))}'
    if 'const' in schema and not _equal(value, schema['const']):
        yield f'{place}: {_short(value)} is not {schema["const"]!r}'
    for one in schema.get('allOf', ()):
        yield from faults(value, one, place)
    if 'if' in schema:
        branch = 'else' if list(faults(value, schema['if'], place)) else 'then'
        yield from faults(value, schema.get(branch, {}), place)
    if 'not' in schema and not list(faults(value, schema['not'], place)):
        yield f'{place}: {_short(value)} is not allowed here'
    for word in (word for word in ('anyOf', 'oneOf') if word in schema):
        tried = [list(faults(value, one, place)) for one in schema[word]]
        if all(tried):
            yield min(tried, key=len)[0]
        elif word == 'oneOf' and tried.count([]) > 1:
            yield f'{place}: {_short(value)} is more than one of the things that it may be'
    if _is(value, 'number') and not schema.get('minimum', value) <= value <= schema.get('maximum', value):
        yield f'{place}: {value} is out of bounds'
    if isinstance(value, str):
        yield from _text(value, schema, place)
    elif isinstance(value, list):
        yield from _array(value, schema, place)
    elif isinstance(value, dict):
        yield from _object(value, schema, place)


def _text(value: str, schema: Mapping[str, Any], place: str) -> Iterator[str]:
    if len(value) < schema.get('minLength', 0):
        yield f'{place}: it is empty'
    if 'pattern' in schema and not re.search(schema['pattern'], value):
        yield f'{place}: {_short(value)} does not match what is expected there ({schema["pattern"]})'
    if schema.get('format', 'regex') != 'regex':
        raise ValueError(f'the schema uses the format {schema["format"]}, which is not known here')
    if 'format' in schema:
        try:
            re.compile(value)
        except re.error as err:
            yield f'{place}: {_short(value)} is no regular expression ({err})'


def _array(value: list, schema: Mapping[str, Any], place: str) -> Iterator[str]:
    if len(value) < schema.get('minItems', 0):
        yield f'{place}: it has {len(value)} entries, and needs {schema["minItems"]}'
    if len(value) > schema.get('maxItems', len(value)):
        yield f'{place}: it has more than {schema["maxItems"]} entries'
    if schema.get('uniqueItems') and any(_equal(one, other) for number, one in enumerate(value)
                                         for other in value[:number]):
        yield f'{place}: duplicate entry'
    for number, item in enumerate(value):
        if 'items' in schema:
            yield from faults(item, schema['items'], f'{place}/{number}')


def _object(value: Mapping[str, Any], schema: Mapping[str, Any], place: str) -> Iterator[str]:
    if len(value) < schema.get('minProperties', 0):
        yield f'{place}: it has {len(value)} keys, and needs {schema["minProperties"]}'
    if len(value) > schema.get('maxProperties', len(value)):
        yield f'{place}: it holds more than {schema["maxProperties"]} keys'
    for name in schema.get('required', ()):
        if name not in value:
            yield f'{place}: "{name}" is missing'
    for name, others in schema.get('dependentRequired', {}).items():
        for other in others if name in value else ():
            if other not in value:
                yield f'{place}: "{other}" is missing, which "{name}" needs'
    others = schema.get('additionalProperties', True)
    for name, item in value.items():
        below = name if place == 'top level' else f'{place}/{name}'
        if 'propertyNames' in schema:
            yield from faults(name, schema['propertyNames'], place)
        if name in schema.get('properties', {}):
            yield from faults(item, schema['properties'][name], below)
        elif others is False:
            yield f'{place}: "{name}" is no key of it (known are {", ".join(schema.get("properties", {}))})'
        elif others is not True:
            yield from faults(item, others, below)


def _is(value: Any, name: str) -> bool:
    if name == 'integer':
        return isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value) \
            if value not in (float('inf'), float('-inf')) and value == value else False
    if name == 'number':
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, _TYPES[name])


def _equal(one: Any, other: Any) -> bool:
    """Are two values the same to JSON? To Python, true and 1 are."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    return bool(one == other)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:56] + ' ...'
