# SPDX-License-Identifier: GPL-2.0-only
"""Python packages of an environment: what is locked, fetched and installed, from wheels and sources made here."""
import hashlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from elves import library

from lumi_hooks.data import ROOT
from lumi_hooks.env import asked, foreign, pip, stored, wheels
from lumi_hooks.errors import LumiHooksError

BACK_END = '''
import os, zipfile
def get_requires_for_build_wheel(config_settings=None):
    return {more!r}.split()
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as out:
        info = "{name}-{version}.dist-info"
        out.writestr("{name}.py", "built = %r" % os.environ.get("MPICC"))
        out.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        out.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        out.writestr(info + "/RECORD", "")
    return name
'''


class Index:
    """A folder that pip takes packages from, as its only index."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def wheel(self, name, version, needs=(), files=None, tag='py3-none-any', script=''):
        """Add a wheel; returns its path."""
        info = f'{name}-{version}.dist-info'
        contents = {f'{name}/__init__.py': f'version = {version!r}\n', **(files or {})}
        contents[f'{info}/METADATA'] = f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n' + ''.join(
            f'Requires-Dist: {need}\n' for need in needs)
        contents[f'{info}/WHEEL'] = f'Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: {tag}\n'
        if script:
            contents[f'{info}/entry_points.txt'] = f'[console_scripts]\n{script} = {name}:run\n'
            contents[f'{name}/__init__.py'] += f'def run():\n    print("{name}", version)\n'
        contents[f'{info}/RECORD'] = ''.join(f'{path},,\n' for path in (*contents, f'{info}/RECORD'))
        path = self.folder / f'{name}-{version}-{tag}.whl'
        with zipfile.ZipFile(path, 'w') as archive:
            for file, text in contents.items():
                archive.writestr(file, text)
        return path

    def source(self, name, version, more=''):
        """
        Add a source, which says in what it installs which compiler of MPI it was given.

        :param more: what its back end asks for when it is called
        """
        files = {'pyproject.toml': '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n',
                 'own.py': BACK_END.format(name=name, version=version, more=more),
                 'PKG-INFO': f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n'}
        top = self.folder.parent / f'{name}-{version}'
        top.mkdir()
        for file, text in files.items():
            (top / file).write_text(text)
        path = self.folder / f'{name}-{version}.tar.gz'
        with tarfile.open(path, 'w:gz') as archive:
            archive.add(top, top.name)
        return path


@pytest.fixture
def index(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith('PIP_')]:
        monkeypatch.delenv(name)
    monkeypatch.setenv('PIP_CONFIG_FILE', os.devnull)
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    monkeypatch.setenv('PIP_FIND_LINKS', str(tmp_path / 'index'))
    # a tool of the tests' own environment is not what is carried
    monkeypatch.delenv('PYTHONPATH', raising=False)
    return Index(tmp_path / 'index')


@pytest.fixture
def made(index, tmp_path):
    """Resolve, fetch and install requirements; returns the pins and the prefix."""
    def make(*requirements, carried=None, target='env'):
        pins = wheels.resolve(requirements, sys.executable, carried or {}, str(tmp_path / 'cache'))
        wheels.fetch(pins, str(tmp_path / 'cache'), sys.executable)
        wheels.install(pins, str(tmp_path / 'cache'), str(tmp_path / target), sys.executable, str(tmp_path / 'store'))
        return pins, tmp_path / target
    return make


def elf(folder, name, needed=()):
    """The bytes of a library of that name (SONAME), which needs others."""
    needs = [library(folder / 'needed', other) for other in needed]
    return library(folder, name, needs=needs).read_bytes()


def site(target):
    return Path(wheels.site_packages(str(target), sys.executable))


def files(folder):
    """Path below the folder -> contents; what is compiled names its time."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob('*'))
            if path.is_file() and path.suffix != '.pyc'}


def test_packages_are_locked_and_installed(index, made, tmp_path):
    index.wheel('alpha', '1.2', needs=['beta>=2'], script='alpha-says')
    path = index.wheel('beta', '2.1')
    index.wheel('beta', '1.0')
    pins, target = made('alpha')
    assert [(pin.name, pin.version, pin.source, pin.mpi, pin.build) for pin in pins] == [
        ('alpha', '1.2', False, '', False), ('beta', '2.1', False, '', False)]
    assert pins[1].sha256 == hashlib.sha256(path.read_bytes()).hexdigest() and pins[1].url == path.as_uri()
    env = {'PYTHONPATH': str(site(target)), 'PATH': '/usr/bin:/bin'}
    done = subprocess.run([target / 'bin' / 'alpha-says'], env=env, text=True, capture_output=True, check=False)
    assert done.stdout == 'alpha 1.2\n', done.stderr


def test_an_update_of_one_package_installs_one(index, made, monkeypatch):
    """The others are links to the store's files."""
    for name in ('alpha', 'beta', 'gamma'):
        index.wheel(name, '1.0')
    _, first = made('alpha', 'beta', 'gamma')
    index.wheel('beta', '1.1')
    asked_for = []
    real = pip.run
    monkeypatch.setattr(pip, 'run', lambda python, *words, **more: (
        asked_for.append(Path(words[-1]).read_text() if '--prefix' in words else words[0]),
        real(python, *words, **more))[1])
    _, second = made('alpha', 'beta', 'gamma', target='newer')
    installed = [text for text in asked_for if '==' in text]
    assert len(installed) == 1 and installed[0].startswith('beta==1.1 --hash=sha256:')
    one, other = (site(target) / 'alpha' / '__init__.py' for target in (first, second))
    assert one.stat().st_ino == other.stat().st_ino and not one.stat().st_mode & 0o222
    assert "'1.0'" in (site(first) / 'beta' / '__init__.py').read_text()
    assert "'1.1'" in (site(second) / 'beta' / '__init__.py').read_text()


def test_what_is_carried_is_not_installed_again(index, made, monkeypatch, tmp_path):
    """It need not be visible, nor be in the index; a conflict is told in words."""
    index.wheel('alpha', '1.2', needs=['numeric>=1.20'])
    index.wheel('alpha', '2.0', needs=['numeric>=2'])
    pip.pretend(str(tmp_path / 'module'), {'numeric': '1.24.4'})
    monkeypatch.setenv('PYTHONPATH', str(tmp_path / 'module'))  # of a module that is loaded
    pins, target = made('alpha', carried={'Numeric': '1.24.4'})
    assert [(pin.name, pin.version) for pin in pins] == [('alpha', '1.2')]
    with pytest.raises(LumiHooksError, match=r'do not go together: .*alpha 2.0 depends on numeric>=2; .*'
                                             r'loaded modules have numeric==1.24.4'):
        made('alpha==2.0', carried={'numeric': '1.24.4'})


@pytest.mark.parametrize('wanted, message', [
    ('nothing', 'there is no nothing for this Python'),
    ('alpha==9', 'there is no alpha==9 for this Python; there are 1.2'),
    ('-e .', "'-e .' is no requirement that can be locked"),
    ('--index-url https://example.org', 'is no requirement that can be locked'),
    ('git+https://example.org/x', 'is no requirement that can be locked'),
    ('x @ git+https://example.org/x', 'is no requirement that can be locked'),
    ('alpha\n--pre', 'is no requirement that can be locked'),
    ('./folder', 'is no requirement that can be locked'),
])
def test_what_cannot_be_had_is_told_in_one_line(index, made, wanted, message):
    index.wheel('alpha', '1.2')
    with pytest.raises(LumiHooksError) as caught:
        made(wanted)
    assert message in str(caught.value) and '\n' not in str(caught.value)


def test_a_source_is_built_without_a_network(index, made, monkeypatch):
    """pip is told that there is no index; MPI's compiler is Cray's, where there is one."""
    index.source('built', '1.0')
    monkeypatch.setattr(wheels.shutil, 'which', lambda name, **_: '/opt/cray/cc' if name == 'cc' else None)
    (pin,), target = made('built')
    assert pin.source and (site(target) / 'built.py').read_text() == "built = 'cc'"


def test_what_a_back_end_asks_for_beyond_what_it_says_is_locked(index, made):
    """As mpi4py's asks for Cython: nothing but trying tells."""
    index.source('built', '1.0', more='helper>=2')
    with pytest.raises(LumiHooksError, match='there is no helper>=2 for this Python'):
        made('built')
    index.wheel('helper', '2.1')
    pins, target = made('built')
    assert [(pin.name, pin.build) for pin in pins] == [('built', False), ('helper', True)]
    assert (site(target) / 'built.py').exists() and not (site(target) / 'helper').exists()


def test_a_wheel_with_an_mpi_of_its_own_is_replaced_by_its_source(index, made, tmp_path):
    name = 'libmpi-1a2b3c4d.so.12.0.5'
    index.wheel('withmpi', '1.0', files={f'withmpi.libs/{name}': elf(tmp_path, name)}, tag=_tag())
    index.source('withmpi', '0.9')
    with pytest.raises(LumiHooksError, match=r'withmpi 1.0 cannot be used: it brings an MPI of its own '
                                             r'\(libmpi.so.12.0.5\).* has no source'):
        made('withmpi')
    index.source('withmpi', '1.0')
    (pin,), target = made('withmpi')
    assert pin.source and pin.mpi == wheels.WRAPPERS and (site(target) / 'withmpi.py').exists()


def _tag():
    return f'cp{sys.version_info[0]}{sys.version_info[1]}-cp{sys.version_info[0]}{sys.version_info[1]}-linux_x86_64'


@pytest.mark.parametrize('needed, brings, mpi, why', [
    (['libmpi.so.12'], {}, foreign.ABI, ''),
    (['libmpi.so.40'], {}, '', 'it wants Open MPI (libmpi.so.40)'),
    (['libmpi_abi.so.1'], {}, '', "it wants the MPI standard's own interface"),
    (['libc.so.6'], {}, '', ''),
    ([], {'thing.libs/libfabric-0a1b2c3d.so.1': 'libfabric-0a1b2c3d.so.1'}, '', 'it brings libfabric.so.1'),
    (['libmpi-1a2b3c4d.so.12'], {'thing.libs/libmpi-1a2b3c4d.so.12': 'libmpi-1a2b3c4d.so.12'}, '', 'an MPI of its own'),
    ([], {'openmpi/lib/libopen-pal.so.80': 'libopen-pal.so.80'}, '', 'an MPI of its own'),
])
def test_wheels_are_judged_by_their_files(index, tmp_path, needed, brings, mpi, why):
    contents = {'thing/module.so': elf(tmp_path, 'module.so', needed)}
    contents.update((file, elf(tmp_path, soname)) for file, soname in brings.items())
    contents['thing/data.bin'] = b'\x7fELF and nothing else'
    found = foreign.judge(str(index.wheel('thing', '1.0', files=contents)))
    assert found.mpi == mpi and (why in found.refused if why else not found.refused)


def test_a_variant_for_each_mpi_runs_over_the_one_that_is_there(index, tmp_path):
    """mpi4py 4.1: MPI.mpich….so and MPI.openmpi….so lie side by side."""
    contents = {f'thing/MPI.{name}.so': elf(tmp_path, f'MPI.{name}.so', [soname])
                for name, soname in (('mpich', 'libmpi.so.12'), ('openmpi', 'libmpi.so.40'))}
    assert foreign.judge(str(index.wheel('thing', '1.0', files=contents))) == foreign.Verdict(mpi=foreign.ABI)


def test_requirement_files(tmp_path):
    (tmp_path / 'more.txt').write_text('gamma~=1.0 ; python_version > "3.8"\n')
    path = tmp_path / 'requirements.txt'
    path.write_text('# what we need\nalpha>=1, \\\n  <2\n\nbeta[extra]==1.0 --hash=sha256:00  # exactly\n-r more.txt\n')
    assert asked.of_file(str(path)) == ['alpha>=1,   <2', 'beta[extra]==1.0', 'gamma~=1.0 ; python_version > "3.8"']
    for line in ('--pre', '-e .', '/some/folder', 'git+https://example.org/x'):
        path.write_text(f'alpha\n{line}\n')
        with pytest.raises(LumiHooksError, match='requirements.txt:2: '):
            asked.of_file(str(path))


def test_a_pyproject(tmp_path):
    path = tmp_path / 'pyproject.toml'
    path.write_text('[project]\nname = "x"\ndependencies = ["alpha>=1", "beta; sys_platform == \'linux\'"]\n')
    assert asked.of_file(str(path)) == ['alpha>=1', "beta; sys_platform == 'linux'"]
    for text, message in (('[project]\ndynamic = ["dependencies"]\n', 'computed'), ('[tool.x]\n', 'no table'),
                          ('[project\n', 'no TOML'), ('[project]\ndependencies = ["-e ."]\n', 'dependencies: ')):
        path.write_text(text)
        with pytest.raises(LumiHooksError, match=message):
            asked.of_file(str(path))


def test_what_a_source_is_built_with(tmp_path):
    for text, expected in ((None, ('setuptools>=40.8.0', 'wheel')), ('[tool.x]\n', ('setuptools>=40.8.0', 'wheel')),
                           ('[build-system]\nrequires = ["meson-python>=0.15"]\nbuild-backend = "mesonpy"\n',
                            ('meson-python>=0.15',)),
                           ('[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n',
                            ('hatchling',))):
        (tmp_path / 'x-1').mkdir(exist_ok=True)
        (tmp_path / 'x-1' / 'setup.py').write_text('')
        if text:
            (tmp_path / 'x-1' / 'pyproject.toml').write_text(text)
        with tarfile.open(tmp_path / 'x-1.tar.gz', 'w:gz') as archive:
            archive.add(tmp_path / 'x-1', 'x-1')
        assert asked.built_with(str(tmp_path / 'x-1.tar.gz')) == expected
    (tmp_path / 'bad-1.tar.gz').write_bytes(b'no archive')
    with pytest.raises(LumiHooksError, match='cannot be read'):
        asked.built_with(str(tmp_path / 'bad-1.tar.gz'))


def test_an_archive_that_is_not_the_locked_one_is_refused(index, made, tmp_path):
    index.wheel('alpha', '1.2')
    (pin,), target = made('alpha')
    (tmp_path / 'cache' / pin.filename).write_bytes(b'another one')
    with pytest.raises(LumiHooksError, match='as it was locked'):
        wheels.install([pin], str(tmp_path / 'cache'), str(target), sys.executable, str(tmp_path / 'store'))
    # it is fetched again
    wheels.fetch([pin], str(tmp_path / 'cache'), sys.executable)
    assert hashlib.sha256((tmp_path / 'cache' / pin.filename).read_bytes()).hexdigest() == pin.sha256
    with pytest.raises(LumiHooksError):
        wheels.fetch([pin._replace(sha256='0' * 64)], str(tmp_path / 'elsewhere'), sys.executable)
    assert not list((tmp_path / 'elsewhere').iterdir())
    with pytest.raises(LumiHooksError, match='no name of an archive'):
        wheels.fetch([pin._replace(filename='../x.whl')], str(tmp_path / 'elsewhere'), sys.executable)


def test_packages_that_do_not_go_together_are_refused(index, made, tmp_path):
    """A lock that somebody wrote by hand, or an index that lies."""
    index.wheel('alpha', '1.2', needs=['beta<2; python_version>"3"', 'nothing; extra=="more"',
                                       'other; python_version<"3"'])
    index.wheel('beta', '1.0')
    pins, _ = made('alpha')
    with pytest.raises(LumiHooksError, match='do not go together: alpha 1.2 requires beta'):
        wheels.install(pins[:1], str(tmp_path / 'cache'), str(tmp_path / 'half'), sys.executable,
                       str(tmp_path / 'store'))
    newer = index.wheel('beta', '2.0')
    (tmp_path / 'cache' / newer.name).write_bytes(newer.read_bytes())
    other = pins[1]._replace(version='2.0', filename=newer.name, sha256=hashlib.sha256(newer.read_bytes()).hexdigest())
    with pytest.raises(LumiHooksError, match='alpha 1.2 requires beta<2; .*, and beta 2.0 is installed'):
        wheels.install([pins[0], other], str(tmp_path / 'cache'), str(tmp_path / 'both'), sys.executable,
                       str(tmp_path / 'store'))


def test_a_record_that_leads_out_is_refused(tmp_path):
    info = tmp_path / 'part' / 'all' / 'lib' / 'python3' / 'site-packages' / 'evil-1.0.dist-info'
    info.mkdir(parents=True)
    (info / 'RECORD').write_text('../../../../secret,,\n')
    (tmp_path / 'part' / 'secret').write_text('x')
    with pytest.raises(LumiHooksError, match='outside of its prefix'):
        stored.split(str(tmp_path / 'part' / 'all'), 'evil', '1.0', str(tmp_path / 'evil'))
    assert not (tmp_path / 'evil').exists()


def test_where_no_link_can_be_made_files_are_copied(index, made, monkeypatch):
    def no_link(*_, **__):
        raise OSError(18, 'Invalid cross-device link')
    index.wheel('alpha', '1.2')
    _, first = made('alpha')
    monkeypatch.setattr(os, 'link', no_link)
    _, second = made('alpha', target='copied')
    assert files(site(first)) == files(site(second))
    assert (site(first) / 'alpha/__init__.py').stat().st_ino != (site(second) / 'alpha/__init__.py').stat().st_ino


KILLED = 'import json, sys\nfrom lumi_hooks.env import wheels\n' \
    'pins = [wheels.Pin(*pin) for pin in json.loads(sys.argv[1])]\n'


@pytest.mark.parametrize('what', ['fetch', 'install'])
def test_killed_at_any_moment_a_rerun_completes(index, made, tmp_path, what):
    """kill -9 of all its processes: what is there under its name is whole."""
    names = [f'package{number}' for number in range(12)]
    for name in names:
        index.wheel(name, '1.0', files={f'{name}/module{number}.py': f'x = {number}\n' * 50 for number in range(20)})
    pins, target = made(*names)
    reference, archives = files(target), files(tmp_path / 'cache')
    call = f'wheels.fetch(pins, "{tmp_path}/again/cache", sys.executable)' if what == 'fetch' else \
        f'wheels.install(pins, "{tmp_path}/cache", "{tmp_path}/again/env", sys.executable, "{tmp_path}/again/store")'
    command = [sys.executable, '-c', KILLED + call, json.dumps(pins)]
    env = {**os.environ, 'PYTHONPATH': str(Path(ROOT).parent)}
    whole = 0.0
    for share in (0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9):
        subprocess.run(['rm', '-rf', tmp_path / 'again'], check=True)
        (tmp_path / 'again').mkdir()
        start = time.monotonic()
        process = subprocess.Popen(command, env=env, start_new_session=True)
        if share:
            time.sleep(whole * share)
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        whole = whole or time.monotonic() - start
        for path in (tmp_path / 'again').glob('cache/*.whl'):
            assert path.read_bytes() == archives[path.name]
        for path in (tmp_path / 'again').glob('store/package*'):
            assert len(list(path.rglob('*.py'))) == 21, path
        assert subprocess.run(command, env=env, check=False).returncode == 0
        if what == 'install':
            assert files(tmp_path / 'again' / 'env') == reference
            assert not [path for path in (tmp_path / 'again' / 'store').iterdir() if path.name.startswith('.')]
        else:
            assert files(tmp_path / 'again' / 'cache') == archives


def test_a_mirror_s_password_is_not_locked():
    pin = wheels._pin({'metadata': {'name': 'x', 'version': '1'}, 'download_info': {
        'url': 'https://me:secret@example.org/a/x-1.tar.gz#sha256=0', 'archive_info': {'hash': 'sha256=' + '0' * 64}}})
    assert pin.url == 'https://example.org/a/x-1.tar.gz' and pin.source and pin.filename == 'x-1.tar.gz'


def test_users_own_packages_and_folders_do_not_matter(index, made, monkeypatch, tmp_path):
    """What lies in the folder where one stands, and pip's settings of where to install, are left aside."""
    index.wheel('alpha', '1.2')
    (tmp_path / 'pip.py').write_text('raise SystemExit("imported from where one stands")')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('PIP_TARGET', str(tmp_path / 'elsewhere'))
    monkeypatch.setenv('PIP_USER', '1')
    _, target = made('alpha')
    assert (site(target) / 'alpha').is_dir() and not (tmp_path / 'elsewhere').exists()


def test_a_fetch_that_was_killed_at_its_very_end_leaves_nothing(index, made, tmp_path):
    """Its last file was in place, so that the next one fetches nothing."""
    index.wheel('package', '1.0')
    pins, _ = made('package')
    (tmp_path / 'cache/.part-0123').mkdir()
    (tmp_path / 'cache/.part-0123.lock').touch()
    wheels.fetch(pins, str(tmp_path / 'cache'), sys.executable)
    assert [path.name for path in (tmp_path / 'cache').iterdir()] == [pin.filename for pin in pins]
