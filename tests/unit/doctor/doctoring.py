# SPDX-License-Identifier: GPL-2.0-only
"""What one check says of a situation; a package of the tests."""
from lumi_hooks import trust
from lumi_hooks.doctor import CHECKS, Package, examine


def says(check_id, situation):
    """What one check says: level and text."""
    examine(situation)  # registers all
    trust.forget()
    return [(finding.level, finding.text) for finding in CHECKS[check_id](situation)]


def package(name='Thing', path=None, **parameters):
    return Package(name, f'{name}/1.0-cpeGNU-25.03', {'name': name, 'version': '1.0', **parameters}, path)
