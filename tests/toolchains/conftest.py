# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures for the tests of toolchains, easyblocks and generated recipes."""

import pytest
from small_cray import build_cray


@pytest.fixture(scope='session')
def cray(tmp_path_factory):
    """A small Cray PE on real Lmod, see small_cray.py."""
    return build_cray(tmp_path_factory.mktemp('cray'))
