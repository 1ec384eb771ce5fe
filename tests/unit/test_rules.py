# SPDX-License-Identifier: GPL-2.0-only
"""The rules, one by one. The tests of a rule are named after its id: test_rule_<id>_…"""
import sys
from dataclasses import replace

import pytest
import test_gpu_rules
import test_python_rules
from writing import recipe_text

from lumi_hooks.adapt import adapt
from lumi_hooks.change import Change, Refusal
from lumi_hooks.dependency import SYSTEM, Dependency
from lumi_hooks.packages import package
from lumi_hooks.prefix.overrides import Overrides
from lumi_hooks.recipe import parse_recipe, read_recipe
from lumi_hooks.releases import load_release, load_upstream, release_names
from lumi_hooks.rules import RULES, provided
from lumi_hooks.rules import known as known_rules
from lumi_hooks.rules import python as python_rules
from lumi_hooks.rules.base import Rule, rule
from lumi_hooks.rules.draft import Draft
from lumi_hooks.site import make_site

BY_ID = {entry.id: entry for entry in RULES}


def says(rule_id, recipe, site):
    """What one rule says of a recipe that no other rule has changed."""
    return list(BY_ID[rule_id](Draft(recipe), site))


# --- what holds for every rule

def test_ids_are_unique_and_readable():
    assert len(BY_ID) == len(RULES)
    assert all(entry.id == entry.id.lower() and ' ' not in entry.id for entry in RULES)


@pytest.mark.parametrize('rule_id', list(BY_ID))
def test_every_rule_has_a_reason_a_docstring_and_a_test(rule_id):
    entry = BY_ID[rule_id]
    assert len(entry.reason) > 20 and entry.function.__doc__
    assert entry.link is None or entry.link.startswith('https://')
    start = f'test_rule_{rule_id.replace("-", "_")}'
    tests = [name for module in (sys.modules[__name__], test_gpu_rules, test_python_rules) for name in vars(module)
             if name.startswith(start)]
    assert tests, f'rule {rule_id} has no test: add one named {start}…'


@pytest.mark.parametrize('rule_id', list(BY_ID))
def test_every_rule_can_be_switched_off(rule_id, recipe):
    text = "dependencies = [('binutils', '2.42'), ('CMake', '3.31'), ('HDF5', '1.14.5'), ('zlib', '1.3.1')]\n"
    site = make_site(env={'LUMI_HOOKS_DISABLE': rule_id})
    assert rule_id not in {change.rule for change in adapt(recipe(text), site).changes}


@pytest.mark.parametrize('rule_id', list(BY_ID))
def test_no_rule_edits_its_draft(rule_id, recipe, upstream_site):
    found = recipe("dependencies = [('binutils', '2.42'), ('CUDA', '12'), ('HDF5', '1.14.5'), ('zlib', '1.2.13')]\n"
                   "builddependencies = [[('CMake', '3.31')], [('Python', '3.13.1')]]\n")
    draft = Draft(found)
    before = repr(draft.parameters)
    list(BY_ID[rule_id](draft, upstream_site))
    assert repr(draft.parameters) == before and draft.changes == []


def test_a_rule_yields_under_its_own_id_only(recipe, site):
    @rule('honest', 'a rule of the tests')
    def dishonest(draft, site):
        yield Change('x', None, 1, 'another', 'none')
    with pytest.raises(TypeError, match='rule honest .*dishonest.* yielded'):
        list(dishonest(Draft(recipe()), site))

    strange = Rule('strange', 'a rule of the tests', lambda draft, site: ['text'])
    with pytest.raises(TypeError, match='yields Change or Refusal'):
        list(strange(Draft(recipe()), site))


# --- toolchain

@pytest.mark.parametrize('toolchain, version', [
    ('foss', '2025a'), ('gompi', '2024a'), ('gfbf', '2023b'), ('GCC', '13.3.0'), ('GCCcore', '14.2.0'),
    ('foss', '2016a')])
def test_rule_toolchain_replaces_upstreams(recipe, site, toolchain, version):
    found, = says('toolchain', recipe(toolchain=(toolchain, version)), site)
    assert found.after == {'name': 'cpeGNU', 'version': site.release.cpe}
    assert found.before == {'name': toolchain, 'version': version}
    assert site.release.name in found.reason


@pytest.mark.parametrize('toolchain, code', [
    ('NVHPC', 'nvidia'), ('nvompi', 'nvidia'), ('fosscuda', 'nvidia'), ('gobff', 'toolchain'), ('PGI', 'toolchain')])
def test_rule_toolchain_refuses_others(recipe, site, toolchain, code):
    found, = says('toolchain', recipe(toolchain=(toolchain, '2023a')), site)
    assert isinstance(found, Refusal) and found.code == code
    assert toolchain in found.reason and 'foss' in found.reason


@pytest.mark.parametrize('toolchain, twin', [
    ('intel', 'foss'), ('iimpi', 'gompi'), ('gomkl', 'foss'), ('lfoss', 'foss'), ('lompi', 'gompi'),
    ('llvm-compilers', 'GCC'), ('rompi', 'gompi'), ('gmpich', 'gompi'), ('lfbf', 'gfbf'), ('iimkl', 'gfbf')])
def test_rule_toolchain_takes_other_families(recipe, site, toolchain, twin):
    found, = says('toolchain', recipe(toolchain=(toolchain, '2025b')), site)
    assert found.after == {'name': 'cpeGNU', 'version': site.release.cpe}
    facts = load_upstream()['toolchains']
    assert all(facts[toolchain][what] == facts[twin][what] for what in ('mpi', 'blas', 'fft'))



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


def test_rule_package_dependencies_keeps_java_out_of_r(upstream_file, upstream_site):
    found = adapt(read_recipe(upstream_file('R-4.5.1-gfbf-2025a.eb')), upstream_site)
    assert 'Java' not in {item.name for item in found.dependencies()}
    assert 'Java' in {item.name for item in found.dependencies('builddependencies')}
    assert any('cray-R' in note and 'bundles' in note for note in adapt(
        read_recipe(upstream_file('R-bundle-CRAN-2025.10-foss-2025a.eb')), upstream_site).notes)


# --- other-compiler

@pytest.mark.parametrize('more, word', [
    ("configopts = '--with-blas=-lmkl_rt'\n", '--with-blas=-lmkl_rt'),
    ("prebuildopts = 'export CC=icx FC=ifx && '\n", 'CC=icx'),
    ("buildopts = ['MPI=on I_MPI_ROOT=x']\n", 'I_MPI_ROOT=x'), ("dependencies = [('imkl', '2025.1.0')]\n", 'imkl'),
    ("toolchainopts = {'extra_cflags': '-fp-model precise'}\n", '-fp-model')])
def test_rule_other_compiler_refuses_what_names_it(recipe, site, more, word):
    found, = says('other-compiler', recipe(more, toolchain=('intel', '2023a')), site)
    assert found.code == 'intel' and f'"{word}"' in found.reason and 'foss' in found.reason
    assert says('other-compiler', recipe(more, toolchain=('foss', '2023a')), site) == []


@pytest.mark.parametrize('more', ['', "configopts = '--enable-shared'\n", "description = 'As fast as with MKL'\n",
                                  "local_x = 'mkl'\n", "source_urls = ['https://intel.com/x']\n"])
def test_rule_other_compiler_lets_the_rest_pass(recipe, site, more):
    assert says('other-compiler', recipe(more, toolchain=('intel', '2023a')), site) == []


# --- templates and suffix

def test_rule_templates_means_the_recipe_as_written(recipe, upstream_site):
    text = "versionsuffix = '-R-%(rver)s'\n" \
           "dependencies = [('R', '4.2.1'), ('Part', '%(version)s'), ('R-bundle-X', '3.15', '-R-%(rver)s'),\n" \
           "                ('ant', '1.10', '-Java-%(javaver)s', SYSTEM), ('Java', '11', '', SYSTEM)]\n" \
           "builddependencies = [('Odd', '%(nosuch)s')]\n"
    changes = says('templates', recipe(text), upstream_site)
    after = {change.after.name: change.after for change in changes}
    assert after == {'Part': Dependency('Part', '1.0'), 'R-bundle-X': Dependency('R-bundle-X', '3.15', '-R-4.2.1'),
                     'ant': Dependency('ant', '1.10', '-Java-11', SYSTEM)}


def test_rule_suffix_follows_the_release(recipe, upstream_site):
    found = recipe("versionsuffix = '-R-%(rver)s'\ndependencies = [('R', '4.2.1')]\n")
    adaptation = adapt(found, upstream_site)
    held, = [item.version for item in adaptation.dependencies() if item.name == 'R']
    assert adaptation.module == f'Thing/1.0-cpeGNU-25.03-R-{held}' and held != '4.2.1'
    assert says('suffix', recipe("versionsuffix = '-minimal'\n"), upstream_site) == []


def test_rule_suffix_of_dependencies_follows_too(recipe, upstream_site):
    text = "dependencies = [('R', '4.2.1'), ('R-bundle-Bioconductor', '3.15', '-R-%(rver)s')]\n"
    found = {item.name: item for item in adapt(recipe(text), upstream_site).dependencies()}
    assert found['R-bundle-Bioconductor'].versionsuffix == f'-R-{found["R"].version}'


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
    text = "dependencies = [('Boost', '1.79.0'), ('FFmpeg', '4.4.2')]\n"
    found = says('release-version', recipe(text), upstream_site)
    reasons = {item.before.name: item.reason for item in found}
    assert 'made with 4.4.2, another major version' in reasons['FFmpeg'] and 'major' not in reasons['Boost']


@pytest.mark.parametrize('name, software, version', [
    ('GROMACS-2023.3-foss-2023a-PLUMED-2.9.0.eb', 'PLUMED', '2.9.0'),
    ('Rivet-3.1.9-gompi-2023a-HepMC3-3.2.6.eb', 'HepMC3', '3.2.6'),
    ('GPAW-25.1.0-foss-2024a-ASE-3.24.0.eb', 'ASE', '3.24.0')])
def test_rule_release_version_keeps_what_the_suffix_names(upstream_file, upstream_site, name, software, version):
    """With another version the suffix, and so the name of the module, would tell an untruth."""
    found = adapt(read_recipe(upstream_file(name)), upstream_site)
    assert [item.version for item in found.dependencies() if item.name == software] == [version]
    assert found.module.endswith(f'-{software}-{version}')


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


def test_rule_toolchain_follows_the_site(recipe):
    site = make_site('24.03', 'G', 'cpeAMD', env={})
    assert says('toolchain', recipe(), site)[0].after == {'name': 'cpeAMD', 'version': '24.03'}


# --- impossible

@pytest.mark.parametrize('parameter', ['dependencies', 'builddependencies'])
@pytest.mark.parametrize('name', ['CUDA', 'cuDNN', 'NCCL', 'UCX-CUDA'])
def test_rule_impossible_and_cuda(recipe, site, parameter, name):
    assert says('impossible', recipe(f"{parameter} = [('{name}', '12.1.1', '', SYSTEM)]\n"), site) == []
    found, = says('gpu-back-end', recipe(f"{parameter} = [('{name}', '12.1.1', '', SYSTEM)]\n"), site)
    assert isinstance(found, Refusal) and found.code == 'cuda'
    assert name in found.reason and 'ROCm' in found.reason


def test_rule_impossible_tells_all_reasons_at_once(recipe, site):
    adaptation = adapt(recipe("dependencies = [('CUDA', '12'), ('cuDNN', '9')]\n", toolchain=('NVHPC', '25.1')), site)
    assert adaptation.status == 'refused' and len(adaptation.refusals) == 2
    assert all(word in adaptation.reason for word in ('NVHPC', 'CUDA', 'cuDNN'))


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


# --- toolchain-provided

@pytest.mark.parametrize('name', ['binutils', 'OpenMPI', 'UCX', 'FlexiBLAS', 'ScaLAPACK', 'OpenBLAS', 'PMIx'])
@pytest.mark.parametrize('parameter', ['dependencies', 'builddependencies'])
def test_rule_toolchain_provided_drops(recipe, site, name, parameter):
    found, = says('toolchain-provided', recipe(f"{parameter} = [('{name}', '1.0')]\n"), site)
    assert (found.parameter, found.before, found.after) == (parameter, Dependency(name, '1.0'), None)
    assert found.reason


def test_rule_toolchain_provided_leaves_the_rest(recipe, site):
    adaptation = adapt(recipe("builddependencies = [('binutils', '2.42'), ('zlib', '1.3.1')]\n"), site)
    assert adaptation.dependencies('builddependencies') == (Dependency('zlib', '1.3.1'),)


# --- central-tools

@pytest.mark.parametrize('name', ['CMake', 'Autotools', 'pkgconf', 'Ninja', 'M4'])
def test_rule_central_tools_buildtools(recipe, site, name):
    found, = says('central-tools', recipe(f"builddependencies = [('{name}', '1.0')]\n"), site)
    assert found.after == Dependency('buildtools', '%(toolchain_version)s', '', SYSTEM)


@pytest.mark.parametrize('release', release_names())
def test_rule_central_tools_buildtools_python(recipe, release):
    site = make_site(release, env={})
    found, = says('central-tools', recipe("builddependencies = [('Meson', '1.6.1')]\n"), site)
    minor = '.'.join(load_release(release).modules['cray-python'].split('.')[:2])
    assert found.after == Dependency('buildtools-python', '%(toolchain_version)s', f'-cray-python{minor}', SYSTEM)


def test_rule_central_tools_once(recipe, site):
    """Several tools of one module are one dependency, also in builds that are iterated over."""
    text = "builddependencies = [('CMake', '3'), ('Autotools', '2'), ('Meson', '1'), ('pkgconf', '2')]\n"
    found = adapt(recipe(text), site).dependencies('builddependencies')
    assert [item.name for item in found] == ['buildtools', 'buildtools-python']
    text = "builddependencies = [[('CMake', '3'), ('M4', '1')], [('CMake', '3'), ('Ninja', '1')]]\n"
    value = adapt(recipe(text), site).parameters['builddependencies']
    assert [[item[0] for item in group] for group in value] == [['buildtools'], ['buildtools']]


@pytest.mark.parametrize('parameter, dropped', [('builddependencies', True), ('dependencies', False)])
def test_rule_toolchain_provided_commands_of_the_system(recipe, site, parameter, dropped):
    """git and the like come from the system where they serve to build only."""
    assert bool(says('toolchain-provided', recipe(f"{parameter} = [('git', '2.49.0')]\n"), site)) is dropped


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


# --- rocm

def test_rule_impossible_rocm(recipe):
    text = "dependencies = [('rocBLAS', '4.4.0'), ('HIP', '6.4.1')]\n"
    on_c, on_g = (adapt(recipe(text, toolchain=('rompi', '2025a')), make_site(partition=partition, env={}))
                  for partition in ('C', 'G'))
    assert on_c.status == 'refused' and on_c.refusals[0].code == 'partition' and 'partition/G' in on_c.reason
    assert [item.name for item in on_g.dependencies()] == ['rocm']
    own = adapt(recipe(name='rocBLAS', toolchain=('rompi', '2025a')), make_site(partition='G', env={}))
    assert own.refusals[0].code == 'rocm-provided' and 'rocm/' in own.reason


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


# --- the draft

def test_draft_removes_a_parameter(recipe):
    draft = Draft(recipe("patches = ['a.patch']\n"))
    draft.apply(Change('patches', ['a.patch'], None, 'x', 'tested'))
    assert 'patches' not in draft.parameters and draft.recipe.parameters['patches'] == ['a.patch']


def test_draft_with_dependencies_written_as_lists(recipe, site):
    adaptation = adapt(recipe("dependencies = [['binutils', '2.42'], ['zlib', '1.3.1']]\n"), site)
    assert adaptation.dependencies()[:1] == (Dependency('zlib', '1.3.1'),)


# --- override (more in test_overrides.py)

def test_rule_override_has_the_last_word(recipe, tmp_path):
    (tmp_path / 'Thing.json').write_text('{"name": "Thing", "overrides": [{"reason": "why", "dependencies": '
                                         '{"zlib": "1.2.13"}}]}')
    site = replace(make_site(env={}), overrides=Overrides([str(tmp_path)]))
    assert [rule.id for rule in RULES[-2:]] == ['override', 'gpu-left']  # the last only refuses
    change, = says('override', recipe("dependencies = [('zlib', '1.3.1')]\n"), site)
    assert change == Change('dependencies', Dependency('zlib', '1.3.1'), Dependency('zlib', '1.2.13'), 'override',
                            f'why ({tmp_path}/Thing.json)')


# --- easyblock

@pytest.mark.parametrize('software, toolchain, refused', [
    ('WRF', 'cpeGNU', False), ('WRF', 'cpeCray', True), ('FlexiBLAS', 'cpeGNU', True), ('zlib', 'cpeCray', False)])
def test_rule_easyblock_refuses_by_compiler(software, toolchain, refused):
    text = recipe_text(software).replace("easyblock = 'ConfigureMake'\n", '')
    found = says('easyblock', parse_recipe(text), make_site(toolchain=toolchain, env={}))
    assert [item.code for item in found] == ['easyblock'] * refused


def test_rule_easyblock_goes_by_the_one_that_the_recipe_names(recipe, site):
    assert says('easyblock', recipe("easyblock = 'CMakeMake'\n", name='FlexiBLAS'), site) == []
    assert says('easyblock', recipe("easyblock = 'EB_FlexiBLAS'\n", name='Mine'), site)


# --- python-build-tools

@pytest.mark.parametrize('more, names', [
    ("easyblock = 'PythonPackage'\ndependencies = [('Python', '3.13.5')]\n", ['buildtools-python', 'setuptools']),
    ("easyblock = 'PythonBundle'\ndependencies = [('Python', '3.12.3')]\n", ['buildtools-python']),
    ("easyblock = 'Bundle'\nexts_defaultclass = 'PythonPackage'\ndependencies = [('Python', '3.12.3')]\n",
     ['buildtools-python']),
    ("easyblock = 'PythonPackage'\ndependencies = [('Python', '3.12.3')]\nbuilddependencies = [('Cython', '3.0')]\n",
     ['Cython', 'buildtools-python']),
    ("easyblock = 'PythonPackage'\ndependencies = [('Python', '3.12.3')]\nbuilddependencies = [('SCons', '4')]\n",
     ['buildtools-python']),
    ("easyblock = 'CMakeMake'\ndependencies = [('Python', '3.13.5')]\n", []),
    ("easyblock = 'PythonPackage'\ndependencies = [('Python', '2.7.18')]\n", []),
    ("easyblock = 'PythonPackage'\n", [])])
def test_rule_python_build_tools(recipe, upstream_site, more, names):
    found = adapt(recipe(more), upstream_site)
    assert [item.name for item in found.dependencies('builddependencies')] == names


# --- blas-by-name

@pytest.mark.parametrize('more, parameter, after', [
    ("buildopts = 'CC=\"$CC\" CLIBS=\"-lflexiblas -lm -lz\"'\n", 'buildopts', 'CC="$CC" CLIBS="-lm -lz"'),
    ("configopts = '--with-blas=\"-L$EBROOTFLEXIBLAS/lib -lflexiblas\"'\n", 'configopts', '--with-blas=""'),
    ("configopts = ['-DBLAS_LIBRARIES=\"${EBROOTFLEXIBLAS}/lib/libflexiblas.so\"', '-DX=1']\n", 'configopts',
     ['-DBLAS_LIBRARIES="$LAPACK_LIB_DIR/$LAPACK_SHARED_LIBS"', '-DX=1']),
    ("prebuildopts = \"sed -i 's/-llapack -lblas/-lflexiblas/g' Makefile && \"\n", 'prebuildopts',
     "sed -i 's/-llapack -lblas//g' Makefile && ")])
def test_rule_blas_by_name(recipe, site, more, parameter, after):
    change, = says('blas-by-name', recipe(more), site)
    assert (change.parameter, change.after) == (parameter, after)
    assert adapt(recipe(more), site).parameters[parameter] == after


def test_rule_blas_by_name_leaves_others(recipe, site):
    more = "configopts = '-DBLA_VENDOR=FlexiBLAS -lflexiblasx --lflexiblas'\n"
    assert says('blas-by-name', recipe(more), site) == []
