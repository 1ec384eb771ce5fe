# SPDX-License-Identifier: GPL-2.0-only
"""The overlay: adapted recipes where the robot finds them; written once, in one step, with what belongs to them."""
import os
import shutil
import subprocess
import sys
import threading

import pytest
from writing import put_recipe

from lumi_hooks import library
from lumi_hooks import overlay as overlay_module
from lumi_hooks.adapt import adapt
from lumi_hooks.central import Index
from lumi_hooks.errors import LumiHooksError
from lumi_hooks.overlay import Overlay, rules_digest, with_checksums
from lumi_hooks.recipe import parse_recipe, read_recipe
from lumi_hooks.render import render
from lumi_hooks.site import make_site


@pytest.fixture
def overlay(tmp_path):
    return Overlay(str(tmp_path / 'overlay'))


@pytest.fixture
def adapted(tmp_path, site):
    """Writes a recipe and adapts it."""
    def make(more='', name='Thing', folder='own', **facts):
        return adapt(read_recipe(put_recipe(tmp_path / folder, name, more=more, flat=True, **facts)), site)
    return make


def files(root):
    return sorted(os.path.relpath(os.path.join(folder, name), str(root)) for folder, _, names in os.walk(str(root))
                  for name in names)


def test_where_a_recipe_stands(overlay, adapted):
    found = adapted()
    assert overlay.path(found) == os.path.join(overlay.root, 't', 'Thing', found.filename)
    assert overlay.path(adapted(name='2decomp')) == os.path.join(overlay.root, '0', '2decomp', adapted(name='2decomp')
                                                                 .filename)
    given = overlay.path(found, given=True)
    assert given.startswith(os.path.join(overlay.root, '.given') + os.sep) and given.endswith('/' + found.filename)


def test_what_is_written(overlay, adapted):
    found = adapted("dependencies = [('HDF5', '1.14.5')]\n")
    path = overlay.add(found)
    with open(path, encoding='utf-8') as stream:
        assert stream.read() == render(found, parse_recipe)
    assert read_recipe(path).dependencies() == found.dependencies()
    assert files(overlay.root) == [f't/Thing/{found.filename}']


def test_idempotent(overlay, adapted):
    path = overlay.add(adapted())
    before = os.stat(path)
    assert overlay.add(adapted()) == path
    after = os.stat(path)
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_never_changed(overlay, adapted):
    path = overlay.add(adapted())
    with pytest.raises(LumiHooksError, match='exists and says something else.*Remove .* and try again'):
        overlay.add(adapted("moduleclass = 'lib'\n"))
    assert read_recipe(path).parameters.get('moduleclass') is None


def test_two_recipes_given_for_one_module_do_not_meet(overlay, adapted):
    one, other = overlay.add(adapted(), given=True), overlay.add(adapted("moduleclass = 'lib'\n"), given=True)
    assert one != other and os.path.basename(one) == os.path.basename(other)
    assert os.path.isfile(one) and os.path.isfile(other)


def test_given_recipes_are_hidden_from_the_robot(overlay, adapted):
    path = overlay.add(adapted(), given=True)
    relative = os.path.relpath(path, overlay.root).split(os.sep)
    assert relative[0].startswith('.') and relative[1] != 'Thing'


def test_modes_follow_the_umask(overlay, adapted):
    old = os.umask(0o027)
    try:
        assert os.stat(overlay.add(adapted())).st_mode & 0o777 == 0o640
    finally:
        os.umask(old)


def test_all_or_nothing(overlay, adapted, monkeypatch):
    def broken(*_):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(overlay_module.os, 'replace', broken)
    with pytest.raises(LumiHooksError, match=r'cannot be written: No space left on device.*EBU_USER_PREFIX'):
        overlay.add(adapted())
    assert files(overlay.root) == []


def test_unwritable_prefix(tmp_path):
    """One sentence. As root mode bits stop nothing: a read-only mount does; a plain write must fail there first."""
    prefix = tmp_path / 'prefix'
    prefix.mkdir()
    recipe = put_recipe(tmp_path / 'own', flat=True)
    code = (
        'import sys\n'
        f'sys.path[:0] = {sys.path!r}\n'
        'from lumi_hooks.adapt import adapt\nfrom lumi_hooks.errors import LumiHooksError\n'
        'from lumi_hooks.overlay import Overlay\nfrom lumi_hooks.recipe import read_recipe\n'
        'from lumi_hooks.site import make_site\n'
        f'try:\n    open({str(prefix / "plain")!r}, "w")\n    sys.exit("a plain write works")\n'
        'except OSError:\n    pass\n'
        f'try:\n    Overlay({str(prefix / "overlay")!r}).add(adapt(read_recipe({recipe!r}), make_site(env={{}})))\n'
        'except LumiHooksError as err:\n    print(err)\n')
    command = [sys.executable, '-c', code]
    if os.geteuid() == 0:
        script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 77; shift; exec "$@"'
        command = ['unshare', '-m', 'sh', '-c', script, 'sh', str(prefix), *command]
    else:
        prefix.chmod(0o555)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd='/')
    if done.returncode == 77:
        pytest.skip(f'no mounts can be made here: {done.stderr.strip()}')
    assert done.returncode == 0, done.stderr
    assert 'cannot be written' in done.stdout and done.stdout.count('\n') == 1


def test_two_at_the_same_time(overlay, adapted):
    found, failed = adapted(), []

    def add():
        try:
            overlay.add(found)
        except Exception as err:
            failed.append(err)
    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and files(overlay.root) == [f't/Thing/{found.filename}']


# --- what belongs to a recipe

PATCHES = "patches = ['%(name)s-%(version)s_fix.patch', 'blob.patch.gz']\n"


def test_patches_are_copied_byte_by_byte(overlay, adapted, tmp_path):
    (tmp_path / 'own').mkdir()
    contents = {'Thing-1.0_fix.patch': b'--- a\r\n+++ b\r\n\xff\r', 'blob.patch.gz': bytes(range(256))}
    for name, content in contents.items():
        (tmp_path / 'own' / name).write_bytes(content)
    path = overlay.add(adapted(PATCHES), given=True)
    for name, content in contents.items():
        with open(os.path.join(os.path.dirname(path), name), 'rb') as stream:
            assert stream.read() == content, name
    assert overlay.add(adapted(PATCHES), given=True) == path


def test_a_patch_that_was_worked_on(overlay, adapted, tmp_path):
    """Somebody works on the patch beside their own recipe: the next run takes the new one."""
    (tmp_path / 'own').mkdir()
    patch = tmp_path / 'own' / 'Thing-1.0_fix.patch'
    patch.write_text('first\n')
    overlay.add(adapted(PATCHES), given=True)
    patch.write_text('second\n')
    path = overlay.add(adapted(PATCHES), given=True)
    with open(os.path.join(os.path.dirname(path), patch.name), encoding='utf-8') as stream:
        assert stream.read() == 'second\n'


def test_sources_beside_a_recipe_are_linked(overlay, adapted, tmp_path):
    """EasyBuild looks for them beside the recipe that it reads, which is the adapted one."""
    source = tmp_path / 'own' / 'Thing-1.0.tar.gz'
    source.parent.mkdir()
    source.write_bytes(b'first')
    more = "sources = ['%(name)s-%(version)s.tar.gz', 'elsewhere.tar.gz']\n"
    folder = os.path.dirname(overlay.add(adapted(more), given=True))
    link = os.path.join(folder, source.name)
    assert os.readlink(link) == str(source) and not os.path.lexists(os.path.join(folder, 'elsewhere.tar.gz'))
    os.unlink(link)
    os.symlink('/nowhere', link)
    overlay.add(adapted(more), given=True)
    assert os.readlink(link) == str(source)


CHECKED = "sources = ['%(name)s-%(version)s.tar.gz']\npatches = ['a.patch', ('b.patch', 1), {'name': 'c.patch'}]\n"
SUMS = {'Thing-1.0.tar.gz': '1' * 64, 'a.patch': '2' * 64, 'b.patch': '3' * 64, 'c.patch': '4' * 64}


def test_an_unreadable_patch_is_named(overlay, adapted, tmp_path, monkeypatch):
    (tmp_path / 'own').mkdir()
    (tmp_path / 'own' / 'blob.patch.gz').write_text('x')

    def broken(path):
        raise PermissionError(13, 'Permission denied', path)
    monkeypatch.setattr(overlay_module, 'read_text', broken)
    with pytest.raises(LumiHooksError, match='blob.patch.gz, beside Thing-1.0-foss-2025a.eb, cannot be read: Perm'):
        overlay.add(adapted(PATCHES), given=True)


def write_sums(folder, sums):
    import json
    folder.mkdir(exist_ok=True)
    (folder / 'checksums.json').write_text(json.dumps(sums))


def test_checksums_json_is_written_into_the_recipe(overlay, adapted, tmp_path):
    write_sums(tmp_path / 'own', SUMS)
    path = overlay.add(adapted(CHECKED))
    assert read_recipe(path).parameters['checksums'] == [{name: value} for name, value in SUMS.items()]
    with open(path, encoding='utf-8') as stream:
        assert 'the checksums.json beside the source recipe' in ' '.join(stream.read().replace('#', ' ').split())


def test_templates_in_names_of_sources(adapted, tmp_path):
    """A file name with any of EasyBuild's templates of name and version gets its checksum too."""
    name = 'thing-v1-1.0.tar.gz'
    write_sums(tmp_path / 'own', {name: '1' * 64})
    found = with_checksums(adapted("sources = ['%(namelower)s-v%(version_major)s-%(version_major_minor)s.tar.gz']\n"))
    assert found.parameters['checksums'] == [{name: '1' * 64}]


@pytest.mark.parametrize('more, sums', [
    (CHECKED + "checksums = ['abc']\n", SUMS),
    (CHECKED, {'Thing-1.0.tar.gz': '1' * 64}),
    (CHECKED, {}),
    ("sources = ['%(strange)s.tar.gz']\n", SUMS),
    ("sources = ['100%d.tar.gz']\n", SUMS),
])
def test_checksums_stay_as_they_are(adapted, tmp_path, more, sums):
    write_sums(tmp_path / 'own', sums)
    found = adapted(more)
    assert with_checksums(found).parameters.get('checksums') == found.parameters.get('checksums')


# --- the folder's name

def test_folder_of_a_site(tmp_path):
    site = make_site('25.03', 'G', prefix=str(tmp_path), env={})
    root = Overlay.of(site, ['/robot']).root
    assert os.path.dirname(root) == str(tmp_path / '.lumi-hooks' / '25.03' / 'G')
    assert not os.path.exists(root), 'nothing is made before it is needed'
    assert Overlay.of(site, ['/robot']).root == root


@pytest.mark.parametrize('other', [
    {'release': '25.09'}, {'partition': 'G'}, {'toolchain': 'cpeCray'}, {'env': {'LUMI_HOOKS_DERIVE': 'Boost'}},
    {'env': {'LUMI_HOOKS_DISABLE': 'central-tools'}}, {'robot': ['/another']},
    {'index': Index(upstream=['/another'])}])
def test_everything_that_decides_is_in_the_name(other):
    values = {'release': '25.03', 'partition': 'C', 'toolchain': 'cpeGNU', 'env': {}, 'robot': ['/robot']}

    def root(values):
        values = dict(values)
        robot = values.pop('robot')
        return Overlay.of(make_site(prefix='/p', **values), robot).root
    assert root(values) != root({**values, **other})
    assert root(values) == root(dict(values))


def test_digest_of_rules_follows_the_files(tmp_path, monkeypatch):
    shutil.copytree(os.path.join(overlay_module.ROOT, 'rules'), tmp_path / 'rules')
    monkeypatch.setattr(library, 'ROOT', str(tmp_path))
    before = rules_digest()
    assert rules_digest() == before
    with open(tmp_path / 'rules' / 'toolchain.py', 'a', encoding='utf-8') as stream:
        stream.write('# changed\n')
    assert rules_digest() != before
