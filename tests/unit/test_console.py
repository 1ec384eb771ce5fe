# SPDX-License-Identifier: GPL-2.0-only
"""What lumi-eb prints: tables and paragraphs, on a terminal and elsewhere; and what never reaches a terminal."""
import contextlib
import gzip
import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_explain import installed
from writing import put_recipe

from lumi_hooks.cli import main
from lumi_hooks.cli.console import Output, Styled, bold, dim, print_json, safe_streams

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = '\x1b]0;title\x07\x1b[2J\x9b31m\r\u202eevil\x7f'
LONG = '/project/project_465000000/' + 20 * 'long/' + 'EasyBuild'
# what may reach a terminal: line ends, tabs, and the colours that the console adds
ALLOWED = re.compile('\x1b\\[(?:[0-9]{1,2})?m')


def forbidden(text):
    """Control characters in an output that are not the console's own."""
    return re.findall('[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]', ALLOWED.sub('', text))


@pytest.fixture
def shown(monkeypatch):
    """What an Output writes: shown(what, width of a terminal or None, more variables)."""
    def show(what, width=None, **env):
        stream = io.StringIO()
        stream.isatty = lambda: width is not None
        for name in ('NO_COLOR', 'COLUMNS', 'TERM'):
            monkeypatch.delenv(name, raising=False)
        for name, value in {'TERM': 'xterm', **({'COLUMNS': str(width)} if width else {}), **env}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, 'stdout', stream)
        what(Output())
        return stream.getvalue()
    return show


def test_a_paragraph_is_wrapped_between_words_on_a_terminal_alone(shown):
    def what(console):
        console.say('some words ', bold('and more'), ' of them', indent=2, hang=6)
    assert shown(what) == '  some words and more of them\n'
    assert shown(what, 20, NO_COLOR='1') == '  some words and\n      more of them\n'
    assert shown(what, 20) == '  some words \x1b[1mand\x1b[0m\n      \x1b[1mmore\x1b[0m of them\n'


@pytest.mark.parametrize('width', [40, 80, 110])
def test_U6_a_path_is_never_broken(shown, width):
    def what(console):
        console.say('it lies in ', dim(LONG + '/a'), ', which is long')
        console.table([['name', 'text', LONG + '/b'], ['other', 'x', f'see {LONG}/c for more ' + 'text ' * 30]])
    lines = shown(what, width, NO_COLOR='1').splitlines()
    for end in 'abc':
        assert [line for line in lines if f'{LONG}/{end}' in line], end
    assert all(len(line) <= width for line in lines if LONG not in line) and len(lines) > 5


def test_lines_of_a_text_stay_and_are_indented(shown):
    assert shown(lambda console: console.say('one\ntwo', indent=2, hang=4)) == '  one\n    two\n'
    assert shown(lambda console: console.say()) == '\n'


def test_a_table(shown):
    def what(console):
        console.table([['a', '1', 'some text'], ['bbb', '100', Styled('red', 'red')]], ('x', 'count', 'what'), (1,))
    assert shown(what) == 'x    count  what\na        1  some text\nbbb    100  red\n'
    assert '\x1b[1mcount\x1b[0m' in shown(what, 80) and '\x1b[31mred\x1b[0m\n' in shown(what, 80)
    assert shown(lambda console: console.table([])) == ''


def test_rows_are_one_line_each_where_there_is_no_terminal(shown):
    def what(console):
        console.table([['a', 'b ' * 500], ['c', 'line\nend\tand tab']])
    assert len(shown(what).splitlines()) == 2
    assert len(shown(what, 80).splitlines()) > 10
    assert len(shown(what, COLUMNS='40').splitlines()) > 10


@pytest.mark.parametrize('env', [{'NO_COLOR': '1'}, {'TERM': 'dumb'}])
def test_no_colours(shown, env):
    assert '\x1b' not in shown(lambda console: console.say(bold('x'), Styled('y', 'red')), 80, **env)


def test_wide_characters_count_as_two(shown):
    def what(console):
        console.table([['名前', 'x'], ['abcd', 'y'], ['e\u0301', 'z']])
    assert shown(what) == '名前  x\nabcd  y\ne\u0301     z\n'


@pytest.mark.security
def test_S10_whatever_is_printed_is_safe(capsys):
    with safe_streams():
        print(HOSTILE, 'tab\there')
        sys.stdout.writelines([HOSTILE, '\n'])
        print(HOSTILE, file=sys.stderr)
        Output().say(HOSTILE, bold(HOSTILE))
        Output().table([[HOSTILE, [HOSTILE, dim(HOSTILE)]]], (HOSTILE, HOSTILE))
        Output().exact(HOSTILE)
        print_json({HOSTILE: [HOSTILE]})
    out, err = capsys.readouterr()
    assert forbidden(out) == forbidden(err) == [] and '\\x1b]0;title\\x07' in out and 'tab\there' in out
    assert '\\x1b]0;title' in err
    assert json.loads(out[out.index('{\n'):]) == {'schema_version': 1, HOSTILE: [HOSTILE]}


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """A recipe, and an installation with its record and log, that somebody else made."""
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('LUMI_HOOKS_UPSTREAM', str(tmp_path / 'upstream'))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    (tmp_path / 'upstream').mkdir()
    folder, _ = installed(tmp_path)
    path = os.path.join(folder, 'easybuild/lumi/record.json')
    path = path if os.path.exists(path) else next(str(one) for one in Path(folder).rglob('*.json'))
    with open(path, encoding='utf-8') as handle:
        record = json.load(handle)
    record['changes'] = [{**change, 'reason': HOSTILE, 'before': HOSTILE, 'after': HOSTILE}
                         for change in record['changes']]
    record['kept_out'] = [HOSTILE]
    record['easybuild']['easyblock'] = HOSTILE
    with open(path, 'w', encoding='utf-8') as handle:
        json.dump(record, handle)
    log = next(Path(folder, 'easybuild').glob('*.log'))
    with gzip.open(f'{log}.gz', 'wt', encoding='utf-8') as handle:
        handle.write(f'a log {HOSTILE}\n')
    log.unlink()
    recipe = put_recipe(tmp_path / 'mine', 'Other', flat=True, more=(
        f"\nconfigopts = '--with-openblas {HOSTILE}'\n".replace('\r', '') + f'# {HOSTILE}\n'.replace('\r', '')
        + "dependencies = [('No\\x1b[2JSuch', '1.0\\x9b')]\n"))
    return {'explain': ['explain', folder], 'log': ['explain', '--log', folder], 'sbom': ['sbom', str(tmp_path / 'p')],
            'adapt': ['adapt', recipe], 'diff': ['adapt', '--diff', recipe], 'plan': ['plan', recipe],
            'doctor': ['doctor', recipe], 'handtest': ['handtest', '--no-build', recipe],
            'unknown': ['adapt', f'/nowhere/{HOSTILE}.eb'], 'option': [f'--{HOSTILE}'],
            'verify': ['verify', f'/nowhere/{HOSTILE}'], 'job': ['job', f'Thing/1.0{HOSTILE}'],
            'check-data': ['check-data', f'/nowhere/{HOSTILE}.json'],
            'survey': ['survey', '--jobs', '1', os.path.dirname(recipe)]}


NAMES = ('explain', 'log', 'sbom', 'adapt', 'diff', 'plan', 'doctor', 'handtest', 'unknown', 'option', 'verify', 'job',
         'check-data', 'survey')
WITH_JSON = ('explain', 'adapt', 'plan', 'doctor', 'handtest', 'job', 'check-data', 'survey')


@pytest.mark.security
@pytest.mark.parametrize('name, more', [(name, ()) for name in NAMES] + [(name, ('--json',)) for name in WITH_JSON])
def test_S10_no_command_lets_control_characters_through(hostile, capsys, name, more):
    with contextlib.suppress(SystemExit):
        main([*hostile[name], *more])
    out, err = capsys.readouterr()
    assert out + err and forbidden(out) == forbidden(err) == []
    if more and out:
        json.loads(out)
    elif name in ('explain', 'log', 'diff', 'unknown', 'option'):
        assert '\\x1b]0;title' in out + err, 'what was there is told'


def in_a_terminal(arguments, columns, **env):
    """Run bin/lumi-eb in a terminal of a width; exit code and what the terminal was sent."""
    code = ('import fcntl, os, pty, struct, sys, termios\n'
            'fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 50, int(sys.argv[1]), 0, 0))\n'
            'os.execv(sys.argv[2], sys.argv[2:])\n')
    master, slave = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ('COLUMNS', 'NO_COLOR')}
    with subprocess.Popen([sys.executable, '-c', code, str(columns), str(ROOT / 'bin/lumi-eb'), *arguments],
                          stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
                          env={**kept, 'TERM': 'xterm', 'LUMI_HOOKS_PYTHON': sys.executable, **env}) as process:
        os.close(slave)
        found = b''
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:
                break
            if not part:
                break
            found += part
    os.close(master)
    return process.returncode, found.decode().replace('\r\n', '\n')


@pytest.mark.security
@pytest.mark.parametrize('columns', [80, 110])
@pytest.mark.parametrize('name', ['explain', 'adapt', 'plan', 'doctor', 'survey'])
def test_S10_and_U6_in_a_real_terminal(hostile, name, columns):
    code, text = in_a_terminal(hostile[name], columns, EBU_USER_PREFIX=LONG)
    text = re.sub('[^\n]*\r', '', text) if name == 'survey' else text  # its progress
    assert code in (0, 1) and forbidden(text) == [] and '\x1b[' in text
    plain = ALLOWED.sub('', text)
    for line in plain.splitlines():
        words = line.split()
        # what goes to standard error stays one line, as it often holds a command to copy
        assert len(line) <= columns or max(map(len, words)) > columns - 35 or line.startswith('lumi-eb: '), line
    assert 'Traceback' not in plain


def test_progress_on_a_terminal_is_gone_when_it_is_over(tmp_path):
    code = ('from lumi_hooks.cli import progress\nimport time\nprogress.CHANGE = 0\n'
            'with progress.progress("recipes") as told:\n    told(1, 4)\n    told(3, 4)\n')
    master, slave = pty.openpty()
    subprocess.run([sys.executable, '-c', code], stderr=slave, check=True, cwd=ROOT,
                   env={**os.environ, 'TERM': 'xterm'})
    os.close(slave)
    text = os.read(master, 65536).decode()
    os.close(master)
    first, second, blank, end = text.split('\r')[1:]
    assert first.startswith('recipes #######....') and '1/4' in first and '3/4' in second
    assert blank.strip() == '' and len(blank) >= len(second.rstrip()) and end == ''


def test_O12_no_command_imports_a_package():
    """All of lumi-eb's modules are there with the standard library and EasyBuild."""
    code = ('import importlib, pkgutil, sys\n'
            'for name in ("rich", "elftools", "zstandard", "cyclonedx", "graphviz", "packageurl", "jsonschema"):\n'
            '    sys.modules[name] = None\n'
            'import lumi_hooks\n'
            'for info in pkgutil.walk_packages(lumi_hooks.__path__, "lumi_hooks."):\n'
            '    if not info.name.endswith(("__main__", "plugin", "plugin_classes", "hooks.hooks")):\n'
            '        importlib.import_module(info.name)\n'
            'print(sum(name.startswith("lumi_hooks.") for name in sys.modules))\n')
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and int(done.stdout) > 80, done.stderr
