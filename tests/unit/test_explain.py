# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb explain, --reproduce and sbom on records that were put there; archived recipes."""
import hashlib
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from test_record import RECORD, a_record, put
from writing import put_recipe, recipe_text

from lumi_hooks import record
from lumi_hooks.adapt import adapt
from lumi_hooks.cli import explain, main
from lumi_hooks.errors import LumiHooksError
from lumi_hooks.index import Index
from lumi_hooks.prefix.overrides import overrides_of
from lumi_hooks.recipe import parse_recipe, read_recipe
from lumi_hooks.record import archive, reproduce, since
from lumi_hooks.record import text as record_text
from lumi_hooks.record.explanation import DIFFERS, IS_REFUSED, SAME, UNKNOWN, InstalledPackage, find, today
from lumi_hooks.record.source import find_source
from lumi_hooks.site import make_site
from lumi_hooks.store import Store


def installed(tmp_path, more='', keep=True, **facts):
    """An installation as eb leaves it, of a recipe that is adapted here."""
    source = put_recipe(tmp_path / 'mine', more=more, flat=True)
    site = make_site(prefix=str(tmp_path / 'p'), env={})
    adaptation = adapt(read_recipe(source), site)
    text = Store(str(tmp_path / 'prefix')).put(adaptation)[1]
    found = a_record(
        recipe={'file': adaptation.filename, 'sha256': hashlib.sha256(text.encode()).hexdigest(), 'status': 'adapted'},
        source={'file': os.path.basename(source), 'sha256': adaptation.recipe.sha256, 'origin': 'user',
                'kept': os.path.basename(source) if keep else None}, **facts)
    folder = put(tmp_path / 'p', found)
    for name, content in ((f'easybuild/{adaptation.filename}', text),
                          (f'easybuild/lumi/{os.path.basename(source)}', adaptation.recipe.text if keep else '')):
        if content:
            with open(os.path.join(folder, name), 'w', encoding='utf-8') as handle:
                handle.write(content)
    with open(os.path.join(folder, 'easybuild/easybuild-Thing-1.0-20261124.060000.log'), 'w', encoding='utf-8') as log:
        log.write('the log\n')
    return folder, site


def test_an_installation_is_found_by_folder_module_name_and_recipe(tmp_path):
    folder, site = installed(tmp_path)
    prefixes = [str(tmp_path / 'p')]
    for what in (folder, 'Thing', 'Thing/1.0-cpeGNU-25.03', 'Thing-1.0-foss-2025a.eb', 'Thing-1.0-cpeGNU-25.03.eb',
                 str(tmp_path / 'mine' / 'Thing-1.0-foss-2025a.eb')):
        found, = find(what, site, prefixes)
        assert found.folder == folder and found.module == 'Thing/1.0-cpeGNU-25.03', what
        assert found.log.endswith('.log') and found.source.endswith('lumi/Thing-1.0-foss-2025a.eb')
    for what in ('Other', 'Thing/2.0', '../Thing', '.', 'a/../b'):
        with pytest.raises(Exception, match='is not installed in|not an installation'):
            find(what, site, prefixes)
    with pytest.raises(Exception, match='no such folder'):
        find(str(prefixes[0]) + '/nowhere', site, prefixes)


def test_an_installation_that_a_loaded_module_names(tmp_path):
    folder, _ = installed(tmp_path)
    module = tmp_path / 'modules' / 'Thing' / '1.0-cpeGNU-25.03.lua'
    module.parent.mkdir(parents=True)
    module.write_text(f'help([==[x]==])\nlocal root = "{folder}"\nos.execute("touch {tmp_path}/ran")\n')
    site = make_site(index=Index([str(tmp_path / 'modules')]), env={})
    assert find('Thing', site, [])[0].folder == folder
    assert not (tmp_path / 'ran').exists()


def test_what_would_differ_today(tmp_path):
    folder, site = installed(tmp_path, "dependencies = [('HDF5', '1.14.6')]\n")
    found = InstalledPackage.read(folder)
    assert today(found, site).status == SAME
    other = make_site(prefix=str(tmp_path / 'p'), env={'LUMI_HOOKS_DISABLE': 'cray-provided'})
    differs = today(found, other)
    assert differs.status == DIFFERS and "+    ('HDF5', '1.14.6')," in differs.differences


def test_todays_overrides_count_for_another_partition_too(tmp_path):
    folder, _ = installed(tmp_path)
    overrides = tmp_path / 'p' / 'overrides'
    overrides.mkdir()
    (overrides / 'Thing.json').write_text(json.dumps({'name': 'Thing', 'overrides': [
        {'reason': 'r', 'parameters': {'configopts': '--ours'}}]}))
    there = make_site(partition='G', prefix=str(tmp_path / 'p'), env={})
    there = replace(there, overrides=overrides_of(there.prefixes, {}))
    assert "+configopts = '--ours'" in today(InstalledPackage.read(folder), there).differences


def test_what_of_a_prefix_is_stale(tmp_path, capsys, monkeypatch):
    installed(tmp_path, "dependencies = [('HDF5', '1.14.6')]\n")
    monkeypatch.setenv('EBU_USER_PREFIX', str(tmp_path / 'p'))
    assert main(['explain']) == 0
    assert capsys.readouterr().out == f'1 installation in {tmp_path}/p: 1 same\n'
    monkeypatch.setenv('LUMI_HOOKS_DISABLE', 'cray-provided')
    assert main(['explain']) == 0
    out = capsys.readouterr().out
    assert out.startswith('differs  Thing/1.0-cpeGNU-25.03') and '1 differs' in out and '--rebuild' in out
    put(tmp_path / 'p', 'no record', 'Broken')
    assert main(['explain', '--json']) == 1
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [(item['module'], item['today']['status']) for item in found['installations']] == \
        [('Thing/1.0-cpeGNU-25.03', DIFFERS)] and 'left out' in err and 'Broken' in err
    assert [os.path.basename(item['installation']) for item in found['errors']] == ['1.0-cpeGNU-25.03']
    assert '/Broken/' in found['errors'][0]['installation']
    assert main(['explain', '--log']) == 2 and 'name an installation' in capsys.readouterr().err
    monkeypatch.setenv('EBU_USER_PREFIX', str(tmp_path / 'nowhere'))
    assert main(['explain']) == 2 and 'no installation with a record' in capsys.readouterr().err


def test_what_is_refused_today_or_not_known(tmp_path):
    folder, site = installed(tmp_path / 'a', keep=False)
    assert today(InstalledPackage.read(folder), site).status == UNKNOWN
    folder, site = installed(tmp_path / 'b')
    source = os.path.join(folder, 'easybuild/lumi/Thing-1.0-foss-2025a.eb')
    with open(source, 'w', encoding='utf-8') as handle:
        handle.write(recipe_text(more="dependencies = [('CUDA', '12.8.0', '', SYSTEM)]\n"))
    assert today(InstalledPackage.read(folder), site).status in (IS_REFUSED, DIFFERS)
    folder, site = installed(tmp_path / 'c', site={**RECORD['site'], 'release': '19.12'})
    assert today(InstalledPackage.read(folder), site).status == UNKNOWN


def test_the_command(tmp_path, capsys, monkeypatch):
    folder, _ = installed(tmp_path)
    monkeypatch.setenv('EBU_USER_PREFIX', str(tmp_path / 'p'))
    assert main(['explain', 'Thing']) == 0
    out = capsys.readouterr().out
    for text in ('with 1 change', 'toolchain: foss/2025a → cpeGNU/25.03', 'why (rule toolchain)', 'cray-hdf5/1.14',
                 'what would differ today', 'the same recipe would be installed today', folder):
        assert text in out
    assert main(['explain', '--json', 'Thing']) == 0
    assert json.loads(capsys.readouterr().out)['installations'][0]['record']['module'] == 'Thing/1.0-cpeGNU-25.03'
    assert main(['explain', '--log', 'Thing']) == 0 and capsys.readouterr().out == 'the log\n'
    assert main(['explain', 'Nothing']) == 2 and 'is not installed in' in capsys.readouterr().err
    os.unlink(os.path.join(folder, 'easybuild/lumi/record.json'))
    assert main(['explain', folder]) == 1 and 'has no record' in capsys.readouterr().out
    assert main(['explain', '--reproduce', str(tmp_path / 'r'), folder]) == 2
    assert 'it is not known how to repeat it' in capsys.readouterr().err


def test_an_override_is_told_once(tmp_path, capsys):
    change = {**RECORD['changes'][0], 'rule': 'override', 'reason': 'our fix'}
    folder, _ = installed(tmp_path, changes=[*RECORD['changes'], change], overrides=[change])
    assert main(['explain', folder]) == 0
    out = capsys.readouterr().out
    assert out.count('our fix') == 1 and '"rule"' not in out
    told = [('override', 'this', 'our fix', None)]
    found = record_text.changes_markdown(a_record(changes=[change], overrides=[change]), told)
    assert found.count('our fix') == 1 and '{' not in found


def test_a_compressed_log_is_shown(tmp_path, capsys):
    import gzip
    folder, _ = installed(tmp_path)
    path = os.path.join(folder, 'easybuild/easybuild-Thing-1.0-20261124.060000.log')
    os.unlink(path)
    with gzip.open(path + '.gz', 'wt') as handle:
        handle.write('it was compressed\n')
    assert main(['explain', '--log', folder]) == 0 and capsys.readouterr().out == 'it was compressed\n'


def test_what_repeats_it(tmp_path, capsys):
    folder, _ = installed(tmp_path)
    target = tmp_path / 'again'
    assert main(['explain', '--reproduce', str(target), folder]) == 0
    assert sorted(os.path.relpath(os.path.join(where, name), target) for where, _, names in os.walk(target)
                  for name in names) == ['Thing-1.0-cpeGNU-25.03.eb', 'reproduce.sh', 'source/Thing-1.0-foss-2025a.eb']
    script = (target / 'reproduce.sh').read_text()
    assert 'LUMI_HOOKS_TOOLCHAIN=cpeGNU' in script and 'EASYBUILD_OPTARCH=x86-milan' in script
    assert 'into the prefix of EBU_USER_PREFIX' in script
    assert subprocess.run(['bash', '-n', str(target / 'reproduce.sh')], check=False).returncode == 0
    # again is nothing new, another text is not overwritten
    assert main(['explain', '--reproduce', str(target), folder]) == 0
    (target / 'Thing-1.0-cpeGNU-25.03.eb').write_text('mine')
    assert main(['explain', '--reproduce', str(target), folder]) == 2
    assert 'exists with different contents' in capsys.readouterr().err


def test_what_was_changed_since_is_not_repeated(tmp_path, capsys):
    folder, _ = installed(tmp_path)
    with open(os.path.join(folder, 'easybuild/Thing-1.0-cpeGNU-25.03.eb'), 'a', encoding='utf-8') as handle:
        handle.write('# more\n')
    assert main(['explain', '--reproduce', str(tmp_path / 'again'), folder]) == 2
    assert 'it was changed since' in capsys.readouterr().err and not (tmp_path / 'again').exists()


@pytest.mark.parametrize('where', ['module', 'commit', 'easybuild', 'release', 'file', 'stack', 'optarch', 'disabled'])
def test_a_record_is_data_in_the_script_too(tmp_path, where):
    """Whatever a record says, the script that is made of it runs none of it."""
    evil = f'x\ntouch {tmp_path}/ran; $(touch {tmp_path}/ran) `touch {tmp_path}/ran` \'; touch {tmp_path}/ran; "'
    found = a_record()
    place = {'module': found, 'commit': found['library'], 'release': found['site'], 'file': found['recipe'],
             'stack': found['site'], 'optarch': found['easybuild']['settings']}.get(where)
    if place is not None:
        place[where] = evil
    elif where == 'easybuild':
        found['easybuild']['version'] = evil
    else:
        found['site']['disabled'] = [evil]
    path = tmp_path / 'reproduce.sh'
    if where == 'stack':
        with pytest.raises(LumiHooksError, match='cannot be the name of a module'):
            reproduce.script(found)
        return
    path.write_text(reproduce.script(found))
    stubs = 'module() { :; }; eb() { :; }; exec() { "$@"; }; '
    subprocess.run(['bash', '-c', stubs + f'. {path}'], env={'EASYBUILD_HOOKS': 'x', 'PATH': '/usr/bin:/bin'},
                   check=False, capture_output=True)
    assert not (tmp_path / 'ran').exists()


@pytest.mark.security
@pytest.mark.parametrize('name', ['../../evil/Thing-1.0-cpeGNU-25.03.eb', '/tmp/Thing-1.0-cpeGNU-25.03.eb'])
def test_S8_a_script_runs_the_copy_that_was_checked_and_no_other(tmp_path, capsys, name):
    folder, _ = installed(tmp_path)
    found = record.read_record(folder)
    found['recipe']['file'] = name
    with open(os.path.join(folder, record.FILE), 'w', encoding='utf-8') as handle:
        json.dump(found, handle)
    assert main(['explain', '--reproduce', str(tmp_path / 'again'), folder]) == 2
    assert 'damaged: recipe' in capsys.readouterr().err and not (tmp_path / 'again').exists()


@pytest.mark.security
@pytest.mark.parametrize('stack', ['/tmp/evil', '../evil', '-f', 'LUMI/25.03 evil', 'LUMI/../../evil'])
def test_S8_a_script_loads_no_module_by_its_path(stack):
    with pytest.raises(LumiHooksError, match='cannot be the name of a module'):
        reproduce.script(a_record(site={**a_record()['site'], 'stack': stack}))


@pytest.mark.security
@pytest.mark.parametrize('name', ['reproduce.sh', 'Thing-1.0-cpeGNU-25.03.eb'])
def test_S8_a_patch_takes_no_other_files_place(tmp_path, capsys, name):
    folder, _ = installed(tmp_path)
    found = record.read_record(folder)
    found['patches'] = [{'file': name, 'sha256': None}]
    with open(os.path.join(folder, record.FILE), 'w', encoding='utf-8') as handle:
        json.dump(found, handle)
    Path(folder, 'easybuild', name).touch()
    assert main(['explain', '--reproduce', str(tmp_path / 'again'), folder]) == 2
    assert f'names {name} twice' in capsys.readouterr().err and not (tmp_path / 'again').exists()


def test_the_source_is_found_by_its_checksum(tmp_path):
    path = put_recipe(tmp_path / 'up')
    site = make_site(index=Index((), (), [str(tmp_path / 'up')]), env={})
    noted = {'source': os.path.basename(path), 'sha256': read_recipe(path).sha256}
    assert find_source(noted, 'Thing', None, site).origin == 'upstream'
    assert find_source({**noted, 'sha256': 'b' * 64}, 'Thing', None, site) is None
    beside = tmp_path / 'beside' / 'adapted.eb'
    (beside.parent / 'source').mkdir(parents=True)
    (beside.parent / 'source' / noted['source']).write_text(read_recipe(path).text)
    assert find_source(noted, 'Thing', str(beside), make_site(env={})).origin == 'user'
    for bad in ({}, {'source': 1, 'sha256': 2}, {'source': '../x', 'sha256': noted['sha256']}):
        assert find_source(bad, 'Thing', str(beside), site) is None


def test_an_archived_recipe_is_passed_over(tmp_path):
    cpe = ('cpeGNU', '25.03')
    old = put_recipe(tmp_path / 'ebfiles_repo', toolchain=cpe, more="configopts = '--old'\n")
    new = put_recipe(tmp_path / 'lumi', toolchain=cpe, more="configopts = '--new'\n")
    index = Index((), [str(tmp_path / 'ebfiles_repo'), str(tmp_path / 'lumi')])
    site = make_site(index=index, env={})
    assert index.recipe('Thing', os.path.basename(old)) == new
    found = archive.newer(read_recipe(old), site)
    assert found.path == new and archive.newer(read_recipe(new), site) is None
    assert archive.differences(read_recipe(old), found.text) == ["-configopts = '--old'", "+configopts = '--new'"]
    # asked for by its path; the only one there is; the same but for what EasyBuild adds
    assert archive.newer(read_recipe(old), site, [old]) is None
    assert archive.newer(read_recipe(old), make_site(index=Index((), [str(tmp_path / 'ebfiles_repo')]), env={})) is None
    copy = parse_recipe('# Built with EasyBuild version 5\n' + found.text + '\n# Build statistics\nbuildstats = [{}]\n')
    assert archive.differences(copy, found.text) == []


def test_a_bill_of_materials(tmp_path, capsys):
    put(tmp_path / 'p', RECORD)
    put(tmp_path / 'p', a_record(module='Other/2-cpeGNU-25.03', name='Other', version='2', dependencies=[
        {'name': 'Thing', 'version': '1.0', 'module': 'Thing/1.0-cpeGNU-25.03', 'origin': 'prefix',
         'build_only': False}]), 'Other', '2-cpeGNU-25.03')
    put(tmp_path / 'p', 'broken', 'Broken', '1')
    assert main(['sbom', str(tmp_path / 'p')]) == 1
    first = capsys.readouterr()
    assert 'left out' in first.err and 'Broken' in first.err
    found = json.loads(first.out)
    assert found['specVersion'] == '1.6' and {item['name'] for item in found['components']} == {'Thing', 'Other',
                                                                                               'cray-hdf5'}
    depends = {item['ref']: item.get('dependsOn', []) for item in found['dependencies']}
    assert depends['25.03/C/Other/2-cpeGNU-25.03'] == ['25.03/C/Thing/1.0-cpeGNU-25.03']
    hashes = [item['hashes'] for item in found['components'] if item['name'] == 'Thing'
              for item in item['externalReferences']]
    assert hashes == [[{'alg': 'SHA-256', 'content': 'a' * 64}]]
    # the same text for the same prefix, and a file
    main(['sbom', str(tmp_path / 'p'), '--output', str(tmp_path / 'x.json')])
    assert (tmp_path / 'x.json').read_text() == first.out
    assert main(['sbom', str(tmp_path)]) == 2


@pytest.mark.parametrize('parameter, value, text', [
    ('builddependencies', ['buildtools', '%(toolchain_version)s', '', {'name': 'system', 'version': 'system'}],
     'buildtools 25.03'),
    ('dependencies', [['cray-hdf5/1.14', 'EXTERNAL_MODULE'], ['zlib', '1.3.1']], 'cray-hdf5/1.14 + zlib 1.3.1'),
    ('dependencies', ['odd'], 'odd '), ('dependencies', [], '[]'), ('dependencies', None, 'nothing'),
    ('dependencies', [7], '[7]'), ('configopts', 'a', 'a'), ('toolchainopts', {'pic': True}, '{"pic": true}')])
def test_a_change_in_a_few_words(parameter, value, text):
    record = {'toolchain': {'name': 'cpeGNU', 'version': '25.03'}}
    assert explain._value({'parameter': parameter, 'after': value}, 'after', record) == text


def test_names_as_users_type_them(tmp_path, monkeypatch, capsys):
    """Whatever the letters, with a dash before the version; a mistyped name says what may be meant."""
    installed(tmp_path)
    monkeypatch.setenv('EBU_USER_PREFIX', str(tmp_path / 'p'))
    for typed in ('thing', 'THING/1.0-cpeGNU-25.03', 'thing-1.0-cpeGNU-25.03'):
        assert main(['explain', '--json', typed]) == 0
        assert json.loads(capsys.readouterr().out)['installations'][0]['module'] == 'Thing/1.0-cpeGNU-25.03'
    assert main(['explain', 'Thnig']) == 2
    assert capsys.readouterr().err == f'lumi-eb: Thnig is not installed in {tmp_path}/p: did you mean Thing?\n'


@pytest.mark.parametrize('change, status, told', [
    (None, SAME, ''), ('recipe', DIFFERS, 'has changed since it was installed'),
    ('override', DIFFERS, 'has changed since it was installed'),
    ('other', DIFFERS, 'it was installed from Thing-1.0-foss'),
    ('refused', IS_REFUSED, 'is refused today'), ('gone', UNKNOWN, '')])
def test_what_has_changed_since(tmp_path, change, status, told):
    """Of what was named: its recipe, an override, another recipe that becomes the same module (O16)."""
    folder, site = installed(tmp_path)
    path = str(tmp_path / 'mine' / 'Thing-1.0-foss-2025a.eb')
    module_file = tmp_path / 'modules' / 'Thing' / '1.0-cpeGNU-25.03.lua'
    module_file.parent.mkdir(parents=True)
    module_file.write_text(f'local root = "{folder}"\n')
    site = replace(site, index=Index([str(tmp_path / 'modules')]))
    if change == 'recipe':
        path = put_recipe(tmp_path / 'mine', more="configopts = '--second'\n", flat=True)
    elif change == 'override':
        (tmp_path / 'p' / 'overrides').mkdir()
        (tmp_path / 'p' / 'overrides' / 'Thing.json').write_text(json.dumps({'name': 'Thing', 'overrides': [
            {'reason': 'tested', 'parameters': {'configopts': '--third'}}]}))
        site = replace(site, overrides=overrides_of(site.prefixes, {}))
    elif change == 'other':
        path = put_recipe(tmp_path / 'mine', toolchain=('foss', '2024a'), more="configopts = '--x'\n", flat=True)
    elif change == 'refused':
        path = put_recipe(tmp_path / 'mine', more="dependencies = [('CUDA', '12')]\n", flat=True)
    elif change == 'gone':
        path = str(tmp_path / 'nowhere.eb')
    found = since.since('Thing/1.0-cpeGNU-25.03', path, site)
    assert (found.status, told in found.reason) == (status, True), found
    named = [path, '-r']
    line = since.change_notice('Thing/1.0-cpeGNU-25.03', path, site, named)
    assert (line is not None) == (status == DIFFERS)
    if line:
        assert 'add --rebuild' in line and '\n' not in line
    # nothing is said of what was not named, or is installed again
    assert since.change_notice('Thing/1.0-cpeGNU-25.03', path, site, ['Other.eb']) is None
    assert since.change_notice('Thing/1.0-cpeGNU-25.03', path, site, [path, '--rebuild']) is None
    assert since.change_notice('Thing/2.0-cpeGNU-25.03', path, site, named) is None
