# SPDX-License-Identifier: GPL-2.0-only
"""The rules of Python and its packages."""
import pytest
from ruling import says

from lumi_hooks.adapt import adapt
from lumi_hooks.dependency import SYSTEM
from lumi_hooks.recipe import read_recipe
from lumi_hooks.rules import provided
from lumi_hooks.rules import python as python_rules
from lumi_hooks.site import make_site

# --- python-carried

def carried(monkeypatch, **versions):
    packages = {name: {'version': version, 'verified': True} for name, version in versions.items()}
    monkeypatch.setattr(provided, 'python_packages', lambda version: packages)


BUNDLE = {'numpy': '2.3.1', 'scipy': '1.16.0', 'pandas': '2.3.0', 'numexpr': '2.11.0', 'bottleneck': '1.5.0',
          'tzdata': '2025.2', 'mpmath': '1.3.0', 'deap': '1.4.3'}


@pytest.mark.parametrize('change, stands', [
    ({}, True), ({'numpy': '2.4.0'}, True), ({'numpy': '2.3.9'}, True), ({'numpy': '1.26.4'}, False),
    ({'scipy': '1.15.9'}, False), ({'mpmath': None}, False)])
def test_rule_python_carried_counts_every_member(recipe, upstream_site, monkeypatch, change, stands):
    versions = {name: version for name, version in {**BUNDLE, **change}.items() if version}
    carried(monkeypatch, **versions)
    found = recipe("dependencies = [('SciPy-bundle', '2025.06')]\n")
    names = {item.name for item in adapt(found, upstream_site).dependencies()}
    assert ('cray-python' in names) is stands and ('SciPy-bundle' in names) is not stands


def test_rule_python_carried_needs_the_same_openmp(recipe, upstream_index, monkeypatch):
    carried(monkeypatch, **BUNDLE)
    text = recipe("dependencies = [('SciPy-bundle', '2024.05')]\n")
    site = make_site(toolchain='cpeCray', index=upstream_index, env={})
    change = next(item for item in adapt(text, site).changes if item.rule == 'release-version')
    assert 'OpenMP' in change.reason and 'cpeGNU' in change.reason


def test_rule_python_carried_relies_on_nothing_unverified(recipe, upstream_site, monkeypatch):
    monkeypatch.setattr(provided, 'python_packages', lambda version: {
        name: {'version': version, 'verified': False} for name, version in BUNDLE.items()})
    assert says('python-carried', recipe("dependencies = [('SciPy-bundle', '2025.06')]\n"), upstream_site) == []


def test_rule_python_carried_says_why_it_is_built(recipe, upstream_site):
    adaptation = adapt(recipe("dependencies = [('SciPy-bundle', '2022.05'), ('mpi4py', '3.1.4')]\n"), upstream_site)
    reasons = {item.before.name: item.reason for item in adaptation.changes if item.rule == 'release-version'}
    assert 'numpy' in reasons['SciPy-bundle'] or 'Bottleneck' in reasons['SciPy-bundle'] or \
        'bottleneck' in reasons['SciPy-bundle']
    assert 'it is built, as mpi4py' in reasons['mpi4py'] and '3.1.4' in reasons['mpi4py']


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
     "('poetry', '2.1'), ('Cython', '3.0'), ('setuptools', '80.9')]\n", [NEWER]),
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
    monkeypatch.setattr(rust, 'checked', lambda path: {**facts, 'policy': 'source'})
    assert says('rust-binary', recipe("builddependencies = [('Rust', '1.75.0')]\n"), upstream_site) == []


def test_rule_rust_binary_is_one_module_for_all_that_is_loaded_together(recipe, upstream_site):
    """What a recipe needs was built with a version of Rust that its name tells, and loads it."""
    text = "builddependencies = [('Rust', '1.75.0'), ('maturin', '1.4.0', '-Rust-1.75.0')]\n"
    change, = says('rust-binary', recipe(text), upstream_site)
    assert change.after.version == '1.75.0'
