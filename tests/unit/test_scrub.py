# SPDX-License-Identifier: GPL-2.0-only
"""What is sent to support holds no secrets, however they are written; names of users and projects stay."""
import time

import pytest

from lumi_hooks.record.scrub import REMOVED, kept, scrub

S = 'hunter2hunter2hunter2'


@pytest.mark.parametrize('text', [
    f'https://user:{S}@git.example.org/x.git', f'https://{S}@github.com/x', f'git+ssh://oauth2:{S}@host/x',
    f'GITHUB_TOKEN={S}', f'export HF_TOKEN="{S} and more"', f"PASSWORD='{S}'", f'password: {S}', f'MY_API_KEY={S}',
    f'"api_key": "{S}"', f"'secret': '{S}'", f'db_pass={S}', f'SLURM_JWT_TOKEN={S}', f'PMI_SHARED_SECRET={S}',
    f'AWS_SECRET_ACCESS_KEY={S}', f'https://x.org/f?a=b&X-Amz-Signature={S}&c=d', f'https://x.org/f?token={S}',
    f'Authorization: Bearer {S}', f'curl -H "PRIVATE-TOKEN: {S}" x', f'Cookie: session={S}; other={S}',
    f'--password {S}', f'--token={S}', f'machine x login me password {S}', f'curl -s -u me:{S} https://x',
    f'wget --user me --password={S}', f'HIPCC_KEY={S}', f'MPI_PWD={S}', f'authorization: basic {S}',
    'ghp_' + S, 'github_pat_' + S, 'glpat-' + S, 'hf_' + S, 'AKIA' + 'ABCDEFGH12345678', f'eyJ{S}.{S}.{S}',
    f'pass\x1b[31mword={S}', f'to\u200bken={S}', f'\x1b]0;title\x07TOKEN={S}', f'TOKEN := {S}', f'token => "{S}"',
    f'-----BEGIN OPENSSH PRIVATE KEY-----\n{S}\n{S}\n-----END OPENSSH PRIVATE KEY-----',
    f'-----BEGIN RSA PRIVATE KEY-----\n{S}\n', f'{S}\n{S}\n-----END PRIVATE KEY-----\nmake: x'])
def test_secrets_go(text):
    found = scrub(f'before\n{text}\nafter') if 'END PRIVATE' not in text else scrub(text)
    assert S not in found and 'ABCDEFGH12345678' not in found and REMOVED in found


@pytest.mark.parametrize('text', [
    '/project/project_465000000/EasyBuild/SW/LUMI-25.03/C/x', '/users/somebody/x', 'nid001234', 'key',
    'a.c:1:2: error: x', 'EBU_USER_PREFIX=/project/project_465000000/EasyBuild', 'https://example.org/x?version=1',
    'checking for pass... no',     "configopts = '--with-hdf5=/opt/x'", 'sha256 0123456789abcdef', 'git clone https://github.com/a/b.git',
    'user@host:/path', 'undefined reference to `key_value\''])
def test_what_helps_stays(text):
    assert scrub(text) == text


def test_of_the_environment_a_list_is_kept():
    env = {'LUMI_STACK_VERSION': '25.03', 'MY_TOKEN': S, 'HIPCC_KEY': S, 'SSH_AUTH_SOCK': '/tmp/x',
           'EASYBUILD_GITHUB_TOKEN': S, 'LUMI_HOOKS_UPSTREAM': f'https://u:{S}@x/'}
    found = kept(env)
    assert 'LUMI_STACK_VERSION=25.03' in found and S not in found and 'SSH' not in found and 'GITHUB' not in found


@pytest.mark.parametrize('line', ['a' * 200_000, 'token' * 40_000, '-' * 200_000, 'https://' + 'a' * 200_000,
                                  '"' * 200_000, 'password=' * 20_000, 'curl ' * 40_000, 'eyJ' * 60_000,
                                  '-----BEGIN PRIVATE KEY-----' * 8_000, 'x\n' * 100_000 + '-----END PRIVATE KEY-----'])
def test_no_line_takes_long(line):
    begin = time.monotonic()
    scrub(line)
    assert time.monotonic() - begin < 8
