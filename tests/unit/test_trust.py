# SPDX-License-Identifier: GPL-2.0-only
"""Whom files are taken from; and recipes, overrides and hooks of others, which are not."""
import os

import pytest
from another_user import GROUP, OTHER, Place, needs_root
from easybuild.tools.build_log import EasyBuildError
from writing import put_recipe

from lumi_hooks.data import ROOT
from lumi_hooks.eb import dispatch
from lumi_hooks.eb import trust as eb_trust
from lumi_hooks.errors import LumiHooksError
from lumi_hooks.prefix.trust import Trusted, trusted, why_not

ME = os.geteuid()
MINE = Trusted(ME, frozenset({0, os.getegid()}))


@pytest.fixture
def file(tmp_path):
    """A file in a folder of one's own."""
    folder = tmp_path / 'folder'
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    path = folder / 'x.eb'
    path.write_text('')
    path.chmod(0o644)
    return path


def test_what_is_ones_own(file):
    assert why_not(str(file), MINE) is None
    assert why_not(str(file.parent / 'none.eb'), MINE) is None and why_not('/nowhere/none.eb', MINE) is None


def test_what_everybody_can_write(file):
    file.chmod(0o646)
    assert f'everybody can write to {file}: chmod o-w' in why_not(str(file), MINE)
    file.chmod(0o644)
    file.parent.chmod(0o757)
    assert f'everybody can write to {file.parent}' in why_not(str(file), MINE)
    # the sticky bit keeps a file from being exchanged, and lets others put patches beside it
    file.parent.chmod(0o1777)
    assert f'everybody can write to {file.parent}' in why_not(str(file), MINE)


def test_folders_further_up(file, tmp_path):
    tmp_path.chmod(0o777)
    assert f'everybody can write to {tmp_path}, and so put something else' in why_not(str(file), MINE)
    tmp_path.chmod(0o1777)
    assert why_not(str(file), MINE) is None


def test_groups(file):
    file.parent.chmod(0o775)
    assert why_not(str(file), MINE) is None
    alone = Trusted(ME, frozenset())
    assert 'the group' in why_not(str(file), alone) and 'chmod g-w' in why_not(str(file), alone)
    assert why_not(str(file), Trusted(ME, frozenset({os.stat(file.parent).st_gid}))) is None


def test_the_sites_own_folders(file):
    file.parent.chmod(0o777)
    assert why_not(str(file), Trusted(ME, frozenset(), (), (str(file.parent.parent),))) is None
    assert why_not(str(file), Trusted(ME, frozenset(), (), (str(file.parent)[:-1],))) is not None


def test_links_are_followed(file, tmp_path):
    (tmp_path / 'link.eb').symlink_to(file)
    assert why_not(str(tmp_path / 'link.eb'), MINE) is None
    file.chmod(0o666)
    assert why_not(str(tmp_path / 'link.eb'), MINE)


def test_who_is_trusted(tmp_path):
    env = {'EASYBUILD_INCLUDE_MODULE_NAMING_SCHEMES': '/appl/lumi/LUMI-SoftwareStack/easybuild/tools/x/*.py',
           'EBROOTEASYBUILD': '/appl/lumi/SW/system/EB/EasyBuild/1', 'LUMI_HOOKS_UPSTREAM': '/up:'}
    found = trusted([str(tmp_path), '/nowhere'], env)
    assert found.user == ME and {0, os.stat(tmp_path).st_gid} <= found.groups
    assert {'/appl/lumi', '/appl/lumi/SW/system/EB/EasyBuild/1', '/up', os.path.dirname(ROOT)} <= set(found.site)
    assert os.path.realpath(tmp_path) in found.roots and '' not in found.site
    assert why_not('/appl/lumi/LUMI-EasyBuild-contrib/easybuild/easyconfigs/x.eb', found) is None


def test_a_projects_own_group_may_write(file, monkeypatch):
    """In a project's folder, wherever the prefix is."""
    from lumi_hooks.prefix import trust
    file.parent.chmod(0o775)
    alone = Trusted(ME, frozenset())
    assert why_not(str(file), alone)
    name = trust._group(os.stat(file.parent).st_gid)
    monkeypatch.setattr(trust, 'project_of', lambda path: name)
    assert why_not(str(file), alone) is None
    monkeypatch.setattr(trust, 'project_of', lambda path: 'project_465000001')
    assert 'not that of a project of yours' in why_not(str(file), alone)


def test_lumi_eb_reads_no_recipe_of_others(file, tmp_path, monkeypatch, capsys):
    from lumi_hooks.cli import main
    mark = tmp_path / 'was-run'
    file.write_text(f"open({str(mark)!r}, 'w').close()\n")
    monkeypatch.setenv('HOME', str(tmp_path))
    file.chmod(0o666)
    for command in ('adapt', 'plan', 'doctor'):
        assert main([command, '--json', str(file)]) == 2
        assert 'is not read, as reading it runs it' in capsys.readouterr().err
    assert not mark.exists()
    # the trap works, where the file is one's own
    file.chmod(0o644)
    assert main(['adapt', '--json', str(file)]) == 2 and mark.exists()


# --- as ordinary users

WHY = """
from lumi_hooks.prefix.trust import trusted, why_not
result = why_not({path!r}, trusted({prefixes!r}, {{}}))
"""


@pytest.fixture(scope='module')
def place():
    found = Place()
    yield found
    found.remove()


@needs_root
def test_files_of_another_user(place):
    folder = place.folder('others', owner=OTHER, group=OTHER)
    path = folder / 'x.eb'
    path.write_text('')
    os.chown(path, OTHER, OTHER)
    said = place.run(WHY.format(path=str(path), prefixes=[]))
    assert f'{path} belongs to user {OTHER}, not to you' in said
    # a file of one's own in somebody else's folder can be exchanged
    os.chown(path, 65534, 65534)
    assert f'{folder} belongs to' in place.run(WHY.format(path=str(path), prefixes=[]))
    os.chown(folder, 0, 0)
    os.chown(path, 0, 0)
    assert place.run(WHY.format(path=str(path), prefixes=[])) is None


@needs_root
def test_a_colleagues_recipe_in_the_projects_prefix(place):
    prefix = place.folder('project', owner=OTHER, group=GROUP, mode=0o2775)
    folder = place.folder('project/ebfiles_repo', owner=OTHER, group=GROUP, mode=0o2775)
    path = folder / 'x.eb'
    path.write_text('')
    os.chown(path, OTHER, GROUP)
    path.chmod(0o664)
    asked = {'path': str(path), 'groups': [GROUP]}
    assert place.run(WHY.format(path=asked['path'], prefixes=[str(prefix)]), groups=[GROUP]) is None
    # it is the prefix that makes the difference
    assert 'the group users can write' in place.run(WHY.format(path=asked['path'], prefixes=[]), groups=[GROUP])
    path.chmod(0o666)
    assert 'everybody can write' in place.run(WHY.format(path=asked['path'], prefixes=[str(prefix)]), groups=[GROUP])


@needs_root
def test_a_users_private_group(place):
    folder = place.folder('private', mode=0o775)
    (folder / 'x.eb').write_text('')
    os.chown(folder / 'x.eb', 65534, 65534)
    assert place.run(WHY.format(path=str(folder / 'x.eb'), prefixes=[])) is None


# --- inside eb

def test_recipes_on_the_command_line(file):
    eb_trust.check_given(['-r', str(file), 'none.eb', '--x.eb'], MINE)
    file.chmod(0o666)
    with pytest.raises(LumiHooksError, match='is not taken, as it decides on what is run: everybody can write'):
        eb_trust.check_given(['-r', str(file)], MINE)


def test_folders_on_the_robot_path(file, capsys, monkeypatch):
    monkeypatch.setattr(eb_trust, 'build_option', lambda name: False)
    monkeypatch.setattr(eb_trust, '_told', set())
    robot = [str(file.parent), '/nowhere', '/']
    assert eb_trust.without_strangers(robot, MINE) == robot
    file.parent.chmod(0o777)
    assert eb_trust.without_strangers(robot, MINE) == ['/nowhere', '/']
    assert eb_trust.without_strangers(robot, MINE) == ['/nowhere', '/']
    assert capsys.readouterr().err.count('takes no recipes from') == 1


def test_hooks_of_others(tmp_path, monkeypatch):
    path = tmp_path / 'hooks.py'
    path.write_text('raise RuntimeError("it was run")\n')
    path.chmod(0o666)
    monkeypatch.setenv('LUMI_HOOKS_CHAIN', str(path))
    with pytest.raises(EasyBuildError, match='hooks.py is not taken: everybody can write'):
        dispatch.Chain('/ours.py')


def test_each_recipe_is_looked_at_before_it_is_read(tmp_path, monkeypatch):
    """Whichever way EasyBuild came to it: a folder below one on the robot path may be everybody's."""
    from easybuild.framework.easyconfig.parser import EasyConfigParser

    from lumi_hooks.errors import RecipeError
    from lumi_hooks.recipe import read_recipe
    monkeypatch.setattr(EasyConfigParser, '__init__', EasyConfigParser.__init__)
    mark = tmp_path / 'was-run'
    path = put_recipe(tmp_path, more=f"open({str(mark)!r}, 'w').close()\n")
    eb_trust.watch(MINE)
    eb_trust.watch(MINE)
    os.chmod(path, 0o666)
    for arguments in ({'filename': path}, {'filename': path, 'rawcontent': 'name = "x"'}):
        with pytest.raises(EasyBuildError, match='is not taken, as it decides on what is run: everybody can write'):
            EasyConfigParser(**arguments)
    with pytest.raises(RecipeError, match='is not taken'):
        read_recipe(path)
    assert not mark.exists()
    EasyConfigParser(rawcontent=open(path).read())  # noqa: SIM115
    mark.unlink()
    os.chmod(path, 0o644)
    EasyConfigParser(path)
    assert mark.exists()


@pytest.mark.parametrize('kind', ['easyblocks', 'module-naming-schemes', 'toolchains'])
def test_what_is_included(file, tmp_path, kind):
    """By a link, as EasyBuild makes them."""
    folder = tmp_path / f'included-{kind}-x1' / 'easybuild' / kind
    folder.mkdir(parents=True)
    (folder / '__init__.py').write_text('')
    (folder / 'x.py').symlink_to(file)
    eb_trust.check_included(['/nowhere', str(tmp_path / f'included-{kind}-x1')], MINE)
    file.chmod(0o666)
    eb_trust.check_included(['/nowhere'], MINE)
    with pytest.raises(LumiHooksError, match=f'{file}, which an option --include-{kind} names, is not taken, and '
                                             'nothing was built: everybody can write'):
        eb_trust.check_included(['/nowhere', str(tmp_path / f'included-{kind}-x1')], MINE)
