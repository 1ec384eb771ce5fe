# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb container-binds: what a container is given of the host, so that it uses the host's MPI and network."""
import argparse
import contextlib
import os
import sys

from .. import quote
from ..releases import load_machine, load_release
from ..site import site_variable
from .command import add_command, add_where_it_runs
from .console import print_json
from .verify import machine

EXAMPLES = """examples:
  eval "$(lumi-eb container-binds image.sif)" && srun -n 2 singularity exec image.sif /usr/bin/program
  lumi-eb container-binds --json image.sif           what is bound and what not, and why
  lumi-eb container-binds --lua > FOLDER/singularity-bindings/25.03.lua      as a module, for module use FOLDER
  lumi-eb container-binds                            where nothing is known of the image: all that MPI loads

It is run on the machine that the container runs on, with the module libfabric. Nothing is run but pkg-config, and
"unsquashfs" for images. How it decides: docs/mpi.md.

exit code: 0 the container can take it, 1 it can't, or something is missing, 2 bad use, or there is no fabric here
"""


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'container-binds', run, 'binds and variables for a container with the host\'s MPI',
                         'Prints the variables with which Singularity gives a container the host\'s MPI, libfabric and '
                         'what these load, as files of one folder. Derived from the ELF files of this machine.',
                         EXAMPLES, where_to=False)
    parser.add_argument('image', metavar='IMAGE', nargs='?', help='a SIF or squashfs image, or the folder of one')
    form = parser.add_mutually_exclusive_group()
    form.add_argument('--json', action='store_true', help='print one JSON object')
    form.add_argument('--lua', action='store_true', help='print a module that sets them')
    add_where_it_runs(parser)


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: there is no fabric here, or the image can't be read
    """
    from ..doctor.fabric import libfabric
    from ..fabric import binds
    from ..fabric.tree import image_root
    from ..verify.loader import Loader, system_cache
    from ..verify.locations import find_locations
    name, gpu = machine(options)
    if not options.partition and site_variable('partition') not in load_machine()['partitions']:
        gpu = False
    read, env = binds.reader(), os.environ
    system = find_locations('', env).system
    first = binds.starts(load_release(name), env, system, libfabric(env).get('prefix', ''), bool(gpu))
    path = [folder for key in ('LD_LIBRARY_PATH', 'CRAY_LD_LIBRARY_PATH') for folder in env.get(key, '').split(':')]
    loader = Loader(read, path, [os.path.join(system, folder) for folder in load_machine()['loader']['folders']],
                    cache=system_cache())
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(image_root(options.image)) if options.image else None
        found = binds.derive(first, loader, read, binds.Image(root))
    more = binds.others()
    variables = binds.environment(found, more)
    gone = binds.dead(env.get('SINGULARITY_BIND', ''))
    if options.json:
        print_json({'release': name, 'binds': [bind._asdict() for bind in (*found.binds, *more)],
                    'environment': variables,
                    'left_out': [{'library': library, 'reason': reason} for library, reason in found.left_out],
                    'problems': list(found.problems), 'dead': gone})
    elif options.lua:
        print(binds.as_module(name, variables), end='')
    else:
        for key, value in variables.items():
            print(f'export {key}={quote.shell(value)}')
    for text in (*found.problems, *(f'SINGULARITY_BIND has {entry}, which is not on this machine: Singularity skips it'
                                    for entry in gone)):
        print(f'lumi-eb: {quote.line(text)}', file=sys.stderr)
    return 1 if found.problems else 0
