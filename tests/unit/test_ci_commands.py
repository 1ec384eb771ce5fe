# SPDX-License-Identifier: GPL-2.0-only
"""The parts of ci/bench, ci/collection and ci/packages that need no stand-in."""
import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CI = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), 'ci')
sys.path.insert(0, CI)

import collecting  # noqa: E402
import drawing  # noqa: E402
import lumishell  # noqa: E402
import sixty  # noqa: E402
import substitutes  # noqa: E402
from benchmarks import page  # noqa: E402
from benchmarks.measure import MeasureError, alternating, cost_of  # noqa: E402
from benchmarks.registry import BENCHMARKS, benchmark, compared, single  # noqa: E402

from lumi_hooks.cli.check_data import faults_of  # noqa: E402
from lumi_hooks.cli.partial import Partial  # noqa: E402
from lumi_hooks.finding import find_recipe  # noqa: E402
from lumi_hooks.plan import BUILD, make_plan  # noqa: E402
from lumi_hooks.recipe import read_recipe  # noqa: E402


def test_a_limit_is_kept_or_not():
    assert compared('a', 's', [1.0, 2.0, 9.0], [1.0, 2.0, 3.0], limit=1.0).met is True  # the median pair
    assert compared('a', 's', [1.2, 2.4, 3.0], [1.0, 2.0, 3.0], limit=1.0).met is False
    assert single('a', 'MB', [599.0], limit=600).met is True and single('a', 's', [1.0]).met is None


def test_two_benchmarks_of_one_name_are_an_error():
    name = next(iter(BENCHMARKS))
    with pytest.raises(ValueError, match=name):
        benchmark(name, 'x', goal='x')(lambda run: iter(()))


def test_the_table_says_what_is_missed():
    text = page.tables({'parse': [compared('one', 'ms', [2.0], [1.0], limit=1.05), single('two', 's', [3.0], limit=5)]})
    assert '| one | 2.00 ms | 1.00 ms | 2.000 | 1.05 | **no** |' in text
    assert '| two | 3.00 s |  |  | 5.00 s | yes |' in text


def test_cost_counts_every_process():
    child = 'import time; x = bytearray(60_000_000); time.sleep(0.4)'
    parent = f'import subprocess, sys; x = bytearray(60_000_000); subprocess.run([sys.executable, "-c", "{child}"])'
    cost = cost_of([sys.executable, '-c', parent], {'PATH': os.environ['PATH']})
    assert cost.peak > 120 and cost.seconds > 0.4 and cost.cpu > 0
    with pytest.raises(MeasureError, match='exit code 3'):
        cost_of(['/bin/sh', '-c', 'echo sorry; exit 3'], {})


def test_pairs_take_turns():
    order = []
    alternating(3, lambda: order.append('a') or cost_of(['true'], {'PATH': '/bin'}),
                lambda: order.append('b') or cost_of(['true'], {'PATH': '/bin'}), lambda text: None)
    assert ''.join(order) == 'abbaab'


def test_every_recipe_of_the_collection_is_upstreams(upstream):
    listed = collecting.listed()
    assert len(listed) >= 25
    for name in listed:
        assert find_recipe(name, upstream)


def test_results_of_two_runs_are_kept_beside_each_other(tmp_path):
    path = str(tmp_path / 'results.json')
    one, other = collecting.Results(path), collecting.Results(path)
    one.add(collecting.Outcome('a.eb', collecting.BUILT))
    other.add(collecting.Outcome('b.eb', collecting.FAILED, cause='why | so', date='2026-11-28'))
    assert set(collecting.Results(path).found) == {'a.eb', 'b.eb'}
    rows = list(collecting.table(list(collecting.Results(path).found.values()), {'b.eb': 'a note'}))
    assert rows[-1].endswith('| **failed** | 2026-11-28 | why \\| so. a note |')


def test_the_cause_of_a_failure_is_what_eb_says_last():
    output = "== building\n== FAILED: Installation ended unsuccessfully: shell command 'make ...' failed\nERROR: more\n"
    assert collecting.cause(output) == "Installation ended unsuccessfully: shell command 'make ...' failed"
    output = '== FAILED: Installation ended unsuccessfully: `/my/own/bin/python -m pip check` failed:\nx requires y.\n'
    assert collecting.cause(output) == \
        'Installation ended unsuccessfully: `…/python -m pip check` failed: x requires y.'
    assert collecting.cause('ERROR: Missing modules (at a/b.py:12 in main)') .startswith('Missing modules')


def test_the_easyblock_of_a_recipe(upstream):
    assert collecting.easyblock(find_recipe('flex-2.6.4-GCCcore-14.2.0.eb', upstream))[0] == 'EB_flex'
    assert collecting.easyblock(find_recipe('GPAW-setups-0.9.20000.eb', upstream))[0] == 'Tarball'


def test_a_seed_draws_one_of_each_generation_in_turn_and_each_software_once():
    recipes = {'2023a': {'a': ['a-1.eb', 'a-2.eb'], 'b': ['b-1.eb']}, '2024a': {'a': ['a-3.eb'], 'c': ['c-1.eb']},
               '2025a': {}}
    found = drawing.draw(recipes, 1)
    assert sorted(name[0] for name in found) == ['a', 'b', 'c'] and found == drawing.draw(recipes, 1)
    assert list(found) == list(drawing.draw(recipes, 1)), 'one seed draws one order'
    assert len({tuple(drawing.draw(recipes, seed)) for seed in range(20)}) > 2
    first = drawing.draw(recipes, 1, ['a-3.eb'])
    assert list(first)[0] == 'a-3.eb' and set(first) == {'a-3.eb', 'b-1.eb', 'c-1.eb'}, 'what comes first is not drawn'


def test_recipes_to_draw_are_those_of_python_packages_by_their_generation(tmp_path):
    text = "easyblock = '%s'\nname = '%s'\nversion = '1'\nhomepage = description = ''\ntoolchain = {'name': '%s', " \
           "'version': '%s'}\n"
    for name, block, toolchain, version in (
            ('in', 'PythonBundle', 'GCCcore', '13.3.0'), ('old', 'PythonPackage', 'foss', '2021a'),
            ('make', 'ConfigureMake', 'foss', '2024a'), ('too', 'PythonPackage', 'gfbf', '2025b')):
        (tmp_path / f'{name}.eb').write_text(text % (block, name, toolchain, version))
    found = {name: software for name, software in drawing.python_recipes([str(tmp_path)]).items() if software}
    assert found == {'2024a': {'in': ['in.eb']}, '2025b': {'too': ['too.eb']}}


def test_the_list_before_the_draw_is_upstreams(upstream):
    for name in collecting.listed(collecting.PYTHON):
        assert find_recipe(name, upstream)


def test_libraries_whose_source_cannot_be_had_get_recipes_of_the_prefix(upstream, tmp_path):
    substitutes.write(str(tmp_path), upstream)
    folder = tmp_path / 'UserRepo' / 'easybuild' / 'easyconfigs' / 'l'
    path = folder / 'libjpeg-turbo' / 'libjpeg-turbo-3.1.3-GCCcore-14.2.0.eb'
    ours, theirs = read_recipe(str(path)), read_recipe(find_recipe('libjpeg-turbo-3.1.0-GCCcore-14.2.0.eb', upstream))
    changed = {key for key in theirs.parameters if theirs.parameters[key] != ours.parameters[key]}
    assert changed == {'version', 'sources', 'checksums'} and ours.version == '3.1.3'
    assert ours.parameters['sources'] == ['libjpeg-turbo_3.1.3.orig.tar.gz']
    tiff = read_recipe(str(folder / 'LibTIFF' / 'LibTIFF-4.7.0-GCCcore-14.2.0.eb'))
    assert ('Autotools', '20240712') in tiff.parameters['builddependencies']
    overrides = sorted((tmp_path / 'overrides').iterdir())
    data = substitutes.substitutes()
    assert [path.stem for path in overrides] == sorted({**data['dependencies'], **data['untested']})
    assert not [fault for path in overrides for fault in faults_of(str(path))]
    for name in substitutes.substitutes()['recipes']:
        assert any(name in line for line in substitutes.table())


def test_a_recipe_whose_source_is_set_in_another_way_is_an_error():
    with pytest.raises(ValueError, match='x.eb: sources is set 0 times'):
        substitutes.text_of('x.eb', "components = []\nchecksums = ['a']\n", {'source': 'x.tar.gz', 'sha256': 'b'})


class Fake:
    """A builder whose outcomes are given."""

    def __init__(self, **outcomes):
        self.outcomes, self.asked = outcomes, []

    def build(self, recipe, check=False):
        self.asked.append(recipe)
        return collecting.Outcome(recipe, self.outcomes[recipe], cause='why')


def test_what_cannot_be_tried_is_replaced_by_the_next_of_the_draw(tmp_path):
    results = collecting.Results(str(tmp_path / 'results.json'))
    builder = Fake(a=collecting.UNSOURCED, b=collecting.BUILT, c=collecting.REFUSED, d=collecting.FAILED,
                   e=collecting.BUILT)
    assert not collecting.build_all('abcde', results, builder, 2)
    assert builder.asked == ['a', 'b', 'c', 'd'] and not results.found['a'].tried and results.found['d'].tried
    builder.asked.clear()
    builder.outcomes['d'] = collecting.BUILT
    collecting.build_all('abcde', results, builder, 3)
    assert builder.asked == ['d', 'e'], 'what failed is tried again, what could not be tried is not'


def test_a_check_builds_nothing_and_finds_what_could_be_tried(tmp_path):
    results = collecting.Results(str(tmp_path / 'results.json'))
    results.add(collecting.Outcome('b', collecting.FAILED))
    builder = Fake(a=collecting.UNSOURCED, c=collecting.LEFT, d=collecting.LEFT, e=collecting.LEFT)
    collecting.build_all('abcde', results, builder, 3, check=True)
    assert builder.asked == ['a', 'c', 'd'], 'what failed has all that it needs'
    builder.asked.clear()
    collecting.build_all('abcde', results, builder, 3, check=True)
    assert not builder.asked
    builder.outcomes.update(b=collecting.BUILT, c=collecting.BUILT, d=collecting.FAILED)
    collecting.build_all('abcde', results, builder, 3)
    assert builder.asked == ['b', 'c', 'd'], 'what is left is built'


def test_the_page_of_a_draw_says_how_far_it_is_built():
    """It said how many of those tried are built: with short plans first, the draw was not what was drawn."""
    options = argparse.Namespace(draw=3, seed=5)
    def outcome(name, kind, **more):
        return collecting.Outcome(f'{name}.eb', kind, easyblock='PythonPackage', **more)
    chosen = [outcome('a', collecting.BUILT), outcome('b', collecting.UNSOURCED, cause='no | such file'),
              outcome('c', collecting.LEFT, modules=('x/1', 'c/1')), outcome('d', collecting.FAILED, cause='gcc'),
              outcome('e', collecting.BUILT)]
    notes = {item.recipe: '2023a' for item in chosen}
    text = collecting.page(chosen, notes, options)
    assert '`ci/collection --draw 3 --seed 5 --write-docs`' in text
    assert '**Of the first 3 of the draw that have all that they need, 1 are built, 1 failed and 1 are left**; ' \
           'before the first that is left, 1 of 1 are built, with 1 easyblocks' in text
    first, early, not_tried = text.replace('## Drawn and', '## Built').split('## Built')
    assert [name in first for name in ('| a.eb |', '| b.eb |', '| c.eb |', '| d.eb |', '| e.eb |')] == [1, 0, 1, 1, 0]
    assert '| e.eb |' in early and '| b.eb | no source | no \\| such file |' in not_tried
    # nothing is left, and one that was not looked at ends it
    chosen[2].outcome = collecting.BUILT
    assert '2 are built, 1 failed and 0 are left**, with' in collecting.page(chosen, notes, options)
    del chosen[1]
    text = collecting.page(chosen, notes, options)
    assert '1 are built, 0 failed and 0 are left** (the other 2 were not looked at yet), with' in text
    assert '| c.eb |' in text.split("before their turn")[1]


def test_the_shell_is_clean_and_quotes(monkeypatch):
    monkeypatch.setenv('LUMI_HOOKS_STANDIN', "/with a 'quote")
    shell = lumishell.Shell('/prefix', '/home')
    text = shell.arguments('eb x', env={'A': 'b c'})[-1]
    assert ". '/with a '\"'\"'quote'/enter.sh" in text and "export A='b c'" in text and text.endswith('\neb x')
    monkeypatch.setenv('EASYBUILD_ROBOT', 'mine')
    assert not {'EASYBUILD_ROBOT', 'LUMI_HOOKS_STANDIN'} & set(shell.environment())


def test_the_sixty_packages():
    rows = sixty.look([{'name': name, 'recipes': 1, 'sample': 0} for name in ('METIS', 'lumi-CPEtools', 'CUDA')],
                      Partial('name'))
    assert [row['stands'] for row in rows] == [sixty.READY, sixty.NONE, sixty.NONE]
    assert rows[0]['recipe'].startswith('METIS-') and rows[0]['modules'] == 1


def test_the_sixty_packages_beside_lumis():
    """Each is compared, each difference has its reason, and no reason is left of one that is gone."""
    with open(sixty.LIST, encoding='utf-8') as stream:
        known = json.load(stream)
    rows = sixty.beside([item['name'] for item in known['packages']], known['differences'])
    assert {item['name'] for item in known['packages']} - {row['name'] for row in rows} == {'lumi-CPEtools'}
    assert [(row['name'], word) for row in rows for word, reason in row['differences'].items() if not reason] == []
    found = {(row['name'], word) for row in rows for word in row['differences']}
    assert [(name, word) for name, words in known['differences'].items() if name for word in words
            if (name, word) not in found] == []
    text = sixty.beside_page([*rows, {'name': 'X', 'lumi': 'X-1', 'ours': 'X.eb', 'differences': {'+Y': None}}], 60)
    assert '**not explained**' in text
    assert '| snappy | snappy-1.2.2 | snappy-1.2.2-GCCcore-14.2.0.eb | `-LZO`, `-zlib`: ' in text


def test_agreement(tmp_path):
    """LUMI has ESMF twice, with either flavour: ours can be one of them only, and that counts as a variant."""
    def facts(suffix, *loads):
        return {'file': f'ESMF-8.6.0-cpeGNU-24.03{suffix}.eb', 'name': 'ESMF', 'version': '8.6.0', 'suffix': suffix,
                'tc': ['cpeGNU', '24.03'], 'deps': [['ext', name] for name in loads], 'bdeps': [],
                'up': ['ESMF-8.6.0-foss-2023a.eb']}
    known = tmp_path / 'lumi.json'
    known.write_text(json.dumps([facts('', 'cray-hdf5', 'cray-netcdf'),
                                 facts('-MPI-PIO', 'cray-hdf5-parallel', 'cray-netcdf-hdf5parallel')]))
    command = [sys.executable, os.path.join(CI, 'agreement'), str(known), '--json']
    said = subprocess.run(command, capture_output=True, text=True)
    figures = json.loads(said.stdout)
    assert said.returncode == 0 and not figures['failed'], said.stderr
    for what in ('HDF5', 'netCDF', 'recipes with any'):
        assert figures['summary'][what] == {'compared': 2, 'equal': 1, 'variants': 2, 'share': 0.5,
                                            'share_with_variants': 1.0}
    assert [(row['file'], row['what']) for row in figures['differences']] == [
        ('ESMF-8.6.0-cpeGNU-24.03.eb', 'HDF5'), ('ESMF-8.6.0-cpeGNU-24.03.eb', 'netCDF')]
    known.write_text(json.dumps([facts('', 'cray-hdf5')]))
    assert subprocess.run(command, capture_output=True, text=True).returncode == 1


@pytest.mark.parametrize('command', ['agreement', 'easyblocks', 'plans'])
def test_a_script_says_which_python_it_lacks(tmp_path, command):
    """Started by a user in a shell of their own, with the system's Python."""
    said = subprocess.run([sys.executable, '-S', os.path.join(CI, command), '--help'], capture_output=True, text=True,
                          env={'HOME': str(tmp_path), 'PATH': os.defpath})
    assert said.returncode == 1 and said.stdout == ''
    assert said.stderr.startswith(f'{command}: this Python') and 'ci/test --quick makes one' in said.stderr


def test_a_script_goes_on_with_the_python_of_the_cache(tmp_path):
    python = tmp_path / 'venv/bin/python'
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "goes on: $*"\n')
    python.chmod(0o755)
    said = subprocess.run([sys.executable, '-S', os.path.join(CI, 'plans'), 'X.eb'], capture_output=True, text=True,
                          env={'HOME': str(tmp_path), 'PATH': os.defpath, 'LUMI_HOOKS_CACHE': str(tmp_path)})
    assert said.stdout == f'goes on: {os.path.join(CI, "plans")} X.eb\n' and said.returncode == 0


# helpers of other scripts
HELPERS = {'other-python', 'sources/debian-python'}
COMMANDS = sorted({str(path.relative_to(CI)) for path in Path(CI).rglob('*')
                   if path.is_file() and os.access(path, os.X_OK) and path.suffix != '.py'} - HELPERS)


@pytest.mark.parametrize('command', COMMANDS)
def test_every_script_has_a_help_with_examples_that_can_be_copied(command):
    assert len(COMMANDS) > 15
    path = os.path.join(CI, command)
    with open(path, encoding='utf-8') as script:
        python = [sys.executable] if 'python' in script.readline() else []
    said = subprocess.run([*python, path, '--help'], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    usage, _, examples = said.stdout.partition('example')
    assert f'usage: ci/{command}' in usage and f'ci/{command}' in examples


def test_numbers_of_plans_for_programs():
    command = [sys.executable, os.path.join(CI, 'plans'), '--no-eb', '--json', 'zlib-1.3.1-GCCcore-14.2.0.eb']
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    row, = json.loads(said.stdout)['recipes']
    assert row['recipe'].startswith('zlib') and row['upstream'] is None
    assert (row['empty']['build'], row['empty']['modules'], row['full']['build']) == (1, ['zlib/1.3.1-cpeGNU-25.03'], 0)


def test_quickstart_stages_what_its_plan_builds(upstream, upstream_site):
    """A fresh account has no other sources: what stands in the script is compared with the plan."""
    text = Path(lumishell.ROOT, 'ci', 'quickstart').read_text()
    named = [re.search(rf'^{name}=\((.*)\)$', text, re.MULTILINE)[1].split() for name in ('recipes', 'needed')]
    paths = [str(next(Path(upstream[0]).rglob(name))) for name in named[0]]
    built = {os.path.basename(node.source or node.recipe) for node in make_plan(paths, upstream_site).of(BUILD)}
    assert built == {*named[0], *named[1]}
