# SPDX-License-Identifier: GPL-2.0-only
"""
Sanity checks that start MPI programs, whoever wrote them: the recipe, the easyblock, an extension.

MPI_Init ends a program on a login node, and many programs call it before they look at --help or --version. So a
command is tried, and where MPI_Init is what ends it (attempt.py), it counts as not checked. What calls for srun or
mpirun is not tried at all outside of a job. Nothing of it is forgotten: eb says it, the record keeps it, and `lumi-eb
job MODULE --test` runs it.
"""
import os
import re
import shlex
import shutil
import sys
import tempfile
from typing import Any, Dict, List, Optional

from ... import mpi
from ...record.failure import kinds
from ...rules.mpi_tests import LAUNCHER
from .. import messages
from . import attempt

# why a command is left: the values of `why` in a record (schemas/record.schema.json)
LAUNCHED, MPI_INIT, IMPORT = 'launcher', 'mpi-init', 'import'
# what MPICH says of programs on mpi4py, which come here without MPI_Init (MPI4PY_RC_INITIALIZE=0 in session.py)
_LEFT_OUT = r'Attempting to use an MPI routine( \(\w+\))? before initializing'
_IMPORT = re.compile(r'\bpython[\d.]*\b.*\bimport\b', re.DOTALL)
# what EasyBuild asks Python about itself
_ASKED = re.compile(r"""\bpython[\d.]* -c ['"]import (?:sys|sysconfig|distutils\.sysconfig|site|platform);""")
_HIDES = re.compile(r'2>|&>|\|&')
_WORDS = re.compile(r'[\s|;&()<>\'"]+')
# commands that have been handed out in the step that is under way (None: none is), and what is left of earlier ones
_folder: Optional[str] = None
_tried: List[Dict[str, Any]] = []


def begin(app) -> None:
    """The sanity check of a package begins."""
    global _folder
    _tried.clear()
    _folder = None if app.dry_run else tempfile.mkdtemp(prefix='lumi-hooks-checks-')


def end(app) -> None:
    """It is over: tell what was not checked."""
    global _folder
    _folder = None
    for item in _left():
        if item['why'] != IMPORT:
            messages.say(f'{app.full_mod_name}: not checked, as MPI starts only inside a job: {item["command"]}')
    if any(item['why'] != IMPORT for item in _left()):
        messages.say(f'"lumi-eb job {app.full_mod_name} --test" writes the job that runs what was not checked')


def instead(command: Any, interactive: bool = False) -> Optional[str]:
    """
    What is to be run instead of a command of EasyBuild's; None: the command itself.

    :param command: as EasyBuild runs it: a text for the shell, or a list of words
    :param interactive: does EasyBuild answer its questions?
    """
    if _folder is None or interactive or not isinstance(command, str):
        return None
    in_job = bool(os.environ.get('SLURM_JOB_ID'))
    if LAUNCHER.search(command):
        if in_job:
            return None
        _tried.append({'command': command, 'why': LAUNCHED})
        return f'echo {shlex.quote(attempt.NOT_CHECKED)}'
    mark = os.path.join(_folder, str(len(_tried)))
    imports = os.environ.get('MPI4PY_RC_INITIALIZE') == '0' and _IMPORT.search(command) and not _ASKED.search(command)
    _tried.append({'command': command, 'why': IMPORT if imports else '', 'mark': mark})
    return shlex.join([sys.executable, '-I', '-S', attempt.__file__, mark, _pattern(),
                       str(int(_hides_mpi(command))), command])


def left(uses_mpi: bool) -> List[Dict[str, Any]]:
    """
    What the last sanity check left for a job: command, why, and its standard input. For the record.

    :param uses_mpi: does the package use MPI? Then imports, which were tried without MPI_Init, are left as well
    """
    return [item for item in _left() if uses_mpi or item['why'] != IMPORT]


def _left() -> List[Dict[str, Any]]:
    found = []
    for item in _tried:
        why, given = item['why'], ''
        if os.path.isfile(item.get('mark', '')):
            why = MPI_INIT
            with open(item['mark'], encoding='utf-8', errors='replace') as handle:
                given = handle.read()
        if why:
            found.append({'command': item['command'], 'stdin': given, 'why': why})
    return found


def _pattern() -> str:
    started = next(kind.pattern.pattern for kind in kinds() if kind.name == 'mpi-start')
    return f'{started}|{_LEFT_OUT}' if os.environ.get('MPI4PY_RC_INITIALIZE') == '0' else started


def _hides_mpi(command: str) -> bool:
    """Does a command start a program that is linked with MPI, and keep its messages to itself?"""
    if not _HIDES.search(command):
        return False
    programs = {shutil.which(word) for word in _WORDS.split(command) if word}
    return any(mpi.is_linked(os.path.realpath(path)) for path in programs if path)
