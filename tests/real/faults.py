# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of faults share: an ordinary user, a tiny package in generations, and what must hold at any time."""
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from .conftest import Lumi
from .otheruser import become

# a user that is nobody's, where the tests are run by root: for root mode bits stop nothing
UID = 65534
RECIPE = """easyblock = 'MakeCp'
name = 'fault'
version = '1.0'
homepage = 'https://example.org'
description = "a tiny package, generation {generation}"
toolchain = {{'name': 'GCCcore', 'version': '14.2.0'}}
sources = []
prebuildopts = 'for i in 1 2 3; do echo {generation} > f$i; done; {build} && true '
files_to_copy = [(['f1', 'f2', 'f3'], 'share')]
sanity_check_paths = {{'files': ['share/f1', 'share/f2', 'share/f3'], 'dirs': []}}
moduleclass = 'tools'
"""
MODULE = 'fault/1.0-cpeGNU-25.03'


def base_folder():
    """A folder that the ordinary user owns and can reach; pytest's own are closed to others."""
    path = Path(tempfile.mkdtemp(prefix='lumi-hooks-faults-'))
    path.chmod(0o755)
    return path


class User(Lumi):
    """A shell on the stand-in, as an ordinary user of the machine."""

    def __init__(self, standin, sources, upstream, base, prefix='EasyBuild', easybuild='5.4.1'):
        self.base = Path(base)
        home = self.base / 'home'
        for folder in (home, self.base / 'recipes'):
            folder.mkdir(exist_ok=True)
        super().__init__(standin, sources, upstream, self.base / prefix, home, easybuild)
        if os.geteuid() == 0:
            self.shell[1:1] = become(UID, needed=(standin, sources, upstream))
        self.own(self.base)

    def own(self, path):
        """Give a tree to the user."""
        if os.geteuid() == 0:
            for folder, _, files in os.walk(path):
                for name in [folder, *(os.path.join(folder, file) for file in files)]:
                    os.chown(name, UID, UID, follow_symlinks=False)

    def recipe(self, generation, build='true', extra=''):
        """A recipe of the package; a build command may be put in."""
        path = self.base / 'recipes' / generation / 'fault-1.0-GCCcore-14.2.0.eb'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(RECIPE.format(generation=generation, build=build) + extra)
        return path

    def install(self, generation, options='', check=True, build='true', extra='', **env):
        """Install a generation of the package."""
        return self.eb(f'{self.recipe(generation, build, extra)} {options}', check=check, **env)

    def killed(self, generation, moment, options=''):
        """Install it with an eb that is killed at a moment; asserts that it came that far."""
        mark = self.base / 'home' / 'mark'
        mark.unlink(missing_ok=True)
        done = self.install(generation, options, check=False, FAULT_AT=moment, FAULT_MARK=mark,
                            LUMI_HOOKS_CHAIN=Path(__file__).with_name('fault_hooks.py'))
        assert mark.exists(), f'it was not killed at {moment}: {done.stdout[-3000:]}'
        assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), done.stdout[-2000:]

    def start(self, command, **env):
        """Start a command in the background, as the leader of a process group."""
        return subprocess.Popen([*self.shell, '-c', f'exec bash --norc -c {shlex.quote(self.script(command, **env))}'],
                                env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                start_new_session=True)

    def start_eb(self, arguments, **env):
        """Start `eb --hooks …` in the background."""
        return self.start(f'exec eb --hooks={self.hooks} {arguments}', **env)

    @property
    def folder(self):
        """Folder of the installation."""
        return self.software('fault', '1.0-cpeGNU-25.03')

    @property
    def module_file(self):
        """Its module."""
        return Path(self.prefix) / 'modules/LUMI/25.03/partition/C' / f'{MODULE}.lua'

    def seen(self):
        """
        The generation that a user sees, None where no module is visible. Asserts that what is visible is whole: every
        file and the record are of the generation that the module is of.
        """
        if not self.module_file.exists():
            return None
        text = self.module_file.read_text()
        generation = text.partition('a tiny package, generation ')[2].split('\n')[0].strip()
        assert generation and text.rstrip().endswith('-- Built with EasyBuild version ' + self.easybuild), text
        files = {name: (self.folder / 'share' / name).read_text().strip() for name in ('f1', 'f2', 'f3')}
        assert set(files.values()) == {generation}, (generation, files)
        assert f'"module": "{MODULE}"' in (self.folder / 'easybuild/lumi/record.json').read_text()
        return generation

    def kept(self, generation):
        """Are all files of a generation still there, visible or set aside?"""
        where = [path for path in self.folder.parent.rglob('f[123]') if path.read_text().strip() == generation]
        return {path.name for path in where} == {'f1', 'f2', 'f3'}

    def litter(self):
        """What a finished installation must not leave."""
        found = [path for path in self.folder.parent.parent.glob('*/.*')
                 if path.parent.name == '.locks' or path.name.endswith(('.before', '.done'))]
        found += list((self.folder.parent.parent / '.locks').glob('*'))
        found += list((Path(self.prefix) / '.lumi-hooks' / 'aside').glob('*'))
        return found + list(self.module_file.parent.glob('.*'))


class Small(User):
    """The same with a prefix on a file system of its own that is soon full."""

    def __init__(self, standin, sources, upstream, base, size='12m', inodes=400):
        super().__init__(standin, sources, upstream, base, 'small')
        mount = self.base / 'small'
        mount.mkdir()
        self.own(mount)
        enter, owner = (['unshare', '-m'], f'uid={UID},gid={UID},') if os.geteuid() == 0 else (['unshare', '-Urm'], '')
        self.holder = subprocess.Popen(
            [*enter, 'bash', '-c', f'mount -t tmpfs -o {owner}mode=755,size={size},nr_inodes={inodes} none {mount} && '
             f'touch {self.base}/mounted && exec sleep 100000'])
        wait_for((self.base / 'mounted').exists)
        namespaces = ['-m'] if os.geteuid() == 0 else ['-U', '-m', '--preserve-credentials']
        self.shell = ['nsenter', '-t', str(self.holder.pid), *namespaces, *self.shell]
        # seen from outside
        self.prefix = Path(f'/proc/{self.holder.pid}/root{mount}')

    def free(self):
        """Free bytes and inodes."""
        found = os.statvfs(self.prefix)
        return found.f_bavail * found.f_frsize, found.f_favail

    def fill(self, kilobytes=None, inodes=None):
        """Leave no more than that free."""
        folder = self.prefix / 'filler'
        folder.mkdir()
        if inodes is not None:
            for number in range(self.free()[1] - inodes):
                os.mkdir(folder / str(number))
        if kilobytes is not None and self.free()[0] > kilobytes * 1024:
            with open(folder / 'large', 'wb') as handle:
                handle.write(b'x' * (self.free()[0] - kilobytes * 1024))

    def empty(self):
        """Take the filling away."""
        shutil.rmtree(self.prefix / 'filler', ignore_errors=True)

    def close(self):
        """Give the file system up."""
        self.holder.kill()
        self.holder.wait()


def wait_for(condition, seconds=120):
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'it did not come to that'
        time.sleep(0.05)


def remove(path):
    """Remove a tree, whatever its modes."""
    subprocess.run(['chmod', '-R', 'u+rwX', str(path)], check=False, stderr=subprocess.DEVNULL)
    shutil.rmtree(path, ignore_errors=True)
