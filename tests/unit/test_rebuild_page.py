# SPDX-License-Identifier: GPL-2.0-only
"""
The page of a run in a real browser: search, filter, a log, a diff, hostile text, and 2,000 rows. It needs chromium, and
Playwright's Python package: `pip install playwright` into a folder that PYTHONPATH names.
"""
import os
import shutil
import time
from pathlib import Path

import pytest

from lumi_hooks.rebuild import page
from lumi_hooks.rebuild import run as runs
from lumi_hooks.rebuild.tasks import Attempt, Task

playwright = pytest.importorskip('playwright.sync_api')
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
pytestmark = pytest.mark.skipif(not CHROMIUM, reason='there is no chromium')

HOSTILE = '</script><img src=x onerror="window.broken=1"><script>window.broken=1</script>'
DIFFERENCE = """# [toolchain] toolchain: cpeGNU/25.03 instead of foss/2025a
#     the Cray PE is the toolchain here
--- {name}-1.0-foss-2025a.eb
+++ {name}-1.0-cpeGNU-25.03.eb
@@ -8,3 +8,3 @@ toolchain
-toolchain = {{'name': 'foss', 'version': '2025a'}}
+toolchain = {{'name': 'cpeGNU', 'version': '25.03'}}
 dependencies = []
"""
NAMES = ('GROMACS', 'HDF5', 'Hypre', 'PETSc', 'QuantumESPRESSO', 'SUNDIALS', 'lz4', 'netCDF', 'ParMETIS', 'METIS')


def make_page(tmp_path, recipes, hostile=HOSTILE):
    """The page of a run of so many recipes for two targets; a seventh of them failed, the log and all of the first are
    hostile."""
    targets, tasks = (('25.03', 'C'), ('25.09', 'G')), []
    for number in range(recipes):
        name = NAMES[number % len(NAMES)] + (str(number // len(NAMES)) if number >= len(NAMES) else '')
        for release, partition in targets:
            task = Task(f'{release}-{partition}-{name}', f'{name}/1.0-cpeGNU-{release}', f'/r/{name}-1.0-foss-2025a.eb',
                        release, release, partition, 'cpeGNU', True, 'configopts', f'packages/{name}.json')
            task.state = 'failed' if number % 7 == 2 else 'blocked' if number % 7 == 3 else 'same' if number % 5 == 4 \
                else 'built'
            if task.state == 'failed':
                task.reason = f"build failed: x.c:3:1: error: unknown type name 'foo{number}'"
                task.error = {'context': [f"x.c:3:1: error: unknown type name 'foo{number}'", hostile],
                              'means': 'the compiler does not know a type', 'advice': 'look for a patch'}
            if task.state in ('failed', 'built'):
                task.attempts.append(Attempt(1, str(4000 + number), 1000, 1000, 1000 + 37 * (number % 90 + 1), 'nid001',
                                             task.state, steps=[['build', int(task.state == 'failed'), 30]]))
            tasks.append(task)
    tasks[2 * len(targets)].reason += hostile
    run = runs.fresh('5d29e2dde3', str(tmp_path), {'on': 'slurm', 'limit': 1, 'tasks': tasks})
    for task in tasks:
        runs.make_folder(run.prefix, run.name, task.name, '1')
        name = task.module.split('/')[0]
        (Path(run.folder_of(task)) / 'difference').write_text(DIFFERENCE.format(name=name) + hostile)
        if task.state == 'failed':
            (Path(run.folder_of(task, task.last)) / 'log').write_text('== building\n' * 30 + f'{hostile}\nthe end\n')
    path = tmp_path / 'report.html'
    path.write_text(page.html(run))
    return path


@pytest.fixture(scope='module')
def browser():
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
        yield found
        found.close()


@pytest.fixture
def opened(browser):
    """Opens a page; what its console says and what it asks for is collected."""
    said = []

    def open_page(path, **size):
        shown = browser.new_page(viewport=size or {'width': 1200, 'height': 800})
        shown.on('console', lambda message: said.append(message.text))
        shown.on('pageerror', lambda error: said.append(str(error)))
        shown.on('request', lambda request: said.append(request.url) if not request.url.startswith(('file:', 'data:'))
                 else None)
        shown.goto(f'file://{path}')
        return shown
    yield open_page
    assert said == [], 'no error in the console, and nothing is asked for'


def rows(shown):
    return shown.locator('tbody tr:not(.detail):visible').count()


def test_search_filter_log_and_diff(tmp_path, opened):
    shown = opened(make_page(tmp_path, 20))
    assert rows(shown) == 20 and shown.inner_text('#shown') == '20 of 20 recipes'
    shown.fill('#search', 'hypre')
    assert rows(shown) == 2 and shown.inner_text('#shown') == '2 of 20 recipes'
    shown.fill('#search', "foo2 type")
    assert rows(shown) == 1, 'the text of the error is searched'
    shown.fill('#search', '')
    shown.click('#states .failed')
    assert rows(shown) == 3
    shown.click('#states .blocked')
    assert rows(shown) == 6
    shown.click('#states .failed')
    shown.click('#states .blocked')
    shown.select_option('#target', label='25.09 G cpeGNU')
    assert shown.locator('thead th:visible').count() == 2
    shown.select_option('#target', label='all targets')
    shown.click('tbody .failed >> nth=0')
    detail = shown.inner_text('.detail')
    for text in ('First error', "unknown type name 'foo2'", 'look for a patch', 'Changes to the recipe',
                 "+toolchain = {'name': 'cpeGNU', 'version': '25.03'}", 'End of the log', 'the end', HOSTILE,
                 'job 4002 on nid001', 'because of packages/Hypre.json: configopts'):
        assert text in detail, text
    assert shown.locator('.detail .add').count() == 2 and shown.locator('img').count() == 0
    assert shown.evaluate('window.broken') is None, 'text of others is text'
    shown.click('tbody .failed >> nth=0')
    assert shown.locator('.detail').count() == 0
    if os.environ.get('SCREENSHOT'):
        shown = opened(make_page(tmp_path / 'clean', 9, ''), width=1000, height=760)
        shown.click('tbody .failed >> nth=0')
        shown.screenshot(path=os.environ['SCREENSHOT'])


def test_it_is_quick_with_2000_rows(tmp_path, opened):
    path = make_page(tmp_path, 2000)
    start = time.monotonic()
    shown = opened(path)
    assert rows(shown) == 2000
    loaded = time.monotonic() - start
    measure = '([word]) => {const field = document.getElementById("search"); const begin = performance.now();' \
              'field.value = word; field.dispatchEvent(new Event("input")); document.body.offsetHeight;' \
              'return performance.now() - begin}'
    searched = max(shown.evaluate(measure, [word]) for word in ('g', 'gromacs19', 'nothing', ''))
    print(f'{path.stat().st_size / 1e6:.1f} MB, shown in {loaded:.1f} s, searched in {searched:.0f} ms')
    assert loaded < 15 and searched < 1500
