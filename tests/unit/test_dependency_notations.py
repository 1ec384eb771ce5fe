# SPDX-License-Identifier: GPL-2.0-only
"""Every way in which recipes write dependencies."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumi_hooks.dependency import EXTERNAL, SYSTEM, Dependency

SYSTEM_DICT = {'name': 'system', 'version': 'system'}


@pytest.mark.parametrize('raw, expected', [
    (('zlib', '1.3.1'), Dependency('zlib', '1.3.1')),
    (['zlib', '1.3.1'], Dependency('zlib', '1.3.1')),
    (('zlib',), Dependency('zlib')),
    (('Boost', '1.85.0', '-Python'), Dependency('Boost', '1.85.0', '-Python')),
    (('zlib', '1.3.1', '', ('GCCcore', '13.3.0')), Dependency('zlib', '1.3.1', '', ('GCCcore', '13.3.0'))),
    (('zlib', '1.3.1', '', {'name': 'GCCcore', 'version': '13.3.0'}),
     Dependency('zlib', '1.3.1', '', ('GCCcore', '13.3.0'))),
    (('EasyBuild', '5', '', SYSTEM_DICT), Dependency('EasyBuild', '5', '', SYSTEM)),
    (('EasyBuild', '5', '', True), Dependency('EasyBuild', '5', '', SYSTEM)),
    (('EasyBuild', '5', '', False), Dependency('EasyBuild', '5')),
    (('EasyBuild', '5', '', ''), Dependency('EasyBuild', '5')),
    (('cray-python/3.11.7', EXTERNAL), Dependency('cray-python', '3.11.7', external=True)),
    (('xpmem', EXTERNAL), Dependency('xpmem', external=True)),
    (('EasyBuild', '5', '', ('system', '')), Dependency('EasyBuild', '5', '', SYSTEM)),
    (['EasyBuild', '5', '', ['system', 'system']], Dependency('EasyBuild', '5', '', SYSTEM)),
    ({'name': 'EasyBuild', 'version': '5', 'system': True}, Dependency('EasyBuild', '5', '', SYSTEM)),
    ({'name': 'EasyBuild', 'version': '5', 'toolchain': {'name': 'system', 'version': ''}},
     Dependency('EasyBuild', '5', '', SYSTEM)),
    ({'name': 'zlib', 'version': '1.3.1'}, Dependency('zlib', '1.3.1')),
    ({'name': 'zlib', 'version': '1.3.1', 'versionsuffix': '-x', 'toolchain': SYSTEM_DICT},
     Dependency('zlib', '1.3.1', '-x', SYSTEM)),
    ({'external_module': True, 'full_mod_name': 'rocm/6.3.4', 'name': None},
     Dependency('rocm', '6.3.4', external=True)),
    (('Java', {'arch=x86_64': '17', 'arch=aarch64': '21'}), Dependency('Java', '17')),
    (('Java', {'arch=*': '17'}), Dependency('Java', '17')),
    (('Java', {'arch=aarch64': '21'}), Dependency('Java', '')),
    (('zlib', None, None), Dependency('zlib')),
])
def test_parse(raw, expected):
    assert Dependency.parse(raw) == expected


@pytest.mark.parametrize('raw', ['zlib', 7, None, (), [], {}, {'version': '1'}])
def test_what_is_no_dependency(raw):
    with pytest.raises(ValueError, match='not a dependency'):
        Dependency.parse(raw)


@pytest.mark.parametrize('toolchain', ['GCC', ('GCC',), {'name': 'GCC'}, 7, ('GCC', '13', '3')])
def test_what_is_no_toolchain(toolchain):
    with pytest.raises(ValueError, match='not a toolchain'):
        Dependency.parse(('zlib', '1', '', toolchain))


def test_parse_of_a_dependency_is_itself():
    found = Dependency('zlib', '1')
    assert Dependency.parse(found) is found


@pytest.mark.parametrize('version', [
    False, {'arch=x86_64': False, 'arch=*': '12'}, {'arch=aarch64': '1', 'arch=*': False}])
def test_what_a_recipe_switches_off_is_no_dependency(version):
    raw = ('PSM2', version)
    found = Dependency.all_of([raw, {'name': 'PSM2', 'version': version}, [raw, ('b', '1')]])
    assert found == (Dependency('b', '1'),)


def test_iterated_builds_are_flattened():
    value = [[('Python', '3.11'), ('CMake', '3.29')], [], [['Python', '3.12']], ('zlib', '1.3.1')]
    found = [str(item) for item in Dependency.all_of(value)]
    assert found == ['Python 3.11', 'CMake 3.29', 'Python 3.12', 'zlib 1.3.1']
    assert Dependency.all_of(None) == () and Dependency.all_of([]) == ()
    assert Dependency.all_of([['zlib', '1.3.1']]) == (Dependency('zlib', '1.3.1'),)


@pytest.mark.parametrize('dependency, raw, text', [
    (Dependency('a', '1'), ('a', '1'), 'a 1'),
    (Dependency('a', '1', '-x'), ('a', '1', '-x'), 'a 1-x'),
    (Dependency('a', '1', '', ('GCC', '13')), ('a', '1', '', ('GCC', '13')), 'a 1 (GCC-13)'),
    (Dependency('a', '1', '', SYSTEM), ('a', '1', '', SYSTEM_DICT), 'a 1'),
    (Dependency('m', '1', external=True), ('m/1', EXTERNAL), 'm/1'),
    (Dependency('m', external=True), ('m', EXTERNAL), 'm'),
])
def test_raw_and_text(dependency, raw, text):
    assert dependency.raw() == raw
    assert str(dependency) == text


def test_module_of_external_modules_only():
    assert Dependency('a', '1').module is None
    assert Dependency.external_module('a/b/1').module == 'a/b/1'


WORD = st.from_regex(r'[A-Za-z0-9][A-Za-z0-9._+-]{0,9}', fullmatch=True).filter(lambda word: word != EXTERNAL)
SOFTWARE = st.builds(Dependency, WORD, st.one_of(st.just(''), WORD), st.one_of(st.just(''), WORD.map('-{}'.format)),
                     st.one_of(st.none(), st.just(SYSTEM), st.tuples(WORD, WORD)))
MODULES = st.builds(Dependency.external_module, st.one_of(WORD, st.tuples(WORD, WORD).map('/'.join)))


@given(st.one_of(SOFTWARE, MODULES))
def test_round_trip(dependency):
    assert Dependency.parse(dependency.raw()) == dependency
    assert Dependency.parse(list(dependency.raw())) == dependency


@given(st.lists(st.one_of(SOFTWARE, MODULES), max_size=5))
def test_round_trip_of_lists(dependencies):
    raw = [dependency.raw() for dependency in dependencies]
    assert Dependency.all_of(raw) == tuple(dependencies)
    assert Dependency.all_of([raw]) == tuple(dependencies)
