# SPDX-License-Identifier: GPL-2.0-only
"""ci/pipeline, and the files for GitHub and GitLab that call it."""
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from writing import put_recipe

from lumi_hooks.rebuild import wanted

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / 'ci/pipelines').glob('*.yml'))
STEPS = ('lint', 'unit', 'affected', 'rebuild', 'report')


def step(folder, *words, **env):
    return subprocess.run([ROOT / 'ci/pipeline', *words, '--out', folder / 'out'], cwd=folder, text=True,
                          capture_output=True, check=False,
                          env={'HOME': str(folder), 'PATH': '/usr/bin:/bin', 'LUMI_HOOKS_CACHE': str(folder / 'cache'),
                               'LUMI_HOOKS_PYTHON': sys.executable, **env})


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_a_file_calls_each_step_and_nothing_of_its_own(path):
    text = path.read_text()
    site = '-site' in path.name
    program = ('.lumi-hooks/' if site else '') + 'ci/pipeline'
    called = re.findall(rf'(?<![\w/]){re.escape(program)} (\w+)( --site \.)?', text.partition('\n')[2])
    assert {name for name, _ in called if name in STEPS} == set(STEPS)
    assert all(bool(there) == site for name, there in called if name in STEPS)
    yaml = pytest.importorskip('yaml')
    assert yaml.safe_load(text)


def test_only_the_job_that_comments_may_write():
    yaml = pytest.importorskip('yaml')
    for path in FILES:
        if path.name.startswith('github'):
            found = yaml.safe_load(path.read_text())
            assert found['permissions'] == {'contents': 'read'} and 'permissions' not in found['jobs']['check']
            assert all('ci/pipeline' not in str(one) for one in found['jobs']['comment']['steps'])
            assert 'pull_request_target' not in path.read_text(), 'recipes of others are never run with its rights'


def test_our_catalogue_is_one():
    found = wanted.easystack(str(ROOT / 'ci/pipelines/catalogue/25.03/cpeGNU-C.yaml'))
    assert len(found) >= 4


def test_recipes_of_a_site_are_linted(tmp_path):
    put_recipe(tmp_path / 'site', 'Thing')
    put_recipe(tmp_path / 'site', 'Gpu', more="dependencies = [('CUDA', '12.0')]\n")
    done = step(tmp_path, 'lint', '--site', 'site')
    assert done.returncode == 0, done.stdout + done.stderr
    put_recipe(tmp_path / 'site', 'Broken', more='name = (\n')
    assert step(tmp_path, 'lint', '--site', 'site').returncode == 1
    (tmp_path / 'site/b').rename(tmp_path / 'b')
    (tmp_path / 'site/overrides').mkdir()
    (tmp_path / 'site/overrides/Thing.json').write_text('{')
    assert step(tmp_path, 'lint', '--site', 'site').returncode == 1


def test_nothing_affected_is_nothing_to_build_and_a_report_says_so(tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/affected.json').write_text(json.dumps({'schema_version': 1, 'affected': []}))
    (tmp_path / 'standin/appl/lumi').mkdir(parents=True)
    (tmp_path / 'standin/appl/lumi/enter-lumi.sh').touch()
    done = step(tmp_path, 'rebuild', LUMI_HOOKS_STANDIN=str(tmp_path / 'standin'))
    assert (done.returncode, done.stdout) == (0, 'nothing is affected\n'), done.stderr
    done = step(tmp_path, 'report', GITHUB_STEP_SUMMARY=str(tmp_path / 'summary'))
    assert done.returncode == 0 and (tmp_path / 'summary').read_text() == 'Nothing is affected.\n'


def test_a_rebuild_that_did_not_begin_is_not_told_to_be_well(tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/affected.json').write_text(json.dumps({'schema_version': 1, 'affected': [{'module': 'X/1'}]}))
    assert step(tmp_path, 'report').returncode == 0
    assert (tmp_path / 'out/report.md').read_text().startswith('The rebuild did not begin')


@pytest.mark.parametrize('words', [[], ['nonsense'], ['lint', '--site']])
def test_bad_use_is_told(tmp_path, words):
    done = subprocess.run([ROOT / 'ci/pipeline', *words], cwd=tmp_path, text=True, capture_output=True, check=False)
    assert done.returncode == 2 and 'usage: ci/pipeline STEP' in done.stderr
