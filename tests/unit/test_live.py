# SPDX-License-Identifier: GPL-2.0-only
"""
The session in `eb`: what a recipe that is being read becomes.

EasyBuild's own EasyConfig object is used (its parsing, not its building), with the hook in the middle of it as in
`eb`; no modules are looked at.
"""
import importlib
import os
import shutil
import sys
import tempfile

import pytest
from easybuild.framework.easyconfig import easyconfig
from easybuild.framework.easyconfig.easyconfig import EasyConfig
from easybuild.tools import modules
from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.config import BuildOptions, ConfigurationVariables, build_option, update_build_option
from easybuild.tools.options import set_up_configuration
from writing import put_recipe

from lumi_hooks.eb import live, plugin_folders, session
from lumi_hooks.eb.policy.modules import SCOPE, enter, is_cpe
from lumi_hooks.errors import SiteError
from lumi_hooks.index import Index
from lumi_hooks.recipe import parse_recipe
from lumi_hooks.site import make_site


@pytest.fixture(autouse=True)
def configured(tmp_path, monkeypatch):
    """EasyBuild as `eb` configures itself, in a folder of the test; what was configured before comes back."""
    kinds = (BuildOptions, ConfigurationVariables)
    before = {kind: type(kind)._instances.pop(kind, None) for kind in kinds}
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    monkeypatch.setattr(tempfile, 'tempdir', None)
    set_up_configuration(args=['--prefix', str(tmp_path / 'eb'), '--robot-paths', '/robot',
                               '--allow-use-as-root-and-accept-consequences'], silent=True)
    update_build_option('external_modules_metadata', {})
    # EasyBuild's own tool for where there are no modules: none are looked at
    monkeypatch.setattr(modules, 'get_modules_tool', lambda: None)
    for folder in ('toolchains', 'easyblocks'):
        plugin_folders.plugin_package(folder)
        importlib.import_module(f'lumi_hooks_{folder}.registry').supersede()
    yield
    for kind, instance in before.items():
        type(kind)._instances.pop(kind, None)
        if instance is not None:
            type(kind)._instances[kind] = instance


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A session with folders of its own."""
    class World:
        upstream, recipes, prefix = tmp_path / 'up', tmp_path / 'recipes', tmp_path / 'prefix'

        def start(self, partition=None, **env):
            site = make_site('25.03', partition, prefix=str(self.prefix), env=env,
                             index=Index([], [str(self.recipes)], [str(self.upstream)]))
            return session.Session(site, [str(self.upstream)])

        def read(self, path, **env):
            """A recipe file, read by EasyBuild with the parse hook in place."""
            here = self.start(**env)
            return self.parse(path, here), here

        def parse(self, path, here, before=None):
            def parse_hook(ec, *args, **kwargs):
                if before:
                    before(ec)
                here.read(ec)
            here.configure()
            monkeypatch.setattr(easyconfig, 'load_hooks', lambda path: {'parse_hook': parse_hook})
            return EasyConfig(path, validate=False)

        def files(self):
            return sorted(name for _, _, names in os.walk(self.prefix) for name in names if name.endswith('.eb'))
    return World()


MORE = "builddependencies = [('binutils', '2.42')]\ndependencies = [('HDF5', '1.14.5'), ('Part', '1.0')]\n" \
       "toolchainopts = {'pic': True}\n"


def test_a_recipe_in_the_place_of_another(world):
    put_recipe(world.upstream, 'Part')
    ec, here = world.read(put_recipe(world.upstream, more=MORE))
    assert ec._config['toolchain'][0] == {'name': 'cpeGNU', 'version': '25.03'}
    assert ec.path.startswith(here.store.root + os.sep) and os.path.basename(ec.path) == 'Thing-1.0-cpeGNU-25.03.eb'
    with open(ec.path, encoding='utf-8') as stream:
        assert ec.rawtxt == stream.read()
    found = {item['full_mod_name']: item['external_module'] for item in ec.dependencies()}
    assert found['Part/1.0-cpeGNU-25.03'] is False
    assert found[here.site.release.module('cray-hdf5-parallel')] is True
    assert ec.full_mod_name == 'Thing/1.0-cpeGNU-25.03' and type(ec.toolchain).__name__ == 'cpeGNU'
    assert ec._config['builddependencies'][0] == []
    assert ec._config['toolchainopts'][0] == {'pic': True}
    # what it depends on is there for the robot
    assert world.files() == ['Part-1.0-cpeGNU-25.03.eb', 'Thing-1.0-cpeGNU-25.03.eb']
    assert is_cpe(ec) and here.refused == {}


def test_read_again_is_the_same(world):
    path = put_recipe(world.upstream, more=MORE)
    here = world.start()
    texts = set()
    for _ in range(3):
        ec = world.parse(path, here)
        texts.add((ec.rawtxt, ec.path))
        here.read(ec)  # it is for cpeGNU by now, so nothing is done
        texts.add((ec.rawtxt, ec.path))
    assert len(texts) == 1


def test_a_copy_without_a_path(world):
    """Bundles make copies of the object, which have no path."""
    ec, here = world.read(put_recipe(world.upstream, more=MORE))
    copy = ec.copy(validate=False)
    assert is_cpe(copy) and copy._config['dependencies'] == ec._config['dependencies']

    def forget(ec):
        ec.path = None
    ec = world.parse(put_recipe(world.upstream, 'Other', more=MORE), here, before=forget)
    assert is_cpe(ec)


def test_native_recipes_stay(world):
    path = put_recipe(world.recipes, toolchain=('cpeGNU', '25.03'), more="dependencies = [('Part', '1.0')]\n")
    put_recipe(world.upstream, 'Part')
    ec, _ = world.read(path)
    assert ec.path == path
    assert world.files() == ['Part-1.0-cpeGNU-25.03.eb'], 'what it needs is derived'


def test_a_recipe_of_ones_own_is_kept_from_the_robot(world, tmp_path):
    put_recipe(world.upstream)
    ec, here = world.read(put_recipe(tmp_path / 'own', more="moduleclass = 'lib'\n", flat=True))
    assert ec.path.startswith(here.store.root) and ec.path.endswith('/Thing-1.0-cpeGNU-25.03.eb')
    assert [files for _, _, files in os.walk(here.view.root) if files] == []


def test_lumis_recipe_wins(world):
    own = put_recipe(world.recipes, toolchain=('cpeGNU', '25.03'), more="moduleclass = 'lib'\n")
    path = put_recipe(world.upstream)
    ec, _ = world.read(path)
    assert ec.path == own and ec._config['moduleclass'][0] == 'lib'
    ec, _ = world.read(path, LUMI_HOOKS_DERIVE='Thing')
    assert ec.path != own and ec._config['moduleclass'][0] == 'base'


def test_refusals_are_raised_once_and_together(world):
    here = world.start()
    for name, more in (('One', "dependencies = [('CUDA', '12')]\n"), ('Two', "dependencies = [('One', '1.0')]\n")):
        world.parse(put_recipe(world.upstream, name, more=more), here)
    with pytest.raises(EasyBuildError) as caught:
        here.raise_refusals()
    text = str(caught.value)
    assert 'nothing was built' in text and 'One-1.0-foss-2025a.eb' in text and 'Two-1.0-foss-2025a.eb' in text
    assert 'CUDA' in text


def test_nothing_to_refuse(world):
    world.start().raise_refusals()


def test_too_late(world):
    with pytest.raises(EasyBuildError, match='was used before the recipe was adapted'):
        world.parse(put_recipe(world.upstream), world.start(), before=lambda ec: ec.toolchain)


def test_dropped_parameters_are_default_again(world):
    def replace(ec):
        assert ec._config['patches'][0] == ['a.patch']
        live.replace(ec, ec.rawtxt.replace("patches = ['a.patch']\n", ''), '/overlay/x.eb')
        assert ec._config['patches'][0] == [] and ec.path == '/overlay/x.eb'
    ec = world.parse(put_recipe(world.upstream, more="patches = ['a.patch']\n"), world.start(), before=replace)
    assert ec._config['patches'][0] == []


def test_configure_is_idempotent(world, monkeypatch):
    world.upstream.mkdir()
    monkeypatch.setenv('EASYBUILD_ROBOT_PATHS', '/robot:/other')
    here = world.start()
    robot = build_option('robot_path')
    for _ in range(3):
        here.configure()
    assert build_option('robot_path') is robot, 'EasyBuild hands this very list around'
    assert robot[0] == here.view.root and robot[1] == '/robot' and robot.count(str(world.upstream)) == 1
    assert os.environ['EASYBUILD_ROBOT_PATHS'].split(':')[:3] == [here.view.root, '/robot', '/other']
    assert len(set(robot)) == len(robot)


def test_metadata_is_literal_and_complete(world):
    here = world.start()
    here.configure()
    metadata = build_option('external_modules_metadata')
    for name, module in here.site.cray.items():
        for key in (name, module.full_name):
            entry = metadata[key]
            assert entry['name'] == list(module.provides) and entry['prefix'] == module.prefix
            assert entry['version'] == [module.upstream_version] * len(entry['name'])


def test_scope_of_a_build(world):
    put_recipe(world.upstream, 'Part')
    ec, here = world.read(put_recipe(world.upstream, toolchain=('GCC', '14.2.0')))
    enter(ec, here.site)
    assert SCOPE.active and set(SCOPE.kept_out) == {'cray-mpich', 'xpmem', 'cray-libsci'}
    SCOPE.leave()
    assert not SCOPE.active
    enter(world.read(put_recipe(world.upstream, 'Sys', toolchain=('system', 'system')))[0], here.site)
    assert not SCOPE.active


# --- one session a process

@pytest.fixture
def no_session(monkeypatch):
    monkeypatch.setattr(session, '_session', None)


def test_no_session_where_lumi_is_not_loaded(no_session):
    assert session.ensure() is None and session.current() is None


def test_wrong_environment_is_easybuilds_error(no_session, monkeypatch):
    monkeypatch.setenv('LUMI_STACK_VERSION', '25.03')
    with pytest.raises(EasyBuildError, match='lumi-hooks: LUMI_STACK_PARTITION is not set') as caught:
        session.ensure()
    assert isinstance(caught.value.__cause__, SiteError) and session.current() is None


def test_wrong_environment_can_wait_at_the_start(no_session, monkeypatch):
    """`eb --search` reads no recipe, so it works in any environment."""
    session.begin()
    monkeypatch.setenv('LUMI_STACK_VERSION', '25.03')
    session.begin()
    assert session.current() is None
    with pytest.raises(EasyBuildError):
        session.ensure()


def test_patches_go_along(world, tmp_path):
    path = put_recipe(tmp_path / 'own', more="patches = ['mine.patch']\n", flat=True)
    (tmp_path / 'own' / 'mine.patch').write_text('--- a\n')
    ec, _ = world.read(path)
    assert os.path.isfile(os.path.join(os.path.dirname(ec.path), 'mine.patch'))
    shutil.rmtree(tmp_path / 'own')
    assert parse_recipe(ec.rawtxt).parameters['patches'] == ['mine.patch']


# --- the GPUs

CUDA = "versionsuffix = '-CUDA-%(cudaver)s'\nconfigopts = '--enable-cuda --with-cuda=$EBROOTCUDA'\n" \
       "dependencies = [('CUDA', '12.8.0', '', SYSTEM), ('UCX-CUDA', '1.18.0', versionsuffix), ('Part', '1.0')]\n"


def test_the_gpu_is_named_to_upstreams_templates(world):
    more = "configopts = '-DA=%(amdgcn_cc_semicolon_sep)s -DB=%(amdgcn_cc_space_sep)s'\n"
    ec, here = world.read(put_recipe(world.upstream, more=more), partition='G')
    for _ in range(2):
        assert build_option('amdgcn_capabilities') == ['gfx90a']
        here.configure()
    assert ec['configopts'] == '-DA=gfx90a -DB=gfx90a'


def test_the_gpu_that_a_user_names_stays(world):
    update_build_option('amdgcn_capabilities', ['gfx942'])
    world.start(partition='G').configure()
    assert build_option('amdgcn_capabilities') == ['gfx942']


def test_no_gpu_is_named_where_there_is_none(world):
    world.start().configure()
    assert not build_option('amdgcn_capabilities')


def test_an_easybuild_that_knows_no_amd_gpus(world, monkeypatch):
    monkeypatch.setattr(session, 'BuildOptions', lambda: {})
    world.start(partition='G').configure()
    assert not build_option('amdgcn_capabilities')


def test_a_recipe_for_cuda_becomes_one_for_rocm(world):
    """The toolchain, too, is the one of the package's data, for what it needs as well."""
    put_recipe(world.upstream, 'Part')
    ec, here = world.read(put_recipe(world.upstream, 'LAMMPS', version='29Aug2024', more="easyblock = 'ConfigureMake'\n"
                                     "versionsuffix = '-CUDA-12.8.0'\nkokkos_arch = 'ZEN3'\n"
                                     "cuda_compute_capabilities = ['8.0']\n"
                                     "dependencies = [('CUDA', '12.8.0', '', SYSTEM), ('Part', '1.0')]\n"),
                          partition='G')
    assert here.refused == {}
    assert ec.full_mod_name == 'LAMMPS/29Aug2024-cpeAMD-25.03-rocm' and type(ec.toolchain).__name__ == 'cpeAMD'
    found = {item['full_mod_name']: item['external_module'] for item in ec.dependencies()}
    assert found[here.site.release.module('rocm')] is True and found['Part/1.0-cpeAMD-25.03'] is False
    assert world.files() == ['LAMMPS-29Aug2024-cpeAMD-25.03-rocm.eb', 'Part-1.0-cpeAMD-25.03.eb']


def test_a_recipe_for_the_processors_on_the_gpus_partition(world):
    path = put_recipe(world.upstream, 'OSU-Micro-Benchmarks', version='7.5')
    ec, _ = world.read(path, partition='G')
    assert ec.full_mod_name == 'OSU-Micro-Benchmarks/7.5-cpeGNU-25.03-CPU'
    ec, here = world.read(path, partition='G', LUMI_HOOKS_GPU='OSU-Micro-Benchmarks')
    assert ec.full_mod_name == 'OSU-Micro-Benchmarks/7.5-cpeGNU-25.03-rocm'
    assert '--enable-rocm' in ec['configopts'] and here.site.release.module('rocm') in ec.rawtxt


def test_a_recipe_for_cuda_where_there_are_no_gpus(world):
    _, here = world.read(put_recipe(world.upstream, 'OSU-Micro-Benchmarks', version='7.5', more=CUDA))
    (_, reason), = here.refused.items()
    assert 'load partition/G' in reason


@pytest.mark.parametrize('before, after', [
    ('-DGMX_GPU=HIP -DGMX_MPI=ON -DGMX_GPU=OFF', '-DGMX_GPU=HIP -DGMX_MPI=ON '),
    ('-DA="x y" -DA:STRING="z w"  -DB=1', '-DA="x y"   -DB=1'), ("-DA='x;y' -DAB=2 -D A=3", "-DA='x;y' -DAB=2 "),
    ('-DA=$ROCM_PATH/bin/hipcc --trace', '-DA=$ROCM_PATH/bin/hipcc --trace'), ('', '')])
def test_options_of_a_recipe_win_over_an_easyblocks(before, after):
    assert importlib.import_module('lumi_hooks_easyblocks.registry.recipe_wins').first_wins(before) == after


@pytest.mark.parametrize('name', ['gromacs', 'lammps'])
def test_whose_options_the_recipe_overrides(name):
    """Behind upstream's class, and before the generic one that runs CMake: it sees all options."""
    wins = importlib.import_module('lumi_hooks_easyblocks.registry.recipe_wins').RecipeWins
    ours = getattr(importlib.import_module(f'lumi_hooks_easyblocks.fixes.{name}'), f'EB_{name.upper()}')
    names = [cls.__name__ for cls in ours.__mro__]
    upstreams = names.index(ours.__name__, 1)
    assert issubclass(ours, wins) and upstreams < names.index('RecipeWins') < names.index('CMakeMake')


@pytest.mark.parametrize('installed, arguments, told', [
    (False, ['eb', 'X.eb', '-D'], True), (True, ['eb', 'X.eb', '-D', '-r'], False),
    (True, ['eb', 'Part-1.0-cpeGNU-25.03.eb'], False), (True, ['eb', 'Part-1.0-cpeGNU-25.03.eb', '--rebuild'], True)])
def test_B9_recipes_of_what_is_installed_and_stays_are_not_compared(world, monkeypatch, capsys, installed, arguments,
                                                                    told):
    """A dry run reads the archived recipe of everything that is there already."""
    put_recipe(world.recipes, 'Part', toolchain=('cpeGNU', '25.03'), more="buildopts = 'new'\n")
    archived = put_recipe(world.prefix / 'ebfiles_repo/LUMI-25.03/LUMI-C', 'Part', toolchain=('cpeGNU', '25.03'),
                          more="buildopts = 'old'\n")
    monkeypatch.setattr(sys, 'argv', arguments)
    monkeypatch.setattr(Index, 'module_file', lambda self, module: '/m.lua' if installed else None)
    world.read(archived)
    assert ('is what was installed once, and differs from' in capsys.readouterr().out) is told
