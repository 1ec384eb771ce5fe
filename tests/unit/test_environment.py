# SPDX-License-Identifier: GPL-2.0-only
"""Which variables of the environment a record keeps: a list, and nothing that may be a secret."""
import json
import re

import pytest

from lumi_hooks.eb.lifecycle.record import environment
from lumi_hooks.schemas import checked

KEPT = {
    'PATH': '/usr/bin:/bin', 'LD_LIBRARY_PATH': '/opt/x', 'CC': 'cc', 'CFLAGS': '-O2 -march=znver3', 'LANG': 'C',
    'LOADEDMODULES': 'a/1:b/2', 'LUMI_STACK_VERSION': '25.03', 'EBROOTZLIB': '/p/SW/zlib', 'EBVERSIONZLIB': '1.3.1',
    'CRAY_MPICH_DIR': '/opt/cray/mpich', 'CRAY_MPICH_PREFIX': '/opt/cray/mpich', 'CRAY_MPICH_VERSION': '8.1.32',
    'CRAYPE_DIR': '/opt/cray/craype', 'CRAYPE_VERSION': '2.7.34', 'CRAY_LIBSCI_PREFIX_DIR': '/opt/cray/libsci',
    'PE_ENV': 'GNU', 'PE_PRODUCT_LIST': 'CRAY_RDMACM', 'PE_MPICH_PKGCONFIG_LIBS': 'mpich',
    'CRAY_CPU_TARGET': 'x86-milan', 'CRAY_LMOD_CPU': 'x86-milan/1.0',
    'PE_MPICH_GTL_DIR_amd_gfx90a': '-L/opt/cray/gtl', 'ROCM_PATH': '/opt/rocm', 'MPICH_GPU_SUPPORT_ENABLED': '1',
    'OMP_NUM_THREADS': '7', 'CMAKE_PREFIX_PATH': '/p/a:/p/b', 'PKG_CONFIG_PATH': '/p/lib/pkgconfig'}
SECRET = [
    'HIPCC_KEY', 'MPI_PWD', 'LD_SECRET', 'CRAY_TOKEN', 'CRAY_API_TOKEN', 'CRAY_PWD', 'PE_KEY', 'FI_PSK', 'MPICH_PIN',
    'HSA_LICENSE', 'ROCM_LICENCE_KEY', 'PYTHON_KEYRING_PW', 'OMP_PW', 'EBROOT', 'CMAKE_PW', 'CMAKE_CUDA_KEY',
    'PKG_CONFIG_KEY', 'MY_INCLUDE_PATH', 'LUMI_STACK_KEY', 'PYTHONSTARTUP', 'CRAY_DIRECTORY_PW', 'XCRAY_MPICH_DIR',
    'CRAY_MPICH_DIRX', 'PATHS', 'path', 'CC_KEY', 'SSH_AUTH_SOCK', 'AWS_SECRET_ACCESS_KEY', 'HOME', 'USER', 'HIP_KEY']


def test_what_a_build_depends_on_is_kept():
    assert environment(KEPT, '/scratch') == KEPT
    assert list(environment(dict(reversed(KEPT.items())), '/scratch')) == sorted(KEPT), 'always in the same order'


@pytest.mark.security
@pytest.mark.parametrize('name', SECRET)
@pytest.mark.parametrize('value', ['hunter2', '/hunter2', '1.0'])
def test_S14_no_other_variable_is_kept(name, value):
    assert environment({name: value, 'CC': 'cc'}, '/scratch') == {'CC': 'cc'}


@pytest.mark.security
@pytest.mark.parametrize('name, value', [
    ('EBROOTKEY', 'hunter2'), ('EBVERSIONKEY', 'hunter 2'), ('CRAY_PW_DIR', 'hunter2'), ('CRAY_PW_PREFIX', 'hunter2'),
    ('EBVERSIONKEY', 'x' * 65), ('EBVERSIONKEY', 'a/b'), ('EBROOTKEY', ''), ('CRAY_KEY_VERSION', 'AKIA+/=')])
def test_S14_a_pattern_says_what_values_look_like(name, value):
    assert environment({name: value}, '/scratch') == {}


@pytest.mark.security
@pytest.mark.parametrize('value', [
    'https://me:hunter2@host/x', 'x https://me@host', 'a:https://me:hunter/2@host', 'ssh://u:p@h', 'git+https://t@h/x',
    'a\x1b[2Jb', 'a\nb', 'a\0b', 'a\x7fb', 'a\x9bb', 'a\tb', 'a\rb'])
@pytest.mark.parametrize('name', ['CC', 'PATH', 'CFLAGS', 'PE_ENV'])
def test_S14_values_with_users_or_control_characters_are_not_kept(name, value):
    assert environment({name: value}, '/scratch') == {}


def test_folders_of_the_run_are_left_out():
    env = {'PATH': '/scratch/eb-1/bin:/usr/bin', 'CPATH': '/scratch/x'}
    assert environment(env, '/scratch') == {'PATH': '/usr/bin'}


def test_no_pattern_takes_a_name_by_its_beginning_alone():
    """A pattern that takes any name behind a prefix says what the values look like."""
    for item in checked('record/environment.json')['kept']:
        if 'pattern' in item and any(re.fullmatch(item['pattern'], name) for name in (
                'EBROOTTOKEN', 'EBVERSIONTOKEN', 'CRAY_TOKEN', 'PE_TOKEN', 'CRAY_TOKEN_DIR', 'CRAY_TOKEN_VERSION')):
            assert item.get('value', '').startswith('^'), item
        assert 'TOKEN' not in json.dumps(item)
