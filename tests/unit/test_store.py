# SPDX-License-Identifier: GPL-2.0-only
"""The store: what an adapted recipe and all that belongs to it becomes, by its contents; and what eb finds by name."""
import os
import subprocess
import sys
import threading
import time

import pytest
from writing import put_recipe

from lumi_hooks import store as store_module
from lumi_hooks.adapt import adapt
from lumi_hooks.eb.view import View
from lumi_hooks.errors import LumiHooksError, TrustError
from lumi_hooks.recipe import parse_recipe, read_recipe
from lumi_hooks.record.source import adapted_again, find_source
from lumi_hooks.render import render
from lumi_hooks.store import Store, with_checksums


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / 'prefix'))


@pytest.fixture
def adapted(tmp_path, site):
    """Writes a recipe and adapts it."""
    def make(more='', name='Thing', folder='own', **facts):
        return adapt(read_recipe(put_recipe(tmp_path / folder, name, more=more, flat=True, **facts)), site)
    return make


def files(root):
    return sorted(os.path.relpath(os.path.join(folder, name), str(root)) for folder, _, names in os.walk(str(root))
                  for name in names)


def test_what_is_stored(store, adapted, tmp_path):
    found = adapted("dependencies = [('HDF5', '1.14.5')]\n")
    path, text = store.put(found)
    assert text == render(found, parse_recipe) and os.path.basename(path) == found.filename
    assert read_recipe(path).text == text and read_recipe(path).dependencies() == found.dependencies()
    assert store.root == str(tmp_path / 'prefix' / '.lumi-hooks' / 'store')
    # what it was made of is no recipe to a search by name
    assert files(os.path.dirname(path)) == ['Thing-1.0-cpeGNU-25.03.eb', 'source/Thing-1.0-foss-2025a.eb.txt']
    with open(os.path.join(os.path.dirname(path), 'source', 'Thing-1.0-foss-2025a.eb.txt'), encoding='utf-8') as stream:
        assert stream.read() == found.recipe.text


def test_it_is_adapted_again_from_what_the_store_kept(store, adapted, site):
    """In a job the source recipe may be gone; the record still has the changes."""
    found = adapted("dependencies = [('HDF5', '1.14.5')]\n")
    path, text = store.put(found)
    os.unlink(found.recipe.path)
    source = find_source(parse_recipe(text).record, 'Thing', path, site)
    again = adapted_again(text, source, site)
    assert again.changes == found.changes and again.recipe.filename == 'Thing-1.0-foss-2025a.eb'


def test_the_same_is_one_entry_and_is_not_written_again(store, adapted):
    path, _ = store.put(adapted())
    os.utime(os.path.dirname(path), (0, 0))
    before = os.stat(path)
    assert store.put(adapted())[0] == path
    after = os.stat(path)
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    assert os.stat(os.path.dirname(path)).st_mtime > 1000, 'it was used today'


def test_another_text_is_another_entry(store, adapted):
    first, _ = store.put(adapted())
    second, _ = store.put(adapted("moduleclass = 'lib'\n"))
    assert first != second and os.path.basename(first) == os.path.basename(second)
    assert read_recipe(first).parameters.get('moduleclass') is None
    assert read_recipe(second).parameters['moduleclass'] == 'lib'


def test_the_same_text_of_another_source_is_another_entry(store, adapted):
    """An explanation names the recipe that it was made of."""
    assert store.put(adapted())[0] != store.put(adapted('# a comment\n'))[0]


def test_a_damaged_entry_is_written_anew(store, adapted):
    """As a full disk or a crash of the machine leaves it."""
    path, text = store.put(adapted())
    with open(path, 'w', encoding='utf-8'):
        pass
    assert store.put(adapted())[0] == path
    with open(path, encoding='utf-8') as stream:
        assert stream.read() == text
    assert not [name for name in os.listdir(store.root) if name.startswith('.')]


def test_a_name_that_no_file_can_have(store, adapted, tmp_path):
    found = adapted(more=f"versionsuffix = '-{'x' * 190}'\nname = '{'T' * 150}'\n")
    with pytest.raises(LumiHooksError, match='is longer than the name of a file can be'):
        store.put(found)
    assert files(store.root) == []


def test_modes_follow_the_umask(store, adapted):
    old = os.umask(0o027)
    try:
        path, _ = store.put(adapted())
        assert os.stat(path).st_mode & 0o777 == 0o640 and os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o750
    finally:
        os.umask(old)


def test_all_or_nothing(store, adapted, monkeypatch):
    def broken(*_):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(store_module.os, 'rename', broken)
    with pytest.raises(LumiHooksError, match=r'cannot be written into .*: No space left on device.*EBU_USER_PREFIX'):
        store.put(adapted())
    assert files(store.root) == []


def test_unwritable_prefix(tmp_path):
    """One sentence. As root mode bits stop nothing: a read-only mount does; a plain write must fail there first."""
    prefix = tmp_path / 'prefix'
    prefix.mkdir()
    recipe = put_recipe(tmp_path / 'own', flat=True)
    code = (
        'import sys\n'
        f'sys.path[:0] = {sys.path!r}\n'
        'from lumi_hooks.adapt import adapt\nfrom lumi_hooks.errors import LumiHooksError\n'
        'from lumi_hooks.store import Store\nfrom lumi_hooks.recipe import read_recipe\n'
        'from lumi_hooks.site import make_site\n'
        f'try:\n    open({str(prefix / "plain")!r}, "w")\n    sys.exit("a plain write works")\n'
        'except OSError:\n    pass\n'
        f'try:\n    Store({str(prefix)!r}).put(adapt(read_recipe({recipe!r}), make_site(env={{}})))\n'
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


def test_eight_at_the_same_time(store, adapted):
    found, failed, paths = adapted(), [], set()

    def put():
        try:
            paths.add(store.put(found)[0])
        except Exception as err:
            failed.append(err)
    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and len(paths) == 1 and read_recipe(paths.pop())
    assert not [name for name in os.listdir(store.root) if name.startswith('.')]


def test_what_nobody_used_for_a_month_goes(store, adapted):
    old, new = store.put(adapted())[0], store.put(adapted("moduleclass = 'lib'\n"))[0]
    month = time.time() - 31 * 24 * 3600
    os.utime(os.path.dirname(old), (month, month))
    os.mkdir(os.path.join(store.root, '.new-x'))
    os.utime(os.path.join(store.root, '.new-x'), (month, month))
    store.expire()
    assert not os.path.exists(old) and os.path.exists(new)
    assert not os.path.exists(os.path.join(store.root, '.new-x'))
    # it is looked for once a day
    os.utime(os.path.dirname(new), (month, month))
    store.expire()
    assert os.path.exists(new)
    os.utime(os.path.join(store.root, '.expired'), (month, month))
    store.expire()
    assert not os.path.exists(new)


def test_a_store_that_is_not_there_yet(store):
    store.expire()
    assert not os.path.exists(store.root)


# --- what one eb finds by name

def test_a_view_has_links_by_name(store, adapted):
    view = View()
    for name, letter in (('Thing', 't'), ('2decomp', '0')):
        found = adapted(name=name)
        path, _ = store.put(found)
        view.link(found, path)
        link = os.path.join(view.root, letter, name, found.filename)
        assert os.readlink(link) == path and view.holds(link) and not view.holds(path) and not view.holds(None)
    # the first of a name stays for as long as this eb runs
    other = adapted("moduleclass = 'lib'\n")
    view.link(other, store.put(other)[0])
    assert read_recipe(os.path.join(view.root, 't', 'Thing', other.filename)).parameters.get('moduleclass') is None


def test_views_of_other_runs_are_left_out():
    one, other = View(), View()
    assert one.root != other.root
    assert one.without_others(['/robot', other.root, one.root]) == ['/robot', one.root]


def test_a_view_goes_with_its_process():
    code = 'from lumi_hooks.eb.view import View; v = View(); print(v.root)'
    done = subprocess.run([sys.executable, '-c', code], text=True, capture_output=True, check=True)
    assert done.stdout.strip() and not os.path.exists(done.stdout.strip())


# --- what belongs to a recipe

PATCHES = "patches = ['%(name)s-%(version)s_fix.patch', 'blob.patch.gz']\n"


def test_patches_are_copied_byte_by_byte(store, adapted, tmp_path):
    (tmp_path / 'own').mkdir()
    contents = {'Thing-1.0_fix.patch': b'--- a\r\n+++ b\r\n\xff\r', 'blob.patch.gz': bytes(range(256))}
    for name, content in contents.items():
        (tmp_path / 'own' / name).write_bytes(content)
    path = store.put(adapted(PATCHES))[0]
    for name, content in contents.items():
        with open(os.path.join(os.path.dirname(path), name), 'rb') as stream:
            assert stream.read() == content, name
    assert store.put(adapted(PATCHES))[0] == path


def test_a_patch_that_was_worked_on(store, adapted, tmp_path):
    """Somebody works on the patch beside their own recipe: the next run takes the new one."""
    (tmp_path / 'own').mkdir()
    patch = tmp_path / 'own' / 'Thing-1.0_fix.patch'
    patch.write_text('first\n')
    store.put(adapted(PATCHES))[0]
    patch.write_text('second\n')
    path = store.put(adapted(PATCHES))[0]
    with open(os.path.join(os.path.dirname(path), patch.name), encoding='utf-8') as stream:
        assert stream.read() == 'second\n'


def test_sources_beside_a_recipe_are_linked(store, adapted, tmp_path):
    """EasyBuild looks for them next to the recipe that it reads, which is the adapted one."""
    source = tmp_path / 'own' / 'Thing-1.0.tar.gz'
    source.parent.mkdir()
    source.write_bytes(b'first')
    more = "sources = ['%(name)s-%(version)s.tar.gz', 'elsewhere.tar.gz']\n"
    folder = os.path.dirname(store.put(adapted(more))[0])
    link = os.path.join(folder, source.name)
    assert os.readlink(link) == str(source) and not os.path.lexists(os.path.join(folder, 'elsewhere.tar.gz'))
    os.unlink(link)
    os.symlink('/nowhere', link)
    store.put(adapted(more))
    assert os.readlink(link) == str(source)


def test_a_patch_of_others_is_not_stored(store, adapted, tmp_path):
    (tmp_path / 'own').mkdir()
    patch = tmp_path / 'own' / 'Thing-1.0_fix.patch'
    patch.write_text('')
    patch.chmod(0o666)
    with pytest.raises(TrustError, match='the patch .* is not read, as it decides on what is run: everybody can'):
        store.put(adapted(PATCHES))


CHECKED = "sources = ['%(name)s-%(version)s.tar.gz']\npatches = ['a.patch', ('b.patch', 1), {'name': 'c.patch'}]\n"
SUMS = {'Thing-1.0.tar.gz': '1' * 64, 'a.patch': '2' * 64, 'b.patch': '3' * 64, 'c.patch': '4' * 64}


def test_an_unreadable_patch_is_named(store, adapted, tmp_path, monkeypatch):
    (tmp_path / 'own').mkdir()
    (tmp_path / 'own' / 'blob.patch.gz').write_text('x')

    def broken(path):
        raise PermissionError(13, 'Permission denied', path)
    monkeypatch.setattr(store_module, 'read_text', broken)
    with pytest.raises(LumiHooksError, match='blob.patch.gz, next to Thing-1.0-foss-2025a.eb, cannot be read: Perm'):
        store.put(adapted(PATCHES))[0]


def write_sums(folder, sums):
    import json
    folder.mkdir(exist_ok=True)
    (folder / 'checksums.json').write_text(json.dumps(sums))


def test_checksums_json_is_written_into_the_recipe(store, adapted, tmp_path):
    write_sums(tmp_path / 'own', SUMS)
    path = store.put(adapted(CHECKED))[0]
    assert read_recipe(path).parameters['checksums'] == [{name: value} for name, value in SUMS.items()]
    with open(path, encoding='utf-8') as stream:
        assert 'the checksums.json next to the source recipe' in ' '.join(stream.read().replace('#', ' ').split())


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
