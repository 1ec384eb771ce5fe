# SPDX-License-Identifier: GPL-2.0-only
"""
The ways to cut commands off from the network, best first, and which of them works here (docs/network.md).

`python3 -m lumi_hooks.cutoff COMMAND` says on stderr which it is, and runs a command cut off.
"""
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple

from . import seccomp, settings
from .errors import LumiHooksError
from .namespace import NoNetwork
from .offline_thread import OfflineThread

SETTING, OPEN = 'LUMI_HOOKS_NETWORK', 'open'
NAMESPACE = 'namespace'

# what each is called in records, and the word for it in SETTING
WAYS: Dict[str, str] = {'notification': seccomp.NOTIFY, 'sockets': seccomp.SOCKETS, 'namespace': NAMESPACE}
# what each lets through, for people
MEANS: Dict[str, str] = {
    seccomp.NOTIFY: 'all that a build starts is cut off, and Python code of easyblocks as well; the loopback works',
    seccomp.SOCKETS: 'all that a build starts is cut off, and Python code of easyblocks as well; the loopback is cut '
                     'off, too',
    NAMESPACE: 'what a build starts by subprocess is cut off; os.system, posix_spawn and Python code of easyblocks are '
               'not',
}

# in the environment of `eb`: what leads to processes outside, which do as they are told (systemd-run --user, ssh-agent,
# a proxy on the loopback)
LEADS_OUT = ('SSH_AUTH_SOCK', 'SSH_AGENT_PID', 'SSH_CONNECTION', 'SSH_CLIENT', 'SSH_TTY', 'GPG_AGENT_INFO',
             'DBUS_SESSION_BUS_ADDRESS', 'DBUS_SYSTEM_BUS_ADDRESS', 'DBUS_STARTER_ADDRESS', 'DBUS_STARTER_BUS_TYPE',
             'XDG_RUNTIME_DIR', 'DISPLAY', 'WAYLAND_DISPLAY', 'XAUTHORITY', 'TMUX', 'STY', 'DOCKER_HOST',
             *(name for word in ('http', 'https', 'ftp', 'all') for name in (f'{word}_proxy', f'{word}_proxy'.upper())))

# libfabric takes the machine's outer interface for two ranks beside each other, unless it is told
STAYS_IN = {'FI_TCP_IFACE': 'lo', 'FI_UDP_IFACE': 'lo', 'FI_SOCKETS_IFACE': 'lo'}


class CutOff(NamedTuple):
    """A way that works."""

    by: str  # its name, one of WAYS' values
    run: Callable[[Callable[[], Any]], Any]  # calls something, cut off
    works: Callable[[], bool]  # still?
    close: Callable[[], None]
    failed: List[str]  # why better ways do not work


def cut_off(env: Mapping[str, str]) -> CutOff:
    """
    The best way that works here.

    :param env: `LUMI_HOOKS_NETWORK` names the one to take
    :raises OSError: none works; its text says why
    :raises SiteError: there is none of that name
    """
    failed: List[str] = []
    wanted = settings.value('NETWORK', env)
    for word, name in WAYS.items():
        if wanted in ('', word):
            try:
                if name == NAMESPACE:
                    own = NoNetwork.make()
                    return CutOff(name, own.run, lambda: True, own.close, failed)
                thread = OfflineThread.make(name)
                return CutOff(name, thread.run, thread.works, thread.close, failed)
            except OSError as err:
                failed.append(f'{name}: {err.strerror or err}' if name not in str(err.strerror) else str(err.strerror))
    raise OSError(0, '; '.join(failed))


@contextmanager
def surroundings() -> Iterator[None]:
    """The environment of what is cut off, for a while: without LEADS_OUT, and with what it lacks of STAYS_IN."""
    taken = {name: os.environ.pop(name) for name in LEADS_OUT if name in os.environ}
    given = {name: value for name, value in STAYS_IN.items() if name not in os.environ}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in given.items():
            if os.environ.get(name) == value:
                del os.environ[name]
        for name, value in taken.items():
            os.environ.setdefault(name, value)


def main(command: List[str]) -> int:
    """Run a command cut off; returns its exit code."""
    if not command or command[0] in ('-h', '--help'):
        print('usage: python3 -m lumi_hooks.cutoff COMMAND…\n\nRuns a command without a network, as the commands of a '
              'build are run.\n\nexamples:\n  python3 -m lumi_hooks.cutoff curl https://example.org\n  '
              f'{SETTING}=namespace python3 -m lumi_hooks.cutoff git fetch')
        return 0 if command else 2
    try:
        if settings.value('NETWORK') == OPEN:
            print(f'not cut off: {SETTING} is {OPEN}', file=sys.stderr, flush=True)
            return subprocess.run(command, check=False).returncode
        way = cut_off(os.environ)
        print(f'cut off by {way.by}' + ''.join(f' ({why})' for why in way.failed), file=sys.stderr, flush=True)
        with surroundings():
            return way.run(lambda: subprocess.run(command, check=False).returncode)
    except KeyboardInterrupt:
        return 130
    except (OSError, LumiHooksError) as err:
        print(f'lumi_hooks.cutoff: {err}', file=sys.stderr)
        return 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
