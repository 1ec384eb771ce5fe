# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb install with an eb that stands in for EasyBuild's, search, and the eb that keeps the hooks."""
import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest
from writing import put_module, put_recipe

from lumi_hooks.cli import install, main, search
from lumi_hooks.data import ROOT
from lumi_hooks.loaded import OUR_EB

EB = '''#!/bin/sh
# says how it was called; where it is told so, it waits to be interrupted
printf '%s\\n' "$@" "safe=$PYTHONSAFEPATH toolchain=$LUMI_HOOKS_TOOLCHAIN hooks=$EASYBUILD_HOOKS" > "$CALLED"
echo '== eb speaks'
trap 'echo "== eb puts things in order"; exit 9' INT
if [ -n "$WAIT" ]; then : > "$WAIT"; while :; do sleep 0.1; done; fi
exit ${CODE:-0}
'''


@pytest.fixture
def lumi(tmp_path, monkeypatch):
    """A shell with LUMI's modules, as far as the commands look at it."""
    root, modules = tmp_path / 'easybuild', tmp_path / 'prefix/modules/LUMI/25.03/partition/C'
    (root / 'bin').mkdir(parents=True)
    (root / 'bin' / 'eb').write_text(EB)
    (root / 'bin' / 'eb').chmod(0o755)
    upstream = root / 'easybuild' / 'easyconfigs'
    put_recipe(upstream, 'Lib', '1.2', ('GCCcore', '14.2.0'))
    put_recipe(upstream, 'Thing', '1.0', more="dependencies = [('Lib', '1.2')]\n")
    put_recipe(upstream, 'Thing', '0.9', ('foss', '2024a'))
    put_recipe(upstream, 'Gpu', more="dependencies = [('CUDA', '12.0')]\n")
    put_module(modules, 'cpeGNU', '25.03')
    for name, value in {
            'LUMI_STACK_VERSION': '25.03', 'LUMI_STACK_PARTITION': 'C', 'LUMI_EASYBUILD_MODE': 'user',
            'EBU_USER_PREFIX': str(tmp_path / 'prefix'), 'EASYBUILD_PREFIX': str(tmp_path / 'prefix'),
            'EBROOTEASYBUILD': str(root), 'PATH': f'{root}/bin:/usr/bin:/bin', 'MODULEPATH': str(modules),
            'CALLED': str(tmp_path / 'called'), 'HOME': str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def called(lumi):
    return (lumi / 'called').read_text().splitlines() if (lumi / 'called').exists() else []


def on_terminal(arguments, answer):
    """Run lumi-eb on a terminal of its own, with an answer typed; exit code and what was shown."""
    script = f'import sys; sys.path.insert(0, {os.path.dirname(ROOT)!r})\nfrom lumi_hooks.cli import main\n' \
             f'sys.exit(main({arguments!r}))'
    ours, its = pty.openpty()
    with subprocess.Popen([sys.executable, '-c', script], stdin=its, stdout=its, stderr=its, close_fds=True) as process:
        os.close(its)
        os.write(ours, answer.encode())
        shown = b''
        try:
            while True:
                more = os.read(ours, 4096)
                if not more:
                    break
                shown += more
        except OSError:
            pass  # the terminal's other end is closed
    os.close(ours)
    return process.returncode, shown.decode()


def test_the_plan_and_what_it_takes(lumi, capsys):
    assert main(['install', '--dry-run', 'thing']) == 0
    out = capsys.readouterr().out
    assert 'thing: Thing-1.0-foss-2025a.eb: 1.0 is upstream\'s version' in out and 'also Thing-0.9-foss-2024a.eb' in out
    assert 'becomes Thing/1.0-cpeGNU-25.03' in out and 'to build (2; installed of what it requires: 1)' in out
    assert out.index('  Lib/1.2-cpeGNU-25.03') < out.index('  Thing/1.0-cpeGNU-25.03')
    assert 'time: not known' in out and 'cost 2 modules, about 40 MB in 600 files and folders, an estimate' in out
    assert 'would run: eb --hooks=' in out
    assert called(lumi) == []


def test_it_asks_and_runs_eb(lumi):
    code, shown = on_terminal(['install', 'Thing'], 'n\n')
    assert code == 1 and 'install this? [y/N]' in shown and 'nothing was installed' in shown and called(lumi) == []
    code, shown = on_terminal(['install', 'Thing'], '\x04')
    assert code == 1 and called(lumi) == []
    code, shown = on_terminal(['install', 'Thing', '--toolchain', 'cpeCray', '--', '--rebuild', '-x'], 'y\n')
    assert code == 0 and '== eb speaks' in shown, shown
    recipe = str(lumi / 'easybuild/easybuild/easyconfigs/t/Thing/Thing-1.0-foss-2025a.eb')
    assert called(lumi)[:-1] == [f'--hooks={os.path.join(ROOT, "hooks.py")}', recipe, '-r', '--rebuild', '-x']
    assert called(lumi)[-1].startswith('safe=1 toolchain=cpeCray ')


def test_the_exit_code_is_ebs(lumi, monkeypatch):
    monkeypatch.setenv('CODE', '7')
    assert main(['install', '--yes', 'Lib/1.2']) == 7


@pytest.mark.parametrize('whom', ['terminal', 'lumi-eb'])
def test_interrupted(lumi, monkeypatch, whom):
    """Ctrl-C reaches eb, which puts things in order and is waited for; a SIGTERM to lumi-eb is handed on."""
    monkeypatch.setenv('WAIT', str(lumi / 'waits'))
    script = f'import sys; sys.path.insert(0, {os.path.dirname(ROOT)!r})\nfrom lumi_hooks.cli import main\n' \
             'sys.exit(main(["install", "--yes", "Lib"]))'
    with subprocess.Popen([sys.executable, '-c', script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          start_new_session=True) as process:
        deadline = time.monotonic() + 30
        while not (lumi / 'waits').exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        if whom == 'terminal':
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGTERM)
        try:
            said, _ = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if whom == 'terminal':
        assert process.returncode == 9 and '== eb puts things in order' in said, said
    else:
        assert process.returncode == 128 + signal.SIGTERM, said
    assert 'Traceback' not in said and 'nothing was changed' not in said


def test_what_is_installed(lumi, capsys):
    put_module(lumi / 'prefix/modules/LUMI/25.03/partition/C', 'Lib', '1.2-cpeGNU-25.03')
    assert main(['install', 'lib']) == 0
    assert 'becomes Lib/1.2-cpeGNU-25.03, which is installed\n' in capsys.readouterr().out and called(lumi) == []


@pytest.mark.parametrize('arguments, code, told', [
    (['Thing'], 2, 'there is no terminal to ask on: add --yes'), (['Thnig'], 2, 'did you mean Thing?'),
    (['Thing/9'], 2, 'there is no recipe of Thing 9; there are 1.0, 0.9'), ([''], 2, 'there is no recipe'),
    (['--yes', '--release', '25.09', 'Thing'], 2, 'eb installs for the release and partition that are loaded'),
    (['--yes', 'nowhere/X.eb'], 2, 'there is no recipe nowhere/X.eb (no such file')])
def test_bad_use(lumi, capsys, monkeypatch, arguments, code, told):
    monkeypatch.setattr(sys, 'stdin', open(os.devnull, encoding='utf-8'))  # noqa: SIM115 (pytest closes it)
    assert main(['install', *arguments]) == code
    done = capsys.readouterr()
    assert told in done.err and done.err.count('\n') == 1 and called(lumi) == []


def test_refused(lumi, capsys):
    assert main(['install', '--yes', 'Gpu']) == 1
    out = capsys.readouterr().out
    assert 'refused (cuda): Gpu/' in out and 'nothing can be installed' in out and called(lumi) == []


def test_a_prefix_that_cannot_be_made(lumi, capsys, monkeypatch):
    (lumi / 'file').write_text('')
    for name in ('EBU_USER_PREFIX', 'EASYBUILD_PREFIX'):
        monkeypatch.setenv(name, str(lumi / 'file' / 'prefix'))
    assert main(['install', '--yes', 'Lib']) == 2
    err = capsys.readouterr().err
    assert err.startswith('lumi-eb: ') and 'prefix' in err and err.count('\n') == 1 and called(lumi) == []


def test_without_modules_or_eb(lumi, capsys, monkeypatch):
    monkeypatch.setenv('PATH', '/nowhere')
    assert main(['install', '--yes', 'Lib']) == 2
    assert 'EasyBuild is not loaded: module load LUMI partition/C EasyBuild-user' in capsys.readouterr().err


def test_json(lumi, capsys):
    assert main(['install', '--json', 'Thing', '--', '--rebuild']) == 0
    found = json.loads(capsys.readouterr().out)
    assert found['schema_version'] == 1 and found['command'][-2:] == ['-r', '--rebuild']
    one, = found['chosen']
    assert one['asked'] == 'Thing' and one['module'] == 'Thing/1.0-cpeGNU-25.03' and not one['installed']
    assert one['others'] == ['Thing-0.9-foss-2024a.eb'] and one['reason'] and one['today'] is None
    assert [node['status'] for node in found['plan']['nodes'] if node['module'] == one['module']] == ['build']


def test_what_stands_behind_two_dashes():
    assert install.split(['install', 'X', '--', '-D', '--', 'y']) == (['install', 'X'], ['-D', '--', 'y'])
    assert install.split(['adapt', '--', '-odd.eb']) == (['adapt', '--', '-odd.eb'], [])


def test_search(lumi, capsys):
    put_module(lumi / 'prefix/modules/LUMI/25.03/partition/C', 'Thing', '0.9-cpeGNU-25.03')
    own = put_recipe(lumi / 'prefix/UserRepo/easybuild/easyconfigs', 'Thing', '0.8', ('cpeGNU', '25.03'))
    os.environ['EASYBUILD_ROBOT_PATHS'] = os.path.dirname(os.path.dirname(os.path.dirname(own)))
    try:
        assert main(['search', 'THING']) == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    finally:
        del os.environ['EASYBUILD_ROBOT_PATHS']
    rows = lines[lines.index(['recipe', 'from', 'becomes']) + 1:]
    assert rows == [['-', 'installed', '(yours)', 'Thing/0.9-cpeGNU-25.03'],
                    ['Thing-1.0-foss-2025a.eb', 'upstream', 'Thing/1.0-cpeGNU-25.03'],
                    ['*', 'Thing-0.9-foss-2024a.eb', 'upstream', 'Thing/0.9-cpeGNU-25.03', '(installed)'],
                    ['Thing-0.8-cpeGNU-25.03.eb', 'yours', 'Thing/0.8-cpeGNU-25.03']]


def test_search_by_parts_of_names(lumi, capsys):
    for number in range(20):
        put_recipe(lumi / 'easybuild/easybuild/easyconfigs', f'Part{number}')
    assert main(['search', 'part']) == 0
    out = capsys.readouterr().out
    assert out.count('* ') == search._ROWS and f'and {20 - search._ROWS} more: lumi-eb search --all part' in out
    assert main(['search', '--all', '--json', 'part']) == 0
    found = json.loads(capsys.readouterr().out)
    assert found['schema_version'] == 1 and len(found['found']) == 20 and found['left_out'] == 0
    # one name alone is shown in full, a refused recipe with its code
    assert main(['search', 'gp']) == 0
    assert 'refused (cuda)' in capsys.readouterr().out
    assert main(['search', 'thnig']) == 1
    assert capsys.readouterr().err == 'lumi-eb: nothing has thnig in its name: did you mean Thing?\n'
    assert main(['search', '']) == 2


def test_search_reads_only_what_it_shows(lumi, capsys, monkeypatch):
    read = []
    monkeypatch.setattr(search, 'read_recipe', lambda path, was=search.read_recipe: read.append(path) or was(path))
    for number in range(30):
        put_recipe(lumi / 'easybuild/easybuild/easyconfigs', 'Many', f'1.{number}')
        put_recipe(lumi / 'easybuild/easybuild/easyconfigs', f'Many-other{number}')
    assert main(['search', 'many']) == 0
    assert len(read) == search._ROWS and 'and 18 more (--all)' in capsys.readouterr().out


def test_our_eb_keeps_the_hooks(lumi):
    """libexec/eb starts the next eb on PATH, with our hooks in the place of LUMI's, and of no others."""
    ours, site = os.path.join(ROOT, 'hooks.py'), '/appl/lumi/LUMI-SoftwareStack/easybuild/hooks/LUMI_site_hooks.py'
    path = f'{os.path.dirname(OUR_EB)}:{os.environ["PATH"]}'
    for before, chain, after in ((site, '', ours), (site, site, ours), (ours, site, ours), (None, site, ''),
                                 ('/mine.py', site, '/mine.py'), ('/other/site.py', '/other/site.py', ours)):
        env = {**os.environ, 'PATH': path, 'LUMI_HOOKS_CHAIN': chain, **({'EASYBUILD_HOOKS': before} if before else {})}
        subprocess.run(['eb', 'a b', '*'], env=env, check=True, stdout=subprocess.DEVNULL)
        assert called(lumi)[:2] == ['a b', '*'] and called(lumi)[-1].endswith(f' hooks={after}'), (before, chain)
    done = subprocess.run([OUR_EB], env={'PATH': f'{os.path.dirname(OUR_EB)}:/usr/bin:/bin'}, check=False, text=True,
                          capture_output=True)
    assert done.returncode == 127 and 'EasyBuild is not loaded' in done.stderr
