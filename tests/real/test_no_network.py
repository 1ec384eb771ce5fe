# SPDX-License-Identifier: GPL-2.0-only
"""Builds that download, for real and as an ordinary user, in a project's set-gid folder. ci/faults runs them."""
import json
import os
import signal
import socket
import stat
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from .conftest import ROOT
from .faults import UID, User, base_folder, remove, wait_for
from .test_faults import case  # noqa: F401 (fixtures)

pytestmark = pytest.mark.long

# a group that every Debian has; the user is in it, but not with it, as it is with a project's
GROUP = 100
HELLO = """#include <mpi.h>
#include <stdio.h>
int main(void) {
    int rank, size, x = 0, sum = 0;
    MPI_Init(0, 0); MPI_Comm_rank(MPI_COMM_WORLD, &rank); MPI_Comm_size(MPI_COMM_WORLD, &size);
    for (int i = 0; i < 100; i++) MPI_Allreduce(&x, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    printf("rank %d of %d\\n", rank, size); fflush(stdout);
    MPI_Finalize(); return 0;
}
"""
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


class Project(User):
    """A prefix in a set-gid folder of a group that the user is in, but not with; a way to be cut off."""

    def __init__(self, standin, sources, upstream, base, way):
        super().__init__(standin, sources, upstream, base)
        self.way = way
        self.by = {'sockets': 'seccomp filter', 'namespace': 'namespace'}.get(way, 'seccomp notification')
        if os.geteuid() == 0:
            self.shell[self.shell.index('--clear-groups')] = f'--groups={GROUP}'
            self.prefix.mkdir()
            os.chown(self.prefix, UID, GROUP)
            self.prefix.chmod(0o2770)
        if way in ('plain', 'namespace'):
            self.allow_namespaces()

    def script(self, command, load=True, **env):
        """The same, with the way."""
        if self.way in ('sockets', 'namespace'):
            env['LUMI_HOOKS_NETWORK'] = self.way
        return super().script(command, load, **env)


# 'bare' is as users are on LUMI. 'plain' is a machine on which they can make namespaces as well; 'namespace' is the way
# that needs them
@pytest.fixture(params=['bare', 'namespace'])
def project(request, standin, sources, upstream):
    """A project for each way."""
    path = base_folder()
    yield Project(standin, sources, upstream, path, request.param)
    remove(path)


every_way = pytest.mark.parametrize('project', ['bare', 'plain', 'sockets', 'namespace'], indirect=True)


def record(user):
    """The record of the installation."""
    return json.loads((user.folder / 'easybuild/lumi/record.json').read_text())


@every_way
def test_a_build_that_downloads(project, url, case):  # noqa: F811
    script = project.base / 'recipes' / 'fetch.py'
    script.write_text(FETCH)
    fetch = f'python3 {script} {url}/tool f9'
    if project.way in ('bare', 'sockets'):
        made = project.run('unshare -Ur true', load=False)
        assert made.returncode != 0 and 'No space left on device' in made.stdout
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
    assert record(project)['network'] == {'cut_off': True, 'by': project.by, 'reason': None}
    assert f'Built without a network: from its sources alone (by {project.by})' in \
        (project.folder / 'easybuild/lumi/changes.md').read_text()
    project.install('two', '--rebuild', build=fetch, LUMI_HOOKS_ALLOW='fault')
    assert Files.asked == ['/sanity', '/tool'] and project.seen() == 'two'
    assert record(project)['network'] == {'cut_off': False, 'by': None,
                                          'reason': 'LUMI_HOOKS_ALLOW names fault'}
    assert 'Built with the network' in (project.folder / 'easybuild/lumi/changes.md').read_text()
    case('a build that downloads a file', 'it gets nothing, fails, and is told to add the file to its sources; with '
         'LUMI_HOOKS_ALLOW it is installed, and the record says so; sanity checks have the network')


# an easyblock that asks in every way that there is; what it was told stands in a file
ASKING = """
import json
import os
import subprocess
import sys
import urllib.request

from easybuild.easyblocks.generic.makecp import MakeCp


class Asking(MakeCp):
    def build_step(self):
        super().build_step()
        url, fetch = os.environ['ASKED'], os.environ['FETCH']
        told = {}
        told['system'] = os.waitstatus_to_exitcode(os.system(f'python3 {fetch} {url}/system f9'))
        words = ['/usr/bin/python3', fetch, url + '/spawn', 'f9']
        told['spawn'] = os.waitstatus_to_exitcode(os.waitpid(os.posix_spawn(words[0], words, os.environ), 0)[1])
        words[2] = url + '/positional'
        with subprocess.Popen(words, -1, None, None, None, None, lambda: None) as process:
            told['positional'] = process.wait()
        try:
            told['itself'] = urllib.request.urlopen(url + '/itself').status
        except OSError as err:
            told['itself'] = str(err)
        told['agent'] = os.environ.get('SSH_AUTH_SOCK')
        with open('f1', 'w') as handle:
            json.dump(told, handle)
"""


@pytest.mark.parametrize('project', ['bare', 'plain'], indirect=True)
def test_O10_an_easyblock_that_asks_by_itself(project, url, case):  # noqa: F811
    block, script = project.base / 'recipes' / 'asking.py', project.base / 'recipes' / 'fetch.py'
    block.write_text(ASKING)
    script.write_text(FETCH)
    recipe = project.recipe('one', extra="sanity_check_commands = ['test -n \"$SSH_AUTH_SOCK\"']\n")
    recipe.write_text(recipe.read_text().replace("'MakeCp'", "'Asking'"))
    project.eb(f'{recipe} --include-easyblocks={block}', ASKED=url, FETCH=script, SSH_AUTH_SOCK='/tmp/agent')
    assert Files.asked == []
    told = json.loads((project.folder / 'share/f1').read_text())
    assert told == {'system': 1, 'spawn': 1, 'positional': 1, 'agent': None,
                    'itself': '<urlopen error [Errno 101] Network is unreachable>'}
    project.eb(f'{recipe} --rebuild --include-easyblocks={block}', ASKED=url, FETCH=script, LUMI_HOOKS_ALLOW='fault',
               SSH_AUTH_SOCK='/tmp/agent')
    assert Files.asked == ['/system', '/spawn', '/positional', '/itself']
    case('an easyblock that downloads by os.system, posix_spawn and Python itself', 'it gets nothing, where users '
         'make no namespaces as well')


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


@pytest.fixture
def with_slurm(project):
    """Start a one-node Slurm as the project's user, in a shell like the others; its SLURM_CONF."""
    folder = project.base / 'home' / 'slurm'
    started = project.run(f'{ROOT}/ci/slurm/start {folder} </dev/null', load=False)
    assert started.returncode == 0, started.stdout
    yield folder / 'slurm.conf'
    project.run(f'{ROOT}/ci/slurm/stop {folder}', load=False)


@pytest.mark.parametrize('project', ['bare', 'plain'], indirect=True)
def test_mpi_in_a_build(project, with_slurm, case):  # noqa: F811
    """Two ranks by srun; a program that is started alone, which may be one rank or not."""
    source = project.base / 'recipes' / 'hello.c'
    source.write_text(HELLO)
    out = project.base / 'home' / 'out'
    # in a script, as some software's own build does; what recipes say themselves is another matter (mpi-tests)
    script = project.base / 'recipes' / 'ranks.sh'
    script.write_text(f'exec > {out} 2>&1; cc {source} -o hello && srun -n 2 ./hello && ! ./hello && '
                      'STANDIN_MPI_ON_LOGIN=1 ./hello')
    recipe = project.recipe('one', build=f'sh {script}')
    recipe.write_text(recipe.read_text().replace("'GCCcore', 'version': '14.2.0'", "'gompi', 'version': '2025a'"))
    done = project.eb(recipe, check=False, SLURM_CONF=with_slurm)
    told = out.read_text() if out.exists() else ''
    assert done.returncode == 0, done.stdout[-3000:] + told
    assert sorted(line for line in told.splitlines() if line.startswith('rank')) == \
        ['rank 0 of 1', 'rank 0 of 2', 'rank 1 of 2']
    assert 'PMI2 init failed' in told
    case('an MPI program that a build runs without a network', 'by `srun -n 2` it works, where Slurm\'s controller is '
         'on this machine, and alone, where MPI_Init works outside of a job')


@pytest.mark.parametrize('project', ['bare'], indirect=True)
def test_srun_in_a_build_whose_controller_is_elsewhere(project, with_slurm, case):  # noqa: F811
    """As on LUMI: it ends by itself, and what it says is explained."""
    far = with_slurm.with_name('far.conf')
    far.write_text(with_slurm.read_text().replace('(127.0.0.1)', '(192.0.2.1)'))
    started = time.monotonic()
    done = project.install('one', check=False, build='srun -n 2 hostname', SLURM_CONF=far)
    assert done.returncode != 0 and time.monotonic() - started < 60
    assert 'Unable to contact slurm controller' in done.stdout, done.stdout[-3000:]
    assert 'what it means: the build called Slurm' in done.stdout and 'LUMI_HOOKS_ALLOW=NAME' in done.stdout
    case('`srun` in a build, whose controller is on another machine', 'it gives up in 10 seconds, the build fails, '
         'and is told why')


@pytest.mark.parametrize('way, works', [('notification', True), ('sockets', False), ('namespace', False)])
def test_srun_without_a_network(fresh, slurm, way, works):
    """Where Slurm's controller is on this machine; on LUMI it is not, and srun can't reach it."""
    if way == 'namespace':
        fresh.allow_namespaces()
    (fresh.home / 'hello.c').write_text(HELLO)
    done = fresh.run(f'cd {fresh.home} && module load cpeGNU/25.03 && cc hello.c -o hello && '
                     f'PYTHONPATH={ROOT} timeout 60 {sys.executable} -m lumi_hooks.cutoff srun -n 2 ./hello',
                     LUMI_HOOKS_NETWORK=way, **slurm)
    assert (done.returncode == 0) == works, done.stdout
    assert ({'rank 0 of 2', 'rank 1 of 2'} <= set(done.stdout.splitlines())) == works, done.stdout


def test_interrupted_and_killed_while_a_command_has_no_network(project, case):  # noqa: F811
    others = running(SUPERVISOR)
    ask = project.base / 'recipes' / 'ask.py'
    ask.write_text("import socket\ntry: socket.create_connection(('192.0.2.1', 80), 5)\n"
                   "except OSError as err: print(err)\n")
    for number in (signal.SIGINT, signal.SIGKILL):
        mark = project.base / 'home' / f'mark{number}'
        recipe = project.recipe('one', build=f'(python3 {ask} > {mark}; exec sleep 987)')
        process = project.start_eb(str(recipe))
        wait_for(lambda mark=mark: mark.exists() and mark.read_text())
        assert mark.read_text() == '[Errno 101] Network is unreachable\n'
        os.killpg(process.pid, number)
        process.communicate(timeout=60)
        if number == signal.SIGKILL:
            project.run('true')
        wait_for(lambda: not sleeping() and running(SUPERVISOR) <= others, 30)
        assert project.seen() is None
    project.install('one')
    assert project.seen() == 'one' and project.litter() == []
    case('SIGINT and `kill -9` to an `eb` and its commands, which have no network', 'nothing runs on, the same command '
         'completes')


SUPERVISOR = b'lumi_hooks/seccomp.py'


def sleeping():
    """Commands of the test that still run."""
    return running(b'sleep\x00987\x00')


def running(words):
    """Processes in whose command line something stands."""
    found = set()
    for number in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{number}/cmdline', 'rb') as handle:
                if words in handle.read():
                    found.add(number)
        except OSError:
            continue
    return found
