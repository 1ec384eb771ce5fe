# SPDX-License-Identifier: GPL-2.0-only
"""
Mangled recipes, overrides, release data and lists: whatever stands in a file, there is no traceback, nothing is written
outside the prefix, and no code is run that comes from data.

`ci/fuzz --count N` tries N of them in all; the normal run tries few. The library's own errors are sentences that are
shown as they are; anything else that is raised is a finding.
"""
import contextlib
import glob
import json
import logging
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fuzzing import examples, unharmed
from hypothesis import given
from hypothesis import strategies as st
from mangling import HARM, mangled_data, mangled_json, mangled_recipe, mangled_text
from watch import watched

from lumi_hooks import data, gpu, packages, releases, schemas, sites
from lumi_hooks.adapt import REFUSED, adapt
from lumi_hooks.catalogue import upstream_recipes
from lumi_hooks.closure import Closure
from lumi_hooks.errors import DataError, LumiHooksError, SiteError
from lumi_hooks.index import Index
from lumi_hooks.job import make_job
from lumi_hooks.plan.outline import outline
from lumi_hooks.prefix import FILE, quota, stack_of
from lumi_hooks.prefix.checksums import unchecked
from lumi_hooks.prefix.overrides import Overrides
from lumi_hooks.recipe import parse_recipe, read_recipe
from lumi_hooks.record import failure
from lumi_hooks.render import render
from lumi_hooks.site import make_site
from lumi_hooks.store import Store
from lumi_hooks.verify import policy


def recipe_samples():
    """Texts of upstream's recipes that import nothing, from all over the collection."""
    found = []
    for path in sorted(glob.glob(os.path.join(upstream_recipes()[0], '[a-z]', '*', '*.eb')))[::150]:
        text = Path(path).read_text(encoding='utf-8')
        if 'import ' not in text and len(text) < 6000:
            found.append(text)
    assert len(found) > 40
    return found


RECIPES = recipe_samples()
OVERRIDES = [
    {'name': 'Thing', 'overrides': [
        {'reason': 'all', 'parameters': {'configopts': {'append': '--all'}, 'parallel': 4, 'runtest': False,
                                         'toolchainopts': {'update': {'pic': True}}, 'preconfigopts': 'x'}},
        {'reason': 'one', 'link': 'https://example.org', 'version': '1.0', 'group': 'licensed',
         'patches': ['fix.patch', {'name': 'more.patch', 'level': 0}], 'dependencies': {'zlib': '1.2.13', 'Old': None},
         'builddependencies': {'Bison': {'version': '3.8', 'versionsuffix': '-x'}}},
        {'reason': 'compiler', 'toolchain': 'cpeGNU/25.03', 'license_file': '27000@licences'}]}]
RELEASE_FILES = ('releases/cpe/25.03.json', 'sites/lumi/versions/25.03.json', 'sites/lumi/machine.json',
                 'releases/toolchains.json', 'releases/modules.json', 'releases/upstream.json',
                 'releases/compilers.json', 'releases/pythonbuild.json', 'releases/rocm.json', 'sites/lumi/jobs.json',
                 'packages/groups.json', 'packages/gpu.json', 'packages/HDF5.json', 'packages/Kokkos.json',
                 'easyblocks.json', 'failures.json', 'verify/policy.json')
# what keeps in memory what it has read
DATA_MODULES = (releases, sites, packages, gpu, failure, policy, *(sys.modules[f'lumi_hooks.rules.{name}']
                                                                  for name in ('easyblock', 'pythonbuild')))
CONTENTS = {path: data.load_json(path) for path in RELEASE_FILES}
RECIPE = """easyblock = 'ConfigureMake'
name = 'Thing'
version = '1.0'
homepage = 'https://example.org'
description = 'd'
toolchain = {'name': 'foss', 'version': '2025a'}
sources = ['a.tgz']
checksums = ['0']
configopts = '--own'
dependencies = [('zlib', '1.3.1'), ('Old', '1'), ('HDF5', '1.14.5')]
"""
# of a Python package, and of one for NVIDIA's GPUs
OTHERS = [RECIPE.replace('ConfigureMake', 'PythonPackage').replace("('Old', '1')", "('Python', '3.13.1')"),
          RECIPE.replace('Thing', 'Kokkos').replace("toolchain =", "versionsuffix = '-CUDA-12.8.0'\ntoolchain =")
          .replace("('Old', '1')", "('CUDA', '12.8.0'), ('NCCL', '2.26.6', '-CUDA-12.8.0')")]


@pytest.fixture(scope='module', autouse=True)
def quiet():
    """EasyBuild logs each error of a recipe with its call stack; what it loads when it is first used is loaded now."""
    parse_recipe(RECIPE)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope='module')
def index():
    """Upstream's recipes, listed once."""
    return Index((), (), upstream_recipes())


@examples('recipes')
@given(text=mangled_recipe(RECIPES))
def test_recipes(ground, index, text):
    site = make_site('25.03', 'C', prefix=str(ground / 'prefix'), index=index, env={})
    path = ground / 'prefix' / 'X-1.0-foss-2025a.eb'
    path.write_bytes(text.replace(b'{mark}', b'mark'))
    store = Store(str(ground / 'prefix'))
    with watched(ground / 'prefix', code=True) as seen:
        try:
            recipe = read_recipe(str(path))
        except LumiHooksError as err:
            assert str(err)
            recipe = None
        # a recipe is code, and what it does while it is read is its own
        del seen[:]
        if recipe:
            try:
                adaptation = adapt(recipe, site)
                outline(adaptation, site)
                unchecked(adaptation.parameters, str(ground / 'prefix'))
                if adaptation.status != REFUSED:
                    store.put(adaptation)
                    Closure(site).follow(adaptation)
            except LumiHooksError as err:
                assert str(err)
    unharmed(ground, seen)
    shutil.rmtree(ground / 'prefix' / '.lumi-hooks', ignore_errors=True)


@examples('overrides')
@given(text=mangled_json(OVERRIDES))
def test_overrides(ground, text):
    folder = ground / 'prefix' / 'overrides'
    folder.mkdir(exist_ok=True)
    for name in ('fix.patch', 'more.patch'):
        (folder / name).write_text('patch')
    (folder / 'Thing.json').write_bytes(text.replace(b'{mark}', b'mark'))
    site = make_site('25.03', 'C', prefix=str(ground / 'prefix'), env={})
    recipe = parse_recipe(RECIPE)
    with watched(ground / 'prefix') as seen:
        overrides = Overrides([str(folder)])
        with contextlib.suppress(DataError):
            overrides.of('Thing')
        adaptation = adapt(recipe, replace(site, overrides=overrides))
        assert adaptation.status != REFUSED or adaptation.reason
    unharmed(ground, seen)
    if adaptation.status != REFUSED:
        # what it wrote into the recipe is text there, however it is quoted
        with watched(ground / 'prefix', code=True) as seen:
            try:
                written = parse_recipe(render(adaptation, parse_recipe))
            except LumiHooksError as err:
                assert str(err)
            else:
                assert written.parameters.get('configopts') == adaptation.parameters.get('configopts')
        unharmed(ground, seen)


def test_all_files_are_read(ground, index, monkeypatch):
    """What is damaged below would be noticed: right data is read, every file of it, without a complaint."""
    read, check = set(), schemas.checked
    for module in list(sys.modules.values()):
        if getattr(module, 'checked', None) is check:
            monkeypatch.setattr(module, 'checked', lambda path, kind=None: read.add(path) or check(path, kind))
    _forget()
    _use_all_data(str(ground / 'prefix'), index)
    assert read >= set(RELEASE_FILES), set(RELEASE_FILES) - read


@examples('releases')
@given(choice=st.sampled_from(RELEASE_FILES).flatmap(
    lambda path: st.tuples(st.just(path), mangled_json([CONTENTS[path]]))))
def test_release_data(ground, index, choice):
    """A copy of the data with one file mangled: it is refused with the file's name, or everything goes on with it."""
    path, text = choice
    root = ground / 'library'
    if not root.exists():
        shutil.copytree(data.ROOT, root, ignore=shutil.ignore_patterns('*.py', '__pycache__'))
    before = (root / path).read_bytes()
    (root / path).write_bytes(text.replace(b'{mark}', b'mark'))
    patch = pytest.MonkeyPatch()
    try:
        for module in (data, releases, sites, packages, schemas):
            patch.setattr(module, 'ROOT', str(root))
        _forget()
        with watched(ground / 'prefix', code=True) as seen:
            try:
                _use_all_data(str(ground / 'prefix'), index)
            except LumiHooksError as err:
                assert str(err)
        unharmed(ground, seen)
    finally:
        patch.undo()
        (root / path).write_bytes(before)
        _forget()


def _use_all_data(prefix, index):
    """What reads one of the files at least."""
    site = make_site('25.03', 'C', prefix=prefix, index=index, env={})
    Closure(site).follow(adapt(parse_recipe(RECIPE), site))
    for text in OTHERS:
        adapt(parse_recipe(text), replace(site, partition='G'))
    make_job('Kokkos/4.7.01-cpeAMD-25.03-rocm', replace(site, partition='G')).script()
    failure.first_error('ld: cannot find -lmkl\nmake: *** [all] Error 1\n')
    for rule in policy.load_policy()['rules']:
        policy.severity(rule, 'lib/libmpi_gnu_123.so.12', 'Kokkos', True)


def _forget():
    for module in DATA_MODULES:
        for value in vars(module).values():
            if hasattr(value, 'cache_clear'):
                value.cache_clear()


@examples('prefixes')
@given(text=mangled_text(['# below\n/project/project_1/EasyBuild\n/project/project_2\n', '', '/a\n/b\n/c/../d\n']))
def test_files_of_prefixes(ground, text):
    top = ground / 'prefix'
    (top / os.path.dirname(FILE)).mkdir(exist_ok=True)
    (top / FILE).write_bytes(text.replace(b'{mark}', b'mark'))
    with watched(ground / 'prefix') as seen:
        try:
            assert stack_of(str(top), {})[0] == str(top)
        except (DataError, SiteError) as err:
            assert str(err)
    unharmed(ground, seen)


LFS = '/project 41943040 52428800 53477376 - 61234 100000 101000 -\n'
QUOTAS = [{'storage_quotas': {'directories': {'projappl': {'block_quota_used': 1, 'block_quota_soft': 3,
                                                           'inode_quota_used': 5, 'inode_quota_hard': 8}}}}]


@examples('lists')
@given(content=mangled_data(QUOTAS), said=mangled_text([LFS]),
       sums=mangled_json([{'a.tgz': '0' * 64, 'x.patch': '1'}]))
def test_lists_of_others(ground, content, said, sums):
    """Quotas as LUMI and Lustre tell them, and lists of checksums next to a recipe."""
    folder = ground / 'prefix'
    (folder / 'checksums.json').write_bytes(sums)
    with watched(folder) as seen:
        for found in (quota.listed(content, ['storage_quotas', 'directories', 'projappl'], 'f'),
                      quota.parse_lfs(said.decode('utf-8', 'surrogateescape'))):
            assert found is None or found.bytes is not None or found.inodes is not None
        try:
            unchecked({'name': 'x', 'sources': ['a.tgz'], 'patches': ['x.patch']}, str(folder))
        except LumiHooksError as err:
            assert 'checksums.json' in str(err)
    (folder / 'checksums.json').unlink()
    unharmed(ground, seen)


# --- the watch itself: what can't find anything says nothing

@pytest.mark.parametrize('harm', [
    lambda folder: (folder.parent / 'elsewhere').write_text('x'), lambda folder: os.system('true'),
    lambda folder: os.mkdir(folder.parent / 'elsewhere'), lambda folder: os.rename(folder, folder.parent / 'elsewhere'),
    lambda folder: exec('1'), lambda folder: os.chmod('/', 0o755)])
def test_the_watch_sees_harm(tmp_path, harm):
    (tmp_path / 'prefix').mkdir()
    with pytest.raises(Exception, match='elsewhere|os.system|exec|os.chmod'), watched(tmp_path / 'prefix') as seen:
        harm(tmp_path / 'prefix')
    assert len(seen) == 1 and os.listdir(tmp_path) == ['prefix']
    with watched(tmp_path / 'prefix', code=True) as seen:
        (tmp_path / 'prefix' / 'inside').write_text('x')
        exec('1')
    assert seen == [] and json.dumps(HARM)
