# SPDX-License-Identifier: GPL-2.0-only
"""Versions stand in the data, not in the code; and what else the house demands of every file."""
import ast
import os
import re

import pytest

from lumi_hooks.data import ROOT
from lumi_hooks.releases import default_release, release_names

SOURCES = sorted(os.path.relpath(os.path.join(folder, name), ROOT)
                 for folder, _, names in os.walk(ROOT) for name in names if name.endswith('.py'))
RELEASES = re.compile('|'.join(map(re.escape, release_names())))
# examples of commands in help
SHOWN = re.compile(r'examples?:')


def _strings(tree):
    """String constants of a file that are not docstrings."""
    docs = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                docs.add(id(first.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node


def _read(path):
    with open(os.path.join(ROOT, path), encoding='utf-8') as stream:
        return stream.read()


@pytest.mark.parametrize('path', SOURCES)
def test_no_release_in_code(path):
    found = [(node.lineno, node.value) for node in _strings(ast.parse(_read(path)))
             if RELEASES.search(node.value) and not SHOWN.search(node.value)]
    assert not found, f'{path}: the release stands in the data; the default one is {default_release().name}'


@pytest.mark.parametrize('path', SOURCES)
def test_licence_and_docstring(path):
    text = _read(path)
    if text.strip():
        assert text.startswith('# SPDX-License-Identifier: GPL-2.0-only\n'), path
        assert ast.get_docstring(ast.parse(text)), f'{path} does not say what it is about'
