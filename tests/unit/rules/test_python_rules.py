# SPDX-License-Identifier: GPL-2.0-only
"""What upstream's Python brings for packages to run with: the rule python-run-time."""
import json
from dataclasses import replace

import pytest

from lumi_hooks import capture
from lumi_hooks.adapt import adapt
from lumi_hooks.catalogue import find_recipe
from lumi_hooks.data import load_json
from lumi_hooks.plan import REFUSED, make_plan
from lumi_hooks.recipe import read_recipe
from lumi_hooks.rules import pythonbuild
from lumi_hooks.schemas import schema
from lumi_hooks.schemas.plain import faults

PIP = "easyblock = 'PythonPackage'\ndependencies = [('Python', '3.13.5')]\n"
OLD = "easyblock = 'PythonPackage'\ndependencies = [('Python', '3.10.8')]\n"


def run_time(found):
    return [(change.parameter, change.after.name) for change in found.changes if change.rule == 'python-run-time']


@pytest.mark.parametrize('name, more, names', [
    ('BeautifulSoup', PIP, ['typing-extensions']),
    ('Mine', "easyblock = 'Bundle'\nexts_defaultclass = 'PythonPackage'\ndependencies = [('Python', '3.12.3')]\n",
     ['typing-extensions']),
    ('Mine', "easyblock = 'Bundle'\ndependencies = [('Python', '3.12.3')]\n"
             "components = [('A', '1', {'easyblock': 'CMakeMake'}), ('B', '1', {'easyblock': 'PythonPackage'})]\n",
     ['typing-extensions']),
    ('Mine', "easyblock = 'Bundle'\ndefault_easyblock = 'PythonPackage'\ndependencies = [('Python', '3.12.3')]\n",
     ['typing-extensions']),
    ('Mine', "easyblock = 'Bundle'\ndefault_easyblock = 'CMakeMake'\ndependencies = [('Python', '3.12.3')]\n", []),
    ('Mine', OLD, ['typing-extensions']),
    # it has it already, by itself or as a dependency
    ('Mine', "easyblock = 'PythonBundle'\ndependencies = [('Python', '3.13.5')]\n"
             "exts_list = [('typing_extensions', '4.14.0')]\n", []),
    ('Mine', PIP.replace("')]", "'), ('typing-extensions', '4.14.1')]"), []),
    # by what is known of it
    ('mpi4py', PIP, []), ('hatchling', PIP, ['build']), ('scikit-build-core', PIP, ['build']),
    # upstream's Python is made of these
    ('typing-extensions', PIP, []), ('flit-core', PIP, []), ('setuptools', PIP, []),
    # not built by pip, not with cray-python, or with a Python that upstream has no recipe of
    ('Mine', PIP.replace('PythonPackage', 'CMakeMake'), []), ('Mine', "easyblock = 'PythonPackage'\n", []),
    ('Mine', PIP.replace('3.13.5', '3.13.99'), [])])
def test_rule_python_run_time(recipe, upstream_site, name, more, names):
    found = adapt(recipe(more, name=name), upstream_site)
    assert run_time(found) == [('dependencies', name) for name in names]
    assert not run_time(adapt(recipe(more, name=name), replace(upstream_site, disabled=frozenset({'python-run-time'}))))


def test_rule_python_run_time_takes_what_cray_python_carries(recipe, upstream_site, monkeypatch):
    carried = {'typing-extensions': {'version': '4.14.2', 'verified': True}}
    monkeypatch.setattr(pythonbuild, 'python_packages', lambda version: carried)
    assert run_time(adapt(recipe(PIP), upstream_site)) == []
    carried['typing-extensions']['version'] = '4.13.0'
    assert run_time(adapt(recipe(PIP), upstream_site)) == [('dependencies', 'typing-extensions')]
    carried['typing-extensions'] = {'version': None, 'verified': False}
    assert run_time(adapt(recipe(PIP), upstream_site)) == [('dependencies', 'typing-extensions')]


@pytest.mark.parametrize('written', ['typing_extensions', 'typing-extensions', 'Typing.Extensions'])
def test_rule_python_run_time_takes_what_was_captured(recipe, upstream_site, monkeypatch, tmp_path, written):
    """However the package writes its name in its metadata: from the interpreter's answer to the rule."""
    answer = json.dumps({'version': '3.11.7', 'packages': [[written, '4.14.0']], 'files': []})
    python = tmp_path / 'python3'
    python.write_text(f"#!/bin/sh\necho '{answer}'\n")
    python.chmod(0o755)
    data = capture.as_data(capture.ask(str(python)), 'a test', 'today')
    assert list(faults(data, schema('python'))) == []
    monkeypatch.setattr(pythonbuild, 'python_packages', lambda version: data['packages'])
    assert run_time(adapt(recipe(PIP), upstream_site)) == []


@pytest.mark.parametrize('filename, bundle', [
    ('ASE-3.22.1-gfbf-2022b.eb', True),      # that of 2023a names the bundle
    ('ASE-3.23.0-gfbf-2023a.eb', False),     # it names it itself
    ('wrapt-1.15.0-gfbf-2022b.eb', False)])  # no recipe after it names it
def test_rule_python_run_time_of_a_python_with_a_hundred_packages(upstream, upstream_site, filename, bundle):
    found = adapt(read_recipe(find_recipe(filename, upstream)), upstream_site)
    assert (('dependencies', 'Python-bundle-PyPI') in run_time(found)) is bundle


def test_rule_python_run_time_makes_no_circle(upstream, upstream_site):
    """What it adds, and what that is built with, is planned by itself."""
    for name in {entry['module'] for entry in load_json('releases/pythonbuild.json')['run_time'].values()}:
        for source in upstream_site.index.sources(name):
            plan = make_plan([source.path], upstream_site)
            assert not plan.of(REFUSED), source.path
