# SPDX-License-Identifier: GPL-2.0-only
"""What is replaced in EasyBuild: the table is whole, its sources are known, and what is not known is left alone."""
import ast
import inspect
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from easybuild.framework import easyblock as framework
from easybuild.framework.easyblock import EasyBlock
from easybuild.tools import parallelbuild

from lumi_hooks.data import ROOT, load_json
from lumi_hooks.eb import patches, session  # noqa: F401 (all functions are registered)
from lumi_hooks.eb.patches.source import block, digest
from lumi_hooks.errors import LumiHooksError, SiteError

CLONE = Path(ROOT).parent
TARGETS = [(name, target) for name, feature in patches.table().items() for target in feature['targets']]
KNOWN = load_json('eb/patches/known.json')
HERE = SimpleNamespace(site=None)


@pytest.fixture(autouse=True)
def afterwards(options, patched):
    """EasyBuild is as it was after each test."""


def test_each_function_of_the_table_is_where_it_says():
    for _, target in TARGETS:
        assert (CLONE / target['where']).is_file()
        if target['how'] in ('replaced', 'everywhere'):
            ours = patches.ours_for(target)
            assert inspect.getsourcefile(ours) == str(CLONE / target['where'])
    assert set(patches._ours) == {target['name'] for _, target in TARGETS
                                  if target['how'] in ('replaced', 'everywhere')}


def test_nothing_of_others_is_replaced_beside_the_table():
    """An assignment to an attribute of something that is imported from EasyBuild, or of Python's own modules."""
    allowed = {target['where'] for _, target in TARGETS}
    allowed.add('lumi_hooks/cli/console.py')  # lumi-eb's own standard output
    wrong = []
    for folder in ('lumi_hooks', 'easyblocks', 'toolchains'):
        for path in (CLONE / folder).rglob('*.py'):
            tree = ast.parse(path.read_text())
            imported = {(name.asname or name.name).partition('.')[0] for node in ast.walk(tree)
                        if isinstance(node, (ast.Import, ast.ImportFrom))
                        and (getattr(node, 'module', 'easybuild') or '').startswith('easybuild') for name in node.names}
            for node in ast.walk(tree):
                for one in node.targets if isinstance(node, ast.Assign) else ():
                    root = one
                    while isinstance(root, ast.Attribute):
                        root = root.value
                    if root is not one and isinstance(root, ast.Name) and root.id in imported \
                            and str(path.relative_to(CLONE)) not in allowed:
                        wrong.append(f'{path}:{node.lineno}')
    assert wrong == []


def test_the_sources_of_this_easybuild_are_known():
    for feature in patches.table().values():
        assert patches.unknown(feature, KNOWN['targets']) == []
    for name in KNOWN['targets']:
        function = getattr(*patches.target_of(name))
        lines, number = inspect.getsourcelines(function)
        assert block(inspect.findsource(function)[0], number) == block(lines, 1) and len(digest(function)) == 32


def test_comments_and_what_follows_do_not_count():
    text = 'class A:\n    @staticmethod\n    def one(a,\n            b):\n        # why\n\n' \
           '        return a\n\n    two = 2\n'
    assert block(text.split('\n'), 2) == ['@staticmethod', 'def one(a,', '        b):', '    return a']


def test_install_twice_and_undo():
    before = EasyBlock.run_step, framework.build_and_install_one
    holder = SimpleNamespace(build_and_install_one=framework.build_and_install_one)
    sys.modules['a_main'] = holder
    try:
        patches.install(HERE)
        once = EasyBlock.run_step
        assert once is not before[0] and framework.build_and_install_one is not before[1]
        assert holder.build_and_install_one is framework.build_and_install_one
        patches.install(HERE)
        assert EasyBlock.run_step is once and once.__wrapped__ is before[0]
        patches.undo()
        assert (EasyBlock.run_step, framework.build_and_install_one) == before
        assert holder.build_and_install_one is before[1]
    finally:
        del sys.modules['a_main']


def test_a_function_that_is_another_one_is_left_as_it_is(monkeypatch, capsys):
    def build_easyconfigs_in_parallel(*args):
        return 'theirs'
    monkeypatch.setattr(parallelbuild, 'build_easyconfigs_in_parallel', build_easyconfigs_in_parallel)
    patches.install(HERE)
    assert parallelbuild.build_easyconfigs_in_parallel is build_easyconfigs_in_parallel
    assert not patches.on('jobs') and patches.on('network')
    said = capsys.readouterr().err
    assert said.count('lumi-hooks does not know build_easyconfigs_in_parallel') == 1
    assert patches.table()['jobs']['lost'] in said


@pytest.mark.parametrize('owner, name', [(framework, 'create_lock'), (EasyBlock, 'make_dir')])
def test_without_locks_or_rollback_it_stops(monkeypatch, capsys, owner, name):
    def theirs(*args):
        return 'theirs'
    monkeypatch.setattr(owner, name, theirs)
    with pytest.raises(LumiHooksError, match=f'{name}.*Load EasyBuild 5.1.2.*LUMI_HOOKS_PATCHES to untested'):
        patches.install(HERE)
    patches.undo()
    monkeypatch.setenv('LUMI_HOOKS_PATCHES', 'untested')
    patches.install(HERE)
    assert getattr(owner, name) is not theirs
    patches.undo()
    monkeypatch.setenv('LUMI_HOOKS_PATCHES', 'off')
    patches.install(HERE)
    assert getattr(owner, name) is theirs and not any(map(patches.on, patches.table()))


@pytest.mark.parametrize('setting, superseded', (('', True), ('off', False)))
def test_the_plugin_supersedes_no_class_without_patches(setting, superseded):
    code = 'import sys, lumi_hooks.plugin_classes; print("lumi_hooks_easyblocks.registry" in sys.modules)'
    done = subprocess.run([sys.executable, '-c', code], cwd=CLONE, text=True, stdout=subprocess.PIPE, check=True,
                          env={'PATH': '/usr/bin:/bin', 'LUMI_STACK_VERSION': '25.03', 'LUMI_HOOKS_PATCHES': setting})
    assert done.stdout.split()[-1] == str(superseded)


def test_an_easybuild_that_nobody_tried_is_announced(monkeypatch, capsys):
    patches.install(HERE)
    assert 'nobody has tried' not in capsys.readouterr().err
    monkeypatch.setattr(patches, 'FRAMEWORK_VERSION', '5.9.0')
    patches.install(HERE)
    assert capsys.readouterr().err.count('nobody has tried lumi-hooks with EasyBuild 5.9.0 yet') == 1


def test_a_setting_that_is_none(monkeypatch):
    monkeypatch.setenv('LUMI_HOOKS_PATCHES', 'yes')
    with pytest.raises(SiteError, match='can be off or untested, or unset'):
        patches.install(HERE)


def test_the_page_is_up_to_date():
    script = str(CLONE / 'ci/patches')
    done = subprocess.run([sys.executable, '-c', 'import runpy, sys\n'
                           f'page = runpy.run_path({script!r})["page"]\n'
                           f'sys.stdout.write(page({KNOWN["easybuild"]!r}))'],
                          text=True, capture_output=True, check=True)
    assert done.stdout == (CLONE / 'docs/patches.md').read_text(), 'run ci/patches --write'


def test_each_feature_has_a_proposal_for_upstream():
    text = (CLONE / 'docs/upstream.md').read_text()
    for name in patches.table():
        assert f'\n## {name}: ' in text, name
