# SPDX-License-Identifier: GPL-2.0-only
"""The survey of a whole collection."""
import json
import os
import re
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from survey_page import page as docs_page
from writing import put_recipe

from lumi_hooks.cli import main
from lumi_hooks.data import ROOT
from lumi_hooks.index import Index
from lumi_hooks.plan import BUILD, make_plan
from lumi_hooks.schemas import checked
from lumi_hooks.site import make_site
from lumi_hooks.survey import PLANNED, RecipeResult, Survey, every, recipes_below, survey
from lumi_hooks.survey.report import page

CONTRACT = {'recipes', 'planned', 'refused', 'failed', 'by_toolchain', 'seconds'}


@pytest.fixture
def collection(tmp_path, monkeypatch):
    """A small collection with something of everything; also upstream's recipes to the commands."""
    root = tmp_path / 'collection'
    put_recipe(root, 'Good', more="dependencies = [('Lib', '1.0')]\n")
    put_recipe(root, 'Lib', toolchain=('GCCcore', '14.2.0'))
    put_recipe(root, 'Tool', toolchain=('system', 'system'))
    put_recipe(root, 'Gpu', more="dependencies = [('CUDA', '12.0')]\n")
    put_recipe(root, 'OnGpu', more="dependencies = [('Gpu', '1.0'), ('Missing', '1.0')]\n")
    put_recipe(root, 'Lonely', toolchain=('gompi', '2024a'), more="dependencies = [('Missing', '1.0')]\n")
    put_recipe(root, 'Odd', toolchain=('Nonsense', '1'))
    put_recipe(root, 'Broken', more='this is no Python\n')
    put_recipe(root, 'Exits', more='import sys\nsys.exit(0)\n')
    put_recipe(root, 'Strange', more='dependencies = [7]\n')
    monkeypatch.setenv('LUMI_HOOKS_UPSTREAM', str(root))
    return str(root)


@pytest.fixture
def site_of():
    """A site whose upstream recipes are a collection."""
    return lambda root: make_site('25.03', index=Index((), (), [root]), env={})


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test finds what another one kept."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'own-cache'))


def run(capsys, *arguments):
    code = main(['survey', *arguments])
    return code, capsys.readouterr()


def check_sums(found):
    assert set(found) >= CONTRACT
    assert found['recipes'] == found['planned'] + sum(found['refused'].values()) + len(found['failed'])
    for key in ('by_toolchain', 'by_generation'):
        groups = found[key].values()
        assert sum(group['recipes'] for group in groups) == found['recipes']
        assert sum(group['planned'] for group in groups) == found['planned']


def test_json(collection, capsys):
    code, output = run(capsys, '--json', '--release', '25.03', collection)
    found = json.loads(output.out)
    check_sums(found)
    assert code == 1, 'some recipes failed'
    assert found['recipes'] == 10 and found['planned'] == 3 and found['unchanged'] == 1
    assert found['refused'] == {'cuda': 2, 'no-recipe': 1, 'toolchain': 1}
    assert {item['recipe'].rpartition('/')[2].split('-')[0] for item in found['failed']} == \
        {'Broken', 'Exits', 'Strange'}
    for item in found['failed']:
        assert item['error'] and 'Traceback' not in item['error']
    assert found['by_toolchain']['GCCcore'] == {'recipes': 1, 'planned': 1, 'refused': 0, 'failed': 0}
    assert (found['release'], found['partition'], found['toolchain']) == ('25.03', 'C', 'cpeGNU')
    assert 'Traceback' not in output.err


def test_what_blocks_most(collection, site_of):
    found = survey(recipes_below([collection]), site_of(collection))
    blockers = {(item['code'], item['what']): (item['recipes'], item['alone']) for item in found.blockers()}
    assert blockers == {('cuda', 'CUDA'): (2, 1), ('no-recipe', 'Missing'): (2, 1), ('toolchain', 'Nonsense/1'): (1, 1)}
    assert found.goal() == {'toolchains': ['GCCcore', 'GCC', 'gfbf', 'gompi', 'foss'], 'recipes': 3, 'planned': 2,
                            'share': round(2 / 3, 4)}


def test_processes_agree(collection, site_of):
    paths = recipes_below([collection])
    one, two = (survey(paths, site_of(collection), jobs) for jobs in (1, 2))
    assert one.findings == two.findings


def test_the_order_of_the_recipes_does_not_matter(collection, site_of):
    """Somebody's recipe of a module that another one needs, and that the robot does not find."""
    extra = put_recipe(collection + '-mine', 'Missing', flat=True)
    paths = [*recipes_below([collection]), extra]
    forth, back = (survey(order, site_of(collection)).findings for order in (paths, paths[::-1]))
    assert {item.recipe: item for item in forth} == {item.recipe: item for item in back}
    assert next(item for item in forth if item.recipe == extra).status == PLANNED


def test_nothing_changed_nothing_done(collection, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    first, second = (json.loads(run(capsys, '--json', collection)[1].out) for _ in range(2))
    assert (first['cached'], second['cached']) == (False, True)
    for found in (first, second):
        del found['seconds'], found['cached']
    assert first == second
    path, = (path for path in recipes_below([collection]) if path.endswith('Lib-1.0-GCCcore-14.2.0.eb'))
    with open(path, 'a', encoding='utf-8') as stream:
        stream.write("dependencies = [('CUDA', '12.0')]\n")
    third = json.loads(run(capsys, '--json', collection)[1].out)
    assert not third['cached'] and third['refused']['cuda'] == 4
    for kept in (tmp_path / 'cache' / 'lumi-hooks' / 'survey').iterdir():
        kept.write_text('{"total": 3')
    assert json.loads(run(capsys, '--json', collection)[1].out)['cached'] is False
    assert json.loads(run(capsys, '--json', '--no-cache', collection)[1].out)['cached'] is False


def test_ctrl_c_keeps_what_was_counted(collection, site_of, capsys, monkeypatch):
    for number in range(60):
        put_recipe(collection, f'More{number}')
    paths = recipes_below([collection])

    def stop(done, total):
        raise KeyboardInterrupt

    found = survey(paths, site_of(collection), 1, stop)
    assert found.interrupted and 0 < len(found.findings) < len(paths) == found.total
    check_sums(found.as_json())
    assert 'Interrupted' in page(found.as_json())
    monkeypatch.setattr('lumi_hooks.cli.survey.counted', lambda *_, **more: found)
    code, output = run(capsys, collection)
    assert code == 130 and 'interrupted; ' in output.err and 'planned' in output.out


def test_ctrl_c_in_a_shell(upstream, tmp_path):
    """The signal reaches all processes; the figures are shown all the same, and no process is left."""
    command = [sys.executable, '-m', 'lumi_hooks.cli', 'survey', '--jobs', '2', '--no-cache', *upstream]
    process = subprocess.Popen(command, env={**os.environ, 'PYTHONPATH': os.path.dirname(ROOT)}, text=True,
                               start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               # a shell starts its background jobs with the signal ignored, and that is inherited
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    children = f'/proc/{process.pid}/task/{process.pid}/children'
    while process.poll() is None and not (os.path.exists(children) and Path(children).read_text()):
        time.sleep(0.2)
    time.sleep(3)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert 'interrupted; ' in err and 'Traceback' not in err and 'recipes for cpeGNU' in out
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


class Loads(HTMLParser):
    """What a page would load from elsewhere, and whether its elements are closed."""

    def __init__(self):
        super().__init__()
        self.loads, self.open, self.tags = [], [], set()

    def handle_starttag(self, tag, attrs):
        self.loads += [value for name, value in attrs if name in ('src', 'href', 'srcset', 'data')]
        self.tags.add(tag)
        if tag not in ('meta', 'br', 'rect'):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        if tag != 'rect':
            assert self.open.pop() == tag


def test_report(collection, capsys, tmp_path):
    path = tmp_path / 'survey.html'
    put_recipe(collection, 'Markup', more="dependencies = [('<b>&', '1.0')]\n")
    run(capsys, '--report', str(path), collection)
    text, parser = path.read_text(), Loads()
    parser.feed(text)
    assert parser.open == [] and parser.loads == [] and '@import' not in text and 'url(' not in text
    assert {'svg', 'table', 'style'} <= parser.tags and 'script' not in parser.tags
    for part in ('no-recipe', 'CUDA', 'Lonely-1.0-gompi-2024a.eb', '&lt;b&gt;&amp;', '2025a'):
        assert part in text
    assert '<b>&' not in text


def test_bad_use(capsys, tmp_path, monkeypatch):
    for arguments, text in (((str(tmp_path / 'none'),), 'there is no folder'), ((str(tmp_path),), 'no recipes'),
                            (('--release', '1.1'), 'unknown release')):
        code, output = run(capsys, *arguments)
        assert code == 2 and text in output.err


def test_recipes_of_several_folders(tmp_path):
    one = put_recipe(tmp_path / 'a', 'One')
    put_recipe(tmp_path / 'a' / '__archive__', 'Old')
    (tmp_path / 'a' / 'notes.txt').write_text('')
    assert recipes_below([str(tmp_path), str(tmp_path / 'a'), one]) == [one]
    assert every(['a', 'b', 'c', 'd', 'e'], 2) == ['a', 'c', 'e']


def test_docs_page(collection, site_of):
    paths = recipes_below([collection])
    text = docs_page([survey(paths, site_of(collection))])
    assert re.search(r'\| 25\.03 \| cpeGNU \| C \| 2 \| 1 \| 4 \| 3 \| 2 of 3 \| 66\.7% \|', text)
    assert 'Each of 10 recipes was planned' in text
    assert 'one recipe in 4 was looked at' in docs_page([survey(paths, site_of(collection))], 4)
    assert '`ci/survey docs/survey.md' in text and '| no-recipe |' in text


@pytest.fixture(scope='module')
def sample(upstream, upstream_index):
    """Every 40th of upstream's recipes."""
    return survey(every(recipes_below(upstream), 40), make_site('25.03', index=upstream_index, env={}))


def test_no_recipe_of_upstream_fails(sample):
    assert sample.failed() == []
    assert len(sample.findings) == sample.total > 250
    for item in sample.findings:
        assert item.status == PLANNED or (item.codes and item.reason)
    check_sums(sample.as_json())


def test_the_survey_says_what_the_plan_says(sample):
    """A plan does not depend on what was planned before."""
    for item in sample.findings[::12]:
        plan = make_plan([item.recipe], sample.site)
        assert (item.status == PLANNED) is not plan.refused, item
        if item.status == PLANNED:
            assert item.builds == len(plan.of(BUILD)), item
            assert set(item.giants) == {node.name for node in plan.of(BUILD)} & set(checked('sizes.json')['giants'])
        else:
            target, = (node for node in plan.nodes if node.module in plan.targets)
            assert target.codes == item.codes


def test_sizes_of_plans(site):
    """Of what is planned on GNU toolchains: SYSTEM recipes, refused ones and what is there already do not count."""
    gnu, system = ('GCC', '14.2.0'), ('system', '')
    found = Survey(site, 7, [
        *(RecipeResult(f'{number}.eb', gnu, '2025a', PLANNED, builds=number) for number in (1, 2, 9)),
        RecipeResult('old.eb', gnu, '2022a', PLANNED, builds=30, giants=('LLVM', 'Rust'), brought=('LLVM',)),
        RecipeResult('s.eb', system, 'SYSTEM', PLANNED, builds=50), RecipeResult('r.eb', gnu, '2025a', 'refused'),
        RecipeResult('there.eb', gnu, '2025a', PLANNED)])
    sizes = found.sizes()
    assert sizes['all'] == {'plans': 4, 'median': 5.5, 'p90': 30, 'giants': {'LLVM': 0.25, 'Rust': 0.25},
                            'brought': {'LLVM': 0.25}}
    assert sizes['2025a'] == {'plans': 3, 'median': 2, 'p90': 9, 'giants': {}, 'brought': {}}
    assert set(sizes) == {'all', '2025a', '2022a'}


@pytest.mark.parametrize('recipe, large', [
    ('maturin-1.9.1-GCCcore-14.3.0.eb', ()), ('bcrypt-4.3.0-GCCcore-14.2.0.eb', ()),
    ('paramiko-4.0.0-GCCcore-14.2.0.eb', ('Rust',))])
def test_what_is_in_rust_itself_does_not_bring_it(upstream_site, upstream_file, recipe, large):
    """bcrypt is compiled by Rust, as maturin among its build tools says; paramiko is not, and needs bcrypt."""
    found, = survey([upstream_file(recipe)], upstream_site).findings
    assert found.giants == ('Rust',) and found.brought == large


def test_a_program_made_for_salmon_1_gets_salmon_1(upstream_site, upstream_file):
    """Salmon 2 is another program, in Rust."""
    plan = make_plan([upstream_file('Trinity-2.15.2-foss-2024a-Java-17.eb')], upstream_site)
    names = {node.name: node.module for node in plan.of(BUILD)}
    assert names['Salmon'].startswith('Salmon/1.') and 'Rust' not in names


def test_a_recipe_for_gtk_3_gets_the_webkit_for_gtk_3(upstream_site, upstream_file):
    """wxPython 4.2.1 and GTK4 would be two windows' libraries in one program, and GTK4's brings Rust."""
    path = upstream_file('wxPython-4.2.1-foss-2023a.eb')
    names = {node.name: node.module for node in make_plan([path], upstream_site).of(BUILD)}
    assert names['WebKitGTK+'].startswith('WebKitGTK+/2.41') and not {'GTK4', 'Rust'}.intersection(names)
