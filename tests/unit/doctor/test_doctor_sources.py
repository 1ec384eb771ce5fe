# SPDX-License-Identifier: GPL-2.0-only
"""Checksums, licences, folders that files come from, and tools."""
import grp
import json
import os
import shutil
import tempfile
from dataclasses import replace

import pytest
from doctoring import package, says

from lumi_hooks.doctor import ERROR, WARNING
from lumi_hooks.prefix import checksums
from lumi_hooks.prefix.checksums import is_complete, unchecked
from lumi_hooks.prefix.overrides import overrides_of
from lumi_hooks.site import make_site

# --- licences

def test_licences(here, tmp_path):
    licence = tmp_path / 'licence.dat'
    licence.write_text('')
    assert says('licence', here(packages=[package(license_file=str(licence)), package(license_file='27000@host'),
                                          package(license_file=None), package(license_file=['1@a', '2@b'])])) == []
    (level, text), = says('licence', here(packages=[package(license_file='/nowhere/licence.dat')]))
    assert level == ERROR and '/nowhere/licence.dat' in text
    licensed = [package(license_file='27000@host')]
    assert says('licence-variable', here(env={'LM_LICENSE_FILE': '/nowhere'}, packages=licensed))[0][0] == ERROR
    for value in ('/nowhere:27000@host', str(licence), ''):
        assert says('licence-variable', here(env={'LM_LICENSE_FILE': value}, packages=licensed)) == []
    assert says('licence-variable', here(env={'LM_LICENSE_FILE': '/nowhere'})) == []


def test_licence_groups(here):
    mine = grp.getgrgid(os.getegid()).gr_name
    assert says('licence-group', here(packages=[package(group=mine), package(), package(group=(mine, 'no'))])) == []
    (level, text), = says('licence-group', here(packages=[package(group='no_such_group')]))
    assert level == ERROR and 'no such group' in text


def test_what_is_known_to_download(here):
    thing = package('Miller', easyblock='GoPackage')
    [(level, text)] = says('downloads', here(packages=[thing]))
    assert level == WARNING and 'go fetches the modules' in text and 'LUMI_HOOKS_ALLOW=Miller' in text
    for name in ('TensorFlow', 'configurable-http-proxy'):
        (level, text), = says('downloads', here(packages=[package(name), package('Thing', easyblock=None)]))
        assert level == WARNING and f'LUMI_HOOKS_ALLOW={name}' in text
    allowed = here(packages=[thing])
    assert not says('downloads', replace(allowed, site=replace(allowed.site, allow=frozenset({'Miller'}))))
    assert not says('downloads', here(packages=[thing], fetches=False))
    assert not says('downloads', here(packages=[package(easyblock='CMakeMake'), package()]))


# --- checksums

SUM = '0' * 64


@pytest.mark.parametrize('parameters, missing', [
    ({}, []),
    ({'sources': ['a.tgz'], 'checksums': [SUM]}, []),
    ({'sources': 'a.tgz', 'checksums': SUM}, []),
    ({'sources': ['a.tgz'], 'patches': ['b.patch'], 'checksums': [SUM]}, ['b.patch']),
    ({'sources': ['a.tgz'], 'checksums': [None]}, ['a.tgz']),
    ({'sources': ['a.tgz'], 'checksums': [{'a.tgz': SUM}]}, []),
    ({'sources': ['a.tgz'], 'checksums': {'a.tgz': SUM}}, []),
    ({'sources': ['a.tgz'], 'checksums': {'b.tgz': SUM}}, ['a.tgz']),
    ({'sources': ['a.tgz'], 'checksums': [(SUM, SUM)]}, []),
    ({'sources': [{'filename': 'a.tgz'}], 'patches': [('b.patch', 1), {'name': 'c.patch'}]},
     ['a.tgz', 'b.patch', 'c.patch']),
    ({'data_sources': ['d'], 'postinstallpatches': ['p']}, ['d', 'p']),
    ({'sources': [{'filename': 'a', 'git_config': {'commit': 'a' * 40}}]}, []),
    ({'sources': [{'filename': 'a', 'git_config': {'tag': 'v1'}}]}, ['a']),
    ({'sources': [{'filename': 'a', 'git_config': {'commit': 'abc'}}]}, ['a']),
    ({'exts_list': [('x', '1'), ('y', '2', {'checksums': [SUM]}), ('z', '3', {'nosource': True}), ('w',), 'v']},
     ['x-1.tar.gz']),
    ({'exts_list': [('x', '1', {'sources': ['s'], 'patches': ['p'], 'checksums': [SUM]})]}, ['p']),
    ({'exts_list': [('x', '1')], 'exts_default_options': {'source_tmpl': '%(name)s.zip'}}, ['x.zip']),
    ({'exts_list': [('x', '1')], 'dummy_package': True}, []),
    ({'components': [('x', '1', {'sources': ['s']}), ('y', '2', {})]}, ['s']),
])
def test_files_without_checksums(parameters, missing):
    assert unchecked(parameters) == missing
    if missing:
        assert not is_complete(parameters)
    with tempfile.TemporaryDirectory() as folder:
        assert unchecked(parameters, folder) == missing
        with open(os.path.join(folder, 'checksums.json'), 'w', encoding='utf-8') as handle:
            json.dump(dict.fromkeys(missing, SUM), handle)
        assert unchecked(parameters, folder) == []


MD5 = '0' * 32
WEAK = [('size', 4), ('md5', MD5), ('adler32', '0x0'), ('crc32', '0x0'), ('sha1', '0' * 40), MD5, '0' * 40, 'z' * 64,
        'A' * 64, SUM + '\n', '', (), [], {}, 4, True, (None,), (SUM, None), (SUM, MD5), (SUM, ('size', 4)),
        ((SUM, SUM), ('size', 4)), [MD5], [('size', 4), MD5], ['size', 4], [[SUM, MD5]], {'a.tgz': MD5},
        {'a.tgz': None}, {'a.tgz': ('size', 4)}, {'a.tgz': MD5, 'b.tgz': SUM}, {'b.tgz': MD5}, ('sha256', 4),
        ('md5', SUM), ('size', SUM)]
STRONG = [SUM, ('sha256', SUM), ('sha512', '0' * 128), (SUM, SUM), (('sha512', SUM), SUM), [SUM], [MD5, SUM],
          [('size', 4), SUM], [(SUM, SUM)], {'a.tgz': SUM}, {'a.tgz': (SUM, SUM)}, {'a.tgz': SUM, 'b.tgz': MD5},
          {'%(name)s.tgz': SUM}]


@pytest.mark.security
@pytest.mark.parametrize('checksum', WEAK, ids=repr)
def test_S13_what_another_file_can_have_is_no_checksum(checksum, tmp_path):
    assert unchecked({'sources': ['a.tgz'], 'checksums': [checksum]}) == ['a.tgz']
    assert unchecked({'exts_list': [('x', '1', {'checksums': [checksum]})]}) == ['x-1.tar.gz']
    (tmp_path / 'checksums.json').write_text(json.dumps({'a.tgz': checksum}))
    assert unchecked({'sources': ['a.tgz']}, str(tmp_path)) == ['a.tgz']


@pytest.mark.parametrize('checksum', STRONG, ids=repr)
def test_S13_strong_ones_count_in_all_notations(checksum):
    assert unchecked({'sources': ['a.tgz'], 'checksums': [checksum]}) == []


@pytest.mark.security
def test_S13_easybuild_lets_no_other_file_pass(tmp_path):
    """What counts here EasyBuild does not take for a file that it was not made of; a size it does."""
    from easybuild.tools.build_log import EasyBuildError
    from easybuild.tools.filetools import CHECKSUM_FUNCTIONS, verify_checksum
    path = tmp_path / 'a.tgz'
    path.write_text('evil')
    for checksum in STRONG:
        try:
            assert not verify_checksum(str(path), checksum), checksum
        except EasyBuildError as err:
            assert 'Missing checksum' in str(err)
    assert verify_checksum(str(path), ('size', 4)) and verify_checksum(str(path), (SUM, ('size', 4)))
    assert set(CHECKSUM_FUNCTIONS) == set(checksums._KINDS), 'another kind: is it strong?'


def test_S13_what_to_type_is_said(here):
    weak = package(sources=['a.tgz'], checksums=[MD5])
    (level, text), = says('checksums', here(packages=[weak]))
    assert level == ERROR and 'no checksum for a.tgz' in text and 'MD5' in text
    assert 'LUMI_HOOKS_ALLOW=Thing' in text and 'sha256sum FILE' in text


def test_a_commit_stands_for_a_checksum():
    commit = {'sources': [{'filename': 'a', 'git_config': {'commit': 'a' * 40}}]}
    assert unchecked(commit) == [] and not is_complete(commit) and is_complete({**commit, 'checksums': [SUM]})


def test_a_patch_beside_the_recipe_is_as_good_as_the_recipe(tmp_path):
    (tmp_path / 'Thing-1.patch').write_text('')
    (tmp_path / 'Thing-1.tgz').write_text('')
    recipe = {'name': 'Thing', 'version': '1', 'sources': ['%(name)s-%(version)s.tgz'],
              'patches': [('%(name)s-%(version)s.patch', 1), '../up.patch', 'gone.patch']}
    assert unchecked(recipe, str(tmp_path)) == ['Thing-1.tgz', '../up.patch', 'gone.patch']


def test_checksums_are_demanded_but_for_allowed_software(here, tmp_path):
    odd = package(sources=['%(namelower)s-%(version)s.tgz'] * 5)
    (level, text), = says('checksums', here(packages=[odd]))
    assert level == ERROR and 'thing-1.0.tgz' in text and 'and 2 more' in text and 'LUMI_HOOKS_ALLOW=Thing' in text
    situation = here(packages=[odd])
    allowed = replace(situation, site=make_site(env={'LUMI_HOOKS_ALLOW': 'Other,Thing'}))
    assert says('checksums', allowed) == [] and says('checksums', replace(situation, fetches=False)) == []
    # there is no word for all of them
    assert says('checksums', replace(situation, site=make_site(env={'LUMI_HOOKS_ALLOW': '*'}))) != []
    (tmp_path / 'checksums.json').write_text(json.dumps({'a.tgz': SUM}))
    beside = package(path=str(tmp_path / 'X.eb'), sources=['a.tgz'])
    assert says('checksums', here(packages=[beside])) == []


def test_upstream_recipes_have_checksums(upstream_file):
    from lumi_hooks.recipe import read_recipe
    for name in ('HPCC-1.5.0-foss-2022a.eb', 'mpi4py-4.1.0-gompi-2025a.eb', 'Hypre-2.32.0-foss-2024a.eb',
                 'R-4.5.1-gfbf-2025a.eb'):
        assert unchecked(read_recipe(upstream_file(name)).parameters) == []


# --- folders, overrides, tools

def test_folders_that_others_write_to(here, tmp_path):
    robot = tmp_path / 'recipes'
    robot.mkdir(mode=0o755)
    robot.chmod(0o755)
    assert says('folders', here(robot=(str(robot), '/nowhere'))) == []
    robot.chmod(0o777)
    assert [level for level, _ in says('folders', here(robot=(str(robot),)))] == [ERROR]
    assert [level for level, _ in says('folders', here(robot=(str(robot),), inside=True))] == [WARNING]


def test_sources_of_lower_prefixes(here, tmp_path):
    (tmp_path / 'prefix' / '.lumi-hooks').mkdir(parents=True)
    (tmp_path / 'prefix' / '.lumi-hooks' / 'prefixes').write_text(f'{tmp_path}/project\n')
    sources = tmp_path / 'project' / 'sources'
    sources.mkdir(parents=True)
    assert says('folders', here(prefix=tmp_path / 'prefix')) == []
    sources.chmod(0o777)
    (level, text), = says('folders', here(prefix=tmp_path / 'prefix'))
    assert level == WARNING and f'sources of {sources}' in text and f'chmod o-w {sources}' in text
    assert says('folders', here(prefix=tmp_path / 'prefix', inside=True)) == [], 'eb says it by itself'


def test_wrong_overrides(here, tmp_path):
    folder = tmp_path / 'prefix' / 'overrides'
    folder.mkdir()
    (folder / 'X.json').write_text('{')
    situation = here()
    situation = replace(situation, site=replace(situation.site, overrides=overrides_of([situation.site.prefix], {})))
    (level, text), = says('overrides', situation)
    assert level == WARNING and 'X.json' in text and 'not valid JSON' in text


def test_tools(here):
    assert says('tools', here(inside=True)) == []
    assert [level for level, _ in says('tools', here(env={'PATH': '/nowhere'}))] == [ERROR, ERROR]
    eb = shutil.which('eb')
    if eb:
        env = {'PATH': os.path.dirname(eb), 'LMOD_CMD': '/bin/sh'}
        assert says('tools', here(env=env)) == []
