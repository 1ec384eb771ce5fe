# SPDX-License-Identifier: GPL-2.0-only
"""What the command lines of all commands share: examples below the options, where to, numbers."""
import argparse
import shutil
import textwrap
from typing import Callable

from .. import sites
from . import site_options


def add_command(commands, name: str, run: Callable[[argparse.Namespace], int], summary: str, description: str,
                examples: str, where_to: bool = True) -> argparse.ArgumentParser:
    """
    A command of lumi-eb; returns its parser, for the options that it alone has.

    :param run: what it does; returns the exit code
    :param summary: a line for the list of commands
    :param description: sentences for its own help, wrapped; `examples`, below the options, stay as they are
    :param where_to: it takes --release, --partition, --toolchain and --gpu
    """
    # as argparse does it for descriptions that are not raw
    width = shutil.get_terminal_size().columns - 2
    parser = commands.add_parser(name, help=summary, description=textwrap.fill(description, width),
                                 epilog=sites.filled(examples), formatter_class=argparse.RawDescriptionHelpFormatter)
    without_colours(parser)
    if where_to:
        site_options.add_options(parser)
    parser.set_defaults(run=run)
    return parser


def add_where_it_runs(parser: argparse.ArgumentParser) -> None:
    """--release and --partition of commands for software that was not installed here."""
    group = parser.add_argument_group('where it is to run', 'taken from the environment where not given')
    group.add_argument('--release', metavar='YY.MM', help='release of the Cray PE')
    group.add_argument('--partition', metavar='P', help='partition of the machine')


def without_colours(parser: argparse.ArgumentParser) -> None:
    """From Python 3.14 on argparse adds colours to its help, by control characters, which do not get through here."""
    parser.color = False  # type: ignore[attr-defined]


def number(text: str) -> int:
    """The value of an option that counts something: 1 and more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text} is no number from 1 up')
    return int(text)
