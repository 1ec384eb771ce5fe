# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb container-binds: against a process that really runs inside an image, with what is bound and nothing else."""
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lumi_hooks.cli import main
from lumi_hooks.fabric.binds import dead

GCC = ['gcc', '-O0', '-fPIC']
C_LIBRARY = ('/lib64/ld-linux-x86-64.so.2', '/lib/x86_64-linux-gnu/libc.so.6')
SYSTEM = Path('/lib/x86_64-linux-gnu/libz.so.1')
# where two releases have their libraries
LAYOUTS = {
    'one': {'libmpi.so.12': 'opt/cray/pe/mpich/8.1.32/ofi/gnu/12.3/lib-abi-mpich',
            'libfabric.so.1': 'opt/cray/libfabric/1.22.0/lib64', 'libpmi2.so.0': 'opt/cray/pe/pmi/6.1.15/lib',
            'libpals.so.0': 'opt/cray/pals/1.3.2/lib', 'libxpmem.so.0': 'opt/cray/xpmem/2.8/lib64'},
    'moved': {'libmpi.so.12': 'opt/cray/pe/mpich/8.1.32/ofi/gnu/14.1/lib-abi-mpich',
              'libfabric.so.1': 'opt/cray/libfabric/2.3.0/lib', 'libpmi2.so.0': 'opt/cray/pe/lib64',
              'libpals.so.0': 'opt/cray/pe/lib64', 'libxpmem.so.0': 'opt/xpmem/lib64'},
}
NEEDS = {'libxpmem.so.0': (), 'libpals.so.0': (), 'libpmi2.so.0': ('libpals.so.0',), 'libfabric.so.1': (),
         'libmpi.so.12': ('libfabric.so.1', 'libpmi2.so.0', 'libxpmem.so.0')}


def stem(name):
    return name.partition('.')[0]


@pytest.fixture(params=sorted(LAYOUTS))
def host(request, tmp_path, monkeypatch):
    """A machine in a folder: its libraries say their names when they are called, and call those that they need."""
    root, layout = tmp_path / 'host', LAYOUTS[request.param]
    for name, needs in NEEDS.items():
        folder = root / layout[name]
        folder.mkdir(parents=True, exist_ok=True)
        source = tmp_path / f'{name}.c'
        calls = ''.join(f' {stem(need)}();' for need in needs)
        source.write_text('int puts(const char *); int zlibVersion(void);\n'
                          + ''.join(f'void {stem(need)}(void);\n' for need in needs)
                          + f'void {stem(name)}(void) {{ puts("{name}");{calls}'
                          + (' zlibVersion();' if name == 'libfabric.so.1' else '') + ' }\n')
        subprocess.run([*GCC, '-shared', f'-Wl,-soname,{name}', '-o', folder / name, source,
                        *(root / layout[need] / need for need in needs), *([SYSTEM] if 'fabric' in name else []),
                        *(f'-Wl,--enable-new-dtags,-rpath,{root / layout[need]}' for need in needs)], check=True)
    (tmp_path / 'bin').mkdir()
    tool = tmp_path / 'bin/pkg-config'
    prefix = (root / layout['libfabric.so.1']).parent
    tool.write_text(f'#!/bin/sh\ncase $1 in --modversion) echo 9;; *) echo {prefix};; esac\n')
    tool.chmod(0o755)
    for name in [name for name in os.environ if name.startswith(('LUMI_STACK', 'CRAY', 'SINGULARITY', 'LD_'))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv('PATH', f'{tmp_path / "bin"}:{os.environ["PATH"]}')
    monkeypatch.setenv('LUMI_HOOKS_SYSTEM_ROOT', str(root))
    monkeypatch.setattr('lumi_hooks.fabric.binds.others', lambda: [])
    return root


@pytest.fixture
def image(tmp_path, host):
    """The root of an image: a C library, and a program for MPICH's libmpi.so.12."""
    root = tmp_path / 'image'
    for path in C_LIBRARY:
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / path[1:])
    (root / 'bin').mkdir()
    (tmp_path / 'app.c').write_text('void libmpi(void); int main(void) { libmpi(); return 0; }\n')
    library, = host.rglob('libmpi.so.12')
    subprocess.run(['gcc', '-o', root / 'bin/app', tmp_path / 'app.c', library, '-Wl,--allow-shlib-undefined'],
                   check=True)
    return root


def told(capsys, *words):
    code = main(['container-binds', '--release', '25.03', '--json', *map(str, words)])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which('strace'), reason='needs root, for chroot, and strace')
@pytest.mark.parametrize('has_zlib', [False, True])
def test_the_process_in_the_image_opens_what_is_bound_and_nothing_more(image, tmp_path, capsys, has_zlib):
    if has_zlib:
        shutil.copy(SYSTEM, image / 'lib/x86_64-linux-gnu/libz.so.1')
    code, found, err = told(capsys, image)
    assert code == 0 and not err and found['problems'] == []
    lines = ['set -e']
    for bind in found['binds']:
        target = f'{image}{bind["target"]}'
        lines += [f'mkdir -p {os.path.dirname(target)}', f'touch {target}', f'mount --bind {bind["source"]} {target}']
    variables = ' '.join(f'{name[len("SINGULARITYENV_"):]}={value}' for name, value in found['environment'].items()
                         if name.startswith('SINGULARITYENV_'))
    lines.append(f'exec env -i PATH=$PATH {variables} strace -f -qq -e trace=openat -o {tmp_path}/log chroot {image} '
                 '/bin/app')
    done = subprocess.run(['unshare', '-m', 'bash', '-c', '\n'.join(lines)], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    # every library of the host was called
    assert set(done.stdout.split()) == set(NEEDS)
    opened = set(re.findall(r'"(/host-mpi/[^"]+)"[^\n]*= \d', (tmp_path / 'log').read_text()))
    bound = {bind['target'] for bind in found['binds']}
    assert opened == bound, 'missing: not bound and opened; dead: bound and not opened'
    assert all(os.path.isfile(bind['source']) for bind in found['binds'])
    assert ('/host-mpi/libz.so.1' in bound) is not has_zlib
    assert {'library': 'libc.so.6', 'reason': 'the C library is the image\'s own'} in found['left_out']


def test_an_image_with_an_older_c_library_is_told(image, tmp_path, capsys):
    """Its own libc has no versions at all here: whatever is asked for is lacking."""
    (tmp_path / 'old.c').write_text('int puts(const char *x) { return 0; }\n')
    (tmp_path / 'map').write_text('GLIBC_2.1 { puts; };\n')
    subprocess.run([*GCC, '-shared', '-nostdlib', '-Wl,-soname,libc.so.6', f'-Wl,--version-script={tmp_path}/map', '-o',
                    image / 'lib/x86_64-linux-gnu/libc.so.6', tmp_path / 'old.c'], check=True)
    code, found, err = told(capsys, image)
    assert code == 1 and 'of libc.so.6, which the image\'s own C library has not' in err
    assert any(problem.startswith('libmpi.so.12 asks for GLIBC_2.') for problem in found['problems'])


def test_a_missing_library_is_told_from_a_dead_bind(host, image, capsys, monkeypatch):
    path, = host.rglob('libpals.so.0')
    path.unlink()
    monkeypatch.setenv('SINGULARITY_BIND', f'{host}/gone.so:/gone.so,{host}')
    code, found, err = told(capsys, image)
    assert code == 1 and found['dead'] == [f'{host}/gone.so:/gone.so'] == dead(os.environ['SINGULARITY_BIND'])
    assert len(found['problems']) == 1 and found['problems'][0].startswith('libpals.so.0, which ')
    assert 'Singularity skips it' in err


def test_for_a_shell(image, capsys):
    assert main(['container-binds', '--release', '25.03', str(image)]) == 0
    out, _ = capsys.readouterr()
    done = subprocess.run(['bash', '-c', f'{out}\nprintf %s "$SINGULARITY_BIND"'], capture_output=True, text=True,
                          check=True)
    assert done.stdout.count(':/host-mpi/') == 6 and 'SINGULARITYENV_LD_LIBRARY_PATH=/host-mpi' in out


def test_as_a_module(image, capsys):
    """One of LUMI's family, beside what is bound already; the first bind of the list stays the first."""
    assert main(['container-binds', '--release', '25.03', '--lua', str(image)]) == 0
    lua = capsys.readouterr().out
    _, found, _ = told(capsys, image)
    assert 'family("containerbindings")' in lua
    assert 'prepend_path{"SINGULARITYENV_LD_LIBRARY_PATH", [==[/host-mpi]==]' in lua
    bound = re.findall(r'prepend_path\{"SINGULARITY_BIND", \[==\[(.*)\]==\], delim=","\}', lua)
    assert ','.join(reversed(bound)) == found['environment']['SINGULARITY_BIND']


@pytest.mark.parametrize('loaded', ['9.0.1/ofi/gnu/12.3', '8.1.32/ofi/crayclang/17'])
def test_it_is_the_releases_gnu_mpich_whatever_is_loaded(host, image, capsys, monkeypatch, loaded):
    """Fortran of another compiler, or the MPI of another release, is not what a container's program wants."""
    other = host / 'opt/cray/pe/mpich' / loaded
    shutil.copytree(next(host.rglob('lib-abi-mpich')), other / 'lib-abi-mpich')
    monkeypatch.setenv('CRAY_MPICH_DIR', str(other))
    _, found, _ = told(capsys, image)
    mpi, = (bind['source'] for bind in found['binds'] if bind['target'] == '/host-mpi/libmpi.so.12')
    assert '/8.1.32/ofi/gnu/' in mpi


def test_without_a_fabric_or_an_image(host, tmp_path, capsys, monkeypatch):
    (tmp_path / 'text').write_text('hello')
    for words, says in (([tmp_path / 'text'], 'is no image'), ([tmp_path / 'none'], 'No such file')):
        assert main(['container-binds', '--release', '25.03', *map(str, words)]) == 2
        assert says in capsys.readouterr().err
    monkeypatch.setenv('PATH', str(tmp_path))
    assert main(['container-binds', '--release', '25.03']) == 2
    assert 'pkg-config knows no libfabric here' in capsys.readouterr().err
    shutil.rmtree(host / 'opt/cray/pe/mpich')
    assert main(['container-binds', '--release', '25.03']) == 2
    error = capsys.readouterr().err
    assert 'there is no Cray MPICH 8.1.32 under MPICH\'s names here' in error and error.count('\n') == 1
