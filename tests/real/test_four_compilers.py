# SPDX-License-Identifier: GPL-2.0-only
"""
The same unmodified recipes under every cpe* toolchain, on the partition that has it, and programs that use what they
installed: Make, CMake, MPI, Fortran. cpeGNU on partition C is test_the_programs.py.
"""
import shutil

import pytest

from .elf import needed
from .test_the_programs import LIBRARIES, PROGRAMS

pytestmark = pytest.mark.long

# toolchain, partition, its MPI library
TOOLCHAINS = [
    pytest.param('cpeAMD', 'G', 'libmpi_amd.so.12', id='cpeAMD-G'),
    pytest.param('cpeGNU', 'G', 'libmpi_gnu_123.so.12', id='cpeGNU-G'),
    pytest.param('cpeCray', 'G', 'libmpi_cray.so.12', id='cpeCray-G'),
    pytest.param('cpeCray', 'C', 'libmpi_cray.so.12', id='cpeCray-C'),
    pytest.param('cpeAOCC', 'C', 'libmpi_aocc.so.12', id='cpeAOCC-C'),
]


@pytest.fixture
def place(request, lumi, gpu):
    """The prefix of a partition."""
    return {'C': lumi, 'G': gpu}[request.node.callspec.params['partition']]


@pytest.mark.parametrize('recipe,module,program,build', LIBRARIES[:3])
@pytest.mark.parametrize('toolchain,partition,mpi', TOOLCHAINS)
def test_a_program_runs_on_two_ranks(place, slurm, tmp_path, toolchain, partition, mpi, recipe, module, program, build):
    place.eb(f'{recipe} -r', timeout=2400, LUMI_HOOKS_TOOLCHAIN=toolchain)
    shutil.copy(PROGRAMS / program, tmp_path)
    done = place.run(f'cd {tmp_path} && module load {module}-{toolchain}-25.03 && {build} -o program && ldd program && '
                     'srun -n 2 ./program', check=True, **slurm)
    assert 'ranks 2 OK' in done.stdout and 'not found' not in done.stdout
    folder = place.software(module.split('/')[0], f'{module.split("/")[1]}-{toolchain}-25.03')
    assert not any('libmpi_gtl_hsa.so.0' in needed(path) for path in folder.rglob('lib*.so'))
    of_mpi = {name.replace('libmpifort', 'libmpi') for path in [*folder.rglob('lib*.so'), tmp_path / 'program']
              for name in needed(path) if name.startswith('libmpi')}
    # what a user links on partition G has GTL by the wrapper
    assert of_mpi - {'libmpi_gtl_hsa.so.0'} == {mpi}


@pytest.mark.parametrize('toolchain,partition,mpi', TOOLCHAINS)
def test_hpcc_runs_on_two_ranks(place, slurm, tmp_path, toolchain, partition, mpi):
    """C and Fortran's BLAS, MPI, OpenMP: one OpenMP run time in the program, the compiler's own."""
    place.eb('HPCC-1.5.0-foss-2022a.eb -r', LUMI_HOOKS_TOOLCHAIN=toolchain)
    program = place.software('HPCC', f'1.5.0-{toolchain}-25.03') / 'bin/hpcc'
    assert mpi in needed(program)
    # on partition G too, where the wrapper adds GTL to what it links unless the target module is kept out
    assert not [name for name in needed(program) if name.startswith(('libmpi_gtl', 'libamdhip'))]
    text = (program.parent / '_hpccinf.txt').read_text().splitlines()
    changed = {'Ns': '200', 'Ps': '1', 'Qs': '2', '# of process grids (P x Q)': '1'}
    for number, line in enumerate(text):
        for label, value in changed.items():
            if line.rstrip().endswith(label):
                text[number] = f'{value} {label}'
    (tmp_path / 'hpccinf.txt').write_text('\n'.join(text) + '\n')
    place.run(f'cd {tmp_path} && module load HPCC/1.5.0-{toolchain}-25.03 && srun -n 2 hpcc', check=True,
              **slurm)
    assert 'Success=1' in (tmp_path / 'hpccoutf.txt').read_text()
