# SPDX-License-Identifier: GPL-2.0-only
"""The rules that read what is known of a package."""
import os
import subprocess

import pytest
from ruling import BY_ID, says

from lumi_hooks.adapt import adapt
from lumi_hooks.dependency import Dependency
from lumi_hooks.packages import package
from lumi_hooks.plan import make_plan
from lumi_hooks.recipe import read_recipe
from lumi_hooks.rules import known as known_rules
from lumi_hooks.rules import provided
from lumi_hooks.rules import python as python_rules
from lumi_hooks.rules.draft import Draft
from lumi_hooks.site import make_site

# --- what is known of a package's own dependencies

@pytest.fixture
def known(monkeypatch):
    """Data of the package Thing."""
    def make(**data):
        real = package
        for module in (known_rules, provided, python_rules):
            monkeypatch.setattr(module, 'package', lambda name: data if name == 'Thing' else real(name))
    return make


@pytest.mark.parametrize('change, text, expected', [
    ('build-only', "dependencies = [('Lib', '1.0'), ('Other', '2.0')]\n", (['Other'], ['Lib'])),
    ('build-only', "builddependencies = [('Lib', '1.0')]\n", ([], ['Lib'])),
    ('build-only', "dependencies = [('Lib', '1.0')]\nbuilddependencies = [('Lib', '1.0')]\n", ([], ['Lib'])),
    ('leave-out', "dependencies = [('Lib', '1.0')]\nbuilddependencies = [('Lib', '1.0'), ('Other', '2.0')]\n",
     ([], ['Other'])),
    ('add', "dependencies = [('Other', '2.0')]\n", (['Other', 'Lib'], [])),
    ('add', "builddependencies = [('Lib', '1.0')]\n", ([], ['Lib'])),
])
def test_rule_package_dependencies(recipe, site, known, change, text, expected):
    known(dependencies={'Lib': {'change': change, 'reason': 'tested', 'link': 'https://example.org'}})
    draft = Draft(recipe(text))
    for item in list(BY_ID['package-dependencies'](draft, site)):
        assert (item.reason, item.link) == ('tested', 'https://example.org')
        draft.apply(item)
    found = tuple([item.name for item in draft.dependencies(name)] for name in ('dependencies', 'builddependencies'))
    assert found == expected
    assert list(BY_ID['package-dependencies'](draft, site)) == [], 'it acts once'


@pytest.mark.parametrize('bounds, acts', [({}, True), ({'min': '1.0'}, True), ({'min': '1.1'}, False),
                                          ({'below': '1.0'}, False), ({'min': '0.9', 'below': '1.1'}, True)])
def test_rule_package_dependencies_holds_within_its_bounds(recipe, site, known, bounds, acts):
    known(dependencies={'Lib': {'change': 'leave-out', 'reason': 'tested', **bounds}})
    assert bool(says('package-dependencies', recipe("dependencies = [('Lib', '1')]\n"), site)) == acts


@pytest.mark.parametrize('text, entry, expected', [
    ('', {'append': '-DX=1'}, '-DX=1'), ("configopts = '-DY=2'\n", {'append': '-DX=1'}, '-DY=2 -DX=1'),
    ("configopts = '-DX=1'\n", {'append': '-DX=1'}, '-DX=1'), ("configopts = 'a'\n", {'value': 'b'}, 'b'),
    ("configopts = ['a', 'b -DX=1']\n", {'append': '-DX=1'}, ['a -DX=1', 'b -DX=1']),
    ("configopts = 'a'\n", {'value': 'b', 'min': '2.0'}, 'a')])
def test_rule_package_parameters(recipe, site, known, text, entry, expected):
    known(parameters={'configopts': {**entry, 'reason': 'tested'}})
    found = adapt(recipe(text), site)
    assert found.parameters['configopts'] == expected
    assert all(change.reason == 'tested' for change in found.changes if change.rule == 'package-parameters')


def test_rule_package_dependencies_adds_what_the_cray_pe_has(upstream_file, upstream_site):
    """Score-P 9.0 was made without PAPI, as upstream had none of the right version."""
    found = adapt(read_recipe(upstream_file('Score-P-9.0-gompi-2025a.eb')), upstream_site)
    assert Dependency.external_module(upstream_site.release.module('papi')) in found.dependencies()


def test_rule_package_dependencies_replaces_copies_in_the_sources(upstream_file, upstream_site):
    """VTK's own HDF5 and netCDF are serial: with Cray's parallel ones it reads and writes in parallel."""
    found = adapt(read_recipe(upstream_file('VTK-9.3.0-foss-2023a.eb')), upstream_site)
    names = {str(item).split('/')[0] for item in found.dependencies() if item.external}
    assert {'cray-hdf5-parallel', 'cray-netcdf-hdf5parallel'} <= names and 'cray-fftw' not in names
    for copy in ('hdf5', 'netcdf'):
        assert f'-DVTK_MODULE_USE_EXTERNAL_VTK_{copy}=ON' in found.parameters['configopts']


def test_rule_package_dependencies_keeps_java_out_of_r(upstream_file, upstream_site):
    found = adapt(read_recipe(upstream_file('R-4.5.1-gfbf-2025a.eb')), upstream_site)
    assert 'Java' not in {item.name for item in found.dependencies()}
    assert 'Java' in {item.name for item in found.dependencies('builddependencies')}
    assert any('cray-R' in note and 'bundles' in note for note in adapt(
        read_recipe(upstream_file('R-bundle-CRAN-2025.10-foss-2025a.eb')), upstream_site).notes)


def test_rule_package_words(recipe, site):
    """VeloxChem's build is told Cray's name of its linear algebra, in an extension's commands."""
    more = "exts_list = [('veloxchem', '1', {'preinstallopts': 'export OPTIONS=\"-DVLX_LA_VENDOR=FlexiBLAS\" && '})]\n"
    change, = says('package-words', recipe(more, name='VeloxChem'), site)
    assert change.parameter == 'exts_list' and 'LA_VENDOR=Cray"' in change.after[0][2]['preinstallopts']
    assert says('package-words', recipe(more, name='Other'), site) == []


@pytest.mark.parametrize('toolchain', ['cpeGNU', 'cpeCray'])
def test_R6_a_module_for_fortran_is_one_of_the_wrappers_compiler(upstream_file, upstream_index, toolchain):
    """
    likwid's two words stand in one parameter, and both are replaced: a bare gfortran is the operating system's, whose
    modules no other compiler reads. libcerf's recipe for Intel's compilers has an option that no other one knows.
    """
    site = make_site('25.03', toolchain=toolchain, index=upstream_index, env={})
    found = adapt(read_recipe(upstream_file('likwid-5.2.2-GCC-11.3.0.eb')), site).parameters['prebuildopts']
    assert 'FC  = ftn@g' in found and "FCFLAGS  = -J ./ $(F90FLAGS)@g'" in found and 'gfortran' not in found
    libcerf = adapt(read_recipe(upstream_file('libcerf-2.4-intel-compilers-2023.2.1.eb')), site)
    assert libcerf.parameters['installopts'].endswith('.f90 -J %(installdir)s/include')


def test_several_words_of_one_parameter_are_all_replaced(recipe, site):
    """Each was computed from what was there before the first: the last one put the others back."""
    more = "configopts = '--with-cuda=internal --without-xpmem'\n"
    change, = says('package-words', recipe(more, name='OpenMPI'), site)
    assert change.after == '--without-cuda --with-cray-xpmem=auto'
    assert 'AMD' in change.reason and 'memory' in change.reason


def test_zips_own_script_compiles_with_the_wrapper(upstream_file, upstream_site):
    """Its target generic_gcc calls gcc; its script tries programs that GCC 14 refuses, without $CFLAGS."""
    found = adapt(read_recipe(upstream_file('Zip-3.0-GCCcore-12.3.0.eb')), upstream_site)
    options = found.parameters['buildopts']
    assert options.endswith(' generic') and 'CC="$CC -Wno-error=implicit-function-declaration ' in options


@pytest.mark.parametrize('name', ['OpenMPI-4.1.6-GCC-13.2.0.eb', 'OpenMPI-5.0.7-GCC-14.2.0.eb'])
def test_R16_an_open_mpi_goes_over_slingshot(upstream_site, name):
    found = adapt(read_recipe(f'{upstream_site.index.upstream[0]}/o/OpenMPI/{name}'), upstream_site)
    words = found.parameters['configopts'].split()
    assert '--with-ofi=$(pkg-config --variable=prefix libfabric)' in ' '.join(words)
    assert {'--with-slurm', '--without-ucx', '--without-cuda'} <= set(words)
    # not TCP without a word where libfabric has nothing for it
    assert found.parameters['modextravars'] == {'OMPI_MCA_pml': 'cm', 'OMPI_MCA_mtl': 'ofi'}
    needs = {item.name for item in found.dependencies()}
    # libevent without PMIx would stop its easyblock
    assert not needs & {'libfabric', 'UCX', 'UCC', 'PMIx', 'libevent'} and 'cray-mpich' in found.kept_out
    # its own hwloc took a CUDA that lay in /usr/local: the first means nothing to it
    assert [word for word in words if 'cuda' in word] == ['--without-cuda', 'enable_cuda=no']
    assert 'xpmem' not in found.kept_out and '--without-xpmem' not in words
    assert '5.0' not in name or '--with-cray-xpmem=auto' in words
    # Open MPI 5 does not know it, and EasyBuild ends at an option that configure does not know
    assert ('--without-verbs' in words) is ('5.0' not in name)


def test_R16_an_mpich_goes_over_slingshot(upstream_site):
    found = adapt(read_recipe(f'{upstream_site.index.upstream[0]}/m/MPICH/MPICH-4.3.0-GCC-14.2.0.eb'), upstream_site)
    assert found.parameters['device'] == 'ch4:ofi'
    assert found.parameters['configopts'] == '--with-libfabric=$(pkg-config --variable=prefix libfabric)'


@pytest.mark.parametrize('numpy, left_out', [('1.24.4', True), ('2.3.5', False)])
def test_h5py_leaves_the_module_of_numpy_2_out_with_numpy_1_alone(recipe, site, tmp_path, numpy, left_out):
    """h5py 3.14 asserts that numpy is 2, though nothing but one module needs that, which numpy 1 never imports."""
    change, = says('package-parameters', recipe("preinstallopts = 'HDF5_MPI=ON '", name='h5py', version='3.14.0'), site)
    (tmp_path / 'numpy.py').write_text(f'__version__ = {numpy!r}\n')
    setup = "  'h5pl'] + MODULES_NUMPY2\n  assert numpy.__version__ >= '2.0'  # See build dependencies\n"
    (tmp_path / 'setup_build.py').write_text(setup)
    done = subprocess.run(['bash', '-c', f'{change.after} printenv HDF5_MPI'], cwd=tmp_path, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=True,
                          env={**os.environ, 'PYTHONPATH': str(tmp_path), 'PYTHONDONTWRITEBYTECODE': '1'})
    assert done.stdout == 'ON\n', 'the command behind it runs with the variables before it'
    assert (tmp_path / 'setup_build.py').read_text() == ("  'h5pl']\n" if left_out else setup)


@pytest.mark.parametrize('odd', [{'a': 1}, [7, {'a': 1}], True])
def test_options_that_easybuild_does_not_take_stay(odd):
    assert known_rules._with(odd, '-DX=ON') == odd
    assert known_rules._with(['-DY=1', None], '-DX=ON') == ['-DY=1 -DX=ON', '-DX=ON']


@pytest.mark.parametrize('name', ['NASM', 'Yasm', 'gperf', 'pkgconf'])
def test_R13_tools_for_building_are_not_loaded_with_the_software(recipe, name):
    """libjpeg-turbo of 2025a loads NASM: buildtools/25.09 stood beside buildtools/25.09-CMake3 in 1,296 plans."""
    site = make_site('25.09', env={})
    kept = adapt(recipe(f"dependencies = [({name!r}, '2.0'), ('zlib', '1.3.1')]\n"
                        "builddependencies = [('CMake', '3.31.3')]\n"), site)
    assert 'buildtools' not in [item.name for item in kept.dependencies()]
    tool, = kept.dependencies('builddependencies')
    assert (tool.name, tool.versionsuffix) == ('buildtools', '-CMake3')


def test_a_tool_that_software_starts_stays(recipe, site):
    """Octave's help is made by makeinfo."""
    kept = adapt(recipe("dependencies = [('makeinfo', '6.8')]\n"), site)
    assert 'buildtools' in [item.name for item in kept.dependencies()]


def test_pytorch_without_the_ffmpeg_that_it_no_longer_reads(upstream_file, upstream_index):
    """With it, and torchvision's of another major version, 59 plans of release 24.03 were refused."""
    site = make_site('24.03', index=upstream_index, env={})
    for name, there in (('PyTorch-2.6.0-foss-2024a.eb', False), ('PyTorch-2.1.2-foss-2023a.eb', True)):
        kept = adapt(read_recipe(upstream_file(name)), site)
        assert ('FFmpeg' in [item.name for item in kept.dependencies()]) is there, name
    assert not make_plan([upstream_file('accelerate-0.33.0-foss-2023a.eb')], site).refused


def test_torchaudio_keeps_the_ffmpeg_that_it_compiles_with(upstream_file, upstream_site):
    """From 2.6 on upstream's patch is for FFmpeg 7; 0.12 is for 4. SoX, which is loaded with it, links none."""
    for name, major in (('torchaudio-0.12.0-foss-2022a-PyTorch-1.12.0.eb', '4'),
                        ('torchaudio-2.6.0-foss-2024a.eb', '7')):
        kept, = (item for item in adapt(read_recipe(upstream_file(name)), upstream_site).dependencies()
                 if item.name == 'FFmpeg')
        assert kept.version.split('.')[0] == major
        assert not make_plan([upstream_file(name)], upstream_site).refused
