# SPDX-License-Identifier: GPL-2.0-only
"""What Python packages need by their own metadata, and our recipes of what cray-python lacks."""
import os
import subprocess
import sys

import pytest

from lumi_hooks import requirements
from lumi_hooks.data import ROOT, our_recipes
from lumi_hooks.plan import BUILD, REFUSED, make_plan
from lumi_hooks.site import make_site
from lumi_hooks.versions import version_key

KNOWN = {'thing': {'1.0': {'numpy': '1.20'}, '2.0': {'numpy': '1.24'}, '3.0': {'numpy': '1.26', 'pandas': ''}}}


@pytest.mark.parametrize('version, needs, complete', [
    ('1.0', {'numpy': '1.20'}, True), ('1.5', {'numpy': '1.20'}, True), ('2.0', {'numpy': '1.24'}, True),
    # between two that need different packages, after the last one, before the first
    ('2.5', {'numpy': '1.24'}, False), ('3.1', {'numpy': '1.26', 'pandas': ''}, False), ('0.9', {'numpy': ''}, False)])
def test_R17_what_a_version_needs_is_not_guessed(monkeypatch, version, needs, complete):
    monkeypatch.setattr(requirements, '_facts', lambda: KNOWN)
    assert requirements.of_package('Thing', version) == (needs, complete)
    assert requirements.of_package('other', version) == ({}, False)


@pytest.mark.parametrize('version, needs', [
    ('1.0', '1.20,<2'), ('1.5', '1.20,<2'), ('2.0', '1.20,<2'), ('2.5', '1.20'), ('3.0', '1.26,<3'), ('3.5', '1.26')])
def test_G_a_newer_version_may_allow_more(monkeypatch, version, needs):
    """What an old version has to be below is not asked of a newer one, as its lowest version is."""
    known = {'1.0': {'numpy': '1.20,<2'}, '2.0': {'numpy': '1.20,<2'}, '3.0': {'numpy': '1.26,<3'}}
    monkeypatch.setattr(requirements, '_facts', lambda: {'thing': known})
    assert requirements.of_package('thing', version)[0] == {'numpy': needs}


def test_G_a_recipe_keeps_the_bounds_of_all_its_packages(monkeypatch):
    known = {'a': {'1': {'urllib3': '1.25,<3'}}, 'b': {'1': {'urllib3': '1.21,<2.1'}}, 'c': {'1': {'urllib3': ''}}}
    monkeypatch.setattr(requirements, '_facts', lambda: known)
    listed = {'exts_list': [('a', '1'), ('b', '1'), ('c', '1')]}
    assert requirements.of_recipe('any', '1', listed) == ({'urllib3': '1.25,<2.1'}, True)


def test_R17_a_recipe_needs_what_its_packages_need(monkeypatch):
    monkeypatch.setattr(requirements, '_facts', lambda: {**KNOWN, 'more': {'1': {'thing': '', 'numpy': '1.21'}}})
    listed = {'easyblock': 'PythonBundle', 'exts_list': [('thing', '1.0'), ('more', '1')]}
    assert requirements.of_recipe('any', '1', listed) == ({'numpy': '1.21'}, True)
    listed['exts_list'].append(('unknown', '1'))
    assert requirements.of_recipe('any', '1', listed) == ({'numpy': '1.21'}, False)
    assert requirements.of_recipe('thing', '2.0', {'easyblock': 'PythonPackage'}) == ({'numpy': '1.24'}, True)
    assert requirements.of_recipe('thing', '2.0', {'easyblock': 'CMakeMake'}) == ({}, False)


def test_our_recipes_are_what_upstreams_make_them():
    command = [sys.executable, os.path.join(os.path.dirname(ROOT), 'ci', 'python-recipes'), '--check']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')


@pytest.mark.parametrize('release, toolchain, partition', [
    ('25.03', 'cpeGNU', 'C'), ('24.03', 'cpeCray', 'C'), ('26.03', 'cpeAMD', 'G'), ('23.09', 'cpeAOCC', 'C')])
def test_python_extras_needs_nothing_else(upstream_index, release, toolchain, partition):
    site = make_site(release, partition, toolchain, index=upstream_index, env={})
    source, = upstream_index.sources('Python-extras')
    assert source.path.startswith(our_recipes())
    plan = make_plan([source.path], site)
    # one of its packages has no wheel, and cray-python brings none of what makes one
    assert [node.name for node in plan.of(BUILD)] == ['Python-build-backends', 'Python-extras']
    assert not plan.of(REFUSED)


@pytest.mark.parametrize('package, least', [
    ('msgpack', '1.0.0'),  # of distributed 2024.9.1
    ('flit-core', '3.10.1'), ('setuptools-scm', '6.4'), ('wheel', '0.23.0')])  # of flit, flit-scm 1.7.0, astunparse
def test_G_python_extras_holds_what_upstream_has_by_way_of_python(upstream_index, package, least):
    source, = upstream_index.sources('Python-extras')
    assert version_key(upstream_index.extensions(source)[package]) >= version_key(least)


@pytest.mark.parametrize('name, most', [('h5py', 3), ('spglib-python', 4), ('statsmodels', 6), ('xarray', 8)])
def test_G_plans_are_small(upstream_site, name, most):
    """On an empty prefix; before, h5py took 24 modules and xarray 22."""
    source = next(item for item in upstream_site.index.sources(name) if item.toolchain[1] == '2025a')
    built = [node.name for node in make_plan([source.path], upstream_site).of(BUILD)]
    assert len(built) <= most and 'Rust' not in built, built


@pytest.mark.parametrize('names', [
    ('xarray', 'statsmodels'), ('scikit-image', 'h5py', 'pymatgen'), ('zarr', 'PyTables')])
def test_G_what_stands_on_either_can_be_loaded_together(upstream_site, names):
    """One module of one name serves all: SciPy-extras and SciPy-bundle are two, and no plan holds two of either."""
    paths = [next(item.path for item in upstream_site.index.sources(name) if item.toolchain[1] == '2025a')
             for name in names]
    plan = make_plan(paths, upstream_site)
    modules = [node.name for node in plan.of(BUILD)]
    assert not plan.refused
    assert all(modules.count(name) <= 1 for name in ('SciPy-extras', 'SciPy-bundle', 'Python-extras'))
