# SPDX-License-Identifier: GPL-2.0-only
"""What tests of builds without a network share: programs that ask for something."""
import errno
import subprocess
import sys

# exit code: 0, or the number of the error
ASK = "import socket, sys\ntry: socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)\n" \
      "except OSError as err: sys.exit(err.errno or 255)"
# what is cut off can talk to itself
LOOP = "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname(), 5)"
OUT = "import socket; socket.create_connection(('192.0.2.1', 80), 5)"
UNREACHABLE = errno.ENETUNREACH


def python(code, *words, **options):
    """Run Python code; returns its exit code."""
    return subprocess.run([sys.executable, '-c', code, *words], check=False, stderr=subprocess.DEVNULL,
                          **options).returncode
