# SPDX-License-Identifier: GPL-2.0-only
"""What users change of recipes: overrides, found, checked, chosen and applied; and the small schema checker."""
import copy
import hashlib
import json
import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from writing import put_recipe, recipe_text

from lumi_hooks import schemas
from lumi_hooks.adapt import ADAPTED, REFUSED, UNCHANGED, adapt
from lumi_hooks.change import Change
from lumi_hooks.cli import diff
from lumi_hooks.dependency import Dependency
from lumi_hooks.errors import DataError
from lumi_hooks.prefix.overrides import Overrides, overrides_of
from lumi_hooks.recipe import parse_recipe, read_recipe
from lumi_hooks.render import render
from lumi_hooks.schemas.files import problems
from lumi_hooks.schemas.plain import faults
from lumi_hooks.site import make_site
from lumi_hooks.store import Store

SCHEMA = schemas.schema('override')
GOOD = {'name': 'Thing', 'overrides': [
    {'reason': 'all of ours', 'parameters': {'configopts': {'append': '--all'}, 'parallel': 4, 'runtest': False,
                                             'toolchainopts': {'update': {'pic': True}}}},
    {'reason': 'this version', 'link': 'https://example.org', 'version': '1.0', 'group': 'licensed',
     'patches': ['fix.patch', {'name': 'more.patch', 'level': 0}], 'dependencies': {'zlib': '1.2.13', 'Old': None},
     'builddependencies': {'Bison': {'version': '3.8', 'versionsuffix': '-x'}}},
    {'reason': 'with this compiler', 'version': '1.0', 'toolchain': 'cpeGNU', 'license_file': '27000@licences',
     'parameters': {'configopts': {'append': '--gnu'}, 'postinstallcmds': ['true']}},
    {'reason': 'of one release', 'toolchain': 'cpeGNU/25.03', 'parameters': {'runtest': 'check'}}]}


@pytest.fixture
def put(tmp_path):
    """Writes a file of overrides with its patches: put(content, folder)."""
    def write(content, folder='prefix/overrides'):
        place = tmp_path / folder
        place.mkdir(parents=True, exist_ok=True)
        for entry in content.get('overrides', ()):
            for patch in entry.get('patches', ()):
                name = patch if isinstance(patch, str) else patch['name']
                (place / name).write_text(f'--- {name}\n')
        path = place / f'{content["name"]}.json'
        path.write_text(json.dumps(content))
        return str(path)
    return write


@pytest.fixture
def site_with(put, tmp_path):
    """A site whose prefix holds a file of overrides with these entries."""
    def make(*entries, name='Thing'):
        put({'name': name, 'overrides': list(entries)})
        prefix = str(tmp_path / 'prefix')
        return replace(make_site(prefix=prefix, env={}), overrides=overrides_of([prefix], {}))
    return make


def of(adaptation, parameter):
    """The changes of a parameter by overrides."""
    return [change for change in adaptation.changes if change.rule == 'override' and change.parameter == parameter]


# --- files

def test_good_file(put):
    path = put(GOOD)
    found = Overrides([os.path.dirname(path)]).of('Thing')
    assert [item.entry['reason'] for item in found] == [entry['reason'] for entry in GOOD['overrides']]
    assert found[1].patches[0].sha256 == hashlib.sha256(b'--- fix.patch\n').hexdigest()
    assert found[1].reason == f'this version ({path})' and found[1].link == 'https://example.org'
    assert problems('overrides/Thing.json', os.path.dirname(os.path.dirname(path))) == []
    folder = [os.path.dirname(path)]
    assert Overrides(folder).mention('Thing') and not Overrides(folder).mention('Other')
    assert not Overrides().mention('Thing') and not Overrides(folder).mention('../overrides/Thing')
    assert Overrides([os.path.dirname(path)]).of('Other') == () and Overrides().of('Thing') == ()
    assert Overrides([os.path.dirname(path)]).of('../overrides/Thing') == ()


@pytest.mark.parametrize('text, says', [
    ('{"name": "Thing", "name": "Thing"}', 'duplicate'),
    ('{"name": "Thing"', 'not valid JSON'),
    ('[]', 'top level: \\[\\] is no object'),
    ('{"name": "Thing"}', '"overrides" is missing'),
    ('{"name": "Other", "overrides": [{"reason": "r", "group": "g"}]}', 'named after "Thing"'),
    ('{"name": "Thing", "overrides": []}', 'it has 0 entries'),
    ('{"name": "Thing", "overrides": [{"group": "g", "version": "1"}]}', '"reason" is missing'),
    ('{"name": "Thing", "overrides": [{"reason": "r"}]}', 'overrides/0: it has 1 keys, and needs 2'),
    ('{"name": "Thing", "overrides": [{"reason": "r", "patches": ["../x.patch"]}]}', 'overrides/0/patches/0'),
    ('{"name": "Thing", "overrides": [{"reason": "r", "patches": ["gone.patch"]}]}', 'gone.patch cannot be read'),
    ('{"name": "Thing", "overrides": [{"reason": "r", "parameters": {"version": "2"}}]}', 'not allowed here'),
    ('{"name": "Thing", "overrides": [{"reason": "r", "parameters": {"easyblock": "X"}}]}', 'not allowed here'),
    ('{"name": "Thing", "overrides": [{"reason": "r", "parameters": {"local_x": null}}]}', 'parameters/local_x'),
    ('{"name": "Thing", "overrides": [{"reason": "r", "speed": 1}]}', '"speed" is no key'),
])
def test_wrong_file(tmp_path, text, says):
    (tmp_path / 'Thing.json').write_text(text)
    overrides = Overrides([str(tmp_path)])
    with pytest.raises(DataError, match=says) as caught:
        overrides.of('Thing')
    assert str(tmp_path / 'Thing.json') in str(caught.value)
    assert overrides.names() == ['Thing']
    # it concerns no other package
    assert overrides.of('Other') == ()


def test_where_they_are_looked_for(put, tmp_path):
    for folder in ('own/overrides', 'project/overrides', 'repository/overrides', 'flat'):
        put({'name': 'Thing', 'overrides': [{'reason': folder, 'group': 'g'}]}, folder)
    env = {'LUMI_HOOKS_OVERRIDES': f'{tmp_path}/repository:{tmp_path}/flat::/nowhere'}
    found = overrides_of([str(tmp_path / 'own'), str(tmp_path / 'project'), str(tmp_path / 'none')], env)
    assert [item.entry['reason'] for item in found.of('Thing')] == [
        'repository/overrides', 'flat', 'own/overrides', 'project/overrides']
    assert found.names() == ['Thing'] and overrides_of([str(tmp_path / 'none')], {}).names() == []


def test_which_one_counts(put):
    near = put(GOOD, 'near')
    far = put({'name': 'Thing', 'overrides': [{'reason': 'far', 'version': '1.0', 'toolchain': 'cpeGNU/25.03',
                                               'group': 'far'},
                                              {'reason': 'far, plain', 'group': 'far'}]}, 'far')
    found = Overrides([os.path.dirname(near), os.path.dirname(far)])

    def reasons(version, toolchain):
        return [item.entry['reason'] for item in found.fitting('Thing', version, toolchain)]
    # version and toolchain, version, toolchain, name; of equal ones the nearer
    assert reasons('1.0', ('cpeGNU', '25.03')) == ['far', 'with this compiler', 'this version', 'of one release',
                                                   'all of ours', 'far, plain']
    assert reasons('1.0', ('cpeCray', '25.03')) == ['this version', 'all of ours', 'far, plain']
    assert reasons('2.0', ('cpeGNU', '25.09')) == ['all of ours', 'far, plain']


def test_files_of_others_are_not_taken(put):
    path = put(GOOD)
    os.chmod(path, 0o666)
    site = replace(make_site(env={}), overrides=Overrides([os.path.dirname(path)]))
    found = adapt(parse_recipe(recipe_text()), site)
    assert found.status == REFUSED and found.refusals[0].code == 'override'
    assert f'the override {path} is not taken: everybody can write to {path}' in found.reason
    os.chmod(path, 0o644)
    os.chmod(os.path.join(os.path.dirname(path), 'fix.patch'), 0o666)
    with pytest.raises(DataError, match='fix.patch is not taken'):
        Overrides([os.path.dirname(path)]).of('Thing')


# --- what they do

def test_parameters(site_with, recipe):
    site = site_with(*GOOD['overrides'])
    found = adapt(recipe("configopts = '--own'\ntoolchainopts = {'usempi': True}\n", version='2.0'), site)
    assert found.parameters['configopts'] == '--own --all' and found.parameters['parallel'] == 4
    assert found.parameters['toolchainopts']['pic'] is True and found.parameters['toolchainopts']['usempi'] is True
    assert found.parameters['runtest'] == 'check'  # of the release, not of the name alone
    change, = of(found, 'configopts')
    assert change.before == '--own' and 'all of ours (' in change.reason and 'Thing.json)' in change.reason
    assert 'group' not in found.parameters


def test_most_specific_one_counts_per_parameter(site_with, recipe):
    found = adapt(recipe("configopts = '--own'\n"), site_with(*GOOD['overrides']))
    assert found.parameters['configopts'] == '--own --gnu' and found.parameters['parallel'] == 4
    assert found.parameters['group'] == 'licensed' and found.parameters['license_file'] == '27000@licences'


@pytest.mark.parametrize('before, wanted, after', [
    ("'--a'", {'append': '--b'}, '--a --b'),
    ("'--a '", {'prepend': '--b '}, '--b --a '),
    ("'--b-more'", {'append': '--b'}, '--b-more --b'),
    ("'--a --b'", {'append': '--b'}, '--a --b'),
    ("['--a', '--c']", {'append': '--b'}, ['--a --b', '--c --b']),
    ("['x']", {'append': ['y', 'x']}, ['x', 'y']),
    ("['x']", {'prepend': ['y']}, ['y', 'x']),
    ("''", {'append': '--b'}, '--b'),
    ("'--a'", '--b', '--b'),
    ("'--a'", ['--b'], ['--b']),
])
def test_ways_of_changing(site_with, recipe, before, wanted, after):
    site = site_with({'reason': 'r', 'parameters': {'configopts': wanted}})
    found = adapt(recipe(f'configopts = {before}\n'), site)
    assert found.parameters['configopts'] == after
    again = adapt(parse_recipe(render(found, parse_recipe)), site)
    assert again.parameters['configopts'] == after and not of(again, 'configopts')


@pytest.mark.parametrize('before, wanted', [("['a']", {'update': {'x': 1}}), ("{'a': 1}", {'append': 'x'}),
                                            ("'text'", {'append': ['x']}), ("3", {'append': 'x'})])
def test_what_does_not_go_together_is_refused(site_with, recipe, before, wanted):
    site = site_with({'reason': 'r', 'parameters': {'runtest': wanted}})
    found = adapt(recipe(f'runtest = {before}\n'), site)
    assert found.status == REFUSED and 'Thing.json: runtest' in found.reason


def test_dependencies(site_with, recipe):
    site = site_with({'reason': 'r', 'dependencies': {'zlib': '1.2.13', 'Old': None, 'New': '3.0'},
                      'builddependencies': {'Bison': {'version': '3.8', 'versionsuffix': '-x'}}})
    found = adapt(recipe("dependencies = [('zlib', '1.3.1'), ('Old', '1'), ('Kept', '2')]\n"
                         "builddependencies = [('flex', '2.6.4')]\n"), site)
    assert {(item.name, item.version) for item in found.dependencies() if not item.external} == {
        ('zlib', '1.2.13'), ('Kept', '2'), ('New', '3.0')}
    assert Dependency('Bison', '3.8', '-x') in found.dependencies('builddependencies')


def test_a_dependency_that_a_module_stands_in_for(site_with, recipe):
    """HDF5 of the user in the place of cray-hdf5; but what stands in for several stays for the others."""
    site = site_with({'reason': 'r', 'dependencies': {'HDF5': '1.14.3'}, 'builddependencies': {'CMake': '4.0.0'}})
    found = adapt(recipe("dependencies = [('HDF5', '1.14.5')]\n"
                         "builddependencies = [('CMake', '3.31.3'), ('Autotools', '20240712')]\n"), site)
    assert [str(item) for item in found.dependencies() if 'hdf5' in item.name.lower()] == ['HDF5 1.14.3']
    build = found.dependencies('builddependencies')
    assert Dependency('CMake', '4.0.0') in build and any(item.name == 'buildtools' for item in build)


@pytest.mark.parametrize('wanted,left', [(None, []), ('17', ['17'])])
def test_a_dependency_that_another_rule_has_moved(site_with, recipe, wanted, left):
    """R is only built with Java: an override of the recipe's dependency counts where it stands by then."""
    site = site_with({'reason': 'r', 'dependencies': {'Java': wanted}}, name='R')
    found = adapt(recipe("dependencies = [('Java', '21', '', SYSTEM)]\n", name='R'), site)
    assert [item.version for item in found.dependencies('builddependencies') if item.name == 'Java'] == left
    assert not [item for item in found.dependencies() if item.name == 'Java']


def test_patches_and_their_checksums(site_with, recipe, tmp_path):
    site = site_with({'reason': 'r', 'patches': ['fix.patch', {'name': 'more.patch', 'level': 0}]})
    sums = [hashlib.sha256(f'--- {name}\n'.encode()).hexdigest() for name in ('fix.patch', 'more.patch')]
    found = adapt(recipe("sources = ['a.tgz']\npatches = ['own.patch']\nchecksums = ['1' * 64, '2' * 64, '3' * 64]\n"
                         "postinstallpatches = ['later.patch']\n"), site)
    assert found.parameters['patches'] == ['own.patch', 'fix.patch', {'name': 'more.patch', 'level': 0}]
    # the recipe's other patches keep theirs
    assert found.parameters['checksums'] == ['1' * 64, '2' * 64, {'fix.patch': sums[0]}, {'more.patch': sums[1]},
                                             '3' * 64]
    assert [os.path.basename(path) for path in found.patches] == ['fix.patch', 'more.patch']
    bare = adapt(recipe("sources = ['a.tgz', 'b.tgz']\n"), site)
    assert bare.parameters['checksums'] == [None, None, {'fix.patch': sums[0]}, {'more.patch': sums[1]}]
    again = adapt(parse_recipe(render(found, parse_recipe)), site)
    assert again.status == UNCHANGED and again.parameters['patches'] == found.parameters['patches']


def test_patches_lie_beside_the_recipe_in_the_store(site_with, tmp_path):
    site = site_with({'reason': 'r', 'patches': ['fix.patch']})
    path = put_recipe(tmp_path, more="sources = ['a.tgz']\n")
    (tmp_path / 't' / 'Thing' / 'checksums.json').write_text(json.dumps({'a.tgz': '1' * 64}))
    written, _ = Store(site.prefix).put(adapt(read_recipe(path), site))
    assert os.path.exists(os.path.join(os.path.dirname(written), 'fix.patch'))
    found = read_recipe(written).parameters
    assert found['checksums'][0] == {'a.tgz': '1' * 64} and list(found['checksums'][1]) == ['fix.patch']
    # a patch that is edited makes another entry
    (tmp_path / 'prefix' / 'overrides' / 'fix.patch').write_text('--- other\n')
    other = replace(site, overrides=Overrides(site.overrides.folders))
    assert Store(site.prefix).put(adapt(read_recipe(path), other))[0] != written


def test_header_and_diff_name_the_file(site_with, recipe, tmp_path):
    site = site_with({'reason': 'we need it', 'parameters': {'configopts': {'append': '--x'}}})
    found = adapt(recipe("configopts = '--own'\n"), site)
    text = render(found, parse_recipe)
    assert '#  * override' in text and f'{tmp_path}/prefix/overrides/Thing.json' in text
    lines = '\n'.join(diff.lines(found))
    assert "+configopts = '--own --x'" in lines and '[override]' in lines and 'Thing.json' in lines


@pytest.mark.parametrize('toolchain', [('cpeGNU', '25.03'), ('system', 'system')])
def test_recipes_that_no_rule_adapts(site_with, recipe, toolchain):
    site = site_with({'reason': 'r', 'parameters': {'configopts': {'append': '--x'}}})
    more = f'toolchain = {{"name": "{toolchain[0]}", "version": "{toolchain[1]}"}}\n'
    found = adapt(recipe(more), site)
    assert found.status == ADAPTED and found.parameters['configopts'] == '--x'
    assert [change.parameter for change in found.changes] == ['configopts']
    assert adapt(parse_recipe(render(found, parse_recipe)), site).status == UNCHANGED
    off = replace(site, disabled=frozenset({'override'}))
    assert adapt(recipe(more), off).status == UNCHANGED


def test_no_override_no_change(recipe, site_with):
    site = site_with({'reason': 'r', 'version': '9', 'group': 'g'})
    assert all(change.rule != 'override' for change in adapt(recipe(), site).changes)
    assert isinstance(adapt(recipe(), site).changes[0], Change)


# --- the checker, against the library that may not be imported in eb

def test_checker_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match='prefixItems'):
        list(faults(3, {'prefixItems': []}))


JSON = st.recursive(st.none() | st.booleans() | st.integers(-2, 9) | st.floats(allow_nan=False, allow_infinity=False)
                    | st.sampled_from(['', 'x', '1.0', 'cpeGNU/25.03', 'https://a', '../up', '27000@host', '/lic'])
                    | st.text(max_size=4),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from([*SCHEMA['properties']['overrides']['items']['properties'], 'name', 'append',
                                         'update', 'level', 'version', 'configopts', 'odd']), inner, max_size=3),
                    max_leaves=8)


@st.composite
def mangled(draw):
    """A good file with something in it replaced, removed or added."""
    found = copy.deepcopy(GOOD)
    for _ in range(draw(st.integers(1, 3))):
        places = []

        def walk(node, places=places):
            if isinstance(node, (dict, list)) and node:
                places.append(node)
                for item in node.values() if isinstance(node, dict) else node:
                    walk(item)
        walk(found)
        if not places:
            return found
        node = draw(st.sampled_from(places))
        key = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        how = draw(st.sampled_from(['replace', 'remove', 'add']))
        if how == 'replace':
            node[key] = draw(JSON)
        elif how == 'remove':
            del node[key]
        elif isinstance(node, dict):
            node[draw(st.text(max_size=8))] = draw(JSON)
        else:
            node.append(draw(JSON))
    return found


@given(st.one_of(mangled(), JSON))
def test_checker_judges_as_jsonschema_does(value):
    import jsonschema
    ours = list(faults(value, SCHEMA))
    theirs = list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(value))
    assert bool(ours) == bool(theirs), (ours, theirs)


def test_checker_on_numbers_and_truth():
    """To JSON, true is not 1, and 1.0 is."""
    assert list(faults([True, 1], {'uniqueItems': True})) == []
    assert list(faults([1, 1.0], {'uniqueItems': True})) != []
    assert list(faults([[{'a': True}], [{'a': 1}]], {'uniqueItems': True})) == []
    assert list(faults(2.0, {'type': 'integer'})) == [] and list(faults(True, {'type': 'number'})) != []
