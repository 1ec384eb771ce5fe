# SPDX-License-Identifier: GPL-2.0-only
"""Builds that download, for real and as an ordinary user, in a project's set-gid folder. ci/faults runs them."""
import json
import os
import signal
import socket
import stat
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from .faults import UID, User, base_folder, remove, wait_for
from .test_faults import case  # noqa: F401 (fixtures)

pytestmark = pytest.mark.long

# a group that every Debian has; the user is in it, but not with it, as it is with a project's
GROUP = 100
FETCH = 'import sys, urllib.request\nurllib.request.urlretrieve(sys.argv[1], sys.argv[2])\n'


class Files(BaseHTTPRequestHandler):
    """Answers whatever is asked for, and remembers that it was."""
    asked = []

    def do_GET(self):
        self.asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'binary\n')

    def log_message(self, *args):
        pass


@pytest.fixture
def url():
    """A server outside, on this machine's own address: with a loopback alone it can't be reached."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        try:
            handle.connect(('192.0.2.1', 80))  # sends nothing: asks for the route
        except OSError:
            pytest.skip('this machine has no network')
        address = handle.getsockname()[0]
    Files.asked = []
    server = ThreadingHTTPServer((address, 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://{address}:{server.server_port}'
    server.shutdown()
    server.server_close()


@pytest.fixture
def project(standin, sources, upstream):
    """A prefix in a set-gid folder of a group that the user is in, but not with."""
    path = base_folder()
    found = User(standin, sources, upstream, path)
    if os.geteuid() == 0:
        found.shell[found.shell.index('--clear-groups')] = f'--groups={GROUP}'
        found.prefix.mkdir()
        os.chown(found.prefix, UID, GROUP)
        found.prefix.chmod(0o2770)
    yield found
    remove(path)


def record(user):
    """The record of the installation."""
    return json.loads((user.folder / 'easybuild/lumi/record.json').read_text())


def test_a_build_that_downloads(project, url, case):  # noqa: F811
    script = project.base / 'recipes' / 'fetch.py'
    script.write_text(FETCH)
    fetch = f'python3 {script} {url}/tool f9'
    done = project.install('one', check=False, build=fetch)
    assert done.returncode != 0 and Files.asked == [] and project.seen() is None
    assert 'Network is unreachable' in done.stdout
    assert 'what it means: the build wanted to reach the network' in done.stdout
    assert "add the file to the recipe's sources, with its checksum" in done.stdout
    assert 'LUMI_HOOKS_ALLOW=NAME' in done.stdout
    # the steps around it have the network: they may go through Slurm
    sanity = f"sanity_check_commands = ['python3 {script} {url}/sanity /dev/null']\n"
    project.install('one', extra=sanity)
    assert Files.asked == ['/sanity'] and project.seen() == 'one'
    assert record(project)['network'] == {'cut_off': True, 'reason': None}
    project.install('two', '--rebuild', build=fetch, LUMI_HOOKS_ALLOW='fault')
    assert Files.asked == ['/sanity', '/tool'] and project.seen() == 'two'
    assert record(project)['network'] == {'cut_off': False, 'reason': 'LUMI_HOOKS_ALLOW names fault'}
    assert 'Built with the network' in (project.folder / 'easybuild/lumi/changes.md').read_text()
    case('a build that downloads a file', 'it gets nothing, fails, and is told to add the file to its sources; with '
         'LUMI_HOOKS_ALLOW it is installed, and the record says so; sanity checks have the network')


def test_groups_and_modes(project, case):  # noqa: F811
    """In the namespace there is no other group than the user's own, and set-gid folders pass theirs on all the same."""
    work = project.folder / 'work'
    commands = [f'mkdir -p {work}/deep', f'cp -p %(installdir)s/share/f1 {work}/deep']
    done = project.install('one', extra=f'postinstallcmds = {commands}\n')
    assert record(project)['network']['cut_off'], done.stdout
    group = os.stat(project.prefix).st_gid
    for path in [project.folder, *project.folder.rglob('*')]:
        status = os.lstat(path)
        assert status.st_gid == group, path
        assert not stat.S_ISDIR(status.st_mode) or status.st_mode & stat.S_ISGID or os.geteuid() != 0, path
    assert (work / 'deep' / 'f1').exists()
    case('a build without network in a project\'s set-gid folder', 'everything belongs to the project\'s group')


def test_interrupted_and_killed_while_a_command_has_no_network(project, case):  # noqa: F811
    for number in (signal.SIGINT, signal.SIGKILL):
        mark = project.base / 'home' / f'mark{number}'
        recipe = project.recipe('one', build=f'(grep -c : /proc/net/dev > {mark}; exec sleep 987)')
        process = project.start_eb(str(recipe))
        wait_for(lambda mark=mark: mark.exists() and mark.read_text())
        assert mark.read_text() == '1\n', 'it sees more than a loopback'
        os.killpg(process.pid, number)
        process.communicate(timeout=60)
        if number == signal.SIGKILL:
            project.run('true')
        wait_for(lambda: not sleeping(), 30)
        assert project.seen() is None
    project.install('one')
    assert project.seen() == 'one' and project.litter() == []
    case('SIGINT and `kill -9` to an `eb` and its commands, which have no network', 'nothing runs on, the same command '
         'completes')


def sleeping():
    """Commands of the test that still run."""
    found = []
    for number in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{number}/cmdline', 'rb') as handle:
                if handle.read() == b'sleep\x00987\x00':
                    found.append(number)
        except OSError:
            continue
    return found
