# SPDX-License-Identifier: GPL-2.0-only
"""Room for what is to be installed: quotas, LUMI's lists, estimates."""
import json

import pytest
from doctoring import package, says

from lumi_hooks.doctor import ERROR, WARNING
from lumi_hooks.doctor import room as room_checks
from lumi_hooks.plan.cost import size_of
from lumi_hooks.prefix import quota
from lumi_hooks.prefix.quota import Room, listed, parse_lfs
from lumi_hooks.record.experience import Estimate
from lumi_hooks.releases import load_machine

# --- room

def test_lfs_quota():
    line = '/project 41943040 52428800 53477376 - 61234 100000 101000 -\n'
    assert parse_lfs(line) == Room(10485760 * 1024, 38766, 'lfs quota')
    assert parse_lfs('/flash 100* 50 60 6d23h 10* 5 6 6d\n') == Room(0, 0, 'lfs quota')
    assert parse_lfs('/scratch [100] 0 0 - 10 0 0 -\n') is None
    assert parse_lfs('/scratch 100 0 0 - 10 20 0 -\n') == Room(None, 10, 'lfs quota')
    assert parse_lfs('/a/very/long/name\n   1 2 3 - 4 5 6 -\n') == Room(1024, 1, 'lfs quota')
    for text in ('', 'Permission denied.', 'x y z', '/p 1 2'):
        assert parse_lfs(text) is None


def test_lumis_lists():
    content = {'storage_quotas': {'directories': {'projappl': {
        'block_quota_used': 798348288, 'block_quota_soft': 10737418240, 'block_quota_hard': 10738466816,
        'inode_quota_used': 5265353, 'inode_quota_soft': 50000000, 'inode_quota_hard': 50001000}}}}
    keys = next(area['quota'] for area in load_machine()['storage']['areas'] if area['name'] == 'project')
    assert listed(content, keys, 'f') == Room((10737418240 - 798348288) * 1024, 44734647, 'f')
    for odd in ({}, [], None, {'storage_quotas': None}, {'storage_quotas': {'directories': {'projappl': 'x'}}},
                {'storage_quotas': {'directories': {'projappl': {'block_quota_soft': 'many'}}}}):
        assert listed(odd, keys, 'f') is None


def test_where_room_is_asked_for(project, tmp_path, monkeypatch):
    monkeypatch.setattr(quota.shutil, 'which', lambda name: None)
    assert [found.source for found in quota.room(str(project))] == ['file system']
    (tmp_path / 'info').mkdir()
    name = tmp_path / 'info' / f'{project.name}.json'
    name.write_text(json.dumps({'storage_quotas': {'directories': {'projappl': {
        'block_quota_used': 1, 'block_quota_soft': 3, 'inode_quota_used': 5, 'inode_quota_soft': 8}}}}))
    assert quota.room(str(project / 'not' / 'yet'))[0] == Room(2048, 3, str(name))
    name.write_text('{')
    assert [found.source for found in quota.room(str(project))] == ['file system']
    # Lustre's own word counts before that of the list
    lfs = tmp_path / 'lfs'
    lfs.write_text('#!/bin/sh\ncase $1 in project) echo "  2000001 P $3";; *) echo "$5 1 5 6 - 1 9 9 - $4";; esac\n')
    lfs.chmod(0o755)
    monkeypatch.setattr(quota.shutil, 'which', lambda name: str(lfs))
    assert quota.room(str(project))[0] == Room(4096, 8, 'lfs quota')
    lfs.write_text('#!/bin/sh\nexit 1\n')
    assert [found.source for found in quota.room(str(project))] == ['file system']


@pytest.mark.parametrize('found, levels', [
    (Room(10 ** 12, 10 ** 6, 'x'), []), (Room(None, None, 'x'), []), (Room(1000, 10 ** 6, 'x'), [ERROR]),
    (Room(10 ** 7, 10 ** 6, 'x'), [WARNING]), (Room(10 ** 12, 200, 'x'), [WARNING]),
    (Room(10 ** 12, 3, 'x'), [ERROR]), (Room(0, 0, 'x'), [ERROR, ERROR])])
def test_room_against_the_estimate(here, monkeypatch, found, levels):
    assert size_of('Thing', None) == (2 * 10 ** 7, 300)
    monkeypatch.setattr(room_checks, 'room', lambda path: [found])
    assert [level for level, _ in says('space', here())] == levels
    assert [level for level, _ in says('space', here(packages=[package()]))] == levels


def test_estimate_grows_with_what_is_built(here, monkeypatch):
    monkeypatch.setattr(room_checks, 'room', lambda path: [Room(10 ** 8, 10 ** 9, 'x')])
    assert says('space', here(packages=[package()] * 4)) == []
    (level, text), = says('space', here(packages=[package()] * 6))
    assert level == WARNING and '100 MB' in text and '6 installations may take 120 MB' in text


def test_estimate_from_records(here, monkeypatch):
    """What is known of the same software counts."""
    known = {'Thing/1.0-cpeGNU-25.03': Estimate(1.0, 5000, 20, 'x'),
             'Odd/1.0-cpeGNU-25.03': Estimate(None, None, None, 'x')}
    monkeypatch.setattr(room_checks.Experience, 'estimate', lambda self, module: known.get(module))
    assert room_checks.estimate(here(packages=[package()])) == (5000, 20)
    assert room_checks.estimate(here(packages=[package(), package('Other')])) == (5000 + 2 * 10 ** 7, 20 + 300)
    assert room_checks.estimate(here(packages=[package('Odd')])) == room_checks.estimate(here()) == (2 * 10 ** 7, 300)


def test_build_folder(here, monkeypatch):
    monkeypatch.setattr(room_checks, 'room', lambda path: [Room(10 ** 6, 10, 'file system')])
    found = says('build-space', here(buildpath='/dev/shm/me'))
    assert [level for level, _ in found] == [ERROR, ERROR] and 'clear-eb' in found[0][1]
    assert says('build-space', here()) == []
    assert says('build-space', here(env={'EASYBUILD_BUILDPATH': '/dev/shm/me'}))[0][0] == ERROR
