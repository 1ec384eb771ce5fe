# SPDX-License-Identifier: GPL-2.0-only
"""What of an environment can't be loaded together: with the chains that bring it in, and what to do."""
import pytest

from lumi_hooks.env.resolve import Part, closure, conflicts, split
from lumi_hooks.site import make_site

SITE = make_site('25.03', 'C')
TOOL = 'cpeGNU/25.03'
PYTHON, HDF5, PARALLEL = (SITE.cray[name].full_name for name in ('cray-python', 'cray-hdf5', 'cray-hdf5-parallel'))
LOADS = {
    'A/1': [TOOL, 'Boost/1'], 'B/1': [TOOL, 'Boost/2'], 'Boost/1': [TOOL], 'Boost/2': [TOOL], 'C/1': ['A/1'],
    'P/1': [PYTHON], 'Q/1': ['Python/3.13-cpeGNU-25.03'], 'D/1': ['cpeAMD/25.03'], 'Serial/1': [HDF5],
    'Parallel/1': [PARALLEL], 'Java/17': ['Java/17.0.15'], 'OpenMPI/5-cpeGNU-25.03': [TOOL],
    'mpi4py/4.1.0-cpeGNU-25.03': [TOOL, PYTHON], 'onompi/1': ['OpenMPI/5-cpeGNU-25.03'],
}


def told(*targets):
    return list(conflicts(Part(targets, closure(targets, LOADS)), LOADS, SITE, lambda name: name.startswith('mpi4py')))


@pytest.mark.parametrize('targets, kind, chains', [
    (('C/1', 'B/1'), 'Boost', 'C/1 → A/1 → Boost/1 and B/1 → Boost/2'),
    (('P/1', 'Q/1'), 'Python', f'P/1 → {PYTHON} and Q/1 → Python/3.13-cpeGNU-25.03'),
    (('A/1', 'D/1'), 'compilers (toolchains)', f'A/1 → {TOOL} and D/1 → cpeAMD/25.03'),
    (('Serial/1', 'Parallel/1'), 'HDF5', f'Serial/1 → {HDF5} and Parallel/1 → {PARALLEL}'),
    (('mpi4py/4.1.0-cpeGNU-25.03', 'onompi/1'), 'MPI',
     'onompi/1 → OpenMPI/5-cpeGNU-25.03 and mpi4py/4.1.0-cpeGNU-25.03'),
])
def test_what_cannot_be_loaded_together(targets, kind, chains):
    said, = told(*targets)
    assert said.startswith(f'two modules of {kind}') and chains in said
    assert all(target in said.partition('Leave out ')[2] for target in targets) and '"steps"' in said


@pytest.mark.parametrize('targets', [('A/1', 'C/1'), ('Java/17',), ('P/1', 'mpi4py/4.1.0-cpeGNU-25.03'),
                                     ('OpenMPI/5-cpeGNU-25.03',), ('onompi/1', 'A/1'), (PYTHON, 'P/1')])
def test_what_can(targets):
    assert told(*targets) == []


def test_a_closure_has_what_is_needed_first_and_ends_in_circles():
    assert closure(['C/1'], LOADS) == (TOOL, 'Boost/1', 'A/1', 'C/1')
    assert set(closure(['X'], {'X': ['Y'], 'Y': ['X']})) == {'X', 'Y'}


def test_names_are_taken_apart():
    assert split('lz4/1.10.0-cpeGNU-25.03') == ('lz4', '1.10.0', '', ('cpeGNU', '25.03'))
    assert split('X/1.0-2-cpeAMD-25.03-rocm') == ('X', '1.0-2', '-rocm', ('cpeAMD', '25.03'))
    assert split('cpeGNU/25.03') == ('cpeGNU', '25.03', '', ('system', 'system'))
