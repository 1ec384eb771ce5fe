# SPDX-License-Identifier: GPL-2.0-only
"""Which EasyBuild is loaded, and what is said of its collection of recipes."""
import os
import subprocess
import sys

import pytest
from writing import put_recipe

from lumi_hooks import easybuilds, loaded
from lumi_hooks.catalogue import upstream_recipes


@pytest.fixture
def easybuild(tmp_path):
    """Makes an installation of EasyBuild: a folder with bin/eb, recipes and what pip notes of its version."""
    def make(name, version, recipes=('zlib',), folder='python3.11'):
        root = tmp_path / name
        (root / 'bin').mkdir(parents=True)
        (root / 'bin' / 'eb').write_text('#!/bin/sh\n')
        (root / 'bin' / 'eb').chmod(0o755)
        for recipe in recipes:
            put_recipe(root / 'easybuild' / 'easyconfigs', recipe)
        packages = root / 'lib' / folder / 'site-packages'
        (packages / f'easybuild_easyconfigs-{version}.dist-info').mkdir(parents=True)
        (packages / f'easybuild_framework-9.9.{version}.dist-info').mkdir()
        (packages / 'easybuild' / 'easyblocks').mkdir(parents=True)
        return root
    return make


def of_module(root):
    """The environment that the module of an EasyBuild makes."""
    return {'EBROOTEASYBUILD': str(root), 'PATH': f'{root}/bin:/nowhere', 'LUMI_STACK_VERSION': '25.03'}


def test_the_loaded_one_and_no_other(easybuild):
    """Neither another Python's EasyBuild nor one that comes later on PATH adds recipes."""
    root, other = easybuild('5.1.2', '5.1.2'), easybuild('venv', '5.4.1')
    env = {**of_module(root), 'PATH': f'{root}/bin:{other}/bin'}
    assert upstream_recipes(env) == [str(root / 'easybuild' / 'easyconfigs')]
    assert easybuilds.easyblocks(env) == str(root / 'lib/python3.11/site-packages/easybuild/easyblocks')
    found = easybuilds.collection(upstream_recipes(env), env)
    assert str(found) == 'EasyBuild 5.1.2 (loaded)'
    assert found.as_json() == {'easybuild': '5.1.2', 'origin': 'loaded', 'recipes': 1,
                               'folders': [str(root / 'easybuild' / 'easyconfigs')]}


def test_an_eb_before_that_of_the_module_is_the_one(easybuild):
    root, other = easybuild('5.1.2', '5.1.2'), easybuild('venv', '5.4.1')
    env = {**of_module(root), 'PATH': f'{other}/bin:{root}/bin'}
    assert upstream_recipes(env) == [str(other / 'easybuild' / 'easyconfigs')]
    # eb says where its script is, whatever PATH says by then
    assert upstream_recipes({**env, 'EB_SCRIPT_PATH': f'{root}/bin/eb'}) == [str(root / 'easybuild' / 'easyconfigs')]


def test_a_link_to_eb_is_followed(easybuild, tmp_path):
    root = easybuild('5.2.0', '5.2.0')
    (tmp_path / 'links').mkdir()
    os.symlink(root / 'bin' / 'eb', tmp_path / 'links' / 'eb')
    assert upstream_recipes({'PATH': str(tmp_path / 'links')}) == [str(root / 'easybuild' / 'easyconfigs')]


def test_without_any_eb(easybuild, monkeypatch):
    """Off LUMI this Python's own; where LUMI's modules are loaded none, as another EasyBuild will be loaded."""
    root = easybuild('venv', '5.4.1')
    monkeypatch.setattr(sys, 'prefix', str(root))
    assert upstream_recipes({'PATH': ''}) == [str(root / 'easybuild' / 'easyconfigs')]
    found = easybuilds.collection(upstream_recipes({'PATH': ''}), {'PATH': ''})
    assert str(found) == 'EasyBuild 5.4.1 (of this Python)'
    assert upstream_recipes({'PATH': '', 'LUMI_STACK_VERSION': '25.03'}) == []


def test_a_collection_that_is_named(easybuild, tmp_path):
    root, newer = easybuild('5.1.2', '5.1.2'), easybuild('newer', '5.4.1', ('zlib', 'lz4'))
    folder = str(newer / 'easybuild' / 'easyconfigs')
    env = {**of_module(root), 'LUMI_HOOKS_UPSTREAM': folder}
    assert upstream_recipes(env) == [folder]
    found = easybuilds.collection([folder], env)
    assert str(found) == 'EasyBuild 5.4.1 (named by LUMI_HOOKS_UPSTREAM)' and found.recipes() == 2
    assert str(easybuilds.collection([str(tmp_path)], env)) == f'{tmp_path} (given)'
    assert str(easybuilds.collection([], env)) == 'none'


def test_versions_of_clones(tmp_path):
    (tmp_path / 'setup.py').write_text('import os\n\nVERSION = \'5.4.2.dev0\'\n')
    assert easybuilds.version(str(tmp_path)) == '5.4.2.dev0'
    assert easybuilds.version(str(tmp_path / 'nowhere')) is None


def test_archived_and_hidden_recipes_do_not_count(tmp_path):
    put_recipe(tmp_path, 'zlib')
    put_recipe(tmp_path / '__archive__', 'old')
    put_recipe(tmp_path / '.hidden', 'odd')
    assert easybuilds.collection([str(tmp_path)], {}).recipes() == 1


@pytest.mark.parametrize('version, old', [('4.9.4', True), ('5.1.1', True), ('5.1.2', False), ('5.10.0', False)])
def test_an_easybuild_that_is_too_old_says_what_to_do(version, old, tmp_path):
    (tmp_path / 'lib/python3.11/site-packages' / f'easybuild_framework-{version}.dist-info').mkdir(parents=True)
    said = easybuilds.too_old({'EBROOTEASYBUILD': str(tmp_path), 'LUMI_STACK_VERSION': '25.03', 'PATH': '/nowhere'})
    assert (said is not None) is old
    if old:
        script = said.split('"')[1].split()[0]
        assert f'EasyBuild {version} is loaded' in said and os.access(script, os.X_OK) and ' 5.1.2"' in said


def test_own_easybuild_says_how_it_is_used(tmp_path):
    script = os.path.join(os.path.dirname(loaded.OUR_EB), 'own-easybuild')
    done = subprocess.run([script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith('usage: own-easybuild PREFIX VERSION')
    (tmp_path / 'python3').write_text('#!/bin/sh\necho\n')  # as one that is older than 3.9 answers
    (tmp_path / 'python3').chmod(0o755)
    done = subprocess.run([script, str(tmp_path), '5.1.2'], capture_output=True, text=True, check=False,
                          env={'PATH': f'{tmp_path}:/usr/bin:/bin'})
    assert done.returncode == 2 and 'older than 3.9' in done.stderr and os.listdir(tmp_path) == ['python3']
