# SPDX-License-Identifier: GPL-2.0-only
"""A site is data: LUMI's is the default, the core names none, and Dardel is one without a line of code."""
import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lumi_hooks import sites
from lumi_hooks.data import ROOT, load_json

CORE = sorted(path for part in ('adapt.py', 'recipe.py', 'render.py', 'store.py', 'selection.py', 'change.py',
                                'dependency.py', 'eb/view.py', 'rules', 'plan')
              for path in ([Path(ROOT, part)] if part.endswith('.py') else Path(ROOT, part).rglob('*.py')))
LUMIS = re.compile(r'LUMI(?!_HOOKS)|\bLUST\b|EBU_USER|lumi-supercomputer', re.IGNORECASE)


def _strings(path):
    """Strings of a file that are not docstrings."""
    tree, docs = ast.parse(path.read_text(encoding='utf-8')), set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and isinstance(node.body[0], ast.Expr):
            docs.add(id(node.body[0].value))
    return [node.value for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs]


def _values(content):
    """All words of a site that tell it from others: its name, variables, layout, links."""
    return {content['called'], *content['variables'].values(), *content['links'].values(),
            *(value for value in content['layout'].values() if '{' in value)}


@pytest.mark.parametrize('path', CORE, ids=lambda path: os.path.relpath(path, ROOT))
def test_the_core_names_no_site(path):
    values = _values(load_json('sites/lumi/site.json')) | _values(load_json('sites/dardel/site.json'))
    for text in _strings(path):
        bare = re.sub(r'LUMI_HOOKS_\w+|lumi[-_]hooks|lumi-eb', '', text)
        assert not LUMIS.search(bare) and not any(value in bare for value in values), text


def test_lumi_is_the_default():
    assert sites.name() == 'LUMI' and sites.folder() == 'sites/lumi' and sites.known() == ('dardel', 'lumi')


def test_dardel_is_little_data_and_no_code():
    files = [path for path in Path(ROOT, 'sites', 'dardel').rglob('*') if path.is_file()]
    assert {path.suffix for path in files} == {'.json'}
    assert sum(len(path.read_text(encoding='utf-8').splitlines()) for path in files) <= 200


def _python(code, **env):
    """Standard output of a Python with another site; a process has one."""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False,
                          env={'PATH': os.environ['PATH'], 'HOME': '/nowhere', 'PYTHONPATH': os.path.dirname(ROOT),
                               'PYTHONDONTWRITEBYTECODE': '1', **env})
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def test_where_dardel_is():
    found = _python('import json\nfrom lumi_hooks.site import site_from_environment as f\n'
                    's = f({"CRAY_PE_VERSION": "24.11", "EB_USER_PREFIX": "/p"})\n'
                    'from lumi_hooks.prefix import module_folders\n'
                    'print(json.dumps([s.release.name, s.partition, s.prefix, s.release.module("gcc-native"), '
                    's.release.module("rocm"), module_folders("/p", "24.11", s.partition)]))', LUMI_HOOKS_SITE='dardel')
    assert json.loads(found) == ['24.11', 'cpu', '/p', 'gcc-native/12.3', 'rocm/6.3.1', ['/p/modules/all']]


REFUSED = '''
from dataclasses import replace
from lumi_hooks.adapt import adapt
from lumi_hooks.recipe import parse_recipe
from lumi_hooks.plan.verdict import REASONS
from lumi_hooks.site import make_site, site_from_environment
site, texts = make_site(env={}), list(REASONS.values())
for name, more in (("jax", ""), ("Siesta", ", versionsuffix='-CUDA'"), ("PyTorch", ""), ("ucx-py", ""), ("CMake", "")):
    for toolchain, version in (("foss", "2023a"), ("cpeIntel", "24.11"), ("cpeGNU", "25.03")):
        found = adapt(parse_recipe(f"""easyblock = 'ConfigureMake'
name = {name!r}
version = '1'
versionsuffix = '-CUDA-12.1.1'
homepage = 'https://x'
description = 'x'
toolchain = {{'name': {toolchain!r}, 'version': {version!r}}}
builddependencies = [('CMake', '3.26.3')]
dependencies = [('PyTorch', '2.1.2', '-CUDA-12.1.1'), ('CUDA', '12.1.1', '', SYSTEM)]
moduleclass = 'tools'
"""), site)
        texts += [found.reason, *found.notes]
for env in ({}, {"CRAY_PE_VERSION": "24.11", "EB_USER_PREFIX": ""}, {"CRAY_PE_VERSION": "21.01"}):
    try:
        site_from_environment(env)
    except Exception as err:
        texts.append(str(err))
print("\\n".join(texts))
'''


def test_no_message_of_dardel_names_lumi():
    found = _python(REFUSED, LUMI_HOOKS_SITE='dardel')
    bare = re.sub(r'LUMI_HOOKS_\w+|lumi[-_]hooks|lumi-eb', '', found)
    assert len(found) > 2000 and 'PDC/24.11' in found and 'Dardel' in found and not LUMIS.search(bare), bare


def test_a_site_that_is_none(tmp_path):
    code = 'from lumi_hooks import sites; print(sites.name())'
    assert 'there is no such site; known are dardel, lumi' in _python(code, LUMI_HOOKS_SITE='mars')
    assert 'has no file site.json' in _python(code, LUMI_HOOKS_SITE_DIR=str(tmp_path))
    (tmp_path / 'site.json').write_text(Path(ROOT, 'sites', 'dardel', 'site.json').read_text(encoding='utf-8'))
    (tmp_path / 'site.json').chmod(0o644)
    assert _python(code, LUMI_HOOKS_SITE_DIR=str(tmp_path)) == 'Dardel'
    (tmp_path / 'site.json').chmod(0o666)
    assert 'is not read' in _python(code, LUMI_HOOKS_SITE_DIR=str(tmp_path))
