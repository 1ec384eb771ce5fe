# SPDX-License-Identifier: GPL-2.0-only
"""
A program for PyPI's MPICH inside an image, on two ranks over the host's Cray MPICH by the binds that
lumi-eb container-binds derives, on two releases and with libraries moved: what strace sees opened is what was bound.
"""
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT

pytestmark = [pytest.mark.long, pytest.mark.skipif(os.geteuid() != 0 or not shutil.which('strace'),
                                                   reason='needs root, for mounts, and strace')]
PROGRAM = Path(__file__).with_name('programs') / 'foreign.c'
VERSIONS = {'25.03': '8.1.32', '25.09': '9.0.1'}
C_LIBRARY = ('libc.so.6', 'libm.so.6', 'libdl.so.2', 'libpthread.so.0', 'librt.so.1')


@pytest.fixture
def image(standin, tmp_path):
    """The root of an image: a C library of its own, and a program for libmpi.so.12 and libmpifort.so.12."""
    root, lib = tmp_path / 'image', Path('lib/x86_64-linux-gnu')
    for folder in (lib, 'lib64', 'bin', 'dev', 'proc', 'sys', 'tmp', 'host-mpi'):
        (root / folder).mkdir(parents=True)
    for name in C_LIBRARY:
        shutil.copy('/' / lib / name, root / lib)
    shutil.copy('/lib64/ld-linux-x86-64.so.2', root / 'lib64')
    fortran, = standin.glob('opt/cray/pe/mpich/8.1.32/ofi/gnu/*/lib-abi-mpich/libmpifort.so.12')
    mpich, = standin.glob('store/mpich-wheel/mpich-*.data/data')
    subprocess.run(['gcc', '-o', root / 'bin/program', PROGRAM, f'-I{mpich}/include', mpich / 'lib/libmpi.so.12',
                    '-Wl,--no-as-needed', fortran, '-Wl,--allow-shlib-undefined'], check=True, capture_output=True)
    return root


def moved(standin, folder):
    """Commands that move libraries of the machine: libfabric into a folder of another version, UCX into pe/lib64."""
    fabric, ucx = standin / 'opt/cray/libfabric', standin / 'opt/standin/ucx/lib'
    central = standin / 'opt/cray/pe/lib64'
    version, = (path for path in fabric.iterdir() if not path.is_symlink())
    for source, target in ((version, folder / 'fabric/2.9.9'), (central, folder / 'lib64'), (ucx, folder / 'lib64')):
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    pc = folder / 'fabric/2.9.9/lib64/pkgconfig/libfabric.pc'
    pc.write_text(pc.read_text().replace(str(version), str(fabric / '2.9.9')))
    (folder / 'empty').mkdir()
    there = fabric / '2.9.9/lib64'
    return [f'mount --bind {folder}/fabric {fabric}', f'mount --bind {folder}/lib64 {central}',
            f'mount --bind {folder}/empty {ucx}'], \
        f'export PKG_CONFIG_PATH={there}/pkgconfig LD_LIBRARY_PATH={there}:{central}'


@pytest.mark.parametrize('release', sorted(VERSIONS))
@pytest.mark.parametrize('how', ['as-it-is', 'moved'])
def test_what_is_opened_is_what_was_bound(fresh, slurm, standin, image, tmp_path, release, how):
    mounts, shell = moved(standin, tmp_path) if how == 'moved' else ([], 'module load libfabric')
    machine = ['set -e', *mounts]
    fresh.shell = ['unshare', '-m', '--propagation', 'private', 'bash', '-c', '\n'.join([*machine, 'exec "$@"']), '--',
                   *fresh.shell]
    done = fresh.run(f'{shell}; {ROOT}/bin/lumi-eb container-binds --json --release {release} {image}')
    assert done.returncode == 0, done.stdout
    found = json.loads(done.stdout[done.stdout.index('{'):])
    assert found['problems'] == [] and found['dead'] == []
    lines = list(machine)
    for bind in found['binds']:
        target = f'{image}{bind["target"]}'
        if bind['target'].startswith('/host-mpi/'):
            lines += [f'touch {target}', f'mount --bind {bind["source"]} {target}']
    lines += [f'mount --rbind /{name} {image}/{name}' for name in ('dev', 'proc', 'sys')]
    variables = [f'{name[len("SINGULARITYENV_"):]}={value}' for name, value in found['environment'].items()
                 if name.startswith('SINGULARITYENV_')]
    # the MPICH that is behind the stand-in's Cray MPICH would go over UCX
    lines.append(f'exec env {shlex.join(variables)} MPIR_CVAR_CH4_NETMOD=ofi strace -f -qq -e trace=openat '
                 f'-o {tmp_path}/opened.$SLURM_PROCID /usr/sbin/chroot {image} /bin/program')
    script = tmp_path / 'rank.sh'
    script.write_text('\n'.join(lines))
    done = fresh.run(f'srun -n 2 unshare -m --propagation private bash {script}', load=False, **slurm)
    assert {'rank 0 of 2, sum 1', 'rank 1 of 2, sum 1'} <= set(done.stdout.splitlines()), done.stdout
    assert done.stdout.count(f'CRAY MPICH version {VERSIONS[release]}') == 2
    opened = set()
    for log in tmp_path.glob('opened.*'):
        opened |= {path for path in re.findall(r'"([^"]+)", [^\n]*= \d', log.read_text()) if '.so' in path}
    bound = {bind['target'] for bind in found['binds'] if bind['target'].startswith('/host-mpi/')}
    mine = {path for path in opened if path.startswith('/host-mpi/')}
    assert mine - bound == set(), 'missing'
    assert bound - mine == set(), 'dead'
    # all else is the image's own C library
    assert {os.path.basename(path) for path in opened - mine} <= {*C_LIBRARY, 'ld.so.cache'}, opened - mine
