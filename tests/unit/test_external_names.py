# SPDX-License-Identifier: GPL-2.0-only
"""External modules among the dependencies, as easyblocks see them."""
from types import SimpleNamespace

import pytest
from easybuild.framework.easyconfig.easyconfig import EasyConfig

from lumi_hooks.eb.policy import external_names

METADATA = {'cray-hdf5-parallel/1.14.3.5': {'name': ['HDF5'], 'version': ['1.14.3'], 'prefix': 'HDF5_DIR'},
            'mine/1.0': {}}


@pytest.fixture
def asked(monkeypatch, patched):
    """Which modules EasyBuild's own method is asked for, once names are filled in."""
    found = []

    def original(self, name):
        found.append(name)
        return {'external_module_metadata': METADATA[name]}

    monkeypatch.setattr(EasyConfig, 'handle_external_module_metadata', original)
    patched('names', site=SimpleNamespace(cray={'cray-hdf5-parallel': 1}, release=SimpleNamespace(modules={
        'craype': '2.7', 'xpmem': '2', 'cray-hdf5-parallel': '1.14'})))
    return found


def parsed(name):
    return EasyConfig.handle_external_module_metadata(None, name)


def test_a_module_that_stands_for_software_gets_its_name(asked):
    assert parsed('cray-hdf5-parallel/1.14.3.5') == {
        'name': 'HDF5', 'version': '1.14.3',
        'external_module_metadata': METADATA['cray-hdf5-parallel/1.14.3.5']}


def test_one_of_which_nothing_is_known_stays_without(asked):
    assert parsed('mine/1.0') == {'external_module_metadata': {}}
    assert asked == ['mine/1.0']


@pytest.mark.parametrize('name', ['craype/2.7.34', 'xpmem'])
def test_lmod_is_not_asked_for_parts_of_the_toolchain(asked, name):
    assert parsed(name) == {'external_module_metadata': {}}
    assert asked == []



def test_without_our_toolchains_their_external_modules_have_no_names(monkeypatch):
    """EasyBuild 5.2.0 wants $EBROOT of each name, and LUMI's own classes set none."""
    metadata = {'name': ['GCC'], 'prefix': 'GCC_PREFIX'}
    found = [{'external_module': True, 'external_module_metadata': metadata},
             {'name': 'zlib', 'external_module': False}]
    external_names.leave_out_roots(found)
    assert found[0]['external_module_metadata'] == metadata
    monkeypatch.setattr(external_names.patches, 'on', lambda feature: feature != 'toolchains')
    external_names.leave_out_roots(found)
    assert [dep.get('external_module_metadata') for dep in found] == [{'prefix': 'GCC_PREFIX'}, None]
    assert 'name' in metadata  # which EasyBuild shares between recipes


def test_an_extensions_package_gets_its_names_back(monkeypatch):
    monkeypatch.setattr(external_names.patches, 'on', lambda feature: False)
    python = {'external_module': True, 'external_module_metadata': {'name': ['Python']}}
    # build dependencies of several iterations are lists
    cfg = SimpleNamespace(get_ref={'dependencies': [python], 'builddependencies': [[{}]]}.get)
    toolchain = SimpleNamespace(tcdeps=None)
    external_names.enter_extension(SimpleNamespace(master=SimpleNamespace(cfg=cfg), toolchain=toolchain))
    assert python['external_module_metadata'] == {}
    external_names.leave_extension()
    assert python['external_module_metadata'] == {'name': ['Python']}
