# SPDX-License-Identifier: GPL-2.0-only
"""What upstream's Python brings for packages to run with: the rule python-run-time."""
import json
from dataclasses import replace

import pytest

from lumi_hooks import capture
from lumi_hooks.adapt import adapt
from lumi_hooks.data import load_json
from lumi_hooks.plan import BUILD, REFUSED, make_plan
from lumi_hooks.recipe import read_recipe
from lumi_hooks.rules import pythonbuild
from lumi_hooks.schemas import schema
from lumi_hooks.schemas.plain import faults

PIP = "easyblock = 'PythonPackage'\ndependencies = [('Python', '3.13.5')]\n"
OLD = "easyblock = 'PythonPackage'\ndependencies = [('Python', '3.10.8')]\n"


def run_time(found):
    return [(change.parameter, change.after.name) for change in found.changes if change.rule == 'python-run-time']


EXTRAS = [('dependencies', 'Python-extras')]
SCIENCE = PIP.replace("')]", "'), ('SciPy-bundle', '2025.07')]")


@pytest.mark.parametrize('name, more, added', [
    ('BeautifulSoup', PIP, True),
    ('Mine', "easyblock = 'Bundle'\nexts_defaultclass = 'PythonPackage'\ndependencies = [('Python', '3.12.3')]\n",
     True),
    ('Mine', "easyblock = 'Bundle'\ndependencies = [('Python', '3.12.3')]\n"
             "components = [('A', '1', {'easyblock': 'CMakeMake'}), ('B', '1', {'easyblock': 'PythonPackage'})]\n",
     True),
    ('Mine', "easyblock = 'Bundle'\ndefault_easyblock = 'PythonPackage'\ndependencies = [('Python', '3.12.3')]\n",
     True),
    ('Mine', "easyblock = 'Bundle'\ndefault_easyblock = 'CMakeMake'\ndependencies = [('Python', '3.12.3')]\n", False),
    ('Mine', OLD, True),
    # it has it already, by a dependency that becomes it
    ('Mine', PIP.replace("')]", "'), ('typing-extensions', '4.14.1')]"), False),
    ('Mine', PIP.replace("')]", "'), ('Python-bundle-PyPI', '2025.07')]"), False),
    # by what is stated of it
    ('mpi4py', PIP, False), ('hatchling', PIP, True), ('scikit-build-core', PIP, True),
    # by its own metadata: nothing; packaging
    ('networkx', PIP.replace('PythonPackage', 'PythonBundle') + "exts_list = [('networkx', '3.5')]\n", False),
    ('Mine', SCIENCE.replace('PythonPackage', 'PythonBundle') + "exts_list = [('xarray', '2025.7.0')]\n", True),
    # it brings itself what its packages need
    ('Mine', SCIENCE.replace('PythonPackage', 'PythonBundle')
     + "exts_list = [('packaging', '25.0'), ('xarray', '2025.7.0')]\n", True),
    ('Mine', PIP.replace('PythonPackage', 'PythonBundle')
     + "exts_list = [('pyproject-metadata', '0.9.1'), ('pycparser', '2.22')]\n", True),
    ('Mine', PIP.replace('PythonPackage', 'PythonBundle')
     + "exts_list = [('cffi', '1.17.1'), ('pycparser', '2.22')]\n", False),
    # upstream's Python is made of these, and ours holds what it holds
    ('typing-extensions', PIP, False), ('flit-core', PIP, False), ('setuptools', PIP, False),
    # not built by pip, not with cray-python
    ('Mine', PIP.replace('PythonPackage', 'CMakeMake'), False), ('Mine', "easyblock = 'PythonPackage'\n", False)])
def test_rule_python_run_time(recipe, upstream_site, name, more, added):
    found = adapt(recipe(more, name=name), upstream_site)
    assert run_time(found) == (EXTRAS if added else [])
    assert [item.name for item in found.dependencies()].count('Python-extras') <= 1
    assert not run_time(adapt(recipe(more, name=name), replace(upstream_site, disabled=frozenset({'python-run-time'}))))


@pytest.mark.parametrize('name, generation, added', [
    # by the metadata of an extension; cryptography's recipe names it, and the data file of ASE
    ('ASE', 'gfbf-2025a', []), ('librosa', 'foss-2025a', ['cffi']),
    ('jupyter-server', 'GCCcore-14.2.0', ['cffi']), ('cryptography', 'GCCcore-14.2.0', []), ('h5py', 'foss-2025a', [])])
def test_G_rule_python_run_time_adds_what_python_extras_leaves_out(upstream_site, name, generation, added):
    source = next(item for item in upstream_site.index.sources(name) if item.path.endswith(f'{generation}.eb'))
    found = adapt(read_recipe(source.path), upstream_site)
    assert [module for _, module in run_time(found) if module != 'Python-extras'] == added
    assert [item.name for item in found.dependencies()].count('cffi') == (name != 'h5py')


XARRAY = SCIENCE.replace('PythonPackage', 'PythonBundle') + "exts_list = [('xarray', '2025.7.0')]\n"


def test_rule_python_run_time_takes_what_cray_python_carries(recipe, upstream_site, monkeypatch):
    carried = {'packaging': {'version': '24.1', 'verified': True}}
    monkeypatch.setattr(pythonbuild, 'python_packages', lambda version: carried)
    assert run_time(adapt(recipe(XARRAY), upstream_site)) == []
    carried['packaging']['version'] = '23.9'
    assert run_time(adapt(recipe(XARRAY), upstream_site)) == EXTRAS
    carried['packaging'] = {'version': None, 'verified': False}
    assert run_time(adapt(recipe(XARRAY), upstream_site)) == EXTRAS


@pytest.mark.parametrize('written', ['packaging', 'Packaging', 'PACKAGING'])
def test_rule_python_run_time_takes_what_was_captured(recipe, upstream_site, monkeypatch, tmp_path, written):
    """However the package writes its name in its metadata: from the interpreter's answer to the rule."""
    answer = json.dumps({'version': '3.11.7', 'packages': [[written, '25.0']], 'files': []})
    python = tmp_path / 'python3'
    python.write_text(f"#!/bin/sh\necho '{answer}'\n")
    python.chmod(0o755)
    data = capture.as_data(capture.ask(str(python)), 'a test', 'today')
    assert list(faults(data, schema('python'))) == []
    monkeypatch.setattr(pythonbuild, 'python_packages', lambda version: data['packages'])
    assert run_time(adapt(recipe(XARRAY), upstream_site)) == []


def test_rule_python_run_time_makes_no_circle(upstream_site):
    """What it adds, and what that is built with, is planned by itself, and needs no compiler of another language."""
    module = load_json('releases/pythonbuild.json')['run_time']['module']
    source, = upstream_site.index.sources(module)
    plan = make_plan([source.path], upstream_site)
    assert not plan.of(REFUSED)
    # one of its packages has no wheel, and cray-python brings none of what makes one
    assert [node.name for node in plan.of(BUILD)] == ['Python-build-backends', module]
