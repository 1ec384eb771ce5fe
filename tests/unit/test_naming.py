# SPDX-License-Identifier: GPL-2.0-only
"""From what users type to a recipe."""
import json
import os

import pytest
from writing import put_module, put_recipe

from lumi_hooks import index
from lumi_hooks.cli import main
from lumi_hooks.errors import RecipeError
from lumi_hooks.index import Index
from lumi_hooks.naming import NATIVE, OWN, UPSTREAM, choose, entries
from lumi_hooks.site import make_site


@pytest.fixture
def place(tmp_path):
    """A site of release 25.03 (generation 2025a) with recipes of upstream's and of the user's prefix."""
    up, own = tmp_path / 'upstream', tmp_path / 'prefix' / 'UserRepo' / 'easybuild' / 'easyconfigs'
    for name, version, toolchain, suffix in (
            ('Thing', '2024.4', ('foss', '2024a'), ''), ('Thing', '2024.3', ('foss', '2023b'), ''),
            ('Thing', '2025.1', ('foss', '2025a'), ''), ('Thing', '2025.1', ('foss', '2025a'), '-CUDA-12.8.0'),
            ('Thing', '2026.1', ('foss', '2025b'), ''), ('net-Thing', '1.0', ('GCC', '14.2.0'), ''),
            ('Only', '1.0', ('foss', '2024a'), '-extra'), ('Plain', '2', ('system', 'system'), ''),
            ('Plain', '10', ('system', 'system'), ''), ('Case', '1', ('foss', '2025a'), ''),
            ('CASE', '1', ('foss', '2025a'), '')):
        put_recipe(up, name, version, toolchain, suffix)

    def make(partition='C', toolchain=None, release='25.03'):
        index = Index([str(tmp_path / 'modules')], [str(own)], [str(up)])
        return make_site(release, partition, toolchain, prefix=str(tmp_path / 'prefix'), index=index, env={})
    make.upstream, make.own, make.modules = up, own, tmp_path / 'modules'
    return make


@pytest.mark.parametrize('typed, recipe', [
    ('Thing', 'Thing-2025.1-foss-2025a.eb'), ('thing', 'Thing-2025.1-foss-2025a.eb'),
    ('Thing/2024.4', 'Thing-2024.4-foss-2024a.eb'), ('Thing-2024.4', 'Thing-2024.4-foss-2024a.eb'),
    # the beginning of a version: the recipe of the nearest generation
    ('THING-2024', 'Thing-2024.4-foss-2024a.eb'), ('Thing/2026', 'Thing-2026.1-foss-2025b.eb'),
    ('Thing/2025.1-CUDA-12.8.0', 'Thing-2025.1-foss-2025a-CUDA-12.8.0.eb'),
    ('Thing/2024.3-cpeGNU-25.03', 'Thing-2024.3-foss-2023b.eb'), ('net-Thing', 'net-Thing-1.0-GCC-14.2.0.eb'),
    ('net-thing-1.0', 'net-Thing-1.0-GCC-14.2.0.eb'), ('Only', 'Only-1.0-foss-2024a-extra.eb'),
    ('Only/1.0', 'Only-1.0-foss-2024a-extra.eb'), ('Plain', 'Plain-10.eb'), ('Plain/2', 'Plain-2.eb'),
    ('Case', 'Case-1-foss-2025a.eb'), ('CASE', 'CASE-1-foss-2025a.eb')])
def test_names(place, typed, recipe):
    found = choose(typed, place())
    assert os.path.basename(found.path) == recipe and found.reason
    assert recipe not in found.others and all(name.startswith(found.software) for name in found.others)


@pytest.mark.parametrize('typed, told', [
    ('Thnig', 'there is no recipe or module of Thnig: did you mean Thing'), ('case', 'case can be CASE or Case'),
    ('Thing/9', 'there is no recipe of Thing 9; there are 2026.1, 2025.1, 2024.4, 2024.3'),
    ('Thing/2025.1-cpeGNU-25.09', 'is of release 25.09, and this is 25.03: load LUMI/25.09'),
    ('Thing/2025.1-cpeCray-25.03', 'is of cpeCray, and this is cpeGNU: add --toolchain cpeCray'),
    ('Thing/7-cpeGNU-25.03', 'there is no recipe that becomes Thing/7-cpeGNU-25.03'),
    ('Xq', '"lumi-eb search WORD" looks for parts of names'), ('', 'there is no recipe or module'),
    ('../Thing', 'there is no recipe or module'), ('\x1b[31m', 'there is no recipe or module')])
def test_names_that_are_wrong(place, typed, told):
    with pytest.raises(RecipeError) as error:
        choose(typed, place())
    assert told in str(error.value) and '\n' not in str(error.value) and len(str(error.value)) < 250


def test_own_recipes_come_first(place):
    """LUMI's or the user's recipe for the toolchain, then one of theirs for upstream's toolchains."""
    source = put_recipe(place.own, 'Thing', '2024.4', ('gompi', '2022a'))
    found = choose('Thing/2024.4', place())
    assert found.path == source and found.reason == 'a recipe of yours'
    assert choose('Thing', place()).path.endswith('Thing-2025.1-foss-2025a.eb')
    native = put_recipe(place.own, 'Thing', '2024.3', ('cpeGNU', '25.03'))
    found = choose('Thing', place())
    assert found.path == native and 'has a recipe for cpeGNU of release 25.03' in found.reason
    assert choose('Thing/2024.3-cpeGNU-25.03', place()).path == native
    # of another compiler or release it is none
    put_recipe(place.own, 'Thing', '2026.1', ('cpeGNU', '24.03'))
    put_recipe(place.own, 'Thing', '2026.1', ('cpeCray', '24.03'))
    assert choose('Thing', place()).path == native
    kinds = [(entry.kind, entry.full_version) for entry in entries('Thing', place())]
    assert kinds == [(UPSTREAM, '2026.1'), (UPSTREAM, '2025.1-CUDA-12.8.0'), (UPSTREAM, '2025.1'), (OWN, '2024.4'),
                     (UPSTREAM, '2024.4'), (NATIVE, '2024.3'), (UPSTREAM, '2024.3')]


def test_what_is_installed_is_the_release_version(place):
    put_module(place.modules, 'Thing', '2024.4-cpeGNU-25.03')
    found = choose('Thing', place())
    assert found.path.endswith('Thing-2024.4-foss-2024a.eb') and 'is installed' in found.reason
    put_module(place.modules, 'Central', '1.0')
    with pytest.raises(RecipeError, match='known only as a module'):
        choose('central', place())


def test_recipes_for_gpus_where_there_are_none(place):
    """They are neither chosen nor offered but on a partition with GPUs, or where they are all that there is."""
    assert not any('CUDA' in name for name in choose('Thing', place()).others)
    assert any('CUDA' in name for name in choose('Thing', place('G')).others)
    put_recipe(place.upstream, 'Cuda', '1', ('foss', '2025a'), '-CUDA-12.8.0')
    assert choose('Cuda', place()).path.endswith('-CUDA-12.8.0.eb')


def test_the_order_of_listing_does_not_count(place, monkeypatch):
    def chosen():
        return [choose(typed, place()).path for typed in ('Thing', 'Thing/2024', 'Plain')]
    expected, listing = chosen(), index.names_in
    monkeypatch.setattr(index, 'names_in', lambda folder: listing(folder)[::-1])
    assert chosen() == expected


def test_commands_take_names(place, capsys, monkeypatch):
    monkeypatch.setenv('LUMI_HOOKS_UPSTREAM', str(place.upstream))
    monkeypatch.setenv('EASYBUILD_ROBOT_PATHS', str(place.own))
    for command in ('adapt', 'plan'):
        assert main([command, '--json', '--release', '25.03', 'thing']) == 0
        done = capsys.readouterr()
        assert 'lumi-eb: thing is Thing-2025.1-foss-2025a.eb: ' in done.err and json.loads(done.out)
    # a file name without .eb, and nothing is to be said
    assert main(['adapt', '--json', '--release', '25.03', 'Thing-2024.4-foss-2024a']) == 0
    assert capsys.readouterr().err == ''
    # a program that lies in the current folder is not meant, a recipe without the ending is
    monkeypatch.chdir(place.upstream)
    (place.upstream / 'Thing').write_bytes(b'\x7fELF')
    os.rename(place.upstream / 'o/Only/Only-1.0-foss-2024a-extra.eb', place.upstream / 'mine')
    assert main(['adapt', '--json', '--release', '25.03', 'Thing', 'mine']) == 0
    assert [item['name'] for item in json.loads(capsys.readouterr().out)['recipes']] == ['Thing', 'Only']
    assert main(['adapt', 'Thnig']) == 2
    assert capsys.readouterr().err == 'lumi-eb: there is no recipe or module of Thnig: did you mean Thing?\n'
    assert main(['doctor', 'Thing-2025.1-fos-2025a.eb']) == 2
    assert 'did you mean Thing-2025.1-foss-2025a.eb' in capsys.readouterr().err
