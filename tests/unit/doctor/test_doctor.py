# SPDX-License-Identifier: GPL-2.0-only
"""What is looked at before a build: each check finds what it is for, and nothing where all is well."""
import grp
import json
import os
import shutil
from dataclasses import replace

import pytest
from doctoring import package, says
from test_record import a_record, put
from writing import put_module, put_recipe

from lumi_hooks import doctor
from lumi_hooks.cli import main
from lumi_hooks.doctor import CHECKS, ERROR, WARNING, examine, skipped
from lumi_hooks.doctor import prefix as place_checks
from lumi_hooks.index import Index

EVERYTHING = ['build-space', 'built-with', 'checksums', 'clone', 'downloads', 'environment', 'fabric', 'file-system',
              'folders', 'group', 'gtl', 'licence', 'licence-group', 'licence-variable', 'loaded', 'lost', 'needs',
              'network', 'node', 'overrides', 'prefix', 'prefixes', 'python-packages', 'ranks', 'shared-folders',
              'space', 'tools', 'umask', 'versions', 'work-folders']


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


def test_a_module_whose_dependency_is_gone(here, tmp_path):
    needed = [{'name': name, 'version': '1.0', 'module': f'{name}/1.0-cpeGNU-25.03', 'origin': origin,
               'build_only': build_only}
              for name, origin, build_only in (('There', 'prefix', False), ('Gone', 'prefix', False),
                                               ('Built', 'central', True), ('cray-hdf5', 'cray', False))]
    put(tmp_path / 'prefix', a_record(dependencies=needed))
    put(tmp_path / 'prefix', 'no record', 'Broken')
    modules = tmp_path / 'modules'
    for name in ('There', 'Thing'):
        put_module(modules, name, '1.0-cpeGNU-25.03')
    situation = here()
    situation = replace(situation, site=replace(situation.site, index=Index([str(modules)])))
    (level, text), = says('needs', situation)
    assert level == WARNING and 'Thing/1.0-cpeGNU-25.03' in text and 'needs Gone/1.0-cpeGNU-25.03, which' in text
    put_module(modules, 'Gone', '1.0-cpeGNU-25.03')
    situation.site.index.refresh()
    assert says('needs', situation) == [] and says('needs', here()) == []


def test_project_folder(here, project, monkeypatch):
    found = says('group', here(prefix=project / 'EasyBuild'))
    assert [level for level, _ in found] == [WARNING] and f'chmod g+s {project}' in found[0][1]
    project.chmod(0o2775)
    assert says('group', here(prefix=project / 'EasyBuild')) == []
    project.chmod(0o2777)
    assert says('group', here(prefix=project / 'EasyBuild'))[0][0] == ERROR
    project.chmod(0o2700)
    (level, text), = says('group', here(prefix=project / 'EasyBuild'))
    assert level == WARNING and f'chmod g+rwx {project}' in text
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


# --- the node

@pytest.mark.parametrize('host, partition, word', [
    ('nid001234', 'C', None), ('nid005001', 'G', None), ('uan01', 'L', None), ('uan01', 'C', 'a login node'),
    ('uan01', 'G', 'it has no GPU'), ('nid001234', 'G', 'it has no GPU'), ('nid005001', 'C', 'processors differ'),
    ('build-machine', 'C', None), ('uan01', 'common', None)])
def test_node(here, host, partition, word):
    found = says('node', here(partition=partition, hostname=host))
    assert [level for level, _ in found] == ([WARNING] if word else []) and (not word or word in found[0][1])


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


def test_U6_a_check_that_cannot_look_is_not_passed(here):
    bare = here(env={'PATH': os.environ['PATH']})
    bare = replace(bare, site=replace(bare.site, prefix='/home/x/EasyBuild'))
    examine(bare)
    left_out = skipped(bare)
    assert {'needs', 'group', 'licence', 'licence-variable', 'licence-group', 'checksums', 'downloads', 'build-space',
            'folders', 'prefixes'} <= set(left_out) and all(left_out.values())
    assert not {'umask', 'tools', 'overrides', 'space', 'prefix'} & set(left_out)
    for name in left_out:
        assert list(CHECKS[name](bare)) == []
    # with something to look at they look
    licensed = replace(bare, env={**bare.env, 'LM_LICENSE_FILE': '/nowhere', 'EASYBUILD_BUILDPATH': '/tmp',
                                  'MODULEPATH': '/m'}, robot=('/r',),
                       packages=(package(license_file='/nowhere/l', group='users', sources=['a']),))
    assert not {'licence', 'licence-variable', 'licence-group', 'checksums', 'downloads', 'build-space', 'folders',
                'prefixes'} & set(skipped(licensed))
    # a server that is not asked is not in order
    asked = replace(licensed, packages=(package(license_file='27000@server'),))
    assert 'servers are not contacted' in skipped(asked)['licence'] and 'licence-variable' not in skipped(asked)


def test_U6_the_command_tells_them_apart(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv('EBU_USER_PREFIX', str(tmp_path))
    for name in ('EASYBUILD_ROBOT_PATHS', 'EASYBUILD_BUILDPATH', 'MODULEPATH'):
        monkeypatch.delenv(name, raising=False)
    main(['doctor'])
    rows = {line[13:].split()[0]: line[:13].strip() for line in capsys.readouterr().out.splitlines() if line[13:]}
    assert rows['checksums'] == rows['build-space'] == rows['licence'] == 'not checked'
    assert rows['umask'] == rows['prefix'] == 'ok'
    main(['doctor', '--json'])
    passed = json.loads(capsys.readouterr().out)['passed']
    assert 'umask' in passed and not {'checksums', 'build-space', 'licence'} & set(passed)
