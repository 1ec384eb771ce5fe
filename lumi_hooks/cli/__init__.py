# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb: the commands around `eb --hooks`."""
import argparse
import contextlib
import difflib
import io
import sys
from typing import List, Optional, Tuple

from .. import __version__, quote, sites
from . import (
    adapt,
    affected,
    capture,
    catalogue,
    check_data,
    container_binds,
    doctor,
    env,
    explain,
    failures,
    handtest,
    install,
    job,
    mpi,
    pilot_facts,
    plan,
    rebuild,
    remove,
    report,
    sbom,
    screen,
    search,
    survey,
    verify,
)
from .command import without_colours
from .console import data_alone, safe_streams
from .exit_status import ended

EXAMPLES = """examples:
  lumi-eb                                             where am I, what goes where, what to do next
  lumi-eb search gromacs                              which recipes there are, and what each becomes here
  lumi-eb install GROMACS                             install the recipe that suits the release best
  lumi-eb remove lz4                                  remove it; running jobs go on, and --undo brings it back
  lumi-eb env create my-md GROMACS mpi4py             an environment of your own: one file, one module
  lumi-eb adapt HPCC-1.5.0-foss-2022a.eb              what would be changed in a recipe, and why
  lumi-eb adapt --diff Hypre-2.32.0-foss-2024a.eb     the same as a diff
  lumi-eb plan GROMACS-2025.2-foss-2025a.eb           everything that it needs, and what has to be built
  lumi-eb doctor GROMACS-2025.2-foss-2025a.eb         what its installation may fail for
  lumi-eb explain HPCC                                what is installed, from what, changed why, and how to repeat it
  lumi-eb failures                                    the builds that failed, why, and what to try
  lumi-eb report --output report.md                   a failed build in one file, to send to support
  lumi-eb sbom --output software.cdx.json             a bill of materials of your prefix
  lumi-eb survey --report survey.html                 which of all upstream recipes can be installed
  lumi-eb rebuild lz4 HPCC --slurm                    build a set of recipes as jobs, with a report
  lumi-eb handtest libpng                             install it here, and print a report to paste back
  lumi-eb verify HPCC/1.5.0-cpeGNU-25.03              is an installation linked as it has to be here?
  lumi-eb mpi ./lmp                                   how a program that was built elsewhere runs here
  lumi-eb container-binds image.sif                   variables that give a container this machine's MPI
  lumi-eb job GROMACS/2026.2-cpeAMD-25.03-rocm        a job script with binding, network and GPU settings
  lumi-eb check-data overrides/GROMACS.json           is an override of yours as it should be?
"""


def parser() -> argparse.ArgumentParser:
    """The command line of lumi-eb."""
    return _with_names()[0]


def _with_names() -> Tuple[argparse.ArgumentParser, Tuple[str, ...]]:
    """The command line, and the names of its commands."""
    found = argparse.ArgumentParser(prog='lumi-eb',
                                    description=f'Upstream EasyBuild recipes on {sites.name()}\'s Cray PE.',
                                    epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    without_colours(found)
    found.add_argument('--json', dest='status_json', action='store_true', help='the same as lumi-eb status --json')
    found.add_argument('--version', action='version', version=f'lumi-hooks {__version__}')
    commands = found.add_subparsers(dest='command', metavar='COMMAND')
    for one in (install, remove, env, search, adapt, plan, explain, failures, report, sbom, survey, affected, rebuild,
                catalogue, verify, mpi, container_binds, doctor, job, handtest, check_data, capture, pilot_facts,
                screen):
        one.add_parser(commands)
    return found, tuple(commands.choices)


def main(arguments: Optional[List[str]] = None) -> int:
    """
    Run lumi-eb.

    :return: exit code: 0 done, 1 some recipes were refused, 2 bad use or something can't be read
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # a terminal that has no arrows and dots is no reason to stop
        sys.stdout.reconfigure(errors='replace')
    with safe_streams():
        return ended('lumi-eb', lambda: _run(arguments))


def _run(arguments: Optional[List[str]]) -> int:
    """What main does, while whatever is printed is made safe for a terminal."""
    commands, names = _with_names()
    given, rest = install.split(sys.argv[1:] if arguments is None else arguments)
    word = next((one for one in given if not one.startswith('-')), None)
    if word and word not in names:
        near = difflib.get_close_matches(word, names, 1)
        commands.error(f'there is no command {quote.line(word)}'
                       + (f'; do you mean {near[0]}?' if near else ' (lumi-eb --help lists all)'))
    options = commands.parse_args(given)
    options.rest = rest
    if not options.command:
        options.run, options.json = screen.run, options.status_json
    elif options.status_json:
        commands.error(f'--json goes behind the command: lumi-eb {options.command} --json …')
    with data_alone() if getattr(options, 'json', False) else contextlib.nullcontext():
        return options.run(options)
