# SPDX-License-Identifier: GPL-2.0-only
"""Settings: what would do nothing is rejected, what is set is told, and the documentation has them all."""
import re
from pathlib import Path

import pytest

from lumi_hooks import settings
from lumi_hooks.cli import main
from lumi_hooks.cli.site_options import settings_in_force
from lumi_hooks.cutoff import OPEN, WAYS
from lumi_hooks.eb import patches
from lumi_hooks.eb.lifecycle import linkage
from lumi_hooks.errors import SiteError
from lumi_hooks.site import make_site

DOCS = Path(__file__).parents[2] / 'docs/settings.md'


@pytest.mark.parametrize('name, value, says', [
    ('DISABEL', 'native', r'LUMI_HOOKS_DISABEL is not a setting; do you mean LUMI_HOOKS_DISABLE\?'),
    ('OVERRIDE', '/o', r'do you mean LUMI_HOOKS_OVERRIDES\?'),
    ('HIDE', 'maybe', "LUMI_HOOKS_HIDE is 'maybe'; it can be on or off, or unset"),
    ('VERIFY', 'none', 'it can be error or warn or off'),
    ('NETWORK', 'off', 'it can be notification or sockets or namespace or open'),
    ('DISABLE', 'suffix:cray-provide', "names 'cray-provide', and there is no rule of that name; do you mean cray-p"),
])
def test_what_would_do_nothing_is_rejected(name, value, says):
    with pytest.raises(SiteError, match=says):
        make_site(env={f'LUMI_HOOKS_{name}': value})


@pytest.mark.parametrize('name, value', [
    ('HIDE', 'off'), ('DISABLE', 'cray-provided, suffix'), ('DISABLE', ''), ('VERIFY', ''),
    # what scripts set for each other, and users for themselves
    ('STANDIN', '/s'), ('CACHE', '/c'), ('LOADED_PREFIXES', '/p'), ('INSTALLATION', '/i')])
def test_the_rest_is_taken(name, value):
    make_site(env={f'LUMI_HOOKS_{name}': value})


def test_lists_have_colons_commas_or_blanks():
    site = make_site(env={'LUMI_HOOKS_DISABLE': 'suffix:cray-provided', 'LUMI_HOOKS_DERIVE': 'lz4,zlib Boost'})
    assert site.disabled == {'suffix', 'cray-provided'} and site.derive == {'lz4', 'zlib', 'Boost'}


def test_values_are_those_that_are_understood():
    assert set(settings.load_settings()['NETWORK']['values']) == {*WAYS, OPEN}
    assert set(settings.load_settings()['PATCHES']['values']) == {patches.OFF, patches.UNTESTED}
    assert set(settings.load_settings()['VERIFY']['values']) == {linkage.FAIL, linkage.WARN, linkage.OFF}


def test_the_documentation_has_each_setting_and_no_other():
    rows = '\n'.join(line.split('|')[1] for line in DOCS.read_text().splitlines() if line.startswith('| `'))
    found = set(re.findall(r'`(?:LUMI_HOOKS)?_([A-Z_]+)`', rows))
    assert found == set(settings.load_settings())


@pytest.mark.parametrize('command', [['doctor'], ['plan', 'lz4-1.10.0-GCCcore-14.2.0.eb']])
def test_what_is_set_is_told(command, monkeypatch, tmp_path, capsys):
    for name, value in (('EBU_USER_PREFIX', str(tmp_path)), ('LUMI_HOOKS_VERIFY', 'warn'),
                        ('LUMI_HOOKS_DISABLE', 'suffix')):
        monkeypatch.setenv(name, value)
    main([*command, '--release', '25.03', '--partition', 'C'])
    text = ' '.join(capsys.readouterr().out.split())
    for said in settings_in_force():
        assert said in text
    assert 'LUMI_HOOKS_DISABLE=suffix: rules that are switched off' in text
