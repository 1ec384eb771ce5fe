# SPDX-License-Identifier: GPL-2.0-only
"""Whom files are taken from: by owner, mode and ACL, of a file, its folder, its links and the folders above."""
import os
import struct

import pytest
from another_user import GROUP, OTHER, Place, needs_root
from easybuild.tools.build_log import EasyBuildError
from writing import put_recipe

from lumi_hooks import prefix as prefixes
from lumi_hooks import trust
from lumi_hooks.eb import dispatch
from lumi_hooks.eb.policy import gate as eb_trust
from lumi_hooks.errors import LumiHooksError, TrustError
from lumi_hooks.trust import Judge, Trusted, acl, owners
from lumi_hooks.trust.owners import CHECKOUT, Zone, trusted

ME = os.geteuid()
MINE = Trusted(ME, frozenset({0, os.getegid()}))
STRANGER_GROUP = 54321


def why_not(path, who=MINE):
    return Judge(who).why_not(path)


def access_list(*entries):
    """An ACL as the kernel keeps it, with further entries of tag, permissions and id."""
    every = [(0x01, 6, 0xffffffff), *entries, (0x04, 4, 0xffffffff), (0x10, 7, 0xffffffff), (0x20, 4, 0xffffffff)]
    return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *entry) for entry in sorted(every))


@pytest.fixture
def file(tmp_path):
    """A file in a folder of the user."""
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
    # the sticky bit keeps a file from being exchanged, and lets others put patches next to it
    file.parent.chmod(0o1777)
    assert f'everybody can write to {file.parent}' in why_not(str(file), MINE)


def test_folders_further_up(file, tmp_path):
    tmp_path.chmod(0o777)
    assert f'everybody can write to {tmp_path}, and so can replace what is in it' in why_not(str(file), MINE)
    tmp_path.chmod(0o1777)
    assert why_not(str(file), MINE) is None


def test_groups(file):
    file.parent.chmod(0o775)
    assert why_not(str(file), MINE) is None
    alone = Trusted(ME, frozenset())
    assert 'the group' in why_not(str(file), alone) and 'chmod g-w' in why_not(str(file), alone)
    assert why_not(str(file), Trusted(ME, frozenset({os.stat(file.parent).st_gid}))) is None


def test_access_lists(file):
    """The group's bits are the mask of an ACL: it is looked into where they say that somebody may write."""
    named = (0x02, 6, OTHER)
    os.setxattr(file, acl.ACCESS, access_list(named))
    assert file.stat().st_mode & 0o020
    assert f'an ACL lets user {OTHER} write to {file}: setfacl -b {file}' == why_not(str(file))
    os.setxattr(file, acl.ACCESS, access_list((0x08, 6, STRANGER_GROUP)))
    assert f'the group {STRANGER_GROUP} can write to {file}' in why_not(str(file))
    # who may read only; the user's own entry; an entry that the mask takes the right from
    for entries in ([(0x02, 4, OTHER)], [(0x02, 6, ME)], [(0x08, 6, os.getegid())]):
        os.setxattr(file, acl.ACCESS, access_list(*entries))
        assert why_not(str(file)) is None, entries
    os.setxattr(file, acl.ACCESS, access_list(named))
    file.chmod(0o644)
    assert why_not(str(file)) is None
    # and the same of a folder, and of what is no ACL
    os.setxattr(file.parent, acl.ACCESS, access_list((0x02, 7, OTHER)))
    assert f'an ACL lets user {OTHER} write to {file.parent}' in why_not(str(file))
    assert acl.parse(b'\x02\0\0\0short', 0) is None and acl.parse(b'', 0) is None


def test_an_acl_that_cannot_be_read(file, monkeypatch):
    def refuse(path, name):
        raise PermissionError(13, 'Permission denied')
    file.chmod(0o664)
    monkeypatch.setattr(os, 'getxattr', refuse)
    assert 'cannot be seen, as its ACL cannot be read' in why_not(str(file))


def test_zones(file, tmp_path):
    """In a site's folder its owner's files are taken and its group may write: nobody else, and not everybody."""
    file.parent.chmod(0o775)
    os.chown(file.parent, -1, STRANGER_GROUP)
    where = os.path.realpath(tmp_path)
    assert f'the group {STRANGER_GROUP} can write' in why_not(str(file))
    site = Trusted(ME, frozenset(), (Zone(where, frozenset({0}), frozenset({STRANGER_GROUP})),))
    assert why_not(str(file), site) is None
    file.parent.chmod(0o777)
    assert 'everybody can write' in why_not(str(file), site)
    file.parent.chmod(0o775)
    beside = Trusted(ME, frozenset(), (Zone(where[:-1], frozenset({0}), frozenset({STRANGER_GROUP})),))
    assert why_not(str(file), beside) is not None


def test_every_link_is_looked_at(file, tmp_path):
    """Its own folder, from which patches are taken, and its target's."""
    inner = tmp_path / 'links'
    inner.mkdir(mode=0o755)
    link = inner / 'link.eb'
    link.symlink_to(os.path.join('..', 'folder', 'x.eb'))
    assert why_not(str(link)) is None
    inner.chmod(0o777)
    assert f'everybody can write to {inner}' in why_not(str(link))
    inner.chmod(0o755)
    file.chmod(0o666)
    assert f'everybody can write to {file}' in why_not(str(link))
    file.chmod(0o644)
    # a folder that a link leads to, and one on the way
    (tmp_path / 'way').symlink_to('links')
    assert why_not(str(tmp_path / 'way' / 'link.eb')) is None
    open_place = tmp_path / 'open'
    open_place.mkdir()
    open_place.chmod(0o1777)
    (open_place / 'way').symlink_to(inner)
    assert why_not(str(open_place / 'way' / 'link.eb')) is None, 'the sticky bit keeps the link'
    open_place.chmod(0o777)
    assert f'everybody can write to {open_place}, and so can replace' in why_not(str(open_place / 'way' / 'link.eb'))


def test_links_that_lead_nowhere(tmp_path):
    (tmp_path / 'a.eb').symlink_to('b.eb')
    (tmp_path / 'b.eb').symlink_to('a.eb')
    assert 'too many links' in why_not(str(tmp_path / 'a.eb'))
    (tmp_path / 'round').symlink_to('round')
    assert why_not(str(tmp_path / 'round' / 'x.eb')) is None, 'nobody can read that'
    assert why_not('/' + 'a/' * 1500 + 'x.eb') in (None, 'it lies below too many folders')
    assert why_not('no\0name.eb') is None


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / 'x.eb')
    assert 'is not a regular file' in why_not(str(tmp_path / 'x.eb'))


def test_dots_are_followed_as_the_kernel_does(file, tmp_path):
    """A link's `..` is the folder above its target, not the one that the name says."""
    (tmp_path / 'other' / 'deep').mkdir(parents=True)
    (tmp_path / 'other' / 'x.eb').write_text('')
    (file.parent / 'way').symlink_to(tmp_path / 'other' / 'deep')
    (tmp_path / 'other' / 'x.eb').chmod(0o666)
    assert f'everybody can write to {tmp_path}/other/x.eb' in why_not(str(file.parent / 'way' / '..' / 'x.eb'))


def test_who_is_trusted(tmp_path):
    stack = tmp_path / 'appl' / 'lumi' / 'Stack'
    (stack / 'easybuild' / 'tools').mkdir(parents=True)
    upstream = tmp_path / 'up'
    upstream.mkdir()
    env = {'EASYBUILD_INCLUDE_MODULE_NAMING_SCHEMES': f'{stack}/easybuild/tools/x/*.py',
           'EBROOTEASYBUILD': '/nowhere', 'LUMI_HOOKS_UPSTREAM': f'{upstream}:'}
    found = trusted([str(tmp_path), '/nowhere'], env)
    zones = {zone.path: zone for zone in found.zones}
    assert found.user == ME and 0 in found.groups
    assert zones[str(tmp_path / 'appl' / 'lumi')].groups == {os.getegid()}
    assert zones[str(upstream)] == Zone(str(upstream), frozenset({ME}))
    assert CHECKOUT in zones and '/' not in zones and '' not in zones
    # a prefix of the user, which nobody shares, needs no rules of its own
    assert str(tmp_path) not in zones


def test_an_eb_somewhere_makes_no_site_of_the_folder_above(tmp_path):
    eb = tmp_path / 'home' / 'me' / 'eb'
    eb.parent.mkdir(parents=True)
    eb.write_text('#!/bin/sh\n')
    eb.chmod(0o755)
    paths = [zone.path for zone in trusted([], {'PATH': str(eb.parent)}).zones]
    assert str(tmp_path / 'home') not in paths
    (tmp_path / 'home' / 'easybuild' / 'easyconfigs').mkdir(parents=True)
    assert str(tmp_path / 'home') in [zone.path for zone in trusted([], {'PATH': str(eb.parent)}).zones]


def test_a_projects_group_counts_in_its_prefix_alone(file, tmp_path, monkeypatch):
    """By the name of the project's folder, where the user is a member; and in the top prefix's case everywhere."""
    monkeypatch.setattr(os, 'getgroups', lambda: [STRANGER_GROUP])
    for name in ('top', 'lower'):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, -1, STRANGER_GROUP)
        (tmp_path / name / 'x.eb').write_text('')
        os.chown(tmp_path / name / 'x.eb', OTHER, STRANGER_GROUP)
    assert owners.sharing_group(str(tmp_path / 'top')) is None
    monkeypatch.setattr(owners, 'project_of', lambda path: str(STRANGER_GROUP))
    assert owners.sharing_group(str(tmp_path / 'top')) == STRANGER_GROUP
    monkeypatch.setattr(owners, 'project_of', lambda path: None)
    (tmp_path / 'lower').chmod(0o2775)
    assert owners.sharing_group(str(tmp_path / 'lower')) == STRANGER_GROUP
    file.parent.chmod(0o775)
    os.chown(file.parent, -1, STRANGER_GROUP)
    lent = trusted([str(tmp_path / 'top'), str(tmp_path / 'lower')], {})
    assert why_not(str(tmp_path / 'lower' / 'x.eb'), lent) is None
    assert f'the group {STRANGER_GROUP} can write' in why_not(str(file), lent), 'a lower prefix lends no trust'
    assert 'belongs to' in why_not(str(tmp_path / 'top' / 'x.eb'), lent)
    # the group of the prefix that is installed into decides on what is run anyway
    assert why_not(str(file), trusted([str(tmp_path / 'lower')], {})) is None


def test_lists_of_prefixes_are_followed_only_from_trusted_files(tmp_path):
    top, lower = tmp_path / 'top', tmp_path / 'lower'
    for one, below in ((top, lower), (lower, '/third')):
        (one / '.lumi-hooks').mkdir(parents=True)
        (one / '.lumi-hooks' / 'prefixes').write_text(f'{below}\n')
    assert prefixes.stack_of(str(top), {}) == (str(top), str(lower), '/third')
    (lower / '.lumi-hooks' / 'prefixes').chmod(0o666)
    assert prefixes.stack_of(str(top), {}) == (str(top), str(lower))
    (top / '.lumi-hooks' / 'prefixes').chmod(0o666)
    with pytest.raises(TrustError, match='prefixes is not followed, as it names prefixes that code is taken from: '
                                         'everybody can write'):
        prefixes.stack_of(str(top), {})


def test_where_to_work(tmp_path):
    """A folder to build in: nobody else's, and none that others can exchange; /tmp itself will do."""
    assert Judge(MINE).why_no_work(str(tmp_path / 'mine' / 'deep')) is None and Judge(MINE).why_no_work('/tmp') is None
    tmp_path.chmod(0o777)
    assert f'everybody can write to {tmp_path}' in Judge(MINE).why_no_work(str(tmp_path / 'mine'))
    tmp_path.chmod(0o755)
    if ME == 0:
        (tmp_path / 'theirs').mkdir()
        os.chown(tmp_path / 'theirs', OTHER, OTHER)
        assert 'who can replace what is in it' in Judge(MINE).why_no_work(str(tmp_path / 'theirs' / 'x'))


def test_lumi_eb_reads_no_recipe_of_others(file, tmp_path, monkeypatch, capsys):
    from lumi_hooks.cli import main
    mark = tmp_path / 'was-run'
    file.write_text(f"open({str(mark)!r}, 'w').close()\n")
    monkeypatch.setenv('HOME', str(tmp_path))
    file.chmod(0o666)
    for command in ('adapt', 'plan', 'doctor'):
        assert main([command, '--json', str(file)]) == 2
        assert 'is not read, as it decides on what is run' in capsys.readouterr().err
    assert not mark.exists()
    # the trap works, where the file is the user's own
    file.chmod(0o644)
    assert main(['adapt', '--json', str(file)]) == 2 and mark.exists()


# --- as ordinary users

WHY = """
from lumi_hooks.trust import Judge, trusted
result = Judge(trusted({prefixes!r}, {{}})).why_not({path!r})
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
    # a file of the user in somebody else's folder can be exchanged
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
    eb_trust.check_given(['-r', str(file), 'none.eb', '--x.eb'])
    file.chmod(0o666)
    with pytest.raises(LumiHooksError, match='is not read, as it decides on what is run: everybody can write'):
        eb_trust.check_given(['-r', str(file)])


def test_folders_on_the_robot_path(file, capsys, monkeypatch):
    monkeypatch.setattr(eb_trust.messages, 'build_option', lambda name: False)
    monkeypatch.setattr(eb_trust, '_told', set())
    robot = [str(file.parent), '/nowhere', '/']
    assert eb_trust.trusted_folders(robot) == robot
    file.parent.chmod(0o777)
    trust.forget()
    assert eb_trust.trusted_folders(robot) == ['/nowhere', '/']
    assert eb_trust.trusted_folders(robot) == ['/nowhere', '/']
    assert capsys.readouterr().err.count('no recipes are taken from') == 1


def test_hooks_of_others(tmp_path, monkeypatch):
    path = tmp_path / 'hooks.py'
    path.write_text('raise RuntimeError("it was run")\n')
    path.chmod(0o666)
    monkeypatch.setenv('LUMI_HOOKS_CHAIN', str(path))
    with pytest.raises(EasyBuildError, match='hooks.py is not read, as it decides on what is run: everybody'):
        dispatch.Chain('/ours.py')


def test_each_recipe_is_looked_at_before_it_is_read(tmp_path, patched):
    """Whichever way EasyBuild came to it: a folder below one on the robot path may be everybody's."""
    from easybuild.framework.easyconfig.parser import EasyConfigParser

    from lumi_hooks.errors import RecipeError
    from lumi_hooks.recipe import read_recipe
    mark = tmp_path / 'was-run'
    path = put_recipe(tmp_path, more=f"open({str(mark)!r}, 'w').close()\n")
    patched('gate')
    patched('gate')
    os.chmod(path, 0o666)
    for arguments in ({'filename': path}, {'filename': path, 'rawcontent': 'name = "x"'}):
        with pytest.raises(EasyBuildError, match='is not read, as it decides on what is run: everybody can write'):
            EasyConfigParser(**arguments)
    with pytest.raises(RecipeError, match='is not read'):
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
    eb_trust.check_included(['/nowhere', str(tmp_path / f'included-{kind}-x1')])
    file.chmod(0o666)
    eb_trust.check_included(['/nowhere'])
    with pytest.raises(LumiHooksError, match=f'{file}, which an option --include-{kind} names, is not used, and '
                                             'nothing was built: everybody can write'):
        eb_trust.check_included(['/nowhere', str(tmp_path / f'included-{kind}-x1')])
