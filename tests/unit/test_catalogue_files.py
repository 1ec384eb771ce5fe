# SPDX-License-Identifier: GPL-2.0-only
"""Catalogues: easystack files that EasyBuild's own reader takes, written in build order, and checked."""
import json

import pytest
from easybuild.framework.easystack import parse_easystack
from writing import put_recipe

from lumi_hooks.affected.catalogue import Entry, Target, entries, files, text
from lumi_hooks.cli import main
from lumi_hooks.errors import LumiHooksError

HERE = Target('25.03', 'cpeGNU', 'C')


@pytest.fixture
def recipes(tmp_path, monkeypatch):
    """Upstream's recipes: App needs Lib; Gpu is refused."""
    root = tmp_path / 'upstream'
    put_recipe(root, 'App', more="dependencies = [('Lib', '1.0')]\n")
    put_recipe(root, 'Lib', toolchain=('GCCcore', '14.2.0'))
    put_recipe(root, 'Gpu', more="dependencies = [('CUDA', '12.0')]\n")
    monkeypatch.setenv('LUMI_HOOKS_UPSTREAM', str(root))
    return root


@pytest.fixture
def run(capsys, recipes):
    def run(*arguments):
        code = main(['catalogue', *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err
    return run


def listed(path):
    return [name for name, _ in parse_easystack(str(path)).ec_opt_tuples]


def test_it_is_in_build_order_for_each_release_compiler_and_partition(run, tmp_path):
    code, out, _ = run('write', tmp_path / 'c', 'App', 'Lib', '--release', '25.03', '--release', '25.09',
                       '--toolchain', 'cpeGNU', '--toolchain', 'cpeAMD', '--partition', 'C', '--partition', 'G')
    assert code == 0 and out.count('written') == 6, 'partition C has no cpeAMD'
    assert {path.relative_to(tmp_path / 'c').as_posix() for path in (tmp_path / 'c').rglob('*.yaml')} == {
        f'{release}/{name}.yaml' for release in ('25.03', '25.09') for name in ('cpeGNU-C', 'cpeGNU-G', 'cpeAMD-G')}
    assert listed(tmp_path / 'c/25.03/cpeGNU-C.yaml') == ['Lib-1.0-GCCcore-14.2.0.eb', 'App-1.0-foss-2025a.eb']
    assert run('check', tmp_path / 'c')[0] == 0
    assert sorted(map(str, files(str(tmp_path / 'c'))))[0] == 'cpeAMD/25.03 on partition G'


def test_what_is_there_stays_and_to_write_again_changes_nothing(run, tmp_path):
    path = tmp_path / 'c/25.03/cpeGNU-C.yaml'
    run('write', tmp_path / 'c', 'App')
    first = path.read_text()
    run('write', tmp_path / 'c')
    assert path.read_text() == first
    run('write', tmp_path / 'c', 'Lib')
    assert listed(path) == ['Lib-1.0-GCCcore-14.2.0.eb', 'App-1.0-foss-2025a.eb']


def test_options_of_an_entry_stay(run, tmp_path):
    path = tmp_path / 'c/25.03/cpeGNU-C.yaml'
    path.parent.mkdir(parents=True)
    path.write_text("easyconfigs:\n  - App-1.0-foss-2025a:\n      options: {skip-test-step: True, parallel: '4'}\n")
    run('write', tmp_path / 'c', 'Lib')
    assert entries(str(path))[1] == Entry('App-1.0-foss-2025a.eb', {'skip-test-step': True, 'parallel': '4'})


def test_what_is_refused_is_left_out_and_said(run, tmp_path):
    code, out, _ = run('write', tmp_path / 'c', 'Gpu', 'Lib')
    assert code == 1 and 'Gpu-1.0-foss-2025a.eb: ' in out and 'CUDA' in out
    assert listed(tmp_path / 'c/25.03/cpeGNU-C.yaml') == ['Lib-1.0-GCCcore-14.2.0.eb']


def test_a_folder_stands_for_its_recipes(run, recipes, tmp_path):
    assert run('write', tmp_path / 'c', recipes)[0] == 1
    assert len(listed(tmp_path / 'c/25.03/cpeGNU-C.yaml')) == 2


@pytest.mark.parametrize('content, said', [
    ('- App-1.0-foss-2025a.eb\n', 'cannot be read as an easystack'),
    ('easyconfigs: {}\n', 'should be list'),
    ('easyconfigs:\n  - "App-1.0-foss-2025a.eb"\n  - "Lib-1.0-GCCcore-14.2.0.eb"\n', 'is listed above Lib/1.0'),
    ('easyconfigs:\n  - "App-1.0-foss-2025a.eb"\n  - "App-1.0-foss-2025a.eb"\n', 'is listed twice'),
    ('easyconfigs:\n  - "Gpu-1.0-foss-2025a.eb"\n', 'CUDA'),
    ('easyconfigs:\n  - "Missing-1.0-foss-2025a.eb"\n', 'there is no recipe Missing-1.0-foss-2025a.eb'),
    ('easyconfigs:\n  - "App-2.0-foss-2024a.eb"\n  - "App-2.0-foss-2025a.eb"\n', 'both become App/2.0-cpeGNU-25.03')])
def test_check_says_what_is_wrong(run, recipes, tmp_path, content, said):
    put_recipe(recipes, 'App', '2.0')
    put_recipe(recipes, 'App', '2.0', ('foss', '2024a'))
    path = tmp_path / 'c/25.03/cpeGNU-C.yaml'
    path.parent.mkdir(parents=True)
    path.write_text(content)
    code, out, _ = run('check', tmp_path / 'c', '--json')
    problem, = json.loads(out)['files'][0]['problems']
    assert code == 1 and said in problem and '\n' not in problem


@pytest.mark.parametrize('name, said', [('25.03/cpeGNU.yaml', 'call it TOOLCHAIN-PARTITION.yaml'),
                                        ('25.03/cpeGNU-C.yml', 'call it'), ('x.yaml', 'a folder named after'),
                                        ('README.md', 'has no files')])
def test_a_file_says_by_its_place_what_it_is_for(run, tmp_path, name, said):
    path = tmp_path / 'c' / name
    path.parent.mkdir(parents=True)
    path.write_text('easyconfigs: []\n')
    code, _, err = run('check', tmp_path / 'c')
    assert code == 2 and said in err and err.count('\n') == 1


@pytest.mark.parametrize('place, said', [('99.01/cpeGNU-C', '99.01'), ('25.03/cpeNone-C', 'unknown toolchain'),
                                         ('25.03/cpeAMD-C', 'has no toolchain cpeAMD')])
def test_a_target_that_does_not_exist_is_told(run, tmp_path, place, said):
    path = tmp_path / 'c' / f'{place}.yaml'
    path.parent.mkdir(parents=True)
    path.write_text('easyconfigs: []\n')
    code, out, _ = run('check', tmp_path / 'c')
    assert code == 1 and said in out


def test_names_are_never_read_as_anything_but_text(tmp_path):
    path = tmp_path / 'x.yaml'
    path.write_text(text(HERE, [Entry('1.0'), Entry('yes', {'a': None}), Entry('b: [c')]))
    assert [name for name, _ in parse_easystack(str(path)).ec_opt_tuples] == ['1.0.eb', 'yes.eb', 'b: [c.eb']
    path.write_text(text(HERE, []))
    assert entries(str(path)) == []


def test_an_easystack_without_the_yaml_module_is_one_line(tmp_path, monkeypatch):
    path = tmp_path / 'x.yaml'
    path.write_text(': :\n  - {')
    with pytest.raises(LumiHooksError) as err:
        entries(str(path))
    assert '\n' not in str(err.value)
