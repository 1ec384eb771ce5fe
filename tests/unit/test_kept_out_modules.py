# SPDX-License-Identifier: GPL-2.0-only
"""
eb/policy/modules: what a build sees of the Cray modules, after every load of modules.

The module tool is a small stand-in here, as only calls and variables are looked at; real Lmod loads and unloads in
the integration tests.
"""
import os

import pytest
from easybuild.tools.modules import ModulesTool

from lumi_hooks.eb.policy import modules
from lumi_hooks.eb.policy.modules import Scope, loaded_modules
from lumi_hooks.releases import cray_modules, default_release

CRAY = cray_modules(default_release().name)


@pytest.fixture(autouse=True)
def defaults(options):
    """setvar looks at EasyBuild's options."""


class Tool:
    """Unloads by editing $LOADEDMODULES."""

    def __init__(self, scope=None):
        self.calls, self.scope = [], scope

    def run_module(self, command, *names):
        self.calls.append((command, *names))
        left = [full for full in os.environ['LOADEDMODULES'].split(':') if full.split('/')[0] not in names]
        os.environ['LOADEDMODULES'] = ':'.join(left)
        if self.scope:
            self.scope.after_load(self)


@pytest.fixture
def loaded(monkeypatch):
    def load(*full_names, **prefixes):
        monkeypatch.setenv('LOADEDMODULES', ':'.join(full_names))
        for name, value in prefixes.items():
            monkeypatch.setenv(name, value)
    return load


@pytest.fixture
def scope():
    found = Scope()
    yield found
    found.leave()


@pytest.mark.parametrize('value, expected', [
    ('', {}), ('a/1', {'a': '1'}), ('a/1:b', {'a': '1', 'b': ''}), ('a/b/1', {'a/b': '1'}), ('a/1::', {'a': '1'})])
def test_loaded_modules(value, expected):
    assert loaded_modules({'LOADEDMODULES': value}) == expected


def test_loaded_modules_of_this_process(loaded):
    assert loaded_modules() == {}
    loaded('a/1')
    assert loaded_modules() == {'a': '1'}


def test_kept_out_is_unloaded_at_every_load(scope, loaded):
    loaded('cray-mpich/8.1.32', 'xpmem/2', 'cray-libsci/25.03.0')
    scope.enter(['cray-mpich', 'xpmem', 'rocm'], CRAY)
    tool = Tool()
    scope.after_load(tool)
    assert tool.calls == [('unload', 'cray-mpich', 'xpmem')]
    assert os.environ['LOADEDMODULES'] == 'cray-libsci/25.03.0'
    scope.after_load(tool)
    assert len(tool.calls) == 1, 'nothing is left to unload'
    loaded('cray-mpich/8.1.32')  # it is back after another load
    scope.after_load(tool)
    assert tool.calls[1] == ('unload', 'cray-mpich')


def test_root_and_version_are_defined(scope, loaded):
    module = CRAY['cray-hdf5-parallel']
    loaded(module.full_name, CRAY_HDF5_PARALLEL_PREFIX='/opt/hdf5')
    scope.enter([], CRAY)
    scope.after_load(Tool())
    assert os.environ['EBROOTHDF5'] == '/opt/hdf5'
    assert os.environ['EBVERSIONHDF5'] == module.upstream_version
    assert module.version.startswith(os.environ['EBVERSIONHDF5'] + '.')


def test_version_is_that_of_the_loaded_module(scope, loaded):
    loaded('cray-python/3.10.10', CRAY_PYTHON_PREFIX='/opt/python')
    scope.enter([], CRAY)
    scope.after_load(Tool())
    assert os.environ['EBVERSIONPYTHON'] == '3.10.10'


def test_all_names_of_a_module(scope, loaded):
    loaded(CRAY['cray-fftw'].full_name, CRAY_FFTW_PREFIX='/opt/fftw')
    scope.enter([], CRAY)
    scope.after_load(Tool())
    assert sorted(name for name in os.environ if name.startswith('EBROOTFFTW')) == ['EBROOTFFTW', 'EBROOTFFTWMPI']
    assert os.environ['EBROOTFFTW'] == os.environ['EBROOTFFTWMPI'] == '/opt/fftw'


def test_no_prefix_no_root(scope, loaded):
    loaded(CRAY['cray-fftw'].full_name)
    scope.enter([], CRAY)
    scope.after_load(Tool())
    assert 'EBROOTFFTW' not in os.environ


def test_taken_back_when_the_module_goes(scope, loaded):
    loaded(CRAY['cray-fftw'].full_name, CRAY_FFTW_PREFIX='/opt/fftw')
    scope.enter([], CRAY)
    scope.after_load(Tool())
    loaded('other/1')
    scope.after_load(Tool())
    assert 'EBROOTFFTW' not in os.environ and 'EBVERSIONFFTW' not in os.environ


def test_what_somebody_else_defined_stays(scope, loaded, monkeypatch):
    loaded(CRAY['cray-fftw'].full_name, CRAY_FFTW_PREFIX='/opt/fftw')
    scope.enter([], CRAY)
    scope.after_load(Tool())
    monkeypatch.setenv('EBROOTFFTW', '/an/own/build')
    loaded('FFTW/3.3.10-cpeGNU-25.03')
    scope.after_load(Tool())
    assert os.environ['EBROOTFFTW'] == '/an/own/build' and 'EBVERSIONFFTW' not in os.environ


def test_left_behind_is_nothing(scope, loaded):
    loaded('cray-mpich/8.1.32', CRAY['cray-fftw'].full_name, CRAY_FFTW_PREFIX='/opt/fftw')
    scope.enter(['cray-mpich'], CRAY)
    scope.after_load(Tool())
    scope.leave()
    assert 'EBROOTFFTW' not in os.environ and not scope.active and scope.kept_out == ()
    loaded('cray-mpich/8.1.32')
    tool = Tool()
    scope.after_load(tool)
    assert tool.calls == [] and loaded_modules() == {'cray-mpich': '8.1.32'}


def test_a_load_within_the_unload_does_not_start_over(scope, loaded):
    loaded('cray-mpich/8.1.32')
    scope.enter(['cray-mpich'], CRAY)
    tool = Tool(scope)
    scope.after_load(tool)
    assert tool.calls == [('unload', 'cray-mpich')]


def test_a_failed_unload_does_not_block_the_next(scope, loaded):
    class Broken:
        def run_module(self, *_):
            raise RuntimeError('lmod is gone')
    loaded('cray-mpich/8.1.32')
    scope.enter(['cray-mpich'], CRAY)
    with pytest.raises(RuntimeError):
        scope.after_load(Broken())
    tool = Tool()
    scope.after_load(tool)
    assert tool.calls


def test_loads_are_watched_once(monkeypatch, patched):
    calls = []

    def load(self, *args, **kwargs):
        """Load modules."""
        calls.append(args)
        return 'loaded'
    monkeypatch.setattr(ModulesTool, 'load', load)
    watched = []
    monkeypatch.setattr(modules.SCOPE, 'after_load', watched.append)
    patched('modules')
    once = ModulesTool.load
    patched('modules')
    assert ModulesTool.load is once and once.__doc__ == 'Load modules.'
    tool = object.__new__(ModulesTool)
    assert tool.load(['a/1']) == 'loaded'
    assert calls == [(['a/1'],)] and watched == [tool]
