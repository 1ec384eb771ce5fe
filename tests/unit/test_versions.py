# SPDX-License-Identifier: GPL-2.0-only
"""Comparing versions."""
import doctest
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumi_hooks import versions
from lumi_hooks.versions import same_minor, version_key

VERSION = st.from_regex(r'[0-9]{1,4}([._-]?([0-9]{1,3}|rc|beta|a|b|dev)){0,4}', fullmatch=True)


def test_docstrings():
    assert doctest.testmod(versions).failed == 0


@pytest.mark.parametrize('lower, higher', [
    ('1.9', '1.10'), ('1.0rc1', '1.0.1'), ('2024a', '2024b'), ('2024b', '2025a'), ('9e', '9f'), ('3.11', '3.11.7'),
    ('1.2.11', '1.3'), ('20230101', '20240101'), ('0.9', '1'), ('5.4.1-beta', '5.4.1.1')])
def test_order(lower, higher):
    assert version_key(lower) < version_key(higher)


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
    ('1.14.3.5', '1.14.6', True)])
def test_same_minor(one, other, same):
    assert same_minor(one, other) is same
    assert same_minor(other, one) is same
