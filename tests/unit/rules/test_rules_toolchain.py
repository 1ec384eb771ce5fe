# SPDX-License-Identifier: GPL-2.0-only
"""The rules of toolchains, templates and suffixes, and of recipes that can't be."""
import pytest
from ruling import says

from lumi_hooks.adapt import adapt
from lumi_hooks.change import Refusal
from lumi_hooks.dependency import SYSTEM, Dependency
from lumi_hooks.errors import RecipeError
from lumi_hooks.releases import load_release, load_upstream, release_names
from lumi_hooks.site import make_site

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
                                  "whatis = ['Description: as fast as with MKL']\n",
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


# --- rocm

def test_rule_impossible_rocm(recipe):
    text = "dependencies = [('rocBLAS', '4.4.0'), ('HIP', '6.4.1')]\n"
    on_c, on_g = (adapt(recipe(text, toolchain=('rompi', '2025a')), make_site(partition=partition, env={}))
                  for partition in ('C', 'G'))
    assert on_c.status == 'refused' and on_c.refusals[0].code == 'partition' and 'partition/G' in on_c.reason
    assert [item.name for item in on_g.dependencies()] == ['rocm']
    own = adapt(recipe(name='rocBLAS', toolchain=('rompi', '2025a')), make_site(partition='G', env={}))
    assert own.refusals[0].code == 'rocm-provided' and 'rocm/' in own.reason


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


@pytest.mark.parametrize('name, words', [
    ('CrayGNU', 'its counterpart is cpeGNU/25.03'), ('CrayCCE', 'its counterpart is cpeCray/25.03'),
    ('CrayIntel', 'take a recipe of the same software for foss'), ('dummy', 'write "toolchain = SYSTEM"'),
    ('CrayPGI', "PGI's compilers are not here"), ('ictce', 'has no counterpart here: take a recipe')])
def test_rule_toolchain_names_the_counterpart(recipe, site, name, words):
    refusal, = says('toolchain', recipe(toolchain=(name, '1.0')), site)
    assert refusal.reason.startswith(f'toolchain {name}/1.0 ') and words in refusal.reason
    assert len(refusal.reason) < 250 and 'gmpflf' not in refusal.reason


def test_R22_dummy_has_no_version_in_most_recipes(recipe, site):
    refusal, = adapt(recipe(toolchain=('dummy', '')), site).refusals
    assert refusal.reason.startswith('toolchain dummy is what EasyBuild called SYSTEM')
    for version in ('', 'dummy'):
        with pytest.raises(RecipeError, match='dependencies: toolchain dummy is .*: write SYSTEM$'):
            recipe(f"dependencies = [('lz4', '1.10.0', '', ('dummy', {version!r}))]\n").dependencies()
    with pytest.raises(RecipeError, match="toolchain is '', which no software can be called"):
        recipe(toolchain=('foss', ''))


def test_one_module_for_two_dependencies_stands_once(recipe, site):
    """Whichever of the two is replaced first: SciPy-bundle or Python."""
    text = "dependencies = [('Python', '3.11.5'), ('SciPy-bundle', '2023.11'), ('mpi4py', '3.1.5')]\n"
    found = [str(item) for item in adapt(recipe(text), site).dependencies()]
    assert found.count('cray-python/3.11.7') == 1
