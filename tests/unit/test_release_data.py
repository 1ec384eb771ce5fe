# SPDX-License-Identifier: GPL-2.0-only
"""The data of releases, compilers and toolchains: against each other, the machine and upstream."""
import os
import re

import pytest

from lumi_hooks.data import load_json
from lumi_hooks.errors import DataError
from lumi_hooks.packages import package
from lumi_hooks.releases import (
    cray_modules,
    default_release,
    generation_of,
    library_versions,
    load_compilers,
    load_machine,
    load_release,
    load_toolchains,
    load_upstream,
    python_packages,
    release_names,
)
from lumi_hooks.releases.toolchains import toolchain_facts
from lumi_hooks.schemas.files import data_files

# --- releases against each other and the machine

def test_one_default_release():
    assert [name for name in release_names() if load_release(name).default] == [default_release().name]


def test_releases_are_in_order():
    assert list(release_names()) == sorted(release_names()) and len(release_names()) >= 6


def test_unknown_release_lists_the_known_ones():
    with pytest.raises(DataError, match='unknown release "99.01".*25.03'):
        load_release('99.01')


@pytest.mark.parametrize('name', release_names())
def test_release_agrees_with_the_rest(name):
    release = load_release(name)
    assert release.cpe == name
    assert release.generation in load_upstream()['generations']
    assert release.modules['cpe'] == release.cpe
    gcc = release.modules.get('gcc-native') or release.modules['gcc']
    major = load_upstream()['generations'][release.generation].split('.')[0]
    assert gcc.split('.')[0] == major, 'the generation is not that of the release\'s GCC'
    assert {'cray-python', 'cray-fftw', 'cray-mpich', 'cray-libsci', 'rocm'} <= set(release.modules)


@pytest.mark.parametrize('name', release_names())
@pytest.mark.parametrize('toolchain', list(load_toolchains()['toolchains']))
def test_toolchain_is_complete_in_every_release(name, toolchain):
    release = load_release(name)
    facts = toolchain_facts(toolchain, release)
    assert facts.compiler in facts.modules
    pinned = [module for module in facts.modules if '/' in module]
    assert len(pinned) == len(facts.modules) - len(load_toolchains()['unversioned'])
    for module in pinned:
        software, _, version = module.partition('/')
        assert release.modules[software] == version


def test_unknown_toolchain_and_module_are_named():
    release = default_release()
    with pytest.raises(DataError, match='unknown toolchain "cpeIntel"; known are cpeGNU'):
        toolchain_facts('cpeIntel', release)
    with pytest.raises(DataError, match='has no module cray-coffee'):
        release.module('cray-coffee')


def test_toolchains_that_the_machine_names_exist():
    known = set(load_toolchains()['toolchains'])
    machine = load_machine()
    assert machine['default_toolchain'] in known
    for facts in machine['partitions'].values():
        assert set(facts['toolchains']) <= known
        assert machine['default_toolchain'] in facts['toolchains']


def test_partition_facts_agree_with_each_other():
    for name, facts in load_machine()['partitions'].items():
        assert f'craype-{facts["optarch"]}' == facts['targets'][0], name
        accelerator = facts['targets'][1]
        assert facts['gpu'] == (accelerator != 'craype-accel-host'), name
        if facts['gpu']:
            assert accelerator.endswith(load_machine()['rocm']['gpu_target']), name


def test_hosts_of_partitions_do_not_overlap():
    spans = []
    for facts in load_machine()['partitions'].values():
        for host in facts['hosts']:
            match = re.fullmatch(r'([a-z]+)(\d+)-[a-z]+(\d+)', host)
            if match:
                spans.append((match[1], int(match[2]), int(match[3])))
    spans.sort()
    assert all(low <= high for _, low, high in spans)
    assert all(one[0] != two[0] or one[2] < two[1] for one, two in zip(spans, spans[1:]))


def test_unversioned_modules_are_the_same_in_both_files():
    assert set(load_toolchains()['unversioned']) == set(load_machine()['unversioned_modules'])
    assert not any(name in load_release(release).modules for name in load_toolchains()['unversioned']
                   for release in release_names())


def test_rocm_lies_in_the_driver_window():
    rocm = load_machine()['rocm']
    low, high = (tuple(map(int, item.split('.'))) for item in rocm['driver_window'])
    assert low <= tuple(map(int, rocm['default'].split('.')))[:2] <= high


@pytest.mark.parametrize('name', release_names())
def test_cray_modules_of_a_release(name):
    found = cray_modules(name)
    assert {'cray-python', 'cray-hdf5-parallel', 'cray-netcdf'} <= set(found)
    for module in found.values():
        assert module.full_name == load_release(name).module(module.name)
        assert module.version.startswith(module.upstream_version)


def test_every_cray_module_exists_in_some_release():
    everywhere = {module for name in release_names() for module in load_release(name).modules}
    assert set(load_json('releases/modules.json')['modules']) <= everywhere


def test_prefix_variables_are_not_shared_by_modules_that_load_together():
    modules = load_json('releases/modules.json')['modules']
    for name in release_names():
        used = [entry['prefix'] for module, entry in modules.items() if module in load_release(name).modules]
        assert len(used) == len(set(used)), name


def test_version_tables_belong_to_known_releases():
    names = [os.path.basename(path)[:-5] for path in data_files() if path.startswith('sites/lumi/versions/')]
    assert names and set(names) <= set(release_names())
    assert library_versions('26.03') == {} or '26.03' in names
    assert 'zlib' in library_versions(default_release().name)


def test_generations_are_in_order():
    generations = load_upstream()['generations']
    assert list(generations) == sorted(generations)
    versions = [tuple(map(int, version.split('.'))) for version in generations.values()]
    assert versions == sorted(versions) and len(set(versions)) == len(versions)


@pytest.mark.parametrize('toolchain, version, generation', [
    ('GCCcore', '14.2.0', '2025a'), ('GCC', '13.3.0', '2024a'), ('foss', '2025b', '2025b'),
    ('GCCcore', '4.9.3', None), ('foss', '2016a', None), ('gompi', '2025a', '2025a')])
def test_generation_of_a_toolchain(toolchain, version, generation):
    assert generation_of(toolchain, version) == generation


# --- what a cray-python carries, and bundles

@pytest.mark.parametrize('release', release_names())
def test_every_cray_python_has_a_list(release):
    version = load_release(release).modules['cray-python']
    found = python_packages(version)
    assert {'numpy', 'scipy', 'mpi4py', 'dask', 'pandas'} <= set(found)
    assert all(entry['version'] for entry in found.values() if entry['verified'])
    data = load_json(f'releases/python/{version}.json')
    assert f'cray-python/{version}' in data['capture'] and 'lumi-eb capture' in data['capture']
    for name, entry in data['packages'].items():
        assert entry['version'] is None or entry.get('source') or 'asked of the interpreter' in data['source'], name
        assert entry['version'] or entry.get('note'), f'nothing is known of {name}, and nothing says why'


def test_unknown_python_carries_nothing():
    assert python_packages('0.1') == {}


def test_members_of_bundles_are_upstreams(upstream):
    """The members of SciPy-bundle by version are those of upstream's recipes."""
    from lumi_hooks.index import normal_name
    from lumi_hooks.recipe import read_recipe
    members = package('SciPy-bundle')['as_dependency']['members']
    folder = os.path.join(upstream[0], 's', 'SciPy-bundle')
    seen = set()
    for name in os.listdir(folder):
        match = re.fullmatch(r'SciPy-bundle-([\d.]+)-(?:gfbf|foss)-20\d\d(?:[ab]|\.1)\.eb', name)
        if match:
            seen.add(match[1])
            listed = read_recipe(os.path.join(folder, name)).parameters['exts_list']
            exts = {normal_name(item[0]): item[1] for item in listed}
            assert members[match[1]] == exts, name
    assert seen == set(members), 'upstream has other versions than packages/SciPy-bundle.json'


# --- compilers and families

def test_compilers_know_every_family_and_version():
    from lumi_hooks.rules.compiler import compiler_base
    from lumi_hooks.site import make_site
    assert set(load_compilers()['families']) == {entry['family'] for entry in load_toolchains()['toolchains'].values()}
    for release in release_names():
        for partition, toolchains in (('C', ('cpeGNU', 'cpeCray', 'cpeAOCC')), ('G', ('cpeAMD',))):
            for toolchain in toolchains:
                assert compiler_base(make_site(release, partition, toolchain, env={})), (release, toolchain)


def test_families_of_toolchains_exist_and_their_marks_compile():
    data = load_upstream()
    assert {entry['family'] for entry in data['toolchains'].values()} == set(data['families'])
    for family in data['families'].values():
        for mark in family.get('marks', ()):
            re.compile(mark)


def test_every_upstream_toolchain_is_known(upstream):
    """No recipe of upstream is refused as its toolchain is unknown: each name ends in a known toolchain, or none."""
    known = set(load_upstream()['toolchains'])
    folder = os.path.join(upstream[0])
    seen = set()
    for _, _, names in os.walk(folder):
        for name in names:
            match = re.search(r'-([A-Za-z][A-Za-z-]*)-(?:20\d\d[ab.])', name)
            if match and name.endswith('.eb'):
                seen.add(match[1])
    assert {'foss', 'intel', 'gfbf', 'lfoss', 'gomkl'} <= seen & known
