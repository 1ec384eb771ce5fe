# SPDX-License-Identifier: GPL-2.0-only
"""What was asked for by name, by the command line of eb."""
import pytest

from lumi_hooks.eb.policy.requested import Requested
from lumi_hooks.site import make_site


@pytest.fixture
def asked(tmp_path):
    (tmp_path / 'recipes').mkdir()
    (tmp_path / 'stack.yaml').write_text(
        'easyconfigs:\n  - zlib-1.3.1-GCCcore-14.2.0.eb\n'
        '  - "lz4-1.10.0-GCCcore-14.2.0":\n      options: {robot: True}\n')

    def make(*words):
        return Requested(make_site('25.03', 'C', 'cpeGNU', prefix=str(tmp_path), env={}), str(tmp_path / 'store'),
                     [word.format(top=tmp_path) for word in words])
    return make


@pytest.mark.parametrize('words, path, expected', [
    (['X-1.eb', '-r'], '/anywhere/X-1.eb', True), (['/a/X-1.eb', '-r'], '/b/X-1.eb', True),
    (['X-1.eb', '-r'], '/anywhere/Y-1.eb', False), (['--rebuild', 'X-1.eb', 'Y-1.eb'], 'Y-1.eb', True),
    (['--easystack', '{top}/stack.yaml'], 'zlib-1.3.1-GCCcore-14.2.0.eb', True),
    (['--easystack={top}/stack.yaml'], 'lz4-1.10.0-GCCcore-14.2.0.eb', True),
    (['--easystack={top}/stack.yaml'], 'other-1.0-GCCcore-14.2.0.eb', False),
    (['{top}/recipes'], '{top}/recipes/X-1.eb', True), (['{top}/recipes'], '{top}/others/X-1.eb', False),
    (['X-1.eb', '--robot', '{top}/recipes'], '{top}/recipes/Y-1.eb', False),
    (['X-1.eb', '--robot={top}/recipes'], '{top}/recipes/Y-1.eb', False),
    (['X-1.eb', '--try-software-version=2'], '/tmp/eb-x/tweaked_easyconfigs/X-2.eb', True),
    (['X-1.eb', '--try-toolchain=a,1'], '/tmp/eb-x/tweaked_dep_easyconfigs/Y-2.eb', False),
    (['--from-pr=1234'], '/tmp/eb-x/files_pr1234/X-1.eb', True), (['X-1.eb', '-r'], None, False)])
def test_given(asked, tmp_path, words, path, expected):
    assert asked(*words).given(path and path.format(top=tmp_path)) is expected
