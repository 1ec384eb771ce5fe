# SPDX-License-Identifier: GPL-2.0-only
"""GPU programs compiled by a real hipcc: the right one passes, the one for another GPU and without GTL is stopped."""
import json

from lumi_hooks.record import FILE

from .elf import gpu_targets

RECIPE = """easyblock = 'MakeCp'
name = 'kernel'
version = '1.0'
homepage = 'https://example.org'
description = "a HIP program with MPI"
toolchain = {'name': 'cpeGNU', 'version': '25.03'}
toolchainopts = {'usempi': True}
sources = []
dependencies = [('rocm/6.3.4', EXTERNAL_MODULE)]
prebuildopts = 'echo "#include <hip/hip_runtime.h>" > kernel.hip && echo "#include <mpi.h>" >> kernel.hip && '
prebuildopts += 'echo "__global__ void add(double *x) { x[threadIdx.x] += 1; }" >> kernel.hip && '
prebuildopts += 'echo "int main(int n, char **v) { add<<<1, 1>>>(0); return MPI_Init(&n, &v); }" >> kernel.hip && '
prebuildopts += 'hipcc --offload-arch=%GPU% kernel.hip -o kernel '
prebuildopts += '-I$CRAY_MPICH_DIR/include -L$CRAY_MPICH_DIR/lib -lmpi %GTL% && : '
buildopts = 'kernel'
files_to_copy = [(['kernel'], 'bin')]
sanity_check_paths = {'files': ['bin/kernel'], 'dirs': []}
moduleclass = 'tools'
"""


def test_a_program_for_another_gpu_is_stopped_and_the_right_one_passes(gpu, tmp_path):
    path = tmp_path / 'kernel-1.0-cpeGNU-25.03.eb'
    path.write_text(RECIPE.replace('%GPU%', 'gfx906').replace('%GTL%', ''))
    done = gpu.eb(str(path), check=False)
    text = ' '.join(done.stdout.split())
    assert done.returncode != 0
    for finding in ('[gpu-target-missing] holds code for gfx906, none for gfx90a',
                    '[gpu-foreign] holds code for gfx906', '[gtl-missing] MPI and GPU code without GTL'):
        assert f'* bin/kernel: {finding}' in text, done.stdout[-4000:]
    assert '--offload-arch=gfx90a' in text and 'PE_MPICH_GTL_LIBS_amd_gfx90a' in text

    path.write_text(RECIPE.replace('%GPU%', 'gfx90a').replace(
        '%GTL%', '$PE_MPICH_GTL_DIR_amd_gfx90a $PE_MPICH_GTL_LIBS_amd_gfx90a'))
    done = gpu.eb(str(path))
    assert 'verified 1 ELF file: no errors, no warnings' in done.stdout
    folder = gpu.software('kernel', '1.0-cpeGNU-25.03')
    summary = json.loads((folder / FILE).read_text())['linkage']['summary']
    # by the project's reader and by another one
    assert summary['gpu_targets'] == gpu_targets(folder / 'bin/kernel') == ['gfx90a']
    assert [path.rpartition('/')[2] for path in summary['gtl']] == ['libmpi_gtl_hsa.so.0']
    assert any(path.startswith(f'{gpu.standin}/opt/rocm') for path in summary['hip'])
