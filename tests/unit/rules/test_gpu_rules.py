# SPDX-License-Identifier: GPL-2.0-only
"""The rules of GPU variants, one by one, on small recipes. The tests of a rule are named after its id."""
import pytest
from ruling import says

from lumi_hooks import gpu
from lumi_hooks.adapt import adapt
from lumi_hooks.change import Refusal
from lumi_hooks.data import load_json
from lumi_hooks.dependency import Dependency
from lumi_hooks.releases import load_machine, load_release, load_rocm, release_names
from lumi_hooks.rules import rocm_build
from lumi_hooks.site import make_site

CUDA = "versionsuffix = '-CUDA-%(cudaver)s'\ndependencies = [('CUDA', '12.8.0', '', SYSTEM)]\n"


# --- which variant

@pytest.mark.parametrize('suffix, rest, kind', [
    ('', '', ''), ('-CUDA-12.9.1', '', 'cuda'), ('-CUDA-%(cudaver)s', '', 'cuda'), ('-CUDA', '', 'cuda'),
    ('-kokkos-CUDA-12.6.0', '-kokkos', 'cuda'), ('-CUDA-12.4.0-PLUMED-2.9.2', '-PLUMED-2.9.2', 'cuda'),
    ('-rocm', '', 'rocm'), ('-PLUMED-2.9.2-rocm', '-PLUMED-2.9.2', 'rocm'), ('-CPU', '', 'CPU'),
    ('-ROCm-6.4.1', '', 'rocm'), ('-nompi', '-nompi', ''), ('-CUDAlike', '-CUDAlike', '')])
def test_what_a_suffix_says_of_the_gpu(suffix, rest, kind):
    assert gpu.split_suffix(suffix) == (rest, kind)


@pytest.mark.parametrize('text, kind', [
    (CUDA, True), ('', False), ("builddependencies = [('CUDA', '12.8.0', '', SYSTEM)]\n", True),
    ("dependencies = [('NCCL', '2.2')]\n", True), ("dependencies = [('Other', '1', '-CUDA-12.8.0')]\n", True),
    ("dependencies = [('cuTENSOR', '2')]\n", True), ("dependencies = [('zlib', '1.3.1')]\n", False)])
def test_what_a_recipe_for_cuda_is(recipe, text, kind):
    assert gpu.is_cuda(recipe(text)) is kind


def test_the_toolchain_follows_the_package_unless_one_is_asked_for(recipe, thing, g):
    thing()
    assert adapt(recipe(CUDA), g).toolchain[0] == 'cpeAMD'
    asked = make_site(partition='G', toolchain='cpeGNU', env={})
    assert adapt(recipe(CUDA), asked).toolchain[0] == 'cpeGNU'
    assert adapt(recipe(), g).toolchain[0] == load_machine()['default_toolchain']


@pytest.mark.parametrize('text, asked, partition, suffix', [
    (CUDA, '', 'G', '-rocm'), ('', '', 'G', '-CPU'), ('', 'Thing', 'G', '-rocm'), ('', '*', 'G', '-rocm'),
    ('', 'Other', 'G', '-CPU'), ('', '', 'C', ''), ('', 'Thing', 'C', ''),
    ("versionsuffix = '-x'\n", '', 'G', '-x-CPU'), ("versionsuffix = '-CUDA-12.8.0-x'\n", '', 'G', '-x-rocm'),
    ("dependencies = [('HIP', '6.4.1')]\n", '', 'G', '-rocm')])
def test_rule_gpu_suffix(recipe, thing, text, asked, partition, suffix):
    thing()
    site = make_site(partition=partition, env={'LUMI_HOOKS_GPU': asked})
    assert adapt(recipe(text), site).versionsuffix == suffix


def test_rule_gpu_suffix_of_dependencies(recipe, thing, g):
    thing('Lib')
    thing(needs={'Lib': 'tested'})
    plain = adapt(recipe("dependencies = [('Lib', '1.0'), ('Other', '1.0')]\n", name='Top'), g)
    assert [str(item) for item in plain.dependencies()][:2] == ['Lib 1.0-CPU', 'Other 1.0']
    needed = adapt(recipe("dependencies = [('Lib', '1.0')]\n" + CUDA.replace('[(', '[("Lib", "1.0"), (')), g)
    assert 'Lib 1.0-rocm' in [str(item) for item in needed.dependencies()]


# --- gpu-back-end

def test_rule_gpu_back_end_refuses_what_nothing_is_known_of(recipe, g, site):
    for where in (g, site):
        found, = says('gpu-back-end', recipe(CUDA), where)
        assert isinstance(found, Refusal) and found.code == 'cuda' and 'CUDA' in found.reason


def test_rule_gpu_back_end_says_why_there_is_none(recipe, thing, g, site):
    thing(refuse={'code': 'no-gpu-backend', 'reason': 'it never had one'}, source='tested')
    for where in (g, site):
        found, = says('gpu-back-end', recipe(CUDA), where)
        assert (found.code, found.reason, found.culprit) == ('no-gpu-backend', 'it never had one', 'Thing')
    assert says('gpu-back-end', recipe(), g) == []


def test_rule_gpu_back_end_names_the_dependency_that_has_none(recipe, thing, g):
    thing('Lib', refuse={'code': 'container', 'reason': 'it comes in one'}, source='tested')
    found, = says('gpu-back-end', recipe("dependencies = [('CUDA', '12'), ('Lib', '1', '-CUDA-12')]\n"), g)
    assert (found.code, found.culprit) == ('container', 'Lib') and 'it depends on Lib 1-CUDA-12' in found.reason


def test_rule_gpu_back_end_on_a_partition_without_gpus(recipe, thing, site):
    thing()
    found, = says('gpu-back-end', recipe(CUDA), site)
    assert found.code == 'partition' and 'partition/G' in found.reason and 'HIP' in found.reason


def test_rule_gpu_back_end_of_a_version_that_lacks_it(recipe, thing, g):
    thing(versions={'min': '2', 'reason': 'it came with 2', 'link': 'https://example.org'})
    found, = says('gpu-back-end', recipe(CUDA), g)
    assert found.code == 'gpu-version' and 'from 2 on' in found.reason and 'it came with 2' in found.reason
    assert says('gpu-back-end', recipe(CUDA, version='2.1'), g) == []


def test_rule_gpu_back_end_of_another_toolchain(recipe, thing):
    thing(compiler={'toolchain': 'cpeAMD', 'reason': 'because'})
    found, = says('gpu-back-end', recipe(CUDA), make_site(partition='G', toolchain='cpeGNU', env={}))
    assert found.code == 'gpu-compiler' and 'because' in found.reason


def test_rule_gpu_back_end_of_what_was_asked_for(recipe, thing):
    thing('Other')
    site = make_site(partition='G', env={'LUMI_HOOKS_GPU': 'Thing'})
    found, = says('gpu-back-end', recipe(), site)
    assert 'was asked for' in found.reason
    assert says('gpu-back-end', recipe(), make_site(partition='G', env={'LUMI_HOOKS_GPU': '*'})) == []


# --- dependencies

@pytest.mark.parametrize('name', sorted(gpu.load_gpu()['replaced']))
def test_rule_gpu_dependencies_replaces_nvidias(recipe, thing, g, name):
    thing()
    entry = gpu.load_gpu()['replaced'][name]
    found = adapt(recipe(f"dependencies = [({name!r}, '1.0', '-CUDA-12.8.0')]\n"), g)
    names = {item.name for item in found.dependencies()}
    assert 'rocm' in names and name not in names
    assert (entry.get('software') or 'rocm') in names
    assert any(change.reason == entry['reason'] for change in found.changes)


def test_rule_gpu_dependencies_of_libraries_for_gpus(recipe, thing, g):
    thing()
    thing('Lib')
    thing('Old', versions={'min': '9', 'reason': 'tested', 'link': 'https://example.org'})
    text = ("dependencies = [('CUDA', '12'), ('Lib', '1', '-x-CUDA-12'), ('Old', '1', '-CUDA-12'), "
            "('Pure', '1', '-CUDA-12')]\n")
    found = adapt(recipe(text), g)
    assert [str(item) for item in found.dependencies()][1:4] == ['Lib 1-x-rocm', 'Old 1-rocm', 'Pure 1']


def test_rule_gpu_dependencies_that_need_no_gpu(recipe, thing, g):
    thing(plain={'Lib': 'only a script uses it'})
    thing('Lib', refuse={'code': 'container', 'reason': 'it comes in one'}, source='tested')
    found = adapt(recipe("dependencies = [('CUDA', '12'), ('Lib', '1', '-CUDA-12')]\n"), g)
    assert found.status == 'adapted' and 'Lib 1' in [str(item) for item in found.dependencies()]


def test_rule_gpu_module_pins_the_releases_rocm(recipe, thing):
    thing()
    for release in release_names():
        site = make_site(release, 'G', env={'LUMI_HOOKS_GPU': 'Thing'})
        module = Dependency.external_module(load_release(release).module('rocm'))
        assert module in adapt(recipe(), site).dependencies()


# --- how it is built

def test_rule_gpu_options_each_kind_of_change(recipe, thing, g):
    link = {'reason': 'tested', 'link': 'https://example.org'}
    thing(changes=[
        {'parameter': 'configopts', 'replace': '-DGPU=CUDA', 'by': '-DGPU=HIP', **link},
        {'parameter': 'configopts', 'add': '-DARCH={gpu_target} -DBLAS={libsci}', **link},
        {'parameter': 'prebuildopts', 'prepend': 'export A=1 &&', **link}, {'parameter': 'x', 'set': 3, **link},
        {'parameter': 'pretestopts', 'drop': True, **link},
        {'parameter': 'toolchainopts', 'option': 'openmp', 'value': False, **link},
        {'parameter': 'sanity_check_paths', 'remove': 'nv', **link},
        {'parameter': 'exts_list', 'extension': 'e', 'of': 'preinstallopts', 'set': 'B=2 ', **link},
        {'parameter': 'dependencies', 'module': 'cray-fftw', **link},
        {'parameter': 'y', 'set': 1, 'min': '2', **link}, {'parameter': 'y', 'set': 2, 'below': '1', **link},
        {'parameter': 'y', 'set': 3, 'from': 'cpu', **link}, {'parameter': 'y', 'set': 4, 'only': '2022', **link},
        {'parameter': 'y', 'set': 5, 'toolchains': ['cpeGNU'], **link}])
    text = CUDA + """
cuda_compute_capabilities = ['8.0']
configopts = ['-DGPU=CUDA -DS=ON', '-DGPU=CUDA -DS=OFF']
prebuildopts = 'export C=1 && '
pretestopts = 'nvcc'
toolchainopts = {'openmp': True, 'usempi': True}
sanity_check_paths = {'files': ['bin/a', 'bin/nv'], 'dirs': []}
exts_list = [('d', '1'), ('e', '2', {'preinstallopts': 'EB_CCC=8.0 ', 'sources': ['x.tgz']})]
"""
    found = adapt(recipe(text), g).parameters
    assert 'cuda_compute_capabilities' not in found and 'pretestopts' not in found and 'y' not in found
    assert found['configopts'][1].startswith('-DGPU=HIP -DS=OFF -DARCH=gfx90a -DBLAS=sci_amd_mpi')
    assert 'export A=1 && export C=1' in found['prebuildopts'] and found['x'] == 3
    assert found['toolchainopts'] == {'openmp': False, 'usempi': True}
    assert found['sanity_check_paths']['files'] == ['bin/a']
    assert found['exts_list'][1][2] == {'preinstallopts': 'B=2 ', 'sources': ['x.tgz']}
    assert 'cray-fftw' in [item[0].split('/')[0] for item in found['dependencies']]


@pytest.mark.parametrize('build, parameters', [
    ('cmake', {'preconfigopts', 'prebuildopts'}), ('autotools', {'preconfigopts', 'prebuildopts'}),
    ('make', {'prebuildopts'}), ('python', {'preinstallopts'}), ('meson', {'preconfigopts', 'prebuildopts'})])
def test_rule_gpu_target(recipe, thing, g, build, parameters):
    thing(build=build)
    found = {change.parameter: change.after for change in says('gpu-target', recipe(CUDA), g)}
    assert set(found) == parameters | ({'configopts'} if build == 'cmake' else set())
    assert all('export HCC_AMDGPU_TARGET=gfx90a && ' in found[name] for name in parameters)
    if build == 'cmake':
        assert all(f'-D{name}=gfx90a' in found['configopts'] for name in load_rocm()['targets']['cmake'])


@pytest.mark.parametrize('compile, there', [
    ({'by': 'hipcc', 'what': 'all', 'link': 'hip'}, True),
    ({'by': 'hipcc', 'what': 'kernels', 'link': 'wrapper'}, False),
    ({'by': 'clang', 'what': 'all', 'link': 'hip'}, False)])
def test_rule_gpu_target_names_the_processor_to_hipcc(recipe, thing, g, compile, there):
    """The wrapper's target module does that for what it compiles; hipcc would compile for any x86-64."""
    thing(compile=compile, build='cmake')
    text = 'export HCC_AMDGPU_TARGET=gfx90a HIPCC_COMPILE_FLAGS_APPEND="-march=znver3 $HIPCC_COMPILE_FLAGS_APPEND" && '
    found = adapt(recipe(CUDA), g).parameters
    assert [text in found[name] for name in ('preconfigopts', 'prebuildopts')] == [there, there]


def test_rule_gpu_target_leaves_what_is_said(recipe, thing, g):
    thing()
    found = adapt(recipe(CUDA + "configopts = '-DGPU_TARGETS=gfx942'\n"), g)
    assert found.parameters['configopts'].count('GPU_TARGETS') == 2, 'AMDGPU_TARGETS comes, GPU_TARGETS stays'


@pytest.mark.parametrize('compile, toolchain, openmp, acts', [
    ({'by': 'wrapper', 'what': 'all', 'link': 'wrapper'}, 'cpeAMD', True, True),
    ({'by': 'wrapper', 'what': 'all', 'link': 'wrapper'}, 'cpeCray', True, True),
    ({'by': 'wrapper', 'what': 'all', 'link': 'wrapper'}, 'cpeGNU', True, False),
    ({'by': 'wrapper', 'what': 'all', 'link': 'wrapper'}, 'cpeAMD', False, False),
    ({'by': 'hipcc', 'what': 'all', 'link': 'hip'}, 'cpeAMD', True, False)])
def test_rule_openmp_hip(recipe, thing, compile, toolchain, openmp, acts):
    thing(compile=compile)
    site = make_site(partition='G', toolchain=toolchain, env={})
    found = adapt(recipe(CUDA + f"toolchainopts = {{'openmp': {openmp}, 'usempi': True}}\n"), site)
    module = Dependency.external_module('craype-accel-host')
    assert (module in found.dependencies('builddependencies')) is acts
    gtl = '$PE_MPICH_GTL_LIBS_amd_gfx90a' in str(found.parameters.get('preconfigopts'))
    assert gtl is (acts or compile['link'] == 'hip'), 'GTL is linked by name where the wrapper does not'


@pytest.mark.parametrize('compile, toolchain, left', [
    ({'by': 'hipcc', 'what': 'all', 'link': 'hip'}, 'cpeGNU', False),
    ({'by': 'hipcc', 'what': 'all', 'link': 'hip'}, 'cpeAMD', True),
    ({'by': 'hipcc', 'what': 'kernels', 'link': 'wrapper'}, 'cpeGNU', True)])
def test_rule_openmp_run_time(recipe, thing, compile, toolchain, left):
    thing(compile=compile)
    site = make_site(partition='G', toolchain=toolchain, env={})
    found = adapt(recipe(CUDA + "toolchainopts = {'openmp': True}\n"), site)
    assert found.parameters['toolchainopts']['openmp'] is left


@pytest.mark.parametrize('link, by, toolchain, mpi, text', [
    ('hip', 'clang', 'gompi', True, '$PE_MPICH_GTL_DIR_amd_gfx90a $PE_MPICH_GTL_LIBS_amd_gfx90a -L$CRAY_MPICH_DIR/lib'),
    ('wrapper', 'hipcc', 'gompi', True, 'export CPATH=$CRAY_MPICH_DIR/include:$CPATH'),
    ('wrapper', 'wrapper', 'gompi', True, None), ('hip', 'clang', 'gfbf', False, None)])
def test_rule_gtl(recipe, thing, g, link, by, toolchain, mpi, text):
    thing(compile={'by': by, 'what': 'kernels', 'link': link})
    found = says('gtl', recipe(CUDA, toolchain=(toolchain, '2025a')), g)
    assert bool(found) is (text is not None)
    assert all(text in change.after and change.link.startswith('https://') for change in found)
    assert bool(says('gpu-usage', recipe(CUDA, toolchain=(toolchain, '2025a')), g)) is mpi


def test_rule_gtl_not_for_what_has_no_mpi(recipe, thing, g, monkeypatch):
    thing(compile={'by': 'clang', 'what': 'all', 'link': 'hip'})
    monkeypatch.setattr(rocm_build, 'uses', lambda name, what: {'value': False, 'reason': 'tested'})
    assert says('gtl', recipe(CUDA), g) == []


def test_rule_gpu_tests(recipe, thing, g):
    thing(tests={'where': 'job', 'reason': 'they need one'})
    change, = says('gpu-tests', recipe(CUDA + "runtest = 'check'\n"), g)
    assert change.after is False and 'they need one' in change.reason and 'lumi-eb job' in change.reason
    thing()
    assert says('gpu-tests', recipe(CUDA), g) == []


def test_rule_gpu_usage_and_never_a_variable(recipe, thing, g):
    thing()
    found = adapt(recipe(CUDA + "usage = 'Start it.'\n"), g)
    assert found.parameters['usage'].startswith('Start it.\n') and 'lumi-eb job' in found.parameters['usage']
    for name, value in found.parameters.items():
        assert name == 'usage' or 'MPICH_GPU_SUPPORT_ENABLED' not in str(value)
    for entry in load_json('sites/lumi/jobs.json')['partitions'].values():
        assert 'MPICH_GPU_SUPPORT_ENABLED' not in {item['name'] for item in entry['environment']}


def test_rule_gpu_usage_a_module_does_not_speak_of_cuda_alone(recipe, thing, g):
    thing()
    found = adapt(recipe(CUDA + "description = 'An array library accelerated by NVIDIA CUDA.'\n"), g)
    assert "for AMD's GPUs" in found.parameters['description'].splitlines()[-1]
    assert found.parameters['description'].startswith('An array library')
    assert adapt(recipe(CUDA + "description = 'Arrays.'\n"), g).parameters['description'] == 'Arrays.'


@pytest.mark.parametrize('more, left', [
    ("configopts = '-DUSE_CUDA=ON'\n", True), ("buildopts = 'NVCC=nvcc'\n", True), ("configopts = '-DX=ON'\n", False),
    ("patches = ['x_cuda.patch']\n", False), ("description = 'With CUDA.'\n", False), ("local_x = 'cuda'\n", False),
    ("exts_list = [('e', '1', {'patches': ['cuda.patch'], 'preinstallopts': 'X=1 '})]\n", False),
    ("exts_list = [('e', '1', {'preinstallopts': 'WITH_CUDA=1 '})]\n", True)])
def test_rule_gpu_left(recipe, thing, g, more, left):
    thing()
    found = adapt(recipe(CUDA + more), g)
    assert (found.status == 'refused') is left
    assert not left or (found.refusals[0].rule == 'gpu-left' and 'data file' in found.reason)
    thing(harmless=['-DUSE_CUDA=ON'])
    assert adapt(recipe(CUDA + "configopts = '-DUSE_CUDA=ON'\n"), g).status == 'adapted'


@pytest.mark.parametrize('toolchainopts, libraries', [
    ({'usempi': True}, '$PE_MPICH_GTL_DIR_amd_gfx90a $PE_MPICH_GTL_LIBS_amd_gfx90a -L$CRAY_MPICH_DIR/lib -lmpi '
     '-L$CRAY_LIBSCI_PREFIX_DIR/lib -lsci_amd_mpi'),
    ({'usempi': False, 'openmp': True}, '-L$CRAY_LIBSCI_PREFIX_DIR/lib -lsci_amd_mp')])
def test_rule_hipcc_libs(recipe, thing, g, toolchainopts, libraries):
    thing(compile={'by': 'hipcc', 'what': 'all', 'link': 'hip'})
    text = f"{CUDA}toolchainopts = {toolchainopts}\n" \
        "preconfigopts = 'export HIPCC_LINK_FLAGS_APPEND=\"$(CC --cray-print-opts=libs)\" && '\n" \
        "buildopts = 'LIBS=\"`cc  --cray-print-opts=all`\" FLAGS=\"$(CC --cray-print-opts=cflags)\"'\n"
    found = {change.parameter: change.after for change in says('hipcc-libs', recipe(text), g)}
    assert found == {
        'preconfigopts': f'export HIPCC_LINK_FLAGS_APPEND="{libraries}" && ',
        'buildopts': f'LIBS="$(CC --cray-print-opts=cflags) {libraries}" FLAGS="$(CC --cray-print-opts=cflags)"'}
    assert says('hipcc-libs', recipe(text.replace(CUDA, ''), name='Other'), g) == []
