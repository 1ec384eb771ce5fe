# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb rebuild: the set that is to be built, and the tasks that are made of it."""
import json

import pytest
from rebuilding import AFFECTED, tasks_of

from lumi_hooks.errors import DataError
from lumi_hooks.rebuild import wanted
from lumi_hooks.rebuild.tasks import make_tasks
from lumi_hooks.site import make_site

# ---- the set

def test_what_affected_prints_is_a_set(tmp_path):
    (tmp_path / 'set.json').write_text(json.dumps({'schema_version': 1,
                                                   'affected': [{**AFFECTED, 'why': 'a\n\x1b[2Jb'}]}))
    found, = wanted.affected(str(tmp_path / 'set.json'))
    assert (found.recipe, found.partition, found.why) == (AFFECTED['recipe'], 'C', 'a \\x1b[2Jb')


@pytest.mark.parametrize('text, said', [
    ('{', 'it takes what "lumi-eb affected --json" prints'), ('[]', 'schema_version 1'),
    ('{"schema_version": 2, "affected": []}', 'schema_version 1'),
    ('{"schema_version": 1, "affected": [1]}', 'affected/0 is no object'),
    (json.dumps({'schema_version': 1, 'affected': [{**AFFECTED, 'recipe': ''}]}), 'names no recipe'),
    (json.dumps({'schema_version': 1, 'affected': [{**AFFECTED, 'module': 'a\nb'}]}), 'module is no text of one line'),
    (json.dumps({'schema_version': 1, 'affected': [{**AFFECTED, 'release': 25}]}), 'release is no text of one line')])
def test_what_is_no_set_is_rejected(tmp_path, text, said):
    (tmp_path / 'set.json').write_text(text)
    with pytest.raises(DataError, match=said):
        wanted.affected(str(tmp_path / 'set.json'))


def test_an_easystack_file_is_read(tmp_path):
    path = tmp_path / 'a.yaml'
    path.write_text('---\n# all\neasybuild_version: "5.1.2"\nrobot: True\neasyconfigs:\n'
                    '  - Lib-1.2-GCCcore-14.2.0.eb  # why\n\n  - "Thing-1.0-foss-2025a"\n')
    assert [item.recipe for item in wanted.easystack(str(path))] == ['Lib-1.2-GCCcore-14.2.0.eb',
                                                                     'Thing-1.0-foss-2025a.eb']


@pytest.mark.parametrize('text, said', [
    ('easyconfigs:\n', 'lists no recipe'), ('easyconfigs: []\n', 'lists no recipe'), ('- a.eb\n', 'line 1'),
    ('software:\n  - a.eb\n', 'line 1'),
    ('easyconfigs:\n  - a.eb:\n      options:\n', 'line 2: options of a single recipe are not taken'),
    ('easyconfigs: [a.eb]\n', 'line 1'), ('easyconfigs:\n  - {a: !!python/object b}\n', 'line 2')])
def test_an_easystack_file_of_another_kind_is_rejected(tmp_path, text, said):
    (tmp_path / 'a.yaml').write_text(text)
    with pytest.raises(DataError, match=said):
        wanted.easystack(str(tmp_path / 'a.yaml'))


# ---- tasks

def test_tasks_come_after_what_they_need(recipes, tmp_path):
    lib, mid, top = tasks_of(recipes, tmp_path, 'Top')
    assert [lib.module, mid.module, top.module] == [f'{name}/1.0-cpeGNU-25.03' for name in ('Lib', 'Mid', 'Top')]
    assert (lib.asked, mid.asked, top.asked) == (False, False, True)
    assert top.needs == sorted([lib.name, mid.name]) and mid.needs == [lib.name] and top.name.startswith('25.03-C-Top-')


def test_the_key_is_of_what_goes_in_and_of_nothing_else(recipes, tmp_path):
    before = [task.key for task in tasks_of(recipes, tmp_path, 'Top')]
    assert before == [task.key for task in tasks_of(recipes, tmp_path, 'Top')]
    recipes('Mid', ['Lib'], "configopts = '--other'\n")
    after = [task.key for task in tasks_of(recipes, tmp_path, 'Top')]
    assert after[0] == before[0] and after[1] != before[1] and after[2] != before[2]  # and what needs it


def test_a_module_that_is_installed_is_built_again_where_it_was_asked_for(recipes, tmp_path):
    from writing import put_module
    for name in ('Lib', 'Top'):
        put_module(tmp_path / 'prefix/modules/LUMI/25.03/partition/C', name, '1.0-cpeGNU-25.03')
    assert [task.module.split('/')[0] for task in tasks_of(recipes, tmp_path, 'Top')] == ['Mid', 'Top']


def test_what_cannot_be_built_is_refused(recipes, tmp_path):
    recipes('Gpu', more="dependencies = [('CUDA', '12.0')]\n")
    refused, lib = tasks_of(recipes, tmp_path, 'Gpu', 'Lib')
    assert (refused.state, lib.state) == ('refused', 'waiting') and 'CUDA' in refused.reason
    from lumi_hooks.index import Index
    site = make_site(prefix=str(tmp_path / 'p'), index=Index((), (), [str(recipes.folder)]), env={})
    path = str(recipes.folder / 'l/Lib/Lib-1.0-GCCcore-14.2.0.eb')
    other, = make_tasks([(wanted.Wanted(path, module='Lib/1.0-cpeCray-25.03'), path)], site, lambda *_: None,
                        lambda _: '')
    assert other.state == 'refused' and 'becomes Lib/1.0-cpeGNU-25.03 here' in other.reason
