# SPDX-License-Identifier: GPL-2.0-only
"""Ordinary users of the machine, members of groups, who run `eb` on the stand-in."""
import os
import shlex
import subprocess

from .conftest import BARE, Lumi
from .otheruser import become

# users that are nobody's, and two groups of Debian's that nobody is in: a project, and those who have the licence
ONE, TWO, STRANGER = 65534, 65533, 65532
PROJECT, LICENSED = 'users', 'games'
PROJECT_ID, LICENSED_ID = 100, 60
PROJECT_UMASK = '0022'


class Member(Lumi):
    """A shell on the stand-in, as a member of groups."""

    def __init__(self, standin, sources, upstream, prefix, home, user=ONE, groups=(PROJECT_ID,)):
        super().__init__(standin, sources, upstream, prefix, home)
        self.user, self.groups, self.before = user, groups, []
        self.env['PYTHONDONTWRITEBYTECODE'] = '1'

    def run(self, command, load=True, check=False, timeout=900, umask=PROJECT_UMASK, **env):
        """Run a bash command as that user; returns the finished process (output and errors together)."""
        lines = [f'umask {umask}', f'. {shlex.quote(str(self.standin))}/enter.sh >/dev/null']
        if load:
            lines += [f'module load LUMI/{self.release} partition/{self.partition} EasyBuild-user >/dev/null',
                      f'module load EasyBuild/{self.easybuild} >/dev/null']
        lines.extend(f'export {name}={shlex.quote(str(value))}' for name, value in env.items())
        start = become(self.user, self.groups, (self.standin, self.sources, self.env['LUMI_HOOKS_UPSTREAM']))
        shell = [*self.before, str(BARE), *start, '/bin/bash', '--norc', '-c']
        done = subprocess.run([*shell, '\n'.join([*lines, command])],
                              env=self.env, text=True, cwd='/', timeout=timeout, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        if check:
            assert done.returncode == 0, done.stdout[-6000:]
        return done

    def can(self, test, path):
        """Does `test -r path` (or -w, -x) hold for this user?"""
        return self.run(f'test {test} {shlex.quote(str(path))}', load=False).returncode == 0


def folder(path, owner=ONE, group=None, mode=0o755):
    """Make a folder of a user's; returns its path."""
    path.mkdir(parents=True)
    os.chown(path, owner, owner if group is None else group)
    path.chmod(mode)
    return path
