# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb where no terminal is: what goes into files, pipes that nobody reads on, how far a long command is."""
import os
import re
import sys

import pytest
from test_explain import installed
from writing import put_recipe

from lumi_hooks.cli import main, progress


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Every command that shows something, with a recipe and an installation of it: name -> arguments."""
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('LUMI_HOOKS_UPSTREAM', str(tmp_path / 'upstream'))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    (tmp_path / 'upstream').mkdir()
    folder, _ = installed(tmp_path)
    recipe = put_recipe(tmp_path / 'mine', 'Other', flat=True)
    return {'status': ['status'], 'help': ['--help'], 'adapt': ['adapt', recipe], 'diff': ['adapt', '--diff', recipe],
            'plan': ['plan', recipe], 'doctor': ['doctor', recipe], 'explain': ['explain', folder],
            'log': ['explain', '--log', folder], 'sbom': ['sbom', str(tmp_path / 'p')],
            'survey': ['survey', '--jobs', '1', os.path.dirname(recipe)], 'verify': ['verify', '--jobs', '1', folder],
            'job': ['job', 'Thing/1.0-cpeGNU-25.03', '--account', 'p', '--program', 'x'],
            'handtest': ['handtest', '--no-build', recipe]}


COMMANDS = ('status', 'help', 'adapt', 'diff', 'plan', 'doctor', 'explain', 'log', 'sbom', 'survey', 'verify', 'job',
            'handtest')


@pytest.mark.parametrize('name, more', [(name, ()) for name in COMMANDS] + [
    (name, ('--json',)) for name in COMMANDS if name not in ('help', 'diff', 'log', 'sbom')])
def test_a_pipe_that_nobody_reads_is_no_error(commands, monkeypatch, capsys, name, more):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, 'w', encoding='utf-8') as nobody:
        monkeypatch.setattr(sys, 'stdout', nobody)
        assert main([*commands[name], *more]) == 0
        assert os.readlink(f'/proc/self/fd/{writer}') == os.devnull, 'it was not the pipe that was written to'
    err = capsys.readouterr().err
    assert 'Traceback' not in err and 'error' not in err and "can't be read" not in err


@pytest.mark.parametrize('name', [name for name in COMMANDS if name not in ('help', 'diff')])
def test_lines_of_a_file_do_not_end_in_blanks(commands, capsys, name):
    main(commands[name])
    lines = capsys.readouterr().out.splitlines()
    assert lines and [line for line in lines if line != line.rstrip(' ')] == []


def test_a_path_is_not_broken_in_two(monkeypatch, capsys):
    prefix = '/project/project_465000000/' + 20 * 'long/' + 'EasyBuild'
    monkeypatch.setenv('EBU_USER_PREFIX', prefix)
    monkeypatch.delenv('COLUMNS', raising=False)
    main(['status'])
    assert f'{prefix}\n' in capsys.readouterr().out
    # nor on a narrow terminal, on which other lines are wrapped
    monkeypatch.setenv('COLUMNS', '80')
    main(['status'])
    out = capsys.readouterr().out
    assert f'{prefix}\n' in out and 'your quota may be\n' in out


def test_a_diff_keeps_its_blanks(tmp_path, capsys):
    recipe = put_recipe(tmp_path, 'Other', more='\nconfigopts = "a"   \n\nbuildopts = "b"\n', flat=True)
    main(['adapt', '--diff', recipe])
    assert '\n \n' in capsys.readouterr().out, 'an empty line that does not change is a blank in a diff'


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set."""
    seconds = [100.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: seconds[0])
    return seconds


def test_a_line_now_and_then(clock, capsys):
    with progress.progress('recipes') as told:
        for done in range(1, 61):
            clock[0] += 1
            told(done, 60)
    out, err = capsys.readouterr()
    assert out == '' and err.splitlines() == [
        f'lumi-eb: recipes: {done} of 60, after {done} s' for done in (10, 20, 30, 40, 50)]


def test_few_things_are_not_told(clock, capsys):
    with progress.progress('files', 100) as told:
        clock[0] += 1000
        told(50, 99)
        assert capsys.readouterr().err == ''
        told(50, 100)
        assert capsys.readouterr().err.count('\n') == 1


def test_a_survey_says_what_it_is_of_and_how_far_it_is(commands, capsys, monkeypatch):
    monkeypatch.setattr(progress, 'EVERY', 0.0)
    for number in range(30):
        put_recipe(commands['survey'][-1], f'More{number}', flat=True)
    assert main([*commands['survey'], '--json']) == 0
    out, err = capsys.readouterr()
    assert out.startswith('{') and re.search(r'^lumi-eb: recipes: 24 of 32, after \d+ s$', err, re.M)
    assert "LUMI's modules are not loaded: counted for release 25.03, partition C, cpeGNU" in err
    main([*commands['survey'], '--release', '25.09', '--partition', 'C', '--toolchain', 'cpeGNU'])
    assert 'modules are not loaded' not in capsys.readouterr().err


def test_a_terminal_without_arrows(commands, monkeypatch, tmp_path):
    with open(tmp_path / 'out', 'w', encoding='ascii') as ascii_only:
        monkeypatch.setattr(sys, 'stdout', ascii_only)
        assert main(commands['adapt']) == 0
    assert 'foss/2025a ? cpeGNU/25.03' in (tmp_path / 'out').read_text()


@pytest.mark.parametrize('arguments', [('adapt',), ('adapt', '--json'), ('plan',), ('job', '--json')])
def test_a_full_disk_is_told_in_one_line(commands, monkeypatch, capsys, arguments):
    with open('/dev/full', 'w', encoding='utf-8') as full:
        monkeypatch.setattr(sys, 'stdout', full)
        assert main([*commands[arguments[0]], *arguments[1:]]) == 2
    assert capsys.readouterr().err == 'lumi-eb: No space left on device\n'
