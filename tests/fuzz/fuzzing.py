# SPDX-License-Identifier: GPL-2.0-only
"""How many damaged files of each kind are tried, and what none of them may do."""
import os

from hypothesis import HealthCheck, settings

COUNT = int(os.environ.get('LUMI_HOOKS_FUZZ', '200'))
RANDOM = 'LUMI_HOOKS_FUZZ' in os.environ
# how the total is shared out
SHARES = {'recipes': 0.3, 'overrides': 0.2, 'releases': 0.1, 'records': 0.1, 'prefixes': 0.05, 'lists': 0.05,
          'locks': 0.1, 'notes': 0.1}


def examples(kind):
    """Settings for a kind of file: the same examples in every normal run, others each time that more are asked for."""
    return settings(max_examples=max(1, int(COUNT * SHARES[kind])), deadline=None, derandomize=not RANDOM,
                    database=None, suppress_health_check=list(HealthCheck), print_blob=True)


def unharmed(ground, seen):
    """Nothing was tried, and what harmful values try to make is not there."""
    assert seen == [], seen
    marks = [name for name in os.listdir('.') if name == 'mark'] + list(ground.rglob('mark'))
    assert marks == []
