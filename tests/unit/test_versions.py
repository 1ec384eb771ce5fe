# SPDX-License-Identifier: GPL-2.0-only
"""Comparing versions."""
import doctest
import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumi_hooks import versions
from lumi_hooks.versions import same_minor, version_key

VERSION = st.from_regex(
    r'(patch_)?[0-9]{1,4}([._-]?([0-9]{1,3}|rc|beta|a|b|dev|r[0-9]|update[0-9]|29Aug2024|Jul|20230802)){0,4}',
    fullmatch=True)


def test_docstrings():
    assert doctest.testmod(versions).failed == 0


@pytest.mark.parametrize('lower, higher', [
    ('1.9', '1.10'), ('1.0rc1', '1.0.1'), ('2024a', '2024b'), ('2024b', '2025a'), ('9e', '9f'), ('3.11', '3.11.7'),
    ('1.2.11', '1.3'), ('20230101', '20240101'), ('0.9', '1'), ('5.4.1-beta', '5.4.1.1')])
def test_order(lower, higher):
    assert version_key(lower) < version_key(higher)


@pytest.mark.parametrize('ordered', [
    ['23Jun2022', '2Aug2023', '2Aug2023_update2', '29Aug2024', '29Aug2024_update2', '28Oct2024', '22Jul2025',
     '22Jul2025_update4'],
    ['patch_2Aug2023', '20240101', 'stable_29Aug2024', '20250101-cpeGNU-25.03', '22JUL2025-cpeGNU-25.03'],
    ['3.0.0.dev1', '3.0.0-alpha.3', '3.0.0b2', '3.0.0b10', '3.0.0rc1', '3.0.0', '3.0.0.post1', '3.0.1a1', '3.0.1'],
    ['1.0.6dev', '1.0.6'], ['1.94.0beta', '1.94.0'], ['2.0-a2', '2.0'], ['2.00a3.6', '2.00a3.7', '2.00'],
    ['1.16.0-rc4', '1.16.0'], ['2.0.0rc1.dev3', '2.0.0rc1', '2.0.0'], ['3.0.0b2-cpeGNU-25.03', '3.0.0-cpeGNU-25.03'],
    # what looks like one and is none: a letter behind a release, a word behind a letter, a commit, a revision
    ['1.1.1', '1.1.1a', '1.1.1n'], ['2.7.11b', '2.7.11b_alpha_2024-02-09'], ['17', '17-b804f', '18-8cc5c'],
    ['16', '16.A.03', '16.C.02'], ['4.release-384', '4.r420'], ['b4595', 'b8354'], ['2022b', '2023a', '2023b'],
    ['9' * 400, '1' + '0' * 400]])
def test_O9_days_and_what_comes_before_a_release(ordered):
    for one, two in itertools.combinations(ordered, 2):
        assert version_key(one) < version_key(two), (one, two)


def test_O9_a_number_of_any_length_has_a_key():
    assert version_key('1' * 5000) and version_key('1' * 5000) > version_key('2')


def test_O9_upstreams_versions_are_in_order(upstream):
    """Those whose order changed, of all in the collection: names of files alone, with the recipe's own version."""
    found = set()
    for folder in upstream:
        for path in Path(folder).glob('[lmu]/*/*.eb'):
            name = path.parent.name
            if name in ('LAMMPS', 'MACS3', 'UCX'):
                found.add((name, re.match(rf'{name}-(.*?)(-foss|-gfbf|-GCC|\.eb)', path.name)[1]))

    def newest(name):
        return max((version for one, version in found if one == name), key=version_key)
    assert newest('LAMMPS').startswith('22Jul2025')
    order = sorted((version for one, version in found if one == 'MACS3'), key=version_key)
    assert order.index('3.0.0b2') < order.index('3.0.0')
    order = sorted((version for one, version in found if one == 'UCX'), key=version_key)
    assert order.index('1.16.0-rc4') < order.index('1.16.0')


@given(st.lists(VERSION, max_size=6))
def test_total_order(items):
    """Any two versions compare, and sorting does not depend on the order they come in."""
    expected = sorted(items, key=version_key)
    for one, two in itertools.combinations(expected, 2):
        assert version_key(one) <= version_key(two) and not version_key(two) < version_key(one)
    backwards = items[::-1]
    assert [version_key(item) for item in sorted(backwards, key=version_key)] == list(map(version_key, expected))


@given(st.text())
def test_any_text_has_a_key(text):
    assert version_key(text) <= version_key(text)


@given(VERSION, VERSION, VERSION)
def test_transitive(one, two, three):
    first, second, third = sorted(map(version_key, (one, two, three)))
    assert first <= second <= third and first <= third


@pytest.mark.parametrize('one, other, same', [
    ('3.11.7', '3.11.3', True), ('3.11', '3.11.7', True), ('3.11.7', '3.12.1', False), ('1', '2', False),
    ('1.14.3.5', '1.14.6', True), ('3.0rc1', '3.0.2', True), ('3.1rc1', '3.0', False)])
def test_same_minor(one, other, same):
    assert same_minor(one, other) is same
    assert same_minor(other, one) is same
