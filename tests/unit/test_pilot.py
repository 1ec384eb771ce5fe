# SPDX-License-Identifier: GPL-2.0-only
"""What is assumed of LUMI, and what ci/pilot found there: format, comparisons, hostile files, ci/pilot itself."""
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lumi_hooks.cli import main
from lumi_hooks.errors import DataError
from lumi_hooks.pilot import compare, page
from lumi_hooks.pilot.compare import COMPARISONS, MISSING, RIGHT, WRONG, assumptions, expected, judge
from lumi_hooks.pilot.probe import parse, read_probe
from lumi_hooks.releases import default_release

ROOT = Path(__file__).resolve().parents[2]
PARTS = ROOT / 'ci' / 'pilots'
SHELLS = [shell for shell in ('dash', 'bash') if shutil.which(shell)]


def probe_text(login=(), cpu=(), gpu=()):
    """A probe's text from (key, value) pairs that need no escapes."""
    lines = ['lumi-hooks-probe\t1']
    for section, facts in (('login', login), ('cpu', cpu), ('gpu', gpu)):
        if facts:
            lines += [f'section\t{section}', *(f'{key}\t{value}' for key, value in facts), f'end\t{len(facts)}']
    return '\n'.join(lines) + '\n'


def judged(login=(), **others):
    return {one.id: one for one in judge(parse(probe_text(login, **others), 'x'))}


# ---- the assumptions

def test_each_assumption_stands_where_it_says():
    seen = set()
    for one in assumptions():
        assert one['id'] not in seen, one['id']
        seen.add(one['id'])
        for item in compare._items(one):
            file = one['where']['file'].replace('{release}', '25.03').replace('{item}', item)
            assert (ROOT / file).exists(), (one['id'], file)
            assert expected(one, item), one['id']
        assert one['compare'] in COMPARISONS
        assert one['probe'].replace('{item}', 'x').replace('{release}', 'y')
        if one['compare'] in ('matches', 'lacks'):
            for line in expected(one):
                re.compile(line)


def test_each_fact_that_is_asked_for_is_brought():
    """Every key of the assumptions is written by a line of ci/pilots."""
    text = '\n'.join(path.read_text() for path in PARTS.glob('*.sh'))
    for one in assumptions():
        last = re.sub(r'^.*[.}]', '', one['probe'].replace('.exit', ''))
        assert one['probe'].split('.')[0] in text and (last in text or one['probe'] in text), one['probe']


def test_expected_values_are_the_datas():
    by_id = {one['id']: one for one in assumptions()}
    assert 'cray-mpich/8.1.32' in expected(by_id['cpe-modules'], '25.03')
    assert expected(by_id['easybuild-version'], '25.09') == ['EasyBuild/5.2.0']
    assert expected(by_id['libsci-amd']) == ['libsci_amd.so']
    assert expected(by_id['cce-clang']) == ['clang version 19']
    assert 'numpy==1.24.4' in expected(by_id['cray-python'], '3.11.7')


def test_a_place_that_is_gone_is_told():
    one = dict(next(one for one in assumptions() if one['id'] == 'libfabric-version'))
    one['where'] = {'file': 'lumi_hooks/sites/lumi/machine.json', 'key': 'libfabric/nothing'}
    with pytest.raises(DataError, match=r'libfabric-version: .*machine.json has no libfabric/nothing'):
        expected(one)


# ---- the comparisons

@pytest.mark.parametrize('kind, present, right, wrong', [
    ('equal', ['1'], '1\n', '11'),
    ('version', ['14.2'], '14.2.0', '14.20'),
    ('version', ['14'], '14.3', '15'),
    ('at-least', ['8.7.9'], '8.7.10', '8.7'),
    ('contains', ['a/1', 'b'], 'b x y\na/1', 'a/2\nb'),
    ('packages', ['typing_extensions==4.1', 'dask'], 'Typing-Extensions==4.1\ndask==2', 'typing-extensions==4.2\ndask'),
    ('set', ['a', 'b'], 'b\na\n', 'a\nb\nc'),
    ('mentions', ['cxi'], 'provider: cxi', 'provider: tcp'),
    ('matches', ['^b$'], 'a\nb', 'ab'),
    ('lacks', ['^pmix'], 'pmi2', 'pmi2\npmix'),
    ('absent', ['(nothing)'], '\n', '/usr/bin/mpirun'),
    ('present', ['(something)'], 'x', ''),
])
def test_comparison(kind, present, right, wrong):
    assert COMPARISONS[kind](present, right) == []
    assert COMPARISONS[kind](present, wrong)


def test_every_comparison_is_tried():
    marks = test_comparison.pytestmark[0].args[1]
    assert {mark[0] for mark in marks} == set(COMPARISONS)


def test_what_was_found_instead_is_named():
    assert COMPARISONS['contains'](['cray-mpich/8.1.32'], 'cray-mpich/8.1.33\ncray-mpich/9.0.1\ncray-pmi/6') == \
        ['no cray-mpich/8.1.32 (found: cray-mpich/8.1.33, cray-mpich/9.0.1)']


def test_states():
    facts = judged([('libfabric.version', '1.29.1'), ('os.version', '15.6'), ('mpi.bare', 'x'), ('mpi.bare.exit', '1')])
    assert facts['os-version'].state == RIGHT
    wrong = facts['libfabric-version']
    assert (wrong.state, wrong.present, wrong.found) == (WRONG, ['1.22.0'], ['1.29.1'])
    assert (wrong.file, wrong.key) == ('lumi_hooks/sites/lumi/machine.json', 'libfabric/version')
    assert facts['gpu-target'].state == MISSING
    assert {'cpe-modules@25.03', 'cpe-modules@25.09', 'module-variables@papi', 'cray-python@3.11.7'} <= set(facts)


def test_what_took_too_long_was_not_brought():
    facts = judged([('mpi.linked', ''), ('mpi.linked.exit', '124')])
    assert facts['mpi-soname'].state == MISSING


def test_the_release_of_a_probe_is_no_part_of_a_path():
    facts = judged([('probe.release', '../../../etc/passwd'), ('lmod.version', '8.7.55')])
    assert facts['lmod-version'].file == 'lumi_hooks/releases/cpe/25.03.json'
    assert judged([('probe.release', '25.09')])['lmod-version'].file == 'lumi_hooks/releases/cpe/25.09.json'


# ---- the file

@pytest.mark.parametrize('text, said', [
    ('', 'is not a probe'),
    ('hello\n', 'is not a probe'),
    ('lumi-hooks-probe\t2\n', 'another format'),
    ('lumi-hooks-probe\t1\n', 'no section'),
    ('lumi-hooks-probe\t1\nsection\tlogin\nend\t0', 'ends within a line'),
    ('lumi-hooks-probe\t1\nsection\tlogin\na\tb\n', 'ends within the section login'),
    ('lumi-hooks-probe\t1\nsection\tlogin\na\tb\nend\t2\n', 'line 4: the section login is not whole'),
    ('lumi-hooks-probe\t1\na\tb\n', 'line 2: a fact outside of a section'),
    ('lumi-hooks-probe\t1\nsection\tmoon\nend\t0\n', 'does not belong here'),
    ('lumi-hooks-probe\t1\nsection\tlogin\nsection\tcpu\n', 'does not belong here'),
    ('lumi-hooks-probe\t1\nsection\tlogin\na\tb\na\tc\nend\t2\n', 'line 4: duplicate key a'),
    ('lumi-hooks-probe\t1\nsection\tlogin\na b\nend\t1\n', 'not a key, a tab and a value'),
    ('lumi-hooks-probe\t1\nsection\tlogin\n../a\tb\nend\t1\n', 'not a key, a tab and a value'),
    ('lumi-hooks-probe\t1\nsection\tlogin\na\tb\x1b[2J\nend\t1\n', 'a control character'),
    ('lumi-hooks-probe\t1\nsection\tlogin\na\tb\\x\nend\t1\n', 'an escape other than'),
    ('lumi-hooks-probe\t1\nsection\tlogin\na\tb\\\nend\t1\n', 'an escape other than'),
    ('lumi-hooks-probe\t1\nsection\tlogin\na\t' + 'x' * 600_000 + '\nend\t1\n', 'a value of more than'),
    ('lumi-hooks-probe\t1\nsection\tlogin\n' + ''.join(f'k{n}\tv\n' for n in range(5001)), 'more than 5000 facts'),
])
def test_a_file_that_is_no_probe(text, said, tmp_path, capsys):
    path = tmp_path / 'probe.tsv'
    path.write_text(text)
    assert main(['pilot-facts', str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == '' and said in err and len(err.splitlines()) == 1 and '\x1b' not in err


def test_other_things_than_files(tmp_path, capsys):
    os.mkfifo(tmp_path / 'fifo')
    (tmp_path / 'big').open('wb').truncate(100_000_000)
    (tmp_path / 'bytes').write_bytes(b'lumi-hooks-probe\t1\nsection\tlogin\na\t\xff\nend\t1\n')
    for name, said in (('fifo', 'is not a file'), ('big', 'larger than 16 MB'), ('.', 'Is a directory'),
                       ('bytes', 'line 3: a byte that is not ASCII'), ('missing', 'No such file')):
        assert main(['pilot-facts', str(tmp_path / name)]) == 2, name
        err = capsys.readouterr().err
        assert said in err and len(err.splitlines()) == 1, err
    assert main(['pilot-facts', '/dev/zero']) == 2
    assert main(['pilot-facts', str(tmp_path / 'a\x1b[2J\nb')]) == 2
    err = capsys.readouterr().err
    assert '\x1b' not in err and len(err.splitlines()) == 2


def test_numbers_of_many_digits_are_no_versions():
    assert judged([('lmod.version', '9' * 10_000), ('os.version', '15.6')])['lmod-version'].state == WRONG


def test_values_are_as_they_were():
    facts = parse(probe_text([('a', r'one\\n\ttwo\nthree')]), 'x')
    assert facts['login']['a'] == 'one\\n\ttwo\nthree'


# ---- the command

def test_pilot_facts_as_json(tmp_path, capsys):
    path = tmp_path / 'probe.tsv'
    path.write_text(probe_text([('libfabric.version', '1.29.1'), ('os.version', '15.6')]))
    assert main(['pilot-facts', '--json', str(path)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told['schema_version'] == 1
    by_id = {one['id']: one for one in told['facts']}
    assert by_id['libfabric-version']['state'] == 'differs' and by_id['os-version']['state'] == 'as assumed'
    assert set(by_id['os-version']) == {'id', 'state', 'assumed', 'file', 'key', 'node', 'probe', 'present', 'found',
                                        'why', 'otherwise'}


def test_pilot_facts_for_people(tmp_path, capsys):
    path = tmp_path / 'probe.tsv'
    path.write_text(probe_text([('libfabric.version', '1.29.1'), ('os.version', '15.6')]))
    assert main(['pilot-facts', str(path)]) == 1
    out = capsys.readouterr().out
    assert 'lumi_hooks/sites/lumi/machine.json, libfabric/version' in out and '  found      1.29.1' in out
    assert out.splitlines()[-1].startswith('1 differs, 1 as assumed, ')
    path.write_text(probe_text([('os.version', '15.6')]))
    assert main(['pilot-facts', '--all', str(path)]) == 0
    assert re.search(r'^as assumed +os-version +login os.version$', capsys.readouterr().out, re.M)


# ---- ci/pilot

@pytest.fixture
def shell_facts(tmp_path):
    """Writes facts by the functions of ci/pilots/facts.sh; returns what the reader makes of them."""
    def write(shell, commands):
        script = f'set -u; facts={tmp_path}; current=x; state={tmp_path}; . {PARTS}/common.sh; . {PARTS}/facts.sh\n' \
                 f'exec 3>&1; facts_begin login\n{commands}\nfacts_end'
        done = subprocess.run([shell, '-c', script], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return read_probe(str(tmp_path / 'login.tsv'))['login']
    return write


@pytest.mark.parametrize('shell', SHELLS)
def test_facts_as_the_shell_writes_them(shell, shell_facts):
    facts = shell_facts(shell, r'''
fact plain value
fact empty ''
printf 'a\\b\tc\nd\\n\n' | fact escaped
printf 'caf\303\251 \033[31mred\r\n' | fact bytes
head -c 1000000 /dev/zero | tr '\0' x | fact long
fact_of command 10 sh -c 'echo said; exit 3'
fact_of slow 1 sleep 20
fact_of nosuch 10 nosuchcommand
''')
    assert facts['plain'] == 'value' and facts['empty'] == ''
    assert facts['escaped'] == 'a\\b\tc\nd\\n'
    assert facts['bytes'] == 'caf?? [31mred'
    assert len(facts['long']) == 200_000
    assert (facts['command'], facts['command.exit']) == ('said', '3')
    assert facts['slow.exit'] == '124' and 'nosuch' not in facts


def test_names_are_replaced_as_words(tmp_path):
    (tmp_path / 'names').write_text('/users/me\tHOME\nproject_465000001\tproject_1\nme\tUSER\nnid001234\tnode_1\n')
    (tmp_path / 'text').write_text('me some meme /users/me/x me.txt me_too\n'
                                   r'key	a\nme b\tme nid001234 nid001*** project_465000001' '\n'
                                   'EXPORT MY_SECRET_X=abc def\n')
    done = subprocess.run(['awk', '-f', PARTS / 'names.awk', tmp_path / 'names', tmp_path / 'text'],
                          capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        'USER some meme HOME/x USER.txt me_too', r'key	a\nUSER b\tUSER node_1 nid001*** project_1',
        'EXPORT MY_SECRET_X= (taken out)']


@pytest.mark.parametrize('shell', SHELLS)
@pytest.mark.parametrize('arguments, said', [
    (['nosuch'], 'unknown step nosuch'), (['probe', '--nosuch'], 'unknown option'),
    (['probe', '--output'], 'requires a value'), (['probe', '--nodes', '7'], '--nodes is 1 or 2'),
    (['probe', '--release', '../x'], '--release is like'), (['probe', '--account', 'a;b'], 'not the name'),
    (['pack', '--output', '/nonexistent/x'], 'nothing was done'), (['probe', 'pack'], 'one step at a time'),
    (['--inside', 'rm'], 'unknown job'), (['probe', '--recipes', '/nonexistent'], 'no list'),
])
def test_bad_use_of_ci_pilot(shell, arguments, said, tmp_path):
    done = subprocess.run([shell, ROOT / 'ci/pilot', *arguments], capture_output=True, text=True, check=False,
                          cwd=tmp_path)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize('shell', SHELLS)
def test_help_of_ci_pilot(shell):
    done = subprocess.run([shell, ROOT / 'ci/pilot', '--help'], capture_output=True, text=True, check=True)
    assert f'(default: {default_release().name})' in done.stdout
    assert 'examples:' in done.stdout and '--account project_465000000' in done.stdout


@pytest.mark.parametrize('shell', SHELLS)
def test_jobs_are_not_submitted_unasked(shell, tmp_path):
    """Without a terminal and without --yes nothing starts; the estimate is shown first, and is below two node-hours."""
    sbatch = tmp_path / 'bin' / 'sbatch'
    sbatch.parent.mkdir()
    sbatch.write_text('#!/bin/sh\ntouch "$0.called"\n')
    sbatch.chmod(0o755)
    done = subprocess.run([shell, ROOT / 'ci/pilot', 'all', '--account', 'project_1', '--output', tmp_path / 'out'],
                          env={'PATH': f'{sbatch.parent}:{os.environ["PATH"]}', 'HOME': str(tmp_path)}, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 2 and 'no terminal to ask on' in done.stderr
    hours = float(re.search(r'in all at most ([0-9.]+) node-hours', done.stdout)[1])
    assert 0.5 < hours < 2
    assert not Path(f'{sbatch}.called').exists()


@pytest.mark.skipif(not shutil.which('shellcheck'), reason='shellcheck is not installed')
def test_shellcheck():
    done = subprocess.run(['shellcheck', '-x', ROOT / 'ci/pilot', *sorted(PARTS.glob('*.sh'))], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout


# ---- the page

def test_the_table_in_the_docs_is_the_datas():
    text = (ROOT / 'docs' / 'pilot.md').read_text(encoding='utf-8')
    between = re.search(r'<!-- assumptions: .*? -->\n(.*?)\n<!-- end -->', text, re.S)
    assert between, 'docs/pilot.md has no place for the table'
    assert between[1] == page.table(), 'write it again: python3 -m lumi_hooks.pilot.page docs/pilot.md'
