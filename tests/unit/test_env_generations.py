# SPDX-License-Identifier: GPL-2.0-only
"""Generations of environments: listed, compared, rolled back, removed, shared; what eb is asked to do for one."""
import json
import os
import re

import pytest
from test_cli_install import called, lumi  # noqa: F401 (a fixture)
from writing import put_module

from lumi_hooks.cli import main
from lumi_hooks.env import generations, pack
from lumi_hooks.env.lock import differences
from lumi_hooks.files import write_atomic

TREE = 'prefix/modules/LUMI/25.03/partition/C'
SPEC = 'name: my-md\nrecipes: [Thing, Lib]\nvariables: {A: "1"}\n'


def lock_of(spec, capsys):
    """What a spec is resolved to."""
    assert main(['env', 'create', spec, '--json']) == 0
    return json.loads(capsys.readouterr().out)['lock']


def put(lumi, number, lock, spec=SPEC):  # noqa: F811
    """What eb leaves of a generation."""
    folder = lumi / 'prefix/SW/LUMI-25.03/C' / lock['name'] / str(number)
    (folder / 'environment').mkdir(parents=True)
    (folder / 'environment/lock.json').write_text(json.dumps(lock))
    (folder / 'environment/spec.yaml').write_text(spec)
    module = lumi / TREE / lock['name'] / f'{number}.lua'
    module.parent.mkdir(parents=True, exist_ok=True)
    module.write_text(f'local root = "{folder}"\n')
    return folder


@pytest.fixture
def three(lumi, capsys):  # noqa: F811
    """Three generations of my-md; parts are not installed."""
    for number in (1, 2, 3):
        spec = SPEC.replace('"1"', f'"{number}"')
        (lumi / 'my-md.yaml').write_text(spec)
        put(lumi, number, lock_of('my-md.yaml', capsys), spec)
    return lumi


def told(capsys, *words):
    code = main(['env', *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_newest_is_loaded_or_what_the_link_says(three, capsys):
    assert '* ' not in told(capsys, 'list')[1]
    found = json.loads(told(capsys, 'list', '--json')[1])['environments']
    assert [(item['module'], item['default']) for item in found] == [
        ('my-md/1', False), ('my-md/2', False), ('my-md/3', True)]
    assert told(capsys, 'rollback', 'my-md')[0] == 0
    assert os.readlink(three / TREE / 'my-md/default') == '2.lua'
    assert json.loads(told(capsys, 'show', 'my-md', '--json')[1])['module'] == 'my-md/2'
    assert told(capsys, 'rollback', 'my-md/1')[0] == 0 and os.readlink(three / TREE / 'my-md/default') == '1.lua'
    code, _, err = told(capsys, 'rollback', 'my-md')
    assert code == 2 and 'is the first generation' in err
    assert 'has no generation 9' in told(capsys, 'show', 'my-md/9')[2]
    assert 'there are my-md' in told(capsys, 'show', 'nix')[2]
    assert sorted(path.name for path in (three / TREE / 'my-md').iterdir()) == ['1.lua', '2.lua', '3.lua', 'default']


def test_how_this_node_mounts_what_is_packed_is_said(three, capsys, monkeypatch):
    path = three / 'prefix/SW/LUMI-25.03/C/my-md/3/environment/lock.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), 'packed': True}))
    monkeypatch.setattr(pack, 'way', lambda env, base: pack.Way('singularity', f'/dev/fuse is closed; {base}'))
    assert 'in one file, which this node mounts by singularity: /dev/fuse is closed; /appl/' in told(
        capsys, 'show', 'my-md')[1]
    monkeypatch.setattr(pack, 'way', lambda env, base: pack.Way('', 'there is no Singularity'))
    assert 'which this node cannot mount: there is no Singularity' in told(capsys, 'show', 'my-md')[1]
    assert 'one file' not in told(capsys, 'show', 'my-md/2')[1]


def test_generations_are_compared_in_words(three, capsys):
    assert "$A: '2' → '3'" in told(capsys, 'diff', 'my-md')[1]
    assert "$A: '3' → '1'" in told(capsys, 'diff', 'my-md/3', 'my-md/1')[1]
    assert told(capsys, 'diff', 'my-md', 'my-md', 'my-md')[0] == 2


def test_what_differs_between_locks(three, capsys):
    lock = lock_of('my-md.yaml', capsys)
    other = json.loads(json.dumps(lock))
    assert differences(lock, other) == []
    thing = next(item for item in other['modules'] if item['name'] == 'Thing')
    thing['adapted'] = '0' * 64
    assert 'adapted in another way' in differences(lock, other)[0]
    thing['sha256'] = '1' * 64
    assert 'made of another recipe' in differences(lock, other)[0]
    thing.update(module='Thing/2.0-cpeGNU-25.03', version='2.0')
    assert differences(lock, other) == ['Thing/1.0-cpeGNU-25.03 → Thing/2.0-cpeGNU-25.03']
    pin = {'name': 'x', 'version': '1', 'filename': 'x', 'url': 'https://x', 'sha256': '0' * 64, 'source': False,
           'mpi': '', 'build': False}
    other = json.loads(json.dumps(lock))
    other['python']['pins'] = [pin]
    assert differences(lock, other) == ['x 1: new'] and differences(other, lock) == ['x 1: gone']
    other['steps'] = {'s': {'asked': [], 'targets': [], 'variables': {}, 'commands': [], 'python': lock['python']}}
    assert 'step s: new' in differences(lock, other)


def test_a_lock_names_no_folder_of_this_machine(three, capsys):
    assert str(three) not in json.dumps(lock_of('my-md.yaml', capsys))


def test_gc_and_remove_keep_what_is_loaded(three, capsys):
    main(['env', 'rollback', 'my-md/1'])
    capsys.readouterr()
    assert [item.number for item in generations.superfluous(list(_items((1, True), (2, False), (3, False))))] == [2]
    assert told(capsys, 'gc')[0] == 2  # no terminal, and no --yes
    code, out, _ = told(capsys, 'gc', '--yes')
    assert code == 0 and 'my-md/2' in out and 'removed; on disk until' in out
    assert 'nothing to remove' in told(capsys, 'gc', '--yes')[1]
    assert os.readlink(three / TREE / 'my-md/default') == '1.lua'
    assert told(capsys, 'remove', 'my-md/1', '--yes')[0] == 0
    assert not (three / TREE / 'my-md/default').is_symlink()
    assert json.loads(told(capsys, 'show', 'my-md', '--json')[1])['module'] == 'my-md/3'
    assert told(capsys, 'remove', 'my-md', '--yes')[0] == 0
    assert 'there is no environment' in told(capsys, 'list')[1]


def _items(*numbers):
    for number, default in numbers:
        yield generations.Generation('my-md', number, '', '', {}, default)


def test_no_number_is_used_twice(three, capsys):
    from argparse import Namespace

    from lumi_hooks.cli.site_options import find_site
    told(capsys, 'remove', 'my-md/3', '--yes')
    site, _ = find_site(Namespace())
    assert generations.next_number('my-md', site) == 4 and generations.next_number('new', site) == 1


def test_eb_is_given_the_recipes_of_its_parts_and_one_more(lumi, capsys, monkeypatch):  # noqa: F811
    (lumi / 'my-md.yaml').write_text(SPEC)
    kept = lumi / 'kept'
    (lumi / 'easybuild/bin/eb').write_text(
        '#!/bin/sh\nprintf "%s\\n" "$@" > "$CALLED"\nfor word; do case $word in\n'
        f'*my-md*.eb) cat "$word" > {kept} ;; esac; done; exit 7\n')
    code, _, err = told(capsys, 'create', 'my-md.yaml', '--yes')
    assert code == 7 and 'what was loaded before still is' in err
    words = called(lumi)
    assert [os.path.basename(word) for word in words[1:]] == [
        'Lib-1.2-GCCcore-14.2.0.eb', 'Thing-1.0-foss-2025a.eb', 'my-md-1.eb', '-r']
    text = kept.read_text()
    assert "('Thing', '1.0', '', ('cpeGNU', '25.03'))" in text and 'toolchain = SYSTEM' in text
    values = {}
    exec(text, {'SYSTEM': None, 'EXTERNAL_MODULE': 'x'}, values)
    assert values['environment_lock'] == lock_of('my-md.yaml', capsys) and values['environment_spec'][1] == SPEC
    assert not os.path.exists(words[-2]) and not (lumi / 'my-md.lock.json').exists()


def test_hostile_text_of_a_spec_stays_text_in_the_recipe(lumi, capsys):  # noqa: F811
    nasty = "x'''\"\"\" + __import__('os').system('touch /tmp/owned') + %(name)s \\\\ \u202e"
    (lumi / 'e.json').write_text(json.dumps({'name': 'my-md', 'recipes': ['Lib'], 'description': nasty,
                                             'variables': {'A': nasty.replace('\u202e', '')}}))
    from lumi_hooks.env.recipe import recipe_text
    lock = lock_of('e.json', capsys)
    values = {}
    exec(recipe_text(1, lock, ('e.json', nasty)), {'SYSTEM': None, 'EXTERNAL_MODULE': 'x'}, values)
    assert values['environment_lock']['variables']['A'] == lock['variables']['A'] == nasty.replace('\u202e', '')
    assert values['environment_spec'] == ('e.json', nasty)


def test_exported_and_imported(three, capsys, tmp_path):
    assert told(capsys, 'export', 'my-md', '--output', 'out.json')[0] == 0
    code, out, err = told(capsys, 'import', 'out.json', '--dry-run', '--folder', 'there')
    assert code == 0 and not os.path.exists('there'), err
    found = json.loads((three / 'out.json').read_text())
    # one that was packed after its spec was written
    packed = {**found, 'lock': {**found['lock'], 'packed': True}}
    (three / 'packed.json').write_text(json.dumps(packed))
    code, out, err = told(capsys, 'import', 'packed.json', '--dry-run', '--folder', 'there')
    assert code == 0 and 'lock says' not in err, err
    spec = {'file': '../x.yaml', 'text': ''}
    for key, value, says in (('kind', 'x', 'no exported environment'), ('spec', spec, '../x'),
                             ('recipes', {'../x.eb': ''}, 'recipes'), ('lock', {}, 'no lock')):
        write_atomic('bad.json', json.dumps({**found, key: value}))
        code, _, err = told(capsys, 'import', 'bad.json', '--yes')
        assert code == 2 and says in err and err.startswith('lumi-eb: bad.json:1: '), err
    (three / 'there').mkdir()
    (three / 'there/my-md.yaml').write_text('mine')
    code, _, err = told(capsys, 'import', 'out.json', '--yes', '--folder', 'there')
    assert code == 2 and 'exists with different contents' in err
    assert os.listdir(three / 'there') == ['my-md.yaml'] and called(three) == []


def test_a_lock_is_taken_as_it_is_or_not_at_all(lumi, capsys):  # noqa: F811
    (lumi / 'my-md.yaml').write_text(SPEC)
    lock = lock_of('my-md.yaml', capsys)
    (lumi / 'my-md.lock.json').write_text(json.dumps(lock))
    assert told(capsys, 'create', 'my-md.yaml', '--locked', '--dry-run')[0] == 0
    recipe = lumi / 'easybuild/easybuild/easyconfigs/l/Lib/Lib-1.2-GCCcore-14.2.0.eb'
    recipe.write_text(recipe.read_text() + "# another comment\nconfigopts = '--other'\n")
    code, _, err = told(capsys, 'create', 'my-md.yaml', '--locked', '--yes')
    assert code == 2 and re.search(r'Lib/1.2-cpeGNU-25.03: made of another recipe', err)
    (lumi / 'my-md.yaml').write_text(SPEC.replace('Thing, ', ''))
    code, _, err = told(capsys, 'create', 'my-md.yaml', '--locked', '--yes')
    assert code == 2 and 'was changed since its lock was written' in err
    (lumi / 'my-md.lock.json').write_text('{}')
    assert told(capsys, 'create', 'my-md.yaml', '--locked', '--yes')[0] == 2


def test_a_damaged_lock_is_one_line(three, capsys):
    path = three / 'prefix/SW/LUMI-25.03/C/my-md/2/environment/lock.json'
    path.write_text('{"kind": ')
    for words in (('show', 'my-md/2'), ('diff', 'my-md'), ('list',)):
        _, out, err = told(capsys, *words)
        assert 'Traceback' not in out + err and err.count('\n') <= 1


def test_one_that_was_killed_before_its_generation_was_the_default(lumi, capsys):  # noqa: F811
    """The earlier one is loaded until the same command is run again, which needs no eb for it."""
    for name in ('Lib/1.2', 'Thing/1.0'):
        put_module(lumi / TREE, name.split('/')[0], f'{name.split("/")[1]}-cpeGNU-25.03')
    for number in (1, 2):
        spec = SPEC.replace('"1"', f'"{number}"')
        (lumi / 'my-md.yaml').write_text(spec)
        put(lumi, number, lock_of('my-md.yaml', capsys), spec)
    assert told(capsys, 'rollback', 'my-md/1')[0] == 0
    code, out, _ = told(capsys, 'update', 'my-md', '--yes')
    assert code == 0 and 'my-md/2 is the same' in out and called(lumi) == []
    assert os.readlink(lumi / TREE / 'my-md/default') == '2.lua'
    assert 'nothing to do: my-md/2 is up to date' in told(capsys, 'update', 'my-md', '--yes')[1]


def test_what_somebody_else_installed_meanwhile_is_not_taken_for_ones_own(lumi, capsys):  # noqa: F811
    (lumi / 'my-md.yaml').write_text(SPEC)
    put(lumi, 1, lock_of('my-md.yaml', capsys))
    other = lock_of('my-md.yaml', capsys)
    other['variables'] = {'A': 'theirs'}
    folder = lumi / 'their'
    folder.mkdir()
    (folder / 'lock.json').write_text(json.dumps(other))
    place = lumi / 'prefix/SW/LUMI-25.03/C/my-md/2/environment'
    (lumi / 'easybuild/bin/eb').write_text(
        f'#!/bin/sh\nmkdir -p {place} && cp {folder}/lock.json {place}\n'
        f'echo \'local root = "{place.parent}"\' > {lumi / TREE}/my-md/2.lua\n')
    (lumi / 'my-md.yaml').write_text(SPEC.replace('"1"', '"mine"'))
    code, _, err = told(capsys, 'update', 'my-md', '--yes')
    assert code == 2 and 'somebody else has installed my-md/2 meanwhile' in err
    assert not (lumi / TREE / 'my-md/default').is_symlink()


@pytest.mark.parametrize('words', ['create my-md.yaml', 'create new Lib', 'update my-md', 'rollback my-md', 'gc',
                                   'remove my-md', 'remove my-md/1', 'pack my-md', 'unpack my-md',
                                   'import out.json --folder there'])
def test_a_dry_run_changes_nothing(three, capsys, words):
    assert told(capsys, 'export', 'my-md', '--output', 'out.json')[0] == 0
    before = {path: path.lstat().st_mtime_ns for path in three.rglob('*')}
    code, out, err = told(capsys, *words.split(), '--dry-run')
    if words == 'pack my-md':
        assert code == 2 and 'my-md/3 has no Python packages, which are what is packed' in err
    else:
        assert code == 0 and out, err
    assert {path: path.lstat().st_mtime_ns for path in three.rglob('*')} == before and called(three) == []
