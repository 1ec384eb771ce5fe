# SPDX-License-Identifier: GPL-2.0-only
"""The caller's environment: what of it changes a build, what loaded modules have set, and that eb leaves it out."""
import json
import os

import pytest
from doctoring import says

from lumi_hooks.caller import foreign, without_modules
from lumi_hooks.eb.lifecycle import environment
from lumi_hooks.schemas import checked

SYSTEM = {'PATH': '/opt/cray/pe/bin:/usr/bin', 'LD_LIBRARY_PATH': '/opt/cray/pe/lib64:/appl/lumi/x/lib',
          'PKG_CONFIG_PATH': '/usr/lib64/pkgconfig', 'MODULEPATH': '/appl/lumi/modules:/opt/cray/modulefiles'}


def found(**env):
    return {one.name: (one.parts, one.value) for one in foreign({**SYSTEM, **env})}


@pytest.fixture
def lmod(tmp_path):
    """A command that answers as Lmod does; lmod(purged) writes what would be left of which variables."""
    def make(purged):
        text = ''.join(f'os.environ["{name}"] = {json.dumps(value)};\n' if value else
                       f'os.environ["{name}"] = \'\'\ndel os.environ["{name}"]\n' for name, value in purged.items())
        command = tmp_path / 'lmod'
        command.write_text(f'#!/bin/sh\n[ "$*" = "python --force purge" ] || exit 1\ncat <<"END"\n{text}'
                           'os.environ["LOADEDMODULES"] = \'\'\ndel os.environ["LOADEDMODULES"]\nEND\n')
        command.chmod(0o755)
        return {'LMOD_CMD': str(command), 'LOADEDMODULES': 'a/1:b/2'}
    return make


def test_the_systems_own_is_nobodys():
    assert found() == {}


@pytest.mark.parametrize('name, value', [
    ('MPICH_GPU_SUPPORT_ENABLED', '1'), ('CFLAGS', '-O0'), ('LDFLAGS', '-L/me'), ('CC', 'clang'), ('PYTHONHOME', '/me'),
    ('PERL5LIB', '/me/perl'), ('R_LIBS', '/me/R'), ('PYTHONPATH', '/me/python'), ('CMAKE_PREFIX_PATH', '/me'),
    ('PIP_TARGET', '/me'), ('LD_PRELOAD', '/me/libx.so'), ('CONFIG_SITE', '/me/site'),
    ('PETSC_DIR', '/me/petsc'), ('HDF5_ROOT', '/me'), ('CRAYPE_LINK_TYPE', 'static'), ('CARGO_TARGET_DIR', '/me'),
    ('CMAKE_C_COMPILER_LAUNCHER', 'ccache'), ('TAR_OPTIONS', '--one-top-level'), ('PIP_NO_DEPS', '1')])
def test_O22_what_the_caller_has_set_is_found(here, name, value):
    assert found(**{name: value}) == {name: ((value,), None)}
    (level, text), = says('environment', here(env={**SYSTEM, name: value}))
    assert level == 'warning' and name in text and f'LUMI_HOOKS_KEEP_ENVIRONMENT={name}' in text
    # eb says itself what it leaves out
    assert says('environment', here(env={**SYSTEM, name: value}, inside=True)) == []
    assert found(**{name: value, 'LUMI_HOOKS_KEEP_ENVIRONMENT': f'X:{name}'}) == {}


def test_O22_of_a_list_the_foreign_folders_alone_go():
    assert found(LD_LIBRARY_PATH='/me/lib:/opt/cray/pe/lib64:/you/lib') == {
        'LD_LIBRARY_PATH': (('/me/lib', '/you/lib'), '/opt/cray/pe/lib64')}


def test_O22_conda_goes_from_path_too():
    assert found(CONDA_PREFIX='/me/conda', PATH='/me/conda/bin:/usr/bin:/me/conda2/bin') == {
        'CONDA_PREFIX': (('/me/conda',), None), 'PATH': (('/me/conda/bin',), '/usr/bin:/me/conda2/bin')}


def test_folders_of_modules_are_told_and_stay(here):
    env = {**SYSTEM, 'MODULEPATH': '/me/modules:/appl/lumi/modules'}
    (_, text), = says('environment', here(env=env))
    assert 'module unuse /me/modules' in text


def test_what_loaded_modules_set_stays(lmod):
    modules = lmod({'CC': '', 'LD_LIBRARY_PATH': '/me/lib', 'HDF5_DIR': ''})
    assert found(CC='cc', CFLAGS='-O0', LD_LIBRARY_PATH='/prefix/lib:/me/lib', **modules) == {
        'CFLAGS': (('-O0',), None), 'LD_LIBRARY_PATH': (('/me/lib',), '/prefix/lib')}


def test_without_lmods_word_nothing_goes(tmp_path):
    assert found(CC='cc', LOADEDMODULES='a/1') == {}
    broken = tmp_path / 'lmod'
    broken.write_text('#!/bin/sh\nexit 1\n')
    broken.chmod(0o755)
    assert without_modules({'LOADEDMODULES': 'a/1', 'LMOD_CMD': str(broken)}) is None


def test_lmod_is_not_asked_where_nothing_is_set(tmp_path):
    asked = tmp_path / 'asked'
    command = tmp_path / 'lmod'
    command.write_text(f'#!/bin/sh\ntouch {asked}\nexit 1\n')
    command.chmod(0o755)
    assert found(LOADEDMODULES='a/1', LMOD_CMD=str(command)) == {} and not asked.exists()


def test_builds_do_not_see_it_and_it_is_put_back(monkeypatch):
    said = []
    monkeypatch.setattr(environment.messages, 'say', said.append)
    for name in [name for entry in checked('caller.json')['variables'] for name in entry['names']] + ['LOADEDMODULES']:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('CFLAGS', '-O0')
    monkeypatch.setenv('LD_LIBRARY_PATH', '/me/lib:/opt/cray/pe/lib64')
    monkeypatch.setitem(environment.ORIG_OS_ENVIRON, 'LD_LIBRARY_PATH', '/me/lib:/opt/cray/pe/lib64')
    environment.clean()
    assert 'CFLAGS' not in os.environ and os.environ['LD_LIBRARY_PATH'] == '/opt/cray/pe/lib64'
    # Lmod puts a module's folders in front of this one
    assert environment.ORIG_OS_ENVIRON['LD_LIBRARY_PATH'] == '/opt/cray/pe/lib64'
    assert environment.original()['LD_LIBRARY_PATH'] == '/me/lib:/opt/cray/pe/lib64'
    assert environment.left_out() == ['CFLAGS', 'LD_LIBRARY_PATH']
    assert len(said) == 1 and 'CFLAGS' in said[0] and '/me/lib' in said[0]
    environment.put_back()
    assert os.environ['CFLAGS'] == '-O0' and environment.left_out() == []
    assert os.environ['LD_LIBRARY_PATH'] == environment.ORIG_OS_ENVIRON['LD_LIBRARY_PATH'] \
        == '/me/lib:/opt/cray/pe/lib64'
