# SPDX-License-Identifier: GPL-2.0-only
"""`verify` on static libraries: GPU code in the object files of an archive."""
import subprocess

import pytest
from elves import Place, bundle

from lumi_hooks.verify import policy
from lumi_hooks.verify.elf import ARCHIVE, NotReadable, read_elf


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def archive(path, *members):
    """A static library of object files: each with (text in C, or section and contents of GPU code)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    objects = []
    for number, member in enumerate(members):
        source, made = path.with_name(f'{path.name}{number}.c'), path.with_name(f'a_member_with_a_long_name_{number}.o')
        text = member
        if isinstance(member, tuple):
            data = path.with_name(f'{path.name}{number}.bin')
            data.write_bytes(member[1])
            text = f'__asm__(".section {member[0]},\\"a\\"\\n.incbin \\"{data}\\"\\n");\n'
        source.write_text(text)
        subprocess.run(['gcc', '-c', '-o', str(made), str(source)], check=True, capture_output=True)
        source.unlink()
        objects.append(made)
    subprocess.run(['ar', 'rcs', str(path), *map(str, objects)], check=True, capture_output=True)
    for made in (*objects, *path.parent.glob('*.bin')):
        made.unlink()
    return path


PLAIN = 'int plain;\n'
CALLS = 'int hipMalloc(void **, unsigned long);\nint calls(void) { void *here; return hipMalloc(&here, 1); }\n'


def test_targets_of_all_members_are_told(place):
    archive(place.root / 'lib/libkernels.a', PLAIN, ('.hip_fatbin', bundle('gfx90a')),
            ('.hip_fatbin', bundle('gfx90a:xnack-')))
    report = place.verify(gpu=True)
    assert report.findings == () and report.summary['gpu_targets'] == ['gfx90a', 'gfx90a:xnack-']
    assert (report.elf, report.summary['libraries']) == (1, 0)


def test_code_for_another_gpu_in_an_archive(place):
    archive(place.root / 'lib/libkernels.a', ('.hip_fatbin', bundle('gfx906')))
    assert place.findings(gpu=True) == [('libkernels.a', 'gpu-target-missing', 'error'),
                                        ('libkernels.a', 'gpu-foreign', 'error')]


def test_relocatable_device_code_is_told_by_the_name_of_its_section(place):
    archive(place.root / 'lib/librdc.a', ('__CLANG_OFFLOAD_BUNDLE__hip-amdgcn-amd-amdhsa--gfx90a:xnack+', b'bitcode'),
            ('__CLANG_OFFLOAD_BUNDLE__host-x86_64-pc-linux-gnu-', b'\0'))
    report = place.verify(gpu=True)
    assert report.summary['gpu_targets'] == ['gfx90a:xnack+']
    assert [one.rule for one in report.findings] == ['gpu-features']


def test_cuda_in_an_archive(place):
    archive(place.root / 'lib/libkernels.a', ('.nv_fatbin', b'code'))
    assert place.findings() == [('libkernels.a', 'cuda', 'error')]


def test_a_rocm_installation_of_static_libraries_alone(place):
    root = place.root.with_name('1.0-cpeGNU-25.03-rocm')
    archive(root / 'lib/libplain.a', PLAIN)
    assert place.findings(root=root) == [('1.0-cpeGNU-25.03-rocm', 'gpu-code-missing', 'error')]
    archive(root / 'lib/libcalls.a', CALLS)
    assert place.findings(root=root) == [('libcalls.a', 'gpu-code-none', 'warning')]
    archive(root / 'lib/libkernels.a', ('.hip_fatbin', bundle('gfx90a')))
    assert place.findings(root=root) == []


def test_names_that_only_begin_like_hip_are_no_call(place):
    root = place.root.with_name('1.0-cpeGNU-25.03-rocm')
    archive(root / 'lib/libother.a', 'int rocksdb_open(void);\nint hippo(void) { return rocksdb_open(); }\n')
    assert [rule for _, rule, _ in place.findings(root=root)] == ['gpu-code-missing']


def test_an_empty_archive_and_a_thin_one(place, tmp_path):
    empty = place.root / 'lib/libempty.a'
    empty.write_bytes(b'!<arch>\n')
    assert read_elf(str(empty), policy.processors()).kind == ARCHIVE
    thin = place.root / 'lib/libthin.a'
    thin.write_bytes(b'!<thin>\n')
    # its members are files of their own
    assert read_elf(str(thin), policy.processors()) is None


@pytest.mark.parametrize('cut', [20, 70, 200, -3])
def test_an_archive_that_is_cut_off(place, cut):
    path = archive(place.root / 'lib/libcut.a', PLAIN, ('.hip_fatbin', bundle('gfx90a')))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(NotReadable, match='static library'):
        read_elf(str(path), policy.processors())
    assert place.findings() == [('libcut.a', 'unreadable', 'warning')]
