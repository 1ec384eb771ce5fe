# SPDX-License-Identifier: GPL-2.0-only
"""How every command ends: an error is one line, and an exit code that says what kind it was."""
import contextlib
import os
import sys
from typing import Callable

from .. import sites
from ..errors import LumiHooksError


def ended(name: str, run: Callable[[], int], interrupted: str = 'nothing was changed') -> int:
    """
    Run a command, and tell what ends it in one line.

    :param name: of the program, before the line
    :param run: returns the exit code
    :param interrupted: what is said after Ctrl-C
    :return: that of `run`; 2 where something can't be read or written, 130 after Ctrl-C, 0 where nobody reads on
    """
    try:
        try:
            sites.check()
            return run()
        finally:
            sys.stdout.flush()
    except LumiHooksError as err:
        print(f'{name}: {err}', file=sys.stderr)
        return 2
    except ImportError as err:
        lacking = (err.name or str(err)).partition('.')[0]
        if lacking != 'easybuild':
            raise
        from ..easybuilds import too_old
        print(f'{name}: ' + (too_old() or f'this Python ({sys.executable}) has no EasyBuild, which reads recipes: load '
                                          f'the module {sites.setup()}'), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f'{name}: interrupted; {interrupted}', file=sys.stderr)
        return 130
    except BrokenPipeError:
        # nobody reads on (lumi-eb … | head)
        _write_nowhere()
        return 0
    except OSError as err:
        # a full disk, a quota that is used up, a folder that can't be read
        _write_nowhere()
        print(f'{name}: {f"{err.filename}: " if err.filename else ""}{err.strerror or err}', file=sys.stderr)
        return 2


def _write_nowhere() -> None:
    """What is left to write goes nowhere: Python tries once more when it ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
