# SPDX-License-Identifier: GPL-2.0-only
"""Writes, changes and removes the notes of what is kept for some days (held.py)."""
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Optional

from ..files import at, open_folder, write_atomic
from .held import FOLDER, Held, Note


def write(prefix: str, name: str, held: Held, when: Optional[float] = None) -> Note:
    """
    Write a note.

    :param when: its time; now where not given
    :raises OSError: the prefix can't be written
    """
    with open_folder(prefix, FOLDER, make=True) as folder:
        write_atomic(at(folder, f'{name}.json'), json.dumps(asdict(held)))
        if when is not None:
            with suppress(OSError):
                os.utime(at(folder, f'{name}.json'), (when, when))
    return Note(prefix, name, held, time.time() if when is None else when, os.geteuid())


def become(note: Note, kind: str) -> Note:
    """The same note with another kind; its time stays."""
    return write(note.prefix, note.name, replace(note.held, kind=kind), note.when)


def drop(note: Note) -> None:
    """Remove a note, and the recipe that it kept."""
    with suppress(OSError), open_folder(note.prefix, FOLDER) as folder:
        for name in (note.name + '.recipe', note.name + '.json'):
            with suppress(FileNotFoundError):
                os.unlink(at(folder, name))
