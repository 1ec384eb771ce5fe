# SPDX-License-Identifier: GPL-2.0-only
"""eb --job: what EasyBuild does not tell sbatch."""

import pytest
from easybuild.tools import parallelbuild

from lumi_hooks.eb.policy import jobs
from lumi_hooks.site import make_site


@pytest.mark.parametrize('partition, env, lacks', [
    ('C', {}, {'SBATCH_ACCOUNT': 'project_465000000', 'SBATCH_PARTITION': 'small'}),
    ('G', {'SBATCH_ACCOUNT': 'p'}, {'SBATCH_PARTITION': 'small-g', 'SBATCH_GPUS_PER_NODE': '1'}),
    ('L', {'SBATCH_ACCOUNT': 'p'}, {'SBATCH_PARTITION': 'largemem'}),
    ('common', {'SBATCH_ACCOUNT': 'p'}, {}),
    ('C', {'SBATCH_ACCOUNT': 'p', 'SBATCH_PARTITION': 'debug'}, {})])
def test_what_sbatch_lacks(partition, env, lacks):
    assert jobs.settings(make_site(partition=partition, env={}), env) == lacks


@pytest.mark.parametrize('given', [True, False])
def test_it_is_told_before_jobs_are_submitted(options, monkeypatch, patched, capsys, given):
    submitted = []
    monkeypatch.setattr(parallelbuild, 'build_easyconfigs_in_parallel', lambda *args: submitted.append(args))
    for name in ('SBATCH_ACCOUNT', 'SBATCH_PARTITION'):
        monkeypatch.delenv(name, raising=False)
        if given:
            monkeypatch.setenv(name, 'x')
    patched('jobs', site=make_site(env={}), raise_refusals=lambda: None, requested=['a/1'])
    parallelbuild.build_easyconfigs_in_parallel('eb', [{'full_mod_name': 'a/1'}])
    told = capsys.readouterr().out
    assert ('export SBATCH_ACCOUNT=project_465000000 SBATCH_PARTITION=small' in told) is not given and submitted
