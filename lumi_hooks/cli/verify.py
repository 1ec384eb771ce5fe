# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb verify: is an installation linked as it has to be on this machine?"""
import argparse
import os
from typing import TYPE_CHECKING, Dict, List, Optional, Tuple

from .. import sites
from ..errors import LumiHooksError
from ..releases import default_release, load_machine, release_names
from ..site import site_variable
from .command import add_command, number
from .console import Output, Styled, bold, dim, print_json
from .partial import Partial
from .progress import progress

if TYPE_CHECKING:
    from ..verify.check import Question, Report, Violation

EXAMPLES = """examples:
  lumi-eb verify GROMACS/2025.4-cpeGNU-25.03-CPU             an installed module
  lumi-eb verify --json ${prefix}/{place}/HPCC/1.5.0-cpeGNU-25.03
  lumi-eb verify --partition G --gpu-target gfx942 ./build/install
  lumi-eb verify --library-path /opt/other/lib:/opt/more/lib DIR

Every ELF file is read; nothing is run or changed. Rules, policy and the fields of --json: docs/verify.md.

exit code: 0 clean or warnings only, 1 errors found, 2 bad use or unreadable folder
"""
COLOURS = {'error': 'red', 'warning': 'yellow'}
# files that are shown of one finding, before "and … more"
SHOWN = 3
# fewer files are read in no time
MANY = 2000


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'verify', run, 'is an installation linked as it has to be here?',
                         'Reads every ELF file of an installation and checks MPI, libfabric, GTL, GPU code, OpenMP, '
                         'BLAS, CUDA, run paths, and what would be missing at run time.', EXAMPLES, where_to=False)
    parser.add_argument('target', nargs='+', metavar='MODULE|DIR', help='an installed module, or any folder')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    group = parser.add_argument_group('what holds there', 'taken from the environment and the module where not given')
    group.add_argument('--library-path', metavar='PATH',
                       help='LD_LIBRARY_PATH of a process that uses it (default: as its module sets it; for a folder '
                       'without a module the present one behind its own lib and lib64)')
    group.add_argument('--partition', metavar='P', help=f'partition that it is for (${sites.variable("partition")})')
    group.add_argument('--release', metavar='YY.MM', help=f'release of the Cray PE (${sites.variable("stack")})')
    group.add_argument('--gpu-target', metavar='gfx…', action='append', default=[],
                       help='another GPU that code may be for; may be repeated')
    group.add_argument('--software', metavar='NAME', help='package whose own policy counts (packages/NAME.json)')
    group.add_argument('--prefix', metavar='DIR', action='append', default=[],
                       help='a folder of installed software, which is no build folder; may be repeated')
    group.add_argument('--build-dir', metavar='DIR', action='append', default=[],
                       help='a build folder; may be repeated')
    group.add_argument('--system-root', metavar='DIR',
                       help='folder that /opt/cray and /opt/rocm lie in (default: from $CRAYPE_DIR, else /)')
    parser.add_argument('--jobs', type=number, metavar='N', help='processes that read (default: one a processor)')


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: the release or partition that is asked for is unknown
    """
    from ..verify.check import verify
    release, gpu = machine(options)
    reports = []
    failed = Partial('target')
    for name in options.target:
        with failed.of(name), progress('files', MANY) as told:
            reports.append(verify(question(name, options, release, gpu), told))
    if options.json:
        found = [report.as_json() for report in reports]
        # of one installation the object is its report
        print_json(found[0] if found and len(options.target) == 1 else {'reports': found, 'errors': failed.errors})
    else:
        for report in reports:
            show(report)
    return failed.code(1 if any(report.errors for report in reports) else 0)


def machine(options: argparse.Namespace) -> Tuple[str, Optional[bool]]:
    """
    The release that installations are judged by, and whether their partition has GPUs (None where it is not known).

    :raises LumiHooksError: the release or partition that is asked for is unknown
    """
    partition = options.partition or site_variable('partition')
    partitions = load_machine()['partitions']
    if options.partition and partition not in partitions:
        raise LumiHooksError(f'unknown partition "{partition}"; known are {", ".join(partitions)}')
    if options.release and options.release not in release_names():
        raise LumiHooksError(f'unknown release "{options.release}" of the Cray PE; known are '
                             f'{", ".join(release_names())}')
    gpu = partitions[partition]['gpu'] if partition in partitions else None
    release = options.release or site_variable('stack').replace('.dev', '') or default_release().name
    return release, gpu


def question(name: str, options: argparse.Namespace, release: str, gpu: Optional[bool]) -> 'Question':
    """
    What is asked of an installation, with what the environment says.

    :raises LumiHooksError: there is no such module or folder
    """
    from ..verify.check import Question, own_folders
    from ..verify.locations import find_locations
    from ..verify.target import environment_path, find_target
    target = find_target(name, load=options.library_path is None)
    env = {**os.environ, **target.environment}
    if options.library_path is not None:
        path: Tuple[str, ...] = tuple(folder for folder in options.library_path.split(':') if folder)
    else:
        path = environment_path(target)
        path = path if target.environment else (*own_folders(target.root), *path)
    locations = find_locations(target.root, env, options.system_root, options.prefix, options.build_dir)
    return Question(locations, path, release, gpu, tuple(options.gpu_target), options.software or target.software,
                    options.jobs)


def show(report: 'Report') -> None:
    """Show a report for reading: what it uses, then findings, the same one of many files once."""
    from ..verify.policy import reason
    console = Output()
    root = report.question.locations.root
    console.say(bold(root), f': {report.elf} ELF files of {report.files} files, in {report.seconds:.1f} s')
    for name, values in report.summary.items():
        if isinstance(values, list):
            for number, value in enumerate(values):
                label = name.replace('_', ' ') if number == 0 else ''
                console.say('    ', dim(f'{label:12}'), value)
    for (rule, severity, what, mend), files in _grouped(report.findings, root).items():
        console.say(Styled(severity, COLOURS[severity]), ' ', bold(rule), f'  {what}', hang=6)
        for file in files[:SHOWN]:
            console.say('    in    ', file)
        if len(files) > SHOWN:
            console.say(f'          and {len(files) - SHOWN} more files (--json lists them)')
        console.say('    why   ', reason(rule), hang=10)
        console.say('    fix   ', mend, hang=10)
    warnings = len(report.findings) - report.errors
    colour = 'red' if report.errors else 'yellow' if warnings else 'green'
    console.say(Styled(f'{report.errors or "no"} error{"" if report.errors == 1 else "s"}, {warnings or "no"} '
                       f'warning{"" if warnings == 1 else "s"}', colour))


def _grouped(findings: Tuple['Violation', ...], root: str) -> Dict[Tuple[str, str, str, str], List[str]]:
    """Files by finding: those that differ in nothing but the file stand together."""
    found: Dict[Tuple[str, str, str, str], List[str]] = {}
    mends: Dict[Tuple[str, str, str], str] = {}
    for finding in findings:
        file = os.path.relpath(finding.file, root)
        short = (finding.rule, finding.severity, finding.found)
        # a mend names the file that it is for; of a group the first one's is shown
        mend = mends.setdefault(short, finding.mend)
        found.setdefault((*short, mend), []).append(file)
    return found
