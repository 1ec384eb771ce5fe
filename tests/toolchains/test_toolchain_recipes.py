# SPDX-License-Identifier: GPL-2.0-only
"""The generated recipes, and the modules that eb makes of them."""

import os
import re
import subprocess
import sys

import generating as generate
import pytest
from small_cray import INCLUDE_EASYBLOCKS, RELEASE, ROOT

from lumi_hooks.data import load_json
from lumi_hooks.errors import DataError
from lumi_hooks.releases import release_names

VERSIONS = load_json('releases/cpe/%s.json' % RELEASE)['modules']


def cli(*arguments):
    return subprocess.run(
        [sys.executable, os.path.join(ROOT, 'ci', 'generate'), *arguments],
        universal_newlines=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        cwd=ROOT,
    )


def loads(cray, partition='C', toolchain='cpeGNU'):
    path = os.path.join(cray.installed, partition, 'modules', 'all', toolchain, RELEASE + '.lua')
    with open(path, encoding='utf-8') as stream:
        text = stream.read()
    return text, re.findall(r'^\s*load\("(\S+)"\)$', text, re.M)


def test_up_to_date():
    done = cli('--check')
    assert done.returncode == 0, done.stdout


def test_all_releases_and_toolchains():
    names = {os.path.basename(path) for path in generate.generate()}
    # four toolchains, two variants of the build back ends and one list of modules for each release
    assert len([name for name in names if not name.startswith('Rust-')]) == len(release_names()) * 7
    assert {f'cray-modules-{name}.cfg' for name in release_names()} <= names
    assert {'cpeGNU-25.03.eb', 'cpeCray-23.09.eb', 'cpeAOCC-25.09.eb', 'cpeAMD-24.03.eb'} <= names


def test_deterministic_and_idempotent(tmp_path):
    first = cli('--output', str(tmp_path))
    assert first.returncode == 0 and ', 0 unchanged' in first.stdout
    path = tmp_path / 'c' / 'cpeGNU' / 'cpeGNU-25.03.eb'
    with open(os.path.join(ROOT, 'easyconfigs', 'c', 'cpeGNU', 'cpeGNU-25.03.eb'), 'rb') as stream:
        assert path.read_bytes() == stream.read()
    before = path.stat().st_mtime_ns
    assert ', 0 written' in cli('--output', str(tmp_path)).stdout
    assert path.stat().st_mtime_ns == before
    path.write_text('name = "cpeGNU"\n')
    done = cli('--check', '--output', str(tmp_path))
    assert done.returncode == 1 and str(path) in done.stdout


def test_leftover_is_removed_but_not_what_others_wrote(tmp_path):
    cli('--output', str(tmp_path))
    folder = tmp_path / 'c' / 'cpeGNU'
    (folder / 'cpeGNU-21.01.eb').write_text((folder / 'cpeGNU-25.03.eb').read_text())
    (folder / 'cpeGNU-mine.eb').write_text('# by hand\n')
    assert 'cpeGNU-21.01.eb' in cli('--check', '--output', str(tmp_path)).stdout
    cli('--output', str(tmp_path))
    assert not (folder / 'cpeGNU-21.01.eb').exists() and (folder / 'cpeGNU-mine.eb').exists()


def test_errors_are_one_sentence():
    done = cli('--release', '99.99')
    assert done.returncode == 2 and done.stdout.startswith('error: ') and done.stdout.count('\n') == 1
    release = load_json('releases/cpe/25.03.json')
    del release['modules']['cray-mpich']
    with pytest.raises(DataError, match='cray-mpich'):
        generate.recipe_text(release, 'cpeGNU')


def test_module_of_partition_c(cray):
    text, modules = loads(cray)
    v = VERSIONS
    assert modules == [
        'craype-x86-milan',
        'craype-accel-host',
        'craype-network-ofi',
        'PrgEnv-gnu/' + v['PrgEnv-gnu'],
        'gcc-native/' + v['gcc-native'],
        'craype/' + v['craype'],
        'cray-mpich/' + v['cray-mpich'],
        'cray-libsci/' + v['cray-libsci'],
        'cray-dsmml/' + v['cray-dsmml'],
        'perftools-base/' + v['perftools-base'],
        'xpmem',
    ]
    assert 'family("cpeToolchain")' in text
    assert 'partition C' in text


def test_module_of_partition_g(cray):
    done = cray.eb('cpeGNU-%s.eb' % RELEASE, '--include-easyblocks', INCLUDE_EASYBLOCKS, partition='G')
    assert done.returncode == 0, done.stdout
    modules = loads(cray, 'G')[1]
    assert modules[:3] == ['craype-x86-trento', 'craype-accel-amd-gfx90a', 'craype-network-ofi']
    assert modules.index('rocm/' + VERSIONS['rocm']) == modules.index('craype/' + VERSIONS['craype']) + 1


@pytest.mark.parametrize(
    'toolchain, partition, message',
    [
        ('cpeGNU', None, 'LUMI_STACK_PARTITION is not set'),
        ('cpeAOCC', 'G', 'not offered on partition G'),
        ('cpeAMD', 'C', 'not offered on partition C'),
    ],
)
def test_partition_is_checked_before_anything_is_installed(cray, toolchain, partition, message):
    done = cray.eb(
        '%s-%s.eb' % (toolchain, RELEASE),
        '--include-easyblocks',
        INCLUDE_EASYBLOCKS,
        '--rebuild',
        partition=partition,
    )
    assert done.returncode != 0 and message in done.stdout, done.stdout
    assert 'Traceback' not in done.stdout


def test_parsing_does_not_look_at_the_environment(cray):
    for partition in (None, 'C', 'nonsense'):
        done = cray.eb(
            'cpeAMD-%s.eb' % RELEASE, '-D', '--include-easyblocks', INCLUDE_EASYBLOCKS, partition=partition
        )
        assert done.returncode == 0, done.stdout


def test_parameters_of_the_easyblock(cray, tmp_path):
    """Recipes in the style of LUMI's own: a list of targets, cpe module, $PE_ENV without PrgEnv."""
    with open(
        os.path.join(ROOT, 'easyconfigs', 'c', 'cpeGNU', 'cpeGNU-%s.eb' % RELEASE), encoding='utf-8'
    ) as stream:
        text = stream.read()
    text = re.sub(
        r'cray_targets = \{.*?\n\}',
        "cray_targets = ['craype-x86-rome', 'craype-network-ofi']",
        text,
        flags=re.S,
    )
    text = re.sub(r'partition_modules = \{.*?\n\}', '', text, flags=re.S)
    text = text.replace('PrgEnv_load = True', 'PrgEnv_load = False').replace("'cpeToolchain'", "'PrgEnv'")
    (tmp_path / 'cpeGNU-1.0.eb').write_text(
        text.replace("version = '%s'\n" % RELEASE, "version = '1.0'\n", 1)
    )
    done = cray.eb(
        str(tmp_path / 'cpeGNU-1.0.eb'),
        '--include-easyblocks',
        INCLUDE_EASYBLOCKS,
        partition=None,
        EASYBUILD_PREFIX=str(tmp_path / 'prefix'),
    )
    assert done.returncode == 0, done.stdout
    module = (tmp_path / 'prefix' / 'modules' / 'all' / 'cpeGNU' / '1.0.lua').read_text()
    assert (
        'setenv("PE_ENV", "GNU")' in module and 'family("PrgEnv")' in module and 'load("PrgEnv' not in module
    )

    both = text.replace('PrgEnv_load = False', 'PrgEnv_load = True').replace(
        "version = '%s'\n" % RELEASE, "version = '2.0'\n", 1
    )
    (tmp_path / 'cpeGNU-2.0.eb').write_text(both)
    done = cray.eb(
        str(tmp_path / 'cpeGNU-2.0.eb'), '--include-easyblocks', INCLUDE_EASYBLOCKS, partition=None
    )
    assert done.returncode != 0 and 'same family' in done.stdout


def test_easyblock_supersedes_one_of_the_same_name(cray, tmp_path):
    """LUMI includes an easyblock of this name; the hooks put ours in its place."""
    block = tmp_path / 'craypetoolchain.py'
    block.write_text(
        'from easybuild.easyblocks.generic.bundle import Bundle\nclass CrayPEToolchain(Bundle):\n    pass\n'
    )
    hooks = tmp_path / 'hooks.py'
    hooks.write_text(
        "import importlib.util, os, sys\n"
        "folder = os.path.join(%r, 'easyblocks')\n"
        "spec = importlib.util.spec_from_file_location('lumi_hooks_easyblocks', "
        "os.path.join(folder, '__init__.py'), submodule_search_locations=[folder])\n"
        "sys.modules['lumi_hooks_easyblocks'] = importlib.util.module_from_spec(spec)\n"
        "from lumi_hooks_easyblocks.registry import supersede\n"
        "def start_hook(*args, **kwargs):\n    supersede()\n    supersede()\n" % ROOT
    )
    prefix = tmp_path / 'prefix'
    done = cray.eb(
        'cpeGNU-%s.eb' % RELEASE,
        '--include-easyblocks',
        str(block),
        '--hooks',
        str(hooks),
        '--rebuild',
        EASYBUILD_PREFIX=str(prefix),
    )
    assert done.returncode == 0, done.stdout
    text = (prefix / 'modules' / 'all' / 'cpeGNU' / (RELEASE + '.lua')).read_text()
    assert 'load("PrgEnv-gnu' in text and 'family' in text


def test_included_easyblocks_are_easyblocks(cray):
    """EasyBuild's list stops at a file that has none."""
    done = cray.eb('--list-easyblocks', '--include-easyblocks', INCLUDE_EASYBLOCKS)
    assert done.returncode == 0 and 'CrayPEToolchain' in done.stdout, done.stdout[-2000:]
