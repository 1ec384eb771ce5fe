# SPDX-License-Identifier: GPL-2.0-only
"""Where Lmod is: as the environment says, as packages install it, or the stand-in's."""

import os
import shutil

import pytest


def lmod_command():
    """Return the path of Lmod's command, None if there is none."""
    cache = os.environ.get('LUMI_HOOKS_CACHE') or os.path.join(
        os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'lumi-hooks')
    standin = os.environ.get('LUMI_HOOKS_STANDIN') or os.path.join(cache, 'standin')
    known = [os.environ.get('LMOD_CMD'), shutil.which('lmod'), '/usr/share/lmod/lmod/libexec/lmod',
             os.path.join(standin, 'opt', 'cray', 'pe', 'lmod', 'lmod', 'libexec', 'lmod')]
    return next((path for path in known if path and os.path.exists(path)), None)


def require_lmod():
    """Return the path of Lmod's command; skip the test without it, or fail where the stand-in is said to be there."""
    found = lmod_command()
    if found is None:
        message = 'there is no Lmod: run ci/standin/build, apt-get install lmod, or set LMOD_CMD'
        if os.environ.get('LUMI_HOOKS_REQUIRE_STANDIN'):
            pytest.fail(message)
        pytest.skip(message)
    return found
