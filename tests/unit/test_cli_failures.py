# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb failures, report, and explain where a build failed: what is told, and what bad input gets."""
import gzip
import json
import os

import pytest
from another_user import STRANGER, needs_root
from test_explain import installed
from test_failed import LOG, install, put

from lumi_hooks.cli import main
from lumi_hooks.record.net import net_changes

SECRET = 'hunter2hunter2hunter2'


@pytest.fixture
def prefix(tmp_path, monkeypatch):
    """A prefix of the user's."""
    monkeypatch.setenv('EBU_USER_PREFIX', str(tmp_path / 'p'))
    monkeypatch.chdir(tmp_path)
    return tmp_path / 'p'


def said(capsys, *words):
    """What a command says: exit code, standard output, errors."""
    code = main(list(words))
    out, err = capsys.readouterr()
    assert 'Traceback' not in out + err and '\x1b' not in out + err
    return code, out, err


def test_failures_are_listed_newest_first(prefix, capsys):
    put(prefix, seconds=5)
    put(prefix, module='Other/2.0-cpeGNU-25.03', seconds=9, rule={'rule': 'toolchain-fft', 'change': '+ cray-fftw'},
        notes=['the sha256 of x is y'])
    put(prefix, module='Done/1.0-cpeGNU-25.03')
    install(prefix, 'Done/1.0-cpeGNU-25.03')
    code, out, err = said(capsys, 'failures')
    assert (code, err) == (0, '') and out.startswith(f'2 failed builds in {prefix}, the newest first\n\nOther/2.0')
    for words in ('  error   a.c:1:10: fatal error: foo.h', '  try     is what provides it', 'nid001234, job 77',
                  'Thing-1.0-cpeGNU-25.03.eb, derived from Thing-1.0-foss-2025a.eb', '.log (line 3)',
                  'lumi-eb report Thing/1.0-cpeGNU-25.03', 'installed since: Done/1.0-cpeGNU-25.03',
                  'the rule toolchain-fft changed: + cray-fftw', 'the sha256 of x is y'):
        assert words in out, words
    code, out, _ = said(capsys, 'failures', '--json')
    found = json.loads(out)
    assert code == 0 and found['schema_version'] == 1 and len(found['failures']) == 3
    assert [one['module'][:4] for one in found['failures'] if one['installed_since']] == ['Done']
    assert said(capsys, 'failures', '--clear', 'Done')[1] == 'removed 2 files of Done/1.0-cpeGNU-25.03\n'
    assert said(capsys, 'failures', '--clear')[0] == 0
    assert said(capsys, 'failures') == (0, f'no failed build is kept in {prefix}\n', '')


@pytest.mark.parametrize('words', [('failures', 'Thign'), ('report', 'Thign'), ('failures', '--clear', 'thing')])
def test_a_wrong_name(prefix, capsys, words):
    put(prefix)
    code, out, err = said(capsys, *words)
    assert code == 2 and not out and err.count('\n') == 1 and 'did you mean Thing' in err
    code, out, err = said(capsys, words[0], 'Zzzzzzzz')
    assert code == 2 and err.count('\n') == 1 and '"lumi-eb failures" lists' in err


def test_nothing_failed(prefix, capsys):
    assert said(capsys, 'failures') == (0, f'no failed build is kept in {prefix}\n', '')
    assert said(capsys, 'report') == (0, f'no failed build is kept in {prefix}: nothing to report\n', '')
    assert json.loads(said(capsys, 'failures', '--json')[1])['failures'] == []
    code, _, err = said(capsys, 'report', 'Thing')
    assert code == 2 and 'no failed build of Thing' in err and err.count('\n') == 1
    assert said(capsys, 'report', 'nowhere.log')[2] == 'lumi-eb: nowhere.log: there is no such log\n'
    assert said(capsys, 'report', '.')[2] == 'lumi-eb: . is a folder: name a log, or a module\n'


def test_several_match(prefix, capsys):
    put(prefix)
    put(prefix, module='Thing/2.0-cpeGNU-25.03')
    code, _, err = said(capsys, 'report', 'Thing')
    assert code == 2 and err.count('\n') == 1 and 'Thing is 2 failed builds: name one of' in err


def test_no_prefix(monkeypatch, capsys):
    monkeypatch.setenv('EBU_USER_PREFIX', '')
    assert said(capsys, 'failures')[::2] == (2, 'lumi-eb: there is no prefix to look through: set EBU_USER_PREFIX\n')


@needs_root
def test_the_prefix_of_somebody_else(prefix, capsys, monkeypatch):
    put(prefix)
    (prefix / '.lumi-hooks' / 'failed').chmod(0o700)
    prefix.chmod(0o755)
    for folder in (prefix, *prefix.parents[:3]):
        if str(folder).startswith('/tmp/pytest'):
            folder.chmod(0o755)
    os.seteuid(STRANGER)
    try:
        code, out, err = said(capsys, 'failures')
    finally:
        os.seteuid(0)
    assert code == 2 and not out and err.count('\n') == 1 and 'cannot be read by you' in err


def test_control_characters_of_a_log_are_shown(prefix, capsys):
    put(prefix, error={'kind': 'x', 'line': 'x', 'number': 1, 'context': ['\x1b]0;evil\x07\x1b[2Jgone\rback'],
                       'means': '\x1b[1A', 'advice': ''})
    code, out, _ = said(capsys, 'failures')
    assert code == 0 and '\\x1b' in out and '\x07' not in out
    assert '\x07' not in said(capsys, 'explain', 'Thing')[1] + said(capsys, 'report')[1]


def test_explain_finds_a_failed_build(prefix, capsys):
    log = put(prefix)
    for what in ('Thing', 'Thing/1.0-cpeGNU-25.03', 'Thing-1.0-foss-2025a.eb'):
        code, out, _ = said(capsys, 'explain', what)
        assert code == 1 and out.startswith('Thing/1.0-cpeGNU-25.03 is not installed: its build failed\n'), out
        for words in ('2001-09-09', 'foo.h', 'try     ', log, 'lumi-eb report Thing/1.0-cpeGNU-25.03',
                      'derived by lumi-hooks from Thing-1.0-foss-2025a.eb; not supported by LUST'):
            assert words in out, words
    found = json.loads(said(capsys, 'explain', '--json', 'Thing')[1])
    assert found['installations'] == [] and found['failures'][0]['error']['kind'] == 'header'
    assert said(capsys, 'explain', '--log', 'Thing')[:2] == (0, LOG)
    install(prefix)  # by now it is there: what explain can't find has another reason
    code, out, err = said(capsys, 'explain', 'Thing')
    assert code == 2 and not out and 'is not installed in' in err
    assert said(capsys, 'explain', 'Nothing')[0] == 2


def test_explain_prints_any_log(prefix, capsys, tmp_path):
    (tmp_path / 'a.log').write_text('\x1b[2Jevil\n')
    with gzip.open(tmp_path / 'b.log.gz', 'wt') as log:
        log.write('packed\n')
    assert said(capsys, 'explain', '--log', 'a.log')[:2] == (0, '\\x1b[2Jevil\n')
    assert said(capsys, 'explain', '--log', str(tmp_path / 'b.log.gz'))[:2] == (0, 'packed\n')
    code, _, err = said(capsys, 'explain', 'a.log')
    assert code == 2 and 'a.log is a file' in err and 'explain --log a.log' in err


HOSTILE = f"""export GITHUB_TOKEN={SECRET}
fatal: unable to access 'https://me:{SECRET}@git.example.org/x.git/': Could not resolve host
Authorization: Bearer {SECRET}
pass\x1b[31mword={SECRET}
-----BEGIN OPENSSH PRIVATE KEY-----
{SECRET}
-----END OPENSSH PRIVATE KEY-----
````
# not a heading \x1b[2J
"""


def test_the_report_holds_all_and_no_secrets(prefix, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv('HIPCC_KEY', SECRET)
    monkeypatch.setenv('LUMI_HOOKS_UPSTREAM', f'https://u:{SECRET}@x/')
    recipe = {'given': 'Thing-1.0-foss-2025a.eb', 'file': 'Thing-1.0-cpeGNU-25.03.eb', 'text': "name = 'adapted'",
              'given_text': f"source_urls = ['https://me:{SECRET}@x/']"}
    put(prefix, log=LOG + HOSTILE + 'user somebody of project_465000000\n', recipe=recipe)
    code, out, _ = said(capsys, 'report')
    assert code == 0 and SECRET not in out and '[removed]' in out
    for words in ('# Thing/1.0-cpeGNU-25.03 was not installed', '## What lumi-eb doctor finds',
                  'derived by lumi-hooks from Thing-1.0-foss-2025a.eb',
                  'not supported by LUST', 'https://lumi-supercomputer.eu', '## Where it is',
                  '## The recipe as given: Thing-1.0-foss-2025a.eb', '## The recipe as built', "name = 'adapted'",
                  '## The first error', 'fatal error: foo.h', 'what to try: is what', '## The end of the log',
                  'somebody of project_465000000', 'nid001234', '* EasyBuild: 5.4.1', '`````\n'):
        assert words in out, words
    code, out, _ = said(capsys, 'report', 'Thing', '--output', 'report.md')
    assert code == 0 and out.startswith('wrote report.md (') and os.stat('report.md').st_mode & 0o777 == 0o600
    assert SECRET not in (tmp_path / 'report.md').read_text()
    assert said(capsys, 'report', '--output', 'no/where.md')[::2] == (
        2, 'lumi-eb: no/where.md: cannot be written (No such file or directory)\n')


def test_the_report_of_any_log(prefix, capsys, tmp_path):
    (tmp_path / 'a.log').write_text(LOG + f'PASSWORD={SECRET}\n')
    code, out, _ = said(capsys, 'report', 'a.log')
    assert code == 0 and out.startswith('# a.log was not installed') and SECRET not in out and 'foo.h' in out


def test_the_error_of_a_huge_log_is_the_one_that_eb_found(prefix, capsys):
    put(prefix, log=LOG + 'x' * 50 + '\n' + ('y' * 99 + '\n') * 170_000 + 'a.c:1:1: error: later\n')
    out = said(capsys, 'report')[1]
    error = out.partition('## The first error')[2].partition('## The end')[0]
    assert 'foo.h' in error and 'later' not in error and 'what to try: is what' in error


def test_a_report_is_bounded(prefix, capsys):
    put(prefix, log=LOG + ('x' * 100_000 + '\n') * 50, recipe={'file': 'a.eb', 'text': 'y' * 190_000, 'given': 'b.eb',
                                                               'given_text': 'z' * 190_000})
    assert len(said(capsys, 'report')[1].encode()) < 400_000


def change(before, after, rule='a'):
    return {'parameter': 'dependencies', 'before': before, 'after': after, 'rule': rule, 'reason': rule}


def test_changes_that_take_each_other_back():
    first, second, third = change('5.2.3', '7.0.0'), change('7.0.0', '5.2.3', 'b'), change('x', 'y')
    assert net_changes([first, third, second]) == [third]
    both, = net_changes([first, change('7.0.0', '8.0.0', 'b')])
    assert (both['before'], both['after'], both['rule'], both['reason']) == ('5.2.3', '8.0.0', 'b', 'a; b')
    added = [change(None, 'x'), change(None, 'y')]
    assert net_changes(added) == added and net_changes([change('x', None), change(None, 'z')])[1]['after'] == 'z'


def test_explain_shows_what_changes_come_to(tmp_path, capsys, monkeypatch):
    folder, _ = installed(tmp_path, changes=[change('5.2.3', '7.0.0'), change('7.0.0', '5.2.3')])
    assert main(['explain', folder]) == 0
    out = capsys.readouterr().out
    assert '7.0.0' not in out
