# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the tests of GPU variants: data of a package of the tests, a site on partition G."""
import pytest

from lumi_hooks import gpu
from lumi_hooks.site import make_site

BACK_END = {
    'back_end': 'HIP', 'compiler': {'toolchain': 'cpeAMD', 'others': ['cpeGNU', 'cpeCray'], 'reason': 'tested'},
    'build': 'cmake', 'compile': {'by': 'clang', 'what': 'kernels', 'link': 'wrapper'},
    'tests': {'where': 'build', 'reason': 'tested'}, 'changes': [], 'example': 'Thing.eb', 'check': 'x', 'source': 'x'}


@pytest.fixture
def thing(monkeypatch):
    """Data of packages, by default of one named Thing: thing(compile=…, changes=…); returns nothing."""
    real, known = gpu.package, {}

    def make(of='Thing', **data):
        known[of] = {'name': of, 'rocm': data if 'refuse' in data else {**BACK_END, **data}}

    monkeypatch.setattr(gpu, 'package', lambda name: known[name] if name in known else real(name))
    return make


@pytest.fixture
def g():
    """A site on partition G."""
    return make_site(partition='G', env={})
