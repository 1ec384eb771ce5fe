# SPDX-License-Identifier: GPL-2.0-only
"""Each easyblock with fixes on a real recipe: right for the four cpe* toolchains, and upstream's own for foss."""
import ast
import glob
import os
import re
import sys
import types

import easybuild.easyblocks
import pytest
from cases import CASES

TOOLCHAINS = ('cpeGNU', 'cpeCray', 'cpeAOCC', 'cpeAMD')
OTHERS = TOOLCHAINS[1:]


@pytest.fixture(scope='module')
def results(probe, recipe_text):
    """What every case gives with every toolchain; toolchain None is upstream's."""
    def case(name, toolchain):
        facts = dict(CASES[name])
        text = recipe_text(facts.pop('recipe'), toolchain)
        # later assignments count
        more = ''.join('%s = %r\n' % item for item in facts.pop('as', {}).items())
        return dict(facts, text=text + '\n' + more + ('exts_list = []\n' if more else ''))

    keys = [(name, toolchain) for name in CASES for toolchain in (*TOOLCHAINS, None)]
    found = dict(zip(keys, probe([case(*key) for key in keys])))
    found.update(((name, 'upstream'), result)
                 for name, result in zip(CASES, probe([case(name, None) for name in CASES], mended=False)))
    return found


@pytest.fixture
def said(results):
    """What a case gave; the test fails where it stopped."""
    def say(name, toolchain):
        result = results[name, toolchain]
        assert result['error'] is None, '%s, %s: %s' % (name, toolchain, result['error'])
        return result
    return say


@pytest.mark.parametrize('name', CASES)
def test_upstream_s_own_for_upstream_s_toolchains(said, name):
    ours, upstream = said(name, None), said(name, 'upstream')
    assert '/fixes' in ours['class'] and '/fixes' not in upstream['class']
    assert [ours[key] for key in ('commands', 'files', 'parameters', 'family')] \
        == [upstream[key] for key in ('commands', 'files', 'parameters', 'family')]


@pytest.mark.parametrize('toolchain', TOOLCHAINS)
@pytest.mark.parametrize('name', CASES)
def test_none_stops(said, name, toolchain):
    said(name, toolchain)


@pytest.mark.parametrize('toolchain', TOOLCHAINS)
def test_boost(said, toolchain):
    result = said('Boost', toolchain)
    # Boost.Build itself is built by g++, the libraries by the wrapper under the rules for its compiler
    assert result['commands'][0].startswith('./bootstrap.sh --with-toolset=gcc ')
    toolset = 'gcc' if toolchain == 'cpeGNU' else 'clang'
    assert result['files']['user-config.jam'].splitlines() == [
        'using %s : : $/bin/CC ;' % toolset, 'using mpi : : <include>$/mpich/include : srun ;']


@pytest.mark.parametrize('toolchain', TOOLCHAINS)
def test_openfoam(said, toolchain):
    result = said('OpenFOAM', toolchain)
    assert result['environment']['WM_COMPILER'] == ('Gcc' if toolchain == 'cpeGNU' else 'Clang')
    rules = result['files']['OpenFOAM-v2506/wmake/rules/General/Clang/c++']
    assert rules.splitlines()[:2] == ['cc = cc', 'CC = CC']
    # GNU ld is asked for by GCC's options only
    assert ('-fuse-ld=bfd' in rules) == (toolchain == 'cpeGNU')


@pytest.mark.parametrize('toolchain', TOOLCHAINS)
def test_namd(said, toolchain):
    charm, namd = said('NAMD', toolchain)['commands']
    assert charm.startswith('./build charm++ mpi-crayshasta --with-production')
    assert namd.startswith('./config Linux-x86_64-g++ --charm-arch mpi-crayshasta --cc "cc" ') and '--cxx "CC"' in namd


def test_siesta(said):
    made = {toolchain: said('Siesta', toolchain)['files']['Obj/arch.make'] for toolchain in TOOLCHAINS}
    assert 'FCFLAGS_free_f90 = -ffree-line-length-none' in made['cpeGNU']
    assert 'FCFLAGS_free_f90 = -N 1023' in made['cpeCray']
    assert 'FCFLAGS_free_f90 = \n' in made['cpeAOCC'] and 'FCFLAGS_free_f90 = \n' in made['cpeAMD']
    assert '-fallow-argument-mismatch' in made['cpeGNU']
    for toolchain in OTHERS:
        assert '-fallow-argument-mismatch' not in made[toolchain]
        compiler = toolchain[3:].lower()
        assert 'LIBS = -lsci_%s_mpi -lsci_%s ' % (compiler, compiler) in made[toolchain]


def test_cp2k(said):
    made = {toolchain: said('CP2K', toolchain)['files']['arch/Linux-x86-64-%s.psmp' % toolchain]
            for toolchain in TOOLCHAINS}
    assert 'FREE = -ffree-form -ffree-line-length-none\n' in made['cpeGNU'] and '-D__GFORTRAN' in made['cpeGNU']
    assert 'FREE = -ffree -N 1023\n' in made['cpeCray']
    assert 'FREE = -ffree-form' in made['cpeAMD'] and '-ffree-line-length' not in made['cpeAMD']
    for toolchain in OTHERS:
        fortran = re.search(r'^FCFLAGSOPT = (.*)$', made[toolchain], re.M).group(1)
        assert '-I$/fftw/include' in fortran and '-W' not in fortran and '-fmax-stack-var-size' not in fortran
        assert '-D__GFORTRAN' not in made[toolchain]


def test_cp2k_runs_what_is_to_run_before_the_build(probe, recipe_text):
    """Upstream's class passes over prebuildopts; the GPU variant changes a header of DBCSR there."""
    case = CASES['CP2K']
    found, = probe([dict(case, text=recipe_text(case['recipe'], 'cpeGNU'), steps=['configure_step', 'build_step'],
                         parameters={'prebuildopts': "sed -i 's/a/b/' acc_hip.h &&"})])
    assert found['error'] is None, found['error']
    first = next(place for place, command in enumerate(found['commands']) if command.startswith('make '))
    assert found['commands'][first - 1] == "sed -i 's/a/b/' acc_hip.h && true"


@pytest.mark.parametrize('configopts, kokkos', [('-DKokkos_ENABLE_HIP=yes', False), ('', True)])
def test_lammps_for_hip_is_not_started_without_a_gpu(monkeypatch, configopts, kokkos):
    """`-k on` without a GPU is fatal where KOKKOS is made for one: upstream's class adds it where kokkos is set."""
    class Upstream:
        def sanity_check_step(self):
            return self.cfg['kokkos']
    for name, holds in {'upstream': {'upstream_class': lambda *_: Upstream},
                        'recipe_wins': {'RecipeWins': type('RecipeWins', (), {})}}.items():
        monkeypatch.setitem(sys.modules, f'lumi_hooks_easyblocks.registry.{name}', types.SimpleNamespace(**holds))
    monkeypatch.setitem(sys.modules, 'lumi_hooks_easyblocks.registry', types.SimpleNamespace())
    with open(os.path.join(os.path.dirname(__file__), '..', '..', 'easyblocks', 'fixes', 'lammps.py')) as stream:
        made = {'__name__': 'lammps'}
        exec(stream.read(), made)  # our own file, with a stand-in for upstream's class
    block = made['EB_LAMMPS']()
    block.cfg = {'kokkos': True, 'configopts': configopts}
    assert block.sanity_check_step() is kokkos and block.cfg['kokkos'] is True
    with open(os.path.join(os.path.dirname(easybuild.easyblocks.__file__), 'l', 'lammps.py')) as stream:
        theirs = stream.read().split('def sanity_check_step')[1]
    assert re.search(r"if self\.cfg\['kokkos'\]:(?:.|\n)*\"-sf\", \"kk\", \"-k\", \"on\"\]", theirs)


@pytest.mark.parametrize('toolchain, suite, plugin', [
    ('cpeGNU', 'gcc', '--enable-gcc-plugin'),
    ('cpeCray', 'cray', '--disable-llvm-plugin'),
    ('cpeAOCC', 'aocc', '--disable-llvm-plugin'),
    ('cpeAMD', 'amdclang', '--disable-llvm-plugin'),
])
def test_score_p(said, toolchain, suite, plugin):
    words = said('Score-P', toolchain)['commands'][-1].split()
    assert '--with-nocross-compiler-suite=' + suite in words and '--with-mpi=cray' in words
    # before 5.3 EasyBuild says nothing of plugins
    assert [word for word in words if 'plugin' in word] in ([], [plugin])
    assert len([word for word in words if '--with-mpi' in word]) == 1
    assert '--with-nocross-compiler-suite=' + suite in said('OTF2', toolchain)['commands'][-1].split()


@pytest.mark.parametrize('bare, named', [('7.5.0', True), ('14.2.1', False)])
def test_score_p_takes_the_release_s_gcc(probe, recipe_text, bare, named):
    """The suite calls gcc by its name, which is the operating system's 7.5 on SLES 15."""
    case = CASES['Score-P']
    found, = probe([dict(case, text=recipe_text(case['recipe'], 'cpeGNU'), programs=[
        'gcc-14', 'g++-14', 'gfortran-14'], commands={'cc -dumpversion': '14', 'gcc -dumpversion': bare})])
    assert found['error'] is None, found['error']
    words = found['commands'][-1].split()
    assert ('CC=gcc-14' in words and 'FC=gfortran-14' in words) is named


def test_score_p_says_what_is_missing(probe, recipe_text):
    case = CASES['Score-P']
    found, = probe([dict(case, text=recipe_text(case['recipe'], 'cpeGNU'),
                         commands={'cc -dumpversion': '13', 'gcc -dumpversion': '7.5'})])
    assert 'gcc-13 is not there' in found['error']


def test_quantum_espresso(said):
    for toolchain in TOOLCHAINS:
        assert '-DQE_ENABLE_MPI=ON' in said('QuantumESPRESSO', toolchain)['parameters']['configopts']
    made = {toolchain: said('QuantumESPRESSO, make', toolchain)['files']['qe-7.2/make.inc'] for toolchain in TOOLCHAINS}
    assert 'F90FLAGS = -g -cpp -fallow-argument-mismatch -fopenmp' in made['cpeGNU']
    assert 'F90FLAGS = -g -eZ -fopenmp' in made['cpeCray']
    assert 'F90FLAGS = -g -cpp -fopenmp' in made['cpeAMD']


@pytest.mark.parametrize('toolchain', TOOLCHAINS)
@pytest.mark.parametrize('case, path', [('QuantumESPRESSO, make', 'qe-7.2/make.inc'),
                                        ('QuantumESPRESSO, 6.7', 'qe-6.7/make.inc')])
def test_quantum_espresso_before_cmake_has_scalapack(said, case, path, toolchain):
    """Upstream asks for OpenMPI by name, and leaves __SCALAPACK out in silence where it is not there."""
    result = said(case, toolchain)
    words = {name.strip(): value.split() for name, _, value in
             (line.partition('=') for line in result['files'][path].splitlines())}
    assert {'-D__MPI', '-D__SCALAPACK'} <= set(words['DFLAGS'])
    assert '-lsci_%s_mpi_mp' % toolchain[3:].lower() in words['SCALAPACK_LIBS']
    assert '--with-scalapack=yes' in result['parameters']['configopts']
    # it stands in for that decision alone
    assert 'EBROOTOPENMPI' not in result['environment']


@pytest.mark.parametrize('toolchain', TOOLCHAINS)
def test_what_is_told_to_be_gcc(said, toolchain):
    assert 'OPTF="$FFLAGS -DALLOW_NON_INIT"' in said('MUMPS', toolchain)['parameters']['buildopts']
    assert all('-Drestrict=__restrict' in command for command in said('SCOTCH', toolchain)['commands'])
    assert said('ELPA', toolchain)['environment']['CPP'] == 'cpp'
    assert ' -GNU ' in said('PDT', toolchain)['commands'][-1]
    assert said('Trinity', toolchain)['commands'][-1].startswith('make TRINITY_COMPILER=gcc ')


@pytest.mark.parametrize('toolchain', TOOLCHAINS)
def test_libraries_of_libsci(said, toolchain):
    compiler = toolchain[3:].lower()
    cmake = said('Trilinos', toolchain)['commands'][-1]
    assert '-DBLAS_LIBRARY_NAMES="sci_%s_mp;pthread"' % compiler in cmake and 'libgfortran' not in cmake
    given = '-DBLA_VENDOR=All -DBLAS_LIBRARIES=$/libsci/lib/libsci_%s%s.so ' % (compiler, '%s')
    assert given % '' in said('SuiteSparse', toolchain)['parameters']['prebuildopts']
    cmake = said('SuperLU', toolchain)['commands'][-1]
    assert given % '_mp' in cmake and 'ATLAS' not in cmake
    assert '-DGMX_BLAS_USER="$/libsci/lib/libsci_%s_mp.so"' % compiler in said('GROMACS', toolchain)['commands'][-1]


@pytest.mark.parametrize('toolchain', TOOLCHAINS)
def test_libsci_by_pkg_config(said, toolchain):
    result = said('numpy', toolchain)
    words = result['parameters']['installopts'].split()
    assert [word for word in words if 'blas=' in word or 'lapack=' in word] == [
        '-Csetup-args=-Dallow-noblas=false', '-Csetup-args=-Dblas=libsci', '-Csetup-args=-Dlapack=libsci']
    assert '-Dblas=libsci -Dlapack=libsci ' in said('scipy', toolchain)['commands'][-1]
    assert result['libsci.pc'].splitlines()[-1] == 'Libs: -L$/libsci/lib -lsci_%s_mp -lpthread' % toolchain[3:].lower()


@pytest.mark.parametrize('toolchain', OTHERS)
def test_clang_uses_the_gcc_of_the_compiler(said, toolchain):
    result = said('Clang', toolchain)
    assert "-DGCC_INSTALL_PREFIX='/usr' " in result['commands'][-1] and 'EBROOTGCC' not in result['environment']


@pytest.mark.parametrize('toolchain', TOOLCHAINS)
def test_opencv_has_lapack(said, toolchain):
    """Upstream names FlexiBLAS or nothing, and OpenCV is built without LAPACK in silence."""
    result = said('OpenCV', toolchain)
    cmake = result['commands'][-1]
    assert '-DLAPACK_LIBRARIES="$/libsci/lib/libsci_%s_mp.so;-lm;-ldl"' % toolchain[3:].lower() in cmake
    assert '-DLAPACK_INCLUDE_DIR=$/libsci/include -DLAPACK_CBLAS_H=cblas.h' in cmake and 'flexiblas' not in cmake
    assert 'EBROOTFLEXIBLAS' not in result['environment']


@pytest.mark.parametrize('toolchain', TOOLCHAINS)
def test_pytorch(said, toolchain):
    """One library is given in the place of OpenBLAS, and PyTorch's script passes it on to CMake."""
    result = said('PyTorch', toolchain)
    assert '"WITH_BLAS", "BLAS_openblas_LIBRARY",' in result['files']['tools/setup_helpers/cmake.py']
    words = result['parameters']['prebuildopts'].split()
    given = 'BLAS_openblas_LIBRARY=$/libsci/lib/libsci_%s_mp.so' % toolchain[3:].lower()
    assert {given, 'BLAS=Eigen', 'WITH_BLAS=open', 'USE_IBVERBS=0', 'USE_CUDA=0'} <= set(words)
    assert 'USE_IBVERBS=1' not in words and 'EBROOTOPENBLAS' not in result['environment']


@pytest.mark.parametrize('toolchain, compiler', [
    ('cpeGNU', 'gfortran'), ('cpeCray', 'cce'), ('cpeAOCC', 'aocc'), ('cpeAMD', 'aocc')])
def test_esmf(said, toolchain, compiler):
    environment = said('ESMF', toolchain)['environment']
    assert [environment[name] for name in ('ESMF_OS', 'ESMF_COMPILER', 'ESMF_COMM')] == ['Unicos', compiler, 'mpi']
    assert 'ESMF_OS' not in said('ESMF', None)['environment']


@pytest.mark.parametrize('toolchain', TOOLCHAINS)
def test_gromacs_starts_mpi_by_slurm(said, toolchain):
    cmake = said('GROMACS', toolchain)['commands'][-1]
    # the name changed with CMake's
    assert re.search(r'-DMPIEXEC(_EXECUTABLE)?=\$/bin/srun -DMPIEXEC_NUMPROC_FLAG=--ntasks ', cmake)


@pytest.mark.parametrize('toolchain', TOOLCHAINS)
def test_meson_and_ninja_of_buildtools(said, recipe_text, toolchain):
    """The recipe's builddependencies are buildtools and buildtools-python: upstream's easyblock stops there."""
    builddependencies = recipe_text(CASES['MesonNinja']['recipe'], toolchain).partition('\nbuilddependencies')[2]
    assert 'Meson' not in builddependencies.partition(']')[0] and 'buildtools' in builddependencies
    # CCE's linker is told more in front
    assert 'meson setup --prefix @/install ' in said('MesonNinja', toolchain)['commands'][-1]


def test_upstream_stops_without_ours(probe, recipe_text):
    """When one of these fails, upstream has learnt it and ours can go."""
    names = ['Boost', 'OpenFOAM', 'NAMD', 'Siesta', 'CP2K', 'Score-P', 'OTF2', 'QuantumESPRESSO', 'MUMPS', 'SCOTCH',
             'ELPA', 'PDT', 'Clang', 'Trinity', 'PyTorch', 'SuiteSparse', 'SuperLU', 'MesonNinja']
    cases = [dict(CASES[name], text=recipe_text(CASES[name]['recipe'], 'cpeAMD')) for name in names]
    for name, result in zip(names, probe(cases, mended=False)):
        assert result['error'], name + ' does not need ours any more'


@pytest.mark.parametrize('gnuplot, reason', [(None, 'the recipe has no gnuplot'), ('/x', None)])
def test_openfoam_checks_what_the_recipe_has(probe, recipe_text, gnuplot, reason):
    """The package's data leaves gnuplot out, and foamMonitor -h asks for it."""
    case = CASES['OpenFOAM']
    found, = probe([dict(case, text=recipe_text(case['recipe'], 'cpeGNU'), steps=[['why_not', '! foamMonitor -h']],
                         environment={'EBROOTGNUPLOT': gnuplot} if gnuplot else {})])
    assert found['error'] is None and (found['returned'] or '').startswith(reason or '') is True
    assert bool(found['returned']) is bool(reason)


def test_what_upstream_s_easyblocks_take_from_each_other():
    """A file of ours stands for upstream's whole file: it has every name that another easyblock imports from it."""
    own = {os.path.splitext(os.path.basename(path))[0]: path for folder in ('fixes', 'fixes_generic')
           for path in glob.glob(os.path.join(os.path.dirname(__file__), '..', '..', 'easyblocks', folder, '*.py'))}
    missing = []
    for folder in easybuild.easyblocks.__path__:
        for path in glob.glob(os.path.join(folder, '**', '*.py'), recursive=True):
            with open(path, encoding='utf-8') as stream:
                tree = ast.parse(stream.read())
            for node in ast.walk(tree):
                module = (getattr(node, 'module', None) or '').rpartition('.')[2]
                if isinstance(node, ast.ImportFrom) and 'easybuild.easyblocks' in node.module and module in own:
                    with open(own[module], encoding='utf-8') as stream:
                        text = stream.read()
                    missing += [(path, alias.name) for alias in node.names
                                if 'class %s(' % alias.name not in text and 'def __getattr__(' not in text]
    assert not missing


def test_open_mpi_looks_for_what_the_wrappers_say(probe, recipe_text):
    """mpicxx says what the compiler behind CC says of itself, and upstream's easyblock looked for CC in it."""
    commands = {'CC --version': 'g++ (SUSE Linux) 14.2.0\nCopyright\n', 'ftn --version': '\nGNU Fortran (SUSE Linux)\n'}
    cases = [{'text': recipe_text('OpenMPI-5.0.7-GCC-14.2.0.eb', toolchain) + "\nconfigopts = preconfigopts = ''\n",
              'steps': ['compilers_said'], 'commands': commands} for toolchain in ('cpeGNU', None)]
    ours, upstream = probe(cases)
    assert not ours['error'] and not upstream['error'], (ours['error'], upstream['error'])
    assert ours['returned'] == {'CXX': 'g++ (SUSE Linux) 14.2.0', 'FC': 'GNU Fortran (SUSE Linux)',
                                'F90': 'GNU Fortran (SUSE Linux)'}
    assert upstream['returned'] == {}
