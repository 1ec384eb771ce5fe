# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the unit tests: a clean environment, sites, upstream's recipes."""
import os
import socket
from types import SimpleNamespace

import pytest
from attackers import place, project  # noqa: F401 (fixtures, under these names everywhere)
from easybuild.tools.config import BuildOptions, init_build_options
from hypothesis import settings
from rebuilding import recipes  # noqa: F401 (a fixture)
from writing import recipe_text

from lumi_hooks import trust
from lumi_hooks.catalogue import upstream_recipes
from lumi_hooks.eb import patches
from lumi_hooks.finding import find_recipe
from lumi_hooks.index import Index
from lumi_hooks.recipe import parse_recipe
from lumi_hooks.site import make_site

# the same examples in every run, none kept on disk, and no limit of time on a busy machine
settings.register_profile('unit', max_examples=30, deadline=None, derandomize=True, database=None)
settings.load_profile('unit')

# what LUMI's modules, EasyBuild and this library read
PREFIXES = ('LUMI_', 'EBU_', 'EASYBUILD_', 'EBROOT', 'EBVERSION', 'MODULEPATH', 'LOADEDMODULES')


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """No test depends on what is loaded where it runs."""
    for name in list(os.environ):
        if name.startswith(PREFIXES):
            monkeypatch.delenv(name)
    # a process looks at a folder once; each test has folders of its own
    trust.forget()


@pytest.fixture(scope='session')
def upstream():
    """Folders of upstream's recipes, those that were installed with EasyBuild."""
    found = upstream_recipes({'PATH': os.environ.get('PATH', '')})
    assert found, 'EasyBuild\'s recipes are not installed: pip install easybuild-easyconfigs'
    return found


@pytest.fixture(scope='session')
def upstream_index(upstream):
    """An index of upstream's recipes alone; it lists folders once, so it is shared."""
    return Index((), (), upstream)


@pytest.fixture(scope='session')
def upstream_file(upstream):
    """Path of an upstream recipe by its file name."""
    def find(name):
        return find_recipe(name, upstream)
    return find


@pytest.fixture
def site():
    """A site of the default release, partition C, cpeGNU; nothing is installed and upstream is empty."""
    return make_site(env={})


@pytest.fixture
def upstream_site(upstream_index):
    """The same with upstream's recipes."""
    return make_site(index=upstream_index, env={})


@pytest.fixture
def recipe():
    """A recipe made of a text: recipe(more, name=…, version=…, toolchain=…)."""
    def make(more='', **facts):
        return parse_recipe(recipe_text(more=more, **facts))
    return make


@pytest.fixture
def options():
    """EasyBuild's default options."""
    instances = type(BuildOptions)._instances
    before = dict(instances)
    instances.pop(BuildOptions, None)
    init_build_options()
    yield
    instances.clear()
    instances.update(before)


@pytest.fixture
def patched(monkeypatch):
    """Puts a feature's functions in place of EasyBuild's until the test ends: patched('names', site=…)."""
    def put(feature, **session):
        monkeypatch.setattr(patches, '_session', SimpleNamespace(**session))
        patches.put_in_place(feature)
    yield put
    patches.undo()


@pytest.fixture(scope='module')
def outside():
    """Address and port of a server that is not on the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        try:
            handle.connect(('192.0.2.1', 80))  # sends nothing: asks for the route
        except OSError:
            pytest.skip('this machine has no network')
        address = handle.getsockname()[0]
    with socket.create_server((address, 0)) as handle:
        yield address, str(handle.getsockname()[1])
