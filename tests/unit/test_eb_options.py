# SPDX-License-Identifier: GPL-2.0-only
"""Options that are refused, however EasyBuild came by them: EasyBuild's own parser is asked."""
import os
import subprocess
import sys

import pytest

from lumi_hooks.data import ROOT
from lumi_hooks.eb.policy.options import REFUSED_OPTIONS, TOOLCHAIN_OPTIONS, refused

# prints why EasyBuild's configuration is refused
ASK = """
import sys
sys.path.insert(0, {root!r})
from easybuild.tools.options import set_up_configuration
set_up_configuration(args=['--allow-use-as-root-and-accept-consequences', *sys.argv[1:]], silent=True)
from lumi_hooks.eb.policy.options import refuse_options
from lumi_hooks.errors import LumiHooksError
try:
    refuse_options()
except LumiHooksError as err:
    print('REFUSED', err)
"""
# what they take; others need nothing
VALUES = {'inject-checksums': 'sha256', 'inject-checksums-to-json': 'sha256', 'update-pr': '1', 'review-pr': '1',
          'update-branch-github': 'main'}


def ask(tmp_path, *args, **env):
    keep = {name: os.environ[name] for name in ('PATH',) if name in os.environ}
    done = subprocess.run([sys.executable, '-c', ASK.format(root=os.path.dirname(ROOT)), *args], text=True,
                          capture_output=True, check=False, cwd=tmp_path,
                          env={**keep, 'HOME': str(tmp_path), 'EASYBUILD_PREFIX': str(tmp_path), **env})
    assert done.returncode == 0, done.stderr
    return done.stdout.partition('REFUSED ')[2].strip()


def settings(name):
    """An option on the command line, as a variable, and as the text of a configuration file."""
    value = VALUES.get(name, '')
    return ([f'--{name}={value}' if value else f'--{name}'],
            {'EASYBUILD_' + name.upper().replace('-', '_'): value or '1'},
            f'[override]\n{name}={value or "True"}\n')


# the parser wants GitHub's credentials for it before any hook runs
@pytest.mark.parametrize('name', sorted(set(REFUSED_OPTIONS) - {'upload-test-report'}))
def test_wherever_it_is_set(tmp_path, name):
    words, variables, text = settings(name)
    path = tmp_path / 'eb.cfg'
    path.write_text(text)
    for found in (ask(tmp_path, *words, 'x.eb'), ask(tmp_path, **variables), ask(tmp_path, f'--configfiles={path}'),
                  ask(tmp_path, EASYBUILD_CONFIGFILES=str(path))):
        assert found.startswith(f'--{name} (or EASYBUILD_') and REFUSED_OPTIONS[name] in found


@pytest.mark.parametrize('words, name', [
    (['--inject-checksums'], 'inject-checksums'), (['--inject-checksums', '--force'], 'inject-checksums'),
    (['--inject-checksums=sha512'], 'inject-checksums'), (['--inject-checksums-to=sha256'], 'inject-checksums-to-json'),
    (['--fix-dep'], 'fix-deprecated-easyconfigs'), (['--prev'], 'preview-pr'), (['--review-pr', '7'], 'review-pr'),
    (['--try-toolchain=foss,2024a'], 'try-toolchain'), (['--try-toolchain-n', 'foss'], 'try-toolchain-name'),
    (['--toolchain=GCC,14.2.0'], 'toolchain')])
def test_however_it_is_written(tmp_path, words, name):
    assert ask(tmp_path, *words).startswith(f'--{name} (or EASYBUILD_')


@pytest.mark.parametrize('words, env', [
    (['x.eb'], {}), (['--copy-ec', 'x.eb', '.'], {}), (['--try-software-version=2', 'x.eb'], {}),
    (['--disable-new-pr', 'x.eb'], {'EASYBUILD_NEW_PR': '1'}),
    (['--try-toolchain=cpeCray,25.03', 'x.eb'], {}), (['--try-toolchain-name=system'], {}),
    (['--search=inject-checksums'], {}), (['--try-amend=configopts=--new-pr', 'x.eb'], {})])
def test_what_is_left_alone(tmp_path, words, env):
    assert ask(tmp_path, *words, **env) == ''


def test_arguments_are_no_options():
    assert refused(['--robot=x', 'new-pr', 'inject-checksums.eb', '-x']) is None
    assert refused(['--upload-test-report'])[0] == 'upload-test-report'


def test_the_documentation_names_them():
    with open(os.path.join(os.path.dirname(ROOT), 'docs', 'options.md'), encoding='utf-8') as stream:
        text = stream.read()
    assert all(f'`--{name}`' in text for name in (*REFUSED_OPTIONS, *TOOLCHAIN_OPTIONS))
