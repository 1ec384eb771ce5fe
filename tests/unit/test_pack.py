# SPDX-License-Identifier: GPL-2.0-only
"""An environment in one image: packed and unpacked whole or not at all, and the script that runs programs from it."""
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lumi_hooks.data import ROOT
from lumi_hooks.env import pack, squashfs
from lumi_hooks.errors import LumiHooksError

pytestmark = pytest.mark.skipif(not shutil.which('mksquashfs', path='/usr/bin:/usr/sbin'),
                                reason='squashfs-tools is not installed')


@pytest.fixture
def folder(tmp_path):
    """Files, links and modes."""
    top = tmp_path / 'env'
    (top / 'bin').mkdir(parents=True)
    (top / 'lib' / 'empty').mkdir(parents=True)
    (top / 'bin' / 'program').write_text('#!/bin/sh\necho "$@"\n')
    (top / 'bin' / 'program').chmod(0o750)
    (top / 'lib' / 'one').write_text('one')
    os.link(top / 'lib' / 'one', top / 'lib' / 'same')
    (top / 'lib' / 'link').symlink_to('one')
    (top / 'lib' / 'dead').symlink_to('/nowhere/at/all')
    (top / 'lib' / 'secret').write_text('mode 600')
    (top / 'lib' / 'secret').chmod(0o600)
    return top


def listing(folder):
    """Path -> what is there."""
    return {str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else
            path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob('*'))}


def test_there_and_back(folder, tmp_path):
    sizes = pack.pack(str(folder), str(tmp_path / 'env.sqsh'))
    assert sizes.inodes == 9 and sizes.packed == (tmp_path / 'env.sqsh').stat().st_size
    pack.unpack(str(tmp_path / 'env.sqsh'), str(tmp_path / 'out'))
    assert listing(tmp_path / 'out') == listing(folder)
    out = tmp_path / 'out' / 'lib'
    assert (out / 'one').stat().st_ino == (out / 'same').stat().st_ino
    # who may read the image may read all of it
    assert oct((out / 'secret').stat().st_mode)[-3:] == '644'
    assert oct((tmp_path / 'out' / 'bin' / 'program').stat().st_mode)[-3:] == '755'
    assert sorted(os.listdir(tmp_path)) == ['env', 'env.sqsh', 'out']


def test_an_empty_folder_takes_what_is_unpacked_and_a_full_one_does_not(folder, tmp_path):
    image = str(tmp_path / 'env.sqsh')
    pack.pack(str(folder), image)
    (tmp_path / 'out').mkdir()
    pack.unpack(image, str(tmp_path / 'out'))
    with pytest.raises(LumiHooksError, match='cannot take what is in'):
        pack.unpack(image, str(tmp_path / 'out'))
    assert listing(tmp_path / 'out') == listing(folder) and sorted(os.listdir(tmp_path)) == ['env', 'env.sqsh', 'out']


@pytest.mark.parametrize('damage, message', [
    (lambda path: path.write_bytes(b'no image at all' * 100), 'is not a squashfs image'),
    (lambda path: path.write_bytes(path.read_bytes()[:200]), 'was cut off'),
    (lambda path: path.unlink(), 'cannot be read'),
])
def test_what_is_no_image_is_told(folder, tmp_path, damage, message):
    pack.pack(str(folder), str(tmp_path / 'env.sqsh'))
    damage(tmp_path / 'env.sqsh')
    with pytest.raises(LumiHooksError, match=message):
        pack.unpack(str(tmp_path / 'env.sqsh'), str(tmp_path / 'out'))
    assert not (tmp_path / 'out').exists()


def test_what_is_being_packed_is_left_alone(folder, tmp_path):
    import fcntl
    with open(tmp_path / '.env.sqsh.part', 'wb') as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(LumiHooksError, match='is being packed already'):
            pack.pack(str(folder), str(tmp_path / 'env.sqsh'))
    pack.pack(str(folder), str(tmp_path / 'env.sqsh'))


def test_a_missing_tool_is_told(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(pack, 'FOLDERS', ())
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(LumiHooksError, match='there is no mksquashfs on this node: it is part of squashfs-tools'):
        pack.pack(str(folder), str(tmp_path / 'env.sqsh'))
    assert not list(tmp_path.glob('.*'))


def test_killed_at_any_moment_a_rerun_completes(tmp_path):
    """kill -9 of all its processes: the earlier image stays whole until the new one is."""
    folder, image, whole = tmp_path / 'env', tmp_path / 'env.sqsh', 0.0
    folder.mkdir()
    for number in range(100):
        (folder / str(number)).write_bytes(os.urandom(100_000) + b'\0' * 300_000)
    newer, second = tmp_path / 'newer', tmp_path / 'second.sqsh'
    kept = [str(number) for number in range(90)]
    renew = f'import os; os.makedirs("{newer}", exist_ok=True); open("{newer}/new", "w").write("new"); '
    for action, target in ((f'pack.pack("{folder}", "{image}")', image),
                           (f'{renew}pack.update("{image}", set({kept}), "{newer}", "{second}")', second),
                           (f'pack.unpack("{image}", "{tmp_path}/out")', tmp_path / 'out')):
        command = [sys.executable, '-c', f'from lumi_hooks.env import pack; {action}']
        for share in (0, 0.2, 0.4, 0.6, 0.8, 0.95):
            (tmp_path / 'out').exists() and shutil.rmtree(tmp_path / 'out')
            before = image.stat() if image.exists() else None
            start = time.monotonic()
            process = subprocess.Popen(command, env={**os.environ, 'PYTHONPATH': str(Path(ROOT).parent)},
                                       start_new_session=True)
            if share:
                time.sleep(whole * share)
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            whole = whole if share else time.monotonic() - start
            if before and target != tmp_path / 'out':
                assert image.stat().st_size == before.st_size
            if target == second and second.exists():
                pack.unpack(str(second), str(tmp_path / 'seen'))
                assert sorted(listing(tmp_path / 'seen')) == sorted([*kept, 'new'])
                shutil.rmtree(tmp_path / 'seen')
                second.unlink()
            if target.name == 'out' and target.exists():
                assert listing(target) == listing(folder)
                shutil.rmtree(target)
            assert subprocess.run(command, env={**os.environ, 'PYTHONPATH': str(Path(ROOT).parent)},
                                  check=False).returncode == 0
            assert not [name for name in os.listdir(tmp_path) if name.startswith('.')]
    assert listing(tmp_path / 'out') == listing(folder)


@pytest.fixture
def node(tmp_path):
    """A folder of commands: what a node has. `said` is what Singularity was called with."""
    place = tmp_path / 'node'
    place.mkdir()

    def have(name, text='exit 0'):
        (place / name).write_text(f'#!/bin/sh\n{text}\n')
        (place / name).chmod(0o755)
    have.folder, have.said = place, tmp_path / 'said'
    return have


def test_the_way_that_this_node_has(node, tmp_path, monkeypatch):
    monkeypatch.setattr(pack, 'FOLDERS', ())
    real, is_open = os.access, ['/dev/fuse']
    monkeypatch.setattr(pack.os, 'access', lambda path, mode, **more: path in is_open or (
        path != '/dev/fuse' and real(path, mode, **more)))
    env = {'PATH': str(node.folder)}
    assert pack.way(env) == pack.Way('', 'there is no squashfuse; there is no fusermount; there is no Singularity')
    node('squashfuse_ll')
    node('fusermount3')
    assert pack.way(env).name == pack.FUSE
    is_open.clear()
    node('singularity')
    assert pack.way(env, '/no/base.sif') == pack.Way(
        '', '/dev/fuse is closed; there is no base image for Singularity (/no/base.sif)')
    (tmp_path / 'base.sif').write_text('')
    assert pack.way(env, str(tmp_path / 'base.sif')) == pack.Way(pack.SINGULARITY, '/dev/fuse is closed')


def script(tmp_path, *arguments):
    path = tmp_path / 'my-program'
    path.write_text(pack.wrap(*arguments))
    path.chmod(0o755)
    return path


def test_a_script_runs_by_singularity(node, tmp_path):
    """A stand-in for its command shows what it is asked for, and runs it."""
    node('singularity', f'for word; do echo "$word"; done >{node.said}\n'
                        'while [ "$1" != /usr/bin/env ]; do shift; done\nexec "$@"')
    (tmp_path / 'base.sif').write_text('')
    folder = tmp_path / "it's a $(folder)"
    path = script(tmp_path, '/image one.sqsh', str(folder), '/usr/bin/env', str(tmp_path / 'base.sif'))
    env = {'PATH': f'{node.folder}:/usr/bin:/bin', 'LD_LIBRARY_PATH': '/some/lib', 'LUMI_HOOKS_MOUNT': 'singularity'}
    done = subprocess.run([path], env=env, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == 'my-program: mounted by singularity (FUSE is not wanted)\n'
    seen = done.stdout.splitlines()
    assert f'PATH={folder}/bin:{node.folder}:/usr/bin:/bin' in seen and 'LD_LIBRARY_PATH=/some/lib' in seen
    words = node.said.read_text().splitlines()
    assert f'/image one.sqsh:{folder}:image-src=/,ro' in words and str(tmp_path / 'base.sif') in words
    binds = words[words.index('--bind') + 1].split(',')
    assert {'/usr', '/etc'} <= set(binds) and not {'/proc', '/sys', '/dev', '/tmp'} & set(binds)


@pytest.mark.skipif(not (shutil.which('apptainer') or shutil.which('singularity')), reason='no Singularity is here')
@pytest.mark.skipif(os.geteuid() != 0, reason='without set-uid programs and user namespaces only root can start it')
def test_a_script_runs_by_singularity_itself(folder, tmp_path):
    """What runs is the node's own, with the image over an empty folder; base is a tree as any base image has it."""
    base, place = tmp_path / 'base', tmp_path / 'mounted here'
    for name in ('proc', 'sys', 'dev', *(top.name for top in Path('/').iterdir() if top.is_dir())):
        if Path('/', name).is_symlink():
            (base / name).symlink_to(os.readlink(f'/{name}'))
        else:
            (base / name).mkdir(parents=True, exist_ok=True)
    place.mkdir()
    (folder / 'bin' / 'tell').write_text('#!/bin/sh\necho "$LD_LIBRARY_PATH|$HOME|$1|$(cat ../lib/link)"; '
                                         'touch new 2>/dev/null || exit 7\n')
    (folder / 'bin' / 'tell').chmod(0o755)
    pack.pack(str(folder), str(tmp_path / 'env.sqsh'))
    mounted = script(tmp_path, str(tmp_path / 'env.sqsh'), str(place), '', str(base)).rename(tmp_path / 'mounted')
    env = {'PATH': os.environ['PATH'], 'LD_LIBRARY_PATH': '/some/lib', 'LUMI_HOOKS_MOUNT': 'singularity',
           'HOME': str(tmp_path)}
    done = subprocess.run([mounted, 'sh', '-c', f'cd "{place}/bin" && tell "a  b"'], env=env, text=True, cwd=tmp_path,
                          capture_output=True, check=False)
    assert (done.stdout, done.returncode) == (f'/some/lib|{tmp_path}|a  b|one\n', 7), done.stderr
    # of files that this base lacks, Apptainer warns; of the image it has nothing to say
    assert 'mounted: mounted by singularity (FUSE is not wanted)\n' in done.stderr and 'mage' not in done.stderr
    assert not list(place.iterdir())


def test_a_script_says_why_it_cannot(tmp_path):
    """No FUSE, no Singularity: one line, and the exit code of a command that can't be run."""
    path = script(tmp_path, '/image.sqsh', str(tmp_path / 'folder'), '/usr/bin/env')
    for setting, why in (('', 'there is no Singularity'), ('fuse', ''), ('singularity', 'there is no Singularity')):
        done = subprocess.run([path], env={'PATH': '/usr/bin:/bin', 'LUMI_HOOKS_MOUNT': setting}, text=True,
                              capture_output=True, check=False)
        assert done.returncode == 126 and why in done.stderr and done.stderr.count('\n') == 1, done.stderr


@pytest.mark.parametrize('image, folder', [('/a:b', '/folder'), ('/image', '/a,b'), ('image', '/folder'),
                                           ('/image', '/a\nb')])
def test_paths_that_cannot_be_mounted_are_refused(image, folder):
    with pytest.raises(LumiHooksError, match='cannot be mounted'):
        pack.wrap(image, folder, '/usr/bin/env')


def test_texts_for_a_shell_are_sound(tmp_path):
    for text in (pack.wrap('/i', '/f', '/p'), pack.wrap("/i'", '/f (x)', ''), pack.epilog()):
        (tmp_path / 'script').write_text(text)
        assert subprocess.run(['sh', '-n', tmp_path / 'script'], check=False).returncode == 0
        if shutil.which('shellcheck'):
            done = subprocess.run(['shellcheck', '-s', 'sh', tmp_path / 'script'], text=True, capture_output=True,
                                  check=False)
            assert done.returncode == 0, done.stdout


def _grow(top, number):
    """A tree of files of all sizes: empty, a part of a block, several blocks, holes, two names of one, links."""
    import random
    chance = random.Random(number)
    for where in ('', 'lib', 'lib/deep/er', 'many'):
        (top / where).mkdir(parents=True, exist_ok=True)
        for name in range(1200 if where == 'many' else 8):
            size = 3 if where == 'many' else chance.choice((0, 1, 700, 131072, 300_000))
            (top / where / f'{number}-{name}').write_bytes(chance.randbytes(size))
    (top / 'holes').write_bytes(bytes(1_000_000) + b'end')
    (top / 'lib' / 'link').symlink_to(f'deep/er/{number}-1')
    os.link(top / 'lib' / f'{number}-1', top / 'lib' / 'second name')
    (top / 'lib' / 'same').write_text(f'of {number}')


def test_what_is_kept_of_an_image_is_as_if_all_was_packed_again(tmp_path, monkeypatch):
    """Kept: a part of the first one, what is in both comes from the new one. The kernel's reader reads it as well."""
    first, image = tmp_path / 'first', tmp_path / 'first.sqsh'
    _grow(first, 1)
    pack.pack(str(first), str(image))
    before = image.read_bytes()
    kept = {path for path, what in listing(first).items() if what is not None and path != 'lib/1-3'}
    kept -= {f'many/1-{number}' for number in range(0, 1200, 7)}
    whole = squashfs.join
    for name, join in (('joined', whole), ('packed', None)):
        if not join:
            def join(*arguments):
                raise squashfs.NotJoined('as if')
        monkeypatch.setattr(pack.squashfs, 'join', join)
        _grow(tmp_path / name, 2)
        (tmp_path / name / 'lib' / '1-0').write_text('to be taken from the first one')
        pack.update(str(image), kept - {'lib/link', 'lib/same', 'lib/second name', 'holes'}, str(tmp_path / name),
                    str(tmp_path / f'{name}.sqsh'))
        pack.unpack(str(tmp_path / f'{name}.sqsh'), str(tmp_path / f'{name}.out'))
    expected = {path: what for path, what in listing(first).items() if path in kept}
    _grow(tmp_path / 'second', 2)
    expected.update(listing(tmp_path / 'second'))
    assert listing(tmp_path / 'joined.out') == listing(tmp_path / 'packed.out') == expected
    out = tmp_path / 'joined.out' / 'lib'
    assert (out / 'second name').stat().st_ino == (out / '2-1').stat().st_ino and (out / '2-1').stat().st_nlink == 2
    assert image.read_bytes() == before
    # once more on top of that, until too much of it is of no use
    kept = {path for path, what in listing(tmp_path / 'joined.out').items() if what is not None}
    for number, more in ((3, set()), (4, {path for path in kept if 'lib' in path or 'deep' in path})):
        _grow(tmp_path / f'{number}', number)
        for path in ('lib/link', 'lib/second name', 'holes'):
            (tmp_path / f'{number}' / path).unlink()
        left = kept - more
        with open(tmp_path / f'{number}.sqsh', 'w+b') as stream:
            base, newer = str(tmp_path / 'joined.sqsh'), str(tmp_path / 'more.sqsh')
            pack.pack(str(tmp_path / f'{number}'), newer)
            arguments = (base, set(map(os.fsencode, left)), newer, stream)
            if more:
                with pytest.raises(squashfs.NotJoined, match='of no use any more'):
                    whole(*arguments)
                break
            whole(*arguments)
        pack.unpack(str(tmp_path / f'{number}.sqsh'), str(tmp_path / f'{number}.out'))
        found = listing(tmp_path / f'{number}.out')
        assert {path: found.get(path) for path in left - {'lib/same'}} == \
            {path: what for path, what in listing(tmp_path / 'joined.out').items() if path in left - {'lib/same'}}
        assert found['lib/same'] == b'of 3'


@pytest.mark.skipif(os.geteuid() != 0, reason='mounting needs root')
def test_linux_and_fuse_read_what_was_joined(tmp_path):
    first, image = tmp_path / 'first', tmp_path / 'first.sqsh'
    _grow(first, 1)
    pack.pack(str(first), str(image))
    _grow(tmp_path / 'second', 2)
    kept = {path for path, what in listing(first).items() if what is not None and path.startswith(('lib/1', 'many'))}
    pack.update(str(image), kept, str(tmp_path / 'second'), str(tmp_path / 'joined.sqsh'))
    pack.unpack(str(tmp_path / 'joined.sqsh'), str(tmp_path / 'out'))
    (tmp_path / 'mount').mkdir()
    command = 'set -e; cd "$1"; for by in "mount -o loop,ro" squashfuse_ll; do\n' \
              '[ "$by" = squashfuse_ll ] && ! { command -v $by && [ -w /dev/fuse ]; } >/dev/null && continue\n' \
              '$by joined.sqsh mount; diff -r --no-dereference -x .lumi-hooks-packed mount out; echo $by\n' \
              'umount mount; done'
    done = subprocess.run(['unshare', '-m', 'sh', '-c', command, 'sh', tmp_path], text=True, capture_output=True,
                          check=False)
    if 'loop' in done.stderr and 'diff' not in done.stderr:
        pytest.skip(f'no image can be mounted here: {done.stderr.strip()}')
    assert done.returncode == 0 and 'mount -o loop,ro' in done.stdout, done.stdout[-500:] + done.stderr


def test_no_bytes_of_an_image_are_taken_for_something_else(folder, tmp_path):
    """What is damaged is told, or packed as a whole; nothing loops, and no other error gets out."""
    import random
    chance = random.Random(5)
    pack.pack(str(folder), str(tmp_path / 'env.sqsh'))
    sound, used = (tmp_path / 'env.sqsh').read_bytes(), pack._read_image(str(tmp_path / 'env.sqsh')).bytes
    kept = {os.fsencode(path) for path, what in listing(folder).items() if what is not None}
    refused = 0
    for _ in range(300):
        hurt = bytearray(sound)
        for _ in range(chance.choice((1, 4, 40))):
            hurt[chance.randrange(used)] ^= 1 << chance.randrange(8)
        (tmp_path / 'hurt.sqsh').write_bytes(hurt)
        with open(tmp_path / 'out.sqsh', 'w+b') as out:
            try:
                squashfs.join(str(tmp_path / 'hurt.sqsh'), kept, str(tmp_path / 'env.sqsh'), out)
            except squashfs.NotJoined:
                refused += 1
    assert refused > 50
