# SPDX-License-Identifier: GPL-2.0-only
"""The index: installed modules, LUMI's and the user's recipes, upstream's recipes by their file names."""
import os

import pytest
from writing import put_module, put_recipe

from lumi_hooks.catalogue import other_recipes, our_recipes, upstream_recipes
from lumi_hooks.errors import RecipeError
from lumi_hooks.finding import find_recipe
from lumi_hooks.index import NOTHING, Index, parse_filename


@pytest.mark.parametrize('name, filename, version, toolchain, suffix, generation', [
    ('zlib', 'zlib-1.3.1-GCCcore-13.3.0.eb', '1.3.1', ('GCCcore', '13.3.0'), '', '2024a'),
    ('Boost.Python', 'Boost.Python-1.88.0-GCC-14.2.0.eb', '1.88.0', ('GCC', '14.2.0'), '', '2025a'),
    ('netCDF-Fortran', 'netCDF-Fortran-4.6.1-gompi-2023a.eb', '4.6.1', ('gompi', '2023a'), '', '2023a'),
    ('CP2K', 'CP2K-2023.1-foss-2022b-CUDA-11.7.0.eb', '2023.1', ('foss', '2022b'), '-CUDA-11.7.0', '2022b'),
    ('X', 'X-1.0-beta-gfbf-2024a-suffix.eb', '1.0-beta', ('gfbf', '2024a'), '-suffix', '2024a'),
    ('bzip2', 'bzip2-1.0.8.eb', '1.0.8', None, '', None),
    ('X', 'X-1.0-intel-2023a.eb', '1.0', ('intel', '2023a'), '', '2023a'),
    ('X', 'X-1.0-nosuch-2023a.eb', '1.0-nosuch-2023a', None, '', None),
    ('X', 'X-1.0-foss-2016a.eb', '1.0', ('foss', '2016a'), '', None),
    ('FFTW.MPI', 'FFTW.MPI-3.3.10-gompi-2026.1.eb', '3.3.10', ('gompi', '2026.1'), '', '2026.1'),
])
def test_file_names(name, filename, version, toolchain, suffix, generation):
    source = parse_filename(name, f'/somewhere/{filename}')
    assert (source.version, source.toolchain, source.versionsuffix) == (version, toolchain, suffix)
    assert source.generation == generation and source.path == f'/somewhere/{filename}'


def test_file_names_of_all_upstream_recipes(upstream):
    """For every recipe of a known toolchain, name, version, toolchain and suffix make up the file name again."""
    count = 0
    for folder, _, names in os.walk(upstream[0]):
        software = os.path.basename(folder)
        for name in names:
            if name.endswith('.eb') and name.startswith(software + '-'):
                source = parse_filename(software, os.path.join(folder, name))
                if source.toolchain:
                    count += 1
                    middle = '-'.join(source.toolchain)
                    assert name == f'{software}-{source.version}-{middle}{source.versionsuffix}.eb'
                    assert source.version and not source.version.endswith('-')
    assert count > 5000


@pytest.mark.parametrize('flat', [True, False])
def test_sources(tmp_path, flat):
    for version, toolchain in (('1.0', ('foss', '2024a')), ('1.1', ('GCC', '13.3.0')), ('2.0', ('system', ''))):
        put_recipe(tmp_path, 'Thing', version, toolchain, flat=flat)
    put_recipe(tmp_path, 'Thingamajig', '1.0', flat=flat)
    (tmp_path / 't' / 'Thing').mkdir(parents=True, exist_ok=True)
    (tmp_path / 't' / 'Thing' / 'Thing-1.0.patch').write_text('')
    found = Index(upstream=[str(tmp_path)]).sources('Thing')
    assert sorted((source.version, source.toolchain) for source in found if source.toolchain) == \
        [('1.0', ('foss', '2024a')), ('1.1', ('GCC', '13.3.0'))]
    assert len(found) == 3


def test_other_software_in_the_same_folder(tmp_path):
    """netCDF-Fortran's recipes are not recipes of netCDF, in a flat folder either."""
    put_recipe(tmp_path, 'netCDF', '4.9.2', flat=True)
    put_recipe(tmp_path, 'netCDF-Fortran', '4.6.1', flat=True)
    put_recipe(tmp_path, 'netCDF-C++4', '4.3.1', flat=True)
    index = Index(upstream=[str(tmp_path)], recipes=[str(tmp_path)])
    assert [source.version for source in index.sources('netCDF')] == ['4.9.2']
    assert index.own_versions('netCDF', '-foss-2025a') == (('4.9.2', ''),)


@pytest.mark.parametrize('version', ['2024a', 'r1234', 'develop', '1.0-beta', 'v1.2', '20240101', 'B.02-x'])
def test_odd_versions_in_a_flat_folder(tmp_path, version):
    put_recipe(tmp_path, 'Thing', version, flat=True)
    assert [source.version for source in Index(upstream=[str(tmp_path)]).sources('Thing')] == [version]


def test_modules(tmp_path):
    first, second = tmp_path / 'first', tmp_path / 'second'
    mine = put_module(first, 'zlib', '1.3.1-cpeGNU-25.03')
    put_module(second, 'zlib', '1.3.1-cpeGNU-25.03')
    put_module(second, 'zlib', '1.2-cpeGNU-25.03-static')
    put_module(second, 'zlib', '1.1-cpeCray-25.03')
    (first / 'zlib' / '.hidden.lua').write_text('')
    # what EasyBuild keeps of a module before --module-only writes it again, and Lmod does not see
    (first / 'zlib' / '1.3.1-cpeGNU-25.03.bak_20261124131543_8387').write_text('')
    index = Index([str(first), str(second), str(tmp_path / 'missing')])
    assert index.module_file('zlib/1.3.1-cpeGNU-25.03') == mine
    assert set(index.modules('zlib')) == {'1.3.1-cpeGNU-25.03', '1.2-cpeGNU-25.03-static', '1.1-cpeCray-25.03'}
    assert index.module_file('zlib/9') is None and index.module_file('nothing/1') is None
    assert set(index.installed_versions('zlib', '-cpeGNU-25.03')) == {('1.3.1', ''), ('1.2', '-static')}


def test_own_recipes(tmp_path):
    first, second = tmp_path / 'first', tmp_path / 'second'
    mine = put_recipe(first, 'Boost', '1.88.0', ('cpeGNU', '25.03'))
    put_recipe(second, 'Boost', '1.88.0', ('cpeGNU', '25.03'), flat=True)
    put_recipe(second, 'Boost', '1.85.0', ('cpeGNU', '25.03'), '-x', flat=True)
    index = Index(recipes=[str(first), str(second)])
    assert index.recipe('Boost', 'Boost-1.88.0-cpeGNU-25.03.eb') == mine
    assert index.recipe('Boost', 'Boost-1.0-cpeGNU-25.03.eb') is None
    assert set(index.own_versions('Boost', '-cpeGNU-25.03')) == {('1.88.0', ''), ('1.85.0', '-x')}


def test_nothing():
    assert NOTHING.sources('zlib') == () and NOTHING.modules('zlib') == {} and NOTHING.module_file('a/1') is None


def test_upstream_recipes_where_they_are_named():
    assert upstream_recipes({'LUMI_HOOKS_UPSTREAM': '/a:/b::'}) == ['/a', '/b']


def test_upstream_recipes_of_a_loaded_easybuild(tmp_path):
    folder = tmp_path / 'easybuild' / 'easyconfigs'
    folder.mkdir(parents=True)
    assert upstream_recipes({'EBROOTEASYBUILD': str(tmp_path), 'PATH': ''})[0] == str(folder.resolve())


def test_find_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nested = put_recipe(tmp_path / 'tree', 'netCDF-Fortran', '4.6.1')
    flat = put_recipe(tmp_path / 'flat', 'Thing', '1.0', flat=True)
    folders = [str(tmp_path / 'tree'), str(tmp_path / 'flat')]
    assert find_recipe('netCDF-Fortran-4.6.1-foss-2025a.eb', folders) == nested
    assert find_recipe('netCDF-Fortran-4.6.1-foss-2025a', folders) == nested
    assert find_recipe('Thing-1.0-foss-2025a.eb', folders) == flat
    assert find_recipe('flat/Thing-1.0-foss-2025a.eb', []) == flat
    for missing in ('Nothing-1.0.eb', 'tree/Nothing.eb', '', 'tree'):
        with pytest.raises(RecipeError, match='there is no recipe'):
            find_recipe(missing, folders)
    with pytest.raises(RecipeError, match='upstream\'s are not among these: load the module EasyBuild'):
        find_recipe('Nothing-1.0.eb', [])
    monkeypatch.setenv('LUMI_HOOKS_UPSTREAM', folders[0])
    for typed, meant in (('netCDF-Fortran-4.6.1-fos-2025a.eb', 'did you mean netCDF-Fortran-4.6.1-foss-2025a.eb?'),
                         ('netCDF-Fotran-4.6.1.eb', 'did you mean netCDF-Fortran'), ('Zz.eb', 'lumi-eb search WORD')):
        with pytest.raises(RecipeError, match='there is no recipe') as told:
            find_recipe(typed, folders)
        # one line, without the paths of all folders
        assert meant in str(told.value) and len(str(told.value)) < 300 and str(tmp_path) not in str(told.value)


def test_other_recipes(tmp_path):
    upstream, mine = str(tmp_path / 'up'), str(tmp_path / 'mine')
    overlay = str(tmp_path / '.lumi-hooks' / '25.03' / 'C' / 'key')
    assert other_recipes([overlay, mine, upstream, our_recipes()], [upstream]) == [mine]


def test_first_folder_wins_among_upstreams_too(tmp_path):
    """A corrected copy in a folder of somebody's own stands before upstream's, whatever the folders are called."""
    mine = put_recipe(tmp_path / 'zz-mine', 'Thing', '1.0')
    put_recipe(tmp_path / 'aa-upstream', 'Thing', '1.0')
    put_recipe(tmp_path / 'aa-upstream', 'Thing', '2.0')
    found = Index(upstream=[str(tmp_path / 'zz-mine'), str(tmp_path / 'aa-upstream')]).sources('Thing')
    assert {source.version: source.path for source in found}['1.0'] == mine and len(found) == 2


def test_an_archived_copy_of_a_derived_recipe_is_nobodys_own(tmp_path):
    folder = tmp_path / 'archive' / 'zlib'
    folder.mkdir(parents=True)
    derived, own = folder / 'zlib-1.3.1-cpeGNU-25.03.eb', folder / 'zlib-1.2-cpeGNU-25.03.eb'
    derived.write_text("name = 'zlib'\n\nlocal_lumi_hooks = {\n    'source': 'x.eb',\n}\n")
    own.write_text("name = 'zlib'\n# local_lumi_hooks = is a comment\n")
    index = Index(recipes=[str(tmp_path / 'archive')])
    assert index.recipe('zlib', derived.name) is None
    assert index.recipe('zlib', own.name) == str(own)
    assert index.own_versions('zlib', '-cpeGNU-25.03') == (('1.2', ''),)
