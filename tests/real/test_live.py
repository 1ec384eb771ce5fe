# SPDX-License-Identifier: GPL-2.0-only
"""What the hooks do in a real `eb`, without a build or with a tiny one."""
import hashlib
import json
import os
import re
import shutil
import subprocess

import pytest

TINY = """easyblock = 'MakeCp'
name = '{name}'
version = '{version}'
homepage = 'https://example.org'
description = "a tiny package"
toolchain = {{'name': '{toolchain}', 'version': '{toolchain_version}'}}
sources = []
prebuildopts = 'echo "int main(void) {{ return 0; }}" > tiny.c && '
buildopts = 'tiny'
files_to_copy = [(['tiny'], 'bin')]
sanity_check_paths = {{'files': ['bin/tiny'], 'dirs': []}}
moduleclass = 'tools'
"""


def tiny(folder, name='tiny', version='1.0', toolchain='GCCcore', toolchain_version='14.2.0', extra=''):
    middle = '' if toolchain == 'system' else f'-{toolchain}-{toolchain_version}'
    path = folder / f'{name}-{version}{middle}.eb'
    path.write_text(TINY.format(name=name, version=version, toolchain=toolchain,
                                toolchain_version=toolchain_version) + extra)
    return path


def test_the_same_package_reached_from_two_generations_is_one_file(fresh):
    fresh.eb('arpack-ng-3.9.1-foss-2024a.eb -r --missing-modules')
    first = {path.name: path.read_bytes() for path in fresh.stored('Eigen-*.eb')}
    shutil.rmtree(fresh.prefix / '.lumi-hooks')
    fresh.eb('arpack-ng-3.9.1-foss-2025a.eb -r --missing-modules')
    second = {path.name: path.read_bytes() for path in fresh.stored('Eigen-*.eb')}
    assert list(first) == ['Eigen-3.4.0-cpeGNU-25.03.eb'] and first == second


def test_patches_beside_a_users_own_recipe_are_found(fresh, tmp_path):
    folder = tmp_path / 'mine'
    folder.mkdir()
    source = tmp_path / 'tiny-1.0'
    source.mkdir()
    (source / 'tiny.c').write_text('int main(void) { return 1; }\n')
    subprocess.run(['tar', 'czf', folder / 'tiny-1.0.tar.gz', '-C', tmp_path, 'tiny-1.0'], check=True)
    path = tiny(folder, extra="""
sources = ['tiny-1.0.tar.gz']
prebuildopts = ''
patches = ['tiny-1.0_fix.patch']
""" f"checksums = ['{hashlib.sha256((folder / 'tiny-1.0.tar.gz').read_bytes()).hexdigest()}']\n")
    # no checksum of the patch is demanded, which is as good as the recipe that it is next to
    (folder / 'tiny-1.0_fix.patch').write_text(
        '--- a/tiny.c\n+++ b/tiny.c\n@@ -1 +1 @@\n-int main(void) { return 1; }\n+int main(void) { return 0; }\n')
    fresh.eb(f'{path} --sourcepath={folder}')
    assert subprocess.run([fresh.software('tiny', '1.0-cpeGNU-25.03') / 'bin/tiny'], check=False).returncode == 0
    assert [item.name for item in fresh.stored('*.patch')] == ['tiny-1.0_fix.patch']


def test_a_recipe_for_the_release_installs_unchanged(fresh, tmp_path):
    path = tiny(tmp_path, toolchain='cpeGNU', toolchain_version='25.03')
    fresh.eb(str(path))
    archived = fresh.archive('tiny-1.0-cpeGNU-25.03.eb')
    assert path.read_text() in archived and 'adapted by lumi-hooks' not in archived
    assert not fresh.stored('tiny-*')


def test_a_recipe_of_lumis_wins_and_that_is_said(fresh):
    done = fresh.eb('zlib-1.3.1-GCCcore-13.3.0.eb --dry-run --rebuild')
    assert 'zlib/1.3.1-cpeGNU-25.03: LUMI or you have a recipe of that name, which is used as it is' in done.stdout
    assert not fresh.stored('zlib-*')
    derived = fresh.eb('zlib-1.3.1-GCCcore-13.3.0.eb --dry-run --rebuild', LUMI_HOOKS_DERIVE='zlib')
    assert 'zlib-1.3.1-GCCcore-13.3.0.eb becomes zlib/1.3.1-cpeGNU-25.03' in derived.stdout
    # the recipe that it is made of is next to it
    assert [path.name for path in fresh.stored('zlib-*-cpeGNU-*')] == ['zlib-1.3.1-cpeGNU-25.03.eb']


def test_chained_hooks_of_lumi_still_run(fresh, tmp_path):
    path = tiny(tmp_path, toolchain='cpeGNU', toolchain_version='24.03')
    done = fresh.eb(str(path), check=False)
    assert done.returncode != 0 and 'Traceback' not in done.stdout
    assert 'it is for cpeGNU/24.03, but the stack that is loaded is release 25.03' in done.stdout
    dry = fresh.eb(f'{path} --dry-run')
    assert 'tiny-1.0-cpeGNU-24.03.eb is refused' in dry.stdout
    stranger = tmp_path / 'hooks.py'
    stranger.write_text("def start_hook():\n    print('STRANGER', flush=True)\n\ndef parse_hook(ec):\n"
                        "    print('PARSED', ec['toolchain']['name'], flush=True)\n")
    done = fresh.eb('lz4-1.10.0-GCCcore-14.2.0.eb --dry-run', LUMI_HOOKS_CHAIN=stranger)
    assert 'STRANGER' in done.stdout and 'PARSED cpeGNU' in done.stdout


def test_refusals_are_told_together_and_nothing_is_built(fresh, tmp_path):
    one = tiny(tmp_path, 'one', extra="toolchainopts = {'pic': True}\n"
               "dependencies = [('CUDA', '12.8.0', '', SYSTEM)]\n")
    two = tiny(tmp_path, 'two', toolchain='nvompi', toolchain_version='2025a')
    done = fresh.eb(f'{one} {two} {tiny(tmp_path, "three")}', check=False)
    assert done.returncode != 0 and 'Traceback' not in done.stdout
    assert 'nothing was built' in done.stdout and 'depends on CUDA' in done.stdout and 'nvompi/2025a' in done.stdout
    assert not (fresh.prefix / 'SW').exists() or not list((fresh.prefix / 'SW').rglob('bin/tiny'))


@pytest.mark.parametrize('env,sentence', [
    ({'LUMI_HOOKS_PARTITION': 'X'}, 'unknown partition "X"; known are C, G, L, D, common'),
    ({'LUMI_HOOKS_RELEASE': '22.08'}, 'unknown release "22.08" of the Cray PE'),
    ({'LUMI_HOOKS_TOOLCHAIN': 'cpeAMD'}, 'partition C has no toolchain cpeAMD'),
    ({'LUMI_STACK_PARTITION': ''}, 'LUMI_STACK_PARTITION is not set'),
    ({'EBU_USER_PREFIX': ''}, 'EBU_USER_PREFIX is empty'),
])
def test_bad_input_gives_one_sentence_before_anything_is_built(fresh, env, sentence):
    done = fresh.eb('lz4-1.10.0-GCCcore-14.2.0.eb', check=False, **env)
    assert done.returncode != 0
    assert sentence in done.stdout and 'Traceback' not in done.stdout, done.stdout[-3000:]
    assert 'building and installing' not in done.stdout


@pytest.mark.parametrize('text,sentence', [
    ('name = (', 'not a readable recipe|Parsing easyconfig file failed|failed to parse'),
    ('', 'is empty'),
])
def test_a_broken_recipe_gives_one_clear_line(fresh, tmp_path, text, sentence):
    path = tmp_path / 'broken-1.0-GCCcore-14.2.0.eb'
    path.write_text(text)
    done = fresh.eb(str(path), check=False)
    assert done.returncode != 0 and 'Traceback' not in done.stdout
    assert re.search(sentence, done.stdout, re.I), done.stdout[-2000:]


def test_partition_l_of_a_login_node_asks(fresh):
    done = fresh.run(f'module load partition/L EasyBuild-user EasyBuild/5.4.1; unset LUMI_OVERWRITE_PARTITION; '
                     f'eb --hooks={fresh.hooks} lz4-1.10.0-GCCcore-14.2.0.eb')
    assert done.returncode != 0 and 'module load partition/C' in done.stdout and 'partition/G' in done.stdout
    assert 'building and installing' not in done.stdout
    found = fresh.run(f'module load partition/L EasyBuild-user EasyBuild/5.4.1; '
                      f'eb --hooks={fresh.hooks} --search lz4-1.10.0-GCCcore')
    assert found.returncode == 0 and 'lz4-1.10.0-GCCcore-14.2.0.eb' in found.stdout


def test_without_lumis_variables_the_hooks_do_nothing(fresh):
    done = fresh.run('module load EasyBuild/5.4.1 && for v in ${!LUMI_@}; do case $v in LUMI_HOOKS_*) ;; *) unset $v;; '
                     'esac; done; unset LUMI_HOOKS_PARTITION ${!EASYBUILD_@}; '
                     f'eb --hooks={fresh.hooks} --allow-use-as-root-and-accept-consequences '
                     '--robot-paths=$LUMI_HOOKS_UPSTREAM --prefix=$HOME/p lz4-1.10.0-GCCcore-14.2.0.eb -D', load=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert 'lz4/1.10.0-GCCcore-14.2.0' in done.stdout and 'lumi-hooks:' not in done.stdout


def test_an_unwritable_prefix_is_told_before_the_build(standin, sources, upstream, tmp_path):
    """For root, mode bits stop nothing: a read-only bind does. Anybody else gets a folder without write permission."""
    from .conftest import Lumi
    locked = tmp_path / 'locked'
    for folder in (tmp_path / 'home', locked):
        folder.mkdir()
    lumi = Lumi(standin, sources, upstream, locked / 'EasyBuild', tmp_path / 'home')
    attempt = f'touch {locked}/x 2>/dev/null && echo WRITABLE; eb --hooks={lumi.hooks} lz4-1.10.0-GCCcore-14.2.0.eb -r'
    if os.geteuid() == 0:
        bind = f'mount --bind {locked} {locked} && mount -o remount,ro,bind {locked}'
        done = lumi.run(f'chmod -R a-w {locked}; exec unshare -m bash --norc -c "{bind} && {{ {attempt}; }}"')
    else:
        done = lumi.run(f'chmod -R a-w {locked}; {attempt}')
    assert 'WRITABLE' not in done.stdout, 'the folder is writable after all'
    assert done.returncode != 0
    assert 'cannot be written' in done.stdout and 'EBU_USER_PREFIX' in done.stdout, done.stdout[-3000:]
    assert 'building and installing' not in done.stdout


@pytest.mark.parametrize('release,version', [('25.03', '5.1.2'), ('25.09', '5.2.0')])
def test_the_easybuild_versions_that_lumi_loads(standin, sources, upstream, tmp_path, release, version):
    from lumi_hooks.releases import load_release

    from .conftest import Lumi
    (tmp_path / 'home').mkdir()
    lumi = Lumi(standin, sources, upstream, tmp_path / 'EasyBuild', tmp_path / 'home', version, release)
    facts = load_release(release)
    path = tiny(tmp_path, toolchain='gompi', toolchain_version='2025a',
                extra="dependencies = [('HDF5', '1.14.6'), ('Python', '3.13.1')]\n")
    trace = lumi.traced(str(path) + ' -r')
    seen = [item for item in trace if item['event'] == 'command' and item['step'] and '/lmod' not in item['command']]
    assert any('tiny.c' in item['command'] for item in seen)
    for item in seen:
        names = set(item['loaded'])
        assert {facts.module('cray-hdf5-parallel'), facts.module('cray-python'), f'cpeGNU/{release}'} <= names
        assert not [name for name in names if name.startswith('cray-libsci')]
        assert item['env']['EBVERSIONHDF5'] == '1.14.3' and 'hdf5-parallel' in item['env']['EBROOTHDF5']
    assert 'EasyBuild version ' + version in lumi.archive(f'tiny-1.0-cpeGNU-{release}.eb')
    record = json.loads((lumi.software('tiny', f'1.0-cpeGNU-{release}') / 'easybuild/lumi/record.json').read_text())
    assert record['easybuild']['version'] == version and record['changes'][0]['rule'] == 'toolchain'
    # each entry of an easystack reads LUMI's toolchain classes again, and here no entry point goes before them
    stack = tmp_path / 'stack.yaml'
    stack.write_text(f'easyconfigs:\n  - {path}:\n      options: {{rebuild: True}}\n')
    assert '[SUCCESS] tiny' in lumi.eb(f'--easystack {stack} -r').stdout


def test_the_module_makes_plain_eb_adapt(fresh):
    done = fresh.run(f'module use {fresh.hooks.parents[1]}/modulefiles && module load lumi-hooks && '
                     'echo "CHAIN $LUMI_HOOKS_CHAIN" && eb lz4-1.10.0-GCCcore-14.2.0.eb -D && lumi-eb status --json && '
                     'module unload lumi-hooks && echo "HOOKS $EASYBUILD_HOOKS"', check=True)
    assert re.search(r'^CHAIN .*LUMI_site_hooks-22.08.py$', done.stdout, re.M)
    assert 'lz4/1.10.0-cpeGNU-25.03' in done.stdout
    assert '"hooks_active": true' in done.stdout and '"partition": "C"' in done.stdout
    assert re.search(r'^HOOKS .*LUMI_site_hooks-22.08.py$', done.stdout, re.M)


def test_the_module_says_what_has_to_be_loaded_or_set_first(fresh):
    use = f'module load LUMI/25.03 partition/C; module use {fresh.hooks.parents[1]}/modulefiles; module load lumi-hooks'
    done = fresh.run(use, load=False)
    first = 'set EasyBuild up first'
    said = ' '.join(done.stdout.split())
    assert done.returncode == 1 and f'{first}: module load LUMI partition/C EasyBuild-user' in said
    done = fresh.run(use, load=False, EBU_USER_PREFIX='')
    said = ' '.join(done.stdout.split())
    assert done.returncode == 1 and 'EBU_USER_PREFIX is empty' in said and first not in said


@pytest.mark.parametrize('easybuild', ['5.1.2', '5.2.0', '5.4.1'])
def test_options_that_act_on_the_recipe_itself_are_refused(fresh, tmp_path, easybuild):
    """However they are given, by an entry of an easystack too."""
    fresh.easybuild = easybuild
    path, stack, config = tiny(tmp_path), tmp_path / 'stack.yaml', tmp_path / 'eb.cfg'
    before = path.read_text()
    stack.write_text(f'easyconfigs:\n  - {path.name}:\n      options:\n        inject-checksums: sha256\n')
    config.write_text('[override]\ninject-checksums=sha256\n')
    for arguments, env in ((f'{path} --inject-checksums', {}), (f'{path} --inject-checksums-to=sha256', {}),
                           (f'{path}', {'EASYBUILD_INJECT_CHECKSUMS': 'sha256'}),
                           (f'{path} --configfiles={config}', {}),
                           (f'--easystack={stack} --experimental --robot={tmp_path}', {})):
        done = fresh.eb(arguments, check=False, **env)
        assert done.returncode != 0 and 'is refused: it acts on the recipe itself' in done.stdout, done.stdout
    assert path.read_text() == before and not list(fresh.prefix.rglob('tiny*.eb'))


def plugin_eb(lumi, arguments):
    """An eb with lumi-hooks installed beside it, as a plugin."""
    import sys
    return lumi.run(f'export PATH={os.path.dirname(sys.executable)}:$PATH EB_PYTHON={sys.executable} '
                    f'PYTHONPATH= && eb --use-entrypoints {arguments}', EASYBUILD_HOOKS='')


def test_the_plugin_adapts_without_a_hooks_file(fresh, tmp_path):
    done = plugin_eb(fresh, f'{tiny(tmp_path)} -r')
    assert done.returncode == 0, done.stdout[-3000:]
    assert 'tiny-1.0-GCCcore-14.2.0.eb becomes tiny/1.0-cpeGNU-25.03' in done.stdout
    assert 'cpeGNU' in fresh.archive('tiny-1.0-cpeGNU-25.03.eb')


def test_file_and_plugin_together_act_once(fresh, tmp_path):
    log = tmp_path / 'eb.log'
    done = plugin_eb(fresh, f'--hooks={fresh.hooks} {tiny(tmp_path)} -D --logtostdout')
    log.write_text(done.stdout)
    assert done.returncode == 0, done.stdout[-3000:]
    assert done.stdout.count('== lumi-hooks: tiny-1.0-GCCcore-14.2.0.eb becomes') == 1
    assert len(re.findall(r'lumi-hooks: release 25.03, partition C', done.stdout)) == 1
