# SPDX-License-Identifier: GPL-2.0-only
"""Builds have no network: the namespace itself, for root and for ordinary users, and what enters it when."""
import errno
import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
from another_user import GROUP, NOBODY, Place, needs_root
from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.run import RunShellCmdError, run_shell_cmd

from lumi_hooks import namespace
from lumi_hooks.doctor import WARNING, Situation
from lumi_hooks.doctor.tools import network as doctors
from lumi_hooks.eb import network
from lumi_hooks.record.failure import first_error

# exit code 0: it answers; 1: it does not
ASK = "import socket, sys\ntry: socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)\n" \
      "except OSError: sys.exit(1)"
# what runs in there can talk to itself
LOOP = "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname(), 5)"
OUT = "import socket; socket.create_connection(('192.0.2.1', 80), 5)"


@pytest.fixture
def server():
    """The port of a server outside."""
    with socket.create_server(('127.0.0.1', 0)) as handle:
        yield str(handle.getsockname()[1])


@pytest.fixture(autouse=True)
def afterwards():
    """Nothing of a package stays, and Popen is Python's own again."""
    original = subprocess.Popen.__init__
    yield
    network.leave()
    subprocess.Popen.__init__ = original


def python(code, *words, **options):
    """Run Python code; returns its exit code."""
    return subprocess.run([sys.executable, '-c', code, *words], check=False, stderr=subprocess.DEVNULL,
                          **options).returncode


def site(*allowed):
    """A session whose site allows software by name."""
    return SimpleNamespace(site=SimpleNamespace(allows=lambda name: name in allowed))


def package(step, name='Thing', **parameters):
    """A package that EasyBuild installs."""
    return SimpleNamespace(name=name, current_step=step, dry_run=False, cfg=parameters)


def test_a_command_in_it_has_a_loopback_and_nothing_else(server):
    own = namespace.NoNetwork.make()
    assert python(ASK, server) == 0
    assert python(ASK, server, preexec_fn=own.enter) == 1
    assert python(LOOP, preexec_fn=own.enter) == 0
    told = subprocess.run([sys.executable, '-c', OUT], preexec_fn=own.enter, stderr=subprocess.PIPE, text=True,
                          check=False).stderr
    found = first_error(told)
    assert found.kind == 'network' and 'add the file to the recipe\'s sources' in found.advice
    files = os.listdir('/proc/self/fd')
    own.close()
    assert len(os.listdir('/proc/self/fd')) < len(files)


def test_commands_of_one_package_hear_each_other():
    """As Bazel and Gradle do, whose second command talks to a server that the first one started."""
    own = namespace.NoNetwork.make()
    serve = [sys.executable, '-c', "import socket; s = socket.create_server(('127.0.0.1', 0))\n"
             "print(s.getsockname()[1], flush=True); s.accept()"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True, preexec_fn=own.enter) as first:
        port = first.stdout.readline().strip()
        assert python(ASK, port) == 1
        assert python(ASK, port, preexec_fn=own.enter) == 0
    own.close()


@needs_root
def test_an_ordinary_user_keeps_their_name_rights_and_groups():
    place = Place()
    try:
        folder = place.folder('project', owner=NOBODY, group=GROUP, mode=0o2770)
        found = place.run(f'''
import subprocess
from lumi_hooks.namespace import NoNetwork
own = NoNetwork.make()
script = """umask 007; id -u; id -g; grep CapEff /proc/self/status; touch {folder}/file; mkdir {folder}/sub
install -m 640 {folder}/file {folder}/sub/copy; cp -p {folder}/file {folder}/kept; tar -C {folder} -cf {folder}/t file
chmod g+s {folder}/sub; mkdir {folder}/x; tar -C {folder}/x -xpf {folder}/t; exit 7"""
done = subprocess.run(["sh", "-c", script], preexec_fn=own.enter, text=True, capture_output=True)
result = done.returncode, done.stdout.split(), done.stderr''', groups=(GROUP,))
        code, words, errors = found
        assert code == 7 and errors == ''
        assert words[:2] == [str(NOBODY), str(NOBODY)] and int(words[3], 16) == 0, 'it has capabilities'
        made = [folder / name for name in ('file', 'kept', 'sub', 'sub/copy', 'x', 'x/file')]
        assert {path.stat().st_gid for path in made} == {GROUP} and (folder / 'sub').stat().st_mode & 0o2000
    finally:
        place.remove()


@needs_root
def test_ordinary_users_are_cut_off(server):
    place = Place()
    try:
        assert place.run(f'''
import subprocess
from lumi_hooks.namespace import NoNetwork
own = NoNetwork.make()
ask = ["/usr/bin/python3", "-c", {ASK!r}, "{server}"]
result = [subprocess.run(ask).returncode, subprocess.run(ask, preexec_fn=own.enter).returncode]''') == [0, 1]
    finally:
        place.remove()


@pytest.mark.parametrize('step, code', [('fetch', 0), ('prepare', 0), ('configure', 1), ('build', 1), ('test', 0),
                                        ('install', 1), ('extensions', 1), ('postproc', 1), ('sanitycheck', 0),
                                        (None, 0)])
def test_the_steps_that_are_cut_off(server, step, code):
    network.enter(site(), package(step))
    assert python(ASK, server) == code
    assert network.as_json() == {'cut_off': True, 'reason': None}
    network.leave()
    assert python(ASK, server) == 0


def test_what_is_allowed_by_name_has_the_network(server):
    network.enter(site('Thing'), package('build'))
    assert python(ASK, server) == 0
    assert network.as_json() == {'cut_off': False, 'reason': 'LUMI_HOOKS_ALLOW names Thing'}
    network.enter(site('Thing'), package('build', 'Other'))
    assert python(ASK, server) == 1 and network.as_json()['cut_off']


def test_a_licence_server_can_be_asked(server):
    network.enter(site(), package('install', license_file='1055@licences.example.org'))
    assert python(ASK, server) == 0
    assert network.as_json() == {'cut_off': False, 'reason': 'its licence is asked for at 1055@licences.example.org'}
    network.enter(site(), package('install', license_file='/home/me/licence.dat'))
    assert python(ASK, server) == 1


def test_a_preexec_function_of_ones_own_still_runs(tmp_path):
    network.enter(site(), package('build'))
    assert python('', preexec_fn=lambda: (tmp_path / 'ran').touch()) == 0 and (tmp_path / 'ran').exists()


def test_commands_of_easybuild_are_as_ever(options, server):
    """Output, errors, exit codes, answers to questions, lists of words; and the command's text is not touched."""
    network.enter(site(), package('build'))
    assert run_shell_cmd(f'{sys.executable} -c "{ASK}" {server}', fail_on_error=False).exit_code == 1
    done = run_shell_cmd('echo out; echo err >&2; exit 3', fail_on_error=False, split_stderr=True)
    assert (done.exit_code, done.output, done.stderr, done.cmd) == (3, 'out\n', 'err\n',
                                                                   'echo out; echo err >&2; exit 3')
    assert run_shell_cmd(['echo', '$HOME'], use_bash=False).output == '$HOME\n'
    assert run_shell_cmd('cat', stdin='given').output == 'given'
    assert run_shell_cmd('printf "Proceed? "; read x; echo "it is $x"', qa_patterns=[('Proceed\\?', 'yes')],
                         qa_timeout=10).output.endswith('it is yes\n')
    with pytest.raises(RunShellCmdError):
        run_shell_cmd('exit 4')
    killed = run_shell_cmd('kill -9 $$', fail_on_error=False)
    assert killed.exit_code == -9


def test_a_machine_without_namespaces(monkeypatch, server):
    def make():
        raise OSError(errno.EPERM, 'unshare: Operation not permitted')
    monkeypatch.setattr(namespace.NoNetwork, 'make', make)
    monkeypatch.setattr(network, '_namespace', None)
    network.enter(site(), package('build'))
    assert python(ASK, server) == 0
    assert network.as_json() == {'cut_off': False, 'reason': 'this machine makes no namespaces for users (unshare: '
                                                             'Operation not permitted)'}
    [(level, text)] = doctors.function(Situation(None))
    assert level == WARNING and 'makes no namespaces for users (unshare' in text and '\n' not in text
    assert list(doctors.function(Situation(None, inside=True))) == []


def test_the_doctor_finds_nothing_where_it_works():
    assert list(doctors.function(Situation(None))) == []


def test_what_fails_in_the_child_is_told(monkeypatch):
    monkeypatch.setattr(namespace, '_NEW_NET', 0x7fffffff)  # no flags that the kernel knows
    with pytest.raises(OSError, match='unshare: '):
        namespace.NoNetwork.make()


def test_it_is_never_quietly_left_out(monkeypatch):
    """A namespace that can't be entered any more stops the build."""
    network.enter(site(), package('build'))
    monkeypatch.setattr(network._namespace, '_files', [os.open('/dev/null', os.O_RDONLY)])
    with pytest.raises(EasyBuildError, match='could not be cut off from the network.*LUMI_HOOKS_ALLOW=Thing'):
        python('')
