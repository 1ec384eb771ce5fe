# SPDX-License-Identifier: GPL-2.0-only
"""The rules of what the Cray PE provides, and of one version of a library in a release."""
import subprocess

import pytest
from ruling import says
from writing import put_module

from lumi_hooks.adapt import adapt
from lumi_hooks.change import Refusal
from lumi_hooks.dependency import Dependency
from lumi_hooks.index import Index
from lumi_hooks.plan import make_plan
from lumi_hooks.plan.together import loaded_with
from lumi_hooks.recipe import read_recipe
from lumi_hooks.releases import library_versions, load_release, load_upstream, release_names
from lumi_hooks.rules import provided
from lumi_hooks.rules.draft import Draft
from lumi_hooks.site import make_site

# --- cray-provided

def provided_modules(recipe, site, text, **facts):
    return {str(item) for item in adapt(recipe(text, **facts), site).dependencies()}


@pytest.mark.parametrize('toolchain, options, modules', [
    (('GCC', '14.2.0'), '', {'cray-hdf5'}),
    (('gfbf', '2025a'), '', {'cray-hdf5', 'cray-fftw'}),
    (('gompi', '2025a'), '', {'cray-hdf5-parallel'}),
    (('GCC', '14.2.0'), "toolchainopts = {'usempi': True}\n", {'cray-hdf5-parallel'}),
])
def test_rule_cray_provided_flavours(recipe, upstream_site, toolchain, options, modules):
    more = options + "dependencies = [('HDF5', '1.14.6')]\n"
    found = provided_modules(recipe, upstream_site, more, toolchain=toolchain)
    release = upstream_site.release
    assert found == {release.module(module) for module in modules}


def test_rule_cray_provided_netcdf_comes_with_hdf5(recipe, site):
    text = "dependencies = [('netCDF', '4.9.2'), ('netCDF-Fortran', '4.6.1'), ('HDF5', '1.14.5')]\n"
    names = {item.name for item in adapt(recipe(text, toolchain=('gompi', '2025a')), site).dependencies()}
    assert names == {'cray-netcdf-hdf5parallel', 'cray-hdf5-parallel'}
    names = {item.name for item in adapt(recipe(text, toolchain=('GCC', '14.2.0')), site).dependencies()}
    assert names == {'cray-netcdf', 'cray-hdf5'}


def test_rule_cray_provided_serial_dependency_of_an_mpi_recipe(recipe, upstream_site):
    """A dependency that upstream builds without MPI stays serial, though the recipe's own toolchain has MPI."""
    text = "dependencies = [('HDF5', '1.14.5', '', ('GCC', '14.2.0'))]\n"
    found = adapt(recipe(text, toolchain=('gompi', '2025a')), upstream_site).dependencies()
    assert [item.name for item in found] == ['cray-hdf5']


@pytest.mark.parametrize('release', release_names())
def test_rule_cray_provided_python_of_every_release(recipe, release):
    site = make_site(release, env={})
    change, = says('cray-provided', recipe("dependencies = [('Python', '3.13.1')]\n"), site)
    assert change.after == Dependency.external_module(load_release(release).module('cray-python'))


def test_rule_cray_provided_refuses_what_a_release_lacks(recipe, monkeypatch, site):
    monkeypatch.delitem(site.release.modules, 'papi')
    found, = says('cray-provided', recipe("dependencies = [('PAPI', '7.1.0')]\n"), site)
    assert isinstance(found, Refusal) and 'has no module papi' in found.reason and 'PAPI 7.1.0' in found.reason


def test_rule_cray_provided_only_parallel(recipe, site):
    assert [item.name for item in adapt(recipe("dependencies = [('PnetCDF', '1.14.0')]\n", toolchain=('GCC', '14.2.0')),
                                        site).dependencies()] == ['cray-parallel-netcdf']


@pytest.mark.parametrize('dependency, built', [
    ("('Python', '2.7.18')", True), ("('Python', '3.14.2')", False), ("('FFTW', '2.1.5')", True),
    ("('FFTW', '3.3.4')", False), ("('netCDF', '3.6.3')", True), ("('netCDF', '4.10.0')", False),
    ("('HDF5', '2.1.1')", False), ("('PAPI', '5.5.1')", False), ("('PnetCDF', '1.14.1')", False)])
def test_rule_cray_provided_by_policy_of_versions(recipe, upstream_site, dependency, built):
    """What the Cray module can't stand in for by its version is built, and the change says so."""
    found = recipe(f'dependencies = [{dependency}]\n', toolchain=('gompi', '2023a'))
    assert bool(says('cray-provided', found, upstream_site)) is not built
    if built:
        name = dependency.split("'")[1]
        assert any(item.name == name for item in adapt(found, upstream_site).dependencies())
        reason = provided.why_built(Draft(found), upstream_site, found.dependencies()[0],
                                    provided.treatment(name))
        assert upstream_site.release.module(provided.treatment(name).serial[-1]) in reason


def test_rule_cray_provided_not_below_what_a_package_needs(recipe, upstream_site, monkeypatch):
    for least, stands in (('1.14', True), ('1.15', False)):
        monkeypatch.setattr(provided, 'package', lambda name, least=least: {
            'needs': {'HDF5': {'min': least, 'reason': 'tested'}}})
        found = recipe("dependencies = [('HDF5', '1.14.6')]\n", toolchain=('gompi', '2025a'))
        assert bool(says('cray-provided', found, upstream_site)) is stands
    note, = adapt(found, upstream_site).notes
    assert note.startswith('HDF5 1.14.6 is built: Thing needs at least 1.15 (tested)')


@pytest.mark.parametrize('suffix, name', [('-serial', 'cray-hdf5'), ('-mpi', 'cray-hdf5-parallel')])
def test_rule_cray_provided_by_suffix(recipe, upstream_site, suffix, name):
    text = f"toolchainopts = {{'usempi': True}}\ndependencies = [('HDF5', '1.14.6', '{suffix}')]\n"
    assert [item.name for item in adapt(recipe(text), upstream_site).dependencies()][:1] == [name]


def test_rule_cray_provided_by_what_is_known_of_the_package(recipe, site, monkeypatch):
    monkeypatch.setattr(provided, 'uses', lambda name, what: {'value': False, 'reason': 'tested'})
    text = "toolchainopts = {'usempi': True}\ndependencies = [('HDF5', '1.14.6')]\n"
    change, = says('cray-provided', recipe(text), site)
    assert change.after.name == 'cray-hdf5' and '(serial: tested)' in change.reason


# --- toolchain-fft

@pytest.mark.parametrize('toolchain', list(load_upstream()['toolchains']))
def test_rule_toolchain_fft(recipe, site, toolchain):
    version = '2025a' if toolchain not in ('GCC', 'GCCcore') else '14.2.0'
    found = says('toolchain-fft', recipe(toolchain=(toolchain, version)), site)
    assert bool(found) == load_upstream()['toolchains'][toolchain]['fft']
    for change in found:
        assert change.before is None and change.after.name == 'cray-fftw' and toolchain in change.reason


def test_rule_toolchain_fft_not_twice_and_not_for_those_without(recipe, site):
    adaptation = adapt(recipe("dependencies = [('FFTW', '3.3.10'), ('FFTW.MPI', '3.3.10')]\n"), site)
    assert [item.name for item in adaptation.dependencies()] == ['cray-fftw']
    assert says('toolchain-fft', recipe(name='HPCC'), site) == []


@pytest.mark.parametrize('easyblock, more, loaded', [
    ('PythonBundle', '', False), ('RPackage', '', False), ('PythonBundle', "exts_list = [('pyFFTW', '0.14')]\n", True),
    ('CMakeMake', '', True), ('Tarball', '', False), ('Bundle', "exts_defaultclass = 'RPackage'\n", False),
    ('Bundle', "exts_defaultclass = 'CMakeMake'\n", True)])
def test_rule_toolchain_fft_by_easyblock(recipe, site, easyblock, more, loaded):
    assert bool(says('toolchain-fft', recipe(f'easyblock = {easyblock!r}\n{more}'), site)) is loaded


# --- release-version

def test_release_version_bounds_nothing_when_there_is_nothing(recipe, site):
    assert says('release-version', recipe("dependencies = [('zlib', '1.2.13')]\n"), site) == []


def test_rule_release_version_snaps(recipe, upstream_site):
    change, = says('release-version', recipe("dependencies = [('zlib', '1.2.13')]\n"), upstream_site)
    assert change.before == Dependency('zlib', '1.2.13') and change.after == Dependency('zlib', '1.3.1')


def test_rule_release_version_drops_upstreams_toolchain(recipe, site):
    change, = says('release-version', recipe("dependencies = [('zlib', '1.3.1', '', ('GCCcore', '14.2.0'))]\n"), site)
    assert change.after == Dependency('zlib', '1.3.1')


@pytest.mark.parametrize('dependency', [
    "('EasyBuild', '4.0', '', SYSTEM)", "('zlib', '1.2.13', '', ('gobff', '2023a'))",
    "('cray-python/3.11.7', EXTERNAL_MODULE)", "('binutils', '2.42')", "('HDF5', '1.8.0')"])
def test_rule_release_version_leaves_alone(recipe, upstream_site, dependency):
    assert says('release-version', recipe(f'dependencies = [{dependency}]\n'), upstream_site) == []


@pytest.mark.parametrize('name, version, dependency, kept', [
    ('Boost.MPI', '1.82.0', "('Boost', '%(version)s')", True), ('Boost.MPI', '1.82.0', "('Boost', '1.82.0')", True),
    ('Boost.MPI', '1.82.0', "('Boost', '1.83.0')", False), ('Other', '1.82.0', "('Boost', '1.82.0')", False),
    # a version that upstream does not have is no bound
    ('Boost.MPI', '0.1', "('Boost', '%(version)s')", False)])
def test_rule_release_version_of_what_is_released_in_step(recipe, upstream_site, name, version, dependency, kept):
    found = recipe(f'dependencies = [{dependency}]\n', name=name, version=version)
    boost, = (item for item in adapt(found, upstream_site).dependencies() if item.name == 'Boost')
    assert (boost.version == '1.82.0') is kept


def test_rule_release_version_of_what_works_with_a_newer_one(recipe, upstream_index):
    """libxml2-python names its own version of libxml2, and works with the release's newer one."""
    found = recipe("dependencies = [('libxml2', '%(version)s')]\n", name='libxml2-python', version='2.14.3')
    site = make_site('25.09', index=upstream_index, env={})
    libxml2, = (item for item in adapt(found, site).dependencies() if item.name == 'libxml2')
    assert libxml2.version in library_versions('25.09')['libxml2'] and libxml2.version != '2.14.3'


@pytest.mark.parametrize('release, name', [('25.03', 'Boost.Python'), ('25.09', 'Boost.Python-NumPy')])
def test_rule_release_version_of_what_another_software_holds(recipe, upstream_index, release, name):
    """Upstream has no Boost.Python for the Boost of LUMI's 25.09, but one with NumPy's part."""
    more = "dependencies = [('Boost', '1.88.0'), ('Boost.Python', '1.88.0')]\nconfigopts = '$EBROOTBOOSTPYTHON'\n"
    found = adapt(recipe(more), make_site(release, index=upstream_index, env={}))
    boost, python = (item for item in found.dependencies() if item.name.startswith('Boost'))
    assert python.name == name and python.version == boost.version
    assert found.parameters['configopts'] == '$EBROOTBOOSTPYTHON' + ('MINNUMPY' if release == '25.09' else '')


# --- central-tools: the variant of buildtools

@pytest.mark.parametrize('release, cmake, suffix', [
    ('25.09', '3.31.8', '-CMake3'), ('25.09', '4.0.3', ''), ('25.09', None, ''), ('25.03', '3.31.8', ''),
    ('26.03', '3.31.8', '-CMake3'), ('26.03', '4.0.3', '')])
def test_rule_central_tools_by_the_version_of_cmake(recipe, release, cmake, suffix):
    """One variant for all tools of a recipe: x265 4.1 needs CMake 3, and buildtools/25.09 holds CMake 4."""
    tools = "('CMake', '%s'), " % cmake if cmake else ''
    text = "builddependencies = [('Ninja', '1.12'), %s('pkgconf', '2.4'), ('M4', '1.4')]\n" % tools
    found = adapt(recipe(text, name='x265', version='4.1'), make_site(release, env={}))
    tool, = found.dependencies('builddependencies')
    assert (tool.name, tool.versionsuffix) == ('buildtools', suffix)
    reasons = {change.reason for change in found.changes if change.rule == 'central-tools'}
    assert any('CMake 3' in reason for reason in reasons) is bool(suffix)


@pytest.mark.parametrize('more', [
    # loaded with the software, or by what it needs: a second buildtools would unload it
    "dependencies = [('CMake', '3.31.8')]\nbuilddependencies = [('CMake', '3.31.8')]\n",
    "builddependencies = [('CMake', '3.31.8'), ('scikit-build-core', '0.11.5')]\n",
    "dependencies = [('PyTorch', '2.6.0')]\nbuilddependencies = [('CMake', '3.31.8')]\n"])
def test_rule_central_tools_one_buildtools_at_a_time(recipe, more):
    found = adapt(recipe(more), make_site('25.09', env={}))
    tools = {item for where in ('dependencies', 'builddependencies') for item in found.dependencies(where)
             if item.name == 'buildtools'}
    assert {item.versionsuffix for item in tools} == {''}


@pytest.mark.parametrize('release', release_names())
def test_no_reason_says_that_buildtools_holds_pkgconf(recipe, release):
    """It does not: the operating system's pkg-config serves."""
    change, = says('central-tools', recipe("builddependencies = [('pkgconf', '2.4')]\n"), make_site(release, env={}))
    assert 'operating system' in change.reason


# --- libraries whose interface broke, for one package

@pytest.mark.parametrize('name, version, major', [
    ('QuantumESPRESSO', '6.8', '5'), ('QuantumESPRESSO', '7.1', '7'), ('ABINIT', '9.6.2', '5'), ('CP2K', '9.1', '7')])
def test_rule_release_version_libxc(recipe, upstream_site, name, version, major):
    found = adapt(recipe("dependencies = [('libxc', '5.2.3')]\n", name=name, version=version), upstream_site)
    libxc, = (item for item in found.dependencies() if item.name == 'libxc')
    assert libxc.version.split('.')[0] == major


@pytest.mark.parametrize('name, library, version', [
    ('arrow-R-17.0.0.1-foss-2024a-R-4.4.2.eb', 'Arrow', '17.0.0'), ('GEMMA-0.98.5-gfbf-2023b.eb', 'Catch2', '2.13.10'),
    ('Cantera-3.2.0-foss-2024a.eb', 'HighFive', '2.10.1')])
def test_B6_a_library_whose_interface_broke_keeps_its_side(upstream_site, upstream_file, name, library, version):
    found = adapt(read_recipe(upstream_file(name)), upstream_site)
    assert [item.version for parameter in ('dependencies', 'builddependencies')
            for item in found.dependencies(parameter) if item.name == library] == [version]


@pytest.mark.parametrize('version, said', [('7.5', True), ('7.3.1', True), ('7.2', False)])
def test_scalapack_of_quantum_espresso(recipe, site, version, said):
    """LUMI's recipe says the same; before 7.3.1 it is built by make."""
    found = adapt(recipe(name='QuantumESPRESSO', version=version), site)
    assert ('-DSCALAPACK_LIBRARIES="-lm"' in (found.parameters.get('configopts') or '')) is said


@pytest.mark.parametrize('name, where, kept', [
    ('Score-P', 'dependencies', True), ('Extrae', 'dependencies', True), ('strace', 'builddependencies', True),
    ('lz4', 'dependencies', False), ('lz4', 'builddependencies', False)])
def test_rule_toolchain_provided_of_binutils_as_a_library(recipe, upstream_site, name, where, kept):
    """
    R14: tools that read the symbols of programs link libbfd, and strace's configure stops without libiberty; the
    compiler's binary tools are no library.
    """
    found = adapt(recipe(f"{where} = [('binutils', '2.42')]\n", name=name, version='5.0'), upstream_site)
    assert ('binutils' in {item.name for item in found.dependencies(where)}) is kept


def test_the_easyblock_of_jaxlib_in_lumis_easybuild_finds_binutils(upstream_site, upstream_file):
    """5.1.2 and 5.2.0 stop without a module of it; upstream's comes with GCC."""
    found = adapt(read_recipe(upstream_file('jax-0.4.25-gfbf-2023a.eb')), upstream_site)
    assert [item.version for item in found.dependencies('builddependencies') if item.name == 'binutils'] == ['2.42']


# --- central-bundles

@pytest.mark.parametrize('release, there, stands', [
    ('25.03', 'OpenGL/25.03-cpeGNU-25.03', True), ('24.03', 'OpenGL/24.03-cpeGNU-24.03', True),
    ('25.03', 'OpenGL/25.03-cpeCray-25.03', False), ('25.03', 'zlib/1.3.1-cpeGNU-25.03', False),
    ('25.09', 'OpenGL/25.09-cpeGNU-25.09', False)])
def test_rule_central_bundles(recipe, tmp_path, release, there, stands):
    """Where LUMI has OpenGL, a second Mesa is not built; where it has none, upstream's is."""
    put_module(tmp_path, *there.split('/'))
    site = make_site(release, index=Index([str(tmp_path)]), env={})
    text = "dependencies = [('Mesa', '25.1.3'), ('libGLU', '9.0.3'), ('zlib', '1.3.1')]\n"
    found = adapt(recipe(text + "builddependencies = [('libglvnd', '1.7.0')]\n"), site)
    names = {parameter: [item.name for item in found.dependencies(parameter) if not item.external]
             for parameter in ('dependencies', 'builddependencies')}
    assert names == ({'dependencies': ['OpenGL', 'zlib'], 'builddependencies': ['OpenGL']} if stands else
                     {'dependencies': ['Mesa', 'libGLU', 'zlib'], 'builddependencies': ['libglvnd']})
    # one of its members is built with upstream's others
    own = adapt(recipe("dependencies = [('libglvnd', '1.7.0')]\n", name='Mesa'), site)
    assert [item.name for item in own.dependencies() if not item.external] == ['libglvnd']


# --- R20: what uses no MPI gets what has none

@pytest.mark.parametrize('toolchain, text, suffix', [
    (('foss', '2025a'), '', '-serial'),
    (('gfbf', '2025a'), '', '-serial'),
    (('foss', '2025a'), "toolchainopts = {'usempi': True}\n", ''),
    # what it is compiled with itself is parallel, or it speaks MPI from Python
    (('foss', '2025a'), "builddependencies = [('HDF5', '1.14.6')]\n", ''),
    (('foss', '2025a'), "builddependencies = [('mpi4py', '4.1.0')]\n", ''),
])
def test_R20_h5py_without_mpi(recipe, upstream_site, toolchain, text, suffix):
    found = adapt(recipe(text + "dependencies = [('h5py', '3.14.0')]\n", toolchain=toolchain), upstream_site)
    h5py, = (item for item in found.dependencies() if item.name == 'h5py')
    assert h5py.versionsuffix == suffix
    reasons = [change.reason for change in found.changes if change.rule == 'release-version']
    assert any('starts MPI' in reason for reason in reasons) is bool(suffix)


@pytest.mark.parametrize('name', ['Ferret', 'VMD', 'kallisto', 'OpenCV', 'pp-sketchlib'])
def test_R20_serial_tools_get_serial_libraries(recipe, site, name):
    text = "toolchainopts = {'usempi': True}\ndependencies = [('netCDF', '4.9.2'), ('HDF5', '1.14.5')]\n"
    found = adapt(recipe(text, name=name, toolchain=('foss', '2025a')), site)
    assert {'cray-netcdf', 'cray-hdf5'} <= {item.name for item in found.dependencies()}
    assert any('serial: it has no MPI' in change.reason for change in found.changes)


def test_R20_netcdf4_python_starts_no_mpi_and_loads_no_flavour(upstream_site, upstream_file):
    """Its import starts MPI with the parallel netCDF; AmberTools has the parallel one, and loads it."""
    found = adapt(read_recipe(upstream_file('netcdf4-python-1.7.2-foss-2025a.eb')), upstream_site)
    run, build = ({item.name for item in found.dependencies(name)} for name in ('dependencies', 'builddependencies'))
    assert 'cray-netcdf' in build and not any('netcdf' in name or 'hdf5' in name for name in run)
    assert 'cURL' not in run, 'six modules, for a static netCDF alone'
    plan = make_plan([upstream_file('AmberTools-25.2-foss-2025a.eb')], upstream_site)
    loaded = loaded_with(plan.nodes)[plan.targets[0]]
    assert {name.split('/')[0] for name in loaded if 'cray-netcdf' in name} == {'cray-netcdf-hdf5parallel'}


def test_netcdf4_python_is_compiled_with_the_netcdf_of_the_cray_pe(upstream_site, upstream_file, tmp_path):
    """Found by building it: its header takes 4.9.0 for 4.9.1, which has nc_rc_get and names its filters."""
    found = adapt(read_recipe(upstream_file('netcdf4-python-1.7.2-foss-2025a.eb')), upstream_site)
    header = tmp_path / 'include' / 'netcdf-compat.h'
    header.parent.mkdir()
    header.write_text('#if NC_VERSION_GE(4, 9, 0)\n#define HAS_NCRCSET 1\n#else\n'
                      'static inline const char *nc_rc_get(const char* key) { return NC_EINVAL; }\n#endif\n'
                      '#if NC_VERSION_GE(4, 9, 0)\n#define HAS_NCFILTER 1\n#endif\n'
                      '# ifndef NC_HAS_BZ2\n# ifndef NC_HAS_SZIP\n')
    edit = found.parameters['exts_default_options']['preinstallopts']
    subprocess.run(['bash', '-c', f'{edit}true'], cwd=tmp_path, check=True)
    assert header.read_text() == (
        '#if NC_VERSION_GE(4, 9, 1)\n#define HAS_NCRCSET 1\n#else\n'
        'static inline const char *nc_rc_get(const char* key) { return 0; }\n#endif\n'
        '#if NC_VERSION_GE(4, 9, 0)\n#define HAS_NCFILTER 1\n#endif\n'
        '# if !defined(NC_HAS_BZ2) && !NC_VERSION_GE(4, 9, 0)\n# ifndef NC_HAS_SZIP\n')
    older = adapt(read_recipe(upstream_file('netcdf4-python-1.6.4-foss-2023a.eb')), upstream_site)
    assert not older.parameters.get('exts_default_options')


@pytest.mark.parametrize('name', ['FreeRDP-server3-3.25.0-GCCcore-14.3.0.eb', 'Qt6-6.9.3-GCCcore-14.3.0.eb'])
def test_R21_a_dependency_is_listed_once(upstream_site, upstream_file, name):
    found = adapt(read_recipe(upstream_file(name)), upstream_site)
    for parameter in ('dependencies', 'builddependencies'):
        names = [item.name for item in found.dependencies(parameter)]
        assert sorted(names) == sorted(set(names))


def test_R21_one_that_needs_no_change(recipe, site):
    """The same version is named twice already, and it is the release's."""
    version = library_versions(site.release.name)['zlib'][0]
    found = adapt(recipe(f"dependencies = [('zlib', '{version}'), ('XZ', '5.4.5'), ('zlib', '{version}')]"), site)
    assert [item.name for item in found.dependencies() if not item.external] == ['zlib', 'XZ']
