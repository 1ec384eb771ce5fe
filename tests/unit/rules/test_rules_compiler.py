# SPDX-License-Identifier: GPL-2.0-only
"""The rules of compilers, linkers and BLAS."""
import re

import pytest
from ruling import says

from lumi_hooks.adapt import adapt
from lumi_hooks.recipe import read_recipe
from lumi_hooks.site import make_site

# --- compiler-strictness

@pytest.mark.parametrize('release, made_with, toolchain, relaxed', [
    ('25.03', ('foss', '2023a'), 'cpeGNU', True), ('25.03', ('GCCcore', '13.3.0'), 'cpeGNU', True),
    ('25.03', ('foss', '2025a'), 'cpeGNU', False), ('24.03', ('foss', '2022a'), 'cpeGNU', False),
    ('25.03', ('foss', '2023a'), 'cpeCray', True), ('23.09', ('foss', '2022a'), 'cpeAOCC', False),
    ('25.03', ('intel', '2023a'), 'cpeCray', False), ('25.03', ('lfoss', '2025b'), 'cpeGNU', False)])
def test_rule_compiler_strictness(recipe, release, made_with, toolchain, relaxed):
    site = make_site(release, toolchain=toolchain, env={})
    found = says('compiler-strictness', recipe(toolchain=made_with), site)
    assert bool(found) is relaxed
    for change in found:
        assert '-Wno-error=int-conversion' in change.after['extra_cflags'] and change.link


@pytest.mark.parametrize('made_with, toolchain, relaxed', [
    (('intel', '2023a'), 'cpeGNU', True), (('iimpi', '2022a'), 'cpeGNU', True), (('intel', '2023a'), 'cpeCray', False),
    (('foss', '2025a'), 'cpeGNU', False), (('GCC', '9.3.0'), 'cpeGNU', True), (('lfoss', '2025b'), 'cpeGNU', False)])
def test_rule_compiler_strictness_of_fortran(recipe, made_with, toolchain, relaxed):
    """What Intel's compilers and gfortran before 10 took, gfortran is told to take."""
    found = adapt(recipe(toolchain=made_with), make_site('25.03', toolchain=toolchain, env={}))
    options = found.parameters.get('toolchainopts') or {}
    for name in ('extra_fflags', 'extra_fcflags', 'extra_f90flags'):
        assert ('-fallow-argument-mismatch' in options.get(name, '')) is relaxed
    if made_with[0] == 'GCC':
        assert '-Wno-error=int-conversion' in options['extra_cflags'], 'two facts act on one parameter'


@pytest.mark.parametrize('release, made_with, toolchain, easyblock, told', [
    ('25.03', ('GCCcore', '14.2.0'), 'cpeCray', 'ConfigureMake', True),
    ('25.03', ('foss', '2025a'), 'cpeGNU', 'ConfigureMake', False),
    ('23.09', ('foss', '2023a'), 'cpeCray', 'CMakeMake', False),
    ('25.03', ('foss', '2025a'), 'cpeAOCC', 'CMakeMake', False),
    ('24.03', ('GCC', '13.2.0'), 'cpeCray', 'MesonNinja', True),
    ('25.03', ('foss', '2025a'), 'cpeCray', 'MakeCp', False)])
def test_rule_linker_strictness(recipe, release, made_with, toolchain, easyblock, told):
    site = make_site(release, toolchain=toolchain, env={})
    text = f"easyblock = {easyblock!r}\npreconfigopts = './autogen.sh && '\n"
    found = says('linker-strictness', recipe(text, toolchain=made_with), site)
    assert bool(found) is told
    for change in found:
        assert change.after == 'export LDFLAGS="$LDFLAGS -Wl,--undefined-version" && ./autogen.sh && ' and change.link


def test_rule_linker_strictness_acts_once_and_on_lists(recipe):
    site = make_site('25.03', toolchain='cpeCray', env={})
    change, = says('linker-strictness', recipe("preconfigopts = ['a && ', '']\n", toolchain=('foss', '2025a')), site)
    assert [item.startswith('export LDFLAGS=') for item in change.after] == [True, True]
    text = "preconfigopts = 'export LDFLAGS=-Wl,--undefined-version && '\n"
    assert says('linker-strictness', recipe(text, toolchain=('foss', '2025a')), site) == []


def test_rule_compiler_strictness_keeps_what_is_set(recipe, site):
    more = "toolchainopts = {'pic': True, 'extra_cflags': '-DX'}\n"
    change, = says('compiler-strictness', recipe(more, toolchain=('foss', '2023a')), site)
    assert change.after['pic'] is True and change.after['extra_cflags'].startswith('-DX ')
    assert says('compiler-strictness', recipe("easyblock = 'Tarball'\n", toolchain=('foss', '2023a')), site) == []


@pytest.mark.parametrize('text, handed', [
    # Zip 3.0: unix/configure tries its programs without $CFLAGS
    ('-f unix/Makefile CC="$CC" CFLAGS="$CFLAGS -I." generic_gcc', True),
    # RECON 1.08, RAxML 8.2.12: their Makefiles set CFLAGS
    ('CC="$CC"', True), ('-f Makefile.gcc CC="${MPICC}" && rm *.o && make CC="$CC"', True),
    ('MYCC="$CC"', False), ('CC="$CC-12"', False), ("sed 's/CC=.*/CC=$CC/'", False), ('CC="$CXX"', False)])
def test_rule_compiler_strictness_where_cflags_do_not_reach(recipe, site, text, handed):
    old = recipe(f'buildopts = {text!r}\n', toolchain=('GCCcore', '12.3.0'))
    options, *found = says('compiler-strictness', old, site)
    flags = options.after['extra_cflags']
    assert bool(found) is handed
    for change in found:
        assert change.parameter == 'buildopts' and change.after.count(flags) == text.count('CC="$')
        assert change.after.replace(f' {flags}"', '"') == text
        again = recipe(f'buildopts = {change.after!r}\n', toolchain=('GCCcore', '12.3.0'))
        assert [item.parameter for item in says('compiler-strictness', again, site)] == ['toolchainopts']
    new = recipe(f'buildopts = {text!r}\n', toolchain=('GCCcore', '14.2.0'))
    assert says('compiler-strictness', new, site) == []


def test_rule_toolchain_follows_the_site(recipe):
    site = make_site('24.03', 'G', 'cpeAMD', env={})
    assert says('toolchain', recipe(), site)[0].after == {'name': 'cpeAMD', 'version': '24.03'}


# --- blas-by-name

@pytest.mark.parametrize('more, parameter, after', [
    ("buildopts = 'CC=\"$CC\" CLIBS=\"-lflexiblas -lm -lz\"'\n", 'buildopts', 'CC="$CC" CLIBS="-lm -lz"'),
    ("configopts = '--with-blas=\"-L$EBROOTFLEXIBLAS/lib -lflexiblas\"'\n", 'configopts', '--with-blas=""'),
    ("configopts = ['-DBLAS_LIBRARIES=\"${EBROOTFLEXIBLAS}/lib/libflexiblas.so\"', '-DX=1']\n", 'configopts',
     ['-DBLAS_LIBRARIES="$LAPACK_LIB_DIR/$LAPACK_SHARED_LIBS"', '-DX=1']),
    ("prebuildopts = \"sed -i 's/-llapack -lblas/-lflexiblas/g' Makefile && \"\n", 'prebuildopts',
     "sed -i 's/-llapack -lblas//g' Makefile && "),
    ("configopts = '-DBLA_VENDOR=FlexiBLAS'\n", 'configopts', '-DBLA_VENDOR=All'),
    ("configopts = \"-Dlapack=custom -Dcustom_libraries='flexiblas'\"\n", 'configopts',
     "-Dlapack=custom -Dcustom_libraries='m'"),
    ("toolchainopts = {'openmp': True}\nbuildopts = 'blas_lapack_libs=flexiblas S=\"-lscalapack\"'\n", 'buildopts',
     'blas_lapack_libs=m S="-lm"'),
    ("preconfigopts = \"sed -i 's/openblas/flexiblas/' configure && \"\n", 'preconfigopts',
     "sed -i 's/openblas/m/' configure && "),
    # a word that goes leaves what separates its neighbours
    ("buildopts = 'LIBBLAS=-lopenblas LIBBLASNAME=x'\n", 'buildopts', 'LIBBLAS= LIBBLASNAME=x'),
    ("configopts = '--with-blas=-L$EBROOTOPENBLAS/lib --with-lapack=-lflexiblas --x'\n", 'configopts',
     '--with-blas= --with-lapack= --x'),
    # what a substitution looks for is what the sources say
    ("prebuildopts = 'sed -i s/-lopenblas/$LIBBLAS/ M'\nbuildopts = '-llapacke -lm'\n", 'buildopts', '-lm'),
    ("buildopts = 'LDLIBS=\"-lgsl $LIBBLAS -llapacke $LIBS\"'\n", 'buildopts', 'LDLIBS="-lgsl $LIBBLAS $LIBS"'),
    ("preconfigopts = 'sed -i \"s/find_library(X blas)/find_library(X flexiblas)/\" C && '\n", 'preconfigopts',
     'sed -i "s/find_library(X blas)/find_library(X m)/" C && '),
    ("exts_list = [('x', '1', {'preinstallopts': 'L=\"-L$EBROOTOPENBLAS/lib -lopenblas\" ', "
     "'sources': ['flexiblas']})]\n", 'exts_list',
     [('x', '1', {'preinstallopts': 'L="" ', 'sources': ['flexiblas']})])])
def test_rule_blas_by_name(recipe, site, more, parameter, after):
    change, = says('blas-by-name', recipe(more), site)
    assert (change.parameter, change.after) == (parameter, after)
    assert adapt(recipe(more), site).parameters[parameter] == after


def test_rule_blas_by_name_leaves_others(recipe, site):
    more = "configopts = '-DBLA_VENDOR=Intel10_64lp -lflexiblasx --lflexiblas flexiblas-x $flexiblas'\n"
    assert says('blas-by-name', recipe(more), site) == []
    assert says('blas-by-name', recipe("configopts = '-lflexiblas'\n", name='FlexiBLAS'), site) == []


@pytest.mark.parametrize('name', [
    'xtb-6.7.1-gfbf-2024a.eb', 'Cantera-3.1.0-20250816-foss-2024a.eb', 'DFT-D4-4.0.2-gfbf-2025b.eb',
    'levmar-2.6-gfbf-2024a.eb', 'CPCM-X-1.1.0-gfbf-2024a.eb'])
def test_B5_no_library_of_libsci_by_name(upstream_site, upstream_file, name):
    """A name would be that of the serial LibSci, and may not be there: the wrapper knows which one it is."""
    found = adapt(read_recipe(upstream_file(name)), upstream_site)
    changes = [change for change in found.changes if change.rule == 'blas-by-name']
    assert changes and not found.refusals
    for change in changes:
        text = str(change.after)
        assert not re.search(r'sci_|flexiblas|openblas', text), text


def test_what_patches_take_of_flexiblas(upstream_site, upstream_file):
    """No rule reaches into a patch, so the packages' data says what becomes of it."""
    found = adapt(read_recipe(upstream_file('Dice-20221025-foss-2022a.eb')), upstream_site).parameters
    assert 's/flexiblas_set_num_threads/omp_set_num_threads/' in found['prebuildopts']
    assert found['prebuildopts'].endswith('&&') and found['prebuildopts'].count('&&') == 2
    found = adapt(read_recipe(upstream_file('FLINT-2.9.0-gfbf-2022a.eb')), upstream_site).parameters
    assert '-DCBLAS_LIBRARIES=-lm' in found['configopts']


# --- mpi-libraries

@pytest.mark.parametrize('before, after', [
    ('--with-lib="-lmpi_mpifh -lmetis"', '--with-lib="-lmetis"'), ('A=-lmpi_cxx B=-lmpi', 'A= B=-lmpi'),
    ('L="-lz -lmpi_usempif08 -lopen-pal -lm"', 'L="-lz -lm"')])
def test_rule_mpi_libraries(recipe, site, before, after):
    change, = says('mpi-libraries', recipe(f'buildopts = {before!r}'), site)
    assert change.after == after and change.link


def test_rule_mpi_libraries_leaves_others(recipe, site):
    assert says('mpi-libraries', recipe("buildopts = '-lmpi -lmpi_gnu -lmpicxx x-lmpi_cxx'"), site) == []
    assert says('mpi-libraries', recipe("buildopts = '-lmpi_cxx'", name='OpenMPI'), site) == []


# --- folder-by-name, mpi-by-name

@pytest.mark.parametrize('more, parameter, after', [
    ("dependencies = [('OpenSSL', '3', '', SYSTEM)]\nconfigopts = '--with-ssl=$EBROOTOPENSSL -L${EBROOTOPENSSL}/lib'\n",
     'configopts', '--with-ssl=/usr -L/usr/lib'),
    ("configopts = '--x=${EBROOTCMAKE}/bin/cmake'\n", 'configopts', '--x=${EBROOTBUILDTOOLS}/bin/cmake'),
    ("modextravars = {'MPI_ROOT': '$EBROOTOPENMPI'}\n", 'modextravars', {'MPI_ROOT': '$EBROOTCRAYMINMPICH'}),
    ("builddependencies = [('Perl', '5.38.0')]\nprebuildopts = '$EBROOTPERL/bin/perl x && '\n", 'prebuildopts',
     '/usr/bin/perl x && ')])
def test_rule_folder_by_name(recipe, site, more, parameter, after):
    found = adapt(recipe(more), site)
    assert found.parameters[parameter] == after
    assert [change.parameter for change in found.changes if change.rule == 'folder-by-name'] == [parameter]


@pytest.mark.parametrize('more', [
    "dependencies = [('Perl', '5.38.0')]\nprebuildopts = '$EBROOTPERL/bin/perl x && '\n",
    "dependencies = [('zlib', '1.3')]\nconfigopts = '$EBROOTZLIB $EBROOTCMAKEX ${EBROOTCMAKE:-x} $EBROOTUCX'\n"])
def test_rule_folder_by_name_leaves_what_is_loaded(recipe, site, more):
    assert says('folder-by-name', recipe(more), site) == []


def test_rule_mpi_by_name(recipe, site):
    more = "configopts = 'CC=mpicc CXX=$(which mpic++) FC=\"mpif90\" E=$(which mpiexec) unix-mpicc.mk mpirun -np 2'\n"
    change, = says('mpi-by-name', recipe(more), site)
    assert change.after == 'CC=cc CXX=$(which CC) FC="ftn" E=$(which srun) unix-mpicc.mk srun -n 2'
    # R23: it is there, in $CRAY_MPICH_PREFIX/bin
    assert 'not on PATH' in change.reason and 'without mpicc' not in change.reason
    assert says('mpi-by-name', recipe(more, name='OpenMPI'), site) == []
    # what people read is no command
    assert says('mpi-by-name', recipe('download_instructions = "build it with mpicc"\n'), site) == []
