# SPDX-License-Identifier: GPL-2.0-only
"""The easyblocks of every EasyBuild that LUMI has, against the list of what they ask for (easyblocks.json)."""
import importlib
import sys

import pytest

from .conftest import ROOT


@pytest.mark.parametrize('version', ['5.1.2', '5.2.0', '5.4.1'])
def test_each_easybuild_asks_for_nothing_that_is_not_classified(standin, monkeypatch, version):
    monkeypatch.setattr(sys, 'path', [str(ROOT / 'ci'), *sys.path])
    scan = importlib.import_module('easyblock_scan')
    place, = (standin / f'appl/lumi/SW/system/EB/EasyBuild/{version}').glob('lib/*/site-packages/easybuild/easyblocks')
    found = scan.scan(place)
    assert len(found) > 100
    known = scan.classified()
    new = {}
    for name, block in found.items():
        entry = known.get(name, {'sees': []})
        allowed = {*entry['sees'], *entry.get('older', {'sees': []})['sees']}
        new[name] = set(scan.signature(block)) - allowed
    assert {name: what for name, what in new.items() if what} == {}
