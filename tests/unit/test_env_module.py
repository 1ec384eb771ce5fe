# SPDX-License-Identifier: GPL-2.0-only
"""The one module of an environment sets what its parts set, and leaves nothing behind: with Lmod itself."""
import json
import os
import subprocess

import pytest

from lumi_hooks.env import module, steps
from lumi_hooks.errors import LumiHooksError
from tests.lmod_command import require_lmod

PARTS = {
    'cpeX/1': 'family("X")\nload("cray/2")\nsetenv("EBROOTCPEX", "/cpe")\n',
    'cray/2': 'setenv("CRAY_PREFIX", "/cray")\nprepend_path("PATH", "/cray/bin")\n'
              'prepend_path("MODULEPATH", "/cray/m")\n',
    'plain/3': 'prepend_path("PATH", "/plain/bin")\n',
    'base/1': 'help([[\na text(with\nbrackets)\n]])\nwhatis("Description: one.\\n two (2).")\nconflict("base")\n'
              'depends_on("cpeX/1")\n'
              'prepend_path("PATH", "/base/bin")\nprepend_path("PATH", "/base/sbin")\nsetenv("EBROOTBASE", "/base")\n'
              'append_path("LATE", "/base/late")\nsetenv("BASE_OPTION", "a b $c \'d\'")\n',
    'top/2': 'if not ( isloaded("base/1") ) then\n    load("base/1")\nend\ndepends_on("cray/2")\n'
             'depends_on("plain/3")\nprepend_path("PATH", "/top/bin")\nprepend_path("LIST", "x;y", ";")\n'
             'append_path("LATE", "/top/late")\nsetenv("EBROOTTOP", "/top")\npushenv("EBROOTBASE", "/base")\n',
    'shell/1': 'setenv("EBROOTSHELL", "/shell")\nset_alias("ll", "ls -l")\nprepend_path("PATH", "/shell/bin")\n',
}


@pytest.fixture
def lmod(tmp_path):
    """An environment in which Lmod finds the parts."""
    for name, text in PARTS.items():
        path = tmp_path / 'modules' / f'{name}.lua'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / 'own' / 'my-md').mkdir(parents=True)
    return {'LMOD_CMD': require_lmod(), 'PATH': '/usr/bin:/bin', 'HOME': str(tmp_path), 'EBROOTBASE': '/before',
            'MODULEPATH': f'{tmp_path}/own:{tmp_path}/modules', 'OWN': str(tmp_path / 'own' / 'my-md' / '1.lua')}


def write(lmod, *targets, variables=()):
    setting = module.resolved(targets, lmod)
    with open(lmod['OWN'], 'w', encoding='utf-8') as stream:
        stream.write(module.text(setting, ('LUMI_STACK_VERSION', '25.03'), dict(variables)))
    return setting


def test_what_can_be_inlined_is_and_the_rest_is_loaded(lmod):
    setting = module.resolved(['top/2', 'shell/1'], lmod)
    assert setting.loads == ['cpeX/1', 'cray/2', 'plain/3', 'shell/1']
    assert setting.roots == {'top/2': '/top', 'base/1': '/base'}
    assert setting.paths[('prepend_path', 'PATH', ':')] == ['/top/bin', '/base/sbin', '/base/bin']
    assert setting.paths[('append_path', 'LATE', ':')] == ['/base/late', '/top/late']
    text = module.text(setting, ('', ''), {})
    assert text.count('prepend_path("PATH"') == 1


def test_the_one_module_sets_what_its_parts_set(lmod):
    setting = write(lmod, 'top/2', 'shell/1')
    before = module.loaded(setting.loads, lmod)
    parts, own = module.loaded(['top/2', 'shell/1'], before), module.loaded(['my-md/1'], before)
    assert list(module.differences(parts, own, setting)) == []
    assert own['BASE_OPTION'] == "a b $c 'd'" and own['LIST'] == 'x;y' and own['EBROOTBASE'] == '/base'
    # from nothing, too
    own = module.loaded(['my-md/1'], lmod)
    assert list(module.differences(module.loaded(['top/2', 'shell/1'], lmod), own, setting)) == []


def test_a_difference_is_seen(lmod):
    setting = write(lmod, 'top/2')
    parts = module.loaded(['top/2'], lmod)
    for name, value in (('BASE_OPTION', 'other'), ('PATH', parts['PATH'].replace('/top/bin:', '')), ('NEW', '1'),
                        ('PATH', parts['PATH'].replace('/base/sbin:/base/bin', '/base/bin:/base/sbin'))):
        assert list(module.differences(parts, {**parts, name: value}, setting)), name


def test_nothing_is_left_when_it_is_unloaded(lmod):
    write(lmod, 'top/2', variables={'MY': '42', 'PATHLESS': 'x'}.items())
    base = module.loaded(['cpeX/1', 'cray/2', 'plain/3'], lmod)
    loaded = module.loaded(['my-md/1'], base)
    assert loaded['MY'] == '42' and loaded['EBROOTBASE'] == '/base'
    left = module.loaded(['my-md/1'], base, then='unload')
    assert list(module.differences(base, left, module.Setting())) == [] and left['EBROOTBASE'] == '/before'


def test_an_environment_that_is_loaded_is_unloaded_before_its_next_generation(lmod):
    write(lmod, 'top/2', variables={'MY': '42'}.items())
    before = module.loaded(['shell/1'], lmod)
    left = module.unloaded('my-md', module.loaded(['my-md/1'], before))
    assert list(module.differences(before, left, module.Setting())) == [] and left['LOADEDMODULES'] == 'shell/1'
    assert module.unloaded('my', before) == before == module.unloaded('she', before)


def test_it_warns_of_parts_that_were_removed_and_of_another_release(lmod):
    write(lmod, 'top/2')
    done = subprocess.run([lmod['LMOD_CMD'], 'bash', 'load', 'my-md/1'], env={**lmod, 'LUMI_STACK_VERSION': '25.09'},
                          text=True, capture_output=True, check=False)
    assert done.returncode == 0 and 'top/2, a part of my-md/1, was removed' in ' '.join(done.stderr.split())
    assert 'is for release 25.03' in ' '.join(done.stderr.split())


def test_what_is_not_there(lmod):
    with pytest.raises(LumiHooksError, match='cannot be found'):
        module.resolved(['nix/1'], lmod)
    with pytest.raises(LumiHooksError, match='cannot be loaded'):
        module.loaded(['nix/1'], lmod)
    with pytest.raises(LumiHooksError, match='LMOD_CMD'):
        module.resolved(['top/2'], {})


def test_text_of_others_stays_text():
    assert module.lua('a"b\\c\nd') == '"a\\"b\\\\c\\010d"'


def test_commands_of_steps_change_from_one_closure_to_the_other(tmp_path):
    base = {'PATH': '/usr/bin:/bin', 'KEPT': 'k'}
    main = {**base, 'PATH': f'{tmp_path}/main:/usr/bin:/bin', 'PYTHONPATH': '/main/py', 'MAIN': '1', 'BOTH': 'main'}
    one = {**base, 'PATH': f'{tmp_path}/one:/usr/bin:/bin', 'PYTHONPATH': '/one/py', 'BOTH': "it's $one"}
    two = {**base, 'PATH': f'{tmp_path}/two:/usr/bin:/bin', 'TWO': '2', 'LD_LIBRARY_PATH': '/two/lib'}
    everything = [main, one, two]
    (tmp_path / 'bin').mkdir()
    for step, env in (('one', one), ('two', two)):
        program = tmp_path / step / 'bin' / f'say-{step}'
        program.parent.mkdir(parents=True)
        program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"; exec env\n')
        program.chmod(0o755)
        found = steps.programs((), [str(tmp_path / step)], env)
        assert found == {f'say-{step}': str(program)}
        path = tmp_path / f'script-{step}'
        path.write_text(steps.script(step, env, everything, base, found))
        path.chmod(0o755)
        for name in (f'say-{step}', f'in-{step}'):
            os.symlink(path, tmp_path / 'bin' / name)

    def run(*words, env):
        done = subprocess.run(words, env=env, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        return lines, dict(line.split('=', 1) for line in lines if '=' in line)

    user = {**main, 'PATH': f'{tmp_path}/bin:{main["PATH"]}', 'MINE': 'a:*'}
    lines, seen = run(f'{tmp_path}/bin/say-one', 'a b', '*', env=user)
    assert lines[:2] == ['a b', '*'] and seen['PATH'] == f'{tmp_path}/one:{tmp_path}/bin:/usr/bin:/bin'
    assert seen['PYTHONPATH'] == '/one/py' and seen['BOTH'] == "it's $one" and 'MAIN' not in seen
    assert seen['MINE'] == 'a:*' and seen['KEPT'] == 'k'
    # one step's command calls another one's
    _, seen = run(f'{tmp_path}/bin/in-one', f'{tmp_path}/bin/in-two', 'env', env=user)
    assert 'PYTHONPATH' not in seen and 'BOTH' not in seen and seen['TWO'] == '2'
    assert seen['PATH'] == f'{tmp_path}/two:{tmp_path}/bin:/usr/bin:/bin' and seen['LD_LIBRARY_PATH'] == '/two/lib'
    assert subprocess.run([f'{tmp_path}/bin/in-one'], env=user, capture_output=True, check=False).returncode == 2


def test_doctor_says_what_was_unloaded_from_an_environment(tmp_path):
    from lumi_hooks.doctor import Situation
    from lumi_hooks.doctor.environment import loaded as check
    from lumi_hooks.site import make_site
    lock = {'schema_version': 1, 'kind': 'lock of a lumi-hooks environment', 'name': 'my-md', 'description': '',
            'release': '25.03', 'partition': 'C', 'library': '0', 'asked': [], 'targets': [], 'variables': {},
            'python': {'requirements': [], 'interpreter': None, 'version': None, 'pins': []}, 'steps': {},
            'packed': False, 'modules': [
                {'module': name, 'name': name.split('/')[0], 'version': '1', 'versionsuffix': '', 'external': external,
                 'toolchain': ['system', 'system'], 'source': None, 'sha256': None, 'adapted': None}
                for name, external in (('cpeGNU/25.03', False), ('cray-python/3', True), ('lz4/1', False))]}
    (tmp_path / 'environment').mkdir()
    (tmp_path / 'environment/lock.json').write_text(json.dumps(lock))
    env = {'EBROOTMYMINMD': str(tmp_path), 'LOADEDMODULES': 'cpeGNU/25.03:cray-python/3:my-md/1'}
    assert list(check.function(Situation(make_site(), env))) == []
    env['LOADEDMODULES'] = 'cpeGNU/25.03:my-md/1'
    (level, text), = check.function(Situation(make_site(), env))
    assert 'my-md/1 is loaded without cray-python/3' in text
