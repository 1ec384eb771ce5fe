# SPDX-License-Identifier: GPL-2.0-only
"""
Runs code as an ordinary user: for root, mode bits stop nothing. The library is copied to where everybody can read it,
and run by the system's Python, as it is inside `eb`: with the standard library alone.
"""
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from lumi_hooks.data import ROOT

NOBODY, OTHER, STRANGER = 65534, 65533, 65532
# a group that every Debian has and that nobody is in
GROUP = 100

needs_root = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which('setpriv'),
                                reason='only root can run code as several users')


class Place:
    """A folder that everybody can enter, with the library in it."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix='lumi-hooks-users-'))
        self.path.chmod(0o755)
        shutil.copytree(ROOT, self.path / 'library' / 'lumi_hooks',
                        ignore=shutil.ignore_patterns('__pycache__', 'cli'))

    def folder(self, name, owner=NOBODY, group=NOBODY, mode=0o755):
        """Make a folder of somebody's; returns its path."""
        path = self.path / name
        path.mkdir(parents=True, exist_ok=True)
        os.chown(path, owner, group)
        path.chmod(mode)
        return path

    def run(self, code, user=NOBODY, group=None, groups=(), **env):
        """Run Python code; returns what it leaves in `result`, and shows what it prints where it fails."""
        text = f'{code}\nprint(json.dumps(result))\n'
        with self.start(text, user, group, groups, **env) as process:
            try:
                out, err = process.communicate(timeout=120)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        assert process.returncode == 0, err
        return json.loads(out.splitlines()[-1])

    def start(self, code, user=NOBODY, group=None, groups=(), **env):
        """Start Python code that goes on while others do something; returns the process."""
        command = ['setpriv', f'--reuid={user}', f'--regid={group or user}']
        command += [f'--groups={",".join(map(str, groups))}'] if groups else ['--clear-groups']
        return subprocess.Popen([*command, '/usr/bin/python3', '-c', f'import json, os, sys\n{code}'], text=True,
                                cwd='/', stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={'PYTHONPATH': str(self.path / 'library'), 'PATH': '/usr/bin:/bin',
                                     'PYTHONDONTWRITEBYTECODE': '1', 'HOME': str(self.path), **env})

    def remove(self):
        """Remove it all."""
        subprocess.run(['rm', '-rf', str(self.path)], check=True)  # shutil's stack is not deep enough for all of it
