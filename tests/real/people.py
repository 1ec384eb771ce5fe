# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures: three ordinary users of the stand-in, two of them members of one project."""
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from .conftest import HOOKS
from .members import LICENSED_ID, ONE, PROJECT_ID, STRANGER, TWO, Member, folder
from .otheruser import reaches

__all__ = ['base', 'people']


@pytest.fixture(scope='module')
def base(standin):
    """A folder that everybody can enter, and an ordinary user who can use the stand-in and this checkout."""
    if os.geteuid() != 0:
        pytest.skip('only root can run eb as several users')
    path = Path(tempfile.mkdtemp(prefix='lumi-hooks-members-'))
    path.chmod(0o755)
    for needed in (standin / 'enter.sh', HOOKS):
        if not reaches(needed, ONE):
            shutil.rmtree(path)
            pytest.skip(f'{needed} lies where other users cannot read it')
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope='module')
def people(standin, sources, upstream, base):
    """A project's prefix, two of its members (one has the licence too), and a stranger."""
    for user in (ONE, TWO, STRANGER):
        folder(base / f'home{user}', owner=user, mode=0o700)
    prefix = folder(base / 'project', group=PROJECT_ID, mode=0o2775)
    found = {'one': Member(standin, sources, upstream, prefix, base / f'home{ONE}', ONE, (PROJECT_ID, LICENSED_ID)),
             'two': Member(standin, sources, upstream, prefix, base / f'home{TWO}', TWO),
             'stranger': Member(standin, sources, upstream, prefix, base / f'home{STRANGER}', STRANGER, ())}
    recipes = folder(base / 'recipes', owner=0, group=0)
    yield {**found, 'prefix': prefix, 'recipes': recipes, 'base': base}
