# SPDX-License-Identifier: GPL-2.0-only
"""No variable of Cray MPICH, libfabric or RCCL is set without a reason."""
import re
from dataclasses import replace
from pathlib import Path

import pytest

from lumi_hooks import sites
from lumi_hooks.cli import main
from lumi_hooks.cutoff import STAYS_IN
from lumi_hooks.data import ROOT, load_json
from lumi_hooks.errors import DataError
from lumi_hooks.fabric.variables import OURS, holds, setting, versions
from lumi_hooks.job import make_job
from lumi_hooks.releases import load_release, release_names
from lumi_hooks.schemas import schema
from lumi_hooks.schemas.plain import faults
from lumi_hooks.site import make_site

GPU = 'GROMACS/2025.4-cpeAMD-25.03-rocm'
ENTRIES = load_json('releases/variables.json')['settings']
# NAME=value in a shell, and 'NAME': 'value' in a recipe or in code
SET = re.compile(r'\b((?:FI|MPICH|NCCL|RCCL)_[A-Z0-9_]+)(?:=|[\'"]: [\'"])(\w+)')


def set_in(text):
    """Variables and values that a text sets."""
    return set(SET.findall(text))


def test_what_sets_a_variable_is_found():
    assert set_in("modextravars = {'FI_CXI_RX_MATCH_MODE': 'hybrid'}\nexport NCCL_CROSS_NIC=1; MPICH_X") == {
        ('FI_CXI_RX_MATCH_MODE', 'hybrid'), ('NCCL_CROSS_NIC', '1')}


def test_every_variable_that_is_set_has_a_reason():
    """In recipes, code and data; in the scripts of jobs, of every site, release and kind of program."""
    top = Path(ROOT).parent
    found = set(STAYS_IN.items())
    for folder in ('lumi_hooks', 'easyconfigs', 'easyblocks', 'toolchains', 'libexec'):
        for path in (top / folder).rglob('*'):
            if path.suffix in ('.py', '.json', '.eb', '.lua', '.sh') or folder == 'libexec' and path.is_file():
                found |= set_in(path.read_text(encoding='utf-8', errors='replace'))
    for name in sites.known():
        for facts in load_json(f'sites/{name}/jobs.json')['partitions'].values():
            for item in [*facts['environment'], *([facts['gpu_mpi']] if 'gpu_mpi' in facts else [])]:
                if OURS.fullmatch(item['name']):
                    found.add((item['name'], item['value']))
    assert ('MPICH_OFI_NIC_POLICY', 'GPU') in found and ('FI_TCP_IFACE', 'lo') in found
    for name, value in sorted(found):
        assert setting(name, value)['reason'], (name, value)
    assert {(entry['name'], entry['value']) for entry in ENTRIES} == found, 'a reason for what nothing sets'


def test_a_variable_without_a_reason_is_an_error():
    with pytest.raises(DataError, match='has no reason for MPICH_OFI_NIC_POLICY=ROUND'):
        setting('MPICH_OFI_NIC_POLICY', 'ROUND')
    jobs = load_json('sites/lumi/jobs.json')
    for name, reason, right in (('FI_X', {}, True), ('FI_X', {'reason': 'r'}, False), ('OMP_X', {}, False),
                                ('OMP_X', {'reason': 'r'}, True)):
        jobs['partitions']['C']['environment'] = [{'name': name, 'value': '1', **reason}]
        assert (not list(faults(jobs, schema('jobs')))) is right, (name, reason)


def test_a_setting_is_for_its_versions_alone(monkeypatch):
    entry = {**setting('MPICH_OFI_NIC_POLICY', 'NUMA'), 'below': '9.0'}
    assert [name for name in release_names() if holds(entry, load_release(name))] == [
        '23.09', '24.03', '24.11', '25.03']
    assert versions(entry) == 'cray-mpich from 8.1 on, below 9.0' and not holds({**entry, 'of': 'x'},
                                                                               load_release('25.03'))
    monkeypatch.setattr('lumi_hooks.job.setting', lambda name, value: entry)
    site = make_site(partition='C', env={})
    assert 'MPICH_OFI' in make_job('X/1', site).script()
    assert 'MPICH_OFI' not in make_job('X/1', replace(site, release=load_release('25.09'))).script()


def test_job_why_tells_them(capsys):
    assert main(['job', GPU, '--why']) == 0
    out, err = capsys.readouterr()
    for item in make_job(GPU, make_site(partition='G', env={})).as_json()['environment']:
        assert f'{item["name"]}={item["value"]}' in out
        assert ' '.join(item['reason'].split()) in ' '.join(out.split()) and item['source'] in out
    assert 'cray-mpich from 8.1 on' in out and '#SBATCH' not in out and not err
