# SPDX-License-Identifier: GPL-2.0-only
"""Partition G: HIP programs and libraries through `eb --hooks`, what is in them, and GTL in MPI_Init."""
import hashlib
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from .elf import gpu_targets, needed
from .test_verify import verify

PROGRAMS = Path(__file__).with_name('programs') / 'hip'
RECIPES, OVERRIDES = Path(__file__).with_name('recipes'), Path(__file__).with_name('overrides')

RECIPE = """easyblock = '{easyblock}'
name = '{name}'
version = '1.0'
homepage = 'https://example.org'
description = "a HIP package"
toolchain = {{'name': '{toolchain}', 'version': '25.03'}}
toolchainopts = {{'usempi': {mpi}}}
sources = ['{name}-1.0.tar.gz']
checksums = ['{checksum}']
{extra}
dependencies = [('rocm/6.3.4', EXTERNAL_MODULE)]
sanity_check_paths = {{'files': {files}, 'dirs': []}}
moduleclass = 'lib'
"""


def package(folder, name, contents, **settings):
    """Write a source archive and a recipe of it into a folder; returns the recipe."""
    source = folder / f'{name}-1.0.tar.gz'
    with tarfile.open(source, 'w:gz') as archive:
        for path in contents:
            archive.add(PROGRAMS / path, f'{name}-1.0/{path}')
    recipe = folder / f'{name}-1.0-{settings["toolchain"]}-25.03.eb'
    checksum = hashlib.sha256(source.read_bytes()).hexdigest()
    recipe.write_text(RECIPE.format(**{'name': name, 'mpi': False, 'extra': '', 'checksum': checksum, **settings}))
    return recipe


def install(gpu, recipe, toolchain):
    """Install a recipe whose sources are next to it."""
    gpu.eb(f'{recipe} --sourcepath={recipe.parent}:$EASYBUILD_SOURCEPATH', LUMI_HOOKS_TOOLCHAIN=toolchain)


@pytest.mark.parametrize('toolchain,prgenv,compiler', [
    ('cpeGNU', 'GNU', 'gcc-native/14.2'), ('cpeCray', 'CRAY', 'cce/19.0.0'), ('cpeAMD', 'AMD', 'amd/6.3.4')])
def test_the_partition_is_as_lumis(gpu, toolchain, prgenv, compiler):
    names = ('EASYBUILD_OPTARCH', 'EASYBUILD_INSTALLPATH_SOFTWARE', 'PE_ENV', 'CRAY_ACCEL_TARGET', 'CRAY_ROCM_VERSION',
             'PE_MPICH_GTL_LIBS_amd_gfx90a', 'LOADEDMODULES')
    done = gpu.run(f'module load {toolchain}/25.03 2>/dev/null; '
                   f'for name in {" ".join(names)}; do echo "$name=${{!name}}"; done', check=True)
    found = dict(line.split('=', 1) for line in done.stdout.splitlines() if line.split('=', 1)[0] in names)
    assert {'craype-x86-trento', 'craype-accel-amd-gfx90a', 'rocm/6.3.4', compiler, 'cray-mpich/8.1.32'} <= set(
        found.pop('LOADEDMODULES').split(':'))
    assert found == {
        'EASYBUILD_OPTARCH': 'x86-trento', 'EASYBUILD_INSTALLPATH_SOFTWARE': f'{gpu.prefix}/SW/LUMI-25.03/G',
        'PE_ENV': prgenv, 'CRAY_ACCEL_TARGET': 'amd_gfx90a', 'CRAY_ROCM_VERSION': '6.3.4',
        'PE_MPICH_GTL_LIBS_amd_gfx90a': '-lmpi_gtl_hsa'}


@pytest.fixture(scope='module', params=['cpeGNU', 'cpeAMD'])
def hipmpi(request, gpu, tmp_path_factory):
    """A program of HIP and MPI, compiled by hipcc, installed; returns (module, installation)."""
    recipe = package(tmp_path_factory.mktemp('hipmpi'), 'hipmpi', ['hipmpi.hip', 'Makefile'], toolchain=request.param,
                     easyblock='MakeCp', mpi=True, extra="files_to_copy = [(['hipmpi'], 'bin')]", files=['bin/hipmpi'])
    install(gpu, recipe, request.param)
    return f'hipmpi/1.0-{request.param}-25.03', gpu.software('hipmpi', f'1.0-{request.param}-25.03')


def test_a_hip_and_mpi_program_is_for_gfx90a_with_crays_mpi_and_gtl(gpu, hipmpi):
    program = hipmpi[1] / 'bin/hipmpi'
    assert gpu_targets(program) == ['gfx90a']
    libraries = needed(program)
    assert [name for name in libraries if name.startswith('libmpi_')] == [
        'libmpi_amd.so.12' if 'cpeAMD' in hipmpi[0] else 'libmpi_gnu_123.so.12', 'libmpi_gtl_hsa.so.0']
    code, (report,) = verify(gpu, hipmpi[0])
    assert code == 0, report
    assert report['summary']['gpu_targets'] == ['gfx90a'] and len(report['summary']['gtl']) == 1, report


def test_a_program_with_gtl_and_one_without_in_one_session(gpu, hipmpi, slurm, tmp_path):
    """What must not be set by a module: the program without GTL stops where it is."""
    plain = Path(__file__).resolve().parents[2] / 'ci/standin/programs/hello.c'
    script = (f'cd {tmp_path} && module load {hipmpi[0]} && module load craype-accel-host 2>/dev/null'
              f' && cc {plain} -o plain && srun -n 2 ./plain && srun -n 2 hipmpi'
              ' && export MPICH_GPU_SUPPORT_ENABLED=1'
              ' && srun -n 2 hipmpi && ! srun -n 2 ./plain')
    done = gpu.run(script, check=True, **slurm)
    assert len(re.findall('^ranks 2 devices 0 OK', done.stdout, re.M)) == 2, done.stdout
    assert done.stdout.count('ok hello') == 1, done.stdout
    assert 'GPU_SUPPORT_ENABLED is requested, but GTL library is not linked' in done.stdout


@pytest.mark.parametrize('toolchain', ['cpeGNU', pytest.param('cpeAMD', marks=pytest.mark.long)])
def test_a_cmake_project_in_hip_with_rocprim(gpu, tmp_path, toolchain):
    extra = ("builddependencies = [('buildtools', '25.03', '', True)]\n"
             "configopts = '-DCMAKE_HIP_ARCHITECTURES=gfx90a -DCMAKE_HIP_COMPILER=$ROCM_PATH/llvm/bin/clang++'")
    recipe = package(tmp_path, 'hipvectors', ['CMakeLists.txt', 'vectors.hip', 'vectors.h', 'main.c'],
                     toolchain=toolchain, easyblock='CMakeMake', extra=extra,
                     files=['lib/libvectors.so', 'bin/sumvectors'])
    install(gpu, recipe, toolchain)
    folder = gpu.software('hipvectors', f'1.0-{toolchain}-25.03')
    assert gpu_targets(folder / 'lib/libvectors.so') == ['gfx90a']
    assert gpu_targets(folder / 'bin/sumvectors') == []
    assert 'libamdhip64.so.5' in needed(folder / 'lib/libvectors.so')
    assert not [name for name in needed(folder / 'lib/libvectors.so') if name.startswith('libmpi')]
    done = gpu.run(f'module load hipvectors/1.0-{toolchain}-25.03 && sumvectors', check=True)
    assert done.stdout.strip().endswith('no GPU')


def test_software_that_does_not_use_the_gpu_holds_nothing_of_rocm(gpu):
    gpu.eb('lz4-1.10.0-GCCcore-14.2.0.eb -r --skip-test-step', LUMI_HOOKS_TOOLCHAIN='cpeAMD')
    folder = gpu.software('lz4', '1.10.0-cpeAMD-25.03')
    for path in (folder / 'bin/lz4', folder / 'lib/liblz4.so'):
        assert needed(path) == ['libc.so.6']
    made_by = subprocess.run(['readelf', '-p', '.comment', folder / 'bin/lz4'], capture_output=True, check=True).stdout
    assert b'clang version' in made_by, 'not compiled by the compiler of PrgEnv-amd'


@pytest.mark.long
def test_a_cuda_recipe_becomes_a_build_for_gfx90a(gpu):
    """SUNDIALS' recipe for CUDA, in upstream's words: toolchain, dependencies and options follow from the data."""
    done = gpu.eb(f'{RECIPES}/SUNDIALS-6.4.1-foss-2023a-CUDA-12.1.1.eb -r', timeout=2400)
    module = 'SUNDIALS/6.4.1-cpeAMD-25.03-rocm'
    assert f'becomes {module}' in done.stdout
    library = gpu.software(*module.split('/')) / 'lib'
    assert gpu_targets(library / 'libsundials_nvechip.so') == ['gfx90a']
    assert gpu_targets(library / 'libsundials_nvecserial.so') == []
    assert 'libamdhip64.so.5' in needed(library / 'libsundials_nvechip.so')
    assert 'libmpi_amd.so.12' in needed(library / 'libsundials_nvecparallel.so')
    code, (report,) = verify(gpu, module)
    assert code == 0 and report['summary']['gpu_targets'] == ['gfx90a'], report


@pytest.mark.long
def test_an_unmodified_recipe_of_upstream_becomes_a_build_for_gfx90a(gpu, tmp_path):
    """
    hypre, whose recipe says nothing of GPUs, on request, with the options that its data give: they need rocThrust,
    rocBLAS and others, of which the stand-in gets the headers by an override as a user would write it.
    """
    gpu.eb(f'{RECIPES}/ROCm-headers-6.4.4-GCCcore-13.3.0.eb')
    done = gpu.eb('Hypre-2.32.0-foss-2024a.eb -r', timeout=3600, LUMI_HOOKS_GPU='Hypre', LUMI_HOOKS_OVERRIDES=OVERRIDES)
    module = 'Hypre/2.32.0-cpeGNU-25.03-rocm'
    assert f'becomes {module}' in done.stdout
    code, (report,) = verify(gpu, module)
    assert code == 0 and report['summary']['gpu_targets'] == ['gfx90a'], report
    # what links the static library into one of its own has its kernels, and GTL by the wrapper
    (tmp_path / 'solvers.c').write_text('int solvers = 1;\n')
    gpu.run(f'cd {tmp_path} && module load {module} && cc -shared -fPIC -o libsolvers.so solvers.c -L$EBROOTHYPRE/lib '
            '-Wl,--whole-archive -lHYPRE -Wl,--no-whole-archive -L$ROCM_PATH/lib -lamdhip64', check=True)
    library = tmp_path / 'libsolvers.so'
    assert gpu_targets(library) == ['gfx90a'] and {'libmpi_gtl_hsa.so.0', 'libamdhip64.so.5'} <= set(needed(library))
