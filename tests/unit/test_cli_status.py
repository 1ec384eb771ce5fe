# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb alone: the first screen."""
import json
import os
import stat
import subprocess
import sys

import pytest

from lumi_hooks import __version__
from lumi_hooks.cli import main, screen
from lumi_hooks.releases import default_release, load_release

OURS = os.path.join(os.path.dirname(os.path.dirname(screen.__file__)), 'hooks.py')


@pytest.fixture
def lumi(monkeypatch, tmp_path):
    """LUMI's variables."""
    def load(**changes):
        values = {'LUMI_STACK_NAME_VERSION': 'LUMI/25.03', 'LUMI_STACK_VERSION': '25.03',
                  'LUMI_STACK_CPE_VERSION': '25.03',
                  'LUMI_STACK_PARTITION': 'C', 'LUMI_EASYBUILD_MODE': 'user', 'EBU_USER_PREFIX': str(tmp_path / 'eb')}
        for name, value in {**values, **changes}.items():
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(screen, 'easybuild_version', lambda: '5.4.1')
    return load


def facts(capsys, *arguments):
    code = main(['status', '--json', *arguments])
    return code, json.loads(capsys.readouterr().out)


def test_on_lumi(lumi, capsys, tmp_path):
    lumi()
    code, found = facts(capsys)
    assert code == 0 and found['problem'] is None and found['lumi'] is True
    assert (found['stack'], found['release'], found['partition']) == ('LUMI/25.03', '25.03', 'C')
    assert found['toolchain'] == 'cpeGNU/25.03'
    assert found['compiler'] == load_release('25.03').module('gcc-native')
    assert found['prefix'] == str(tmp_path / 'eb') and found['mode'] == 'user'
    assert found['space']['bytes'] > 0 and found['space']['inodes'] >= 0
    assert found['lumi_hooks'] == __version__ and found['hooks_file'] == OURS and found['hooks_active'] is False


def test_screen_says_what_to_do_next(lumi, capsys, monkeypatch):
    lumi()
    assert main([]) == 0
    out = capsys.readouterr().out
    assert 'LUMI/25.03' in out and f'export EASYBUILD_HOOKS={OURS}' in out and 'not active' in out
    # another partition was loaded since, and EasyBuild-user with it
    monkeypatch.setenv('LOADEDMODULES', 'partition/G:EasyBuild-user/LUMI:lumi-hooks')
    assert main([]) == 0
    out = capsys.readouterr().out
    assert 'next     module load lumi-hooks\n' in out and 'export EASYBUILD_HOOKS' not in out
    monkeypatch.setenv('EASYBUILD_HOOKS', OURS)
    assert main([]) == 0
    out = capsys.readouterr().out
    assert 'active for plain eb' in out and 'lumi-eb adapt' in out and 'export EASYBUILD_HOOKS' not in out


def test_a_prefix_below_that_is_not_there_is_told(lumi, capsys, monkeypatch, tmp_path):
    below = tmp_path / 'theirs'
    lumi(LUMI_HOOKS_PREFIXES=f'{tmp_path}/eb:{below}', COLUMNS='300')
    assert main([]) == 0
    assert f'{below}   (not there, or closed to you)' in capsys.readouterr().out
    below.mkdir()
    assert main([]) == 0
    out = capsys.readouterr().out
    assert str(below) in out and 'not there' not in out


@pytest.mark.parametrize('place, reason', [('/proc/nobody/EasyBuild', 'No such file or directory'),
                                           ('/dev/null/EasyBuild', '/dev/null is no folder'),
                                           ('/dev/null', 'is no folder')])
def test_U1_a_prefix_that_cannot_be_made_is_told(lumi, capsys, place, reason):
    lumi(EBU_USER_PREFIX=place)
    code, found = facts(capsys)
    assert code == 2 and place in found['problem'] and reason in found['problem']
    assert main([]) == 2
    out = capsys.readouterr().out
    assert 'problem  ' in out and 'EBU_USER_PREFIX' in out and 'next ' not in out


def test_U5_json_of_lumi_eb_alone(lumi, capsys):
    lumi()
    assert main(['--json']) == 0
    alone = json.loads(capsys.readouterr().out)
    alone.pop('space')
    named = facts(capsys)[1]
    named.pop('space')
    assert alone == named
    with pytest.raises(SystemExit) as caught:
        main(['--json', 'status'])
    assert caught.value.code == 2 and 'lumi-eb status --json' in capsys.readouterr().err


def test_elsewhere(lumi, capsys):
    code, found = facts(capsys)
    assert code == 0 and found['lumi'] is False and found['release'] is None and found['toolchain'] is None
    assert main([]) == 0
    assert f'module load LUMI/{default_release().name} partition/C EasyBuild-user' in capsys.readouterr().out


@pytest.mark.parametrize('changes, says', [
    ({'LUMI_STACK_CPE_VERSION': '24.03'}, 'contradict'), ({'LUMI_STACK_PARTITION': 'Q'}, 'unknown partition'),
    ({'EBU_USER_PREFIX': ''}, 'EBU_USER_PREFIX is empty')])
def test_problems(lumi, capsys, changes, says):
    lumi(**changes)
    code, found = facts(capsys)
    assert code == 2 and says in found['problem']
    assert main([]) == 2
    assert says in capsys.readouterr().out


def test_chained_hooks_are_shown(lumi, capsys, monkeypatch, tmp_path):
    lumi()
    mine = tmp_path / 'mine.py'
    mine.write_text('')
    monkeypatch.setenv('LUMI_HOOKS_CHAIN', str(mine))
    assert facts(capsys)[1]['chained'] == str(mine)
    monkeypatch.setenv('COLUMNS', '400')
    main([])
    assert f'chained behind: {mine}' in capsys.readouterr().out


def test_space(tmp_path):
    here = screen.space(str(tmp_path))
    assert here['bytes'] > 0
    assert abs(screen.space(str(tmp_path / 'not' / 'there'))['bytes'] - here['bytes']) < 2 ** 30
    assert screen.space('') is None


@pytest.mark.parametrize('text, version', [
    ('This is EasyBuild 5.4.1 (framework: 5.4.1, easyblocks: 5.4.1) on host x.', '5.4.1'), ('something else', None)])
def test_version_of_easybuild(tmp_path, monkeypatch, text, version):
    command = tmp_path / 'eb'
    command.write_text(f'#!/bin/sh\necho "{text}"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv('PATH', f'{tmp_path}:/usr/bin:/bin')
    assert screen.easybuild_version() == version
    monkeypatch.setenv('EBVERSIONEASYBUILD', '5.2.0')
    assert screen.easybuild_version() == '5.2.0'
    monkeypatch.setenv('PATH', '/nowhere')
    assert screen.easybuild_version() is None


@pytest.mark.parametrize('command, says', [
    ('bin/lumi-eb --version', f'lumi-hooks {__version__}'), ('bin/lumi-eb check-data', 'data files, no problems'),
    ('bin/lumi-eb capture --python {python}', '"cray-python"'), ('ci/generate --check', 'agree with the release data')])
def test_the_commands_of_a_checkout_run_no_code_of_the_current_folder(tmp_path, command, says):
    (tmp_path / 'lumi_hooks').mkdir()
    for name in ('lumi_hooks/__init__.py', 'argparse.py', 'json.py', 'schemas.py', 'pkgutil.py'):
        (tmp_path / name).write_text('raise SystemExit("code of the current folder ran")\n')
    root = os.path.dirname(os.path.dirname(OURS))
    words = os.path.join(root, command.format(python=sys.executable)).split()
    assert os.path.exists(words[0])
    done = subprocess.run(words, cwd=tmp_path, env={**os.environ, 'LUMI_HOOKS_PYTHON': sys.executable},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and says in done.stdout, done.stderr


@pytest.mark.security
@pytest.mark.parametrize('path', [':', '.', 'x::y', './', '/nowhere:', ':/nowhere', '../{here}', '*', None])
@pytest.mark.parametrize('link', [False, True])
def test_S7_no_code_of_the_current_folder_by_way_of_pythonpath(tmp_path, path, link):
    here = tmp_path / 'here'
    here.mkdir()
    for name in ('argparse.py', 'json.py', 'os.py', 'sitecustomize.py', 'usercustomize.py', 'encodings.py'):
        (here / name).write_text(f'open({str(tmp_path / "ran")!r}, "w")\nraise SystemExit("planted code ran")\n')
    command = os.path.join(os.path.dirname(os.path.dirname(OURS)), 'bin', 'lumi-eb')
    if link:
        os.symlink(command, tmp_path / 'lumi-eb')
        command = str(tmp_path / 'lumi-eb')
    env = {**os.environ, 'LUMI_HOOKS_PYTHON': sys.executable, 'PYTHONPATH': (path or '').format(here='here')}
    if path is None:
        del env['PYTHONPATH']
    done = subprocess.run([command, '--version'], cwd=here, capture_output=True, text=True, check=False, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, f'lumi-hooks {__version__}\n', '')
    assert not (tmp_path / 'ran').exists()


def test_S7_absolute_entries_of_pythonpath_stay(tmp_path):
    """EasyBuild is found by it on LUMI."""
    kept = tmp_path / 'a folder * with blanks'
    kept.mkdir()
    (kept / 'sitecustomize.py').write_text('import sys; sys.stderr.write("kept")\n')
    command = os.path.join(os.path.dirname(os.path.dirname(OURS)), 'bin', 'lumi-eb')
    done = subprocess.run([command, '--version'], capture_output=True, text=True, check=False,
                          env={**os.environ, 'LUMI_HOOKS_PYTHON': sys.executable, 'PYTHONPATH': f':{kept}:x'})
    assert (done.returncode, done.stderr) == (0, 'kept')


def test_ctrl_c_before_the_command_is_read_is_no_traceback(tmp_path):
    """Where the file system is slow, Python reads modules for seconds."""
    (tmp_path / 'argparse.py').write_text('raise KeyboardInterrupt\n')
    command = os.path.join(os.path.dirname(os.path.dirname(OURS)), 'bin', 'lumi-eb')
    done = subprocess.run([command, '--version'], capture_output=True, text=True, check=False,
                          env={**os.environ, 'LUMI_HOOKS_PYTHON': sys.executable, 'PYTHONPATH': str(tmp_path)})
    assert (done.returncode, done.stderr) == (130, '')


def test_a_python_that_is_not_there_is_named(tmp_path):
    done = subprocess.run([os.path.join(os.path.dirname(os.path.dirname(OURS)), 'bin', 'lumi-eb'), 'plan', 'lz4'],
                          cwd=tmp_path, check=False, env={**os.environ, 'LUMI_HOOKS_PYTHON': 'nosuch'},
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, '') and done.stderr.startswith('lumi-eb: there is no program nosuch: ')


@pytest.mark.parametrize('word, says', [('instal', 'there is no command instal; do you mean install?'),
                                        ('xxxx', 'there is no command xxxx (lumi-eb --help lists all)')])
def test_a_command_that_does_not_exist(word, says, capsys):
    with pytest.raises(SystemExit) as ended:
        main([word, 'lz4'])
    assert ended.value.code == 2 and says in capsys.readouterr().err
