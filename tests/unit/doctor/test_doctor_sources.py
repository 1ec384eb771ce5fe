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
    assert says('downloads', here(packages=[package('TensorFlow'), package('Thing', easyblock=None)]))[0][0] == WARNING
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
