# SPDX-License-Identifier: GPL-2.0-only
"""What several people write to: folders of a shared prefix, and the clone with the hooks. Commands are run."""
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from another_user import GROUP, NOBODY, OTHER, Place, needs_root
from doctoring import says

from lumi_hooks.doctor import ERROR, WARNING, shared

FOLDERS = ('sources/l/lz4', 'sources/generic', 'SW/LUMI-25.03/C/.locks', 'SW/LUMI-25.03/C/lz4/1.10',
           'modules/LUMI/25.03/partition/C/lz4', 'ebfiles_repo/LUMI-25.03/LUMI-C/lz4')


@pytest.fixture
def prefix(tmp_path):
    """A prefix that a group shares, as it ought to be."""
    top = tmp_path / 'prefix'
    for folder in FOLDERS:
        (top / folder).mkdir(parents=True)
    (top / 'sources/l/lz4/lz4.tgz').write_text('x')
    for path in [top, *top.rglob('*')]:
        path.chmod(0o2775 if path.is_dir() else 0o664)
    return top


def fixed(text):
    """Run the command that a finding ends with."""
    command = text.rpartition(': ')[2]
    subprocess.run(['sh', '-ec', command], check=True)


def test_all_is_well(here, prefix):
    assert says('shared-folders', here(prefix=prefix)) == []
    # a prefix of the user may be closed
    for path in [prefix, *prefix.rglob('*')]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    assert says('shared-folders', here(prefix=prefix)) == []
    for nothing in (prefix / 'nothing', ''):
        assert says('shared-folders', here(prefix=nothing)) == []


@pytest.mark.parametrize('folder, mode', [
    ('sources/l', 0o2700), ('sources/l', 0o2755), ('sources/generic', 0o700), ('sources', 0o2700),
    ('SW/LUMI-25.03/C/.locks', 0o2700), ('SW/LUMI-25.03/C/lz4', 0o2700), ('modules/LUMI/25.03/partition/C', 0o2750),
    ('modules/LUMI/25.03/partition/C/lz4', 0o2700), ('ebfiles_repo/LUMI-25.03/LUMI-C/lz4', 0o2700)])
def test_a_folder_that_is_closed_to_the_project(here, prefix, folder, mode):
    (prefix / folder).chmod(mode)
    (level, text), = says('shared-folders', here(prefix=prefix))
    assert level == WARNING and str(prefix / folder) in text and f'chmod g+rwxs {prefix / folder}' in text
    fixed(text)
    assert says('shared-folders', here(prefix=prefix)) == []
    assert says('shared-folders', here(prefix=prefix, inside=True)) == []


def test_many_folders_are_one_command(here, prefix):
    for number in range(9):
        (prefix / f'sources/with space {number}').mkdir(mode=0o700)
    (level, text), = says('shared-folders', here(prefix=prefix))
    assert 'and 6 more' in text and f'find {prefix}/sources -maxdepth 3 -user' in text
    fixed(text)
    assert says('shared-folders', here(prefix=prefix)) == []


def test_installations_may_be_closed(here, prefix):
    (prefix / 'SW/LUMI-25.03/C/lz4/1.10').chmod(0o2700)
    (prefix / 'SW/container/X/1').mkdir(parents=True)
    (prefix / 'SW/container/X/1').chmod(0o700)
    assert says('shared-folders', here(prefix=prefix)) == []


def test_sources_that_only_their_owner_reads(here, prefix):
    (prefix / 'sources/l/lz4/lz4.tgz').chmod(0o600)
    (level, text), = says('shared-folders', here(prefix=prefix))
    assert level == WARNING and 'lz4.tgz' in text and 'for fewer people' in text
    fixed(text)
    assert says('shared-folders', here(prefix=prefix)) == []


@pytest.mark.parametrize('name', ['sources/l', 'sources/l/lz4/lz4.tgz', 'modules/LUMI'])
def test_what_everybody_can_write_to(here, prefix, name):
    path = prefix / name
    path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o002)
    (level, text), = says('shared-folders', here(prefix=prefix))
    assert level == ERROR and 'everybody can write to' in text and 'chmod o-w' in text
    fixed(text)
    assert says('shared-folders', here(prefix=prefix)) == []


@needs_root
def test_of_somebody_else_and_of_another_group(here, prefix):
    os.chown(prefix / 'sources/l', OTHER, -1)
    (prefix / 'sources/l').chmod(0o2700)
    (_, text), = says('shared-folders', here(prefix=prefix))
    assert f'ask {OTHER} to run: chmod g+rwxs' in text or 'ask ' in text and ' to run: chmod g+rwxs' in text
    fixed(text)
    os.chown(prefix / 'sources/generic', -1, GROUP)
    (prefix / 'sources/generic').chmod(0o2775)
    (level, text), = says('shared-folders', here(prefix=prefix))
    assert level == WARNING and 'do not belong to the group' in text and 'chgrp' in text
    fixed(text)
    assert says('shared-folders', here(prefix=prefix)) == []


def test_the_work_is_bounded(here, prefix, monkeypatch):
    monkeypatch.setattr(shared, 'LIMIT', 5)
    (level, text), = says('shared-folders', here(prefix=prefix))
    assert level == WARNING and 'holds more than the 5 files and folders' in text
    deep = prefix / 'sources/a/b/c/d'
    deep.mkdir(parents=True)
    seen = [path for path, _ in shared.walk(str(prefix / 'sources'), 3, [100])]
    assert str(deep.parent) in seen and str(deep) not in seen


def test_links_are_not_followed(here, prefix, tmp_path):
    (tmp_path / 'elsewhere').mkdir(mode=0o700)
    (prefix / 'sources/link').symlink_to(tmp_path / 'elsewhere')
    assert says('shared-folders', here(prefix=prefix)) == []


# --- the clone

@pytest.fixture
def clone(tmp_path, monkeypatch):
    top = tmp_path / 'clone'
    for name in ('lumi_hooks/eb', 'easyblocks', 'bin'):
        (top / name).mkdir(parents=True)
    (top / 'lumi_hooks/eb/session.py').write_text('')
    (top / 'bin/lumi-eb').symlink_to('../lumi_hooks/eb/session.py')
    for path in [top, *top.rglob('*')]:
        if not path.is_symlink():
            path.chmod(0o775 if path.is_dir() else 0o664)
    monkeypatch.setattr(shared, 'ROOT', str(top / 'lumi_hooks'))
    return top


@pytest.mark.parametrize('name', ['.', 'lumi_hooks', 'lumi_hooks/eb/session.py', 'easyblocks'])
def test_a_clone_that_everybody_can_write_to(here, clone, name):
    assert says('clone', here()) == []
    path = (clone / name).resolve()
    path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o002)
    (level, text), = says('clone', here())
    assert level == ERROR and f'everybody can write to {path}' in text
    fixed(text)
    assert says('clone', here()) == [] and says('clone', here(inside=True)) == []


def test_many_files_of_a_clone_are_one_command(here, clone):
    for number in range(9):
        (clone / f'lumi_hooks/eb/m{number}.py').touch()
        (clone / f'lumi_hooks/eb/m{number}.py').chmod(0o666)
    (_, text), = says('clone', here())
    assert 'and 6 more' in text and f'find {clone} -maxdepth 4' in text
    fixed(text)
    assert says('clone', here()) == []


def test_what_lies_beside_an_installation_is_not_looked_at(here, clone, monkeypatch):
    """Installed by pip, it lies in a folder with a thousand other things."""
    (clone / 'numpy').mkdir()
    (clone / 'numpy').chmod(0o777)
    assert says('clone', here()) == []
    monkeypatch.setattr(shared, 'LIMIT', 3)
    assert 'holds more than the 3 files' in says('clone', here())[0][1]


def test_a_clone_in_a_folder_that_everybody_can_write_to(here, clone):
    clone.parent.chmod(0o777)
    assert [level for level, _ in says('clone', here())] == [ERROR]
    clone.parent.chmod(0o1777)
    assert says('clone', here()) == []


@needs_root
def test_a_clone_of_another_group(here, clone, tmp_path):
    os.chown(clone / 'easyblocks', -1, GROUP)
    (level, text), = says('clone', here())
    assert level == WARNING and 'can write to' in text and f'chmod g-w {clone / "easyblocks"}' in text
    # the project that shares the prefix may
    os.chown(tmp_path / 'prefix', -1, GROUP)
    (tmp_path / 'prefix').chmod(0o2775)
    assert says('clone', here()) == []
    (tmp_path / 'prefix').chmod(0o755)
    fixed(text)
    assert says('clone', here()) == []


@needs_root
def test_what_a_member_is_told_works():
    """As ordinary users: the folder's owner is named, and after the command the other one can write."""
    place = Place()
    try:
        prefix = place.folder('prefix', owner=NOBODY, group=GROUP, mode=0o2775)
        closed = place.folder('prefix/sources/l', owner=NOBODY, group=GROUP, mode=0o2700)
        os.chown(closed.parent, NOBODY, GROUP)
        closed.parent.chmod(0o2775)
        ask = ('from lumi_hooks.site import make_site\nfrom lumi_hooks.doctor import Situation, shared\n'
               f'found = Situation(make_site("25.03", "C", prefix={str(prefix)!r}, env={{}}), {{}})\n'
               'result = [finding.text for finding in shared.shared_folders(found)]\n')
        shutil.copy(Path(shared.__file__), place.path / 'library/lumi_hooks/doctor/shared.py')
        (text,) = place.run(ask, user=OTHER, groups=(OTHER, GROUP))
        assert ' to run: chmod g+rwxs ' in text
        command = text.rpartition(': ')[2]
        place.run(f'import subprocess\nresult = subprocess.run({command!r}, shell=True).returncode',
                  groups=(NOBODY, GROUP))
        write = f'open({str(closed / "x")!r}, "w").close()\nresult = True'
        assert place.run(write, user=OTHER, groups=(OTHER, GROUP))
        assert place.run(ask, user=OTHER, groups=(OTHER, GROUP)) == []
    finally:
        place.remove()
