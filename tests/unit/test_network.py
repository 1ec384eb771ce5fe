# SPDX-License-Identifier: GPL-2.0-only
"""Builds have no network: what is cut off when, by each way, and how it is told."""
import errno
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from asking import ASK, LOOP, OUT, UNREACHABLE, python
from easybuild.framework.easyblock import EasyBlock
from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.run import RunShellCmdError, run_shell_cmd

from lumi_hooks import cutoff, namespace, offline_thread, seccomp
from lumi_hooks.doctor import ERROR, WARNING, Situation
from lumi_hooks.doctor.tools import network as doctors
from lumi_hooks.eb.lifecycle import network
from lumi_hooks.errors import SiteError


@pytest.fixture(autouse=True)
def afterwards(monkeypatch, options, patched):
    """Nothing of a package stays, and EasyBlock is EasyBuild's own again."""
    patched('network')
    monkeypatch.setattr(network, '_way', None)
    monkeypatch.delenv(cutoff.SETTING, raising=False)
    popen = subprocess.Popen.__init__
    yield
    network.leave()
    assert subprocess.Popen.__init__ is popen
    if network._way:
        network._way.close()


def site(*allowed):
    """A session whose site allows software by name."""
    return SimpleNamespace(site=SimpleNamespace(allows=lambda name: name in allowed))


class Package(EasyBlock):
    """A package that EasyBuild installs, as far as a step needs it."""

    def __init__(self, name='Thing', **parameters):
        self.cfg = {'name': name, 'stop': None, **parameters}
        self.log, self.hooks, self.dry_run = logging.getLogger('test'), {}, False

    @property
    def name(self):
        return self.cfg['name']

    def update_config_template_run_step(self):
        pass

    def does(self, step, function):
        """Run a step that does something; returns what that returns."""
        found = []

        def method():
            found.append(function())
        self.run_step(step, [lambda block: method])
        return found[0]


def by_subprocess(words):
    return subprocess.run(words, check=False).returncode


def by_easybuild(words):
    return run_shell_cmd(words, use_bash=False, fail_on_error=False).exit_code


def by_system(words):
    return os.waitstatus_to_exitcode(os.system(' '.join(f"'{word}'" for word in words)))


def by_spawn(words):
    return os.waitstatus_to_exitcode(os.waitpid(os.posix_spawn(words[0], words, os.environ), 0)[1])


def by_fork(words):
    child = os.fork()
    if child == 0:
        os.execv(words[0], words)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def by_another_thread(words):
    found = []
    thread = threading.Thread(target=lambda: found.append(by_subprocess(words)))
    thread.start()
    thread.join()
    return found[0]


def by_positional_preexec(words):
    """Of Popen's arguments the seventh."""
    with subprocess.Popen(words, -1, None, None, None, None, lambda: None) as process:
        return process.wait()


def by_itself(words):
    """As an easyblock does with urllib."""
    try:
        socket.create_connection((words[-2], int(words[-1])), 5).close()
    except OSError as err:
        return err.errno
    return 0


STARTERS = [by_subprocess, by_easybuild, by_positional_preexec, by_another_thread, by_system, by_spawn, by_fork,
            by_itself]


@pytest.mark.parametrize('way, starters', [('notification', STARTERS), ('sockets', STARTERS),
                                           ('namespace', STARTERS[:4])])
def test_O10_whoever_asks_and_however_gets_nothing(options, monkeypatch, outside, way, starters):
    monkeypatch.setenv(cutoff.SETTING, way)
    app = Package()
    network.enter(site(), app)
    words = [sys.executable, '-c', ASK, *outside]
    begun = time.monotonic()
    for start in starters:
        assert app.does('build', lambda start=start: start(words)) == UNREACHABLE, start.__name__
        assert start(words) == 0, f'{start.__name__} between the steps'
        assert app.does('test', lambda start=start: start(words)) == 0, start.__name__
    assert time.monotonic() - begun < 20, 'it waited for an answer'
    assert network.as_json() == {'cut_off': True, 'by': cutoff.WAYS[way], 'reason': None}
    assert app.does('build', lambda: python(LOOP)) == (1 if way == 'sockets' else 0)


@pytest.mark.parametrize('step, code', [
    ('fetch', 0), ('prepare', 0), ('configure', UNREACHABLE), ('build', UNREACHABLE), ('test', 0),
    ('install', UNREACHABLE), ('extensions', UNREACHABLE), ('postproc', UNREACHABLE), ('sanitycheck', 0),
    ('module', 0)])
def test_the_steps_that_are_cut_off(outside, step, code):
    app = Package()
    network.enter(site(), app)
    assert app.does(step, lambda: python(ASK, *outside)) == code
    # those of a bundle's components are within one of the bundle
    assert app.does('install', lambda: Package().does(step, lambda: python(ASK, *outside))) == UNREACHABLE
    network.leave()
    assert app.does(step, lambda: python(ASK, *outside)) == 0


def test_the_steps_of_components_enter_no_second_time(monkeypatch):
    """An ordinary user can't enter the namespace that they are in."""
    monkeypatch.setenv(cutoff.SETTING, 'namespace')
    app, entered = Package(), []
    network.enter(site(), app)
    original = network._way.run
    monkeypatch.setattr(network, '_way', network._way._replace(run=lambda call: entered.append(1) or original(call)))
    for _ in range(2):
        assert app.does('install', lambda: Package().does('build', lambda: python(OUT))) == 1
    with pytest.raises(ValueError):
        app.does('install', lambda: raising(ValueError()))
    assert app.does('build', lambda: python(OUT)) == 1 and len(entered) == 4


def test_what_is_allowed_by_name_has_the_network(outside):
    app = Package()
    network.enter(site('Thing'), app)
    assert app.does('build', lambda: python(ASK, *outside)) == 0
    assert network.as_json() == {'cut_off': False, 'by': None, 'reason': 'LUMI_HOOKS_ALLOW names Thing'}
    other = Package('Other')
    network.enter(site('Thing'), other)
    assert other.does('build', lambda: python(ASK, *outside)) == UNREACHABLE and network.as_json()['cut_off']
    # set-uid programs are stopped for the one, and for the other they are not
    assert other.does('build', no_new_privileges) and not app.does('test', no_new_privileges)
    network.enter(site('Thing'), app)
    assert not app.does('build', no_new_privileges)


def no_new_privileges():
    """Has a command no_new_privs?"""
    return 'NoNewPrivs:\t1' in subprocess.run(['cat', '/proc/self/status'], text=True, stdout=subprocess.PIPE,
                                              check=True).stdout


def test_a_licence_server_can_be_asked(outside):
    app = Package(license_file='1055@licences.example.org')
    network.enter(site(), app)
    assert app.does('install', lambda: python(ASK, *outside)) == 0
    assert network.as_json() == {'cut_off': False, 'by': None,
                                 'reason': 'its licence is asked for at 1055@licences.example.org'}
    app = Package(license_file='/home/me/licence.dat')
    network.enter(site(), app)
    assert app.does('install', lambda: python(ASK, *outside)) == UNREACHABLE


def test_S6_what_leads_to_others_is_not_in_the_environment(monkeypatch):
    gone = ('SSH_AUTH_SOCK', 'DBUS_SESSION_BUS_ADDRESS', 'XDG_RUNTIME_DIR', 'https_proxy', 'HTTP_PROXY')
    for name in gone:
        monkeypatch.setenv(name, '/somewhere')
    monkeypatch.setenv('FI_UDP_IFACE', 'mine')
    app = Package()
    network.enter(site(), app)

    def seen():
        out = subprocess.run(['env'], text=True, stdout=subprocess.PIPE, check=True).stdout
        return dict(line.partition('=')[::2] for line in out.splitlines())
    inside, between = app.does('build', seen), seen()
    assert not inside.keys() & gone and between.keys() >= set(gone)
    assert (inside['FI_TCP_IFACE'], inside['FI_UDP_IFACE']) == ('lo', 'mine') and 'FI_TCP_IFACE' not in between
    network.enter(site('Thing'), app)
    assert app.does('build', seen).keys() >= set(gone)


@pytest.mark.parametrize('way', list(cutoff.WAYS))
def test_a_preexec_function_of_ones_own_still_runs(monkeypatch, tmp_path, way):
    monkeypatch.setenv(cutoff.SETTING, way)
    app = Package()
    network.enter(site(), app)
    ran = tmp_path / 'ran'
    assert app.does('build', lambda: python('', preexec_fn=ran.touch)) == 0 and ran.exists()


@pytest.mark.parametrize('way', list(cutoff.WAYS))
def test_commands_of_easybuild_are_as_ever(options, monkeypatch, way):
    """Output, errors, exit codes, answers to questions, lists of words; and the command's text is not touched."""
    monkeypatch.setenv(cutoff.SETTING, way)
    app = Package()
    network.enter(site(), app)

    def commands():
        done = run_shell_cmd('echo out; echo err >&2; exit 3', fail_on_error=False, split_stderr=True)
        assert (done.exit_code, done.output, done.stderr, done.cmd) == (3, 'out\n', 'err\n',
                                                                       'echo out; echo err >&2; exit 3')
        assert run_shell_cmd(['echo', '$HOME'], use_bash=False).output == '$HOME\n'
        assert run_shell_cmd('cat', stdin='given').output == 'given'
        assert run_shell_cmd('printf "Proceed? "; read x; echo "it is $x"', qa_patterns=[('Proceed\\?', 'yes')],
                             qa_timeout=10).output.endswith('it is yes\n')
        assert run_shell_cmd('kill -9 $$', fail_on_error=False).exit_code == -9
        run_shell_cmd('exit 4')
    with pytest.raises(RunShellCmdError):
        app.does('build', commands)


def test_errors_and_exits_of_a_step_are_as_ever():
    app = Package()
    network.enter(site(), app)
    for error in (EasyBuildError('no'), SystemExit(3), KeyboardInterrupt(), ValueError('x')):
        with pytest.raises(type(error)) as found:
            app.does('build', lambda error=error: raising(error))
        assert found.value is error
    assert app.does('build', lambda: 7) == 7


def raising(error):
    raise error


def test_ctrl_c_interrupts_the_step():
    """The main thread waits, and gets the signal; the step ends as well, and so does what it started by then."""
    app = Package()
    network.enter(site(), app)
    ended = []

    def endless():
        try:
            while True:
                time.sleep(0.01)
        finally:
            ended.append(True)
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), 2))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        app.does('build', endless)
    assert ended == [True]
    network.enter(site(), app)
    assert app.does('build', lambda: python(OUT)) == 1, 'the next package has a thread of its own'


def test_a_machine_that_cuts_nothing_off(monkeypatch, outside):
    def no(*_):
        raise OSError(errno.EPERM, 'Operation not permitted')
    monkeypatch.setattr(offline_thread.OfflineThread, 'make', no)
    monkeypatch.setattr(namespace.NoNetwork, 'make', no)
    app = Package()
    network.enter(site(), app)
    assert app.does('build', lambda: python(ASK, *outside)) == 0
    told = network.as_json()
    assert (told['cut_off'], told['by']) == (False, None)
    assert told['reason'] == 'this machine cuts no commands off (' + '; '.join(
        f'{name}: Operation not permitted' for name in cutoff.WAYS.values()) + ')'
    [(level, text)] = doctors.function(Situation(None))
    assert level == WARNING and 'nothing cuts builds off from the network here (seccomp notif' in text
    assert list(doctors.function(Situation(None, inside=True))) == []


def test_the_order_of_the_ways(monkeypatch):
    """No listener: no sockets. No filter: a namespace. Each is told."""
    make = seccomp.install
    monkeypatch.setattr(seccomp, 'install', lambda kind: make(kind) if kind == seccomp.SOCKETS else raising(
        OSError(errno.EBUSY, 'seccomp: busy')))
    way = cutoff.cut_off({})
    way.close()
    assert way.by == seccomp.SOCKETS and way.failed == ['seccomp notification: seccomp: busy']
    [(level, text)] = doctors.function(Situation(None, {}))
    assert level == WARNING and 'by seccomp filter' in text and 'the loopback is cut off, too' in text
    monkeypatch.setattr(seccomp.platform, 'machine', lambda: 'aarch64')
    monkeypatch.setattr(seccomp, 'install', make)
    way = cutoff.cut_off({})
    way.close()
    assert way.by == cutoff.NAMESPACE and len(way.failed) == 2 and 'aarch64' in way.failed[0]
    [(_, text)] = doctors.function(Situation(None, {}))
    assert 'os.system, posix_spawn and Python code of easyblocks are not' in text


def test_a_filter_that_does_not_work_is_none(monkeypatch):
    monkeypatch.setattr(seccomp, 'install', lambda kind: None)
    with pytest.raises(OSError, match='does not do what it should'):
        offline_thread.OfflineThread.make(seccomp.NOTIFY)


def test_the_setting(monkeypatch):
    monkeypatch.setenv(cutoff.SETTING, 'open')
    network.enter(site(), Package())
    assert network.as_json() == {'cut_off': False, 'by': None, 'reason': 'LUMI_HOOKS_NETWORK is open'}
    assert [level for level, _ in doctors.function(Situation(None))] == [WARNING]
    monkeypatch.setenv(cutoff.SETTING, 'off')
    with pytest.raises(SiteError, match="LUMI_HOOKS_NETWORK is 'off'; it can be notification or sockets"):
        network.enter(site(), Package())
    assert [level for level, _ in doctors.function(Situation(None))] == [ERROR]


def test_the_doctor_finds_nothing_where_it_works():
    assert list(doctors.function(Situation(None, {}))) == []


def test_a_supervisor_that_was_killed():
    """A build loses its loopback, gains nothing, and is told so; the next package gets another."""
    app = Package()
    network.enter(site(), app)
    thread = network._way.run.__self__
    thread._helper.kill()
    thread._helper.wait()
    with pytest.raises(EasyBuildError, match='was ended, and with it the loopback; run the same command again: no'):
        app.does('build', lambda: python(OUT) == 1 and raising(EasyBuildError('no')))
    assert app.does('build', lambda: python(LOOP)) == 1
    network.enter(site(), app)
    assert app.does('build', lambda: python(LOOP)) == 0


def test_it_is_never_quietly_left_out(monkeypatch):
    """A namespace that can't be entered any more stops the build."""
    monkeypatch.setenv(cutoff.SETTING, 'namespace')
    app = Package()
    network.enter(site(), app)
    monkeypatch.setattr(network._way.run.__self__, '_files', [os.open('/dev/null', os.O_RDONLY)])
    with pytest.raises(EasyBuildError, match='could not be cut off from the network.*LUMI_HOOKS_ALLOW=Thing'):
        app.does('build', lambda: python(''))
