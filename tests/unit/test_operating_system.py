# SPDX-License-Identifier: GPL-2.0-only
"""What the operating system has is taken from it where the site says so, and nowhere else."""
import pytest

from lumi_hooks import packages, sites


@pytest.fixture
def a_site(monkeypatch):
    """The site's machine with another word about its operating system."""
    def say(system):
        facts = {**sites.read('machine.json'), 'operating_system': system}
        if system is None:
            facts.pop('operating_system')
        before = sites.read
        monkeypatch.setattr(sites, 'read', lambda name: facts if name == 'machine.json' else before(name))
        for known in (packages.members, packages.treatment):
            known.cache_clear()
    yield say
    monkeypatch.undo()
    for known in (packages.members, packages.treatment):
        known.cache_clear()


@pytest.mark.parametrize('system, taken', [
    (None, []), ({'provides': []}, []), ({'provides': ['OpenSSL', 'Perl']}, ['OpenSSL', 'Perl'])])
def test_a_site_that_says_nothing_builds_everything(a_site, system, taken):
    a_site(system)
    assert [name for name in ('OpenSSL', 'Perl', 'git') if packages.treatment(name)] == taken
    assert packages.treatment('binutils'), 'the toolchain has it, wherever that is'


def test_what_lumi_takes():
    """79 of LUMI's own recipes name openssl-devel in osdependencies."""
    assert packages.treatment('OpenSSL').folder == '/usr' and 'LUMI' in packages.treatment('OpenSSL').reason
    assert packages.treatment('git').lists == ('builddependencies',)


def test_only_what_an_operating_system_may_have_is_taken_from_it():
    """A site can't say that it has, say, Boost: what such a word means for recipes is not known."""
    groups = packages._groups()['groups'].values()
    known = {name for group in groups if group.get('operating_system') for name in group['members']}
    assert set(sites.read('machine.json')['operating_system']['provides']) <= known
