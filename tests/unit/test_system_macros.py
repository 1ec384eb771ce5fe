# SPDX-License-Identifier: GPL-2.0-only
"""What aclocal of LUMI's buildtools finds: the system's pkg.m4, behind macros of modules (arpack-ng's bootstrap)."""
import os

import pytest

from toolchains.compiler import lumi_cpe


@pytest.mark.parametrize('before, after', [
    ('/sw/buildtools/share/aclocal', '/sw/buildtools/share/aclocal:SYSTEM'),
    # the operating system's own automake looks there anyway
    ('', ''), ('/one:SYSTEM:/other', '/one:SYSTEM:/other')])
def test_aclocal_finds_the_systems_macros_last(monkeypatch, tmp_path, before, after):
    monkeypatch.setattr(lumi_cpe, 'SYSTEM_MACROS', str(tmp_path))
    monkeypatch.setenv('ACLOCAL_PATH', before.replace('SYSTEM', str(tmp_path)))
    lumi_cpe.add_system_macros()
    assert os.environ['ACLOCAL_PATH'] == after.replace('SYSTEM', str(tmp_path))


def test_where_the_system_has_no_macros_nothing_is_added(monkeypatch, tmp_path):
    monkeypatch.setattr(lumi_cpe, 'SYSTEM_MACROS', str(tmp_path / 'none'))
    monkeypatch.setenv('ACLOCAL_PATH', '/sw/buildtools/share/aclocal')
    lumi_cpe.add_system_macros()
    assert os.environ['ACLOCAL_PATH'] == '/sw/buildtools/share/aclocal'
