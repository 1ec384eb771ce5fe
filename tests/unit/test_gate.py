# SPDX-License-Identifier: GPL-2.0-only
"""Nothing leads to EasyBuild's parser, or to code of others, but the gate (lumi_hooks/trust)."""
import ast
from pathlib import Path

import pytest

from lumi_hooks.data import ROOT

CLONE = Path(ROOT).parent
# what runs a text or a file: (file, function) in which each may stand, and why
RUNS = {
    'EasyConfigParser': {('lumi_hooks/recipe.py', 'parser_of'): 'parse_recipe asks the gate; live.py has a text '
                                                                'that it has read'},
    'load_source': {('lumi_hooks/eb/dispatch.py', '__init__'): 'asks the gate first'},
    'spec_from_file_location': {
        ('lumi_hooks/eb/plugin_folders.py', 'plugin_package'): 'this library itself',
        ('lumi_hooks/library.py', 'find_spec'): 'this library itself, shown to the gate first',
        ('easyblocks/registry/upstream.py', 'upstream_class'): 'EasyBuild\'s own easyblock'},
    # marshal makes plain values; a code object in it would be one, and is never run
    'loads': {('lumi_hooks/affected/side.py', '_kept'): 'compare.look asks the gate for the file first',
              ('lumi_hooks/affected/side.py', 'get_config_dict'): 'a value of that file'},
    'dumps': {('lumi_hooks/affected/side.py', 'recipe_of'): 'parameters of a recipe, which parse_recipe has read',
              ('lumi_hooks/affected/side.py', 'run'): 'these, together'},
    'compile': {('lumi_hooks/affected/fingerprint.py', '_compiled'): 'compiled for a digest of it, and never run'},
    # a text without a path is not judged: it has to be one that the library made of a recipe that was
    'parse_recipe(text)': {('lumi_hooks/record/archive.py', 'differences'): 'a text that was rendered, or a recipe\'s'},
}
NAMES = {'EasyConfigParser', 'EasyConfig', 'process_easyconfig', 'parse_easyconfigs', 'load_source', 'exec', 'eval',
         'compile', '__import__', 'spec_from_file_location', 'execfile', 'SourceFileLoader'}
# modules whose load and loads run what they read
RUNNING = {'pickle', 'marshal', 'shelve', 'yaml', 'dill', 'runpy'}


def uses(path):
    """(name, function, line) of everything in a file that runs a text or a file."""
    tree = ast.parse(path.read_text())
    found = []

    def visit(node, function):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = node.name
        if isinstance(node, ast.Call):
            target = node.func
            name = target.attr if isinstance(target, ast.Attribute) else getattr(target, 'id', None)
            owner = getattr(target.value, 'id', None) if isinstance(target, ast.Attribute) else None
            if (name in NAMES and (name, owner) != ('compile', 're')) or owner in RUNNING:
                found.append((name, function, node.lineno))
            if name == 'parse_recipe' and len(node.args) == 1 and not node.keywords:
                found.append(('parse_recipe(text)', function, node.lineno))
        elif isinstance(node, ast.Name) and node.id == 'EasyConfigParser' and function:
            found.append((node.id, function, node.lineno))
        for child in ast.iter_child_nodes(node):
            visit(child, function)
    visit(tree, None)
    return found


FILES = sorted(path for folder in ('lumi_hooks', 'easyblocks', 'toolchains') for path in (CLONE / folder).rglob('*.py'))


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(CLONE)))
def test_nothing_runs_code_beside_the_gate(path):
    place = str(path.relative_to(CLONE))
    wrong = [f'{place}:{line}: {name} in {function}' for name, function, line in uses(path)
             if (place, function) not in RUNS.get(name, {})]
    assert not wrong, 'ask lumi_hooks/trust first, and say here why it is right: ' + '; '.join(wrong)


def test_what_is_allowed_is_there():
    """An entry that nothing uses any more would hide the next one."""
    there = {(name, str(path.relative_to(CLONE)), function) for path in FILES for name, function, _ in uses(path)}
    assert {(name, *where) for name, places in RUNS.items() for where in places} <= there


def test_the_search_finds_them(tmp_path):
    path = tmp_path / 'x.py'
    path.write_text('import pickle\ndef f(text):\n    exec(text)\n    pickle.loads(text)\n    parse_recipe(text)\n'
                    '    parse_recipe(text, path)\n    EasyConfigParser(text)\n    json.loads(text)\n'
                    '    re.compile(text)\n')
    assert sorted({name for name, _, _ in uses(path)}) == ['EasyConfigParser', 'exec', 'loads', 'parse_recipe(text)']
