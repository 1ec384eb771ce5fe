# SPDX-License-Identifier: GPL-2.0-only
"""Who runs a hook: the file or the plugin, never both; and the hooks file that runs behind ours."""
import functools
import json
import os
import subprocess
import sys

import pytest
from easybuild.tools.build_log import EasyBuildError

from lumi_hooks.data import ROOT
from lumi_hooks.eb import dispatch, plugin_folders
from lumi_hooks.errors import SiteError

OURS = os.path.join(ROOT, 'hooks.py')


@pytest.fixture(autouse=True)
def nobody_owns(monkeypatch):
    monkeypatch.setattr(dispatch, '_owner', None)


def test_plugin_keeps_still_where_the_file_was_loaded():
    calls = []

    def hook(*args, **kwargs):
        """A hook."""
        calls.append((args, kwargs))
        return 'done'
    wrapped = dispatch.for_plugin(hook)
    assert wrapped(1, two=2) == 'done' and calls == [((1,), {'two': 2})]
    assert (wrapped.__name__, wrapped.__doc__) == ('hook', 'A hook.')
    dispatch.claim('plugin')
    assert wrapped() == 'done' and dispatch.owner() == 'plugin'
    dispatch.claim('file')
    assert wrapped() is None and len(calls) == 2


def test_own_errors_become_easybuilds():
    def hook():
        """A hook."""
        raise SiteError('one sentence')
    with pytest.raises(EasyBuildError, match='lumi-hooks: one sentence') as caught:
        dispatch.clear_errors(hook)()
    assert isinstance(caught.value.__cause__, SiteError)

    def broken():
        raise ValueError('not ours')
    with pytest.raises(ValueError, match='not ours'):
        dispatch.clear_errors(broken)()


# --- in a process of its own, as these act once when they are loaded

LOAD = """
import json, sys
sys.path.insert(0, {root!r})
from easybuild.tools.hooks import load_hooks
from lumi_hooks.eb import dispatch
hooks = load_hooks({ours!r}) if {as_file} else {{}}
import lumi_hooks.plugin as plugin
calls = []
from lumi_hooks.eb import session
session.ensure = lambda: calls.append('ensure')
{after}
print(json.dumps([dispatch.owner(), sorted(hooks), calls]))
"""


@functools.lru_cache(maxsize=None)
def load(as_file=True, after='', **env):
    code = LOAD.format(root=os.path.dirname(ROOT), ours=OURS, as_file=as_file, after=after)
    keep = {name: os.environ[name] for name in ('PATH', 'HOME') if name in os.environ}
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False,
                          env={**keep, **env})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_file_claims_the_process():
    owner, hooks, calls = load()
    assert owner == 'file' and calls == []
    assert {'start_hook', 'parse_hook', 'pre_module_hook', 'pre_easyblock_hook', 'post_easyblock_hook'} <= set(hooks)


def test_plugin_alone_claims_nothing_from_the_file():
    owner, hooks, _ = load(as_file=False)
    assert owner != 'file' and hooks == []


def test_same_hooks_in_both_ways():
    _, hooks, _ = load()
    with open(os.path.join(ROOT, 'plugin.py'), encoding='utf-8') as stream:
        plugin = stream.read()
    assert all(f'{name} = EntrypointHook' in plugin for name in hooks)


def test_plugin_hooks_are_registered_and_keep_still():
    after = """
from easybuild.tools.entrypoints import EntrypointHook
for hook in [entry.wrapped for entries in EntrypointHook.registered.values() for entry in entries]:
    if hook.__name__ == 'start_hook':
        hook()
        calls.append('called')
"""
    assert load(as_file=True, after=after)[2] == ['called']
    assert load(as_file=False, after=after)[2] == ['ensure', 'called']


def test_chained_hooks_are_passed_on(tmp_path):
    mine = tmp_path / 'mine.py'
    mine.write_text("def pre_build_hook(self):\n    return 'mine'\n\ndef parse_hook(ec):\n    ec.append('mine')\n")
    after = """
found = []
hooks['parse_hook'](found)
calls += found + [hooks['pre_build_hook'](None)]
"""
    _, hooks, calls = load(after=after, LUMI_HOOKS_CHAIN=str(mine))
    assert 'pre_build_hook' in hooks and calls[-2:] == ['mine', 'mine']


def test_without_lumis_variables_nothing_happens():
    """Every hook may run on anything without touching it, and loads nothing that it does not need."""
    code = f"""
import sys
sys.path.insert(0, {os.path.dirname(ROOT)!r})
from easybuild.tools.hooks import load_hooks
hooks = load_hooks({OURS!r})
ec = object()
hooks['start_hook']()
hooks['parse_hook'](ec)
hooks['pre_build_and_install_loop_hook']([ec])
hooks['pre_easyblock_hook'](ec)
hooks['post_easyblock_hook'](ec)
hooks['pre_module_hook'](ec)
from lumi_hooks.eb import session
assert session.current() is None
assert not set(sys.modules) & {{'jsonschema', 'lumi_hooks_toolchains', 'lumi_hooks_easyblocks'}}
"""
    keep = {name: os.environ[name] for name in ('PATH', 'HOME') if name in os.environ}
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False, env=keep)
    assert done.returncode == 0, done.stderr


# --- the chained file

def test_which_file_is_chained(tmp_path):
    assert plugin_folders.chained_hooks(OURS, {}) == []
    assert plugin_folders.chained_hooks(OURS, {'EASYBUILD_HOOKS': OURS}) == []
    assert plugin_folders.chained_hooks(OURS, {'EASYBUILD_HOOKS': '/site/hooks.py'}) == ['/site/hooks.py']
    named = {'EASYBUILD_HOOKS': '/site/hooks.py'}
    assert plugin_folders.chained_hooks(OURS, {**named, 'LUMI_HOOKS_CHAIN': '/mine.py'}) == ['/mine.py']
    assert plugin_folders.chained_hooks(OURS, {**named, 'LUMI_HOOKS_CHAIN': '/a.py::/b.py'}) == ['/a.py', '/b.py']
    assert plugin_folders.chained_hooks(OURS, {**named, 'LUMI_HOOKS_CHAIN': ''}) == []


@pytest.mark.parametrize('stack, expected', [
    ('25.03', '22.08'), ('22.06', '21.12'), ('21.04', '21.04'), ('20.01', None), (None, '22.08')])
def test_newest_of_lumis_own_hooks(tmp_path, stack, expected):
    folder = tmp_path / 'easybuild' / 'hooks'
    folder.mkdir(parents=True)
    for version in ('21.04', '21.12', '22.08', 'odd'):
        (folder / f'LUMI_site_hooks-{version}.py').write_text('')
    env = {'EASYBUILD_HOOKS': OURS,
           'EASYBUILD_INCLUDE_MODULE_NAMING_SCHEMES': f'{tmp_path}/easybuild/tools/module_naming_scheme/*.py'}
    if stack:
        env['LUMI_STACK_VERSION'] = stack
    wanted = [str(folder / f'LUMI_site_hooks-{expected}.py')] if expected else []
    assert plugin_folders.chained_hooks(OURS, env) == wanted


def chain(tmp_path, monkeypatch, text):
    path = tmp_path / 'chained.py'
    path.write_text(text)
    monkeypatch.setenv('LUMI_HOOKS_CHAIN', str(path))
    return dispatch.Chain(OURS)


def test_chain_runs_what_is_there(tmp_path, monkeypatch):
    found = chain(tmp_path, monkeypatch, 'def parse_hook(ec, more=1):\n    return ec + more\n\nother = 7\n')
    assert found.run('parse_hook', 1, more=2) == 3 and found.run('start_hook') is None
    assert set(found.hooks) == {'parse_hook'}


def test_chain_of_two_files(tmp_path, monkeypatch):
    """The site's hooks and a user's own behind them, each file with its own names."""
    site, mine = tmp_path / 'site.py', tmp_path / 'mine.py'
    site.write_text('seen = []\n\ndef parse_hook(ec):\n    ec.append("site")\n\n'
                    'def module_write_hook(app, path, text):\n    return text + " site"\n')
    mine.write_text('def parse_hook(ec):\n    ec.append("mine")\n\n'
                    'def module_write_hook(app, path, text):\n    pass\n\n'
                    'def end_hook():\n    seen\n')
    monkeypatch.setenv('LUMI_HOOKS_CHAIN', f'{site}:{mine}')
    found, order = dispatch.Chain(OURS), []
    found.run('parse_hook', order)
    assert order == ['site', 'mine'] and found.paths == [str(site), str(mine)]
    assert found.run('module_write_hook', None, 'path', 'text') == 'text site'
    with pytest.raises(NameError):
        found.run('end_hook')


def two_files(tmp_path, first, second):
    """Two hooks files, as the value of LUMI_HOOKS_CHAIN."""
    paths = tmp_path / 'first.py', tmp_path / 'second.py'
    for path, text in zip(paths, (first, second)):
        path.write_text(text)
    return ':'.join(map(str, paths))


@pytest.mark.parametrize('name, args, first, second, expected', [
    ('module_write_hook', ('app', 'path', 'text'), 'args[2] + " one"', 'args[2] + " two"', 'text one two'),
    ('module_write_hook', ('app', 'path', 'text'), 'None', 'args[2] + " two"', 'text two'),
    ('module_write_hook', ('app', 'path', 'text'), 'args[2] + " one"', 'None', 'text one'),
    # EasyBuild takes an empty text, and no empty command
    ('module_write_hook', ('app', 'path', 'text'), '""', 'args[2] + "two"', 'two'),
    ('module_write_hook', ('app', 'path', 'text'), 'None', '""', ''),
    ('module_write_hook', ('app', 'path', 'text'), 'None', 'None', None),
    ('pre_run_shell_cmd_hook', ('make',), '"nice " + args[0]', '"time " + args[0]', 'time nice make'),
    ('pre_run_shell_cmd_hook', (['make'],), '["nice", *args[0]]', '["time", *args[0]]', ['time', 'nice', 'make']),
    ('pre_run_shell_cmd_hook', ('make',), '"nice " + args[0]', '""', 'nice make'),
    # EasyBuild uses no result of these, and the arguments stay what they are
    ('parse_hook', ('ec',), '"other"', 'args[0]', 'ec'), ('pre_configure_hook', ('app',), '"other"', 'None', 'other')])
def test_each_hook_sees_what_the_one_before_it_made(tmp_path, monkeypatch, name, args, first, second, expected):
    hook = 'def {}(*args, **kwargs):\n    return {}\n'
    monkeypatch.setenv('LUMI_HOOKS_CHAIN', two_files(tmp_path, hook.format(name, first), hook.format(name, second)))
    assert dispatch.Chain(OURS).run(name, *args, work_dir='/') == expected


def test_easybuild_runs_the_command_that_two_files_made(tmp_path):
    """EasyBuild itself is asked: the command that it runs, and the module's text."""
    hooks = ('def pre_run_shell_cmd_hook(cmd, *args, **kwargs):\n    return cmd + " {0}"\n\n'
             'def module_write_hook(app, path, text):\n    return {1}\n')
    after = f"""
from easybuild.tools.options import set_up_configuration
options = ['--allow-use-as-root-and-accept-consequences', '--prefix', {str(tmp_path)!r}]
set_up_configuration(args=[*options, '--hooks', {OURS!r}], silent=True)
from easybuild.tools.run import run_shell_cmd
calls.append(run_shell_cmd('echo said', hidden=True).output.strip())
session.current = lambda: None
from easybuild.tools.hooks import MODULE_WRITE, run_hook
calls.append(run_hook(MODULE_WRITE, hooks, args=[None, 'path', 'text']))
"""
    chain_of = two_files(tmp_path, hooks.format('one', 'text + " one"'), hooks.format('two', '""'))
    assert load(after=after, LUMI_HOOKS_CHAIN=chain_of)[2] == ['said one two', '']


def test_chain_explains_a_missing_variable(tmp_path, monkeypatch):
    found = chain(tmp_path, monkeypatch, "import os\ndef start_hook():\n    os.environ['LMOD_NOTHING']\n")
    with pytest.raises(EasyBuildError, match='chained.py needs the variable \'LMOD_NOTHING\', which is not set'):
        found.run('start_hook')


@pytest.mark.parametrize('text', ['def (', "import nothing_of_that_name\n", 'raise RuntimeError("no")\n'])
def test_chain_that_cannot_be_loaded(tmp_path, monkeypatch, text):
    with pytest.raises(EasyBuildError, match='chained.py, which runs after lumi-hooks, cannot be loaded'):
        chain(tmp_path, monkeypatch, text)


def test_chain_of_a_missing_file(monkeypatch):
    monkeypatch.setenv('LUMI_HOOKS_CHAIN', '/nowhere/hooks.py')
    with pytest.raises(EasyBuildError, match='/nowhere/hooks.py, which runs after lumi-hooks, cannot be loaded'):
        dispatch.Chain(OURS)


def test_no_chain(monkeypatch):
    monkeypatch.setenv('LUMI_HOOKS_CHAIN', '')
    found = dispatch.Chain(OURS)
    assert found.paths == [] and found.run('start_hook') is None


def test_plugin_folders():
    for folder in ('toolchains', 'easyblocks'):
        package = plugin_folders.plugin_package(folder)
        assert package.__name__ == f'lumi_hooks_{folder}' and plugin_folders.plugin_package(folder) is package


def test_missing_plugin_folder():
    with pytest.raises(ImportError, match='incomplete: it has no folder weather'):
        plugin_folders.plugin_package('weather')
