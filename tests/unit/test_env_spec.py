# SPDX-License-Identifier: GPL-2.0-only
"""The file that says what is in an environment: every mistake is one line with file and line, and leaves nothing."""
import json
import os
import re
import sys

import pytest
from test_cli_install import called, lumi  # noqa: F401 (a fixture)
from writing import put_module, put_recipe

from lumi_hooks.cli import main
from lumi_hooks.env.spec import read_spec, write_spec
from lumi_hooks.errors import DataError

GOOD = 'name: my-md\nrecipes: [Lib]\n'
# (what is wrong, file name, text, line, what the message has to say)
BAD = [
    ('unknown key', 'e.yaml', GOOD + 'recipies: [Lib]\n', 3, 'did you mean recipes?'),
    ('key of conda', 'e.yaml', 'name: my-md\ndependencies: [Lib]\nrecipes: [Lib]\n', 2, '"recipes" names modules'),
    ('channels of conda', 'e.yaml', GOOD + 'channels: [conda-forge]\n', 3, 'conda'),
    ('key of spack', 'e.yaml', GOOD + 'specs: [hdf5]\n', 3, 'the key is called "recipes"'),
    ('unknown key far from all', 'e.yaml', GOOD + 'zzz: 1\n', 3, 'known are name'),
    ('unknown key in a step', 'e.yaml', GOOD + 'steps:\n  one:\n    recipe: [Lib]\n', 5, 'no key of a step'),
    ('no name', 'e.yaml', 'recipes: [Lib]\n', 1, '"name" is missing'),
    ('name with a path', 'e.yaml', 'name: ../../etc\nrecipes: [Lib]\n', 1, 'name'),
    ('absolute name', 'e.yaml', 'recipes: [Lib]\nname: /etc/passwd\n', 2, 'name'),
    ('name with a blank', 'e.yaml', 'name: "my md"\nrecipes: [Lib]\n', 1, 'name'),
    ('name with a line end', 'e.yaml', 'name: "my\\nmd"\nrecipes: [Lib]\n', 1, 'name'),
    ('name is an option', 'e.yaml', 'name: -rf\nrecipes: [Lib]\n', 1, 'name'),
    ('name is a word of Lmod', 'e.yaml', 'name: default\nrecipes: [Lib]\n', 1, 'Lmod'),
    ('name is a number', 'e.yaml', 'name: 17\nrecipes: [Lib]\n', 1, 'is no string'),
    ('name of a software', 'e.yaml', 'recipes: [Lib]\nname: Thing\n', 2, 'name of a software'),
    ('empty file', 'e.yaml', '', 1, 'keys with values'),
    ('a list', 'e.yaml', '- Lib\n', 1, 'keys with values'),
    ('a word', 'e.yaml', 'Lib\n', 1, 'keys with values'),
    ('nothing in it', 'e.yaml', 'name: my-md\n', 1, 'nothing is in it'),
    ('duplicate key', 'e.yaml', GOOD + 'recipes: [Thing]\n', 3, 'duplicate key "recipes"'),
    ('duplicate key in JSON', 'e.json', '{"name": "my-md",\n "recipes": ["Lib"],\n "recipes": []}\n', 3,
     'duplicate key'),
    ('tag that runs code', 'e.yaml', 'name: !!python/object/apply:os.system ["true"]\nrecipes: [Lib]\n', 1, 'tag'),
    ('tag of its own', 'e.yaml', GOOD + 'packed: !secret yes\n', 3, 'tag'),
    ('binary', 'e.yaml', 'name: !!binary aGVsbG8=\nrecipes: [Lib]\n', 1, 'tag'),
    ('alias', 'e.yaml', 'name: my-md\nrecipes: &r [Lib]\npython: *r\n', 3, 'write it out'),
    ('alias bomb', 'e.yaml', 'a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n', 2, 'write it out'),
    ('merge key', 'e.yaml', 'name: my-md\nsteps:\n  a: {recipes: [Lib]}\n  b: {<<: {recipes: [Lib]}}\n', 4, 'key'),
    ('key that is no word', 'e.yaml', GOOD + '? [a, b]\n: 1\n', 3, 'a key has to be a word'),
    ('tab', 'e.yaml', 'name: my-md\n\trecipes: [Lib]\n', 2, 'not valid YAML'),
    ('bracket', 'e.yaml', 'name: my-md\nrecipes: [Lib\nrelease: "25.03"\n', 3, 'not valid YAML'),
    ('two documents', 'e.yaml', GOOD + '---\nname: b\n', 3, 'not valid YAML'),
    ('control character', 'e.yaml', 'name: my\x07md\nrecipes: [Lib]\n', 1, 'not valid YAML'),
    ('JSON with a comma too many', 'e.json', '{"name": "my-md",\n "recipes": ["Lib",]}\n', 2, 'not valid JSON'),
    ('JSON without an end', 'e.json', '{"name": "my-md"\n', 2, 'not valid JSON'),
    ('JSON, unknown key', 'e.json', '{"name": "my-md",\n "recipes": ["Lib"],\n "recipees": []}\n', 3, 'did you mean'),
    ('deep JSON', 'e.json', '[' * 100000 + ']' * 100000, 1, 'nested too deeply'),
    ('deep YAML', 'e.yaml', 'name: ' + '[' * 300 + ']' * 300 + '\n', 1, 'nested too deeply'),
    ('recipes as a word', 'e.yaml', 'name: my-md\nrecipes: Lib\n', 2, 'is no array'),
    ('recipe is a number', 'e.yaml', 'name: my-md\nrecipes:\n- Lib\n- 3\n', 4, 'is no string'),
    ('recipe twice', 'e.yaml', 'name: my-md\nrecipes:\n- Lib\n- Lib\n', 4, 'named twice'),
    ('unknown recipe', 'e.yaml', 'name: my-md\nrecipes:\n- Lib\n- Thingg\n', 4, 'Thing'),
    ('unknown version', 'e.yaml', 'name: my-md\nrecipes:\n- Lib/9.9\n', 3, '9.9'),
    ('recipe that is not there', 'e.yaml', 'name: my-md\nrecipes: [../../etc/passwd.eb]\n', 2, 'passwd'),
    ('recipe is an option', 'e.yaml', 'name: my-md\nrecipes: [--rebuild]\n', 2, 'cannot be the name of a recipe'),
    ('recipe with a line end', 'e.yaml', 'name: my-md\nrecipes: ["Lib\\nThing"]\n', 2, 'cannot be the name'),
    ('other release of a Cray module', 'e.yaml', 'name: my-md\nrecipes: [cray-python/1.0]\n', 2, 'release 25.03 has'),
    ('unknown release', 'e.yaml', GOOD + 'release: "31.13"\n', 3, 'known are'),
    ('release that is not loaded', 'e.yaml', GOOD + 'release: "25.09"\n', 3, '25.03 is loaded'),
    ('unknown partition', 'e.yaml', GOOD + 'partitions: [C, Q]\n', 3, '"Q" is not known'),
    ('partition that is not loaded', 'e.yaml', GOOD + 'partitions: [G]\n', 3, 'C is loaded'),
    ('partition twice', 'e.yaml', GOOD + 'partitions: [C, C]\n', 3, 'duplicate entry'),
    ('search path as a variable', 'e.yaml', GOOD + 'variables:\n  LD_LIBRARY_PATH: /tmp\n', 4, 'belongs to modules'),
    ('LD_PRELOAD', 'e.yaml', GOOD + 'variables: {LD_PRELOAD: /tmp/x.so}\n', 3, 'belongs to modules'),
    ('variable that is no name', 'e.yaml', GOOD + 'variables: {"A B": "1"}\n', 3, 'A B'),
    ('variable that is yes', 'e.yaml', GOOD + 'variables: {A: yes}\n', 3, 'write it in quotes'),
    ('variable with a line end', 'e.yaml', GOOD + 'variables: {A: "x\\ny"}\n', 3, 'control character'),
    ('requirement with one =', 'e.yaml', GOOD + 'python: [idna=3.10]\n', 3, 'did you mean "=="?'),
    ('requirement that is an option', 'e.yaml', GOOD + 'python:\n- idna\n- --pre\n', 5, 'no requirement'),
    ('requirement from a repository', 'e.yaml', GOOD + 'python: ["git+https://example.org/x"]\n', 3, 'no requirement'),
    ('requirement that is a folder', 'e.yaml', GOOD + 'python: [../x]\n', 3, 'no requirement'),
    ('requirements that are not there', 'e.yaml', GOOD + 'python: r.txt\n', 3, 'cannot be read'),
    ('overrides that are not there', 'e.yaml', GOOD + 'overrides: [nowhere]\n', 3, 'is no folder'),
    ('packed without Python packages', 'e.yaml', GOOD + 'packed: true\n', 3, 'there are no Python packages'),
    ('packed as a word', 'e.yaml', GOOD + 'packed: maybe\n', 3, 'is no boolean'),
    ('step with a hostile name', 'e.yaml', GOOD + 'steps:\n  ../x: {recipes: [Lib]}\n', 4, '../x'),
    ('command with a path', 'e.yaml', GOOD + 'steps:\n  a:\n    recipes: [Lib]\n    commands: [../../bin/sh]\n', 6,
     'commands'),
    ('refused recipe that leads back to itself', 'e.yaml', 'name: my-md\nrecipes: [Circle]\n', 2, 'Circle'),
]


@pytest.mark.parametrize('name, text, line, says', [item[1:] for item in BAD], ids=[item[0] for item in BAD])
def test_each_mistake_is_one_line_and_nothing_is_left(lumi, capsys, name, text, line, says):  # noqa: F811
    put_recipe(lumi / 'easybuild/easybuild/easyconfigs', 'Circle', more="dependencies = [('Circle', '1.0')]\n")
    (lumi / name).write_text(text)
    before = sorted(lumi.rglob('*'))
    code = main(['env', 'create', name, '--yes'])
    out, err = capsys.readouterr()
    told = [row for row in (out + err).splitlines() if says in row]
    if name == 'e.yaml' and 'Circle' in text:
        # a mistake of a recipe, not of the file: the plan says it
        assert code == 1 and told and 'nothing can be installed' in out
    else:
        assert code == 2 and err.count('\n') == 1, err
        assert told and told[0].startswith(f'lumi-eb: {name}'), err
        assert f'{name}:{line}: ' in told[0] or 'Deep' in says or f'{name}: ' in told[0] and 'nested' in says, err
    assert 'Traceback' not in err
    assert sorted(lumi.rglob('*')) == before and called(lumi) == []


def test_several_mistakes_are_told_together(tmp_path):
    (tmp_path / 'e.yaml').write_text('name: my-md\nrecipies: [Lib]\nrelease: "1"\nvariables: {PATH: x}\n')
    with pytest.raises(DataError) as caught:
        read_spec(str(tmp_path / 'e.yaml'))
    assert [row.split(':')[1] for row in str(caught.value).splitlines()] == ['2', '3', '4']


def test_the_same_in_three_formats(tmp_path):
    (tmp_path / 'e.yaml').write_text('name: my-md\nrelease: 25.03\npartitions: [C]\nrecipes: [lz4]\n'
                                     'python: ["idna==3.10"]\nvariables: {A: 1}\npacked: no\n')
    (tmp_path / 'e.json').write_text(json.dumps({
        'name': 'my-md', 'release': '25.03', 'partitions': ['C'], 'recipes': ['lz4'], 'python': ['idna==3.10'],
        'variables': {'A': 1}, 'packed': False}))
    (tmp_path / 'e.toml').write_text('name = "my-md"\nrelease = "25.03"\npartitions = ["C"]\nrecipes = ["lz4"]\n'
                                     'python = ["idna==3.10"]\npacked = false\n[variables]\nA = 1\n')
    found = []
    for ending in ('yaml', 'json') + (('toml',) if sys.version_info >= (3, 11) else ()):
        spec = read_spec(str(tmp_path / f'e.{ending}'))
        found.append((spec.name, spec.release, spec.partitions, spec.content, spec.packed))
    assert found[0] == ('my-md', '25.03', ('C',), spec.content, False)
    assert all(item == found[0] for item in found)
    assert spec.content.variables == {'A': '1'} and spec.content.python == ('idna==3.10',)


def test_requirements_of_a_file(tmp_path):
    (tmp_path / 'e.yaml').write_text(GOOD + 'python: r.txt\n')
    (tmp_path / 'r.txt').write_text('# mine\nidna==3.10  # a comment\n\nase>=3\n')
    assert read_spec(str(tmp_path / 'e.yaml')).content.python == ('idna==3.10', 'ase>=3')
    (tmp_path / 'r.txt').write_text('idna\n--index-url http://x\n')
    with pytest.raises(DataError, match=r'r\.txt:2: '):
        read_spec(str(tmp_path / 'e.yaml'))


def test_names_become_a_spec_that_is_good(tmp_path):
    path = tmp_path / 'my-md.yaml'
    path.write_text(write_spec('my-md', ['GROMACS', 'mpi4py-4.1.0-gompi-2025a.eb'], ['ase>=3', 'x[y]'], '25.03', 'C'))
    spec = read_spec(str(path))
    assert spec.content.recipes == ('GROMACS', 'mpi4py-4.1.0-gompi-2025a.eb')
    assert spec.content.python == ('ase>=3', 'x[y]') and spec.release == '25.03'


def test_names_on_the_command_line(lumi, capsys):  # noqa: F811
    assert main(['env', 'create', 'my-md', 'Lib', '--dry-run']) == 0
    assert 'Lib/1.2-cpeGNU-25.03' in capsys.readouterr().out and not os.path.exists('my-md.yaml')
    assert main(['env', 'create', 'my-md', 'Nix', '--dry-run']) == 2
    assert main(['env', 'create', '../x', 'Lib', '--dry-run']) == 2
    with open('my-md.yaml', 'w', encoding='utf-8') as stream:
        stream.write('name: mine\n')
    assert main(['env', 'create', 'my-md', 'Lib', '--yes']) == 2
    assert 'exists with different contents' in capsys.readouterr().err
    assert called(lumi) == []


def test_an_easystack_is_a_list_of_recipes(lumi, capsys):  # noqa: F811
    (lumi / 'stack.yaml').write_text('easyconfigs:\n- Lib-1.2-GCCcore-14.2.0\n- Thing-1.0-foss-2025a.eb:\n')
    (lumi / 'e.yaml').write_text('name: my-md\nrecipes: [stack.yaml]\n')
    assert main(['env', 'create', 'e.yaml', '--dry-run', '--json']) == 0
    lock = json.loads(capsys.readouterr().out)['lock']
    assert lock['targets'] == ['Lib/1.2-cpeGNU-25.03', 'Thing/1.0-cpeGNU-25.03']
    # what is done anyway is taken
    (lumi / 'stack.yaml').write_text('easyconfigs:\n- Lib-1.2-GCCcore-14.2.0:\n    options:\n      robot: True\n'
                                     '      enforce-checksums: true\n')
    assert main(['env', 'create', 'e.yaml', '--dry-run', '--json']) == 0
    assert json.loads(capsys.readouterr().out)['lock']['targets'] == ['Lib/1.2-cpeGNU-25.03']


@pytest.mark.parametrize('options, line, says', [
    ('robot: [/some/where]', 4, 'option robot of Lib-1.2-GCCcore-14.2.0: name folders of recipes in'),
    ('robot: True\n      enforce-checksums: False', 5, 'checksums are enforced'),
    ('include-easyblocks: /some/where/lib.py', 4, 'stack.yaml" first, and leave the option out here'),
    ('from-commit: 0123abcd', 4, 'copy that recipe next to the file, and name the copy'),
    ('robot: True\n      from_pr: 12345', 5, 'option from_pr'),
    ('installpath: /tmp', 4, 'leave the option out here'),
    ('\x1b[31mevil: 1', None, 'stack.yaml'),
])
def test_an_option_that_an_easystack_has_is_told_with_its_line(lumi, capsys, options, line, says):  # noqa: F811
    (lumi / 'stack.yaml').write_text(f'easyconfigs:\n- Lib-1.2-GCCcore-14.2.0:\n    options:\n      {options}\n')
    (lumi / 'e.yaml').write_text('name: my-md\nrecipes: [stack.yaml]\n')
    assert main(['env', 'create', 'e.yaml', '--yes']) == 2
    err = capsys.readouterr().err
    assert err.count('\n') == 1 and says in err and '\x1b' not in err, err
    assert line is None or f'stack.yaml:{line}: ' in err, err
    for text in ('    options: [robot]\n', '    robot: True\n', '  - robot\n'):
        (lumi / 'stack.yaml').write_text(f'easyconfigs:\n- Lib-1.2-GCCcore-14.2.0:\n{text}')
        assert main(['env', 'create', 'e.yaml', '--yes']) == 2
        err = capsys.readouterr().err
        assert re.search(r'stack\.yaml:[23]: an entry of an easystack has "options"', err), err
    assert called(lumi) == []


def test_two_of_one_name_are_told_with_their_chains(lumi, capsys):  # noqa: F811
    upstream = lumi / 'easybuild/easybuild/easyconfigs'
    put_recipe(upstream, 'Lib', '2.0', ('GCCcore', '14.2.0'))
    put_module(lumi / 'prefix/modules/LUMI/25.03/partition/C', 'cpeGNU', '25.03')
    (lumi / 'e.yaml').write_text('name: my-md\nrecipes:\n- Thing\n- Lib/1.2\n')
    code = main(['env', 'create', 'e.yaml', '--dry-run'])
    err = capsys.readouterr().err
    assert code == 2 and err.startswith('lumi-eb: e.yaml:2: two modules of Lib cannot be loaded together')
    assert 'Thing/1.0-cpeGNU-25.03 → Lib/2.0-cpeGNU-25.03 and Lib/1.2-cpeGNU-25.03' in err and 'steps' in err
    (lumi / 'e.yaml').write_text('name: my-md\nrecipes: [Thing]\nsteps:\n  other:\n    recipes: [Lib/1.2]\n')
    assert main(['env', 'create', 'e.yaml', '--dry-run']) == 0
