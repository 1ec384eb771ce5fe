# SPDX-License-Identifier: GPL-2.0-only
"""
Unmodified upstream recipes from real sources, and MPI programs of ours that use what was installed: in the prefix that
test_job.py (arpack-ng) and test_shapes.py (lz4, HPCC) have installed some of them into.
"""
import os
import shutil
from pathlib import Path

import pytest

from .tracing import assert_every_command_sees

PROGRAMS = Path(__file__).with_name('programs')

# recipe, module, program, how it is compiled
LIBRARIES = [
    pytest.param('ParMETIS-4.0.3-gompi-2025a.eb', 'ParMETIS/4.0.3', 'parmetis.c',
                 'cc parmetis.c -I$EBROOTPARMETIS/include -L$EBROOTPARMETIS/lib -lparmetis -lmetis', id='ParMETIS',
                 marks=pytest.mark.long),
    pytest.param('netCDF-C++4-4.3.1-gompi-2025a.eb', 'netCDF-C++4/4.3.1', 'netcdfcxx.cpp',
                 'CC netcdfcxx.cpp -I$EBROOTNETCDFMINCPLUSPLUS4/include -L$EBROOTNETCDFMINCPLUSPLUS4/lib '
                 '-L$EBROOTNETCDFMINCPLUSPLUS4/lib64 -lnetcdf_c++4', id='netCDF-C++4', marks=pytest.mark.long),
    pytest.param('arpack-ng-3.9.1-foss-2025a.eb', 'arpack-ng/3.9.1', 'parpack.f90',
                 'ftn parpack.f90 -L$EBROOTARPACKMINNG/lib64 -L$EBROOTARPACKMINNG/lib -lparpack -larpack',
                 id='arpack-ng'),
    pytest.param('Hypre-2.32.0-foss-2024a.eb', 'Hypre/2.32.0', 'hypre.c',
                 'cc hypre.c -I$EBROOTHYPRE/include -L$EBROOTHYPRE/lib -lHYPRE -lm', id='Hypre',
                 marks=pytest.mark.long),
]


@pytest.mark.long
def test_every_command_of_hypre_sees_mpi_and_libsci_and_no_fftw(lumi):
    """A plain library: the recipe names no dependency at all, and what it uses comes with the toolchain."""
    trace = lumi.traced('Hypre-2.32.0-foss-2024a.eb -r', timeout=2400)
    seen = assert_every_command_sees(trace, 'Hypre/2.32.0-cpeGNU-25.03',
                                     ['cray-mpich/8.1.32', 'cray-libsci/25.03.0'], ['cray-fftw'])
    assert {'configure', 'build', 'install'} <= {item['step'] for item in seen}
    stored, = lumi.stored('Hypre-2.32.0-cpeGNU-25.03.eb')
    assert stored.read_text() in lumi.archive('Hypre-2.32.0-cpeGNU-25.03.eb')


@pytest.mark.parametrize('recipe,module,program,build', LIBRARIES)
def test_a_program_runs_on_two_ranks(lumi, slurm, tmp_path, recipe, module, program, build):
    lumi.eb(f'{recipe} -r', timeout=2400)
    assert recipe in lumi.archive(f'{module.replace("/", "-")}-cpeGNU-25.03.eb')
    shutil.copy(PROGRAMS / program, tmp_path)
    done = lumi.run(f'cd {tmp_path} && module load {module}-cpeGNU-25.03 && {build} -o program && ldd program && '
                    'srun -n 2 ./program', check=True, **slurm)
    assert 'ranks 2 OK' in done.stdout
    assert 'libmpi_gnu_' in done.stdout and 'libmpich.so' not in done.stdout and 'not found' not in done.stdout


def test_hpcc_benchmark_succeeds_on_two_ranks(lumi, slurm, tmp_path):
    lumi.eb('HPCC-1.5.0-foss-2022a.eb -r')
    settings = (lumi.software('HPCC', '1.5.0-cpeGNU-25.03') / 'bin' / '_hpccinf.txt').read_text().splitlines()
    changed = {'Ns': '200', 'Ps': '1', 'Qs': '2', '# of process grids (P x Q)': '1'}
    for number, line in enumerate(settings):
        for label, value in changed.items():
            if line.rstrip().endswith(label):
                settings[number] = f'{value} {label}'
    (tmp_path / 'hpccinf.txt').write_text('\n'.join(settings) + '\n')
    lumi.run(f'cd {tmp_path} && module load HPCC/1.5.0-cpeGNU-25.03 && srun -n 2 hpcc', check=True,
             **slurm)
    found = (tmp_path / 'hpccoutf.txt').read_text()
    assert 'Success=1' in found and 'CommWorldProcs=2' in found


def test_lz4_compresses(lumi, tmp_path):
    lumi.eb('lz4-1.10.0-GCCcore-14.2.0.eb -r')
    (tmp_path / 'data').write_bytes(os.urandom(1000) * 1000)
    lumi.run(f'cd {tmp_path} && module load lz4/1.10.0-cpeGNU-25.03 && lz4 -q data data.lz4 && lz4 -q -d data.lz4 back '
             '&& cmp data back && test $(stat -c %s data.lz4) -lt 100000', check=True)
