# SPDX-License-Identifier: GPL-2.0-only
"""The data files: each against its schema, packages and codes against each other."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lumi_hooks import schemas
from lumi_hooks.cli import main
from lumi_hooks.data import ROOT, load_json
from lumi_hooks.errors import DataError
from lumi_hooks.packages import package, treatment
from lumi_hooks.plan.verdict import REASONS
from lumi_hooks.releases import (
    load_release,
    load_upstream,
    release_names,
)
from lumi_hooks.schemas.files import data_files, problems
from lumi_hooks.schemas.plain import faults

FILES = data_files()
# (release, module) that a package's data names and the release does not have; empty today
KNOWN_MISSING = frozenset()


@pytest.mark.parametrize('path', FILES)
def test_file_against_its_schema(path):
    assert problems(path) == []
    import jsonschema
    checker = jsonschema.Draft202012Validator(schemas.schema(schemas.kind_of(path)),
                                              format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    assert list(checker.iter_errors(load_json(path))) == []


@pytest.mark.parametrize('name, right', [
    ('typing-extensions', True), ('numpy', True), ('typing_extensions', False), ('Cython', False),
    ('ruamel.yaml', False), ('a--b', False), ('-a', False), ('', False)])
@pytest.mark.parametrize('path, place', [
    ('releases/python/3.11.7.json', ('packages',)),
    ('packages/hatchling.json', ('needs', 'Python', 'packages')),
    ('packages/SciPy-bundle.json', ('as_dependency', 'members', '2023.07')),
    ('packages/SciPy-bundle.json', ('as_dependency', 'helpers')),
    ('packages/SciPy-bundle.json', ('as_dependency', 'base')),
    ('requirements.json', ('packages',)), ('requirements.json', ('packages', 'h5py', '3.14.0'))])
def test_names_of_python_packages_are_normal(path, place, name, right):
    """They are compared with each other: two spellings of one name would be two packages (PEP 503)."""
    found = load_json(path)
    content = found
    for key in place:
        content = content[key]
    if isinstance(content, list):
        content[0] = name
    else:
        content[name] = content.pop(next(iter(content)))
    assert (not list(faults(found, schemas.schema(schemas.kind_of(path))))) is right


def test_all_kinds_are_there():
    # those of what users and installations have are no files of the library
    others = {'common', 'envbundle', 'envlock', 'envspec', 'failed', 'override', 'reading', 'record'}
    assert {schemas.kind_of(path) for path in FILES} == schemas.kinds() - others
    assert len(FILES) > 20


@pytest.mark.parametrize('kind', sorted({*map(schemas.kind_of, FILES), 'override'}))
def test_schema_is_valid_strict_and_described(kind):
    import jsonschema
    found = schemas.schema(kind)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found['$schema'] == 'https://json-schema.org/draft/2020-12/schema'

    def walk(node, where):
        if isinstance(node, dict):
            if node.get('type') == 'object':
                assert 'additionalProperties' in node, f'{kind}: {where} is open'
                assert node.get('description'), f'{kind}: {where} has no description'
            for name, entry in node.get('properties', {}).items():
                # conditions (if/then) speak of fields that are described elsewhere
                assert where.endswith('/if') or entry.get('description'), f'{kind}: {where}/{name} has no description'
            for key, value in node.items():
                walk(value, f'{where}/{key}')
        elif isinstance(node, list):
            for position, value in enumerate(node):
                walk(value, f'{where}/{position}')
    walk(found, '')


def test_a_file_without_a_schema_is_a_problem(tmp_path):
    (tmp_path / 'releases').mkdir()
    (tmp_path / 'releases' / 'weather.json').write_text('{}')
    assert data_files(str(tmp_path)) == ['releases/weather.json']
    found = problems('releases/weather.json', str(tmp_path))
    assert len(found) == 1 and 'no schema' in found[0]


@pytest.mark.parametrize('path, text, says', [
    ('packages/X.json', '{"name": "X", "as_dependency": {"verb": "drop", "reason": "r"}, "speed": 1}', 'speed'),
    ('packages/X.json', '{"name": "X", "as_dependency": {"verb": "melt", "reason": "r"}}', 'melt'),
    ('packages/X.json', '{"name": "X", "as_dependency": {"verb": "cray", "reason": "r"}}', 'as_dependency'),
    ('packages/X.json', '{"name": "X", "as_dependency": {"verb": "refuse", "reason": "r"}}', 'code'),
    ('packages/X.json', '{"name": "X", "as_dependency": {"verb": "drop"}}', 'reason'),
    ('packages/X.json', '{"name": "Y", "python": {"min": "3.9", "reason": "r"}}', 'named after "X"'),
    ('packages/X.json', '{"name": "X", "python": {"reason": "r"}}', 'python'),
    ('packages/X.json', '{"name": "X", "version": {"policy": "newest", "reason": "r"}}', 'newest'),
    ('packages/X.json', '{"name": "X", "name": "X"}', 'duplicate'),
    ('packages/X.json', '{"name": "X"', 'not valid JSON'),
    ('sites/lumi/versions/21.01.json', '{"release": "21.02", "source": "s", "libraries": {"a": ["1"]}}', 'named after'),
    ('sites/lumi/versions/21.01.json', '{"release": "21.01", "source": "s", "libraries": {"a": []}}', 'libraries/a'),
    ('releases/upstream.json', '[]', 'is no object'),
    ('failures.json', '{"failures": [{"kind": "a", "pattern": "(", "advice": "b"}]}', 'failures/0/pattern'),
    ('sites/lumi/jobs.json', '{"source": "s", "partitions": {"G": {"queue": "q", "cores": 0}}}', 'partitions/G/cores'),
])
def test_what_a_schema_rejects(tmp_path, path, text, says):
    full = tmp_path / path
    full.parent.mkdir(parents=True, exist_ok=True)
    full.write_text(text)
    found = problems(path, str(tmp_path))
    assert found and any(says in line for line in found), found
    assert all(path in line for line in found)


@pytest.mark.parametrize('path', FILES)
def test_the_library_checks_what_it_reads(path):
    """Without jsonschema, which is not there inside `eb`: by a check that knows all keywords of the schema."""
    assert schemas.checked(path) == load_json(path)


def test_data_is_read_through_the_check():
    unchecked = {path for path in Path(ROOT).rglob('*.py') if 'load_json(' in path.read_text(encoding='utf-8')}
    assert {str(path.relative_to(ROOT)) for path in unchecked} == \
        {'data.py', 'schemas/__init__.py', 'schemas/files.py', 'prefix/overrides.py'}, \
        'schemas.checked says what is wrong with a file'


def test_a_pattern_that_is_none():
    found = list(faults({'pattern': '('}, {'properties': {'pattern': {'type': 'string', 'format': 'regex'}}}))
    assert len(found) == 1 and found[0].startswith("pattern: '(' is no regular expression (")
    with pytest.raises(ValueError, match='format uri'):
        list(faults('x', {'format': 'uri'}))


def test_command(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'jsonschema', None)
    assert main(['check-data']) == 0
    assert f'{len(FILES)} data files, no problems' in capsys.readouterr().out
    monkeypatch.chdir(ROOT)
    assert main(['check-data', 'packages/HDF5.json']) == 0
    assert capsys.readouterr().out == '1 data file, no problems\n'


def test_command_on_overrides(tmp_path, capsys):
    """A user's file, in any folder, is told all that is wrong with it."""
    mine = tmp_path / 'mine' / 'Thing.json'
    mine.parent.mkdir()
    mine.write_text('{"name": "Other", "colour": 1, "overrides": []}')
    assert main(['check-data', str(mine)]) == 1
    out = capsys.readouterr().out
    assert out.count(str(mine)) == 3 and 'named after "Thing"' in out and '"colour" is no key' in out
    mine.write_text('{"name": "Thing", "overrides": [{"reason": "r", "patches": ["no.patch"]}]}')
    assert main(['check-data', '--json', str(mine), str(tmp_path / 'nowhere.json')]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found['files'] == [str(mine), str(tmp_path / 'nowhere.json')] and len(found['problems']) == 2
    assert 'no.patch cannot be read' in found['problems'][0] and 'cannot be read' in found['problems'][1]
    (mine.parent / 'no.patch').write_text('---\n')
    assert main(['check-data', str(mine)]) == 0


def test_library_needs_no_jsonschema():
    code = 'import sys, lumi_hooks.adapt, lumi_hooks.schemas; sys.exit("jsonschema" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], cwd=os.path.dirname(ROOT), check=False).returncode == 0


def test_duplicate_keys_are_rejected(tmp_path):
    path = tmp_path / 'twice.json'
    path.write_text('{"outer": {"zlib": 1, "zlib": 2}}')
    with pytest.raises(DataError, match=r'twice\.json: duplicate key "zlib"'):
        load_json(str(path))


def test_whole_numbers_are_whole(tmp_path):
    """To JSON they are the same, to range() they are not."""
    path = tmp_path / 'numbers.json'
    path.write_text('[2.0, 2.5, 1e2, 1e999, "2.0"]')
    assert list(map(repr, load_json(str(path)))) == ['2', '2.5', '100', 'inf', "'2.0'"]


@pytest.mark.parametrize('text, says', [('{', 'not valid JSON'), (None, 'cannot be read')])
def test_unreadable_data_is_named(tmp_path, text, says):
    path = tmp_path / 'broken.json'
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=rf'broken\.json: {says}'):
        load_json(str(path))


# --- packages

PACKAGES = [path[len('packages/'):-5] for path in FILES if schemas.kind_of(path) == 'package']


def _needed():
    """(package, modules that its data names)."""
    for name in PACKAGES:
        entry = package(name).get('as_dependency', {})
        for module in [*entry.get('serial', ()), *entry.get('parallel', ())]:
            yield name, module


@pytest.mark.parametrize('name, module', sorted(set(_needed())))
@pytest.mark.parametrize('release', release_names())
def test_modules_of_packages_exist_in_every_release(name, module, release):
    assert (module in load_release(release).modules) != ((release, module) in KNOWN_MISSING), \
        f'packages/{name}.json names {module}, which release {release} does not have'


@pytest.mark.parametrize('name, module', sorted(set(_needed())))
def test_modules_of_packages_say_what_they_provide(name, module):
    # netCDF needs the HDF5 module beneath it, so not every module provides the package itself
    known = load_json('releases/modules.json')['modules']
    assert module in known
    entry = package(name)['as_dependency']
    for flavour in ('serial', 'parallel'):
        if entry.get(flavour):
            assert any(name in known[item]['provides'] for item in entry[flavour]), f'{name} {flavour}'


def test_no_package_is_in_two_groups_and_members_are_sorted():
    seen = {}
    for group, entry in load_json('packages/groups.json')['groups'].items():
        for member in entry['members']:
            assert member not in seen, f'{member} is in {group} and {seen[member]}'
            seen[member] = group


def test_a_package_is_not_in_a_group_and_a_file_at_once():
    members = {member for entry in load_json('packages/groups.json')['groups'].values() for member in entry['members']}
    both = {name for name in PACKAGES if 'as_dependency' in package(name)} & members
    assert not both, f'the group\'s entry is never used for {both}: remove them from it'


@pytest.mark.parametrize('name', PACKAGES)
def test_package_file_is_read_under_its_name(name):
    assert package(name)['name'] == name


def test_unknown_package_has_no_data():
    assert package('NoSuchThing') == {} and treatment('NoSuchThing') is None
    assert package('../releases/machine') == {}


def test_group_modules_use_known_templates():
    for entry in load_json('packages/groups.json')['groups'].values():
        if 'module' in entry:
            entry['module']['versionsuffix'].format(python_minor='3.11', setuptools='')
            assert entry['module']['version'] == '%(toolchain_version)s'


def test_a_file_of_another_name_is_an_error(tmp_path, monkeypatch):
    from lumi_hooks import data, packages
    (tmp_path / 'packages').mkdir()
    (tmp_path / 'packages' / 'Mine.json').write_text(
        '{"name": "Yours", "version": {"policy": "exact", "reason": "why"}}')
    monkeypatch.setattr(packages, 'ROOT', str(tmp_path))
    monkeypatch.setattr(packages, '_files', packages._files.__wrapped__)
    monkeypatch.setattr(data, 'ROOT', str(tmp_path))
    with pytest.raises(DataError, match='its name is "Yours", the file says "Mine"'):
        packages.package.__wrapped__('Mine')


def test_unknown_verb_is_an_error():
    entry = {'name': 'Mine', 'as_dependency': {'verb': 'melt', 'reason': 'why'}}
    assert 'as_dependency/verb: \'melt\' is none of cray' in next(faults(entry, schemas.schema('package')))


def test_each_package_is_in_one_group():
    named = [name for group in load_json('packages/groups.json')['groups'].values() if not group.get('operating_system')
             for name in group['members']]
    assert len(named) == len(set(named))


def _codes():
    """Every code of a refusal: those of the data, and those that the library's own source names."""
    found = {entry['code'] for data in (load_upstream()['families'], load_json('packages/groups.json')['groups'])
             for entry in data.values() if 'code' in entry}
    for folder, _, names in os.walk(ROOT):
        for name in names:
            if name.endswith('.py'):
                with open(os.path.join(folder, name), encoding='utf-8') as stream:
                    found.update(re.findall(r"\b(?:Refusal|Block)\(\s*'([a-z-]+)'", stream.read()))
    return sorted(found)


def test_codes_are_found():
    assert {'cuda', 'two-versions', 'no-recipe', 'release', 'partition', 'intel', 'circle'} <= set(_codes())


@pytest.mark.parametrize('code', sorted({*_codes(), *REASONS}))
def test_every_refusal_has_a_meaning_and_is_documented(code):
    assert REASONS.get(code), f'verdict.REASONS does not say what {code} means'
    with open(os.path.join(os.path.dirname(ROOT), 'docs', 'refusals.md'), encoding='utf-8') as stream:
        assert f'`{code}`' in stream.read(), f'docs/refusals.md does not explain {code}'


def test_what_schemas_share_is_used_by_several():
    """common.schema.json holds nothing that is named only once, and each name leads somewhere."""
    texts = [path.read_text() for path in (Path(ROOT) / 'schemas').glob('*.schema.json')]
    for name in schemas._read('common')['$defs']:
        assert sum(text.count(f'common.schema.json#/$defs/{name}"') for text in texts) > 1, name
    with pytest.raises(KeyError):
        schemas._filled({'items': {'$ref': 'common.schema.json#/$defs/nothing'}})
