# SPDX-License-Identifier: GPL-2.0-only
"""What is looked at before a build: each check finds what it is for, and nothing where all is well."""
import grp
import json
import os
import shutil
import tempfile
from dataclasses import replace

import pytest
from writing import put_recipe

from lumi_hooks import doctor
from lumi_hooks.cli import main
from lumi_hooks.doctor import CHECKS, ERROR, WARNING, Package, Situation, examine
from lumi_hooks.doctor import place as place_checks
from lumi_hooks.doctor import room as room_checks
from lumi_hooks.prefix import quota
from lumi_hooks.prefix.checksums import is_complete, unchecked
from lumi_hooks.prefix.overrides import overrides_of
from lumi_hooks.prefix.quota import Room, listed, parse_lfs
from lumi_hooks.record import Estimate
from lumi_hooks.releases import load_machine
from lumi_hooks.site import make_site

EVERYTHING = ['build-space', 'checksums', 'downloads', 'file-system', 'folders', 'group', 'licence', 'licence-group',
              'licence-variable', 'network', 'node', 'overrides', 'prefix', 'prefixes', 'python-packages', 'space',
              'tools', 'umask']


@pytest.fixture
def here(tmp_path):
    """A situation where nothing is wrong; here(**changes) differs in something."""
    (tmp_path / 'prefix').mkdir(exist_ok=True)
    site = make_site('25.03', 'C', prefix=str(tmp_path / 'prefix'), env={})

    def make(prefix=None, partition=None, packages=(), **changes):
        mine = site if prefix is None else make_site('25.03', 'C', prefix=str(prefix), env={})
        if partition:
            mine = replace(mine, partition=partition)
        return Situation(mine, changes.pop('env', {}), tuple(packages), **changes)
    return make


def says(check_id, situation):
    """What one check says: level and text."""
    examine(situation)  # registers all
    return [(finding.level, finding.text) for finding in CHECKS[check_id](situation)]


def package(name='Thing', path=None, **parameters):
    return Package(name, f'{name}/1.0-cpeGNU-25.03', {'name': name, 'version': '1.0', **parameters}, path)


@pytest.mark.parametrize('mask', [0o777, 0o277, 0o100])
def test_a_umask_that_takes_ones_own_rights(here, mask):
    before = os.umask(mask)
    try:
        found = [finding for finding in examine(here()) if finding.check == 'umask']
    finally:
        os.umask(before)
    assert [finding.level for finding in found] == [ERROR]
    assert f'your umask is {mask:04o}' in found[0].text and 'umask 022' in found[0].text
    assert not [finding for finding in examine(here()) if finding.check == 'umask']


def test_checks_have_titles_and_docstrings(here):
    examine(here())
    assert sorted(CHECKS) == EVERYTHING
    for entry in CHECKS.values():
        assert len(entry.title) > 15 and entry.function.__doc__


def test_errors_come_first_and_lines_name_the_check(here, tmp_path):
    found = examine(here(prefix=tmp_path / 'prefix', packages=[package(sources=['a'])], inside=True))
    levels = [finding.level for finding in found]
    assert levels == sorted(levels, key=lambda level: level != ERROR) and ERROR in levels
    assert doctor.lines(found)[0].startswith('  * error (checksums): the recipe of Thing/1.0')


def test_nothing_is_written(here, tmp_path):
    before = sorted(os.walk(tmp_path))
    examine(here(packages=[package(sources=['a'])]))
    assert sorted(os.walk(tmp_path)) == before


# --- the prefix

def test_no_prefix(here):
    (level, text), = says('prefix', here(prefix=''))
    assert level == ERROR and 'set EBU_USER_PREFIX' in text


def test_prefix_that_is_a_file(here, tmp_path):
    (tmp_path / 'file').write_text('')
    assert 'is no folder' in says('prefix', here(prefix=tmp_path / 'file'))[0][1]
    (tmp_path / 'dangling').symlink_to(tmp_path / 'nothing')
    assert 'is no folder' in says('prefix', here(prefix=tmp_path / 'dangling'))[0][1]


def test_prefix_that_cannot_be_written(here, tmp_path, monkeypatch):
    assert says('prefix', here()) == [] and says('prefix', here(prefix=tmp_path / 'not' / 'yet')) == []
    assert not (tmp_path / 'not').exists()

    def full(**options):
        raise OSError(122, 'Disk quota exceeded')
    monkeypatch.setattr(place_checks.tempfile, 'TemporaryFile', full)
    (level, text), = says('prefix', here())
    assert level == ERROR and 'Disk quota exceeded' in text
    (level, text), = says('prefix', here(prefix=tmp_path / 'not' / 'yet'))
    assert f'{tmp_path}, in which the prefix' in text


@pytest.mark.parametrize('path, word', [('/scratch/project_46/x', '90 days'), ('/flash/project_46/x', '30 days'),
                                        ('/users/me/EasyBuild', '100,000 files'), ('/tmp/x', 'this node alone'),
                                        ('/project/project_46/x', None), ('/opt/x', None)])
def test_storage_areas(here, path, word):
    found = says('file-system', here(prefix=path))
    assert [level for level, _ in found] == ([WARNING] if word else []) and (not word or word in found[0][1])


def test_stale_modules_and_lower_prefixes(here, tmp_path):
    situation = here(env={'MODULEPATH': '/old/EasyBuild/modules/LUMI/25.03/partition/C:/opt/modulefiles'})
    situation = replace(situation, site=replace(situation.site, prefixes=(situation.site.prefix, '/nowhere')))
    found = says('prefixes', situation)
    assert [level for level, _ in found] == [WARNING, WARNING]
    assert '/nowhere' in found[0][1] and '/old/EasyBuild/modules' in found[1][1]
    changed = replace(situation, env={'EASYBUILD_PREFIX': '/other'})
    assert says('prefixes', changed)[0][0] == ERROR


@pytest.fixture
def project(monkeypatch, tmp_path):
    """A project's folder below tmp_path, of a group that exists and that the user is in."""
    storage = {**load_machine()['storage'], 'areas': [
        {'name': 'project', 'description': 'd', 'paths': [f'{tmp_path}/projects/*'], 'group': True,
         'quota': ['storage_quotas', 'directories', 'projappl'], 'advice': None}],
        'project_quota': f'{tmp_path}/info/{{group}}.json'}
    load_machine.cache_clear()
    facts = {**load_machine(), 'storage': storage}
    for module in ('lumi_hooks.prefix', 'lumi_hooks.prefix.quota', 'lumi_hooks.doctor.room'):
        monkeypatch.setattr(f'{module}.load_machine', lambda: facts)
    name = grp.getgrgid(os.getegid()).gr_name
    path = tmp_path / 'projects' / name
    path.mkdir(parents=True)
    return path


def test_project_folder(here, project, monkeypatch):
    found = says('group', here(prefix=project / 'EasyBuild'))
    assert [level for level, _ in found] == [WARNING] and f'chmod g+s {project}' in found[0][1]
    project.chmod(0o2775)
    assert says('group', here(prefix=project / 'EasyBuild')) == []
    project.chmod(0o2777)
    assert says('group', here(prefix=project / 'EasyBuild'))[0][0] == ERROR
    project.chmod(0o2775)
    monkeypatch.setattr(place_checks.os, 'getegid', lambda: 54321)
    monkeypatch.setattr(place_checks.os, 'getgroups', lambda: [])
    (level, text), = says('group', here(prefix=project / 'EasyBuild'))
    assert level == ERROR and f'you are not in the group {project.name}' in text


def test_project_folder_of_another_group(here, project, monkeypatch):
    project.chmod(0o2775)
    entry = grp.getgrgid(os.getegid())
    monkeypatch.setattr(place_checks.grp, 'getgrnam', lambda name: grp.struct_group((name, 'x', 54321, [])))
    monkeypatch.setattr(place_checks.os, 'getgroups', lambda: [54321])
    (level, text), = says('group', here(prefix=project))
    assert level == WARNING and f'chgrp {entry.gr_name} {project}' in text


def test_project_without_a_group(here, project, monkeypatch):
    odd = project.parent / 'no_such_group_here'
    odd.mkdir()
    assert 'there is no group no_such_group_here' in says('group', here(prefix=odd))[0][1]


# --- room

def test_lfs_quota():
    line = '/project 41943040 52428800 53477376 - 61234 100000 101000 -\n'
    assert parse_lfs(line) == Room(10485760 * 1024, 38766, 'lfs quota')
    assert parse_lfs('/flash 100* 50 60 6d23h 10* 5 6 6d\n') == Room(0, 0, 'lfs quota')
    assert parse_lfs('/scratch [100] 0 0 - 10 0 0 -\n') is None
    assert parse_lfs('/scratch 100 0 0 - 10 20 0 -\n') == Room(None, 10, 'lfs quota')
    assert parse_lfs('/a/very/long/name\n   1 2 3 - 4 5 6 -\n') == Room(1024, 1, 'lfs quota')
    for text in ('', 'Permission denied.', 'x y z', '/p 1 2'):
        assert parse_lfs(text) is None


def test_lumis_lists():
    content = {'storage_quotas': {'directories': {'projappl': {
        'block_quota_used': 798348288, 'block_quota_soft': 10737418240, 'block_quota_hard': 10738466816,
        'inode_quota_used': 5265353, 'inode_quota_soft': 50000000, 'inode_quota_hard': 50001000}}}}
    keys = next(area['quota'] for area in load_machine()['storage']['areas'] if area['name'] == 'project')
    assert listed(content, keys, 'f') == Room((10737418240 - 798348288) * 1024, 44734647, 'f')
    for odd in ({}, [], None, {'storage_quotas': None}, {'storage_quotas': {'directories': {'projappl': 'x'}}},
                {'storage_quotas': {'directories': {'projappl': {'block_quota_soft': 'many'}}}}):
        assert listed(odd, keys, 'f') is None


def test_where_room_is_asked_for(project, tmp_path, monkeypatch):
    monkeypatch.setattr(quota.shutil, 'which', lambda name: None)
    assert [found.source for found in quota.room(str(project))] == ['file system']
    (tmp_path / 'info').mkdir()
    name = tmp_path / 'info' / f'{project.name}.json'
    name.write_text(json.dumps({'storage_quotas': {'directories': {'projappl': {
        'block_quota_used': 1, 'block_quota_soft': 3, 'inode_quota_used': 5, 'inode_quota_soft': 8}}}}))
    assert quota.room(str(project / 'not' / 'yet'))[0] == Room(2048, 3, str(name))
    name.write_text('{')
    assert [found.source for found in quota.room(str(project))] == ['file system']
    # Lustre's own word counts before that of the list
    lfs = tmp_path / 'lfs'
    lfs.write_text('#!/bin/sh\ncase $1 in project) echo "  2000001 P $3";; *) echo "$5 1 5 6 - 1 9 9 - $4";; esac\n')
    lfs.chmod(0o755)
    monkeypatch.setattr(quota.shutil, 'which', lambda name: str(lfs))
    assert quota.room(str(project))[0] == Room(4096, 8, 'lfs quota')
    lfs.write_text('#!/bin/sh\nexit 1\n')
    assert [found.source for found in quota.room(str(project))] == ['file system']


@pytest.mark.parametrize('found, levels', [
    (Room(10 ** 12, 10 ** 6, 'x'), []), (Room(None, None, 'x'), []), (Room(1000, 10 ** 6, 'x'), [ERROR]),
    (Room(5 * 10 ** 7, 10 ** 6, 'x'), [WARNING]), (Room(10 ** 12, 500, 'x'), [WARNING]),
    (Room(10 ** 12, 3, 'x'), [ERROR]), (Room(0, 0, 'x'), [ERROR, ERROR])])
def test_room_against_the_estimate(here, monkeypatch, found, levels):
    assert load_machine()['estimate']['bytes'] == 10 ** 8 and load_machine()['estimate']['inodes'] == 1000
    monkeypatch.setattr(room_checks, 'room', lambda path: [found])
    assert [level for level, _ in says('space', here())] == levels
    assert [level for level, _ in says('space', here(packages=[package()]))] == levels


def test_estimate_grows_with_what_is_built(here, monkeypatch):
    monkeypatch.setattr(room_checks, 'room', lambda path: [Room(5 * 10 ** 8, 10 ** 9, 'x')])
    assert says('space', here(packages=[package()] * 4)) == []
    (level, text), = says('space', here(packages=[package()] * 6))
    assert level == WARNING and '500.0 MB' in text and '6 installations may take 600.0 MB' in text


def test_estimate_from_records(here, monkeypatch):
    """What is known of the same software counts."""
    known = {'Thing/1.0-cpeGNU-25.03': Estimate(1.0, 5000, 20, 'x'),
             'Odd/1.0-cpeGNU-25.03': Estimate(None, None, None, 'x')}
    monkeypatch.setattr(room_checks.Experience, 'estimate', lambda self, module: known.get(module))
    assert room_checks.estimate(here(packages=[package()])) == (5000, 20)
    assert room_checks.estimate(here(packages=[package(), package('Other')])) == (5000 + 10 ** 8, 20 + 1000)
    assert room_checks.estimate(here(packages=[package('Odd')])) == room_checks.estimate(here()) == (10 ** 8, 1000)


def test_build_folder(here, monkeypatch):
    monkeypatch.setattr(room_checks, 'room', lambda path: [Room(10 ** 6, 10, 'file system')])
    found = says('build-space', here(buildpath='/dev/shm/me'))
    assert [level for level, _ in found] == [ERROR, ERROR] and 'clear-eb' in found[0][1]
    assert says('build-space', here()) == []
    assert says('build-space', here(env={'EASYBUILD_BUILDPATH': '/dev/shm/me'}))[0][0] == ERROR


# --- the node

@pytest.mark.parametrize('host, partition, word', [
    ('nid001234', 'C', None), ('nid005001', 'G', None), ('uan01', 'L', None), ('uan01', 'C', 'a login node'),
    ('uan01', 'G', 'it has no GPU'), ('nid001234', 'G', 'it has no GPU'), ('nid005001', 'C', 'processors differ'),
    ('build-machine', 'C', None), ('uan01', 'common', None)])
def test_node(here, host, partition, word):
    found = says('node', here(partition=partition, hostname=host))
    assert [level for level, _ in found] == ([WARNING] if word else []) and (not word or word in found[0][1])


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
    assert says('tools', here(inside=True)) == [] and says('python-packages', here(inside=True)) == []
    assert [level for level, _ in says('tools', here(env={'PATH': '/nowhere'}))] == [ERROR, ERROR]
    eb = shutil.which('eb')
    if eb:
        env = {'PATH': os.path.dirname(eb), 'LMOD_CMD': '/bin/sh'}
        assert says('tools', here(env=env)) == []


def test_python_packages(here, monkeypatch):
    from lumi_hooks.doctor import tools
    monkeypatch.setattr(tools.importlib.util, 'find_spec', lambda name: None)
    assert {word for word in ('rich', 'pyelftools') for _, text in says('python-packages', here())
            if f'--user {word}' in text} == {'rich', 'pyelftools'}


# --- the command

@pytest.fixture
def lumi(monkeypatch, tmp_path):
    for name, value in {'LUMI_STACK_VERSION': '25.03', 'LUMI_STACK_PARTITION': 'C', 'LUMI_EASYBUILD_MODE': 'user',
                        'EBU_USER_PREFIX': str(tmp_path / 'eb'), 'LMOD_CMD': '/bin/sh',
                        'EASYBUILD_PREFIX': str(tmp_path / 'eb')}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(shutil, 'which', lambda name, **options: '/bin/eb' if name == 'eb' else None)


def test_command(lumi, capsys, tmp_path):
    recipe = put_recipe(tmp_path, more="sources = ['a.tgz']\n", flat=True)
    assert main(['doctor', '--json']) == 0
    found = json.loads(capsys.readouterr().out)
    assert found['packages'] == [] and 'prefix' in found['passed'] and found['prefix'] == str(tmp_path / 'eb')
    assert all(finding['level'] == WARNING for finding in found['findings'])
    assert main(['doctor', '--json', recipe]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [finding['check'] for finding in found['findings'] if finding['level'] == ERROR] == ['checksums']
    assert 'Thing/1.0-cpeGNU-25.03' in found['packages']
    assert main(['doctor', '--allow', 'Thing', recipe]) == 0
    out = capsys.readouterr().out
    assert 'ok' in out and 'checksums' in out and '1 module that would be built' in out.replace('modules', 'module')


def test_command_where_the_environment_is_wrong(lumi, capsys, monkeypatch):
    monkeypatch.setenv('EASYBUILD_PREFIX', '/elsewhere')
    assert main(['doctor', '--json']) == 1
    found = json.loads(capsys.readouterr().out)
    assert found['findings'][0]['check'] == 'environment' and found['passed'] == []
    assert main(['doctor']) == 1 and 'new shell' in capsys.readouterr().out.replace('\n', ' ').replace('  ', ' ')


def test_command_of_what_cannot_be(lumi, capsys, tmp_path):
    recipe = put_recipe(tmp_path, more="dependencies = [('CUDA', '12.6')]\n", flat=True)
    assert main(['doctor', '--json', recipe]) == 1
    assert json.loads(capsys.readouterr().out)['findings'][0]['check'] == 'plan'
    assert main(['doctor', '/nowhere/X.eb']) == 2


