# SPDX-License-Identifier: GPL-2.0-only
"""The pages for people: links and their anchors, the index, the README's promises, and the changelog."""
import ast
import importlib.machinery
import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path for pattern in ('*.md', 'docs/*.md', 'changelog.d/*.md', 'ci/**/*.md', 'easyconfigs/*.md',
                                    'toolchains/*.md', 'easyblocks/*.md') for path in ROOT.glob(pattern))
LINK = re.compile(r'(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)')


def text_of(path):
    """A page without its blocks of code."""
    return re.sub(r'^```.*?^```', '', path.read_text(encoding='utf-8'), flags=re.M | re.S)


def anchors(path):
    """The anchors of a page's headings, as GitHub makes them."""
    found = set()
    for heading in re.findall(r'^#+ (.+?)\s*$', text_of(path), flags=re.M):
        anchor = re.sub(r'[^\w\- ]', '', re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', heading).lower()).replace(' ', '-')
        number = 0
        while f'{anchor}-{number}' in found or (not number and anchor in found):
            number += 1
        found.add(f'{anchor}-{number}' if number else anchor)
    return found


def broken(path):
    """Relative links of a page that lead nowhere."""
    found = []
    for link in LINK.findall(re.sub(r'`[^`\n]*`', '', text_of(path))):
        if re.match(r'[a-z]+:', link):
            continue
        name, _, anchor = link.partition('#')
        target = path.parent / name if name else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize('path', PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_and_anchors(path):
    assert broken(path) == []


def test_broken_links_are_found(tmp_path):
    (tmp_path / 'b.md').write_text('# One `two`, three\n\n# Same\n\n# Same\n')
    page = tmp_path / 'a.md'
    page.write_text('[a](b.md) [a](b.md#one-two-three) [a](b.md#same-1) [a](https://x.org/#y)\n```\n[a](no.md)\n```\n'
                    '[a](c.md) [a](b.md#four) [a](b.md#same-2) [a](#none)\n')
    assert broken(page) == ['c.md', 'b.md#four', 'b.md#same-2', '#none']


TOUR = re.compile(r'`(lumi_hooks/[\w/]+\.py)`: `((?:\w+\.)?\w+)')


def test_the_tour_stops_at_functions_that_exist():
    stops = TOUR.findall((ROOT / 'CONTRIBUTING.md').read_text())
    assert len(stops) >= 12
    for path, name in stops:
        found = ast.parse((ROOT / path).read_text()).body
        for part in name.split('.'):
            found = next((item.body for item in found if getattr(item, 'name', '') == part), None)
            assert found, f'{path} has no {name}'


def test_every_page_is_in_the_index():
    index = (ROOT / 'docs/README.md').read_text()
    for path in (ROOT / 'docs').glob('*.md'):
        name = path.name
        assert name == 'README.md' or f'[{name}]({name})' in index or f'`{name}`' in index, name


def test_U7_readme_is_short_and_says_first_what_counts():
    text = (ROOT / 'README.md').read_text()
    lines = text.splitlines()
    assert len(lines) <= 110 and lines[2].startswith('Not yet run on LUMI')
    for command in ('./ci/quickstart', './ci/test', 'module use ~/lumi-hooks/modulefiles', 'lumi-eb install mpi4py',
                    'module load LUMI/25.03 partition/C EasyBuild-user lumi-hooks'):
        assert command in lines or any(line.startswith(f'{command} ') for line in lines), command
    assert 'pip install' not in text and not re.search(r'^\|', text, flags=re.M)


def test_every_command_is_on_the_page_of_commands():
    from lumi_hooks.cli import parser
    text = (ROOT / 'docs/commands.md').read_text()
    listed = re.search(r'\{?positional arguments:.*?\noptions', parser().format_help(), flags=re.S)
    names = set(re.findall(r'^    ([a-z-]+)(?: |$)', listed.group(), flags=re.M))
    assert {'install', 'check-data', 'status'} <= names
    for name in names:
        assert f'`lumi-eb {name}' in text, name


def test_every_setting_is_on_the_page_of_settings():
    text = (ROOT / 'docs/settings.md').read_text()
    used = set()
    for path in [*(ROOT / 'lumi_hooks').rglob('*.py'), ROOT / 'bin/lumi-eb']:
        used |= set(re.findall(r'LUMI_HOOKS_[A-Z_]*[A-Z]', path.read_text(encoding='utf-8')))
    assert len(used) > 12
    # set by the library for itself
    own = {'LUMI_HOOKS_LOADED_PREFIXES', 'LUMI_HOOKS_INSTALLATION', 'LUMI_HOOKS_SAFEPATH'}
    short = {'LUMI_HOOKS_PARTITION', 'LUMI_HOOKS_TOOLCHAIN', 'LUMI_HOOKS_MODE'}  # listed as `_PARTITION` …
    for name in used - own:
        assert f'`{name}`' in text or (name in short and f'`{name[10:]}`' in text), name


@pytest.fixture(scope='module')
def changelog():
    loader = importlib.machinery.SourceFileLoader('changelog', str(ROOT / 'ci/changelog'))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader('changelog', loader))
    loader.exec_module(module)
    return module


def test_the_changelog_has_this_version(changelog):
    from lumi_hooks import __version__
    assert f'\n## {__version__} (' in (ROOT / 'CHANGELOG.md').read_text()
    changelog.fragments(ROOT / 'changelog.d')


def test_fragments_become_a_section(changelog, tmp_path):
    (tmp_path / 'README.md').write_text('no fragment')
    (tmp_path / 'O1.fixed.md').write_text('First,\nof two lines.\n')
    found = changelog.fragments(tmp_path)
    old = '# Changelog\n\nWhat.\n\n## 0.1 (2026-11-24)\n\n### Added\n\n* All.\n'
    new = changelog.released(old, '0.2', found, '2026-12-01')
    assert new == old.replace('## 0.1', '## 0.2 (2026-12-01)\n\n### Fixed\n\n* First,\n  of two lines.\n\n## 0.1')
    (tmp_path / 'O1.fixed.md').unlink()
    (tmp_path / 'more.added.md').write_text('More.\n')
    again = changelog.released(new, '0.2', changelog.fragments(tmp_path), '2026-12-02')
    assert again == new.replace('### Fixed', '### Added\n\n* More.\n\n### Fixed', 1)
    (tmp_path / 'more.md').write_text('')
    with pytest.raises(ValueError, match='call it <name>.<kind>.md'):
        changelog.fragments(tmp_path)


def test_the_readme_states_the_size():
    """Within 5 %, so that no change has to touch that line: `ci/size --write`."""
    done = subprocess.run([ROOT / 'ci/size', '--check'], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stdout
