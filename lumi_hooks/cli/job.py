# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb job: a job script for a module, with the settings of the partition."""
import argparse
import os
import re
import sys
from dataclasses import replace
from typing import Optional, Tuple

from .. import quote, sites
from ..errors import LumiHooksError
from ..files import read_text, write_atomic
from ..finding import installed_software, similar
from ..gpu import ROCM, split_suffix
from ..job import make_job
from ..jobtests import tests_of
from ..queues import TIME
from ..site import Site, is_lumi
from ..versions import version_key
from . import site_options
from .command import add_command, number
from .console import Output, bold, print_json

EXAMPLES = """examples:
  lumi-eb job GROMACS/2026.2-cpeAMD-25.03-rocm --account {account} \\
              --program 'gmx_mpi mdrun -s topol.tpr' > gromacs.sh
  lumi-eb job QuantumESPRESSO --nodes 2 --tasks 32 --threads 4 --account {account} --output qe.sh
  lumi-eb job CP2K/2023.1-cpeGNU-25.03-rocm --partition G --tasks 16 --json
  lumi-eb job NAMD/3.0.2-cpeGNU-25.03-rocm --gpus 8 --program 'namd3 +p56 +devices 0,1,2,3,4,5,6,7 x.namd'
  lumi-eb job GROMACS --why
  lumi-eb job GROMACS --test --account {account} --output test.sh
  sbatch gromacs.sh

MODULE is a module's name with its version; where {site}'s modules are loaded, the name alone is the newest installed.
A variant for GPUs (-rocm) gets one rank a GPU on the cores next to it, and GPU-aware MPI for its program alone:
no module sets MPICH_GPU_SUPPORT_ENABLED, as every MPI program without Cray's GTL library would end in MPI_Init.
Software that does not use MPI is started once, and a variant for GPUs gets the GPUs that --gpus asks for. Whether it
uses MPI is found in its installation; --mpi and --no-mpi overrule that. What a queue does not take is rejected.
--test: a login node starts no MPI program, so some tests were left out when the module was installed. The job runs
them on two ranks, as its recipe has them, with srun instead of mpirun: sanity checks, imports of Python packages,
and the recipe's own tests, for which it is built once more, beside what is installed. It ends with 1 if one fails.
COMMAND goes into the script as you type it: $VARIABLES, quotes and > are the shell's. A script without an account or
a program says so, and stops before it starts anything.

exit code: 0 done, 2 bad use, or the partition can't run it
"""


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'job', run, 'a job script for a module',
                         'Writes a job script with binding, network and GPU settings. Nothing is submitted.', EXAMPLES)
    parser.add_argument('module', metavar='MODULE', help='a module, by its full name or the name of its software')
    what = parser.add_mutually_exclusive_group()
    what.add_argument('--program', metavar='COMMAND', default='',
                      help='what srun starts (default: left to be filled in)')
    what.add_argument('--test', action='store_true', help='run the tests that could not run where it was installed')
    parser.add_argument('--nodes', type=number, default=1, metavar='N', help='number of nodes (default: %(default)s)')
    parser.add_argument('--tasks', type=number, metavar='N',
                        help='ranks a node (default: one a GPU, or one a core; one without MPI)')
    parser.add_argument('--threads', type=number, metavar='N', help='threads a rank (default: the cores that it has)')
    parser.add_argument('--gpus', type=number, metavar='N', help='GPUs a node (default: all; one without MPI)')
    parser.add_argument('--queue', metavar='NAME', default='', help="Slurm's partition, as standard, small, debug, "
                        'standard-g, small-g, dev-g (default: standard or standard-g; small or small-g for one rank)')
    parser.add_argument('--account', metavar='PROJECT', default=os.environ.get('SLURM_ACCOUNT', ''),
                        help='project to bill (default: $SLURM_ACCOUNT, else left to be filled in)')
    parser.add_argument('--time', type=run_time, metavar='HH:MM:SS', default='00:30:00',
                        help='run time (default: %(default)s)')
    answer = parser.add_mutually_exclusive_group()
    answer.add_argument('--gpu-mpi', dest='gpu_mpi', action='store_true', default=None,
                        help='the program hands buffers of GPUs to MPI')
    answer.add_argument('--no-gpu-mpi', dest='gpu_mpi', action='store_false', help='it does not')
    answer = parser.add_mutually_exclusive_group()
    answer.add_argument('--mpi', action='store_true', default=None, help='the software uses MPI')
    answer.add_argument('--no-mpi', dest='mpi', action='store_false', help='it does not: it is started once')
    form = parser.add_mutually_exclusive_group()
    form.add_argument('--json', action='store_true', help='print the job as one JSON object, script included')
    form.add_argument('--why', action='store_true', help='print which variables it sets, and why')
    form.add_argument('--output', metavar='FILE', help='write the script there instead of printing it')


def run_time(text: str) -> str:
    """The value of --time."""
    if not TIME.fullmatch(text):
        raise argparse.ArgumentTypeError(f'{quote.line(text)} is no time: HH:MM:SS, D-HH:MM:SS or minutes')
    return text


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: the module is not installed, the partition can't run it, FILE can't be written
    """
    site, _ = site_options.find_site(options)
    if split_suffix(options.module)[1] == ROCM and options.partition is None and not is_lumi():
        site = replace(site, partition='G')
    if not site.index.modulepath and not os.environ.get(sites.variable('prefix')):
        site = replace(site, prefix='', prefixes=())  # a default of this machine, which need not be that of the job's
    module = installed(options.module, site)
    job = make_job(module, site, options.nodes, options.tasks, options.threads, options.account, options.time,
                   options.program, options.gpu_mpi, options.gpus, options.mpi, options.queue,
                   tests_of(module, site) if options.test else None)
    for command, reason in job.tests.not_run if job.tests else ():
        print(f'lumi-eb: not run: {quote.line(command)}: {quote.line(reason)}', file=sys.stderr)
    if job.left_out and not options.why:
        print(f'lumi-eb: the script has no {" and no ".join(job.left_out)}: give --{" and --".join(job.left_out)}, or '
              'fill it in there; until then the script stops before it starts anything', file=sys.stderr)
    if options.json:
        print_json(job.as_json())
    elif options.why:
        console = Output()
        for item in (*job.settings, *job.once):
            console.say(bold(f'{item.name}={item.value}'), '  (a comment in the script)' if item.as_comment else '')
            for label, text in (('why', item.reason), ('for', item.versions), ('source', item.source)):
                if text:
                    console.say(f'    {label:8}', text, hang=12)
    elif options.output:
        _write(options.output, job.script())
        path = quote.terminal(os.path.abspath(options.output))
        print(f'{path}: "sbatch {quote.terminal(quote.shell(options.output))}" submits it')
    else:
        print(job.script(), end='')
    return 0


def _write(path: str, text: str) -> None:
    """Write the script, unless another one is there, which somebody may have filled in."""
    try:
        if os.path.exists(path) and read_text(path) != text:
            raise LumiHooksError(f'{path} exists with different contents, which you may have filled in: remove it, or '
                                 'give another name')
        write_atomic(path, text)
    except OSError as err:
        raise LumiHooksError(f'{path} cannot be written: {err.strerror}') from err


def installed(module: str, site: Site) -> str:
    """
    The full name of a module: the newest installed one where only the software is named.

    :raises LumiHooksError: it is not installed at the site
    """
    name, _, version = module.partition('/')
    there = site.index.modules(name)
    if not site.index.modulepath:
        if not version:
            raise LumiHooksError(f'name the version too ({name}/…): {_stack(site)} is not loaded here, so what '
                                 'is installed there can\'t be looked up')
        return module
    found: Optional[str] = version if version in there else None
    if not version and there:
        found = max(there, key=_by_software)
    if found is None:
        near = [] if there else similar(name, installed_software(site.index))
        known = ', '.join(f'{name}/{item}' for item in sorted(there, key=_by_software)) or (
            f'did you mean {" or ".join(near)}?' if near else 'no version of it')
        raise LumiHooksError(f'the module {module} is not installed for {_stack(site)}'
                             f'{": " if near else "; installed: "}{known}')
    return f'{name}/{found}'


def _by_software(version: str) -> Tuple:
    """Sorts versions of modules by that of the software (1.4.12a is newer than 1.4.12), then by the rest."""
    return version_key(re.split('-cpe[A-Z]', version)[0]), version_key(version)


def _stack(site: Site) -> str:
    """What is loaded for a site, as users type it."""
    return sites.said('here', release=site.release.name, partition=site.partition)
