# SPDX-License-Identifier: GPL-2.0-only
"""The rules of Python and its packages."""
from functools import partial

import pytest
from ruling import says

from lumi_hooks import requirements
from lumi_hooks.adapt import adapt
from lumi_hooks.backends import stands_for
from lumi_hooks.dependency import SYSTEM
from lumi_hooks.index import parse_filename
from lumi_hooks.recipe import read_recipe
from lumi_hooks.rules import carried as carried_rules
from lumi_hooks.rules import python as python_rules
from lumi_hooks.site import make_site

# --- python-carried

def carried(monkeypatch, verified=True, **versions):
    packages = {name: {'version': version, 'verified': verified} for name, version in versions.items()}
    monkeypatch.setattr(carried_rules, 'python_packages', lambda version: packages)


SCIPY = "dependencies = [('Python', '3.13.1'), ('SciPy-bundle', '2025.06')]\n"
REST = {'versioneer': '0.29', 'numexpr': '2.10', 'bottleneck': '1.3.8', 'tzdata': '2024.1', 'pandas': '2.2.2',
        'mpmath': '1.3.0', 'deap': '1.4.1'}


def becomes(found):
    """What SciPy-bundle becomes: names of software and modules."""
    return {item.name for item in found.dependencies()} & {'cray-python', 'SciPy-extras', 'SciPy-bundle'}


def pip(*packages):
    """A recipe of Python packages on SciPy-bundle."""
    return f"easyblock = 'PythonBundle'\n{SCIPY}exts_list = {list(packages)!r}\n"


@pytest.mark.parametrize('more, names', [
    # nothing is known of what it needs: all that is to be had
    (SCIPY, {'cray-python', 'SciPy-extras'}), (pip(('nobody', '1')), {'cray-python', 'SciPy-extras'}),
    # by its own metadata: numpy alone, pandas, a newer numpy than cray-python has
    (pip(('h5py', '3.14.0')), {'cray-python'}), (pip(('Biopython', '1.85')), {'cray-python'}),
    (pip(('statsmodels', '0.14.5'), ('patsy', '1.0.1')), {'cray-python', 'SciPy-extras'}),
    (pip(('xarray', '2025.7.0')), {'cray-python', 'SciPy-bundle'}),
    (pip(('scikit-image', '0.25.0')), {'cray-python', 'SciPy-bundle'}),
    # another version of what is known
    (pip(('xarray', '2024.11.0')), {'cray-python', 'SciPy-extras'}),
    (pip(('xarray', '2025.9.1')), {'cray-python', 'SciPy-bundle'})])
def test_R17_rule_python_carried_uses_what_cray_python_carries(recipe, upstream_site, more, names):
    found = adapt(recipe(more), upstream_site)
    assert becomes(found) == names
    # numpy 1, as cray-python has it
    assert [item.version for item in found.dependencies() if item.name == 'SciPy-bundle'] in ([], ['2024.05'])


def test_R17_rule_python_carried_refuses_what_needs_numpy_2(recipe, upstream_site, monkeypatch):
    known = {'1.0': {'numpy': '1.20'}, '1.5': {'numpy': '1.26'}, '2.0': {'numpy': '2.0'}}
    monkeypatch.setattr(requirements, '_facts', lambda: {'zfpy': known})
    monkeypatch.setattr(upstream_site.index, 'sources', partial(sources_of_zfpy, upstream_site.index.sources))
    refusal, = adapt(recipe(pip(('zfpy', '2.1')), name='zfpy', version='2.1'), upstream_site).refusals
    assert refusal.code == 'python-packages' and 'needs numpy 2.0' in refusal.reason
    assert '1.26.4' in refusal.reason and 'version 1.5 of it fits' in refusal.reason


def test_G_what_the_release_has_too_new_is_refused(recipe, upstream_site, upstream_file, monkeypatch):
    """s3fs 2023.12.2 was built for ten minutes, until pip check found urllib3 2.4.0 of Python-extras."""
    found = adapt(read_recipe(upstream_file('s3fs-2023.12.2-foss-2023a.eb')), upstream_site)
    assert [item.code for item in found.refusals] == ['python-packages']
    assert 'needs urllib3 1.25.4 or newer, below 2.1, and' in found.refusals[0].reason
    assert 'is 2.4.0 (Python-extras 2025.04)' in found.refusals[0].reason
    # numpy of cray-python and of the bundle beside it
    monkeypatch.setattr(requirements, '_facts', lambda: {'nobody': {'1': {'numpy': '1.20,<1.24'}}})
    refusal, = adapt(recipe(pip(('nobody', '1'))), upstream_site).refusals
    assert 'needs numpy 1.20 or newer, below 1.24, and' in refusal.reason and '1.26.4' in refusal.reason
    monkeypatch.setattr(requirements, '_facts', lambda: {'nobody': {'1': {'numpy': '1.20,<1.25'}}})
    assert becomes(adapt(recipe(pip(('nobody', '1'))), upstream_site)) == {'cray-python'}


def sources_of_zfpy(real, name):
    """Upstream's recipes, and those of a software of the tests."""
    return tuple(parse_filename('zfpy', f'zfpy-{version}-gfbf-2025a.eb') for version in ('1.0', '1.5', '2.0')) \
        if name == 'zfpy' else real(name)


@pytest.mark.parametrize('change, names', [
    ({}, {'cray-python'}), ({'mpmath': None}, {'cray-python', 'SciPy-extras'}),
    ({'scipy': None}, {'cray-python', 'SciPy-bundle'})])
def test_rule_python_carried_counts_every_member(recipe, upstream_site, monkeypatch, change, names):
    """A captured list may hold all of them; what SciPy-extras stands upon has to be there."""
    versions = {'numpy': '1.24.4', 'scipy': '1.10.1', **REST, **change}
    carried(monkeypatch, **{name: version for name, version in versions.items() if version})
    assert becomes(adapt(recipe(SCIPY), upstream_site)) == names


def test_rule_python_carried_needs_the_same_openmp(recipe, upstream_index):
    site = make_site(toolchain='cpeCray', index=upstream_index, env={})
    change = next(item for item in adapt(recipe(SCIPY), site).changes if item.rule == 'release-version')
    assert 'OpenMP' in change.reason and 'cpeGNU' in change.reason and change.after.version == '2024.05'


@pytest.mark.parametrize('release, version', [('26.03', '2026.05'), ('23.09', '2023.07')])
def test_R17_rule_python_carried_waits_for_a_capture(recipe, upstream_index, release, version):
    """Of that cray-python no version of numpy is known: the bundle is built, and it is told why."""
    found = adapt(recipe(SCIPY), make_site(release, index=upstream_index, env={}))
    assert becomes(found) == {'cray-python', 'SciPy-bundle'}
    assert any('until its list is captured' in note for note in found.notes)


@pytest.mark.parametrize('release', ['24.03', '24.11', '25.03', '25.09'])
def test_R17_one_scipy_bundle_beside_cray_python(recipe, upstream_index, release):
    """The newest with numpy 1, whatever generation the release's compiler is of: xarray 2025.7 needs pandas 2.2."""
    found = adapt(recipe(pip(('xarray', '2025.7.0'))), make_site(release, index=upstream_index, env={}))
    assert [item.version for item in found.dependencies() if item.name == 'SciPy-bundle'] == ['2024.05']


def test_rule_python_carried_of_a_variant(recipe, upstream_site):
    text = "dependencies = [('SciPy-bundle', '2024.06', '-Python-2.7.18')]\n"
    assert says('python-carried', recipe(text), upstream_site) == []


@pytest.mark.parametrize('least, stands', [(None, True), ('3.1.4', True), ('4.0', False)])
def test_rule_python_carried_by_the_bound_of_the_package(recipe, upstream_site, monkeypatch, least, stands):
    """Not by the version that upstream's generation happens to have."""
    monkeypatch.setattr(requirements, '_facts', lambda: {'thing': {'1': {'mpi4py': least}}} if least else {})
    text = "easyblock = 'PythonBundle'\ndependencies = [('Python', '3.13.1'), ('mpi4py', '4.1.0')]\n" \
           "exts_list = [('thing', '1')]\n"
    names = {item.name for item in adapt(recipe(text), upstream_site).dependencies()}
    assert ('mpi4py' not in names) is stands


def test_rule_release_version_tells_of_a_step_of_a_major_version(recipe, upstream_site):
    text = "dependencies = [('Boost', '1.79.0'), ('libjpeg-turbo', '2.1.4'), ('FFmpeg', '6.1')]\n"
    found = says('release-version', recipe(text), upstream_site)
    reasons = {item.before.name: item.reason for item in found}
    assert 'made with 2.1.4, another major version' in reasons['libjpeg-turbo'] and 'major' not in reasons['Boost']
    # of what has a bound of its own it is said which
    assert 'took calls away' in reasons['FFmpeg']


@pytest.mark.parametrize('name, software, version', [
    ('GROMACS-2023.3-foss-2023a-PLUMED-2.9.0.eb', 'PLUMED', '2.9.0'),
    ('Rivet-3.1.9-gompi-2023a-HepMC3-3.2.6.eb', 'HepMC3', '3.2.6'),
    ('GPAW-25.1.0-foss-2024a-ASE-3.24.0.eb', 'ASE', '3.24.0')])
def test_rule_release_version_keeps_what_the_suffix_names(upstream_file, upstream_site, name, software, version):
    """With another version the suffix, and so the name of the module, would tell an untruth."""
    found = adapt(read_recipe(upstream_file(name)), upstream_site)
    assert [item.version for item in found.dependencies() if item.name == software] == [version]
    assert found.module.endswith(f'-{software}-{version}')


# --- python-bound

@pytest.mark.parametrize('bound, release, refused', [
    ({'min': '3.12'}, '25.03', True), ({'min': '3.12'}, '26.03', False), ({'min': '3.11.7'}, '25.03', False),
    ({'below': '3.11'}, '25.03', True), ({'below': '3.11'}, '23.09', False),
    ({'min': '3.10', 'below': '3.12'}, '25.03', False)])
def test_rule_python_bound(recipe, monkeypatch, bound, release, refused):
    monkeypatch.setattr(python_rules, 'package', lambda name: {'python': {'reason': 'tested', **bound}})
    site = make_site(release, env={})
    found = says('python-bound', recipe("dependencies = [('Python', '3.13.1')]\n"), site)
    assert bool(found) is refused
    for refusal in found:
        assert site.release.modules['cray-python'] in refusal.reason and 'tested' in refusal.reason
        assert all(f'{word} {bound[key]}' in refusal.reason
                   for key, word in (('min', 'at least'), ('below', 'below')) if key in bound)


def test_rule_python_bound_only_where_python_is_used(recipe, monkeypatch, site):
    monkeypatch.setattr(python_rules, 'package', lambda name: {'python': {'reason': 'tested', 'min': '99'}})
    assert says('python-bound', recipe("dependencies = [('zlib', '1')]\n"), site) == []
    assert len(says('python-bound', recipe("builddependencies = [('Python', '3')]\n"), site)) == 1
    assert len(says('python-bound', recipe("dependencies = [('cray-python/3.11.7', EXTERNAL_MODULE)]\n"), site)) == 1


def test_rule_python_bound_without_a_bound(recipe, site):
    assert says('python-bound', recipe("dependencies = [('Python', '3.13.1')]\n"), site) == []


# --- python-build-tools

OURS, NEWER = '-cray-python3.11', '-cray-python3.11-setuptools80'


@pytest.mark.parametrize('more, names', [
    ("easyblock = 'PythonPackage'\ndependencies = [('Python', '3.13.5')]\n", [NEWER]),
    ("easyblock = 'PythonBundle'\ndependencies = [('Python', '3.12.3')]\n", [OURS]),
    ("easyblock = 'Bundle'\nexts_defaultclass = 'PythonPackage'\ndependencies = [('Python', '3.12.3')]\n", [OURS]),
    ("easyblock = 'CargoPythonPackage'\ndependencies = [('Python', '3.13.5')]\n", [NEWER]),
    # what it holds is not built beside it, and comes in the same variant
    ("easyblock = 'PythonPackage'\ndependencies = [('Python', '3.13.5')]\nbuilddependencies = [('hatchling', '1.27'), "
     "('poetry', '2.1'), ('Cython', '3.1'), ('setuptools', '80.9')]\n", [NEWER]),
    ("easyblock = 'CMakeMake'\nbuilddependencies = [('Python', '3.12.3'), ('pybind11', '2.11.1')]\n", [OURS]),
    # another major version of what sources are written for is built
    ("easyblock = 'PythonPackage'\ndependencies = [('Python', '3.12.3')]\n"
     "builddependencies = [('pybind11', '3.0.0')]\n", [OURS, 'pybind11']),
    # a command of developers
    ("easyblock = 'PythonPackage'\ndependencies = [('Python', '3.12.3')]\nbuilddependencies = [('spin', '0.13')]\n",
     [OURS]),
    ("easyblock = 'PythonPackage'\ndependencies = [('Python', '3.12.3')]\nbuilddependencies = [('SCons', '4')]\n",
     [OURS, 'buildtools-python']),
    ("easyblock = 'CMakeMake'\ndependencies = [('Python', '3.13.5')]\n", []),
    ("easyblock = 'PythonPackage'\ndependencies = [('Python', '2.7.18')]\n", []),
    ("easyblock = 'PythonPackage'\n", [])])
def test_rule_python_build_tools(recipe, upstream_site, more, names):
    found = adapt(recipe(more), upstream_site).dependencies('builddependencies')
    assert [item.versionsuffix if item.name == 'Python-build-backends' else item.name for item in found
            if not item.external] == names


def test_rule_python_build_tools_keeps_what_runs(recipe, upstream_site):
    """hatchling as a dependency is a part of the software itself."""
    text = "easyblock = 'PythonPackage'\ndependencies = [('Python', '3.13.5'), ('hatchling', '1.27.0')]\n"
    found = adapt(recipe(text), upstream_site)
    assert 'hatchling' in {item.name for item in found.dependencies()}


def test_rule_python_build_tools_stand_before_what_the_recipe_names(recipe, upstream_site):
    """The module that is loaded last is found first: the build back ends may hold an older one of the same package."""
    found = adapt(recipe("easyblock = 'PythonPackage'\ndependencies = [('Python', '3.13.5')]\n"
                         "builddependencies = [('pybind11', '3.0.0')]\n"), upstream_site)
    names = [item.name for item in found.dependencies('builddependencies')]
    assert names.index('Python-build-backends') < names.index('pybind11')


@pytest.mark.parametrize('filename, version', [
    # upstream's Python of 2022 and its bundle of 2023a bring Cython 0.29, and later recipes of these name Cython
    ('h5py-3.7.0-foss-2022a.eb', '0.29.37'), ('h5py-3.9.0-foss-2023a.eb', '0.29.37'),
    ('PyYAML-6.0-GCCcore-11.3.0.eb', '0.29.37'),
    # that of 2023b brings Cython 3, and no recipe of this one ever names it
    ('h5py-3.11.0-foss-2023b.eb', None), ('ASE-3.22.1-gfbf-2022b.eb', None)])
def test_B3_cython_of_the_major_version_that_the_recipe_was_made_with(upstream_file, upstream_site, filename, version):
    found = adapt(read_recipe(upstream_file(filename)), upstream_site)
    assert [item.version for item in found.dependencies('builddependencies') if item.name == 'Cython'] \
        == ([version] if version else [])


@pytest.mark.parametrize('asked, python, built', [
    ('0.29.33', '3.12.3', '0.29.37'), ('3.0.10', '3.12.3', None), ('3.2.4', '3.12.3', '3.1.2'),
    ('3.2.4', '3.13.5', None), ('3.0.10', '3.13.5', '3.0.10')])
def test_B3_each_variant_of_the_build_back_ends_holds_a_cython(recipe, upstream_site, asked, python, built):
    """pandas 2.2, which is written for Cython 3.0, does not compile with 3.1: SciPy-extras could not be built."""
    found = adapt(recipe("easyblock = 'PythonPackage'\n" + f"dependencies = [('Python', {python!r})]\n"
                         f"builddependencies = [('Cython', {asked!r})]\n"), upstream_site)
    names = {item.name: item.version for item in found.dependencies('builddependencies')}
    assert 'Python-build-backends' in names and names.get('Cython') == built
    suffixes = ('', '-setuptools80')
    held = {suffix: stands_for(suffix)['Cython'] for suffix in suffixes}
    assert [version[:4] for version in held.values()] == ['3.0.', '3.1.']
    # spglib 2.5 writes its licence files as a table, which 0.11 rejects
    assert [stands_for(suffix)['scikit-build-core'][:5] for suffix in suffixes] == ['0.10.', '0.11.']


# --- rust-binary

@pytest.mark.parametrize('asked, suffix, found', [
    ('1.75.0', '', '1.78.0'), ('1.78.0', '', '1.78.0'), ('1.79.0', '', '1.92.0'), ('1.91.1', '', '1.92.0'),
    # newer than all: compiled
    ('1.94.1', '', None),
    # named by the recipe itself: no other one
    ('1.75.0', '-Rust-1.75.0', '1.75.0'), ('1.83.0', '-Rust-1.83.0', None)])
def test_rule_rust_binary(recipe, upstream_site, asked, suffix, found):
    text = f"versionsuffix = {suffix!r}\nbuilddependencies = [('Rust', {asked!r})]\n"
    changes = [change.after for change in says('rust-binary', recipe(text), upstream_site)]
    assert [(rust.version, rust.toolchain) for rust in changes] == ([(found, SYSTEM)] if found else [])


def test_rule_rust_binary_is_the_sites_choice(recipe, upstream_site, monkeypatch):
    from lumi_hooks.rules import rust
    facts = rust.checked('releases/rust.json')
    monkeypatch.setattr(rust, '_facts', lambda: {**facts, 'policy': 'source'})
    assert says('rust-binary', recipe("builddependencies = [('Rust', '1.75.0')]\n"), upstream_site) == []


def test_rule_rust_binary_is_one_module_for_all_that_is_loaded_together(recipe, upstream_site):
    """What a recipe needs was built with a version of Rust that its name tells, and loads it."""
    text = "builddependencies = [('Rust', '1.75.0'), ('maturin', '1.4.0', '-Rust-1.75.0')]\n"
    change, = says('rust-binary', recipe(text), upstream_site)
    assert change.after.version == '1.75.0'


@pytest.mark.parametrize('filename, stays', [
    ('Flask-3.1.1-GCCcore-14.2.0.eb', False), ('PuLP-3.3.0-foss-2025a.eb', False), ('neo-0.14.5-foss-2025b.eb', False),
    # the back ends of its time read the table
    ('igv-reports-1.16.3-GCC-13.3.0.eb', True)])
def test_a_licence_is_read_as_the_project_writes_it(upstream_file, upstream_site, filename, stays):
    """flit-core 3.12 rejects a table next to license-files: Flask did not build."""
    found = adapt(read_recipe(upstream_file(filename)), upstream_site)
    values = [str(found.parameters.get(name)) for name in ('preinstallopts', 'exts_list')]
    assert any('{text = ' in value or '{ text = ' in value for value in values) is stays


@pytest.mark.parametrize('filename, module', [
    ('Seaborn-0.13.2-gfbf-2024a.eb', 'SciPy-extras'), ('ExtremeLy-2.3.0-foss-2022a.eb', 'SciPy-extras'),
    # cray-python's numpy is older than it says
    ('pymatgen-2025.6.14-foss-2024a.eb', 'SciPy-bundle')])
def test_what_a_recipe_gets_by_way_of_another_is_there(upstream_file, upstream_site, filename, module):
    """Upstream's Seaborn has pandas from matplotlib's SciPy-bundle; here matplotlib needs none: it did not build."""
    recipe = read_recipe(upstream_file(filename))
    assert not [item for item in recipe.dependencies() if item.name.startswith('SciPy')]
    found = adapt(recipe, upstream_site)
    assert [item.name for item in found.dependencies('dependencies') if item.name.startswith('SciPy')] == [module]
