# SPDX-License-Identifier: GPL-2.0-only
"""Steps of the build: shown, stamped when done, skipped when nothing they depend on has changed."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from .layout import HERE, Problem


class Builder:
    """Runs steps under one root; holds the options of the run."""

    def __init__(self, layout, jobs, verbose=False, python_more=()):
        """layout: where things go. jobs: parallel jobs of make. verbose: show the output of commands.

        python_more: packages that cray-python gets besides HPE's.
        """
        self.layout = layout
        self.python_more = list(python_more)
        self.jobs = jobs
        self.verbose = verbose
        self.done = 0
        self.digests = {}
        self.started = time.time()

    def say(self, text):
        """Print one line of progress with the time since the start."""
        print('[%4.0f s] %s' % (time.time() - self.started, text), flush=True)

    def step(self, name, title, action, inputs, files=()):
        """Run `action()` unless it was done before with the same inputs.

        name: of the stamp. title: shown. inputs: anything JSON can hold; files: names of files of this
        package whose contents are inputs too. Returns the digest of the inputs, for later steps.
        """
        digest = self.digest(inputs, files)
        self.digests[name] = digest
        stamp = self.layout.store / 'stamps' / (name + '.json')
        try:
            if json.loads(stamp.read_text())['digest'] == digest:
                return digest
        except (OSError, ValueError, KeyError):
            pass
        self.say(title)
        began = time.time()
        stamp.unlink(missing_ok=True)
        action()
        write(
            stamp,
            json.dumps({'digest': digest, 'title': title, 'seconds': round(time.time() - began, 1)}, indent=1)
            + '\n',
        )
        self.done += 1
        return digest

    def digest(self, inputs, files=()):
        """Return a digest of JSON-able inputs and of the named files of this package."""
        summer = hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode())
        summer.update(str(self.layout.root).encode())
        for name in files:
            summer.update((HERE / name).read_bytes())
        return summer.hexdigest()

    def run(self, command, what, cwd=None, env=None, log=None):
        """Run a command; its output goes to a log under store/log.

        command: list of words. what: for the error sentence. Raises Problem with the last lines of output.
        """
        log = self.layout.store / 'log' / ((log or pathlib.Path(str(command[0])).name) + '.log')
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, 'ab') as out:
            out.write(('\n$ %s\n' % ' '.join(str(word) for word in command)).encode())
            out.flush()
            at = out.tell()
            try:
                code = subprocess.run(
                    [str(word) for word in command],
                    cwd=cwd,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=None if self.verbose else out,
                    stderr=None if self.verbose else subprocess.STDOUT,
                    check=False,
                ).returncode
            except OSError as err:
                raise Problem('%s failed: cannot run %s: %s' % (what, command[0], err.strerror)) from err
        if code:
            with open(log, 'rb') as text:
                text.seek(at)
                tail = text.read().decode(errors='replace').strip().splitlines()[-12:]
            print('\n'.join('    ' + line for line in tail), file=sys.stderr)
            raise Problem('%s failed (exit code %d); the whole output is in %s' % (what, code, log))

    def output(self, command, what, env=None):
        """Return what a command prints. Raises Problem if it fails."""
        result = subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=env,
            check=False,
        )
        if result.returncode:
            raise Problem('%s failed: %s' % (what, (result.stderr or result.stdout).strip()[-500:]))
        return result.stdout


def write(path, text, mode=0o644):
    """Write a text file atomically, with its folders.

    path: the file. text: its contents. mode: permission bits.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temp = path.with_name('.%s.%d' % (path.name, os.getpid()))
    temp.write_text(text)
    temp.chmod(mode)
    temp.replace(path)


class Staging:
    """A folder to fill, then renamed to `target` in one go: `with Staging(target) as folder`."""

    def __init__(self, target):
        """target: the final folder; it is left as it was if the block raises."""
        self.target = pathlib.Path(target)
        self.folder = self.target.with_name('.%s.new.%d' % (self.target.name, os.getpid()))

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return self.folder

    def __exit__(self, kind, value, trace):
        if kind:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        old = self.target.with_name('.%s.old.%d' % (self.target.name, os.getpid()))
        if self.target.is_symlink():
            self.target.unlink()
        elif self.target.exists():
            self.target.rename(old)
        self.folder.rename(self.target)
        shutil.rmtree(old, ignore_errors=True)


def link(target, path):
    """Make `path` a symbolic link to `target`, replacing what link was there, atomically."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temp = path.with_name('.%s.%d' % (path.name, os.getpid()))
    temp.unlink(missing_ok=True)
    temp.symlink_to(target)
    temp.replace(path)


def copy_tree(source, target):
    """Copy a folder, links kept as links, into a folder that may exist."""
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)


def relocate(folder, swaps):
    """Replace strings in every text file below a folder.

    swaps: list of (old, new); every place is replaced once, by the first that fits.
    """
    pattern = re.compile('|'.join(re.escape(old) for old, _ in swaps).encode())
    table = {old.encode(): new.encode() for old, new in swaps}
    for path in sorted(pathlib.Path(folder).rglob('*')):
        if path.is_symlink() or not path.is_file():
            continue
        data = path.read_bytes()
        if b'\0' in data:
            continue
        new = pattern.sub(lambda hit: table[hit.group()], data)
        if new != data:
            path.write_bytes(new)
