# SPDX-License-Identifier: GPL-2.0-only
"""What programs read of lumi-eb: --json against its schemas and docs/json.md, partial results, exit codes."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import easybuild.framework
import pytest
from elves import Place, library
from test_explain import installed
from test_failed import put as put_failed
from test_pilot import probe_text
from test_record import RECORD
from test_record import put as put_record
from writing import put_module, put_recipe

from lumi_hooks.cli import main, parser
from lumi_hooks.cli.console import print_json
from lumi_hooks.data import ROOT, load_json
from lumi_hooks.eb.lifecycle import linkage
from lumi_hooks.schemas import schema

jsonschema = pytest.importorskip('jsonschema')
OUTPUT = os.path.join(ROOT, 'schemas', 'output')
DOCS = os.path.join(os.path.dirname(ROOT), 'docs', 'json.md')
COMMANDS = next(action for action in parser()._actions if action.dest == 'command').choices


def parts():
    """What the schemas share."""
    return {**load_json(f'{OUTPUT}/parts.schema.json')['$defs'], 'failed': schema('failed'), 'record': schema('record')}


def valid(found, name):
    """Hold an output to its schema."""
    checker = jsonschema.Draft202012Validator({**load_json(f'{OUTPUT}/{name}.schema.json'), '$defs': parts()})
    assert [f'{"/".join(map(str, error.absolute_path))}: {error.message}'
            for error in checker.iter_errors(found)] == []
    assert list(found)[0] == 'schema_version'


def no_constant(name):
    pytest.fail(f'{name} is no JSON')


def parsed(text):
    """One object and a line end, of ASCII."""
    assert text.isascii() and text.startswith('{') and text.endswith('}\n')
    return json.loads(text, parse_constant=no_constant)


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Recipes of all kinds, installations, failed builds, a probe; what `{name}` stands for in the cases below."""
    folder, _ = installed(tmp_path)
    mine = tmp_path / 'mine'
    put_recipe(mine, 'Lib', '1.2', ('GCCcore', '14.2.0'), flat=True)
    gpu = put_recipe(tmp_path / 'refused', 'Gpu', more="dependencies = [('CUDA', '12.0')]\n", flat=True)
    noisy = put_recipe(mine, 'Noisy', more="print('a word of the recipe')\n"
                                           "dependencies = [('HDF5', '1.14.5'), ('Lib', '1.2')]\n", flat=True)
    (tmp_path / 'broken').mkdir()
    (tmp_path / 'broken' / 'Broken-1.0-foss-2025a.eb').write_text('name = (\n')
    put_failed(tmp_path / 'p', module='Fails/1.0-cpeGNU-25.03')
    put_record(tmp_path / 'half', RECORD)
    put_record(tmp_path / 'half', 'no record', 'Thing', '2.0-cpeGNU-25.03')
    old = tmp_path / 'old' / 'SW/LUMI-25.03/C/Old/1.0'
    (old / 'easybuild').mkdir(parents=True)
    modules = tmp_path / 'p/modules/LUMI/25.03/partition/C'
    other = tmp_path / 'p/SW/LUMI-25.03/C/Needs/1.0-cpeGNU-25.03'
    (other / 'easybuild').mkdir(parents=True)
    for name, text in (('Thing', f'local root = "{folder}"\n'),
                       ('Needs', f'local root = "{other}"\nload("Thing/1.0-cpeGNU-25.03")\n')):
        with open(put_module(modules, name, '1.0-cpeGNU-25.03'), 'a', encoding='utf-8') as stream:
            stream.write(text)
    place = Place(tmp_path / 'place')
    place.program('right', needs=[place.mpi()])
    wrong = Place(tmp_path / 'wrong')
    wrong.program(runpath='/opt/rocm/lib', needs=[wrong.mpi()])
    for name, rows in (('same', [('os.version', '15.6')]), ('other', [('libfabric.version', '1.29.1')])):
        (tmp_path / f'{name}.tsv').write_text(probe_text(rows))
    for at in (place, wrong):
        library(at.system / 'opt/cray/pe/mpich/8.1.32/ofi/gnu/12.3/lib-abi-mpich', 'libmpi.so.12',
                needs=[library(tmp_path / 'gone', 'libgone.so')] if at is wrong else [])
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'tools/pkg-config').write_text('#!/bin/sh\necho /opt/cray/libfabric\n')
    (tmp_path / 'tools/pkg-config').chmod(0o755)
    (tmp_path / 'refused.json').write_text(json.dumps({'name': 'mine', 'recipes': [str(gpu)]}))
    silent = tmp_path / 'silent'
    silent.write_text('#!/bin/sh\nexit 3\n')
    silent.chmod(0o755)
    for name, value in {'HOME': tmp_path, 'XDG_CACHE_HOME': tmp_path / 'cache', 'LUMI_HOOKS_UPSTREAM': mine,
                        'EBU_USER_PREFIX': tmp_path / 'p'}.items():
        monkeypatch.setenv(name, str(value))
    for name in ('LD_LIBRARY_PATH', 'CRAYPE_DIR', 'ROCM_PATH', 'LMOD_CMD', 'CRAY_PYTHON_PREFIX'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return {'tmp': tmp_path, 'mine': mine, 'recipe': noisy, 'refused': gpu, 'folder': folder, 'old': old,
            'root': place.root, 'wrong': wrong.root, 'python': sys.executable, 'system': place.system,
            'lacking': wrong.system, 'site_packages': Path(easybuild.framework.__file__).parents[2]}


LUMI = ('LUMI_STACK_VERSION=25.03 LUMI_STACK_PARTITION=C LUMI_EASYBUILD_MODE=user LMOD_CMD=/bin/sh '
        'EASYBUILD_PREFIX={tmp}/p')
# its modules, and which of them can be loaded
REMOVE = 'MODULEPATH={tmp}/p/modules/LUMI/25.03/partition/C'
# a pkg-config that knows libfabric
TOOLS = 'PATH={tmp}/tools'
# of each command: arguments (with --json where it has that) and the exit code that they end with
CASES = [
    ('status', 0, ''), ('status', 2, 'LUMI_STACK_VERSION=99.01'),
    ('adapt', 0, '{recipe}'), ('adapt', 0, 'Lib {recipe}'), ('adapt', 1, '{recipe} {refused}'),
    ('adapt', 2, '{recipe} missing.eb {refused}'), ('adapt', 2, 'missing.eb'),
    ('adapt', 2, '{tmp}/broken/Broken-1.0-foss-2025a.eb {recipe}'),
    ('plan', 0, '{recipe}'), ('plan', 1, '{refused} {recipe}'), ('plan', 2, 'missing.eb {recipe}'),
    ('plan', 2, '{tmp}/broken/Broken-1.0-foss-2025a.eb {refused}'), ('plan', 2, 'missing.eb'),
    ('doctor', 0, LUMI), ('doctor', 1, '{refused}'), ('doctor', 2, 'missing.eb {recipe}'),
    ('install', 0, '--dry-run {recipe}'), ('install', 1, '{refused}'), ('install', 2, '{recipe} missing.eb'),
    ('search', 0, 'noisy'), ('search', 0, 'noisy lib'), ('search', 1, 'noisy nothing'), ('search', 2, '*'),
    ('explain', 0, 'Thing'), ('explain', 0, '{folder}'), ('explain', 0, ''), ('explain', 1, '{old}'),
    ('explain', 1, 'Fails'), ('explain', 1, 'EBU_USER_PREFIX={tmp}/half'),
    ('explain', 1, 'EBU_USER_PREFIX={tmp}/half Thing'), ('explain', 2, 'Nothing'), ('explain', 2, '{tmp}'),
    ('failures', 0, ''), ('failures', 0, 'Fails'), ('failures', 2, 'Nothing'),
    ('remove', 0, ''), ('remove', 0, f'{LUMI} --expire'), ('remove', 1, f'{LUMI} {REMOVE} --yes Thing'),
    ('remove', 2, f'{LUMI} {REMOVE} Nothing'), ('remove', 2, f'{LUMI} --undo Nothing'),
    ('env', 0, f'{LUMI} {REMOVE} list'), ('env', 0, f'{LUMI} create mine Lib --dry-run'),
    ('env', 1, f'{LUMI} create {{tmp}}/refused.json'), ('env', 2, f'{LUMI} {REMOVE} show nothing'),
    ('report', 0, ''), ('report', 2, 'Nothing'),
    ('sbom', 0, '{tmp}/p'), ('sbom', 1, '{tmp}/half'), ('sbom', 2, '{tmp}/nowhere'),
    ('survey', 0, '--jobs 1 {mine}'), ('survey', 1, '--jobs 1 {mine} {tmp}/broken'), ('survey', 2, '{tmp}/nowhere'),
    ('verify', 0, '--system-root {system} {root}'), ('verify', 1, '--system-root / {root} {wrong}'),
    ('verify', 1, '--system-root / {wrong}'), ('verify', 2, '{root} /nonexistent {wrong}'),
    ('verify', 2, '/nonexistent'),
    ('container-binds', 0, f'LUMI_HOOKS_SYSTEM_ROOT={{system}} {TOOLS}'),
    ('container-binds', 1, f'LUMI_HOOKS_SYSTEM_ROOT={{lacking}} {TOOLS}'),
    ('container-binds', 2, f'LUMI_HOOKS_SYSTEM_ROOT={{system}} {TOOLS} {{recipe}}'),
    ('mpi', 0, '{root}'), ('mpi', 1, '--release 26.03 {root}'), ('mpi', 2, '{recipe}'),
    ('job', 0, 'Thing/1.0-cpeGNU-25.03'), ('job', 2, '--nodes 0 Thing/1.0'),
    ('handtest', 0, '--no-build {recipe}'), ('handtest', 1, '--no-build {recipe} {refused}'),
    ('handtest', 2, '--no-build {recipe} missing.eb'),
    ('rebuild', 0, '--dry-run Lib'), ('rebuild', 1, '--dry-run Lib {refused}'), ('rebuild', 2, '--dry-run missing.eb'),
    ('check-data', 0, ''), ('check-data', 1, '{tmp}/nowhere.json'), ('check-data', 2, '--nonsense'),
    ('pilot-facts', 0, '{tmp}/same.tsv'), ('pilot-facts', 1, '{tmp}/other.tsv'),
    ('pilot-facts', 2, '{tmp}/nowhere.tsv'),
    ('affected', 0, '--from {site_packages}'), ('affected', 2, '--from 0.0'), ('affected', 2, '--since nothing'),
    ('catalogue', 0, 'write {tmp}/offers Lib'), ('catalogue', 1, 'write {tmp}/offers Lib {refused}'),
    ('catalogue', 2, 'check {tmp}/nowhere'),
    ('capture', 0, '--python {python}'), ('capture', 1, '--python {python} --python {tmp}/silent'), ('capture', 2, ''),
]


def run(command, words, world, monkeypatch, capsys, *more):
    """Exit code, standard output and errors of a case; words with = at their start set variables."""
    given = [word.format(**world) for word in words.split()]
    for word in [word for word in given if re.match('[A-Z_]+=', word)]:
        monkeypatch.setenv(*word.split('=', 1))
        given.remove(word)
    try:
        code = main([command, *more, *given])
    except SystemExit as err:
        code = err.code
    out, err = capsys.readouterr()
    assert 'Traceback' not in out + err
    return code, out, err


@pytest.mark.parametrize('command, code, words', CASES)
def test_json_is_as_its_schema_says_and_so_is_the_exit_code(world, monkeypatch, capsys, command, code, words):
    json_too = ['--json'] if '--json' in COMMANDS[command].format_help() else []
    found, out, err = run(command, words, world, monkeypatch, capsys, *json_too)
    assert found == code, err
    if json_too and out or command == 'capture' and out:
        valid(parsed(out), command)
    elif json_too:
        assert code == 2 and err, 'where it can\'t be done at all, a line says so'
    if json_too:
        plain, text, err = run(command, words, world, monkeypatch, capsys)
        assert plain == code and bool(text or err)


def test_what_was_removed_is_as_its_schema_says(world, monkeypatch, capsys):
    code, out, _ = run('remove', f'{LUMI} {REMOVE} --json --yes Thing Needs', world, monkeypatch, capsys)
    found = parsed(out)
    valid(found, 'remove')
    assert code == 0 and found['removed'] and len(found['modules']) == len(found['kept']) == 2
    code, out, err = run('remove', f'{LUMI} {REMOVE} --json --yes Thing', world, monkeypatch, capsys)
    assert code == 2 and not out and 'was removed already' in err


@pytest.mark.parametrize('command, key, words, kept, lost', [
    ('adapt', 'recipes', 'missing.eb {recipe} gone.eb', 1, ['missing.eb', 'gone.eb']),
    ('plan', 'targets', 'missing.eb {recipe}', 1, ['missing.eb']),
    ('install', 'chosen', 'missing.eb {recipe}', 1, ['missing.eb']),
    ('doctor', 'packages', 'missing.eb {recipe}', 2, ['missing.eb']),
    ('handtest', 'tests', '--no-build missing.eb {recipe}', 1, ['missing.eb']),
    ('search', 'found', 'nothing noisy Lbi', 1, ['nothing', 'Lbi']),
    ('verify', 'reports', '/nonexistent {root} {wrong}', 2, ['/nonexistent']),
    ('explain', 'installations', 'EBU_USER_PREFIX={tmp}/half Thing', 1, ['/2.0-cpeGNU-25.03']),
    ('explain', 'installations', 'EBU_USER_PREFIX={tmp}/half', 1, ['/2.0-cpeGNU-25.03'])])
def test_one_that_fails_does_not_hide_the_others(world, monkeypatch, capsys, command, key, words, kept, lost):
    _, out, err = run(command, words, world, monkeypatch, capsys, '--json')
    found = parsed(out)
    assert len(found[key]) == kept and len(found['errors']) == len(lost)
    for item, error in zip(lost, found['errors']):
        name = next(value for name, value in error.items() if name != 'error')
        assert name.endswith(item) and error['error'] in err
    _, text, err = run(command, words, world, monkeypatch, capsys)
    assert text, 'what was found of the others'
    assert all(err.count(f'{item}') >= 1 for item in lost) and err.count('lumi-eb: ') >= len(lost)


def test_a_name_that_is_mistyped_is_told_what_may_be_meant(world, monkeypatch, capsys):
    for command in ('adapt', 'plan', 'install', 'search'):
        found = parsed(run(command, 'Nosiy', world, monkeypatch, capsys, '--json')[1])
        assert 'did you mean Noisy?' in found['errors'][0]['error'], command


@pytest.mark.parametrize('command', ['job', 'verify'])
def test_a_module_that_is_mistyped_is_told_what_may_be_meant(world, monkeypatch, capsys, command):
    modules = world['tmp'] / 'p/modules/LUMI/25.03/partition/C'
    put_module(modules, 'Noisy', '1.0-cpeGNU-25.03')
    monkeypatch.setenv('MODULEPATH', str(modules))
    code, _, err = run(command, f'{LUMI} Nosiy', world, monkeypatch, capsys, '--json')
    assert code == 2 and err.count('\n') == 1 and 'did you mean Noisy?' in err
    code, _, err = run(command, 'Noisy/2.0', world, monkeypatch, capsys, '--json')
    assert code == 2 and 'Noisy/1.0-cpeGNU-25.03' in err


def test_install_runs_nothing_where_one_of_several_is_not_known(world, monkeypatch, capsys):
    monkeypatch.setattr('lumi_hooks.cli.install.run_eb', lambda *_: pytest.fail('eb was run'))
    code, out, err = run('install', '--yes {recipe} missing.eb', world, monkeypatch, capsys)
    assert code == 2 and 'Noisy/1.0-cpeGNU-25.03' in out and 'nothing was installed' in err
    assert parsed(run('install', '{recipe} missing.eb', world, monkeypatch, capsys, '--json')[1])['command'] == []
    assert parsed(run('install', '{recipe}', world, monkeypatch, capsys, '--json')[1])['command'][0] == 'eb'


@pytest.mark.parametrize('command', ['adapt', 'plan', 'doctor', 'install', 'handtest --no-build', 'survey --jobs 1',
                                     'survey --jobs 2 {mine}'])
def test_what_a_recipe_prints_is_not_in_the_json(world, monkeypatch, capfd, command):
    monkeypatch.setattr('lumi_hooks.recipe._parsers', {})  # the same text was run for another of these
    name, *more = command.split()
    _, out, err = run(name, ' '.join([*more, '{recipe}']), world, monkeypatch, capfd, '--json')
    assert parsed(out) and 'a word of the recipe' in err


def test_json_has_no_nan_and_no_infinity(capsys):
    """A record may say 1e999 seconds, which Python reads as an infinity."""
    print_json({'a': [float('inf'), (float('nan'),)], 'b': {'c': -1e999, 'd': 'é\x7f\udce9'}, 'schema_version': 7})
    out = capsys.readouterr().out
    assert parsed(out) == {'schema_version': 7, 'a': [None, [None]], 'b': {'c': None, 'd': 'é\x7f\udce9'}}
    assert '\x7f' not in out


def test_lumi_eb_json_is_the_status(world, capsys):
    assert main(['--json']) == 0
    valid(parsed(capsys.readouterr().out), 'status')


def test_all_is_printed_in_the_c_locale(world):
    env = {**os.environ, 'LANG': 'C', 'LC_ALL': 'C', 'PYTHONCOERCECLOCALE': '0', 'PYTHONUTF8': '0'}
    for words in (['adapt', world['recipe']], ['adapt', '--json', world['recipe']], ['explain', 'Thing'], ['--help'],
                  ['sbom', str(world['tmp'] / 'p')], ['missingé.eb'], ['adapt', 'missingé.eb']):
        done = subprocess.run([sys.executable, '-m', 'lumi_hooks.cli', *words], capture_output=True, check=False,
                              cwd=os.path.dirname(ROOT), env=env)
        assert done.stdout + done.stderr and b'Traceback' not in done.stderr, words
        if '--json' in words or 'sbom' in words:
            assert parsed(done.stdout.decode('ascii'))


@pytest.mark.parametrize('command', sorted(COMMANDS))
def test_ctrl_c_ends_every_command_with_130(monkeypatch, capsys, command):
    def interrupted(_):
        raise KeyboardInterrupt
    module = {'status': 'screen'}.get(command, command.replace('-', '_'))
    monkeypatch.setattr(f'lumi_hooks.cli.{module}.run', interrupted)
    arguments = {'job': ['x'], 'env': ['list'], 'catalogue': ['check', 'x'], 'affected': [],
                 'status': []}.get(command, ['x'])
    arguments = [] if command in ('capture', 'failures', 'report', 'sbom') else arguments
    assert main([command, *arguments]) == 130
    assert capsys.readouterr().err == 'lumi-eb: interrupted; nothing was changed\n'


def test_eb_takes_no_report_from_a_verify_that_failed(tmp_path, monkeypatch, capsys):
    """Its JSON holds errors then, and no findings."""
    code = 'import sys; from lumi_hooks.cli import main; sys.exit(main(["verify", "--json", "/nonexistent"]))'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False,
                          cwd=os.path.dirname(ROOT))
    assert parsed(done.stdout)['reports'] == [] and done.returncode == 2
    monkeypatch.setattr(linkage.subprocess, 'run', lambda *_, **__: done)
    monkeypatch.setattr(linkage, 'build_path', lambda: str(tmp_path))
    monkeypatch.setattr(linkage, 'install_path', lambda: str(tmp_path))
    monkeypatch.setattr(linkage, 'build_option', lambda *_, **__: None)

    class Block:
        installdir, builddir, name, full_mod_name = '/nonexistent', '', 'X', 'X/1'

    class Here:
        partition = 'C'

        class release:
            name = '25.03'

    assert linkage._run(Block, Here, {}) is None
    assert 'X/1 could not be verified (exit code 2' in ''.join(capsys.readouterr())


# ---- docs/json.md

def documented():
    """Examples of the page by command, and the codes of its tables."""
    with open(DOCS, encoding='utf-8') as page:
        text = page.read()
    examples = dict(re.findall(r'^### `([^`]+)`\n.*?^```json\n(.*?)^```$', text, re.M | re.S))
    codes = {row[0].strip('` '): {str(code) for code, cell in zip((0, 1, 2), row[1:]) if cell.strip()}
             for row in (line.strip('|').split('|') for line in text.splitlines() if line.startswith('| `'))}
    return examples, codes


def without_required(value):
    """A schema of which things may be left out."""
    if isinstance(value, dict):
        return {key: without_required(item) for key, item in value.items() if key != 'required'}
    return [without_required(item) for item in value] if isinstance(value, list) else value


SCHEMAS = sorted(name[:-len('.schema.json')] for name in os.listdir(OUTPUT) if name != 'parts.schema.json')


@pytest.mark.parametrize('name', SCHEMAS)
def test_the_page_has_an_example_of_each(name):
    """Examples are shortened below the top level; what they hold is there."""
    title = 'ci/' + name[3:].replace('sources-', 'sources/') if name.startswith('ci-') else name
    found = json.loads(documented()[0][title])
    known = parts()
    outer = load_json(f'{OUTPUT}/{name}.schema.json')
    checker = jsonschema.Draft202012Validator(without_required({**outer, 'anyOf': outer.get('oneOf', [{}]),
                                                                'oneOf': [{}], '$defs': known}))
    assert [error.message for error in checker.iter_errors(found)] == []
    required = outer.get('required') or outer['oneOf'][0]['required']
    assert set(required) | (set(known['plan']['required']) if name == 'plan' else set()) <= set(found)


def test_the_page_has_every_command_with_json_and_no_other():
    with_json = {name for name, command in COMMANDS.items() if '--json' in command.format_help()} | {'capture'}
    assert {name for name in SCHEMAS if not name.startswith('ci-')} == with_json
    assert len(documented()[0]) == len(SCHEMAS)


def test_the_page_and_the_help_have_the_exit_codes_that_commands_end_with():
    codes = documented()[1]
    assert set(COMMANDS) == {name for name in codes if not name.startswith('ci/')}
    for name, command in COMMANDS.items():
        reached = {str(code) for of, code, _ in CASES if of == name}
        said = ' '.join(command.epilog.partition('exit code: ')[2].split())
        assert codes[name] == reached == set(re.findall(r'(?:^|[,;] )([0-2])\b', said)), name
