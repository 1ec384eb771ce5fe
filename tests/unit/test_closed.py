# SPDX-License-Identifier: GPL-2.0-only
"""Prefixes below the user's own that are closed or half closed: tried as another user, reported wherever used."""
import json
import os
from dataclasses import replace

import pytest
from another_user import GROUP, NOBODY, OTHER, Place, needs_root
from writing import put_recipe

from lumi_hooks.cli import main
from lumi_hooks.plan import make_plan
from lumi_hooks.prefix import closed

ASK = """
from lumi_hooks.prefix.closed import closed_folders
prefixes = ({own!r}, {lower!r})
result = [[one.folder, one.lost, one.sentence(prefixes)] for one in closed_folders(prefixes, '25.03', 'C')]
"""
FOLDERS = ('modules/LUMI/25.03/partition/C', 'modules/LUMI/25.03/partition/common', 'modules/container',
           'SW/LUMI-25.03/C', 'UserRepo/easybuild/easyconfigs', 'ebfiles_repo/LUMI-25.03/LUMI-C', 'overrides',
           'sources')


@pytest.fixture(scope='module')
def place():
    found = Place()
    yield found
    found.remove()


def lower(place, name, mode=0o755, group=OTHER):
    """Somebody else's prefix, with all that there is in one."""
    for folder in FOLDERS:
        parts = folder.split('/')
        for size in range(len(parts)):
            place.folder('/'.join([name, *parts[:size + 1]]), owner=OTHER, group=group)
    return place.folder(name, owner=OTHER, group=group, mode=mode)


@needs_root
@pytest.mark.parametrize('folder, mode, lost', [
    ('', 0o700, 'nothing that it holds is found'), ('', 0o711, 'nothing that it holds is found'),
    ('', 0o744, 'nothing that it holds is found'),
    ('modules', 0o700, 'its modules are not found'), ('modules/LUMI/25.03/partition/C', 0o700, 'its modules are not'),
    ('modules/LUMI/25.03/partition/common', 0o750, 'its modules are not found'),
    ('SW', 0o700, 'its modules are found, and cannot be used'), ('SW/LUMI-25.03', 0o700, 'cannot be used'),
    ('UserRepo', 0o700, 'the recipes that its owners wrote are not'),
    ('UserRepo/easybuild/easyconfigs', 0o700, 'the recipes that its owners wrote are not found'),
    ('ebfiles_repo', 0o700, 'the recipes of what is installed'), ('overrides', 0o700, 'its overrides are not found'),
    ('sources', 0o700, 'its sources are not found')])
def test_what_is_closed_and_what_comes_of_it(place, folder, mode, lost):
    prefix = lower(place, f'closed-{folder.replace("/", "-")}-{mode:o}')
    os.chmod(prefix / folder, mode)
    (where, what, text), = place.run(ASK.format(own=str(place.path / 'own'), lower=str(prefix)))
    assert where == str(prefix / folder).rstrip('/') and lost in what and lost in text
    assert f'chmod o+rx {where}' in text and 'whose it is' in text and '\n' not in text


@needs_root
def test_what_is_open_or_not_there_is_not_told(place):
    prefix = lower(place, 'open')
    ask = ASK.format(own=str(place.path / 'own'), lower=str(prefix))
    assert place.run(ask) == [] and place.run(ask.replace(str(prefix), str(place.path / 'nowhere'))) == []
    # the user's own may be as it likes: it is the first
    os.chmod(prefix, 0o700)
    assert place.run(ASK.format(own=str(prefix), lower=str(place.path / 'nowhere'))) == []


@needs_root
def test_closed_further_up_and_by_the_group(place):
    above = place.folder('above', owner=OTHER, group=OTHER, mode=0o700)
    prefix = lower(place, 'above/prefix')
    (where, what, _), = place.run(ASK.format(own=str(place.path / 'own'), lower=str(prefix)))
    assert where == str(above) and 'nothing that it holds' in what
    # a member of the project, whose folder keeps even the group out
    prefix = lower(place, 'grouped', mode=0o2700, group=GROUP)
    (_, _, text), = place.run(ASK.format(own=str(place.path / 'own'), lower=str(prefix)), groups=(NOBODY, GROUP))
    assert f'chmod g+rx {prefix}' in text


@pytest.fixture
def shut(tmp_path, monkeypatch):
    """A site on top of a prefix whose modules are closed; root could look into it."""
    modules = tmp_path / 'lower' / 'modules'
    modules.mkdir(parents=True)
    monkeypatch.setattr(closed, 'is_open', lambda folder: folder != str(modules))
    return tmp_path / 'lower', modules


def test_a_plan_says_it(shut, site, tmp_path):
    low, modules = shut
    site = replace(site, prefix=str(tmp_path / 'own'), prefixes=(str(tmp_path / 'own'), str(low)))
    plan = make_plan([put_recipe(tmp_path, flat=True)], site)
    warning, = plan.warnings
    assert warning.startswith(f'{modules} is closed to you')
    assert 'planned or built now may be installed there' in warning
    assert make_plan([put_recipe(tmp_path, flat=True)], replace(site, prefixes=site.prefixes[:1])).warnings == ()


@pytest.fixture
def lumi(shut, monkeypatch, tmp_path):
    for name, value in {'LUMI_STACK_VERSION': '25.03', 'LUMI_STACK_PARTITION': 'C', 'LUMI_EASYBUILD_MODE': 'user',
                        'EBU_USER_PREFIX': str(tmp_path / 'own'), 'EASYBUILD_PREFIX': str(tmp_path / 'own'),
                        'LUMI_HOOKS_PREFIXES': f'{tmp_path}/own:{shut[0]}'}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize('command', ['plan', 'doctor', 'status'])
def test_every_command_says_it_once(lumi, shut, capsys, tmp_path, command):
    recipe = [] if command == 'status' else [put_recipe(tmp_path, flat=True)]
    main([command, '--json', *recipe])
    found = json.loads(capsys.readouterr().out)
    said = {'plan': lambda: found['warnings'], 'doctor': lambda: [item['text'] for item in found['findings']],
            'status': lambda: [item['text'] for item in found['closed']]}[command]()
    assert len([text for text in said if f'{shut[1]} is closed to you' in text]) == 1
    main([command, *recipe])
    assert ' '.join(capsys.readouterr().out.split()).count('is closed to you') == 1
