# SPDX-License-Identifier: GPL-2.0-only
"""Records of real installations, and what is made of them: explain, --reproduce, the module's help, estimates."""
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from .conftest import ROOT, Lumi
from .test_live import plugin_eb, tiny

MODULE = 'tiny/1.0-cpeGNU-25.03'


def record_of(lumi, name='tiny', version='1.0-cpeGNU-25.03'):
    """A record, checked against its schema."""
    import jsonschema
    found = json.loads((lumi.software(name, version) / 'easybuild/lumi/record.json').read_text())
    schema = json.loads((ROOT / 'lumi_hooks/schemas/record.schema.json').read_text())
    jsonschema.Draft202012Validator(schema).validate(found)
    return found


def lumi_eb(lumi, *commands, **env):
    """Run lumi-eb by this Python in the shell that eb runs in, once for each list of arguments; their outputs."""
    lines = [' '.join(shlex.quote(str(word)) for word in (sys.executable, '-m', 'lumi_hooks.cli', *arguments))
             for arguments in commands]
    done = lumi.run('; '.join(f'echo NEXT; PYTHONPATH={shlex.quote(str(ROOT))} {line} 2>&1 || echo FAILED'
                              for line in lines), **env)
    found = done.stdout.split('NEXT\n')[1:]
    assert not any(text.endswith('FAILED\n') for text in found), done.stdout[-3000:]
    return found


def files_of(folder):
    """Files of an installation, without the time in the names of logs."""
    return sorted(re.sub(r'\d{8}\.\d{6}', 'TIME', str(path.relative_to(folder))) for path in folder.rglob('*'))


def with_source(folder, extra=''):
    """A recipe of the tests with a source of its own, a patch and dependencies."""
    folder.mkdir()
    source = folder / 'tiny-1.0'
    source.mkdir()
    (source / 'tiny.c').write_text('int main(void) { return 1; }\n')
    subprocess.run(['tar', 'czf', folder / 'tiny-1.0.tar.gz', '-C', folder, 'tiny-1.0'], check=True)
    (folder / 'tiny-1.0_fix.patch').write_text(
        '--- a/tiny.c\n+++ b/tiny.c\n@@ -1 +1 @@\n-int main(void) { return 1; }\n+int main(void) { return 0; }\n')
    sums = [hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in ('tiny-1.0.tar.gz', 'tiny-1.0_fix.patch')]
    return tiny(folder, extra="sources = ['tiny-1.0.tar.gz']\nprebuildopts = ''\npatches = ['tiny-1.0_fix.patch']\n"
                f'checksums = {sums}\n'
                "dependencies = [('HDF5', '1.14.6'), ('zlib', '1.3.1')]\nbuilddependencies = [('CMake', '3.31.3')]\n"
                + extra)


def test_record_explain_reproduce(fresh, standin, sources, upstream, tmp_path):
    path = with_source(tmp_path / 'mine')
    done = fresh.eb(f'{path} --sourcepath={path.parent}', SECRET_TOKEN='hunter2', CRAY_API_TOKEN='hunter3')
    where = fresh.software('tiny', '1.0-cpeGNU-25.03')
    assert f'lumi-hooks: {MODULE} is in {where}' in done.stdout and f'module load {MODULE}' in done.stdout
    found = record_of(fresh)
    assert found['network'] == {'cut_off': True, 'by': 'seccomp notification', 'reason': None}
    assert found['source'] == {'file': path.name, 'origin': 'user', 'kept': path.name,
                               'sha256': found['source']['sha256']}
    assert {'toolchain', 'cray-provided', 'central-tools'} <= {change['rule'] for change in found['changes']}
    assert [item['file'] for item in found['sources'] + found['patches']] == ['tiny-1.0.tar.gz', 'tiny-1.0_fix.patch']
    needs = {item['module'].split('/')[0]: (item['origin'], item['build_only']) for item in found['dependencies']}
    assert needs == {'cray-hdf5': ('cray', False), 'zlib': ('central', False), 'buildtools': ('central', True)}
    assert {'cpeGNU/25.03', 'zlib/1.3.1-cpeGNU-25.03'} <= set(found['modules'])
    assert found['environment']['CC'] == 'cc' and 'hunter' not in json.dumps(found)
    assert found['size']['bytes'] > 1000 and found['size']['inodes'] == 3
    # for people: the module's help, and a file
    shown = fresh.run(f'module help {MODULE} 2>&1', check=True).stdout
    assert 'What was changed and why: ' + str(where / 'easybuild/lumi/changes.md') in shown
    assert 'rule `cray-provided`' in (where / 'easybuild/lumi/changes.md').read_text()
    # EasyBuild's group rights hold for what was written before its permissions step
    assert all(os.lstat(item).st_mode & 0o070 >= 0o060 for item in (where / 'easybuild/lumi').rglob('*'))
    named = (MODULE, 'tiny', where, path.name, path)
    for text in lumi_eb(fresh, *(('explain', '--json', what) for what in named)):
        explained, = json.loads(text)['installations']
        assert explained['record'] == found and explained['today']['status'] == 'same', explained['today']
    again = tmp_path / 'again'
    shown, log, _ = lumi_eb(fresh, ('explain', 'tiny'), ('explain', '--log', 'tiny'),
                            ('explain', '--reproduce', again, 'tiny'))
    assert 'what would differ today' in shown and 'This is EasyBuild' in log
    # a rule of today that acts otherwise is told; what it took is what the plan expects of it
    text, plan = lumi_eb(fresh, ('explain', '--json', 'tiny'), ('plan', '--json', path), MODULEPATH='',
                         LUMI_HOOKS_DISABLE='cray-provided')
    today = json.loads(text)['installations'][0]['today']
    assert today['status'] == 'differs' and any("('HDF5', '1.14.6')" in line for line in today['differences'])
    plan = json.loads(plan)
    node, = (node for node in plan['nodes'] if node['module'] == MODULE)
    assert node['estimate'] == {'seconds': found['times']['seconds'], 'bytes': found['size']['bytes'],
                                'inodes': found['size']['inodes'], 'basis': MODULE}
    # repeated in another prefix, from what --reproduce writes
    shutil.copy(path.parent / 'tiny-1.0.tar.gz', again)
    shutil.rmtree(path.parent)
    (tmp_path / 'home2').mkdir()
    other = Lumi(standin, sources, upstream, tmp_path / 'OtherPlace', tmp_path / 'home2')
    other.run(f'EASYBUILD_HOOKS={other.hooks} {again}/reproduce.sh --sourcepath={again}', check=True)
    repeated = json.loads(json.dumps(record_of(other)).replace(str(other.prefix), str(fresh.prefix))
                          .replace(str(other.home), str(fresh.home)))
    del found['times'], repeated['times']
    assert repeated == found
    assert files_of(other.software('tiny', '1.0-cpeGNU-25.03')) == files_of(where)


@pytest.mark.long
def test_software_of_the_quickstart_is_explained_and_repeated(fresh, tmp_path):
    """Every installation of a real build with dependencies; one of them built again in its place."""
    fresh.eb('lz4-1.10.0-GCCcore-14.2.0.eb netCDF-C++4-4.3.1-gompi-2025a.eb -r')
    folders = sorted(path.parents[2] for path in fresh.prefix.rglob('record.json'))
    assert {'lz4', 'netCDF-C++4'} <= {folder.parent.name for folder in folders}
    for text in lumi_eb(fresh, *(('explain', '--json', folder) for folder in folders)):
        explained, = json.loads(text)['installations']
        assert explained['today']['status'] == 'same', explained['today']
        assert explained['record']['source']['origin'] == 'upstream' and explained['record']['changes']
    lz4, = (folder for folder in folders if folder.parent.name == 'lz4')
    before, files = record_of(fresh, 'lz4', lz4.name), files_of(lz4)
    lumi_eb(fresh, ('explain', '--reproduce', tmp_path / 'again', lz4))
    fresh.run(f'EASYBUILD_HOOKS={fresh.hooks} {tmp_path}/again/reproduce.sh --rebuild', check=True)
    after = record_of(fresh, 'lz4', lz4.name)
    assert after['times'] != before['times'] and files_of(lz4) == files
    for found in (before, after):  # somebody may commit meanwhile
        found['library'] = found['library']['version']
    assert {key for key in before if before[key] != after[key]} == {'times'}


@pytest.mark.long
@pytest.mark.parametrize('release,easybuild', [('25.03', '5.1.2'), ('25.09', '5.2.0')])
def test_the_easybuild_versions_that_lumi_loads(standin, sources, upstream, tmp_path, release, easybuild):
    (tmp_path / 'home').mkdir()
    lumi = Lumi(standin, sources, upstream, tmp_path / 'EasyBuild', tmp_path / 'home', easybuild, release)
    version = f'1.0-cpeGNU-{release}'
    lumi.eb(str(tiny(tmp_path)))
    found = record_of(lumi, version=version)
    assert found['easybuild']['version'] == easybuild and found['changes']
    module = next((lumi.prefix / 'modules').rglob('1.0-*.lua'))
    before = module.read_text()
    # it fails after the new files were written: the earlier one is back, as it was
    files = files_of(lumi.software('tiny', version))
    fails = tiny(tmp_path, extra="sanity_check_commands = ['false']\n")
    done = lumi.eb(f'{fails} --rebuild', check=False)
    assert done.returncode != 0 and 'is back as it was' in done.stdout, done.stdout[-3000:]
    assert module.read_text() == before and files_of(lumi.software('tiny', version)) == files
    assert record_of(lumi, version=version) == found
    # only the module: the record stays, and says so; the recipe that the files were made of stays, too
    recipe = lumi.software('tiny', version) / 'easybuild' / found['recipe']['file']
    made_of = recipe.read_text()
    other = tiny(tmp_path, extra="sanity_check_commands = ['true']\n")
    lumi.eb(f'{other} --rebuild --module-only')
    assert recipe.read_text() == made_of
    noted = record_of(lumi, version=version)
    assert [item['easybuild'] for item in noted.pop('module_only')] == [easybuild] and not found.pop('module_only')
    assert noted == found and module.read_text() == before


def test_the_plugin_writes_it_too(fresh, tmp_path):
    done = plugin_eb(fresh, str(tiny(tmp_path)))
    assert done.returncode == 0, done.stdout[-3000:]
    assert record_of(fresh)['changes'][0]['rule'] == 'toolchain'
    assert 'lumi-eb explain' in next((fresh.prefix / 'modules').rglob('1.0-*.lua')).read_text()


@pytest.mark.long
def test_a_bundle_has_one_record(fresh, tmp_path):
    recipe = tmp_path / 'pair-1.0-GCCcore-14.2.0.eb'
    components = ', '.join(f"('{name}', '1.0', {{'sources': ['{name}-1.0.tar.gz'], 'start_dir': '{name}-1.0'}})"
                           for name in ('one', 'two'))
    recipe.write_text(f"""easyblock = 'Bundle'
name = 'pair'
version = '1.0'
homepage = 'https://example.org'
description = 'two in one'
toolchain = {{'name': 'GCCcore', 'version': '14.2.0'}}
default_easyblock = 'MakeCp'
default_component_specs = {{'files_to_copy': [(['x-%(name)s'], 'bin')]}}
components = [{components}]
sanity_check_paths = {{'files': ['bin/x-one', 'bin/x-two'], 'dirs': []}}
moduleclass = 'tools'
""")
    for name in ('one', 'two'):
        folder = tmp_path / f'{name}-1.0'
        folder.mkdir()
        (folder / 'Makefile').write_text(f'all:\n\techo > x-{name}\n')
        subprocess.run(['tar', 'czf', tmp_path / f'{name}-1.0.tar.gz', '-C', tmp_path, folder.name], check=True)
    fresh.eb(f'{recipe} --sourcepath={tmp_path}', LUMI_HOOKS_ALLOW='pair')
    found = record_of(fresh, 'pair')
    assert [item['file'] for item in found['sources']] == ['one-1.0.tar.gz', 'two-1.0.tar.gz']
    assert len(list(fresh.prefix.rglob('record.json'))) == 1


@pytest.mark.long
def test_what_a_job_installs_from_the_store_is_explained(fresh, tmp_path):
    """--job runs `eb <file of the store>` in another process, which adapted nothing."""
    fresh.eb(f'{tiny(tmp_path)} --dry-run')
    spec, = fresh.stored('tiny-1.0-cpeGNU-25.03.eb')
    (tmp_path / 'tiny-1.0-GCCcore-14.2.0.eb').unlink()
    fresh.eb(str(spec))
    found = record_of(fresh)
    assert [change['rule'] for change in found['changes']] == ['toolchain']
    assert found['source']['file'] == found['source']['kept'] == 'tiny-1.0-GCCcore-14.2.0.eb'


def test_an_archived_recipe_does_not_win(fresh, standin, tmp_path):
    """LUMI's release notes tell people to delete such folders before they install again."""
    theirs = next((standin / 'appl/lumi/LUMI-EasyBuild-contrib').rglob('UnZip-6.0-cpeGNU-25.03.eb'))
    folder = fresh.prefix / 'ebfiles_repo/LUMI-25.03/LUMI-C/UnZip'
    folder.mkdir(parents=True)
    archived = folder / theirs.name
    archived.write_text(f'# Built with EasyBuild version 5.1.2 on 2025-01-01\n{theirs.read_text()}\n'
                        "moduleclass = 'lib'\n\n# Build statistics\nbuildstats = []\n")
    done = fresh.eb(f'{theirs.name} --dry-run')
    assert f'{archived} is what was installed once, and differs from {theirs}, which is used' in done.stdout
    assert "-moduleclass = 'lib'" in done.stdout and f'{theirs.name} (module: UnZip/6.0-cpeGNU-25.03)' in done.stdout
    assert 'which is used' not in fresh.eb(f'{archived} --dry-run').stdout
    # a copy that was derived once, of a recipe that upstream has changed since
    shelf = tmp_path / 'upstream'
    (shelf / 't/tiny').mkdir(parents=True)
    tiny(shelf / 't/tiny')
    fresh.eb('tiny-1.0-GCCcore-14.2.0.eb', LUMI_HOOKS_UPSTREAM=shelf)
    tiny(shelf / 't/tiny', extra="buildopts += ' CFLAGS=-O1'\n")
    shutil.rmtree(fresh.prefix / '.lumi-hooks')
    done = fresh.eb('tiny-1.0-cpeGNU-25.03.eb --rebuild', LUMI_HOOKS_UPSTREAM=shelf)
    assert 'is what was installed once, and differs from' in done.stdout and '+buildopts' in done.stdout
    installed = fresh.software('tiny', '1.0-cpeGNU-25.03') / 'easybuild/tiny-1.0-cpeGNU-25.03.eb'
    assert 'CFLAGS=-O1' in installed.read_text()
