# SPDX-License-Identifier: GPL-2.0-only
"""Where we are, from the environment: every missing or contradictory variable gives one sentence."""
import os

import pytest

from lumi_hooks.errors import SiteError
from lumi_hooks.releases import default_release, load_machine
from lumi_hooks.site import is_lumi, is_special, make_site, node_partition, site_from_environment, user_prefix

GOOD = {'LUMI_STACK_VERSION': '25.03', 'LUMI_STACK_CPE_VERSION': '25.03', 'LUMI_STACK_PARTITION': 'C',
        'LUMI_EASYBUILD_MODE': 'user', 'EBU_USER_PREFIX': '/project/us', 'HOME': '/home/me'}
LOGIN, COMPUTE, LARGE = 'uan03', 'nid001234', 'nid000105'


def env(**changes):
    """LUMI's variables with some changed; None takes one away."""
    return {name: value for name, value in {**GOOD, **changes}.items() if value is not None}


def test_what_lumi_says():
    site = site_from_environment(env(), LOGIN)
    assert (site.release.name, site.partition, site.toolchain, site.mode) == ('25.03', 'C', 'cpeGNU', 'user')
    assert site.prefix == '/project/us' and site.toolchain_version == '25.03'
    assert site.partition_facts['optarch'] == 'x86-milan'
    assert 'cray-python' in site.cray


@pytest.mark.parametrize('changes, attribute, value', [
    ({'LUMI_STACK_CPE_VERSION': None}, 'release', '25.03'),
    ({'LUMI_STACK_VERSION': None}, 'release', '25.03'),
    ({'LUMI_STACK_VERSION': '25.03.dev'}, 'release', '25.03'),
    ({'LUMI_HOOKS_RELEASE': '24.03'}, 'release', '24.03'),
    ({'LUMI_HOOKS_RELEASE': '24.03', 'LUMI_STACK_VERSION': '25.09'}, 'release', '24.03'),
    ({'LUMI_HOOKS_PARTITION': 'G'}, 'partition', 'G'),
    ({'LUMI_STACK_PARTITION': None, 'LUMI_HOOKS_PARTITION': 'D'}, 'partition', 'D'),
    ({'LUMI_HOOKS_TOOLCHAIN': 'cpeCray'}, 'toolchain', 'cpeCray'),
    ({'LUMI_EASYBUILD_MODE': None}, 'mode', 'user'),
    ({'EBU_USER_PREFIX': None}, 'prefix', '/home/me/EasyBuild'),
    ({'LUMI_EASYBUILD_MODE': 'production', 'EASYBUILD_PREFIX': '/appl/lumi'}, 'prefix', '/appl/lumi'),
    ({'LUMI_HOOKS_MODE': 'production', 'EASYBUILD_PREFIX': '/appl/lumi'}, 'mode', 'production'),
    ({'LUMI_HOOKS_DISABLE': 'central-tools, toolchain-fft'}, 'disabled', {'central-tools', 'toolchain-fft'}),
    ({'LUMI_HOOKS_DERIVE': 'Boost zlib'}, 'derive', {'Boost', 'zlib'}),
])
def test_where_each_fact_comes_from(changes, attribute, value):
    found = getattr(site_from_environment(env(**changes), COMPUTE), attribute)
    assert (found.name if attribute == 'release' else found) == value


@pytest.mark.parametrize('changes, says', [
    ({'LUMI_STACK_VERSION': None, 'LUMI_STACK_CPE_VERSION': None}, 'module load LUMI'),
    ({'LUMI_STACK_VERSION': '', 'LUMI_STACK_CPE_VERSION': ''}, 'LUMI_STACK_VERSION is not set'),
    ({'LUMI_STACK_CPE_VERSION': '24.03'}, 'contradict each other'),
    ({'LUMI_STACK_VERSION': '99.01', 'LUMI_STACK_CPE_VERSION': None}, 'unknown release "99.01"'),
    ({'LUMI_HOOKS_RELEASE': 'newest'}, 'unknown release "newest"'),
    ({'LUMI_STACK_PARTITION': None}, 'LUMI_STACK_PARTITION is not set'),
    ({'LUMI_STACK_PARTITION': 'Q'}, 'unknown partition "Q"; known are C, G'),
    ({'LUMI_HOOKS_TOOLCHAIN': 'foss'}, 'unknown toolchain "foss"; known are cpeGNU'),
    ({'LUMI_HOOKS_TOOLCHAIN': 'cpeAMD'}, 'partition C has no toolchain cpeAMD; it has cpeGNU'),
    ({'LUMI_EASYBUILD_MODE': 'party'}, 'unknown mode "party"'),
    ({'EBU_USER_PREFIX': ''}, 'EBU_USER_PREFIX is empty'),
    ({'EBU_USER_PREFIX': None, 'HOME': None}, 'EBU_USER_PREFIX'),
    ({'LUMI_EASYBUILD_MODE': 'production'}, 'EASYBUILD_PREFIX'),
    ({'LUMI_EASYBUILD_MODE': 'infrastructure', 'EASYBUILD_PREFIX': ''}, 'EASYBUILD_PREFIX'),
])
def test_one_sentence_for_what_is_wrong(changes, says):
    with pytest.raises(SiteError) as caught:
        site_from_environment(env(**changes), COMPUTE)
    message = str(caught.value)
    assert says in message
    assert '\n' not in message and len(message) > 30


@pytest.mark.parametrize('missing', sorted(GOOD))
def test_never_a_key_error(missing):
    """Each variable taken away, one at a time: a site or a SiteError."""
    try:
        site_from_environment(env(**{missing: None}), LOGIN)
    except SiteError as err:
        assert 'load' in str(err) or 'set' in str(err)


def test_login_node_with_partition_l_asks():
    with pytest.raises(SiteError, match='"module load partition/C".*"module load partition/G"'):
        site_from_environment(env(LUMI_STACK_PARTITION='L'), LOGIN)


@pytest.mark.parametrize('changes, host', [
    ({'LUMI_HOOKS_PARTITION': 'L'}, LOGIN),
    ({'LUMI_OVERWRITE_PARTITION': 'L'}, LOGIN),
    ({}, LARGE),
    ({'LUMI_EASYBUILD_MODE': 'production', 'EASYBUILD_PREFIX': '/appl/lumi'}, LOGIN),
])
def test_partition_l_that_was_chosen(changes, host):
    assert site_from_environment(env(LUMI_STACK_PARTITION='L', **changes), host).partition == 'L'


@pytest.mark.parametrize('host, partition', [
    ('nid001000', 'C'), ('nid003047', 'C'), ('nid003048', None), ('nid005000', 'G'), ('nid007977', 'G'),
    ('nid007978', None), ('nid000101', 'L'), ('nid000016', 'D'), ('nid000023', 'D'), ('nid000024', None),
    ('uan01', None), ('uan12', None), ('laptop', None), ('nid', None), ('xnid001000', None), ('nid1000', 'C'),
    ('nid001000.lumi.csc.fi', 'C'), ('nid005124-nmn', None)])
def test_partition_of_a_node(host, partition):
    assert node_partition(host) == partition


def test_partition_of_this_node_is_no_error():
    assert node_partition() is None or node_partition() in load_machine()['partitions']


@pytest.mark.parametrize('values, expected', [
    ({}, False), ({'EBU_USER_PREFIX': '/x'}, False), ({'LUMI_STACK_VERSION': ''}, False),
    ({'LUMI_STACK_VERSION': '25.03'}, True), ({'LUMI_HOOKS_PARTITION': 'C'}, True)])
def test_is_lumi(values, expected):
    assert is_lumi(values) is expected


def test_is_lumi_reads_the_environment(monkeypatch):
    assert not is_lumi()
    monkeypatch.setenv('LUMI_STACK_VERSION', '25.03')
    assert is_lumi()


def test_user_prefix():
    assert user_prefix({'EBU_USER_PREFIX': '/p', 'HOME': '/h'}) == '/p'
    assert user_prefix({'HOME': '/h'}) == os.path.join('/h', 'EasyBuild')
    assert user_prefix({}) == ''


def test_defaults_of_a_made_site():
    site = make_site(env={})
    assert site.release == default_release() and site.partition == 'C'
    assert site.toolchain == load_machine()['default_toolchain'] and site.mode == 'user'


@pytest.mark.parametrize('partition', list(load_machine()['partitions']))
@pytest.mark.parametrize('toolchain', ['cpeGNU', 'cpeCray', 'cpeAOCC', 'cpeAMD'])
def test_every_toolchain_of_every_partition(partition, toolchain):
    if toolchain in load_machine()['partitions'][partition]['toolchains']:
        assert make_site(partition=partition, toolchain=toolchain, env={}).toolchain == toolchain
    else:
        with pytest.raises(SiteError, match=f'partition {partition} has no toolchain {toolchain}'):
            make_site(partition=partition, toolchain=toolchain, env={})


def test_derives():
    assert make_site(env={'LUMI_HOOKS_DERIVE': 'Boost'}).derives('Boost')
    assert not make_site(env={'LUMI_HOOKS_DERIVE': 'Boost'}).derives('zlib')
    assert make_site(env={'LUMI_HOOKS_DERIVE': '*'}).derives('zlib')
    assert not make_site(env={}).derives('zlib')


@pytest.mark.parametrize('env,expected', [
    ({'LUMI_STACK_VERSION': '25.03', 'LUMI_STACK_PARTITION': 'container'}, True),
    ({'LUMI_STACK_NAME': 'CrayEnv'}, True),
    ({'LUMI_STACK_VERSION': '25.03', 'LUMI_STACK_PARTITION': 'C', 'LUMI_STACK_NAME': 'LUMI'}, False),
    ({'LUMI_STACK_PARTITION': 'container', 'LUMI_HOOKS_PARTITION': 'C'}, False),
    ({}, False),
])
def test_partitions_without_toolchains_are_left_alone(env, expected):
    assert is_special(env) is expected
