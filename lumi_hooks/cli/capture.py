# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb capture: what the Cray PE's Python carries, asked of itself, for the rules; the start of a site's folder."""
import argparse
import contextlib
import datetime
import json
import os
import re
from typing import Iterator

from .. import capture, capture_site, quote, sites
from ..data import ROOT
from ..errors import LumiHooksError
from ..files import write_atomic
from ..site import site_variable
from .command import add_command
from .console import print_json
from .partial import Partial

EXAMPLES = """examples:
  lumi-eb capture                        every cray-python of the machine, shown
  lumi-eb capture --write                … and written into the data of this checkout
  lumi-eb capture --python /opt/cray/pe/python/3.12.12/bin/python3 --output .
  lumi-eb capture --site ./example       the start of a folder for this machine, where it is not known yet

Send the files to the project, or keep them in your clone: from then on the rules know what cray-python carries.

exit code: 0 done, 1 a Python could not be asked, 2 bad use or none found
"""


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'capture', run, f'on {sites.name()}: note which packages its cray-python carries',
                         'Asks a cray-python which packages it carries, and prints it as one JSON object.', EXAMPLES,
                         where_to=False)
    parser.add_argument('--python', action='append', metavar='PATH', help='the interpreter (default: the loaded '
                        'cray-python, else all of the machine)')
    parser.add_argument('--output', metavar='DIR', help='write <version>.json into this folder')
    parser.add_argument('--write', action='store_true', help='write it into the data of this checkout')
    parser.add_argument('--site', metavar='DIR', help='write the start of a folder for this machine, by '
                        'the modules that are loaded; its last part is the name of the site')
    parser.add_argument('--where', default=site_variable('name') or 'an unnamed machine',
                        help='name of the machine, noted as the source (default: %(default)s)')


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: there is no cray-python; a site's folder can't be made
    """
    if options.site:
        return _site(options.site)
    folder = options.output or (os.path.join(ROOT, 'releases', 'python') if options.write else None)
    pythons = options.python or capture.interpreters(dict(os.environ))
    if not pythons:
        raise LumiHooksError(f'there is no cray-python in {capture.PLACES}: name one with --python')
    found = []
    failed = Partial('python')
    for python in pythons:
        with failed.of(python), _readable():
            data = capture.as_data(capture.ask(python), options.where, datetime.date.today().isoformat())
            found.append(data)
            if folder:
                path = os.path.join(folder, f'{data["cray-python"]}.json')
                write_atomic(path, json.dumps(data, indent=2, ensure_ascii=False) + '\n')
                print(f'{path}: {len(data["packages"])} packages')
    if not folder:
        print_json({'pythons': found, 'errors': failed.errors})
    return failed.code(0, 1)


def _site(folder: str) -> int:
    """Write a site's folder."""
    name = os.path.basename(os.path.abspath(folder))
    if not re.fullmatch('[a-z][a-z0-9-]*', name):
        raise LumiHooksError(f'{name} is no name of a site: small letters, digits and - (--site ./example)')
    files = capture_site.describe(name, datetime.date.today().isoformat(), os.environ)
    for path in capture_site.write(folder, files):
        print(path)
    print('Look through them: what modules do not say (hosts, queues, quotas, the driver, links) is a guess on the '
          f'safe side.\nThen: export {sites.FOLDER}={quote.shell(os.path.abspath(folder))}')
    return 0


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """A Python that can't be started, and a file that can't be written, are errors of that one alone."""
    try:
        yield
    except BrokenPipeError:
        raise  # nobody reads on: Python is not at fault
    except OSError as err:
        raise LumiHooksError(str(err)) from err
