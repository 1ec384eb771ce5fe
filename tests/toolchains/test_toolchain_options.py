# SPDX-License-Identifier: GPL-2.0-only
"""Every toolchain option of the four cpe* toolchains: what the C, C++ and Fortran compilers are told."""

import pytest
from small_cray import RELEASE

from lumi_hooks.releases import load_provided
from tests.compiler_options import FLAGS, PLAIN, flags

TOOLCHAINS = {'cpeGNU': 'gnu', 'cpeCray': 'cray', 'cpeAOCC': 'aocc', 'cpeAMD': 'amd'}


def case(toolchain, cray, **options):
    environment = {'CRAY_LIBSCI_PREFIX_DIR': cray.libsci, 'CRAY_MPICH_DIR': cray.mpich, 'CRAY_MPICH_VERSION': '8.1.32'}
    return {'name': toolchain, 'version': RELEASE, 'environment': environment, 'options': options}


@pytest.fixture(scope='module')
def results(cray):
    """What every toolchain makes of every option, in one session."""
    more = {'no vectorize': {'vectorize': False}, 'cstd': {'cstd': 'c11'},
            'extra': {'pic': True, 'extra_fflags': '-fPIC', 'extra_cflags': '-Wno-error'},
            'gfortran': {'extra_fflags': '-fallow-argument-mismatch -ffree-line-length-none -DX'}}
    given = {None: {}, **{option: {option: True} for option in FLAGS}, **more}
    keys = [(toolchain, option) for toolchain in TOOLCHAINS for option in given]
    found = cray.probe(*[case(toolchain, cray, **given[option]) for toolchain, option in keys])
    return dict(zip(keys, found))


def words(results, toolchain, option, *names):
    return [results[toolchain, option]['variables'].get(name, '').split() for name in names]


@pytest.mark.parametrize('toolchain', TOOLCHAINS)
def test_without_options(results, toolchain):
    plain = results[toolchain, None]
    made = plain['variables']
    assert (made['CFLAGS'], made['FCFLAGS']) == PLAIN[toolchain]
    assert made['CXXFLAGS'] == made['CFLAGS'] and made['FFLAGS'] == made['F90FLAGS'] == made['FCFLAGS']
    assert made['LIBS'] == '-lm -lpthread'
    assert [made[name] for name in ('CC', 'CXX', 'F77', 'F90', 'FC')] == ['cc', 'CC', 'ftn', 'ftn', 'ftn']
    assert [made['MPI' + name] for name in ('CC', 'CXX', 'F77', 'F90', 'FC')] == ['cc', 'CC', 'ftn', 'ftn', 'ftn']
    family = {'cpeGNU': 'GCC', 'cpeCray': 'CCE', 'cpeAOCC': 'AOCC', 'cpeAMD': 'AMD'}[toolchain]
    assert plain['families'] == ['CPE', family, 'MPICH']


@pytest.mark.parametrize('option', FLAGS)
@pytest.mark.parametrize('toolchain', TOOLCHAINS)
def test_option(results, toolchain, option):
    c, fortran = flags(toolchain, option)
    kept_c, kept_fortran = (text.split() for text in PLAIN[toolchain])
    # precision and level of optimisation are exchanged, what else is told by default stays
    expected = {'CFLAGS': (c, kept_c), 'CXXFLAGS': (c, kept_c),
                **dict.fromkeys(('FCFLAGS', 'FFLAGS', 'F90FLAGS'), (fortran, kept_fortran))}
    for name, (wanted, kept) in expected.items():
        (found,) = words(results, toolchain, option, name)
        assert set(wanted.split()) <= set(found)
        assert set(found) <= set(wanted.split()) | set(kept)
        assert all(word.startswith('-') for word in found)
        assert not [word for word in found if word.startswith('-march')]
        assert len([word for word in found if word.startswith('-O')]) == 1


@pytest.mark.parametrize('toolchain', TOOLCHAINS)
def test_options_with_values(results, toolchain):
    c, fortran = words(results, toolchain, 'no vectorize', 'CFLAGS', 'FCFLAGS')
    assert ('-fno-tree-vectorize' if toolchain == 'cpeGNU' else '-fno-vectorize') in c
    told = {'cpeGNU': ['-fno-tree-vectorize', '-fno-math-errno'], 'cpeCray': ['-hvector0']}
    assert [word for word in fortran[1:] if word != '-ef'] == told.get(toolchain, [])
    c, fortran = words(results, toolchain, 'cstd', 'CFLAGS', 'FCFLAGS')
    assert '-std=c11' in c and '-std=c11' not in fortran
    # a recipe's own words stay as they are
    c, fortran, free = words(results, toolchain, 'extra', 'CFLAGS', 'FFLAGS', 'F90FLAGS')
    assert '-Wno-error' in c and '-fPIC' in fortran and ('-fPIC' in free) == (toolchain != 'cpeCray')


@pytest.mark.parametrize('toolchain, told', [
    ('cpeGNU', '-fallow-argument-mismatch -ffree-line-length-none -DX'), ('cpeCray', '-N 1023 -DX'), ('cpeAOCC', '-DX'),
    ('cpeAMD', '-DX'),
])
def test_a_recipe_s_options_of_gfortran(results, toolchain, told):
    (fortran,) = words(results, toolchain, 'gfortran', 'FFLAGS')
    assert sorted(fortran) == sorted(PLAIN[toolchain][1].split() + told.split())


@pytest.mark.parametrize('toolchain, compiler', TOOLCHAINS.items())
def test_libsci_of_the_compiler(cray, toolchain, compiler):
    """Under both names that the module has had for its prefix."""
    mpi = {'CRAY_MPICH_DIR': cray.mpich}
    cases = [dict(case(toolchain, cray, openmp=openmp, usempi=True), environment={variable: cray.libsci, **mpi})
             for variable in ('CRAY_LIBSCI_PREFIX_DIR', 'CRAY_PE_LIBSCI_PREFIX_DIR') for openmp in (False, True)]
    for made, threads in zip(cray.probe(*cases), ('', '_mp') * 2):
        made = made['variables']
        assert made['LIBBLAS'] == made['LIBLAPACK'] == '-lsci_%s%s' % (compiler, threads)
        assert made['LIBSCALAPACK'] == '-lsci_%s_mpi%s -lsci_%s%s' % (compiler, threads, compiler, threads)
        assert made['LIBBLAS_MT'].split()[0] == '-lsci_%s_mp' % compiler
        assert made['BLAS_LIB_DIR'] == cray.libsci + '/lib'
        assert '-L%s/lib' % cray.libsci in made['LDFLAGS'].split()


@pytest.mark.parametrize('tools, command', [
    (('srun',), 'srun --ntasks=4 prog'),
    (('srun', 'mpirun'), 'mpirun -n 4 prog'),
    ((), 'mpirun -n 4 prog'),
])
def test_how_mpi_programs_are_started(cray, tmp_path, tools, command):
    """On LUMI there is srun and no mpirun."""
    for tool in tools:
        (tmp_path / tool).write_text('#!/bin/sh\n')
        (tmp_path / tool).chmod(0o755)
    (tmp_path / 'gcc').symlink_to('/bin/true')
    wanted = case('cpeCray', cray)
    wanted['environment']['PATH'] = str(tmp_path)
    (made,) = cray.probe(wanted)
    assert made['mpi command'] == command


@pytest.mark.parametrize('toolchain', TOOLCHAINS)
def test_the_options_that_a_toolchain_knows(cray, toolchain):
    """They are the ones that releases/provided.json names, which the rule toolchain-options goes by."""
    made, = cray.probe({'name': toolchain, 'version': RELEASE, 'flags': True, 'options': {'nobody-knows': True}})
    known = load_provided()['options']
    assert set(made['error'].split('known options: ')[1].rstrip(')').split(',')) \
        == {*known['all'], *known['toolchains'][toolchain]}
