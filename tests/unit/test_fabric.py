# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb mpi: what real ELF files want of MPI, what they bring, and how they run on a release."""
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from elves import compiled, library

from lumi_hooks.cli import main
from lumi_hooks.fabric import tree
from lumi_hooks.fabric.answer import functions_of, interface
from lumi_hooks.fabric.wants import function, kind_of_library, wants_of
from lumi_hooks.releases import load_release, release_names

BASIC = ('MPI_Init', 'MPI_Comm_rank', 'MPI_Finalize')
# what else the libraries of these tests have: the linker wants to see what a program calls
MORE = ('MPI_Session_init', 'MPI_Send_c', 'MPI_Recv_c', 'MPI_Bcast_c', 'PMPI_Send_c', 'I_MPI_Check_image_status',
        '_ZN3MPI4InitEv', 'ompi_mpi_comm_world', 'mpi_init_', 'mpi_send_', 'mpi_send_f08ts_large_', 'mpi_send_c_f08ts_',
        'MPI_Status_f082c')


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    """No module of the site is loaded."""
    for name in [name for name in os.environ if name.startswith(('LUMI_', 'CRAY'))]:
        monkeypatch.delenv(name)


@pytest.fixture
def mpi(tmp_path):
    """Makes a library of MPI, outside of what is looked at."""
    return lambda name: library(tmp_path / 'elsewhere', name, defines=(*BASIC, *MORE))


def told(target, capsys, *more):
    """The exit code of lumi-eb mpi, and its files by name."""
    code = main(['mpi', '--json', *more, str(target)])
    found = json.loads(capsys.readouterr().out)
    assert found.pop('schema_version') == 1
    return code, {one['file']: one for one in found['files']}


@pytest.mark.parametrize('name, kind', [
    ('libmpi.so.12', 'mpich-abi'), ('libmpifort.so.12', 'mpich-abi'), ('libmpich.so.12', 'mpich-abi'),
    ('libmpi.so.12.3.1', 'mpich-abi'), ('libmpi-d26c8c51.so.12.3.1', 'mpich-abi'), ('libmpi.so', 'mpich-abi'),
    ('libmpi.so.40', 'openmpi'), ('libmpi.so.20', 'openmpi'), ('libmpi.so.1', 'openmpi'),
    ('libmpi_mpifh.so.40', 'openmpi'), ('libmpi_cxx.so.40', 'openmpi'), ('libmpi_usempif08.so.40', 'openmpi'),
    ('libopen-pal.so.80', 'openmpi'), ('libmpi_abi.so.1', 'standard-abi'), ('libmpifort_abi.so.1', 'standard-abi'),
    ('libmpi_gnu_123.so.12', 'cray'), ('libmpi_gnu.so.12', 'cray'), ('libmpifort_cray.so.12', 'cray'),
    ('libmpi_amd.so', 'cray'), ('libmpi_gtl_hsa.so.0', None), ('libviskoresdiympi_nompi.so', None),
    ('libmpir.so', None), ('libhdf5.so.200', None)])
def test_kinds_of_libraries(name, kind):
    assert kind_of_library(name) == kind


@pytest.mark.parametrize('symbol, name', [
    (b'MPI_Init', 'MPI_Init'), (b'PMPI_Init', 'MPI_Init'), (b'MPIX_Comm_agree', 'MPIX_Comm_agree'),
    (b'mpi_init_', 'mpi_init'), (b'pmpi_send_', 'mpi_send'), (b'mpi_send_f08_', 'mpi_send'),
    (b'mpi_recv_f08ts_', 'mpi_recv'), (b'I_MPI_Check_image_status', 'I_MPI_Check_image_status'),
    (b'MPIU_Allreduce', ''), (b'MPIPetsc_Iallreduce', ''), (b'printf', ''), (b'\xff\xfe', '')])
def test_functions_of_symbols(symbol, name):
    assert function(symbol) == name


def test_recorded_functions_are_those_of_the_standards():
    assert {'MPI_Init', 'MPI_Ibarrier', 'mpi_init', 'MPI_T_init_thread'} <= functions_of('3.4')
    for name, since in (('MPI_Session_init', '4.0'), ('MPI_Send_c', '4.0'), ('MPI_Abi_get_version', '5.0')):
        assert name not in functions_of('3.4') and name in functions_of(since) and name in functions_of('5.0')
    assert 'MPI_Abi_get_version' not in functions_of('4.1')
    assert {name: interface(load_release(name)) for name in release_names()}['26.03'] == ('4.1', '4.0')
    assert interface(load_release('25.03')) == ('3.4', '3.1')


@pytest.mark.parametrize('libraries, calls, kind, runs', [
    (['libmpi.so.12'], BASIC, 'mpich-abi', 'cray-mpich-abi'),
    (['libmpi.so.12', 'libmpifort.so.12'], ('mpi_init_', 'mpi_send_'), 'mpich-abi', 'cray-mpich-abi'),
    (['libmpi.so.12'], (*BASIC, 'MPI_Session_init'), 'mpich-abi', 'not'),
    (['libmpi.so.12'], (*BASIC, 'PMPI_Send_c'), 'mpich-abi', 'not'),
    (['libmpi.so.12'], (*BASIC, 'I_MPI_Check_image_status'), 'mpich-abi', 'not'),
    (['libmpi.so.12', 'libmpicxx.so.12'], (*BASIC, '_ZN3MPI4InitEv'), 'mpich-abi', 'not'),
    (['libmpi.so.40'], BASIC, 'openmpi', 'cray-mpixlate'),
    (['libmpi.so.40', 'libmpi_cxx.so.40'], BASIC, 'openmpi', 'not'),
    (['libmpi.so'], (*BASIC, 'ompi_mpi_comm_world'), 'openmpi', 'not'),
    (['libmpi.so.12'], (*BASIC, 'ompi_mpi_comm_world'), 'openmpi', 'not'),
    (['libmpi_abi.so.1'], BASIC, 'standard-abi', 'not'),
    (['libmpi_gnu_123.so.12'], BASIC, 'cray', 'natively'),
    (['libmpi_gnu.so.12'], BASIC, 'cray', 'not'),
    (['libmpi_amd.so.12'], BASIC, 'cray', 'not'),
    (['libz.so.1'], (), 'none', 'natively')])
def test_what_a_program_wants_and_how_it_runs(tmp_path, mpi, capsys, libraries, calls, kind, runs):
    program = compiled(tmp_path / 'thing', program=True, needs=[mpi(name) for name in libraries], calls=calls)
    code, files = told(program, capsys, '--release', '25.03', '--partition', 'C')
    found = files['thing']
    assert (found['wants'], found['runs'], code) == (kind, runs, 1 if runs == 'not' else 0)
    assert found['libraries'] == [name for name in libraries if kind != 'none'] and found['brings'] == []
    assert bool(found['command']) is (runs != 'not' and kind != 'none')
    if runs == 'not':
        assert 'build it here' in found['reason']


def test_a_program_for_a_newer_mpi_is_told_where_it_runs(tmp_path, mpi, capsys):
    program = compiled(tmp_path / 'thing', program=True, needs=[mpi('libmpi.so.12')],
                       calls=(*BASIC, 'MPI_Session_init', 'MPI_Send_c', 'MPI_Recv_c', 'MPI_Bcast_c'))
    reason = told(program, capsys, '--release', '25.03')[1]['thing']['reason']
    assert reason.startswith('it calls MPI_Bcast_c, MPI_Recv_c, MPI_Send_c and 1 more, which cray-mpich/8.1.32 (MPI '
                             '3.1, like MPICH 3.4) has not: it would run on 25.09, 26.03')
    code, files = told(program, capsys, '--release', '25.09')
    assert (code, files['thing']['runs']) == (0, 'cray-mpich-abi')
    assert 'module swap cray-mpich cray-mpich-abi/9.0.1 && srun -n 2 ' in files['thing']['command']


def test_cray_names_of_another_release(tmp_path, mpi, capsys):
    program = compiled(tmp_path / 'thing', program=True, needs=[mpi('libmpi_gnu.so.12')], calls=BASIC)
    assert '25.03 has no libmpi_gnu.so.12 (26.03 has it)' in told(program, capsys, '--release', '25.03')[1]['thing'][
        'reason']
    assert told(program, capsys, '--release', '26.03')[1]['thing']['runs'] == 'natively'


def test_own_libraries_count_with_a_program(tmp_path, mpi, capsys):
    """It calls MPI through a library of its own, which is found by its RUNPATH; a wrapper of its own has one name."""
    own = library(tmp_path / 'app/lib', 'libsolve.so', needs=[mpi('libmpi.so.12')],
                  calls=('MPI_Init', 'MPI_Session_init'), runpath=tmp_path / 'elsewhere')
    wrapper = tmp_path / 'app/lib/libwrap.so'
    (tmp_path / 'wrap.c').write_text('int MPI_Session_init(void) { return 0; }\n')
    subprocess.run(['gcc', '-shared', '-fPIC', '-nostdlib', '-Wl,-soname,libwrap.so', '-o', wrapper,
                    tmp_path / 'wrap.c'], check=True)
    plain = compiled(tmp_path / 'app/bin/plain', program=True, needs=[own], runpath='$ORIGIN/../lib')
    wrapped = compiled(tmp_path / 'app/bin/wrapped', program=True, needs=[own, wrapper], runpath='$ORIGIN/../lib')
    assert told(plain, capsys)[1]['plain']['runs'] == 'not'
    found = told(wrapped, capsys)[1]['wrapped']
    assert (found['wants'], found['libraries'], found['runs']) == ('mpich-abi', ['libmpi.so.12'], 'cray-mpich-abi')
    assert found['brings'] == [str(tmp_path / 'elsewhere/libmpi.so.12')]


@pytest.mark.parametrize('way, preloads', [('runpath', False), ('rpath', True)])
def test_what_it_brings_and_would_use_instead(tmp_path, capsys, way, preloads):
    """LD_LIBRARY_PATH comes before DT_RUNPATH, and behind DT_RPATH."""
    folder = tmp_path / 'app'
    fabric = library(folder / 'lib/mpich', 'libfabric.so.1')
    own = library(folder / 'lib', 'libmpi.so.12', needs=[fabric], runpath='$ORIGIN/mpich', defines=BASIC)
    compiled(folder / 'bin/thing', program=True, needs=[own], calls=BASIC, **{way: '$ORIGIN/../lib'})
    code, files = told(folder, capsys)
    found = files['bin/thing']
    assert (code, found['brings']) == (0, ['lib/libmpi.so.12', 'lib/mpich/libfabric.so.1'])
    assert ('env LD_PRELOAD=$CRAY_MPICH_DIR/lib-abi-mpich/libmpi.so.12 ' in found['command']) is preloads
    assert files['lib/libmpi.so.12']['runs'] == 'not' and 'MPI library itself' in files['lib/libmpi.so.12']['reason']


def test_a_copy_under_a_name_of_its_own_cant_be_exchanged(tmp_path, capsys):
    own = library(tmp_path / 'app/thing.libs', 'libmpi-d26c8c51.so.12.3.1')
    library(tmp_path / 'app/thing', 'MPI.cpython-311-x86_64-linux-gnu.so', needs=[own], calls=BASIC,
            rpath='$ORIGIN/../thing.libs')
    code, files = told(tmp_path / 'app', capsys)
    found = files['thing/MPI.cpython-311-x86_64-linux-gnu.so']
    assert (code, found['wants'], found['runs']) == (1, 'mpich-abi', 'not')
    assert 'under a name of its own' in found['reason'] and found['brings'] == ['thing.libs/libmpi-d26c8c51.so.12.3.1']


@pytest.mark.parametrize('name', ['libmpich.so.12', 'libmpicxx.so.12'])
def test_other_names_of_the_same_library_are_linked(tmp_path, mpi, capsys, name):
    """Debian's name, and one of MPI's C++ bindings, of which nothing is called."""
    program = compiled(tmp_path / 'thing', program=True, needs=[mpi(name)], calls=BASIC)
    assert f'ln -sf $CRAY_MPICH_DIR/lib-abi-mpich/libmpi.so.12 mpi-names/{name}' in told(program, capsys)[1]['thing'][
        'command']


def test_modules_for_several_mpis_are_chosen_from_at_run_time(tmp_path, mpi, capsys):
    """As mpi4py 4.1 has them: the command says which."""
    for kind, name in (('mpich', 'libmpi.so.12'), ('openmpi', 'libmpi.so.40'), ('mpiabi', 'libmpi_abi.so.1')):
        library(tmp_path / 'app/mpi4py', f'MPI.{kind}.cpython-311-x86_64-linux-gnu.so', needs=[mpi(name)], calls=BASIC)
    library(tmp_path / 'app/mpi4py', 'fast.cpython-311-x86_64-linux-gnu.so')
    code, files = told(tmp_path / 'app', capsys)
    assert code == 0  # one of them runs
    assert {one['wants'] for name, one in files.items() if 'MPI' in name} == {'at-run-time'}
    assert files['mpi4py/MPI.mpich.cpython-311-x86_64-linux-gnu.so']['command'].endswith(
        'srun -n 2 env MPI4PY_MPIABI=mpich python3 SCRIPT')
    assert files['mpi4py/fast.cpython-311-x86_64-linux-gnu.so']['wants'] == 'none'


@pytest.mark.parametrize('text, kind, libraries', [
    ('MPI_Init\\0MPICH Version:', 'static', ()), ('MPI_Init\\0Open MPI v%d.%d', 'static', ()),
    ('MPICH Version:', 'none', ()), ('MPI_Init\\0', 'none', ()),
    ('MPI_Init\\0libmpi.so.12\\0', 'at-run-time', ('libmpi.so.12',)), ('about libmpi.so.12 and others', 'none', ())])
def test_a_program_that_names_no_library_is_told_by_its_texts(tmp_path, text, kind, libraries):
    found = wants_of(str(compiled(tmp_path / 'thing', program=True, text=text)))
    assert (found.kind, found.libraries) == (kind, libraries)


def test_a_library_that_names_no_mpi_gets_it_from_who_loads_it(tmp_path, capsys):
    library(tmp_path, 'libthing.so', calls=BASIC)
    found = told(tmp_path / 'libthing.so', capsys)[1]['libthing.so']
    assert (found['wants'], found['libraries'], found['runs']) == ('at-run-time', [], 'cray-mpich-abi')


def test_a_static_program(tmp_path, capsys):
    (tmp_path / 'thing.c').write_text('int main(void) { return 0; }\n__attribute__((used)) static const char text[] = '
                                      '"MPI_Init\\0MPICH Version:\\t%s";\n')
    subprocess.run(['gcc', '-static', '-o', tmp_path / 'thing', tmp_path / 'thing.c'], check=True)
    code, files = told(tmp_path / 'thing', capsys)
    assert (code, files['thing']['wants'], files['thing']['runs']) == (1, 'static', 'not')


def wheel(path, folder):
    """A wheel of what is in a folder."""
    with zipfile.ZipFile(path, 'w') as archive:
        for file in sorted(Path(folder).rglob('*')):
            archive.write(file, file.relative_to(folder))
    return path


def test_a_wheel_is_as_its_folder(tmp_path, mpi, capsys):
    library(tmp_path / 'app/thing', '_thing.abi3.so', needs=[mpi('libmpi.so.12')], calls=BASIC)
    (tmp_path / 'app/thing/__init__.py').write_text('')
    found = told(wheel(tmp_path / 'thing-1-py3-none-any.whl', tmp_path / 'app'), capsys)
    assert found == told(tmp_path / 'app', capsys) and list(found[1]) == ['thing/_thing.abi3.so']


def test_a_wheel_stays_in_its_folder(tmp_path, mpi, capsys, monkeypatch):
    """Names that lead out are passed over, and what is too large is not unpacked."""
    outer = library(tmp_path / 'x', 'libx.so', needs=[mpi('libmpi.so.12')])
    path = tmp_path / 'bad-1-py3-none-any.whl'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.write(outer, '../../escaped.so')
        archive.write(outer, 'in/libx.so')
    (tmp_path / 'tmp').mkdir()
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path / 'tmp'))
    assert list(told(path, capsys)[1]) == ['in/libx.so'] and not list(tmp_path.glob('**/escaped.so'))
    assert not list((tmp_path / 'tmp').iterdir())
    monkeypatch.setattr(tree, 'MOST_BYTES', 100)
    assert main(['mpi', str(path)]) == 2 and 'unpack it yourself' in capsys.readouterr().err


@pytest.mark.skipif(not shutil.which('mksquashfs') or not shutil.which('unsquashfs'), reason='no squashfs-tools here')
@pytest.mark.parametrize('sif', [False, True])
def test_an_image(tmp_path, mpi, capsys, sif):
    """Absolute run paths are below its own root; the head of a SIF image stands before its file system."""
    root = tmp_path / 'root'
    own = library(root / 'opt/mpi', 'libmpi.so.12.1')
    (root / 'opt/mpi/libmpi.so.12').symlink_to('libmpi.so.12.1')
    compiled(root / 'usr/bin/thing', program=True, needs=[mpi('libmpi.so.12')], calls=BASIC, runpath='/opt/mpi')
    (root / 'etc').mkdir()
    (root / 'etc/os-release').write_text('ID=none\n')
    assert own.exists()
    image = tmp_path / 'image'
    subprocess.run(['mksquashfs', root, image, '-quiet', '-no-progress'], check=True, capture_output=True)
    if sif:
        head = b'#!/usr/bin/env run-singularity\n\0' + b'SIF_MAGIC\0' + b'01\0' + b'02\0' + b'hsqs' + bytes(28628)
        image.write_bytes(head + image.read_bytes())
    for target in (image, root):
        code, files = told(target, capsys)
        found = files['usr/bin/thing']
        assert (code, found['wants'], found['runs']) == (0, 'mpich-abi', 'cray-mpich-abi')
        assert found['brings'] == ['opt/mpi/libmpi.so.12'] and 'have to be bound first' in found['reason']


@pytest.mark.parametrize('content, says', [
    (b'hello\n', 'no ELF file, folder, wheel or image'), (b'', 'no ELF file, folder, wheel or image'),
    (b'#!/bin/sh\n', 'name the program that the script starts'), (b'\x7fELF', 'ELF file'),
    (b'\x7fELF\2\1' + b'\xff' * 90, 'ELF file'), (b'PK\3\4rubbish', 'no sound wheel'),
    (b'hsqs' + bytes(24) + b'\4\0\0\0' + b'\xff' * 200, 'image'),
    (b'x' * 32 + b'SIF_MAGIC', 'without a squashfs file system')])
def test_bad_input_is_one_clear_line(tmp_path, capsys, content, says):
    (tmp_path / 'thing').write_bytes(content)
    assert main(['mpi', str(tmp_path / 'thing')]) == 2
    error = capsys.readouterr().err
    assert says in error and error.startswith('lumi-eb: ') and error.count('\n') == 1


def test_what_is_not_there_or_no_file(tmp_path, capsys):
    os.mkfifo(tmp_path / 'pipe')
    for name, says in (('missing', 'No such file'), ('pipe', 'not a regular file')):
        assert main(['mpi', str(tmp_path / name)]) == 2
        assert says in capsys.readouterr().err
    assert main(['mpi', str(tmp_path)]) == 0 and 'no program and no library' in capsys.readouterr().out


def test_a_file_that_is_not_sound_does_not_hide_the_others(tmp_path, mpi, capsys):
    compiled(tmp_path / 'app/one', program=True, needs=[mpi('libmpi.so.12')], calls=BASIC)
    (tmp_path / 'app/two').write_bytes(b'\x7fELF' + bytes(20))
    code = main(['mpi', '--json', str(tmp_path / 'app')])
    out, err = capsys.readouterr()
    assert code == 0 and [one['file'] for one in json.loads(out)['files']] == ['one']
    assert err == 'lumi-eb: not read: two\n'


def test_for_reading(tmp_path, mpi, capsys):
    compiled(tmp_path / 'app/one', program=True, needs=[mpi('libmpi.so.40')], calls=BASIC)
    library(tmp_path / 'app', 'libz.so')
    assert main(['mpi', '--release', '25.03', str(tmp_path / 'app')]) == 0
    out = capsys.readouterr().out
    assert 'wants   openmpi (libmpi.so.40)' in out and '1 file without MPI' in out and 'untried' in out
    assert 'srun -n 2 mpixlate -s ompi.40 -t cmpich.12 ' in out


@pytest.mark.parametrize('call, release, runs', [
    ('mpi_send_f08ts_large_', '25.03', 'not'), ('mpi_send_f08ts_large_', '25.09', 'cray-mpich-abi'),
    ('mpi_send_c_f08ts_', '25.09', 'not'), ('MPI_Status_f082c', '25.03', 'cray-mpich-abi')])
def test_functions_of_fortran_are_those_of_the_version(tmp_path, mpi, capsys, call, release, runs):
    """mpi_f08 of MPICH 4.1 calls a large MPI_Send MPI_Send_f08ts_large, and that of 4.2 MPI_Send_c_f08ts."""
    program = compiled(tmp_path / 'thing', program=True, needs=[mpi('libmpi.so.12'), mpi('libmpifort.so.12')],
                       calls=('mpi_init_', call))
    code, files = told(program, capsys, '--release', release)
    found = files['thing']
    assert (found['wants'], found['runs'], code) == ('mpich-abi', runs, int(runs == 'not'))
    assert runs != 'not' or call.partition('_f08')[0] in found['reason']
