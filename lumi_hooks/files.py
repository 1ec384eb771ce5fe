# SPDX-License-Identifier: GPL-2.0-only
"""Writing files in one step: readers see the old contents or the new ones, never a half."""
import os
import tempfile


def write_atomic(path: str, text: str) -> None:
    """
    Write a text file by rename, with the permissions that the umask allows.

    :raises OSError: the folder can't be written; nothing is left behind
    """
    handle, temporary = tempfile.mkstemp(prefix='.', dir=os.path.dirname(path) or '.')
    try:
        with os.fdopen(handle, 'w', encoding='utf-8', errors='surrogateescape', newline='') as stream:
            stream.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def read_text(path: str) -> str:
    """
    A text file's contents; line ends and bytes that are no UTF-8 survive a round trip through `write_atomic`.

    :raises OSError: it can't be read
    """
    with open(path, encoding='utf-8', errors='surrogateescape', newline='') as handle:
        return handle.read()
