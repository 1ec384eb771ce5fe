# SPDX-License-Identifier: GPL-2.0-only
"""The filter of system calls, with real commands: for root, for ordinary users, and where they make no namespaces."""
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from another_user import NOBODY, Place, needs_root

from lumi_hooks import seccomp

ROOT = Path(__file__).resolve().parents[2]
BARE = ROOT / 'ci' / 'standin' / 'no-namespaces'
BECOME = ['setpriv', f'--reuid={NOBODY}', f'--regid={NOBODY}', '--clear-groups']


@pytest.fixture(scope='module')
def place():
    found = Place()
    yield found
    found.remove()


@pytest.fixture(params=['myself', pytest.param('user', marks=needs_root), pytest.param('bare', marks=needs_root)])
def cut(request, place, tmp_path):
    """Runs a command cut off; returns what became of it."""
    become = {'myself': [], 'user': BECOME, 'bare': [BARE, *BECOME]}[request.param]
    home = place.folder(f'home-{request.param}-{os.getpid()}-{time.monotonic_ns()}') if become else tmp_path

    def run(*command, way='notification', **options):
        env = {'PATH': os.environ['PATH'] if not become else '/usr/bin:/bin', 'HOME': str(home),
               'PYTHONPATH': str(place.path / 'library'), 'LUMI_HOOKS_NETWORK': way, 'PYTHONDONTWRITEBYTECODE': '1'}
        return subprocess.run([*become, '/usr/bin/python3', '-m', 'lumi_hooks.cutoff', *map(str, command)], env=env,
                              cwd=home, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              stdin=subprocess.DEVNULL, timeout=100, **options)
    run.home = home
    return run


def family(word, **values):
    """An address as the kernel takes it."""
    kind = getattr(socket, f'AF_{word}')
    return kind.to_bytes(2, sys.byteorder) + values.get('port', 80).to_bytes(2, 'big') + values['rest']


def four(text, kind='INET'):
    return family(kind, rest=socket.inet_aton(text) + bytes(8))


def six(text):
    return family('INET6', rest=bytes(4) + socket.inet_pton(socket.AF_INET6, text) + bytes(4))


@pytest.mark.parametrize('address, near', [
    (four('127.0.0.1'), True), (four('127.9.9.9'), True), (four('0.0.0.0'), True), (four('128.0.0.1'), False),
    (four('10.1.2.3'), False), (four('255.255.255.255'), False), (four('224.0.0.1'), False), (six('::1'), True),
    (six('::'), True), (six('::2'), False), (six('::ffff:127.0.0.1'), True), (six('::ffff:8.8.8.8'), False),
    (six('fe80::1'), False), (six('ff02::1'), False), (four('8.8.8.8', 'UNSPEC'), False),
    (four('127.0.0.1', 'UNSPEC'), True),
    (family('UNIX', rest=b'/run/x'), True), (family('NETLINK', rest=bytes(10)), True),
    (family('PACKET', rest=bytes(16)), False), (b'', True), (b'\2', True), (b'\2\0\0\0', True),
    (b'\xff\xff' + bytes(30), False)])
def test_which_addresses_are_near(address, near):
    assert seccomp.is_near(address) == near


def test_a_connection_that_is_taken_back():
    assert seccomp.is_near(four('8.8.8.8', 'UNSPEC'), connecting=True)


CALLS = '''
import ctypes, errno, os, socket, struct, time
libc = ctypes.CDLL(None, use_errno=True)
def told(function):
    try:
        return function() and 0 or 0
    except OSError as err:
        return errno.errorcode.get(err.errno, err.errno)
def call(number, *words):
    if libc.syscall(number, *words) < 0:
        raise OSError(ctypes.get_errno(), 'x')
def many(handle, address):
    """sendmmsg: one message inside, one to the address."""
    hold, messages = [], b''
    for one in (('127.0.0.1', 9), address):
        name = ctypes.create_string_buffer(struct.pack('=H', 2) + struct.pack('>H', one[1]) + socket.inet_aton(one[0]))
        data = ctypes.create_string_buffer(b'x')
        vector = ctypes.create_string_buffer(struct.pack('=QQ', ctypes.addressof(data), 1))
        hold += [name, data, vector]
        messages += struct.pack('=QIIQQQQIIQ', ctypes.addressof(name), 16, 0, ctypes.addressof(vector), 1, *[0] * 5)
    return call(307, handle.fileno(), messages, 2, 0)
begun = time.monotonic()
for where in ('127.0.0.1', '192.0.2.1'):
    with socket.create_server(('127.0.0.1', 0)) as server, socket.socket(type=socket.SOCK_DGRAM) as udp, \\
            socket.socket() as tcp, socket.socket() as fast:
        address = where, server.getsockname()[1]
        print('connect', where, told(lambda: tcp.connect(address)))
        print('fast', where, told(lambda: fast.sendto(b'x', socket.MSG_FASTOPEN, address)))
        print('sendto', where, told(lambda: udp.sendto(b'x', address)))
        print('sendmsg', where, told(lambda: udp.sendmsg([b'x'], [], 0, address)))
        print('sendmmsg', where, told(lambda: many(udp, address)))
        if where == '127.0.0.1':
            print('send', told(lambda: tcp.send(b'x')), told(lambda: tcp.sendmsg([b'x'])))
one, other = socket.socketpair()
print('unix', told(lambda: socket.send_fds(one, [b'x'], [0])))
print('vsock', told(lambda: socket.socket(40)), 'packet', told(lambda: socket.socket(17, socket.SOCK_RAW)))
print('io_uring', told(lambda: call(425, 1, 0)), 'x32', told(lambda: call(0x40000000 | 39)))
print('bad', told(lambda: call(42, server.fileno(), 1, 16)), told(lambda: call(44, one.fileno(), 0, 0, 0, -1, 16)))
print('quick', time.monotonic() - begun < 3)
'''


def test_what_calls_are_told(cut):
    found = cut('python3', '-c', CALLS).stdout.splitlines()
    calls = ('connect', 'fast', 'sendto', 'sendmsg', 'sendmmsg')
    assert found == ['cut off by seccomp notification', *(f'{name} 127.0.0.1 0' for name in calls), 'send 0 0',
                     *(f'{name} 192.0.2.1 ENETUNREACH' for name in calls), 'unix 0',
                     'vsock EAFNOSUPPORT packet EAFNOSUPPORT', 'io_uring ENOSYS x32 ENOSYS', 'bad EFAULT EFAULT',
                     'quick True']


def test_without_a_listener_there_are_no_sockets(cut):
    code = 'import socket; socket.socketpair(); socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)\n' \
           'for family in (socket.AF_INET, socket.AF_INET6):\n' \
           '  try: socket.socket(family)\n  except OSError as err: print(err)'
    assert cut('python3', '-c', code, way='sockets').stdout.splitlines() == [
        'cut off by seccomp filter', *['[Errno 101] Network is unreachable'] * 2]


def test_kernels_that_can_not(monkeypatch):
    monkeypatch.setattr(seccomp.platform, 'release', lambda: '5.3.18-150300.59-default')
    with pytest.raises(OSError, match='Linux 5.3.18-150300.59-default does not tell'):
        seccomp.install(seccomp.NOTIFY)


@pytest.mark.skipif(not shutil.which('gcc'), reason='there is no gcc')
def test_calls_of_32_bits_make_no_sockets(cut):
    """A program of 64 bits may call the kernel as one of 32 bits does."""
    (cut.home / 'c.c').write_text('#include <stdio.h>\nlong old(long n, long a, long b, long c) { long r; '
                                  '__asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(b), "d"(c) '
                                  ': "memory"); return r; }\n'
                                  'int main(void) { printf("%ld %ld %d\\n", old(359, 2, 1, 0), '
                                  'old(425, 1, 0, 0), old(20, 0, 0, 0) > 0); return 0; }\n')
    done = cut('sh', '-c', 'gcc c.c -o c && ./c')
    if '-14' in done.stdout or 'egmentation' in done.stdout:
        pytest.skip('this kernel has no calls of 32 bits')
    assert done.stdout.splitlines()[-1] == '-101 -38 1', done.stdout


def test_tools_of_builds_work(cut):
    script = '''set -e
git init -q a; git -C a -c user.email=a@example.org -c user.name=a commit -q --allow-empty -m x
git clone -q a b; git clone -q "file://$PWD/a" c; git -C c log --oneline | grep -c x
printf 'all: x y z\\nx y z:\\n\\t@sleep 0.1; touch $@\\n' > Makefile; make -s -j3; ls x y z | wc -l
python3 -c 'import multiprocessing as m; print(sum(m.Pool(2).map(abs, [-1, -2])))'
python3 -c 'import asyncio; asyncio.run(asyncio.create_subprocess_exec("true")); print("loops")'
getent hosts localhost >/dev/null && echo named
'''
    done = cut('sh', '-c', script)
    assert done.stdout.splitlines() == ['cut off by seccomp notification', '1', '3', '3', 'loops', 'named'], done.stdout


def test_what_would_download_is_told_at_once(cut):
    begun = time.monotonic()
    told = cut('sh', '-c', 'git clone http://192.0.2.1/x.git; git clone git@192.0.2.1:x').stdout
    assert 'unreachable' in told or "Couldn't connect" in told or 'Could not connect' in told, told
    assert time.monotonic() - begun < 10


def test_pip_makes_a_wheel_of_what_is_there(tmp_path):
    pytest.importorskip('setuptools')
    (tmp_path / 'pyproject.toml').write_text('[build-system]\nrequires = ["setuptools"]\n'
                                             'build-backend = "setuptools.build_meta"\n'
                                             '[project]\nname = "tiny"\nversion = "1"\n'
                                             '[tool.setuptools]\npy-modules = []\n')
    pip = [sys.executable, '-m', 'pip', 'wheel', '--no-index', '--no-build-isolation', '-w', tmp_path / 'out', tmp_path]
    done = subprocess.run([sys.executable, '-m', 'lumi_hooks.cutoff', *pip], cwd=ROOT, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['tiny-1-py3-none-any.whl'], done.stdout


def supervisors():
    """Pids of supervisors that run."""
    found = set()
    for entry in filter(str.isdigit, os.listdir('/proc')):
        try:
            words = Path('/proc', entry, 'cmdline').read_bytes().split(b'\0')
        except OSError:
            continue
        if any(word.endswith(b'lumi_hooks/seccomp.py') for word in words):
            found.add(entry)
    return found


def test_what_runs_on_stays_cut_off_and_its_supervisor_goes_with_it(cut):
    """Its starter is killed: the loopback still works, the outside does not, and then nobody is left."""
    code = "import socket, time, os\nos.kill(os.getppid(), 9); time.sleep(0.5)\n" \
           "s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname())\n" \
           "try: socket.create_connection(('192.0.2.1', 80))\nexcept OSError as err: open('told', 'w').write(str(err))"
    before = supervisors()
    assert cut('python3', '-c', code).returncode == -9
    deadline = time.monotonic() + 20
    told = cut.home / 'told'
    while time.monotonic() < deadline and not (told.exists() and told.read_text() and supervisors() <= before):
        time.sleep(0.05)
    assert told.read_text() == '[Errno 101] Network is unreachable' and supervisors() <= before


def test_the_commands_errors(cut):
    assert cut('sh', '-c', 'exit 7').returncode == 7
    done = cut('/no/such/command')
    assert done.returncode == 1 and 'No such file' in done.stdout and 'Traceback' not in done.stdout
    done = cut('true', way='nothing')
    assert done.returncode == 1 and "it can be notification or" in done.stdout and 'Traceback' not in done.stdout
    assert 'usage' in cut('--help').stdout and cut().returncode == 2


# --- LUMI's users make no namespaces

@needs_root
def test_the_bare_shell_makes_no_user_namespaces():
    def run(*command, start=(BARE, *BECOME)):
        return subprocess.run([*start, *command], text=True, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, cwd='/')
    assert run('unshare', '-Ur', 'true', start=BECOME).returncode == 0, 'it can be tried nowhere on this machine'
    done = run('unshare', '-Ur', 'true')
    assert done.returncode != 0 and 'No space left on device' in done.stdout
    code = 'import ctypes; c = ctypes.CDLL(None, use_errno=True)\n' \
           'for call in ((56, 0x10000011, 0, 0, 0, 0), (435, 0, 0)): print(c.syscall(*call), ctypes.get_errno())\n' \
           'import subprocess, threading; t = threading.Thread(target=subprocess.run, args=(["true"],))\n' \
           't.start(); t.join()'
    assert run('/usr/bin/python3', '-c', code).stdout.splitlines() == ['-1 28', '-1 38']
    assert 'NoNewPrivs:\t0' in run('cat', '/proc/self/status').stdout, 'set-uid programs are stopped as well'
    assert run('true', start=(BARE, 'unshare', '-m')).returncode == 0, 'root needs them for tests'


@needs_root
def test_the_namespace_does_not_do_there(place):
    command = ['/usr/bin/python3', '-m', 'lumi_hooks.cutoff', 'true']
    for start, code in ((BECOME, 0), ([BARE, *BECOME], 1)):
        done = subprocess.run([*start, *command], text=True, check=False, cwd='/',
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={'PATH': '/usr/bin:/bin', 'PYTHONPATH': str(place.path / 'library'),
                                   'LUMI_HOOKS_NETWORK': 'namespace'})
        assert done.returncode == code and ('No space left' in done.stdout) == bool(code), done.stdout
