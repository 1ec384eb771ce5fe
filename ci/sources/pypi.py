# SPDX-License-Identifier: GPL-2.0-only
"""Source distributions from PyPI, through pip as it is configured on this machine."""
import glob
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

# seconds between two looks at what pip has fetched
PAUSE = 0.05


def fetch(project, version, filename, target, sha256=()):
    """Put one release file of a project at `target` (the caller verifies it). Return a word on its origin.

    Only this project is asked for in source form: `--no-binary :all:` would rebuild its build tools too.
    pip goes on to build the metadata of what it has fetched: that takes minutes for some packages and fails for
    others, so a file with one of the checksums `sha256` is taken as soon as it is there, and pip is ended.
    Raises LookupError if pip does not get it.
    """
    scratch = tempfile.mkdtemp(dir=os.path.dirname(target))
    fetched, working = os.path.join(scratch, 'fetched'), os.path.join(scratch, 'working')
    os.mkdir(fetched)
    os.mkdir(working)
    wheel = filename.endswith('.whl')
    command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', fetched,
               '--only-binary' if wheel else '--no-binary', project, '%s==%s' % (project, version)]
    if filename.endswith('-none-any.whl'):
        # else pip takes one that is compiled for this machine where there is one
        command += ['--platform', 'any', '--abi', 'none', '--implementation', 'py']
    try:
        output, found = _run(command, working, sha256)
        files = [found] if found else glob.glob(glob.escape(fetched) + '/*')
        if len(files) != 1:
            errors = [line for line in output.splitlines() if line.startswith('ERROR')]
            raise LookupError('pip: ' + (errors or ['%s==%s gave no single file' % (project, version)])[-1])
        shutil.move(files[0], target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 'PyPI, %s' % os.path.basename(files[0])


def _run(command, working, sha256):
    """Run pip with a temporary folder of its own until it ends, or has fetched a file with one of the checksums.

    Return its output, and that file's path or None.
    """
    with open(os.path.join(working, 'output'), 'w+', encoding='utf-8', errors='replace') as output:
        pip = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                               env=dict(os.environ, TMPDIR=working), start_new_session=True)
        seen = set()
        try:
            while pip.poll() is None:
                for path in glob.glob(glob.escape(working) + '/*/*.*'):
                    if _is(path, sha256, seen):
                        kept = os.path.join(os.path.dirname(working), os.path.basename(path))
                        os.link(path, kept)
                        return '', kept
                time.sleep(PAUSE)
        finally:
            if pip.poll() is None:
                # with the builds that it may have begun
                os.killpg(pip.pid, signal.SIGTERM)
                pip.wait()
        output.seek(0)
        return output.read() if pip.returncode else '', None


def _is(path, sha256, seen):
    """Has a file one of these checksums? What was looked at before at this size is not read again."""
    try:
        state = path, os.path.getsize(path)
        if state in seen or not os.path.isfile(path):
            return False
        seen.add(state)
        with open(path, 'rb') as handle:
            return hashlib.sha256(handle.read()).hexdigest() in sha256
    except FileNotFoundError:
        return False
