# SPDX-License-Identifier: GPL-2.0-only
"""The recipes of what upstream lacks for Slingshot: whole, of known contents, and planned."""
import re
from pathlib import Path

import pytest

from lumi_hooks.adapt import ADAPTED, adapt
from lumi_hooks.cli import main
from lumi_hooks.data import ROOT
from lumi_hooks.recipe import read_recipe
from lumi_hooks.site import make_site

FOLDER = Path(ROOT).parent / 'easyconfigs'
RECIPES = sorted(path for name in ('cassini-headers', 'cxi-driver', 'libcxi', 'libfabric', 'aws-ofi-nccl')
                 for path in (FOLDER / name[0] / name).glob('*.eb'))
SHA256, COMMIT = re.compile(r'[0-9a-f]{64}'), re.compile(r'[0-9a-f]{40}')


def test_they_are_there():
    assert [path.name.partition('-GCCcore')[0].partition('-rocm')[0] for path in RECIPES] == [
        'aws-ofi-nccl-1.18.0', 'cassini-headers-12.0.1', 'cassini-headers-13.0.0', 'cassini-headers-13.1.0',
        'cxi-driver-12.0.1', 'cxi-driver-13.0.0', 'cxi-driver-13.1.0', 'libcxi-12.0.1', 'libcxi-13.0.0',
        'libfabric-2.3.1']


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.name)
def test_a_recipe_says_what_it_is_made_of_and_how_it_is_checked(path):
    facts = read_recipe(str(path)).parameters
    for source, checksum in zip(facts['sources'], facts['checksums']):
        assert SHA256.fullmatch(checksum or '') or COMMIT.fullmatch(source['git_config']['commit'])
    assert len(facts['sources']) == len(facts['checksums'])
    assert facts['sanity_check_paths']['files'] and facts['moduleclass'] and facts['homepage'] and facts['description']
    assert 'software_license' in facts or '# licence: ' in path.read_text(encoding='utf-8')


def test_style_is_easybuilds():
    pytest.importorskip('pycodestyle')
    from easybuild.framework.easyconfig.style import check_easyconfigs_style
    assert check_easyconfigs_style([str(path) for path in RECIPES]) == 0


@pytest.mark.parametrize('partition', ['C', 'G'])
@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.name)
def test_it_is_planned(path, partition, capsys):
    gpu = 'rocm' in path.name
    told = main(['plan', path.name, '--partition', partition, '--release', '25.03'])
    out = capsys.readouterr().out
    if gpu and partition == 'C':
        assert told == 1 and 'no GPUs' in out
        return
    assert told == 0, out
    # headers, library and driver of one version of SHS
    versions = set(re.findall(r'(?:cassini-headers|cxi-driver|libcxi)/([\d.]+)-cpe', out))
    assert versions <= {'13.0.0'} if 'libfabric' in path.name else len(versions) <= 1


def test_libfabric_is_built_with_what_is_there():
    """xpmem, and ROCm where the partition has GPUs; no MPI."""
    path = FOLDER / 'l/libfabric/libfabric-2.3.1-GCCcore-14.2.0-cxi.eb'
    for partition, kept in (('C', set()), ('G', {'rocm'})):
        found = adapt(read_recipe(str(path)), make_site('25.03', partition, 'cpeGNU', env={}))
        assert found.status == ADAPTED
        assert not {'xpmem', *kept} & set(found.kept_out) and 'cray-mpich' in found.kept_out
