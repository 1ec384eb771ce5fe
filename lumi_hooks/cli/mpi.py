# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb mpi: which MPI does a program want that was not built here, and how does it run?"""
import argparse
import sys
from typing import Any, Dict, List, Tuple

from .. import quote, sites
from ..releases import load_machine, load_release
from ..site import site_variable
from .command import add_command, add_where_it_runs
from .console import Output, Styled, bold, dim, print_json
from .verify import machine

EXAMPLES = """examples:
  lumi-eb mpi ./lmp                                  a program that was built elsewhere
  lumi-eb mpi mpi4py-4.1.2-cp311-cp311-manylinux1_x86_64.manylinux_2_5_x86_64.whl
  lumi-eb mpi --json $HOME/venv                      all programs and libraries below a folder
  lumi-eb mpi image.sif                              those in an image of Singularity

Nothing is run but "unsquashfs", for images. What the words mean: docs/mpi.md.

exit code: 0 all of it runs, 1 some of it does not, 2 bad use, or it can't be read
"""
COLOURS = {'natively': 'green', 'not': 'red'}
# files that are shown of those that are alike
SHOWN = 3


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'mpi', run, 'which MPI does a program want, and how does it run here?',
                         'Reads the ELF files of a program, folder, wheel or image that was not built here: which MPI '
                         'they want, what they bring, and how they run on the release\'s Cray MPICH.', EXAMPLES,
                         where_to=False)
    parser.add_argument('target', metavar='FILE|DIR|IMAGE|WHEEL', help='what to look at')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    add_where_it_runs(parser)


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: the target can't be read; the release or partition is unknown
    """
    from ..fabric.answer import NOT, Answer, Asked, answer
    from ..fabric.tree import Found, look
    release, _ = machine(options)
    partition = options.partition or site_variable('partition')
    if partition not in load_machine()['partitions']:
        partition = sites.site()['partitions']['default']
    found = look(options.target)
    asked = Asked(load_release(release), partition, options.target, found.kind)
    answers: List[Tuple[Found, Answer]] = [(one, answer(one, asked)) for one in found.files]
    for name in found.unreadable[:SHOWN]:
        print(f'lumi-eb: not read: {quote.line(name)}', file=sys.stderr)
    if len(found.unreadable) > SHOWN:
        print(f'lumi-eb: not read: {len(found.unreadable) - SHOWN} more files', file=sys.stderr)
    if options.json:
        print_json({'files': [_as_json(one, how) for one, how in answers]})
    else:
        _show(options.target, asked.release.name, answers)
    # of modules for several MPIs it is enough that one runs
    choices = {one.choice for one, how in answers if how.runs != NOT}
    return 1 if any(how.runs == NOT and not one.itself and one.choice not in choices for one, how in answers) else 0


def _as_json(found, how) -> Dict[str, Any]:
    return {'file': found.file, 'wants': found.wants.kind, 'libraries': list(found.wants.libraries),
            'brings': list(found.brings), 'runs': how.runs, 'command': how.command, 'reason': how.reason}


def _show(target: str, release: str, answers: List[Tuple[Any, Any]]) -> None:
    """For reading: files that are alike together, those without MPI last and as a number."""
    console = Output()
    groups: Dict[Tuple[str, ...], List[str]] = {}
    without = 0
    for one, how in answers:
        if one.itself:
            continue
        if one.wants.kind == 'none' and not one.brings:
            without += 1
        else:
            key = (one.wants.kind, ', '.join(one.wants.libraries), ', '.join(one.brings), how.runs, how.reason,
                   how.command)
            groups.setdefault(key, []).append(one.file)
    console.say(bold(target), f' on {release}')
    for (kind, libraries, brings, runs, reason, command), files in groups.items():
        for file in files[:SHOWN]:
            console.say('  ', file)
        if len(files) > SHOWN:
            console.say(f'  and {len(files) - SHOWN} more files (--json lists them)')
        console.say('    wants   ', kind + (f' ({libraries})' if libraries else ''), hang=12)
        if brings:
            console.say('    brings  ', brings, hang=12)
        console.say('    runs    ', Styled(runs, COLOURS.get(runs, 'yellow')), f': {reason}', hang=12)
        if command:
            console.say('    command ')
            console.exact('      ' + command)
    if without:
        console.say(dim(f'{without} file{"" if without == 1 else "s"} without MPI'))
    if not answers:
        console.say('no program and no library is in it')
