# SPDX-License-Identifier: GPL-2.0-only
"""What the loaded EasyBuild lacks for a recipe of a newer one."""
import json

import pytest
from writing import put_recipe

from lumi_hooks import older
from lumi_hooks.cli import main
from lumi_hooks.recipe import read_recipe


@pytest.fixture
def easybuild(tmp_path):
    """An EasyBuild 5.1.2 with one easyblock, as its module makes the environment."""
    root = tmp_path / '5.1.2'
    packages = root / 'lib' / 'python3.11' / 'site-packages'
    (packages / 'easybuild_easyblocks-5.1.2.dist-info').mkdir(parents=True)
    for folder, name, text in (
            ('easyblocks/generic', 'configuremake', "'configure_cmd_prefix': ['', 'x', CUSTOM],"),
            ('easyblocks/g', 'gromacs', "from easybuild.easyblocks.generic.configuremake import ConfigureMake\n"
                                        "extra_vars.update({'mpiexec': ['mpirun', 'x', CUSTOM]})"),
            ('framework/easyconfig', 'default', ''.join(
                f"'{key}': 0\n" for key in ('easyblock', 'name', 'version', 'versionsuffix', 'homepage', 'description',
                                            'toolchain', 'components', 'exts_defaultclass')))):
        (packages / 'easybuild' / folder).mkdir(parents=True, exist_ok=True)
        (packages / 'easybuild' / folder / f'{name}.py').write_text(text)
    (root / 'easybuild' / 'easyconfigs').mkdir(parents=True)
    return {'EBROOTEASYBUILD': str(root), 'PATH': '/nowhere'}


def noted(tmp_path, env, name='Thing', more='', **facts):
    return older.notes(read_recipe(put_recipe(tmp_path / 'new', name, more=more, **facts)), env)


def test_what_is_there_is_not_noted(tmp_path, easybuild):
    assert noted(tmp_path, easybuild, more="configure_cmd_prefix = 'x'\nlocal_x = 1\n") == []
    assert noted(tmp_path, easybuild, 'GROMACS', "easyblock = ''\nmpiexec = 'srun'\nconfigure_cmd_prefix = ''\n") == []


@pytest.mark.parametrize('name, more, word', [
    ('Thing', "easyblock = 'ROCmComponent'\n", 'the easyblock ROCmComponent'),
    ('GROMACS', "easyblock = ''\nnew_word = 1\n", 'sets new_word'),
    ('Kokkos', 'easyblock = None\n', 'EB_Kokkos'),
    ('Thing', "components = [('A', '1', {'easyblock': 'EB_Other'})]\n", 'EB_Other'),
    ('Thing', "exts_defaultclass = 'NewKind'\n", 'NewKind')])
def test_what_is_missing_is_noted(tmp_path, easybuild, name, more, word):
    note, = noted(tmp_path, easybuild, name, more)
    assert word in note and 'EasyBuild 5.1.2, which is loaded,' in note and 'load a newer EasyBuild' in note


def test_easyblocks_that_are_included_count(tmp_path, easybuild):
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'rocmcomponent.py').write_text('')
    env = {**easybuild, 'EASYBUILD_INCLUDE_EASYBLOCKS': f'/nowhere/*.py,{tmp_path}/mine/*.py'}
    assert noted(tmp_path, env, more="easyblock = 'ROCmComponent'\n") == []
    # those of this library too
    assert noted(tmp_path, easybuild, more="easyblock = 'CrayPEToolchain'\n") == []


def test_nothing_is_known_of_an_easybuild_that_is_not_found(tmp_path):
    env = {'PATH': '', 'LUMI_STACK_VERSION': '25.03'}
    assert noted(tmp_path, env, more="easyblock = 'ROCmComponent'\n") == []


def test_recipes_of_easybuild_itself_fit(upstream_file):
    """With the easyblocks that they were released with, nothing is missing: no note is wrong."""
    for name in ('Kokkos-5.0.2-GCC-14.2.0.eb', 'GROMACS-2025.2-foss-2025a.eb', 'PyTorch-2.9.1-foss-2025a.eb',
                 'GDAL-3.11.1-foss-2025a.eb', 'netCDF-Fortran-4.6.2-gompi-2025a.eb', 'R-4.5.1-gfbf-2025a.eb'):
        assert older.notes(read_recipe(upstream_file(name))) == []


def test_commands_tell(tmp_path, easybuild, capsys, monkeypatch):
    for name, value in {**easybuild, 'LUMI_HOOKS_UPSTREAM': str(tmp_path / 'new')}.items():
        monkeypatch.setenv(name, value)
    path = put_recipe(tmp_path / 'new', 'Thing', toolchain=('foss', '2025a'), more="easyblock = 'ROCmComponent'\n")
    assert main(['adapt', '--json', path]) == 0
    told = capsys.readouterr().out
    assert 'the easyblock ROCmComponent' in json.loads(told)['recipes'][0]['notes'][-1]
    assert main(['plan', '--json', 'thing']) == 0
    found = json.loads(capsys.readouterr().out)
    assert ['ROCmComponent' in text for text in found['warnings']] == [True]
    assert found['collection'] == {'easybuild': None, 'origin': 'named by LUMI_HOOKS_UPSTREAM', 'recipes': 1,
                                   'folders': [str(tmp_path / 'new')]}
    main(['doctor', '--json', 'Thing'])
    findings = json.loads(capsys.readouterr().out)['findings']
    assert [item['level'] for item in findings if item['check'] == 'easyblocks'] == ['warning']
