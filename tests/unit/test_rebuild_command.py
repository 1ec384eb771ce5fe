# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb rebuild: the command, with an eb and modules that stand in for EasyBuild's."""
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from rebuilding import AFFECTED

from lumi_hooks.cli import main
from lumi_hooks.data import ROOT
from lumi_hooks.rebuild.script import brought

CLONE = os.path.dirname(ROOT)
EB = f'''#!{sys.executable}
import os, sys, time
recipe = next(word for word in sys.argv[1:] if word.endswith('.eb'))
name = os.path.basename(recipe).split('-')[0]
with open(os.environ['TMP'] + '/built', 'a') as stream:
    stream.write(name + '\\n')
while os.path.exists(os.environ['TMP'] + '/hold-' + name):
    time.sleep(0.05)
if os.path.exists(os.environ['TMP'] + '/fail-' + name):
    print('ERROR: Installation of ' + name + ' failed: x.c:3:1: error: unknown type name foo')
    sys.exit(1)
path = os.environ['EBU_USER_PREFIX'] + '/modules/LUMI/25.03/partition/C/' + name + '/1.0-cpeGNU-25.03.lua'
os.makedirs(os.path.dirname(path), exist_ok=True)
open(path, 'w').write('-- ' + str(time.time()))
'''


@pytest.fixture
def lumi(tmp_path, recipes, monkeypatch):
    """A shell with LUMI's modules, as far as the command and its jobs look at it."""
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin/eb').write_text(EB)
    (tmp_path / 'bin/eb').chmod(0o755)
    (tmp_path / '.bash_profile').write_text('module() { :; }\n'
                                            f'export TMP={tmp_path} PATH={tmp_path}/bin:/usr/bin:/bin\n')
    modules = tmp_path / 'prefix/modules/LUMI/25.03/partition/C/cpeGNU'
    modules.mkdir(parents=True)
    (modules / '25.03.lua').write_text('-- a module\n')
    for name, value in {
            'LUMI_STACK_VERSION': '25.03', 'LUMI_STACK_PARTITION': 'C', 'LUMI_EASYBUILD_MODE': 'user', 'HOME': tmp_path,
            'EBU_USER_PREFIX': tmp_path / 'prefix', 'EASYBUILD_PREFIX': tmp_path / 'prefix', 'TMP': tmp_path,
            'LUMI_HOOKS_UPSTREAM': recipes.folder, 'PATH': f'{tmp_path}/bin:/usr/bin:/bin',
            'MODULEPATH': modules.parent}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rebuild(*words):
    return main(['rebuild', '--no-checks', '--every', '1', *words])


def built(lumi):
    path = lumi / 'built'
    return sorted(path.read_text().split()) if path.exists() else []


def told(capsys, *words):
    code = main(['rebuild', '--status', '--json', *words])
    found = json.loads(capsys.readouterr().out)
    return code, {task['module'].split('/')[0]: task for task in found['tasks']}, found


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr('lumi_hooks.rebuild.steps.time.sleep', lambda seconds: os.sched_yield() or _sleep(0.05))


_sleep = time.sleep


def test_a_set_is_built_once(lumi, capsys):
    assert rebuild('Top') == 0 and built(lumi) == ['Lib', 'Mid', 'Top']
    assert rebuild('Top') == 0 and built(lumi) == ['Lib', 'Mid', 'Top'], 'made of the same'
    capsys.readouterr()
    code, tasks, found = told(capsys)
    assert code == 0 and found['done'] and found['counts'] == {'built': 3}
    assert tasks['Top']['needs'] == [tasks['Lib']['module'], tasks['Mid']['module']]
    assert [step['step'] for step in tasks['Top']['jobs'][0]['steps']] == ['modules', 'build', 'load']


def test_the_rerun_builds_what_failed(lumi, capsys):
    (lumi / 'fail-Mid').touch()
    assert rebuild('Top') == 1 and built(lumi) == ['Lib', 'Mid']
    capsys.readouterr()
    code, tasks, _ = told(capsys)
    assert code == 1 and tasks['Top']['state'] == 'blocked' and 'unknown type name foo' in tasks['Mid']['error']['line']
    (lumi / 'fail-Mid').unlink()
    assert main(['rebuild', '--resume']) == 0 and built(lumi) == ['Lib', 'Mid', 'Mid', 'Top']


def command(lumi, *words):
    code = f'import sys; sys.path.insert(0, {CLONE!r}); from lumi_hooks.cli import main; sys.exit(main(sys.argv[1:]))'
    return subprocess.Popen([sys.executable, '-c', code, 'rebuild', '--no-checks', *words], cwd=lumi,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def until(condition, seconds=60):
    for _ in range(seconds * 20):
        if condition():
            return True
        _sleep(0.05)
    return False


def test_kill_9_leaves_jobs_that_the_next_one_finds(lumi, capsys):
    (lumi / 'hold-Lib').touch()
    with command(lumi, 'Top') as process:
        assert until(lambda: built(lumi) == ['Lib'])
        process.kill()
    _, tasks, _ = told(capsys)
    assert tasks['Lib']['state'] == 'running'
    (lumi / 'hold-Lib').unlink()
    assert until(lambda: told(capsys)[1]['Lib']['state'] == 'built'), 'nobody waits for it, and it is told'
    assert rebuild('Top') == 0 and built(lumi) == ['Lib', 'Mid', 'Top'], 'nothing is built twice'


def test_ctrl_c_leaves_jobs_or_ends_them(lumi, capsys):
    for number, word, state in ((1, 'keep', 'running'), (2, 'cancel', 'cancelled')):
        (lumi / 'hold-Lib').touch()
        with command(lumi, 'Top', '--on-interrupt', word) as process:
            assert until(lambda number=number: len(built(lumi)) == number)
            process.send_signal(signal.SIGINT)
            said = process.communicate()[1]
        assert process.returncode == 130 and 'interrupted; its 1 jobs' in said
        assert until(lambda state=state: told(capsys)[1]['Lib']['state'] == state)
        if word == 'keep':
            assert main(['rebuild', '--cancel']) == 0
            capsys.readouterr()
    (lumi / 'hold-Lib').unlink()
    assert main(['rebuild', '--resume']) == 0


def test_another_shell_cancels_it(lumi, capsys):
    (lumi / 'hold-Lib').touch()
    with command(lumi, 'Top', '--every', '1') as process:
        assert until(lambda: built(lumi) == ['Lib'])
        assert rebuild('Top') == 2 and 'is at work on the run' in capsys.readouterr().err
        assert main(['rebuild', '--cancel']) == 0 and 'cancels it within a minute' in capsys.readouterr().out
        assert process.wait(60) == 1
    _, tasks, _ = told(capsys)
    assert {task['state'] for task in tasks.values()} == {'cancelled'}


def test_a_job_that_is_killed_has_failed_and_the_others_go_on(lumi, capsys, recipes):
    recipes('Other')
    (lumi / 'hold-Lib').touch()
    with command(lumi, 'Top', 'Other') as process:
        assert until(lambda: 'Other' in built(lumi) and 'Lib' in built(lumi))
        os.killpg(int(told(capsys)[1]['Lib']['jobs'][0]['job']), signal.SIGKILL)
        assert process.wait(60) == 1
    _, tasks, _ = told(capsys)
    assert {name: task['state'] for name, task in tasks.items()} == {
        'Lib': 'failed', 'Mid': 'blocked', 'Top': 'blocked', 'Other': 'built'}
    assert tasks['Lib']['reason'].startswith('its process was killed')


def test_what_affected_says_is_built_and_why_is_kept(lumi, capsys):
    (lumi / 'set.json').write_text(json.dumps({'schema_version': 1, 'affected': [
        {**AFFECTED, 'recipe': 'Gone-1.0-GCCcore-14.2.0.eb', 'module': 'Gone/1.0-cpeGNU-25.03', 'change': 'gone'},
        {**AFFECTED, 'module': 'Mid/1.0-cpeGNU-25.03', 'recipe': 'Mid-1.0-GCCcore-14.2.0.eb'}]}))
    assert rebuild('--affected', 'set.json') == 1
    capsys.readouterr()
    _, tasks, _ = told(capsys)
    assert (tasks['Mid']['change'], tasks['Mid']['why']) == ('packages/Lib.json', 'configopts')
    assert not tasks['Lib']['asked'] and tasks['Mid']['state'] == 'built'
    assert tasks['Gone']['state'] == 'refused' and 'there is no recipe Gone' in tasks['Gone']['reason']


@pytest.mark.parametrize('words, said', [
    ([], 'there is nothing to build'), (['--status'], 'there is no run in'), (['--status', 'Lib'], 'name no recipes'),
    (['nothing.eb'], 'nothing was built'), (['Lib', '--run', '../x'], 'cannot be the name of a run'),
    (['Lib', '--slurm'], 'there is no command sbatch here'), (['Lib', '--slurm', '--queue', 'x'], 'has no queue x')])
def test_bad_use_is_told_in_one_line(lumi, capsys, monkeypatch, words, said):
    monkeypatch.setattr('lumi_hooks.cli.rebuild.shutil.which', lambda name, **_: None if name == 'sbatch' else name)
    assert main(['rebuild', *words]) == 2
    assert said in capsys.readouterr().err and built(lumi) == []


def test_reports_tell_the_truth_and_hold_hostile_text(lumi, capsys, recipes):
    import xml.etree.ElementTree as xml
    (lumi / 'fail-Mid').touch()
    assert rebuild('Top') == 1
    log = next(path for path in (lumi / 'prefix/.lumi-hooks/rebuild').rglob('*Mid*/1/log'))
    with open(log, 'ab') as stream:
        stream.write(b'</script><script>alert(1)</script>\x1b[2J\x00 ]]> <!-- \xe2\x80\xae\n')
    state = next((lumi / 'prefix/.lumi-hooks/rebuild').glob('*/run.json'))
    found = json.loads(state.read_text())
    task = next(task for task in found['tasks'] if task['module'].startswith('Mid'))
    task['reason'] += '|</script><img src=x onerror=alert(1)>\x1b[2J\x00`x`'
    task['error']['context'] = ['</details><script>alert(1)</script>', '\x1b[2J']
    state.write_text(json.dumps(found))
    assert main(['rebuild', '--report', 'out']) == 1
    suite = xml.parse('out/junit.xml').getroot()[0]
    assert (suite.get('tests'), suite.get('failures'), suite.get('skipped')) == ('3', '1', '1')
    assert '\x1b' not in (lumi / 'out/junit.xml').read_text()
    text = (lumi / 'out/report.md').read_text()
    assert text.startswith('### Rebuild ') and ': 1 failed, 1 blocked, 1 built' in text and '\\|\\</script>' in text
    assert '\n    </details><script>' in text, 'indented code'
    page = (lumi / 'out/report.html').read_text()
    assert page.count('<script') == 2 and page.count('</script>') == 2 and '<img' not in page and '\x1b' not in page
    assert 'content="default-src &#x27;none&#x27;; img-src data:; script-src &#x27;sha256-' in page


def test_a_run_of_another_set_under_the_same_name_tells_of_that_set_alone(lumi, capsys, recipes):
    recipes('Other')
    assert rebuild('Other', '--run', 'mine') == 0 and rebuild('Top', '--run', 'mine') == 0
    capsys.readouterr()
    assert sorted(told(capsys)[1]) == ['Lib', 'Mid', 'Top'] and built(lumi) == ['Lib', 'Mid', 'Other', 'Top']


def test_a_job_works_where_the_shell_does():
    env = {'EBU_USER_PREFIX': '/p', 'EBU_WORKDIR': '/w', 'LUMI_HOOKS_ALLOW': 'X', 'LUMI_HOOKS_PARTITION': 'G',
           'OTHER': 'x', 'EASYBUILD_PREFIX': '/p', 'EASYBUILD_HOOKS': '/h', 'EASYBUILD_ROBOT_PATHS': '/r'}
    assert brought(env) == {name: env[name] for name in ('EBU_USER_PREFIX', 'EBU_WORKDIR', 'LUMI_HOOKS_ALLOW',
                                                         'EASYBUILD_PREFIX')}
