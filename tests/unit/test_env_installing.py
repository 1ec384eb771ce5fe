# SPDX-License-Identifier: GPL-2.0-only
"""What an environment has beside its module: packages from the image before, Cray MPICH for wheels that want MPICH."""
import hashlib
import os
import shutil
import sys

import pytest
from test_wheels import Index, elf

from lumi_hooks.env import foreign, installing, pack, pip, wheels
from lumi_hooks.errors import LumiHooksError

pytestmark = pytest.mark.skipif(not shutil.which('mksquashfs', path='/usr/bin:/usr/sbin'),
                                reason='squashfs-tools is not installed')


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Install a generation of an environment of some wheels; returns its folder, and what pip was asked to install."""
    mpi = tmp_path / 'mpich'
    (mpi / 'lib-abi-mpich').mkdir(parents=True)
    env = {'PATH': f'{os.path.dirname(sys.executable)}:/usr/bin:/bin', 'CRAY_MPICH_DIR': str(mpi)}
    monkeypatch.setattr(installing.module, 'loaded', lambda targets, environ: env)
    requested, real = [], pip.run

    def run(python, *words, **more):
        if '--prefix' in words:
            with open(words[-1], encoding='utf-8') as stream:
                requested.extend(line.partition('==')[0] for line in stream)
        return real(python, *words, **more)
    monkeypatch.setattr(pip, 'run', run)

    def made(number, paths, packed=True, mpi=''):
        pins = [_pin(path)._replace(mpi=mpi) for path in paths]
        lock = {'steps': {}, 'packed': packed, 'targets': [], 'variables': {},
                'python': {'version': '%d.%d.%d' % sys.version_info[:3], 'pins': [pin._asdict() for pin in pins]}}
        folder, work = tmp_path / 'SW' / 'my-env' / str(number), tmp_path / 'work'
        work.mkdir(exist_ok=True)
        requested.clear()
        installing.install(str(folder), lock, ('my-env.yaml', 'name: my-env\n'),
                           {path.name: str(path) for path in paths}, str(tmp_path / 'store'), str(work))
        assert not list(work.iterdir())
        return folder, lock, list(requested)
    made.env = env
    return made


def _pin(path):
    name, version = path.name.split('-')[:2]
    return wheels.Pin(name, version, path.name, path.as_uri(), hashlib.sha256(path.read_bytes()).hexdigest(), False)


def test_an_update_takes_over_what_the_image_before_has(make, tmp_path):
    """And leaves no file in the prefix but the image's own."""
    index = Index(tmp_path / 'index')
    one, two = (index.wheel(name, '1.0', script=name) for name in ('alpha', 'beta'))
    folder, lock, requested = make(1, [one, two])
    assert sorted(requested) == ['alpha', 'beta'] and not list((folder / 'python').iterdir())
    assert not (tmp_path / 'store').exists()
    newer = index.wheel('beta', '1.1', script='beta')
    folder, lock, requested = make(2, [one, newer])
    assert requested == ['beta']
    assert installing.variables(str(folder), lock) == {'SLURM_TASK_EPILOG': f'{folder}/environment/epilog'}
    assert {'alpha', 'beta', 'python3'} <= set(os.listdir(folder / 'bin'))
    assert ('PATH', f'{folder}/bin') in installing.paths(str(folder), lock)
    packages = {path.name for path in unpacked(folder, tmp_path / 'second').rglob('*.dist-info')}
    assert packages == {'alpha-1.0.dist-info', 'beta-1.1.dist-info'}
    # what is no longer wanted goes, but for a file that another package has as well
    folder, _, requested = make(3, [newer])
    left = {str(path.relative_to(tmp_path / 'third')) for path in unpacked(folder, tmp_path / 'third').rglob('*')}
    assert not requested and not [path for path in left if 'alpha' in path] and 'bin/beta' in left
    shutil.rmtree(folder)
    folder, _, _ = make(3, [one, newer])
    # a damaged one is no reason to stop
    (folder / 'python.sqsh').write_bytes(b'nothing')
    assert sorted(make(4, [one, newer])[2]) == ['alpha', 'beta']


def test_what_has_not_changed_is_copied_as_it_is_packed(make, tmp_path, monkeypatch):
    """An update gives what an installation from nothing gives, and the image before stays as it is."""
    index, joined, whole = Index(tmp_path / 'index'), [], pack.squashfs.join
    large = {f'alpha/{number}.txt': os.urandom(30_000).hex() for number in range(9)}
    one = index.wheel('alpha', '1.0', script='alpha', files={**large, 'shared/__init__.py': ''})
    old, new = (index.wheel('beta', version, script=f'beta{version}',
                            files={'shared/__init__.py': '', 'beta/v.py': version}) for version in ('1.0', '2.0'))

    def join(base, *more):
        joined.append(base)
        return whole(base, *more)
    monkeypatch.setattr(pack.squashfs, 'join', join)
    first = make(1, [one, old])[0]
    before = (first / 'python.sqsh').read_bytes()
    second = make(2, [one, new])[0]
    assert joined == [f'{first}/python.sqsh'] and (first / 'python.sqsh').read_bytes() == before
    assert (second / 'python.sqsh').stat().st_size < len(before) + 20_000
    third = make(3, [one, new])[0]
    assert len(joined) == 2
    # nothing that is before it: all from nothing
    shutil.move(tmp_path / 'SW' / 'my-env', tmp_path / 'aside')
    fresh = make(1, [one, new])[0]
    found = []
    for number, folder in enumerate((tmp_path / 'aside' / second.name, tmp_path / 'aside' / third.name, fresh)):
        place = unpacked(folder, tmp_path / f'out{number}')
        found.append({str(path.relative_to(place)): path.read_bytes() for path in place.rglob('*')
                      if path.is_file() and path.suffix != '.pyc'})
    assert found[0] == found[1] == found[2] and 'bin/beta2.0' in found[0] and 'bin/beta1.0' not in found[0]


def unpacked(folder, place):
    pack.unpack(str(folder / 'python.sqsh'), str(place))
    return place


def test_a_file_of_two_packages_stays_as_long_as_one_is_wanted(make, tmp_path):
    index = Index(tmp_path / 'index')
    one, two = (index.wheel(name, '1.0', files={'shared/__init__.py': '', f'shared/{name}.py': ''})
                for name in ('alpha', 'beta'))
    make(1, [one, two])
    folder, _, requested = make(2, [two])
    assert not requested
    names = {path.name for path in unpacked(folder, tmp_path / 'out').rglob('shared/*')}
    assert {'__init__.py', 'beta.py'} <= names and 'alpha.py' not in names


def test_files_come_from_the_store(make, tmp_path):
    index = Index(tmp_path / 'index')
    one, two = (index.wheel(name, '1.0') for name in ('alpha', 'beta'))
    make(1, [one], packed=False)
    folder, lock, requested = make(2, [one, two], packed=False)
    assert requested == ['beta'] and installing.variables(str(folder), lock) == {}
    assert list((folder / 'python').rglob('alpha/__init__.py')) and not (folder / 'python.sqsh').exists()


def test_a_wheel_for_mpich_finds_cray_mpich(make, tmp_path):
    path = Index(tmp_path / 'index').wheel('withmpi', '1.0', files={'m.so': elf(tmp_path, 'm.so', ['libmpi.so.12'])})
    assert foreign.judge(str(path)).mpi == foreign.ABI
    folder, lock, _ = make(1, [path], mpi=foreign.ABI)
    assert os.readlink(folder / 'environment/mpi-abi') == f'{tmp_path}/mpich/lib-abi-mpich'
    assert ('LD_LIBRARY_PATH', f'{folder}/environment/mpi-abi') in installing.paths(str(folder), lock)
    make.env['CRAY_MPICH_DIR'] = '/nowhere'
    with pytest.raises(LumiHooksError, match='withmpi needs MPI: have cray-mpich among the recipes'):
        make(2, [path], mpi=foreign.ABI)
