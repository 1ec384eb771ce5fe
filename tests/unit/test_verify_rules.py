# SPDX-License-Identifier: GPL-2.0-only
"""Each rule of `verify`: real ELF files that break it, and the same ones fixed."""
import os
import shutil
from pathlib import Path

import pytest
from elves import Place, bundle, code_object, compiled, library, packed

from lumi_hooks.packages import package
from lumi_hooks.releases import load_machine
from lumi_hooks.verify import policy
from lumi_hooks.verify.rules import RULES


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_policy_and_rules_name_the_same():
    assert set(policy.load_policy()['rules']) == set(RULES)


def test_each_rule_has_a_negative_test():
    text = ''.join(path.read_text() for path in Path(__file__).parent.glob('test_verify_*.py'))
    assert [name for name in RULES if f"'{name}'" not in text] == []


def test_a_sound_installation_is_clean(place):
    blas = place.cray('libsci_gnu_123.so.6')
    gomp = place.other('libgomp.so.1', package='gcc')
    lib = place.lib('libthing.so.1', needs=[place.mpi(), blas, gomp])
    place.program(needs=[lib])
    report = place.verify()
    assert report.findings == ()
    assert (report.files, report.elf, report.errors) == (2, 2, 0)
    summary = report.summary
    assert [Path(path).name for path in summary['mpi']] == ['libmpi_gnu_123.so.12']
    assert summary['libfabric'] == [str(place.system / 'opt/cray/libfabric/1.22.0/lib64/libfabric.so.1')]
    assert [Path(path).name for path in summary['libsci']] == ['libsci_gnu_123.so.6']
    assert [Path(path).name for path in summary['openmp']] == ['libgomp.so.1']
    assert (summary['gtl'], summary['gpu_targets'], summary['cuda'], summary['blas']) == ([], [], [], [])
    assert (summary['programs'], summary['libraries']) == (1, 1)


# MPI and libfabric

def test_open_mpi_is_told_by_its_name_though_it_is_nowhere(place, tmp_path):
    place.program(needs=[library(tmp_path / 'gone', 'libmpi.so.40')])
    shutil.rmtree(tmp_path / 'gone')
    assert set(place.findings()) == {('thing', 'mpi-foreign', 'error'), ('thing', 'missing', 'error')}


def test_another_mpich_is_told_by_its_place(place):
    place.program(needs=[place.other('libmpi.so.12', package='MPICH')])
    assert place.findings() == [('thing', 'mpi-foreign', 'error')]
    (finding,) = place.verify().findings
    assert finding.found == f'MPI that is not Cray\'s: {place.software}/MPICH/1.0/lib/libmpi.so.12'
    assert 'cc, CC and ftn' in finding.mend


def test_mpich_abi_of_cray_is_crays(place):
    place.program(needs=[place.cray('libmpi.so.12')])
    assert place.findings() == []


def test_foreign_mpi_of_a_dependency_is_told_of_the_library_that_brings_it(place):
    hdf5 = place.other('libhdf5_openmpi.so.103', package='HDF5', needs=[place.other('libmpi.so.40', package='OpenMPI')])
    place.program(needs=[place.lib('libthing.so.1', needs=[hdf5])])
    (finding,) = place.verify().findings
    assert (Path(finding.file).name, finding.rule) == ('libthing.so.1', 'mpi-foreign')
    assert finding.found.endswith(f'by way of {hdf5}')


def test_bundled_mpi_is_told(place):
    place.lib('libmpi.so.12')
    assert place.findings() == [('libmpi.so.12', 'mpi-foreign', 'error')]


def test_two_crays_mpis_in_one_process(place):
    place.program(needs=[place.mpi(), place.mpi('libmpi_cray.so.12')])
    assert place.findings() == [('thing', 'mpi-mixed', 'error')]


@pytest.mark.parametrize('name, software', [('libmpi.so.40', 'OpenMPI'), ('libmpi.so.12', 'MPICH')])
def test_an_mpi_of_ones_own_is_one_and_never_beside_crays(place, name, software):
    """Open MPI's own installation is what it is; a program of it that loads Cray MPICH, too, is not let through."""
    own = place.lib(name)
    place.program(needs=[own])
    assert place.findings(software=software) == []
    assert ('thing', 'mpi-foreign', 'error') in place.findings(software='Thing')
    place.program(needs=[own, place.mpi()])
    assert place.findings(software=software) == [('thing', 'mpi-mixed', 'error')]


def test_mpi_and_its_fortran_interface_are_one(place):
    place.program(needs=[place.cray('libmpifort_gnu_123.so.12', needs=[place.mpi()])])
    assert place.findings() == []


def test_libfabric_of_somebody_else(place):
    place.program(needs=[place.other('libfabric.so.1', package='libfabric')])
    assert place.findings() == [('thing', 'libfabric-foreign', 'error')]


def test_libfabric_of_somebody_else_by_the_library_path(place):
    other = place.other('libfabric.so.1', package='libfabric')
    mpi = place.cray('libmpi_gnu_123.so.12', needs=[other])
    place.program(needs=[mpi])
    (finding,) = place.verify().findings
    assert finding.rule == 'libfabric-foreign' and f'by way of {mpi}' in finding.found


# GPU code

@pytest.mark.parametrize('fatbin,targets', [
    (bundle('gfx90a'), ['gfx90a']),
    (bundle('gfx90a') + bytes(1000) + bundle('gfx90a:sramecc+:xnack-'), ['gfx90a', 'gfx90a:sramecc+:xnack-']),
    (packed(bundle('gfx90a'), 1), ['gfx90a']),
    (packed(bundle('gfx90a'), 2) + bytes(3) + packed(bundle('gfx90a:xnack-'), 3), ['gfx90a', 'gfx90a:xnack-']),
    (packed(bundle('gfx90a'), 3, 'zstd'), ['gfx90a']),
    (bundle('gfx90a') + packed(bundle('gfx90a:xnack-'), 2, 'zstd'), ['gfx90a', 'gfx90a:xnack-']),
])
def test_code_for_the_machines_gpu_is_clean_and_told(place, fatbin, targets):
    place.lib('libthing.so', needs=[place.hip()], fatbin=fatbin)
    report = place.verify(gpu=True)
    assert report.findings == () and report.summary['gpu_targets'] == targets


@pytest.mark.parametrize('fatbin', [bundle('gfx906'), packed(bundle('gfx906')), packed(bundle('gfx906'), 3, 'zstd')])
def test_code_for_another_gpu_alone(place, fatbin):
    place.lib('libthing.so', fatbin=fatbin)
    report = place.verify(gpu=True)
    assert [(one.rule, one.severity) for one in report.findings] == [
        ('gpu-target-missing', 'error'), ('gpu-foreign', 'error')]
    assert report.findings[0].found == 'holds code for gfx906, none for gfx90a'
    assert '--offload-arch=gfx90a' in report.findings[0].mend


def test_code_for_more_than_the_machines_gpu(place):
    place.lib('libthing.so', fatbin=bundle('gfx90a', 'gfx942', 'gfx1030'))
    (finding,) = place.verify(gpu=True).findings
    assert (finding.rule, finding.found) == ('gpu-foreign', 'holds code for gfx1030, gfx942')
    assert place.findings(gpu=True, gpu_targets=('gfx942', 'gfx1030')) == []


@pytest.mark.parametrize('target,mend', [('gfx90a:xnack+', 'HSA_XNACK=1'), ('gfx90a:sramecc-', 'without a feature')])
def test_features_in_another_state(place, target, mend):
    place.lib('libthing.so', fatbin=bundle(target))
    (finding,) = place.verify(gpu=True).findings
    assert (finding.rule, finding.severity) == ('gpu-features', 'error') and mend in finding.mend
    assert load_machine()['gpu_features']['source'].startswith('rocminfo')


def test_a_second_code_object_with_another_feature_does_no_harm(place):
    place.lib('libthing.so', fatbin=bundle('gfx90a:xnack+', 'gfx90a:xnack-'))
    assert place.findings(gpu=True) == []


def test_a_rocm_installation_without_a_gpu_part(place):
    root = place.root.with_name('1.0-cpeGNU-25.03-rocm')
    library(root / 'lib', 'libthing.so')
    assert place.findings(root=root) == [('1.0-cpeGNU-25.03-rocm', 'gpu-code-missing', 'error')]
    library(root / 'lib', 'libkernels.so', fatbin=bundle('gfx90a'))
    assert place.findings(root=root) == []


def test_hip_without_kernels_of_its_own(place):
    root = place.root.with_name('1.0-cpeGNU-25.03-rocm')
    library(root / 'lib', 'libthing.so', needs=[place.hip()])
    assert place.findings(root=root) == [('libthing.so', 'gpu-code-none', 'warning')]


def test_gpu_code_that_cannot_be_read(place):
    place.lib('libthing.so', fatbin=b'CCOB' + b'\x09\0\0\0' + bytes(64))
    assert place.findings(gpu=True) == [('libthing.so', 'gpu-unknown', 'warning')]


def test_code_objects_as_files(place):
    (place.root / 'lib/kernels.hsaco').write_bytes(code_object(0x53f, b'xx amdgcn-amd-amdhsa--gfx90a yy'))
    (place.root / 'lib/kernels.co').write_bytes(bundle('gfx90a:xnack-'))
    report = place.verify(gpu=True)
    assert report.findings == () and report.summary['gpu_targets'] == ['gfx90a', 'gfx90a:xnack-']
    # 0x2f is gfx906, by its flags alone
    (place.root / 'lib/other.hsaco').write_bytes(code_object(0x2f))
    assert place.findings(gpu=True) == [('other.hsaco', 'gpu-foreign', 'error')]


def test_flags_of_a_code_object_tell_its_features(place):
    # gfx90a, xnack on (3 << 8), sramecc any (1 << 10)
    (place.root / 'lib/kernels.hsaco').write_bytes(code_object(0x3f | 0x300 | 0x400))
    report = place.verify(gpu=True)
    assert report.summary['gpu_targets'] == ['gfx90a:xnack+']
    assert [one.rule for one in report.findings] == ['gpu-features']


def test_offloaded_openmp_is_found(place):
    compiled(place.root / 'bin/offload', program=True, fatbin=code_object(0x30), section='omp_offloading_entries')
    assert place.findings(gpu=True) == [('offload', 'gpu-target-missing', 'error'), ('offload', 'gpu-foreign', 'error')]


# GTL

def gtl(place):
    return place.cray('libmpi_gtl_hsa.so.0', needs=[place.hip()])


def test_a_gpu_program_with_mpi_needs_gtl(place):
    place.program(needs=[place.mpi(), place.hip()], fatbin=bundle('gfx90a'))
    assert place.findings(gpu=True) == [('thing', 'gtl-missing', 'error')]


def test_a_gpu_program_with_mpi_and_gtl_is_clean(place):
    place.program(needs=[place.mpi(), place.hip(), gtl(place)], fatbin=bundle('gfx90a'))
    report = place.verify(gpu=True)
    assert report.findings == () and [Path(path).name for path in report.summary['gtl']] == ['libmpi_gtl_hsa.so.0']


def test_gtl_where_a_program_joins_mpi_and_gpu_libraries(place):
    kernels = place.lib('libkernels.so', needs=[place.hip()], fatbin=bundle('gfx90a'))
    place.program(needs=[kernels, place.lib('libcomm.so', needs=[place.mpi()])])
    assert place.findings(gpu=True) == [('thing', 'gtl-missing', 'error')]


def test_a_library_may_leave_gtl_to_the_program(place):
    place.lib('libthing.so', needs=[place.mpi(), place.hip()], fatbin=bundle('gfx90a'))
    assert place.findings(gpu=True) == [('libthing.so', 'gtl-missing-library', 'warning')]


@pytest.mark.parametrize('gpu,severity', [(True, 'warning'), (None, 'warning'), (False, 'error')])
def test_gtl_without_gpu_code(place, gpu, severity):
    place.program(needs=[place.mpi(), gtl(place)])
    assert place.findings(gpu=gpu) == [('thing', 'gtl-unneeded', severity)]


# OpenMP, BLAS, CUDA

@pytest.mark.parametrize('second', ['libomp.so', 'libiomp5.so', 'libcraymp.so.1', 'libgomp-a34b3233.so.1.0.0'])
def test_two_openmp_run_times(place, second):
    first = place.lib('liba.so', needs=[place.other('libgomp.so.1', package='gcc')])
    place.program(needs=[first, place.lib('libb.so', needs=[place.other(second, package='llvm')])])
    (finding,) = place.verify().findings
    assert (Path(finding.file).name, finding.rule, finding.severity) == ('thing', 'openmp-mixed', 'error')
    assert second in finding.found and 'by way of' in finding.found


def test_one_openmp_run_time_under_two_names_is_one(place):
    omp = place.other('libomp.so', package='llvm')
    (omp.parent / 'libiomp5.so').symlink_to('libomp.so')
    other = library(place.folder / 'stub', 'libiomp5.so')
    place.program(needs=[omp, other])
    assert place.findings() == []


@pytest.mark.parametrize('name', ['libopenblas.so.0', 'libmkl_core.so.2', 'libblis.so.4', 'libblas.so.3',
                                  'liblapack.so.3'])
def test_blas_beside_libsci(place, name):
    libsci = place.cray('libsci_gnu_123.so.6')
    place.program(needs=[libsci, place.other(name, package='BLAS')])
    assert place.findings() == [('thing', 'blas-foreign', 'error')]


def test_another_blas_alone_and_the_namespaced_one_of_wheels(place):
    place.lib('liba.so', needs=[place.other('libopenblas.so.0', package='BLAS')])
    place.lib('libb.so', needs=[place.cray('libsci_gnu_123.so.6'),
                                place.other('libscipy_openblas64_-ff651d7f.so', package='wheel')])
    assert place.findings() == []


def test_cuda(place):
    place.program(needs=[place.other('libcudart.so.12', package='CUDA')])
    place.lib('libkernels.so', fatbin=b'anything', section='.nv_fatbin')
    place.lib('libcublas.so.12')
    assert sorted(place.findings()) == [('libcublas.so.12', 'cuda', 'error'), ('libkernels.so', 'cuda', 'error'),
                                        ('thing', 'cuda', 'error')]


# paths

@pytest.mark.parametrize('kind', ['runpath', 'rpath'])
def test_run_path_into_the_build_folder(place, kind):
    place.program(**{kind: f'{place.build}/lib:{place.root}/lib'})
    (finding,) = place.verify().findings
    assert (finding.rule, finding.severity) == ('build-path', 'error')
    assert f'{place.build}/lib' in finding.found and kind.upper() in finding.found
    assert f'patchelf --set-rpath {place.root}/lib {place.root}/bin/thing' in finding.mend


def test_run_path_into_a_temporary_folder(place):
    place.program(runpath='/tmp/eb-build/lib')
    assert place.findings() == [('thing', 'build-path', 'error')]


def test_run_paths_into_installations_are_no_matter(place):
    place.program(runpath=f'$ORIGIN/../lib:{place.software}/Other/1.0/lib')
    assert place.findings() == []


def test_library_in_the_build_folder(place):
    place.program(needs=[compiled(place.build / 'libthing.so')])
    (finding,) = place.verify().findings
    assert finding.rule == 'build-path' and finding.found == f'loads {place.build}/libthing.so, which lies in a ' \
                                                             'build folder'
    os.unlink(place.build / 'libthing.so')
    assert sorted(place.findings()) == [('thing', 'build-path', 'error'), ('thing', 'missing', 'error')]


def test_link_into_the_build_folder(place):
    (place.root / 'lib/libthing.so').symlink_to(place.build / 'libthing.so.1')
    assert place.findings() == [('libthing.so', 'build-path', 'error')]


@pytest.mark.parametrize('folder', ['opt/cray/pe/mpich/8.1.32/lib', 'opt/rocm/lib', 'opt/rocm-6.3.4/lib'])
def test_run_path_into_the_system(place, folder):
    place.lib('libthing.so', runpath=f'{place.system}/{folder}')
    (finding,) = place.verify().findings
    assert (finding.rule, finding.severity) == ('rpath-system', 'error')
    assert f'{place.system}/{folder}' in finding.found and 'patchelf --remove-rpath' in finding.mend


def test_library_that_is_nowhere(place, tmp_path):
    gone = library(tmp_path / 'gone', 'libgone.so.1')
    lib = place.lib('libthing.so.1', needs=[gone])
    place.program(needs=[lib])
    shutil.rmtree(tmp_path / 'gone')
    (finding,) = place.verify().findings
    assert (Path(finding.file).name, finding.rule, finding.severity) == ('libthing.so.1', 'missing', 'error')
    assert finding.found == 'libgone.so.1 is not found'


def test_library_that_a_dependency_does_not_find(place, tmp_path):
    other = place.other('libother.so.1', needs=[library(tmp_path / 'gone', 'libgone.so.1')])
    place.program(needs=[other])
    shutil.rmtree(tmp_path / 'gone')
    (finding,) = place.verify().findings
    assert finding.found == f'libgone.so.1 is not found, which {other} needs'


def test_crays_library_that_only_its_module_has(place):
    folder = place.system / 'opt/cray/pe/hdf5/1.14/lib'
    place.program(needs=[library(folder, 'libhdf5_gnu.so.310')])
    (finding,) = place.verify().findings
    assert finding.rule == 'missing' and 'lumi-CrayPath' in finding.mend
    assert place.findings(library_path=[folder]) == []


def test_program_whose_own_library_lies_off_the_path(place):
    inner = library(place.root / 'lib/inner', 'libinner.so')
    place.program(needs=[inner])
    place.lib('libplugin.so', needs=[inner])
    report = place.verify()
    assert [(Path(one.file).name, one.rule, one.severity) for one in report.findings] == [
        ('thing', 'missing', 'error'), ('libplugin.so', 'off-path', 'warning')]
    assert f'it lies in {inner.parent}' in report.findings[0].found
    # of two, the nearer one is told
    library(place.root / 'bin', 'libinner.so')
    assert f'it lies in {place.root}/bin' in place.verify().findings[0].found


def test_unreadable_and_mangled_files(place):
    whole = place.lib('libwhole.so').read_bytes()
    (place.root / 'lib/libcut.so').write_bytes(whole[:len(whole) // 3])
    (place.root / 'lib/text').write_bytes(b'\x7fELF and nothing more')
    assert place.findings() == [('libcut.so', 'unreadable', 'warning'), ('text', 'unreadable', 'warning')]


# compilers

NEWER, OLD = 'GCC: (SUSE Linux) 14.2.1 20241007 [revision 4af44f2]', 'GCC: (SUSE Linux) 7.5.0'
CLANG, WHEEL = 'Cray clang version 19.0.0', 'GCC: (GNU) 10.2.1 20210130 (Red Hat 10.2.1-11)'


def noted(place, *notes):
    """Options that make a file say by which compilers it is."""
    source = place.folder / 'ident.s'
    source.write_text(''.join(f'.ident "{note}"\n' for note in notes))
    return ['-fno-ident', str(source)]


def compilers(place, folder, *notes):
    """What verify says of the compilers of a library and a program in a folder of the software."""
    root = place.software / 'Thing' / folder
    library(root / 'lib', 'libthing.so', more=noted(place, *notes))
    compiled(root / 'bin/thing', program=True, more=noted(place, *notes))
    return [(Path(one.file).name, one.severity) for one in place.verify(root=root).findings
            if one.rule == 'compiler-other']


BOTH = [('thing', 'warning'), ('libthing.so', 'warning')]


@pytest.mark.parametrize('folder, notes, found', [
    ('1.0-cpeGNU-25.03', [OLD], BOTH), ('1.0-cpeGNU-25.03-rocm', [OLD], BOTH), ('1.0-cpeCray-25.03', [OLD], BOTH),
    # the bare gcc of PrgEnv-gnu under another toolchain, and another version of GCC than the release's
    ('1.0-cpeCray-25.03', [OLD, NEWER], BOTH), ('1.0-cpeGNU-24.03', [NEWER], BOTH),
    ('1.0-cpeGNU-25.03', [OLD, NEWER], []), ('1.0-cpeGNU-25.09', [NEWER], []),
    ('1.0-cpeCray-25.03', [OLD, CLANG], []), ('1.0-cpeCray-25.03', [OLD, 'Cray Fortran : Version 19.0.0'], []),
    ('1.0-cpeAOCC-25.03', [OLD, 'AMD clang version 17.0.6 (CLANG: AOCC_5.0.0-Build#1377 2024_09_24)'], []),
    # wheels, Rust, what is C code of no compiler, other software
    ('1.0-cpeGNU-25.03', [WHEEL], []), ('1.0-cpeGNU-25.03', [OLD, 'rustc version 1.83.0'], []),
    ('1.0-cpeGNU-25.03', [], []),
    ('1.0', [OLD], []), ('1.0-cpeGNU-19.12', [OLD], []), ('1.0-foss-2025a', [OLD], []),
])
def test_compiler_other(place, folder, notes, found):
    assert compilers(place, folder, *notes) == found


def test_compiler_other_says_who_it_was(place):
    place.program(more=noted(place, OLD))
    finding, = [one for one in place.verify().findings if one.rule == 'compiler-other']
    assert OLD in finding.found and 'cpeGNU' in finding.found and 'CC=cc' in finding.mend


# policy

def test_a_packages_own_data_win(place, monkeypatch):
    place.program(needs=[place.other('libmpi.so.40', package='OpenMPI')])
    place.lib('libthing.so', needs=[place.other('libmpi.so.40', package='OpenMPI')])
    data = {'verify': {'mpi-foreign': {'severity': 'off', 'files': ['bin/*'], 'reason': 'a test'}}}
    monkeypatch.setattr(policy, 'package', lambda name: data if name == 'Thing' else package(name))
    assert place.findings(software='Thing') == [('libthing.so', 'mpi-foreign', 'error')]
    assert len(place.findings(software='Other')) == 2


@pytest.mark.parametrize('name,kind', [
    ('libmpi_gtl_hsa.so.0', 'gtl'), ('libmpi_gnu_123.so.12', 'mpi'), ('libmpi.so.40', 'mpi'), ('libmpifort.so', 'mpi'),
    ('libmpi_cxx.so.40', 'mpi'), ('libmpiwrap.so', None), ('libmpi4py.so', None), ('libfabric.so.1', 'libfabric'),
    ('libsci_gnu_123_mpi.so.6', 'libsci'), ('libsci_acc.so', None), ('libscipy_openblas64_-x.so', None),
    ('libopenblas64_p.so.0', 'blas'), ('libblastrampoline.so.5', None), ('/opt/x/libomp.so', 'openmp'),
    ('libompt.so', None), ('libcudart.so.12', 'cuda'), ('libcurl.so.4', None)])
def test_names_of_libraries(name, kind):
    assert policy.kind_of(name) == kind
