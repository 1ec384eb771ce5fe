# SPDX-License-Identifier: GPL-2.0-only
"""cpeGNU on real Lmod: options, variables, targets, no RPATH, answers to easyblocks."""

import glob
import os
import shutil

import pytest
from small_cray import RELEASE

from lumi_hooks.data import load_json

VERSIONS = load_json('releases/cpe/%s.json' % RELEASE)['modules']
FFTW = {
    'module': 'cray-fftw/' + VERSIONS['cray-fftw'],
    'metadata': {'name': ['FFTW'], 'version': ['CRAY_FFTW_VERSION'], 'prefix': 'CRAY_FFTW_PREFIX'},
}


def case(**options):
    return {'version': RELEASE, 'options': {k.replace('_', '-'): v for k, v in options.items()}}


@pytest.fixture(scope='module')
def results(cray):
    """All cases that need no eb options, in one session."""
    cases = {
        'plain': case(),
        'openmp': case(openmp=True, usempi=True, pic=True, i8=True, gfortran9_compat=True),
        'strict': case(strict=True, verbose=True, mpich_mt=True, lto=True, opt=True),
        'again': case(),
        'rpath': dict(case(rpath=True)),
        'static': case(static=True),
        'fftw': dict(case(usempi=True, openmp=True), dependencies=[FFTW]),
        'extension': dict(case(usempi=True), dependencies=[FFTW], loadmod=[True, False]),
        'without': dict(case(), without=['cray-mpich', 'cray-libsci']),
        'without mpi': dict(case(), without=['cray-mpich']),
    }
    return dict(zip(cases, cray.probe(*cases.values(), arguments=['--optarch=x86-milan', '--rpath'])))


def env(results, name):
    assert 'error' not in results[name], results[name]
    return results[name]['environment']


def test_what_it_is(results):
    plain = results['plain']
    assert plain['families'] == ['CPE', 'GCC', 'MPICH', 'CrayLibSci']
    assert plain['names'] == [['GCC'], ['cray-mpich']]
    assert plain['definition']['COMPILER'] == ['PrgEnv-gnu']
    assert plain['class'].startswith('lumi_hooks_toolchains')
    assert [
        env(results, 'plain')[v] for v in ('CC', 'CXX', 'F77', 'F90', 'FC', 'MPICC', 'MPICXX', 'MPIFC')
    ] == ['cc', 'CC', 'ftn', 'ftn', 'ftn', 'cc', 'CC', 'ftn']


def test_flags(results):
    plain = env(results, 'plain')
    assert plain['CFLAGS'] == '-O2 -ftree-vectorize -fno-math-errno'
    assert plain['FCFLAGS'] == '-O2 -ftree-vectorize -fno-math-errno'
    assert plain['LIBS'] == '-lm -lpthread'
    assert plain['CRAYPE_LINK_TYPE'] == 'dynamic'
    openmp = env(results, 'openmp')
    # the order differs between versions of EasyBuild
    assert sorted(openmp['CFLAGS'].split()) == [
        '-O2',
        '-fPIC',
        '-fno-math-errno',
        '-fopenmp',
        '-ftree-vectorize',
    ]
    assert set(openmp['FCFLAGS'].split()) - set(openmp['CFLAGS'].split()) == {
        '-fdefault-integer-8',
        '-fallow-argument-mismatch',
    }
    strict = env(results, 'strict')
    assert strict['CXXFLAGS'].split()[:3] == ['-O3', '-mieee-fp', '-mno-recip']
    assert {'-craype-verbose', '-craympich-mt', '-flto'} <= set(strict['CXXFLAGS'].split())
    # options of one build don't get into the next
    assert env(results, 'again')['CFLAGS'] == plain['CFLAGS']
    assert env(results, 'static')['CRAYPE_LINK_TYPE'] == 'static'


def test_linear_algebra(results, cray):
    plain, openmp = env(results, 'plain'), env(results, 'openmp')
    assert plain['LIBBLAS'] == plain['LIBLAPACK'] == '-lsci_gnu'
    assert plain['LIBBLAS_MT'] == plain['LIBLAPACK_MT'] == '-lsci_gnu_mp -lpthread'
    assert openmp['LIBBLAS'] == openmp['LIBLAPACK'] == '-lsci_gnu_mp'
    assert plain['LIBSCALAPACK'] == '-lsci_gnu_mpi -lsci_gnu'
    assert openmp['LIBSCALAPACK'] == '-lsci_gnu_mpi_mp -lsci_gnu_mp'
    assert plain['LIBSCALAPACK_MT'] == '-lsci_gnu_mpi_mp -lsci_gnu_mp -lpthread'
    assert plain['BLAS_STATIC_LIBS'] == plain['LAPACK_STATIC_LIBS'] == 'libsci_gnu.a'
    assert plain['BLAS_SHARED_LIBS'] == 'libsci_gnu.so'
    assert plain['BLACS_STATIC_LIBS'] == 'libsci_gnu_mpi.a'
    for variable in ('BLAS', 'LAPACK', 'BLAS_LAPACK', 'BLACS', 'SCALAPACK'):
        assert plain[variable + '_LIB_DIR'] == os.path.join(cray.libsci, 'lib'), variable
        assert plain[variable + '_INC_DIR'] == os.path.join(cray.libsci, 'include'), variable
    # for compilers that are not wrappers
    assert '-L' + os.path.join(cray.libsci, 'lib') in plain['LDFLAGS'].split()
    assert 'ROOT' not in plain['LIBBLAS']


@pytest.mark.parametrize('name, library, mpi_library', [
    ('plain', 'sci_gnu', 'sci_gnu_mpi'), ('openmp', 'sci_gnu_mp', 'sci_gnu_mpi_mp'), ('without mpi', 'sci_gnu', None)])
def test_linker_finds_libsci_by_other_names(results, cray, name, library, mpi_library):
    """By scripts in the last folder of $LIBRARY_PATH; ScaLAPACK and Open MPI's only with MPI."""
    folder = env(results, name)['LIBRARY_PATH'].split(':')[-1]
    said = {}
    for path in glob.glob(os.path.join(folder, '*')):
        with open(path, encoding='utf-8') as stream:
            said[os.path.basename(path)] = stream.read().split()
    shutil.rmtree(folder)
    open_mpi = {script: said.pop(script) for script in list(said) if script.startswith('libmpi_')}
    assert set(map(tuple, open_mpi.values())) == ({('INPUT', '(', '-lm', ')')} if mpi_library else set())
    assert not mpi_library or {'libmpi_cxx.so', 'libmpi_mpifh.so', 'libmpi_usempif08.so'} <= set(open_mpi)
    expected = {**dict.fromkeys(('libflexiblas.so', 'libopenblas.so', 'liblapacke.so'), library),
                'libscalapack.so': mpi_library}
    assert said == {script: ['INPUT', '(', os.path.join(cray.libsci, 'lib', 'lib%s.so' % found), ')']
                    for script, found in expected.items() if found}


def test_fftw(results, cray):
    fftw = env(results, 'fftw')
    assert fftw['LIBFFT'] == '-lfftw3_mpi -lfftw3'
    assert fftw['LIBFFT_MT'] == '-lfftw3_omp -lfftw3 -lpthread'
    for kind in ('FFT', 'FFTW'):
        assert fftw[kind + '_LIB_DIR'] == os.path.join(cray.fftw, 'lib')
        assert fftw[kind + '_INC_DIR'] == os.path.join(cray.fftw, 'include')
        assert fftw[kind + '_SHARED_LIBS'] == 'libfftw3_mpi.so,libfftw3.so'
    assert fftw['EBROOTFFTW'] == cray.fftw
    # not the name of the variable
    assert fftw['EBVERSIONFFTW'] == VERSIONS['cray-fftw']
    assert '-L' + os.path.join(cray.fftw, 'lib') in fftw['LDFLAGS'].split()
    assert not [v for v in env(results, 'plain') if 'FFT' in v]


def test_answers_to_easyblocks(results, cray):
    plain = env(results, 'plain')
    assert plain['EBVERSIONGCC'] == plain['EBVERSIONGCCCORE'] == VERSIONS['gcc-native']
    assert plain['EBROOTGCC'] == '/usr'
    assert not [flag for flag in plain['LDFLAGS'].split() + plain['CPPFLAGS'].split() if flag[2:6] == '/usr']
    assert plain['EBROOTCRAYMINMPICH'] == cray.mpich
    assert plain['EBVERSIONCRAYMINMPICH'] == VERSIONS['cray-mpich']
    assert plain['EBROOTCRAYMINLIBSCI'] == plain['EBROOTSCALAPACK'] == cray.libsci
    assert plain['MPI_INC_DIR'] == os.path.join(cray.mpich, 'include')
    assert plain['MPI_LIB_SHARED'] == os.path.join(cray.mpich, 'lib', 'libmpich.so')


def test_extension_keeps_external_modules(results, cray):
    extension = env(results, 'extension')
    assert extension['EBROOTFFTW'] == cray.fftw
    assert extension['EBVERSIONGCC'] == VERSIONS['gcc-native']
    assert extension['LIBFFT'] == '-lfftw3_mpi -lfftw3'


def test_no_rpath(results):
    """--rpath is on in this session."""
    for name in ('plain', 'rpath'):
        used, compiler = results[name]['rpath']
        assert not used and 'rpath_wrappers' not in compiler


def test_without_mpi_or_blas(results):
    """The hooks unload what a package does not use, after every load: no error, and no variables."""
    without = env(results, 'without')
    assert not [m for m in results['without']['loaded'] if m.startswith(('cray-mpich', 'cray-libsci'))]
    gone = {'LIBBLAS', 'LIBSCALAPACK', 'MPI_INC_DIR', 'EBROOTCRAYMINMPICH', 'EBROOTSCALAPACK', 'LIBRARY_PATH'}
    assert not gone & set(without)
    without = env(results, 'without mpi')
    assert without['LIBBLAS'] == '-lsci_gnu' and 'LIBSCALAPACK' not in without


def test_targets(cray):
    """The toolchain module of partition C loads milan; only another target is loaded."""

    def cpu(*arguments):
        return cray.probe(case(), arguments=arguments)[0]

    assert cpu()['environment']['CRAY_CPU_TARGET'] == 'craype-x86-milan'
    assert cpu('--optarch=x86-trento')['environment']['CRAY_CPU_TARGET'] == 'craype-x86-trento'
    multiple = cpu('--optarch=CPE:x86-rome+accel-host+network-ofi')
    assert multiple['environment']['CRAY_CPU_TARGET'] == 'craype-x86-rome'
    assert '-march' not in multiple['environment']['CFLAGS']
    for refused, word in (
        ('GENERIC', 'GENERIC'),
        ('-march=znver3', 'compiler option'),
        ('x86-sapphire', 'no module'),
    ):
        assert word in cpu('--optarch=' + refused)['error']


def test_wrong_environment(cray):
    """A module under the toolchain's name that loads something else is refused."""
    folder = os.path.join(cray.root, 'wrong', 'cpeGNU')
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, '1.0.lua'), 'w', encoding='utf-8') as stream:
        stream.write('setenv("PE_ENV", "CRAY")\n')
    (result,) = cray.probe({'version': '1.0'}, MODULEPATH=os.path.join(cray.root, 'wrong'))
    assert 'PrgEnv-gnu is not in force' in result['error'] and 'CRAY' in result['error']
