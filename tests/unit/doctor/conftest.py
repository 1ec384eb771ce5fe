# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the tests of lumi-eb doctor: a situation where all is well, a project's folder."""
import grp
import os
from dataclasses import replace

import pytest

from lumi_hooks.doctor import Situation
from lumi_hooks.releases import load_machine
from lumi_hooks.site import make_site


@pytest.fixture
def here(tmp_path):
    """A situation where nothing is wrong; here(**changes) differs in something."""
    (tmp_path / 'prefix').mkdir(exist_ok=True)
    site = make_site('25.03', 'C', prefix=str(tmp_path / 'prefix'), env={})

    def make(prefix=None, partition=None, packages=(), **changes):
        mine = site if prefix is None else make_site('25.03', 'C', prefix=str(prefix), env={})
        if partition:
            mine = replace(mine, partition=partition)
        return Situation(mine, changes.pop('env', {}), tuple(packages), **changes)
    return make


@pytest.fixture
def project(monkeypatch, tmp_path):
    """A project's folder below tmp_path, of a group that exists and that the user is in."""
    storage = {**load_machine()['storage'], 'areas': [
        {'name': 'project', 'description': 'd', 'paths': [f'{tmp_path}/projects/*'], 'group': True,
         'quota': ['storage_quotas', 'directories', 'projappl'], 'advice': None}],
        'project_quota': f'{tmp_path}/info/{{group}}.json'}
    load_machine.cache_clear()
    facts = {**load_machine(), 'storage': storage}
    for module in ('lumi_hooks.areas', 'lumi_hooks.prefix.quota', 'lumi_hooks.doctor.room'):
        monkeypatch.setattr(f'{module}.load_machine', lambda: facts)
    name = grp.getgrgid(os.getegid()).gr_name
    path = tmp_path / 'projects' / name
    path.mkdir(parents=True)
    return path
