# SPDX-License-Identifier: GPL-2.0-only
"""Source distributions from PyPI, through pip as it is configured on this machine."""
import os
import shutil
import subprocess
import sys
import tempfile


def fetch(project, version, filename, target):
    """Put one release file of a project at `target` (the caller verifies it). Return a word on its origin.

    Only this project is asked for in source form: `--no-binary :all:` would rebuild its build tools too.
    Raises LookupError if pip does not get it.
    """
    scratch = tempfile.mkdtemp(dir=os.path.dirname(target))
    wheel = filename.endswith('.whl')
    command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', scratch,
               '--only-binary' if wheel else '--no-binary', project, '%s==%s' % (project, version)]
    if filename.endswith('-none-any.whl'):
        # not the compiled one for this machine
        command += ['--platform', 'any', '--implementation', 'py', '--abi', 'none']
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, universal_newlines=True)
        files = os.listdir(scratch)
        if done.returncode or len(files) != 1:
            errors = [line for line in done.stdout.splitlines() if line.startswith('ERROR')]
            raise LookupError('pip: ' + (errors or ['%s==%s gave no single file' % (project, version)])[-1])
        shutil.move(os.path.join(scratch, files[0]), target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 'PyPI, %s' % files[0]
