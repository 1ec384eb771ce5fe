# SPDX-License-Identifier: GPL-2.0-only
"""
An environment in one image, used for real: by an ordinary user who can make no namespaces, over FUSE.

/dev/fuse is closed to users on machines like this one. A device with mode 0666, bound over it in a mount namespace of
root's, stands in for LUMI's.
"""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from lumi_hooks.env import pack

from .conftest import BARE
from .otheruser import become

# accounts that every Debian has (nobody, games): fusermount wants a name
USER, OTHER = 65534, 5
OPEN = 'mknod -m 666 "$0" c 10 229 && mount --bind "$0" /dev/fuse && rm "$0" && exec "$@"'
PRELOADED = '''#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
__attribute__((constructor)) static void begin(void)
{
    FILE *out = fopen(getenv("SEEN"), "a");
    fprintf(out, "%s\\n", program_invocation_short_name);
    fclose(out);
}
'''
PROGRAM = '''#include <stdio.h>
static int inner(int x) { return x * 2; }
int main(int argc, char **argv)
{
    printf("%d of %s\\n", inner(argc), argv[0]);
    return argc;
}
'''


@pytest.fixture
def place(tmp_path_factory):
    """A folder that the user can enter, with an image of two programs, and scripts that run them."""
    if os.geteuid() or not (shutil.which('squashfuse_ll') and shutil.which('fusermount3') and shutil.which('gdb')):
        pytest.skip('it needs root, squashfuse, fuse3 and gdb')
    top = Path(tempfile.mkdtemp(prefix='lumi-hooks-packed-'))
    top.chmod(0o755)
    made = top / 'files'
    (made / 'bin').mkdir(parents=True)
    (top / 'program.c').write_text(PROGRAM)
    subprocess.run(['gcc', '-g', '-o', made / 'bin' / 'program', top / 'program.c'], check=True)
    (made / 'bin' / 'waits').write_text('#!/bin/sh\necho started; sleep "$1"; cat "$(dirname "$0")/../data"; exit 7\n')
    (made / 'bin' / 'waits').chmod(0o755)
    (made / 'data').write_text('data\n')
    pack.pack(str(made), str(top / 'env.sqsh'))
    (top / 'env').mkdir()
    os.chown(top / 'env', USER, USER)
    (top / 'work').mkdir()
    os.chown(top / 'work', USER, USER)
    (top / 'bin').mkdir()
    for name, program in (('program', f'{top}/env/bin/'), ('run', '')):
        (top / 'bin' / name).write_text(pack.wrap(f'{top}/env.sqsh', f'{top}/env', program))
        (top / 'bin' / name).chmod(0o755)
    os.link(top / 'bin' / 'program', top / 'bin' / 'waits')
    (top / 'epilog').write_text(pack.epilog())
    (top / 'epilog').chmod(0o755)
    shutil.rmtree(made)
    yield top
    shutil.rmtree(f'/tmp/lumi-hooks-{USER}', ignore_errors=True)
    shutil.rmtree(top)


def as_user(place, command, **env):
    """Run a shell command as an ordinary user with an open /dev/fuse; returns what it wrote."""
    line = ['unshare', '-m', 'sh', '-c', OPEN, str(place / 'fuse'), str(BARE), *become(USER), 'sh', '-c', command]
    env = {'PATH': f'{place}/bin:/usr/bin:/bin', 'HOME': str(place / 'work'), **env}
    return subprocess.run(line, env=env, text=True, cwd=place / 'work', stdout=subprocess.PIPE, timeout=120,
                          stderr=subprocess.STDOUT, check=False).stdout


MOUNTS = 'grep -c fuse.squashfuse /proc/mounts'


# it is tried again every two seconds where something was still busy
GONE = 'for i in $(seq 100); do grep -q fuse.squashfuse /proc/mounts || break; sleep 0.1; done'
WAIT = 'for i in $(seq 100); do grep -q fuse.squashfuse /proc/mounts && break; sleep 0.1; done'


def test_a_program_runs_and_nothing_stays_mounted(place):
    told = as_user(place, f'unshare -Ur true; program a; echo "exit $?"; {GONE}; {MOUNTS}; ls {place}/env | wc -l')
    assert told.splitlines() == ['unshare: unshare failed: No space left on device', f'4 of {place}/env/bin/program',
                                 'exit 2', '0', '0']


def test_ranks_of_a_node_share_one_mount(place):
    """The last one to end lets it go: also where the one that mounted it ended first."""
    told = as_user(place, 'LUMI_HOOKS_MOUNT=say waits 1 & sleep 0.3; for n in 1 2 3 4 5 6; do waits 3 & done; sleep 2; '
                          f'{MOUNTS}; ps -u {USER} -o args= | grep -c "^[^ ]*squashfuse_ll {place}"; wait; '
                          f'{GONE}; {MOUNTS}')
    lines = told.splitlines()
    assert lines.count('started') == lines.count('data') == 7
    assert 'waits: mounted by fuse' in lines and lines[-1] == '0' and lines.count('1') == 2, told


def test_many_start_at_once(place):
    told = as_user(place, f'for n in $(seq 16); do program & done; wait; {GONE}; {MOUNTS}')
    assert told.splitlines() == [f'2 of {place}/env/bin/program'] * 16 + ['0']


def test_a_killed_program_leaves_no_mount(place):
    told = as_user(place, f'run sleep 60 & {WAIT}; {MOUNTS}; kill -9 $!; {GONE}; {MOUNTS}; program')
    assert [line for line in told.splitlines() if 'illed' not in line] == ['1', '0', f'2 of {place}/env/bin/program']


SERVER = 'ps -u {user} -o pid=,comm= | while read -r pid name; do [ "$name" != {name} ] || kill -9 $pid; done'


def test_a_dead_server_is_replaced(place):
    """What Slurm kills at the end of a step leaves a mount that answers nothing."""
    kill = SERVER.format(user=USER, name='squashfuse_ll')
    told = as_user(place, f'run sleep 3 & {WAIT}; sleep 0.3; {kill}; ls {place}/env; program; wait; sleep 3; {MOUNTS}')
    assert 'cannot access' in told and f'2 of {place}/env/bin/program' in told and told.splitlines()[-1] == '0', told


def test_slurm_s_epilog_takes_away_what_was_killed(place):
    """All processes of a step at once; a mount that somebody uses stays."""
    kill = '; '.join(SERVER.format(user=USER, name=name) for name in ('squashfuse_ll', 'flock', 'sleep'))
    told = as_user(place, f'run sleep 60 & {WAIT}; sleep 0.3; {place}/epilog; {MOUNTS}; '
                          f'ps -u {USER} -o pid=,args= | grep "[u]ntil flock" | while read -r pid rest; do '
                          f'kill -9 $pid; done; {kill}; {MOUNTS}; {place}/epilog; {MOUNTS}; program')
    numbers = [line for line in told.splitlines() if line in '01']
    assert numbers == ['1', '1', '0'] and told.splitlines()[-1] == f'2 of {place}/env/bin/program', told


def test_preloads_pass_and_tools_do_not_see_them(place):
    """As perftools does: a library in LD_PRELOAD is in the program, and not in what mounts."""
    (place / 'tool.c').write_text(PRELOADED)
    subprocess.run(['gcc', '-D_GNU_SOURCE', '-shared', '-fPIC', '-o', place / 'tool.so', place / 'tool.c'], check=True)
    told = as_user(place, f'LD_PRELOAD={place}/tool.so SEEN={place}/work/seen program')
    seen = (place / 'work' / 'seen').read_text().split()
    assert 'program' in seen and not {'squashfuse_ll', 'flock', 'fusermount3'} & set(seen), (told, seen)


def test_a_debugger_finds_lines_and_local_functions(place):
    told = as_user(place, 'run gdb -batch -nx -ex "break inner" -ex run -ex bt -ex continue --args '
                          f'{place}/env/bin/program x')
    assert 'inner (x=2) at' in told and 'program.c:2' in told and f'4 of {place}/env/bin/program' in told, told


def test_standard_streams_signals_and_exit_codes_are_those_of_the_program(place):
    """The script becomes the program: its number, its input, what it is sent."""
    told = as_user(place, 'echo text | run cat; run sh -c \'trap "echo got; exit 5" USR1; echo $$; sleep 5 & wait\' '
                          '& sleep 1.5; kill -USR1 $!; echo "$!"; wait $!; echo "exit $?"; waits 0; echo "exit $?"')
    lines = told.splitlines()
    assert lines[0] == 'text' and lines[1] == lines[2 if lines[2].isdigit() else 3], told
    assert 'got' in lines and 'exit 5' in lines and lines[-1] == 'exit 7', told


def test_where_the_device_is_closed_it_is_told(place):
    done = subprocess.run([*become(USER), place / 'bin' / 'program'], env={'PATH': '/usr/bin:/bin'}, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 126 and done.stderr.count('\n') == 1
    assert f'cannot be mounted on {os.uname().nodename}: /dev/fuse is closed; there is no Singularity' in done.stderr


def test_another_user_of_the_node_is_told(place):
    """FUSE shows a mount to its user alone."""
    os.chmod(place / 'env', 0o777)
    mine, other = (f'setpriv --reuid={user} --regid={user} --clear-groups {place}/bin' for user in (USER, OTHER))
    line = ['unshare', '-m', 'sh', '-c', OPEN, str(place / 'fuse'), 'sh', '-c',
            f'{mine}/run sleep 3 & {WAIT}; {other}/program; echo "exit $?"; wait; {GONE}; {other}/program']
    done = subprocess.run(line, env={'PATH': '/usr/bin:/bin'}, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, check=False)
    shutil.rmtree(f'/tmp/lumi-hooks-{OTHER}', ignore_errors=True)
    lines = done.stdout.splitlines()
    assert 'somebody else has mounted it on this node' in lines[0] and lines[1] == 'exit 126', done.stdout
    assert lines[2] == f'2 of {place}/env/bin/program', done.stdout
