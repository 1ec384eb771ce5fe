# SPDX-License-Identifier: GPL-2.0-only
"""The ground that damaged files lie on."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


@pytest.fixture(scope='module')
def ground(tmp_path_factory):
    """A folder with a prefix in it; `mark` is what harmful values try to make."""
    path = tmp_path_factory.mktemp('ground')
    (path / 'prefix').mkdir()
    return path
