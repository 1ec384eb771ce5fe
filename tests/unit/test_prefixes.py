# SPDX-License-Identifier: GPL-2.0-only
"""The stack of prefixes: what lies below the user's own, and in which order things are found in them."""
import os

import pytest

from lumi_hooks import prefix as prefixes
from lumi_hooks.doctor.prefix import stale_modules
from lumi_hooks.errors import DataError, SiteError
from lumi_hooks.index import Index
from lumi_hooks.prefix import LOADED, stack_of
from lumi_hooks.site import make_site, site_from_environment

LUMI = {'LUMI_STACK_VERSION': '25.03', 'LUMI_STACK_PARTITION': 'C', 'LUMI_EASYBUILD_MODE': 'user', 'HOME': '/home/me'}


@pytest.fixture
def three(tmp_path):
    """Three prefixes: the user's own, a project's, and one that the project's file names."""
    found = []
    for name in ('own', 'project', 'friends'):
        found.append(str(tmp_path / name))
        (tmp_path / name / '.lumi-hooks').mkdir(parents=True)
        for folder in prefixes.module_folders(found[-1], '25.03', 'C')[:2]:
            os.makedirs(folder)
        for folder in prefixes.archive_folders(found[-1], '25.03', 'C') + prefixes.own_folders(found[-1], '', ''):
            os.makedirs(folder)
    return found


def say(prefix, *lines):
    """Write a prefix's file."""
    path = os.path.join(prefix, prefixes.FILE)
    with open(path, 'w', encoding='utf-8') as handle:
        handle.write('\n'.join(lines) + '\n')
    return path


def test_one_prefix_alone(tmp_path):
    assert stack_of(str(tmp_path), {}) == (str(tmp_path),)
    assert stack_of('', {'LUMI_HOOKS_PREFIXES': '/a:/b'}) == ()


def test_the_variable(three):
    own, project, friends = three
    assert stack_of(own, {'LUMI_HOOKS_PREFIXES': f'{own}/:{friends}::{project}:{friends}'}) == (own, friends, project)
    # the file counts where the variable says nothing
    say(own, project)
    assert stack_of(own, {'LUMI_HOOKS_PREFIXES': own}) == (own,)
    assert stack_of(own, {'LUMI_HOOKS_PREFIXES': ''}) == (own, project)


def test_files_are_followed_once(three):
    own, project, friends = three
    say(own, '# the project\'s', '', f'  {project}/  ')
    say(project, friends)
    say(friends, project, own)
    assert stack_of(own, {}) == (own, project, friends)
    assert stack_of(friends, {}) == (friends, project, own)


@pytest.mark.parametrize('named, says', [
    ('relative', 'names relative, which is no absolute path'),
    ('/elsewhere:{own}', 'starts with /elsewhere'),
])
def test_a_variable_that_is_wrong(three, named, says):
    with pytest.raises(SiteError, match=says):
        stack_of(three[0], {'LUMI_HOOKS_PREFIXES': named.format(own=three[0])})


@pytest.mark.parametrize('text, says', [
    ('project', 'line 1: \'project\' is not a prefix'),
    ('# good\n/a:/b', 'line 2: \'/a:/b\' is not a prefix'),
    ('/a\x00b', 'line 1'),
    ('/a\n/a', 'line 2: /a is there twice'),
    ('\n'.join(f'/p{number}' for number in range(40)), 'names 40 prefixes'),
    (b'/\xff\xfe', 'it is not text'),
])
def test_a_file_that_is_wrong(three, text, says):
    path = os.path.join(three[0], prefixes.FILE)
    with open(path, 'wb') as handle:
        handle.write(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=says) as caught:
        stack_of(three[0], {})
    assert path in str(caught.value)


def test_a_folder_in_the_place_of_the_file(three):
    os.mkdir(os.path.join(three[0], prefixes.FILE))
    with pytest.raises(DataError, match='cannot be read'):
        stack_of(three[0], {})


def test_modules_in_order(three):
    own, project, friends = three
    mine, common = prefixes.module_folders(own, '25.03', 'C')[:2]
    central = '/appl/lumi/modules/easybuild/LUMI/25.03/partition/C'
    found = prefixes.module_path([mine, common, central, '/opt/modulefiles'], three, '25.03', 'C')
    assert found == [mine, common, *prefixes.module_folders(project, '25.03', 'C')[:2],
                     *prefixes.module_folders(friends, '25.03', 'C')[:2], central, '/opt/modulefiles']
    # what is there already stays, folders that do not exist are left out, nothing is added twice
    assert prefixes.module_path(found, three, '25.03', 'C') == found
    assert prefixes.module_path([central], [own, '/nowhere'], '25.03', 'C') == [central]
    assert prefixes.module_path([central], [], '25.03', 'C') == [central]
    assert not any('/partition/G' in folder for folder in found)


def test_recipes_in_order(three):
    own, project, friends = three
    archive, users = prefixes.archive_folders(own, '25.03', 'C'), prefixes.own_folders(own, '25.03', 'C')
    central, lumi = ['/appl/lumi/mgmt/ebfiles_repo/LUMI-25.03/LUMI-C'], ['/appl/lumi/stack/easybuild/easyconfigs']
    found = prefixes.robot_path([*archive, *central, *users, *lumi], three, '25.03', 'C')
    assert found == [*archive, *prefixes.archive_folders(project, '25.03', 'C'),
                     *prefixes.archive_folders(friends, '25.03', 'C'), *central,
                     *users, *prefixes.own_folders(project, '', ''), *prefixes.own_folders(friends, '', ''), *lumi]
    assert prefixes.robot_path(found, three, '25.03', 'C') == found


def test_sources_in_order(three):
    own, project, friends = three
    folders = [os.path.join(prefix, 'sources') for prefix in three]
    for folder in folders:
        os.makedirs(folder)
    central = ['/appl/lumi/sources/easybuild']

    def found(path):
        return prefixes.source_path(path, three, '25.03', 'C')
    assert found([folders[0], *central]) == [*folders, *central] == found([*folders, *central])
    # what is downloaded never goes to a lower prefix
    assert found(['/elsewhere', *central]) == ['/elsewhere', *folders[1:], *central]
    assert found(['/elsewhere', folders[0], *central]) == ['/elsewhere', *folders, *central]
    # a user who names a folder of a lower prefix first is taken at their word, and it is searched once
    assert found([folders[1], *central]) == [folders[1], folders[2], *central]
    assert found([]) == []


def test_common_is_named_once():
    assert len(prefixes.module_folders('/p', '25.03', 'common')) == 2
    assert len(prefixes.archive_folders('/p', '25.03', 'common')) == 1


def test_whose_module_it_is(three, tmp_path):
    own, project, _ = three
    assert prefixes.holder(f'{project}/modules/X.lua', three) == project
    assert prefixes.holder(f'{project}-other/modules/X.lua', three) is None
    inner = f'{own}/inner'
    assert prefixes.holder(f'{inner}/x', [own, inner]) == inner
    (tmp_path / 'link').symlink_to(project)
    assert prefixes.holder(f'{tmp_path}/link/x', three) == project
    assert prefixes.name_of(own, three) == 'your own prefix'
    assert prefixes.name_of(project, three) == f'the prefix {project}'
    assert prefixes.name_of(None, three) == 'the central stack'


@pytest.mark.parametrize('path, area, project', [
    ('/project/project_465000001/EasyBuild', 'project', 'project_465000001'),
    ('/pfs/lustrep2/projappl/project_465000001/x', 'project', 'project_465000001'),
    ('/scratch/project_465000001', 'scratch', 'project_465000001'),
    ('/flash/project_465000001/me', 'flash', 'project_465000001'),
    ('/users/me/EasyBuild', 'home', None),
    ('/tmp/somebody', 'memory', None),
    ('/project', None, None),
    ('/projects/project_1', None, None),
    ('/project/other/project_1', None, None),
    ('/opt', None, None),
])
def test_storage_areas(path, area, project):
    found = prefixes.area_of(path)
    assert (found and found['name'], prefixes.project_of(path)) == (area, project)
    if project:
        assert prefixes.name_of(path, [path]) == f'the prefix of {project}'


def test_site_holds_the_stack(three):
    own, project, _ = three
    env = {**LUMI, 'EBU_USER_PREFIX': own, 'LUMI_HOOKS_PREFIXES': f'{own}:{project}', 'EASYBUILD_PREFIX': own}
    assert site_from_environment(env, 'nid001234').prefixes == (own, project)
    assert make_site(prefix=own, env={}).prefixes == (own,)
    assert make_site(env={}).prefixes == ()
    assert make_site(mode='production', prefix='/appl/lumi', env=env).prefixes == ('/appl/lumi',)


def test_a_prefix_that_changed_while_modules_are_loaded(three):
    own, project, _ = three
    env = {**LUMI, 'EBU_USER_PREFIX': own, 'EASYBUILD_PREFIX': project}
    with pytest.raises(SiteError) as error:
        site_from_environment(env, 'nid001234')
    assert f'EBU_USER_PREFIX is {own} now, and was {project} when EasyBuild-user' in str(error.value)
    assert 'new shell' in str(error.value)


def test_a_stack_that_changed_while_the_module_is_loaded(three):
    own, project, friends = three
    env = {**LUMI, 'EBU_USER_PREFIX': own, 'EASYBUILD_PREFIX': own, 'LUMI_HOOKS_PREFIXES': f'{own}:{project}',
           LOADED: f'{own}:{project}/'}
    assert site_from_environment(env, 'nid001234').prefixes == (own, project)
    env['LUMI_HOOKS_PREFIXES'] = f'{own}:{friends}'
    with pytest.raises(SiteError, match='module unload lumi-hooks'):
        site_from_environment(env, 'nid001234')


def test_stale_modules(three):
    own, project, _ = three
    mine, other = prefixes.module_folders(own, '25.03', 'C')[0], '/users/x/EasyBuild/modules/LUMI/25.03/partition/C'
    wrong = prefixes.module_folders(project, '25.03', 'G')[0]
    path = [mine, other, wrong, '/appl/lumi/modules/easybuild/LUMI/25.03/partition/C', '/opt/modulefiles']
    assert stale_modules(path, [own, project], 'C') == [other, wrong]


def test_modules_of_all_prefixes_are_installed_ones(three):
    own, project, _ = three
    for prefix, version in ((own, '1.0'), (project, '2.0')):
        folder = os.path.join(prefixes.module_folders(prefix, '25.03', 'C')[0], 'Thing')
        os.makedirs(folder)
        with open(os.path.join(folder, f'{version}-cpeGNU-25.03.lua'), 'w', encoding='utf-8'):
            pass
    index = Index(prefixes.module_path(prefixes.module_folders(own, '25.03', 'C'), [own, project], '25.03', 'C'))
    assert set(index.modules('Thing')) == {'1.0-cpeGNU-25.03', '2.0-cpeGNU-25.03'}
