# SPDX-License-Identifier: GPL-2.0-only
"""setup.cfg against the tree: what is installed with pip is all that a checkout has."""
import configparser
import fnmatch
import os
from pathlib import Path

import pytest

from lumi_hooks.extras import PACKAGES

ROOT = Path(__file__).resolve().parents[2]
# package -> its folder in a checkout
PLACES = {'lumi_hooks': 'lumi_hooks', 'lumi_hooks_toolchains': 'toolchains', 'lumi_hooks_easyblocks': 'easyblocks'}


@pytest.fixture(scope='module')
def metadata():
    found = configparser.ConfigParser()
    found.read(ROOT / 'setup.cfg', encoding='utf-8')
    return found


def test_every_package_is_installed(metadata):
    there = set()
    for package, folder in PLACES.items():
        for path in (ROOT / folder).rglob('__init__.py'):
            there.add('.'.join([package, *path.parent.relative_to(ROOT / folder).parts]))
    assert set(metadata['options']['packages'].split()) == there


def test_every_data_file_is_installed(metadata):
    packages = set(metadata['options']['packages'].split())
    patterns = {name: [part.strip() for part in text.split(',')]
                for name, text in metadata['options.package_data'].items()}
    seen = 0
    for path in (ROOT / 'lumi_hooks').rglob('*.json'):
        folder = path.parent
        while '.'.join(folder.relative_to(ROOT).parts) not in packages:
            folder = folder.parent
        package, name = '.'.join(folder.relative_to(ROOT).parts), os.fspath(path.relative_to(folder))
        wanted = [*patterns.get('*', ()), *patterns.get(package, ())]
        # a star of setuptools stands for no folder
        assert any(fnmatch.fnmatch(name, one) and one.count('/') == name.count('/') for one in wanted), path
        seen += 1
    assert seen > 100


def test_every_recipe_is_installed(metadata):
    installed = metadata['options.data_files']
    for path in (ROOT / 'easyconfigs').rglob('*.eb'):
        assert os.path.join('share', 'lumi-hooks', os.fspath(path.parent.relative_to(ROOT))) in installed, path


def test_O12_nothing_is_required(metadata):
    assert not metadata['options'].get('install_requires', '').split()


def test_contributing_explains_every_package_of_the_extras(metadata):
    text = (ROOT / 'CONTRIBUTING.md').read_text()
    table = text[text.index('## Dependencies, and why'):text.index('## Commits')]
    rows = ' '.join(line.split('|')[1] for line in table.splitlines() if line.startswith('| '))
    named = set(rows.replace('(', ' ').replace(',', ' ').split())
    for lines in metadata['options.extras_require'].values():
        for line in lines.split('\n')[1:]:
            package = line.split()[0]
            # easybuild-framework, -easyblocks …
            assert {package, package.replace('easybuild-', '-')} & named, package


def test_who_and_where_are_given(metadata):
    assert metadata['metadata']['author'] and metadata['metadata']['url'].startswith('https://')


def test_O12_extras_are_what_messages_and_contributing_name(metadata):
    extras = metadata['options.extras_require']
    own = {name: extras[name].split('\n')[1:] for name in ('sbom', 'zstd')}
    assert [line.replace(' ', '') for lines in own.values() for line in lines] == \
        [name + version for name, version in PACKAGES.items()]
    text = (ROOT / 'CONTRIBUTING.md').read_text()
    for name in own:
        assert f'(extra `{name}`' in text
    for gone in ('rich', 'pyelftools', 'graphviz'):
        assert f'| {gone} (' not in text
