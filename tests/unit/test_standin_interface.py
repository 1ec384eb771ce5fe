# SPDX-License-Identifier: GPL-2.0-only
"""The stand-in's products: which functions its MPI shows, what its libraries are called, what its Python holds."""
import ctypes
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from ci.standin import interface
from ci.standin.layout import Problem, Release, facts
from ci.standin.lumi import recipes
from ci.standin.lumi import tree as stack
from lumi_hooks.data import load_json
from lumi_hooks.releases import library_suffix, release_names

LONG = 'for (volatile int i = 0; i < 99; i++) a[i] = a[i + *b] * i + a[2 * i] / (i + 3) - a[3 * i] * (i - 5);'
OLD = f'int MPI_Init(void) {{ return 7; }} int MPI_Get_version(int *a, int *b) {{ {LONG} {LONG} return 9; }}\n' \
      f'int MPI_Get_library_version(char *a, int *b) {{ {LONG} {LONG} return 9; }}\n'
NEW = OLD + 'int MPI_Session_init(void) { return 4; } int MPIX_Stream_free(void) { return 5; } int inside(void) ' \
      '{ return MPI_Session_init(); }\n'


@pytest.fixture
def library(tmp_path):
    """Compile a shared library from text; returns its path."""
    def compiled(name, text):
        (tmp_path / 'code.c').write_text(text)
        path = tmp_path / f'lib{name}.so'
        subprocess.run(['gcc', '-O1', '-shared', '-fPIC', '-o', path, tmp_path / 'code.c'], check=True)
        return path
    return compiled


@pytest.fixture
def narrowed(library):
    """A library of MPI 4 that shows MPI 3.1."""
    path = library('mpi', NEW)
    wanted = set(interface.Elf(library('old', OLD)).defined())
    interface.narrow(path, wanted, (3, 1), 'MPI VERSION    : CRAY MPICH version 8.1.32\n')
    return path


@pytest.mark.parametrize('function, there', [
    ('MPI_Init', True), ('MPI_Session_init', False), ('MPIX_Stream_free', False), ('inside', True)])
def test_a_program_can_use_what_the_old_one_has(narrowed, tmp_path, function, there):
    (tmp_path / 'main.c').write_text(f'int {function}(void); int main(void) {{ return {function}(); }}\n')
    linked = subprocess.run(['gcc', tmp_path / 'main.c', '-o', tmp_path / 'main', '-L', tmp_path, '-lmpi'], check=False,
                            capture_output=True, text=True)
    assert (linked.returncode == 0) is there
    assert there or 'undefined reference' in linked.stderr


def test_a_library_still_calls_what_is_hidden(narrowed):
    loaded = ctypes.CDLL(str(narrowed))
    assert loaded.inside() == 4 and loaded.MPI_Init() == 7
    assert not hasattr(loaded, 'MPI_Session_init')


def test_it_says_that_it_is_the_old_one(narrowed):
    loaded = ctypes.CDLL(str(narrowed))
    numbers, text = (ctypes.c_int * 2)(), ctypes.create_string_buffer(100)
    assert loaded.MPI_Get_version(numbers, ctypes.byref(numbers, 4)) == 0 and list(numbers) == [3, 1]
    assert loaded.MPI_Get_library_version(text, numbers) == 0
    assert text.value.decode() == 'MPI VERSION    : CRAY MPICH version 8.1.32\n' and numbers[0] == len(text.value)


def test_functions_are_those_of_the_mpich_that_it_is_like():
    """Cray MPICH 9 is like MPICH 4.1: it has MPI 4.0, and nothing of MPI 4.1, which came with MPICH 4.2."""
    shown = {major: interface.functions(about['functions']) for major, about in facts()['mpich'].items()}
    assert 'MPI_Session_init' in shown['9'] - shown['8'] and 'MPI_Init' in shown['8'] & shown['9']
    assert 'MPI_Status_set_error' not in shown['9']
    with pytest.raises(Problem, match='no MPICH 1.0'):
        interface.functions('1.0')


def test_constants_stay(library):
    path = library('mpi', NEW + 'int MPI_F08_STATUS_IGNORE = 5;\n')
    interface.narrow(path, {'MPI_Init', 'MPI_Get_version', 'MPI_Get_library_version'}, (4, 0), 'x')
    assert ctypes.c_int.in_dll(ctypes.CDLL(str(path)), 'MPI_F08_STATUS_IGNORE').value == 5


def test_code_that_does_not_fit(library):
    with pytest.raises(Problem, match='MPI_Init has'):
        interface.Elf(library('mpi', OLD)).put('MPI_Init', b'\x90' * 999)


@pytest.mark.parametrize('release', release_names())
def test_names_are_those_of_the_data(release):
    for pe_env, about in facts()['environments'].items():
        for module, (suffix, _) in Release(release, pe_env).names().items():
            assert suffix == library_suffix(module, release, about['toolchain'])


@pytest.mark.parametrize('release, module, stem, name', [
    ('25.03', 'cray-mpich', 'libmpi', 'libmpi_gnu_123.so.12'), ('26.03', 'cray-mpich', 'libmpi', 'libmpi_gnu.so.12'),
    ('25.03', 'cray-hdf5-parallel', 'libhdf5_parallel', 'libhdf5_parallel_gnu_123.so.200'),
    ('25.09', 'cray-hdf5-parallel', 'libhdf5_parallel', 'libhdf5_parallel_gnu.so.310'),
    ('25.09', 'cray-netcdf', 'libnetcdf', 'libnetcdf_gnu.so.19'),
    ('25.03', 'cray-fftw', 'libfftw3', 'libfftw3.so.mpi31.3')])
def test_names_that_were_seen(release, module, stem, name):
    assert Release(release).soname(module, stem, '19') == name


def test_each_cray_mpich_is_some_mpi():
    known = facts()['mpich']
    for release in release_names():
        assert Release(release).version('cray-mpich').split('.')[0] in known
    assert known['8']['mpi'] == [3, 1] and known['8']['suite']


@pytest.mark.parametrize('version', facts()['python'])
def test_python_holds_what_hpe_says_and_no_more(version):
    about = facts()['python'][version]
    held = dict(word.split('==') for word in [*about['packages'], 'mpi4py==' + about['mpi4py']])
    said = {name: entry['version'] for name, entry in load_json(f'releases/python/{version}.json')['packages'].items()
            if entry['verified'] and entry['version']}
    assert said.items() <= held.items() and set(held) == {'numpy', 'scipy', 'dask', 'mpi4py'}
    assert {word.split('==')[0] for word in about['brings']} <= {'pip', 'setuptools'}


def test_each_release_has_its_python():
    assert {Release(name).version('cray-python') for name in release_names()} <= set(facts()['python'])


# --- LUMI's central software

@pytest.fixture(scope='module')
def central(tmp_path_factory):
    """The recipes of LUMI's stack, as the stand-in writes them: file name -> text."""
    folder = tmp_path_factory.mktemp('easyconfigs')
    recipes.write_recipes(folder, [Release(name) for name in stack.facts()['central']])
    return {path.name: path.read_text() for path in folder.rglob('*.eb')}


def test_what_the_stack_installs_has_a_recipe(central):
    for partitions in stack.facts()['central'].values():
        assert {name for names in partitions.values() for name in names} <= set(central)
    assert not [name for name, text in central.items() if '@RELEASE@' in text or '@SUFFIX@' in text]


def test_R13_cmake_of_the_stack_is_as_the_rules_take_it():
    """Recipes that name CMake 3 get the variant of buildtools where the release's own is CMake 4, and there it is."""
    versions = {key: about['cmake'] for key, about in stack.facts()['buildtools']['versions'].items()}
    variant = load_json('packages/groups.json')['groups']['buildtools']['variant']
    new = {key for key, version in versions.items() if not version.startswith('3.')}
    assert new == set(variant['releases'])
    assert all(versions[release + variant['versionsuffix']].startswith('3.') for release in new)
    assert versions['25.03'] == '3.31.7' and versions['25.09'] == '4.2.3'
    # what is packed is the nearest that PyPI has
    for about in stack.facts()['buildtools']['versions'].values():
        assert about['wheel'].split('.')[:2] == about['cmake'].split('.')[:2]


def test_build_tools_hold_no_pkg_config_and_no_python(central):
    groups = load_json('packages/groups.json')['groups']
    assert not set(groups['pkg-config']['members']) & set(stack.facts()['buildtools']['debian'])
    for name, text in central.items():
        if name.startswith('buildtools-python'):
            assert 'Meson' in text and 'SCons' in text and 'ython' in text and 'Cython' not in text
        elif name.startswith('buildtools'):
            assert 'pkgconf' not in text and "'Meson'" not in text and "'CMake':" in text
    held = {word.split('==')[0] for word in stack.facts()['buildtools_python']['25.03']}
    assert held == {'meson', 'scons', 'wheel', 'flit-core'}
    assert 'wheel==0.45.1' in stack.facts()['buildtools_python']['25.03']


def test_opengl_stands_in_for_three_of_upstreams(central):
    values = {}
    exec(central['OpenGL-25.03-cpeGNU-25.03.eb'], {'SYSTEM': None}, values)  # ours, from this checkout
    assert {'EBROOTMESA', 'EBROOTLIBGLU', 'EBROOTLIBGLVND'} <= set(values['modextravars'])
