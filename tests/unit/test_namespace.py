# SPDX-License-Identifier: GPL-2.0-only
"""The network namespace itself, for root and for ordinary users."""
import errno
import os
import socket
import subprocess
import sys

import pytest
from another_user import GROUP, NOBODY, Place, needs_root
from asking import ASK, LOOP, OUT, UNREACHABLE, python

from lumi_hooks import namespace
from lumi_hooks.record.failure import first_error


def test_a_command_in_a_namespace_has_a_loopback_and_nothing_else(outside):
    own = namespace.NoNetwork.make()
    with socket.create_server(('127.0.0.1', 0)) as server:
        inner = '127.0.0.1', str(server.getsockname()[1])
        assert python(ASK, *inner) == 0 and python(ASK, *outside) == 0
        assert python(ASK, *inner, preexec_fn=own.enter) == errno.ECONNREFUSED
    assert python(ASK, *outside, preexec_fn=own.enter) == UNREACHABLE
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
        assert python(ASK, '127.0.0.1', port) == errno.ECONNREFUSED
        assert python(ASK, '127.0.0.1', port, preexec_fn=own.enter) == 0
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


def test_what_fails_in_the_child_is_told(monkeypatch):
    monkeypatch.setattr(namespace, '_NEW_NET', 0x7fffffff)  # no flags that the kernel knows
    with pytest.raises(OSError, match='unshare: '):
        namespace.NoNetwork.make()
