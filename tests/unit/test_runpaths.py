# SPDX-License-Identifier: GPL-2.0-only
"""runpaths: folders go from the run paths of real ELF files, and everything else stays as it is."""
import os
import re
import stat
import subprocess

import pytest
from elves import compiled

from lumi_hooks import runpaths


def run_path(path):
    """The kind of run path that readelf tells, and the path; None where there is none."""
    text = subprocess.run(['readelf', '-dW', str(path)], capture_output=True, text=True, check=True).stdout
    found = re.findall(r'\((RPATH|RUNPATH)\).*\[(.*)\]', text)
    assert len(found) < 2
    return found[0] if found else None


def strings(path):
    """Everything else that the dynamic table and the symbols say."""
    text = subprocess.run(['readelf', '-dW', '--dyn-syms', '--version-info', str(path)], capture_output=True, text=True,
                          check=True)
    assert not text.stderr
    return [re.sub(r'^ *0x\w+ |contains \d+ entries', '', line) for line in text.stdout.splitlines()
            if 'PATH' not in line and '(NULL)' not in line]


def system(folder):
    return folder.startswith(('/opt/cray', '/opt/rocm'))


@pytest.mark.parametrize('kind', ['runpath', 'rpath'])
@pytest.mark.parametrize('before,after', [
    ('/opt/cray/pe/hdf5/lib', None),
    ('/opt/cray/a/lib:/opt/rocm-6.3.4/lib', None),
    ('/opt/cray/pe/hdf5/lib:$ORIGIN/../lib', '$ORIGIN/../lib'),
    ('$ORIGIN/../lib:/opt/cray/pe/hdf5/lib', '$ORIGIN/../lib'),
    ('/software/a/lib:/opt/cray/pe/hdf5/lib:/software/b/lib', '/software/a/lib:/software/b/lib'),
    ('/opt/cray/x:/software/a/lib:/opt/cray/y:/software/b/lib:/opt/rocm/lib', '/software/a/lib:/software/b/lib'),
    ('/software/a/lib:/software/b/lib', '/software/a/lib:/software/b/lib'),
])
def test_the_systems_folders_go(tmp_path, kind, before, after):
    # the linker lets a symbol "lib" share the end of the run path
    path = compiled(tmp_path / 'libx.so', '-Wl,--defsym=lib=0', '-Wl,--defsym=hdf5=0', soname='libx.so',
                    needs=[compiled(tmp_path / 'liby.so', soname='liby.so')], **{kind: before})
    others = strings(path)
    assert any(line.endswith(' lib') for line in others)
    gone = runpaths.take_out(str(path), system)
    assert run_path(path) == ((kind.upper(), after) if after else None)
    assert set(gone) == {folder for folder in before.split(':') if system(folder)}
    assert strings(path) == others
    assert runpaths.take_out(str(path), system) == ()


def test_a_program_still_runs(tmp_path):
    (tmp_path / 'lib').mkdir()
    (tmp_path / 'said.c').write_text('#include <stdio.h>\nint said(void) { return puts("said"); }\n')
    (tmp_path / 'main.c').write_text('int said(void);\nint main(void) { return said() < 0; }\n')
    library, program = tmp_path / 'lib/libsaid.so', tmp_path / 'program'
    subprocess.run(['gcc', '-shared', '-fPIC', '-o', library, tmp_path / 'said.c'], check=True)
    subprocess.run(['gcc', '-o', program, tmp_path / 'main.c', library,
                    '-Wl,-rpath,/opt/cray/pe/hdf5/lib:$ORIGIN/lib:/opt/cray/lib'], check=True)
    program.chmod(0o555)
    os.link(program, tmp_path / 'other')
    assert [one.folders for one in runpaths.clean(str(tmp_path), lambda file, folder: system(folder))] == [
        ('/opt/cray/pe/hdf5/lib', '/opt/cray/lib')]
    assert stat.S_IMODE(program.stat().st_mode) == 0o555 and program.samefile(tmp_path / 'other')
    assert run_path(program)[1] == '$ORIGIN/lib'
    done = subprocess.run([program], capture_output=True, text=True, check=True)
    assert done.stdout == 'said\n'


def test_what_is_asked_for_is_file_and_folder(tmp_path):
    compiled(tmp_path / 'lib/libx.so', runpath='/opt/cray/lib')
    compiled(tmp_path / 'plugins/liby.so', runpath='/opt/cray/lib')
    taken = list(runpaths.clean(str(tmp_path), lambda file, folder: system(folder) and '/lib/' in file))
    assert [(os.path.basename(one.file), one.folders) for one in taken] == [('libx.so', ('/opt/cray/lib',))]


def test_other_files_and_links_are_left_alone(tmp_path):
    outside = compiled(tmp_path / 'outside/libz.so', runpath='/opt/cray/lib')
    folder = tmp_path / 'installation'
    folder.mkdir()
    (folder / 'libz.so').symlink_to(outside)
    (folder / 'nowhere').symlink_to(folder / 'nothing')
    (folder / 'text').write_text('/opt/cray/lib' * 10)
    os.mkfifo(folder / 'pipe')
    (folder / 'libold.so').write_bytes(b'\x7fELF\1\1' + bytes(100))
    assert list(runpaths.clean(str(folder), lambda file, one: True)) == []
    assert run_path(outside)[1] == '/opt/cray/lib'


def test_mangled_files_stay_as_they_are(tmp_path):
    whole = compiled(tmp_path / 'whole', runpath='/opt/cray/lib:/software/lib').read_bytes()
    folder = tmp_path / 'installation'
    folder.mkdir()
    contents = {}
    for number, size in enumerate((64, 100, 200, 500, 700)):
        contents[folder / f'cut{number}'] = whole[:size]
    # the table of segments, the dynamic table, and the strings out of the file
    contents[folder / 'table'] = whole[:32] + b'\xff' * 8 + whole[40:]
    contents[folder / 'count'] = whole[:56] + b'\xff\xff' + whole[58:]
    for path, content in contents.items():
        path.write_bytes(content)
    assert list(runpaths.clean(str(folder), lambda file, one: system(one))) == []
    assert {path: path.read_bytes() for path in contents} == contents
