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
from lumi_hooks.env import pack
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
    for action, target in ((f'pack.pack("{folder}", "{image}")', image),
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
            if target == image and before:
                assert image.stat().st_size == before.st_size
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
    """There is no Singularity here: a stand-in for its command shows what it is asked for, and runs it."""
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
    assert f'/image one.sqsh:{folder}:image-src=/' in words and str(tmp_path / 'base.sif') in words
    binds = words[words.index('--bind') + 1].split(',')
    assert {'/usr', '/etc'} <= set(binds) and not {'/proc', '/sys', '/dev', '/tmp'} & set(binds)


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
