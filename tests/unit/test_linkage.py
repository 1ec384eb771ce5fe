# SPDX-License-Identifier: GPL-2.0-only
"""eb/lifecycle/linkage: what is installed is verified, in a process of its own, and what comes of it."""
import sys
from types import SimpleNamespace

import pytest
from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.config import BuildOptions, init_build_options
from elves import Place, bundle, library

from lumi_hooks.closure import Closure
from lumi_hooks.eb.lifecycle import linkage
from lumi_hooks.eb.policy.modules import SCOPE
from lumi_hooks.eb.session import Session
from lumi_hooks.errors import SiteError
from lumi_hooks.site import make_site
from lumi_hooks.verify import policy
from lumi_hooks.verify.elf import read_elf


@pytest.fixture(autouse=True)
def configuration(tmp_path, monkeypatch):
    """EasyBuild's defaults, and nothing of the place that the tests run at."""
    instances = type(BuildOptions)._instances
    before = dict(instances)
    instances.pop(BuildOptions, None)
    init_build_options()
    monkeypatch.setattr(linkage, 'build_path', lambda: str(tmp_path / 'build'))
    monkeypatch.setattr(linkage, 'install_path', lambda: str(tmp_path / 'software'))
    monkeypatch.delenv(linkage.SWITCH, raising=False)
    monkeypatch.setattr(linkage, 'original', lambda: {'PATH': '/usr/bin:/bin'})
    yield
    instances.clear()
    instances.update(before)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture
def check(place):
    """Verify the place's installation as eb does: check(partition='C', more='…' of the easyblock)."""
    def run(partition='C', **more):
        block = SimpleNamespace(installdir=str(place.root), builddir=str(place.build), name='Thing', dry_run=False,
                                full_mod_name='Thing/1.0-cpeGNU-25.03', **more)
        environment = {'LD_LIBRARY_PATH': f'{place.root}/lib', 'CRAYPE_DIR': f'{place.system}/opt/cray/pe/craype/2.7'}
        return linkage.verified(block, make_site(partition=partition, env={}), environment)
    return run


def test_a_sound_installation(place, check, capsys):
    place.program(needs=[place.lib('libthing.so', needs=[place.mpi()])])
    report = check()
    assert (report['elf'], report['findings'], report['root']) == (2, [], str(place.root))
    assert report['summary']['mpi'] == [str(place.pe / 'libmpi_gnu_123.so.12')]
    assert 'lumi-hooks: verified 2 ELF files: no errors, no warnings' in capsys.readouterr().out


def test_an_error_fails_the_installation_and_says_file_rule_and_fix(place, check, capsys):
    place.program(runpath=f'{place.build}/lib')
    place.program('other', runpath=f'{place.build}/lib')
    with pytest.raises(EasyBuildError) as caught:
        check()
    told = capsys.readouterr().err
    assert '* bin/other and 1 more file: [build-path]' in told and 'fix: install it again' in told
    text = str(caught.value)
    assert 'Thing/1.0-cpeGNU-25.03' in text and '2 errors of lumi-eb verify (build-path)' in text
    assert 'LUMI_HOOKS_VERIFY=warn' in text
    # EasyBuild repeats the text of an error, and so does what is said of a failure: the finding stands once
    assert (told + text).count(f'{place.build}/lib') == 1


def test_B2_run_paths_into_the_build_go_and_it_is_said(place, check, capsys):
    """As the makefile of libxsmm writes them; Cray's go likewise, and what is relative to the file stays."""
    place.lib('libthing.so', runpath=f'{place.build}/lib:$ORIGIN/../lib:{place.system}/opt/cray/pe/lib64')
    place.program(rpath='/tmp/of/nobody')
    place.program('sound', runpath=str(place.software / 'Other/1.0/lib'))
    block = SimpleNamespace(installdir=str(place.root), builddir=str(place.build), name='Thing')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('CRAYPE_DIR', f'{place.system}/opt/cray/pe/craype/2.7')
        assert linkage.mend_run_paths(block) == {
            'lib/libthing.so': [f'{place.build}/lib', f'{place.system}/opt/cray/pe/lib64'],
            'bin/thing': ['/tmp/of/nobody']}
    said = ' '.join(capsys.readouterr().out.split()).split('== lumi-hooks: ')[1:]
    assert [line.partition(' out of')[0] for line in said] == [
        'took folders of the build, which are gone now,', 'took folders that move at system updates']
    assert said[0].strip().endswith(f'of 2 files: /tmp/of/nobody, {place.build}/lib')
    assert check()['findings'] == []
    for file, path in (('lib/libthing.so', '$ORIGIN/../lib'), ('bin/sound', str(place.software / 'Other/1.0/lib'))):
        elf = read_elf(str(place.root / file), policy.processors())
        assert elf.runpath == (path,)


def test_B2_what_was_found_in_the_build_alone_is_missing_then(place, check, capsys):
    part = library(place.build / 'lib', 'libpart.so.1')
    place.program(needs=[part], runpath=f'{place.build}/lib')
    block = SimpleNamespace(installdir=str(place.root), builddir=str(place.build), name='Thing')
    assert list(linkage.mend_run_paths(block)) == ['bin/thing']
    with pytest.raises(EasyBuildError, match='missing'):
        check()


def test_the_folder_of_libscis_other_names_leaves_what_tells_other_builds_of_it(place):
    """PETSc's configure copies the compiler's own link line into its pkg-config file, as libtool does."""
    names = f'{place.build}/libsci-x1'
    texts = {'lib/pkgconfig/thing.pc': (f'Libs: -L/usr/lib64 -L{names} -Wl,-rpath,{names} -L{names}y -lsci\n',
                                        f'Libs: -L/usr/lib64 -L{names}y -lsci\n'),
             'lib/libthing.la': (f"dependency_libs=' -L{names}'\n", "dependency_libs=' '\n"),
             'share/log': (f'a note of {names}\n', f'a note of {names}\n'),
             'lib/data': (f'\0-L{names} ', f'\0-L{names} ')}
    for path, (before, _) in texts.items():
        (place.root / path).parent.mkdir(parents=True, exist_ok=True)
        (place.root / path).write_text(before)
    (place.root / 'lib/libthing.la').chmod(0o640)
    block = SimpleNamespace(installdir=str(place.root), toolchain=SimpleNamespace(names_folder=names))
    assert sorted(linkage.forget_names(block)) == ['lib/libthing.la', 'lib/pkgconfig/thing.pc']
    for path, (_, after) in texts.items():
        assert (place.root / path).read_text() == after
    assert (place.root / 'lib/libthing.la').stat().st_mode & 0o777 == 0o640
    assert linkage.forget_names(SimpleNamespace(installdir=str(place.root), toolchain=SimpleNamespace())) == []


def test_many_errors_are_cut_short(place, check, capsys):
    for number in range(12):
        place.program(f'thing{number:02}', runpath=f'/opt/rocm-6/../../tmp/x{number}')
    with pytest.raises(EasyBuildError):
        check()
    assert 'and 2 more; the log lists them' in capsys.readouterr().err


def test_warn_lets_it_pass(place, check, capsys, monkeypatch):
    place.program(runpath=f'{place.build}/lib')
    monkeypatch.setenv('LUMI_HOOKS_VERIFY', 'warn')
    assert [one['rule'] for one in check()['findings']] == ['build-path']
    assert '[build-path]' in capsys.readouterr().err


def test_off_does_nothing(place, check, monkeypatch):
    place.program(runpath=f'{place.build}/lib')
    monkeypatch.setenv('LUMI_HOOKS_VERIFY', 'off')
    monkeypatch.setattr(linkage.subprocess, 'run', lambda *args, **more: pytest.fail('something was run'))
    assert check() is None


def test_another_word_is_told(check, monkeypatch):
    monkeypatch.setenv('LUMI_HOOKS_VERIFY', 'no')
    with pytest.raises(SiteError, match="LUMI_HOOKS_VERIFY is 'no'; it can be error or warn or off, or unset"):
        check()


def test_warnings_pass_and_are_told(place, check, capsys):
    (place.root / 'broken').write_bytes(b'\x7fELF')
    assert len(check()['findings']) == 1
    text = ' '.join(capsys.readouterr().out.split())
    assert 'no errors, 1 warning (lumi-eb verify Thing/1.0-cpeGNU-25.03 shows them)' in text


def test_gpu_targets_that_easybuild_was_asked_for(place, check):
    place.lib('libthing.so', fatbin=bundle('gfx90a', 'gfx942'))
    with pytest.raises(EasyBuildError, match='gpu-foreign'):
        check('G')
    type(BuildOptions)._instances.pop(BuildOptions)
    init_build_options({'amdgcn_capabilities': ['gfx90a', 'gfx942']})
    assert check('G')['findings'] == []


def test_the_partition_counts(place, check):
    place.program(needs=[place.mpi(), place.cray('libmpi_gtl_hsa.so.0')])
    assert [one['severity'] for one in check('G')['findings']] == ['warning']
    with pytest.raises(EasyBuildError, match='gtl-unneeded'):
        check('C')


def test_O12_eb_verifies_with_its_own_python_and_nothing_else(place, check, tmp_path, monkeypatch):
    """No package but the standard library, no command on PATH, and no LUMI_HOOKS_PYTHON."""
    bare = tmp_path / 'python'
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setattr(linkage.sys, 'executable', str(bare))
    monkeypatch.setattr(linkage, 'original', lambda: {'PATH': '/nonexistent', 'LUMI_HOOKS_PYTHON': '/bin/false'})
    place.program(needs=[place.mpi()])
    assert check()['elf'] == 1
    place.program(runpath=f'{place.build}/lib')
    with pytest.raises(EasyBuildError, match='build-path'):
        check()


def test_no_code_of_the_current_folder_is_run(place, check, tmp_path, monkeypatch):
    here = tmp_path / 'unpacked'
    for name in ('lumi_hooks/__init__.py', 'zstandard.py', 'json.py', 'argparse.py'):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(f'open({str(tmp_path / "ran")!r}, "a").write({name!r})\n')
    monkeypatch.chdir(here)
    monkeypatch.setattr(linkage, 'original', lambda: {'PATH': '/usr/bin:/bin', 'PYTHONPATH': ':.:'})
    place.program(needs=[place.mpi()])
    assert check()['elf'] == 1
    assert not (tmp_path / 'ran').exists(), (tmp_path / 'ran').read_text()


def test_verify_that_fails_itself_is_told_and_fails_nothing(place, check, capsys, monkeypatch):
    monkeypatch.setattr(linkage.sys, 'executable', '/bin/false')
    place.program(runpath=f'{place.build}/lib')
    assert check() is None
    assert 'could not be verified (exit code 1' in capsys.readouterr().err


def test_a_dry_run_verifies_nothing(place):
    block = SimpleNamespace(dry_run=True, full_mod_name='Thing/1.0')
    assert linkage.verified(block, make_site(env={}), {}) is None


def test_the_session_keeps_reports_of_cpe_packages_only(monkeypatch):
    site = make_site(env={})
    session = Session(site, [])
    assert isinstance(session.closure, Closure)
    seen = []

    def verified(easyblock, where, environment):
        seen.append((where, environment))
        return {'findings': []}

    monkeypatch.setattr(linkage, 'verified', verified)
    block = SimpleNamespace(full_mod_name='Thing/1.0-cpeGNU-25.03')
    linkage.verify(session, block)
    assert session.linkage == {} and seen == []
    SCOPE.enter((), {})
    try:
        monkeypatch.setattr(SCOPE, 'environment', {'LD_LIBRARY_PATH': '/a'})
        linkage.verify(session, block)
    finally:
        SCOPE.leave()
    assert session.linkage == {'Thing/1.0-cpeGNU-25.03': {'findings': []}}
    assert seen == [(site, {'LD_LIBRARY_PATH': '/a'})]


def test_scope_keeps_the_environment_of_the_last_load(monkeypatch):
    monkeypatch.setenv('LOADEDMODULES', '')
    monkeypatch.setenv('LD_LIBRARY_PATH', '/as/the/module/sets/it')
    SCOPE.enter((), {})
    try:
        SCOPE.after_load(None)
        monkeypatch.setenv('LD_LIBRARY_PATH', '/restored')
        assert SCOPE.environment['LD_LIBRARY_PATH'] == '/as/the/module/sets/it'
    finally:
        SCOPE.leave()


@pytest.mark.security
def test_S10_control_characters_of_file_names_do_not_reach_the_terminal(place, check, capsys, monkeypatch):
    place.program('thing\x1b[2J\x9b', runpath=f'{place.build}/lib')
    with pytest.raises(EasyBuildError) as caught:
        check()
    told = capsys.readouterr().err
    assert 'thing\\x1b[2J\\x9b: [build-path]' in told and '\x1b[2J' not in told and '\x1b' not in str(caught.value)
    monkeypatch.setenv('LUMI_HOOKS_VERIFY', 'warn')
    check()
    assert '\x1b[2J' not in capsys.readouterr().err
