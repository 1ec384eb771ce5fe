# SPDX-License-Identifier: GPL-2.0-only
"""Which version of a library a release holds, and which recipe stands for it: a total order, whoever asks."""
import itertools
from dataclasses import replace

import pytest
from writing import put_module, put_recipe

from lumi_hooks import selection
from lumi_hooks.dependency import Dependency
from lumi_hooks.index import Index, choose_source, parse_filename
from lumi_hooks.releases import library_versions, load_upstream
from lumi_hooks.selection import choose_version, own_recipe, source_recipe
from lumi_hooks.site import make_site


def sources(*names):
    return [parse_filename('X', f'/up/x/X/X-{name}.eb') for name in names]


@pytest.mark.parametrize('names, generation, expected', [
    # the generation of the release's compiler, though another recipe is newer
    (('1.0-GCC-14.2.0', '1.2-GCC-14.3.0', '1.1-GCC-13.3.0'), '2025a', '1.0-GCC-14.2.0'),
    # of two equally near ones the newer
    (('1.0-foss-2024a', '0.9-foss-2025b'), '2025a', '0.9-foss-2025b'),
    (('1.0-foss-2023a', '0.9-foss-2025b'), '2025a', '0.9-foss-2025b'),
    (('1.0-foss-2023b', '0.9-foss-2026.1'), '2025a', '0.9-foss-2026.1'),
    # then the newest version
    (('1.9-foss-2025a', '1.10-foss-2025a'), '2025a', '1.10-foss-2025a'),
    # then the lowest level of toolchains
    (('1.0-foss-2025a', '1.0-GCCcore-14.2.0', '1.0-gompi-2025a'), '2025a', '1.0-GCCcore-14.2.0'),
    (('1.0-foss-2025a', '1.0-gfbf-2025a'), '2025a', '1.0-gfbf-2025a'),
    # known generations before unknown ones
    (('2.0-foss-2016a', '1.0-foss-2022a'), '2025a', '1.0-foss-2022a'),
    (('2.0-foss-2016a',), '2025a', '2.0-foss-2016a'),
    # what can't be adapted is no choice
    (('1.0', '1.0-NVHPC-25.1'), '2025a', None),
    # a recipe of the GNU family before any other, whatever its generation
    (('1.0', '1.0-intel-2025a'), '2025a', '1.0-intel-2025a'),
    (('1.1-intel-2025a', '1.2-lfoss-2025b', '1.0-foss-2022a'), '2025a', '1.0-foss-2022a'),
    ((), '2025a', None),
    # the first name where all else is equal
    (('1.0-foss-2025a-a', '1.0-foss-2025a-b'), '2025a', '1.0-foss-2025a-a'),
])
def test_order_of_recipes(names, generation, expected):
    chosen = choose_source(sources(*names), generation)
    assert (chosen.path if chosen else None) == (f'/up/x/X/X-{expected}.eb' if expected else None)


def test_order_does_not_depend_on_the_order_of_listing():
    names = ('1.0-GCC-14.2.0', '1.0-GCC-14.3.0', '1.1-foss-2024a', '1.1-foss-2016a', '1.0-GCCcore-14.2.0', '2.0')
    for generation in load_upstream()['generations']:
        chosen = {choose_source(order, generation).path for order in itertools.permutations(sources(*names))}
        assert len(chosen) == 1


def test_two_generations_ask_for_the_same(upstream_site):
    """A package asked for by a 2024a and by a 2025a recipe is one version from one source recipe."""
    site = upstream_site
    for name, versions in (('zlib', ('1.3.1', '1.2.13')), ('HDF5', ('1.14.5', '1.14.3')), ('Szip', ('2.1.1',)),
                           ('Boost', ('1.85.0', '1.88.0', '1.83.0')), ('METIS', ('5.1.0',)),
                           ('GMP', ('6.2.1', '6.3.0'))):
        chosen = {choose_version(Dependency(name, version), site).version for version in versions}
        assert len(chosen) == 1, name
        found = source_recipe(name, chosen.pop(), '', site)
        assert found and found.toolchain


def test_version_of_the_table(upstream_site):
    table = library_versions(upstream_site.release.name)['zlib']
    chosen = choose_version(Dependency('zlib', '1.2.13'), upstream_site)
    assert chosen.version in table and 'stack of release' in chosen.reason


def test_table_only_where_the_version_can_be_had(site):
    # nothing is installed and upstream is empty
    assert choose_version(Dependency('zlib', '0.1'), site).version == '0.1'


@pytest.fixture
def place(tmp_path):
    """A site with folders of its own: modules, recipes, upstream."""
    folders = {name: tmp_path / name for name in ('modules', 'recipes', 'upstream')}

    def make(**env):
        index = Index([str(folders['modules'])], [str(folders['recipes'])], [str(folders['upstream'])])
        return make_site('25.03', index=index, env=env)
    make.folders = folders
    return make


def test_sources_of_versions_in_order(place):
    folders, asked = place.folders, Dependency('Thing', '1.0')
    assert choose_version(asked, place()).reason == 'no other version is known'
    put_recipe(folders['upstream'], 'Thing', '1.1', ('foss', '2024a'))
    put_recipe(folders['upstream'], 'Thing', '1.2', ('foss', '2022a'))
    assert choose_version(asked, place()).version == '1.1'
    put_recipe(folders['recipes'], 'Thing', '1.05', ('cpeGNU', '25.03'))
    put_recipe(folders['recipes'], 'Thing', '9.0', ('cpeCray', '25.03'))
    found = choose_version(asked, place())
    assert found.version == '1.05' and 'has a recipe for cpeGNU' in found.reason
    put_module(folders['modules'], 'Thing', '1.01-cpeGNU-25.03')
    put_module(folders['modules'], 'Thing', '8.0-cpeGNU-24.03')
    found = choose_version(asked, place())
    assert found.version == '1.01' and 'is installed' in found.reason


def test_a_source_of_ones_own(place):
    """A recipe of the user for upstream's toolchains is a source for what asks for its version, for nothing else."""
    folders, asked = place.folders, Dependency('Thing', '1.0')
    put_recipe(folders['upstream'], 'Thing', '1.1', ('gompi', '2025a'))
    own = put_recipe(folders['recipes'], 'Thing', '7.0.99', ('gompi', '2025a'))
    assert source_recipe('Thing', '7.0.99', '', place()).path == own
    assert choose_version(asked, place()).version == '1.1'
    # where upstream has none of it, it is the release's
    alone = put_recipe(folders['recipes'], 'Alone', '2.0', ('foss', '2022a'), flat=True)
    assert choose_version(Dependency('Alone', '1.0'), place()).version == '2.0'
    assert source_recipe('Alone', '2.0', '', place()).path == alone


def test_ones_own_source_comes_before_upstreams(place):
    """Of one version the user's own comes first, whatever its generation; then the order of recipes counts, as ever."""
    folders = place.folders
    upstream = [put_recipe(folders['upstream'], 'Thing', '1.1', toolchain)
                for toolchain in (('foss', '2025a'), ('GCC', '14.2.0'))]
    assert source_recipe('Thing', '1.1', '', place()).path == upstream[1]
    far = put_recipe(folders['recipes'], 'Thing', '1.1', ('foss', '2022a'))
    assert source_recipe('Thing', '1.1', '', place()).path == far
    same_name = put_recipe(folders['recipes'], 'Thing', '1.1', ('foss', '2025a'), flat=True)
    assert source_recipe('Thing', '1.1', '', place()).path == same_name
    # what can't be adapted is no choice, and an archived copy is none
    archive = folders['recipes'] / 'ebfiles_repo'
    put_recipe(folders['recipes'], 'Other', '1.1', ('NVHPC', '25.1'))
    put_recipe(archive, 'Other', '1.1', ('foss', '2025a'))
    wanted = put_recipe(folders['upstream'], 'Other', '1.1', ('foss', '2024a'))
    index = Index((), [str(archive), str(folders['recipes'])], [str(folders['upstream'])])
    assert source_recipe('Other', '1.1', '', replace(place(), index=index)).path == wanted


def test_of_two_folders_of_ones_own_the_first_counts(place, tmp_path):
    near = put_recipe(tmp_path / 'near', 'Thing', '1.1', ('foss', '2025a'))
    put_recipe(tmp_path / 'far', 'Thing', '1.1', ('foss', '2025a'))
    for folders, path in ((('near', 'far'), near), (('far', 'near'), near.replace('/near/', '/far/'))):
        index = Index((), [str(tmp_path / name) for name in folders], ())
        assert source_recipe('Thing', '1.1', '', replace(place(), index=index)).path == path


def test_order_with_ones_own_does_not_depend_on_the_order_of_listing(place, monkeypatch):
    toolchains = [('GCC', '14.2.0'), ('foss', '2025a'), ('foss', '2016a')]
    for root in ('upstream', 'recipes'):
        for toolchain in toolchains:
            put_recipe(place.folders[root], 'Thing', '1.0', toolchain)
    found, chosen = place().index.own_sources('Thing'), set()
    assert len(found) == 3
    for order in itertools.permutations(found):
        site = place()
        monkeypatch.setattr(site.index, 'own_sources', lambda name, order=order: order)
        chosen.add(source_recipe('Thing', '1.0', '', site).path)
    assert chosen == {str(place.folders['recipes'] / 't/Thing/Thing-1.0-GCC-14.2.0.eb')}


def test_newest_of_the_installed(place):
    for version in ('1.9', '1.10', '1.2'):
        put_module(place.folders['modules'], 'Thing', f'{version}-cpeGNU-25.03')
    assert choose_version(Dependency('Thing', '1.2'), place()).version == '1.10'


def test_suffix_is_kept(place):
    put_recipe(place.folders['upstream'], 'Thing', '2.0', ('foss', '2025a'))
    put_recipe(place.folders['upstream'], 'Thing', '1.5', ('foss', '2025a'), '-serial')
    put_module(place.folders['modules'], 'Thing', '3.0-cpeGNU-25.03-parallel')
    assert choose_version(Dependency('Thing', '1.0', '-serial'), place()).version == '1.5'
    assert choose_version(Dependency('Thing', '1.0', '-other'), place()).version == '1.0'
    assert choose_version(Dependency('Thing', '1.0'), place()).version == '2.0'


def test_table_wins_over_what_is_installed(place, monkeypatch):
    monkeypatch.setattr(selection, 'library_versions', lambda release: {'Thing': ('1.1', '1.3')})
    put_recipe(place.folders['upstream'], 'Thing', '1.1', ('foss', '2025a'))
    put_module(place.folders['modules'], 'Thing', '2.0-cpeGNU-25.03')
    # 1.3 stands in the table and can't be had
    assert choose_version(Dependency('Thing', '1.0'), place()).version == '1.1'
    put_recipe(place.folders['recipes'], 'Thing', '1.3', ('cpeGNU', '25.03'))
    assert choose_version(Dependency('Thing', '1.0'), place()).version == '1.3'


@pytest.mark.parametrize('policy, asked, expected', [
    ('any', '1.0', '2.0'), ('same-minor', '1.0', '1.0.7'), ('same-minor', '2.0', '2.0'), ('exact', '1.0', '1.0'),
    ('exact', '1.0.7', '1.0.7'), ('same-minor', '3.0', '3.0')])
def test_bounds_of_packages(place, monkeypatch, policy, asked, expected):
    monkeypatch.setattr(selection, 'package', lambda name: {'version': {'policy': policy, 'reason': 'tested'}})
    for version in ('1.0', '1.0.7', '2.0'):
        put_module(place.folders['modules'], 'Thing', f'{version}-cpeGNU-25.03')
    assert choose_version(Dependency('Thing', asked), place()).version == expected


def test_companion_is_the_newest_that_is_not_newer(place, monkeypatch):
    """Brotli-python goes with the release's Brotli, whatever generation upstream's recipe of it is of."""
    monkeypatch.setattr(selection, 'package', lambda name: {
        'version': {'policy': 'not-newer', 'of': 'Thing', 'reason': 'tested'}} if name == 'Companion' else {})
    put_module(place.folders['modules'], 'Thing', '1.2-cpeGNU-25.03')
    for version, toolchain in (('1.1', ('foss', '2025a')), ('1.2', ('foss', '2022a')), ('1.3', ('foss', '2025a'))):
        put_recipe(place.folders['upstream'], 'Companion', version, toolchain)
    found = choose_version(Dependency('Companion', '1.3'), place())
    assert found.version == '1.2' and "the release's Thing" in found.reason


def test_source_recipe_of_one_version(place):
    wanted = put_recipe(place.folders['upstream'], 'Thing', '1.0', ('GCC', '14.2.0'))
    put_recipe(place.folders['upstream'], 'Thing', '1.0', ('GCC', '13.3.0'))
    put_recipe(place.folders['upstream'], 'Thing', '1.0', ('GCC', '14.2.0'), '-x')
    put_recipe(place.folders['upstream'], 'Thing', '2.0', ('GCC', '14.2.0'))
    assert source_recipe('Thing', '1.0', '', place()).path == wanted
    assert source_recipe('Thing', '3.0', '', place()) is None
    # the nearest generation of another release
    older = make_site('24.03', index=Index(upstream=[str(place.folders['upstream'])]), env={})
    assert source_recipe('Thing', '1.0', '', older).toolchain == ('GCC', '13.3.0')


def test_own_recipe_unless_it_is_to_be_derived(place):
    path = put_recipe(place.folders['recipes'], 'Thing', '1.0', ('cpeGNU', '25.03'))
    assert own_recipe('Thing', '1.0', '', place()) == path
    assert own_recipe('Thing', '1.0', '-x', place()) is None
    assert own_recipe('Thing', '1.0', '', place(LUMI_HOOKS_DERIVE='Thing')) is None
    assert own_recipe('Thing', '1.0', '', place(LUMI_HOOKS_DERIVE='Other')) == path


def test_a_variant_that_upstream_does_not_have_is_not_derived(place):
    path = put_recipe(place.folders['recipes'], 'Thing', '1.0', ('cpeGNU', '25.03'), '-small')
    put_recipe(place.folders['upstream'], 'Thing', '1.0', ('GCC', '14.2.0'))
    assert own_recipe('Thing', '1.0', '-small', place(LUMI_HOOKS_DERIVE='Thing')) == path
    put_recipe(place.folders['upstream'], 'Thing', '1.1', ('GCC', '14.2.0'), '-small')
    assert own_recipe('Thing', '1.0', '-small', place(LUMI_HOOKS_DERIVE='Thing')) is None


# --- suffixes that name software of one version a release

@pytest.mark.parametrize('suffix, expected', [
    ('', ''), ('-minimal', '-minimal'), ('-Java-11', '-Java-11'), ('-Rust-1.75.0', '-Rust-1.75.0'),
    ('-R-4.2.1', '-R-{R}'), ('-Java-11-R-4.3.2', '-Java-11-R-{R}'), ('-R-4.2.1-Monocle3', '-R-{R}-Monocle3'),
    ('-Python-2.7.18', '-Python-2.7.18'), ('-Python-3.10.4', '-Python-{Python}'), ('-GDAL-R-x', '-GDAL-R-x')])
def test_suffix_at_the_site(upstream_site, suffix, expected):
    versions = {'R': choose_version(Dependency('R', '4.2.1'), upstream_site).version,
                'Python': upstream_site.release.modules['cray-python']}
    assert selection.site_suffix(suffix, upstream_site) == expected.format(**versions)


def test_sources_of_another_version_of_r_stand_for_it(upstream_site):
    """ASCAT exists for R 4.2.1 only; it is derived for the R of the release."""
    found = source_recipe('ASCAT', '3.1.2', selection.site_suffix('-R-4.2.1', upstream_site), upstream_site)
    assert found and found.versionsuffix.startswith('-R-4.2')


def test_version_of_what_a_cray_module_does_not_stand_in_for(upstream_site):
    """Python 2 is chosen among Python 2's, though the newest is another."""
    assert choose_version(Dependency('Python', '2.7.18'), upstream_site).version == '2.7.18'
