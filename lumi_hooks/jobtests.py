# SPDX-License-Identifier: GPL-2.0-only
"""
The tests of an installation that could not run where it was built, for a job: as its recipe and its easyblock have
them, with srun instead of mpirun. Its record knows which; where it knows of none, the package's data may name one.
"""
import os
import re
from dataclasses import dataclass, replace
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from . import gpu, quote, sites, trust
from .data import ROOT
from .errors import LumiHooksError
from .mpi import installation_of
from .packages import package
from .record import FILE, read_record
from .record.explanation import InstalledPackage
from .rules.mpi_tests import CHECKS, LAUNCHER
from .site import Site

# rules that leave tests out because of where eb runs
RULES = ('mpi-tests', 'gpu-tests')
RANKS = 2
# of a node, for a build that is made again
BUILD_CORES = 16
_MPIRUN = re.compile(r'(?<![\w./+-])(?:mpirun|mpiexec|orterun|prterun)(?![\w./+-])'
                     r'(?P<options>(?:\s+(?:-np?[ =]\s*\d+|-N\s+\d+|--?(?:map-by|bind-to)[ =]\S+'
                     r'|--oversubscribe|--allow-run-as-root)(?=\s))*)')
_NUMBER = re.compile(r'-(?:np?|N)[ =]\s*(\d+)')
_TEMPLATE = re.compile(r'%\((\w+)\)s')
_PATH = re.compile(r'''(?<![\w$}/=:.-])/[^\s'"|;&()<>:*?$]+''')


@dataclass(frozen=True)
class Check:
    """A command of a shell, why it is run in a job, and whether srun is to start it (else it does that itself)."""
    command: str
    why: str
    by_srun: bool


@dataclass(frozen=True)
class Tests:
    """
    What a job is to run: commands; and the recipe whose own test step eb is to run once more (None: it has none).
    `settings` are eb's for it, and `not_run` are those that can't be run any more, with the reason.
    """
    checks: Tuple[Check, ...]
    recipe: Optional[str] = None
    settings: Tuple[Tuple[str, str], ...] = ()
    step: str = ''
    not_run: Tuple[Tuple[str, str], ...] = ()

    def as_json(self) -> Dict[str, Any]:
        """As plain data."""
        return {'checks': [vars(check) for check in self.checks], 'recipe': self.recipe,
                'not_run': [{'command': command, 'reason': reason} for command, reason in self.not_run]}


def tests_of(module: str, site: Site) -> Tests:
    """
    What could not run when a module was installed.

    :raises LumiHooksError: it is not installed here, or nothing of it is known to be tested in a job
    """
    root = installation_of(module, site)
    if root is None:
        raise LumiHooksError(f'--test needs the installation of {module}: load '
                             f'{sites.said("here", release=site.release.name, partition=site.partition)} where it is '
                             'installed')
    if os.path.lexists(os.path.join(root, FILE)):  # its commands are going to be run
        trust.check(os.path.join(root, FILE), 'the record of what is to be tested')
    record: Mapping[str, Any] = read_record(root) or {}
    checks: List[Check] = []
    not_run: List[Tuple[str, str]] = []
    found = [replace(check, command=_filled(check.command, record, root)) for check in _of_record(record)]
    by_srun = {check.command: check for check in found if check.by_srun}
    # what the recipe says comes first, in its order: a command may need what another made
    for text in dict.fromkeys(check.command for check in found):
        check = by_srun.get(text) or next(item for item in found if item.command == text)
        gone = _TEMPLATE.search(text)
        path = next((path for path in _PATH.findall(text) if not os.path.exists(path)), None)
        if gone or path or quote.line(text.replace('\n', '')) != text.replace('\n', ''):
            what = f'%({gone[1]})s' if gone else path
            not_run.append((text, f'it needs {what}, which is not there any more' if what else
                            'it holds control characters'))
        else:
            checks.append(Check(with_srun(text), check.why, check.by_srun and not _starts(text)))
    step = next((item for item in record.get('changes', ()) if item['rule'] in RULES and _drops_tests(item)), None)
    recipe = InstalledPackage.read(root).source if step else None
    checks += [check for check in stated(module) if check not in checks]
    if not checks and not recipe:
        lost = ''.join(f'; {reason}: {quote.line(command)}' for command, reason in not_run)
        raise LumiHooksError(f'nothing of {module} was left for a job when it was installed, and no test of it is '
                             f'known: --program COMMAND writes a job with one of your own{lost}')
    why = f'{step["parameter"]}: {step["before"] or "as its easyblock has it"}' if step and recipe else ''
    return Tests(tuple(checks), recipe, _settings(record) if recipe else (), why, tuple(not_run))


def _settings(record: Mapping[str, Any]) -> Tuple[Tuple[str, str], ...]:
    """The variables of lumi-hooks with which eb makes the same of its source recipe, but with the tests."""
    site = record['site']
    found = [('TOOLCHAIN', record['toolchain']['name']), ('DISABLE', ','.join((*site['disabled'], *RULES)))]
    if site['derive']:
        found.append(('DERIVE', ','.join(site['derive'])))
    if gpu.split_suffix(str(record.get('versionsuffix') or ''))[1] == gpu.ROCM:
        found.append(('GPU', record['name']))
    return tuple((f'LUMI_HOOKS_{name}', value) for name, value in found)


def _of_record(record: Mapping[str, Any]) -> Iterator[Check]:
    """The commands as the record has them: those of the recipe, in its order, and those that eb had to leave."""
    for change in record.get('changes', ()):
        if change['rule'] in RULES and change['parameter'] == CHECKS:
            for item in _list(change.get('before')):
                yield Check(_as_text(item, record), 'sanity check of the recipe', False)
        elif change['rule'] in RULES and change['parameter'] == 'exts_list':
            for extension in _list(change.get('before')):
                options = extension[2] if isinstance(extension, list) and len(extension) > 2 else {}
                for item in _list(options.get(CHECKS) if isinstance(options, dict) else None):
                    yield Check(_as_text(item, record), f'sanity check of {extension[0]}', False)
    for item in record.get('for_jobs', ()):
        command = item['command']
        if item['stdin']:
            command = f'printf %s {quote.shell(item["stdin"])} | {{ {command}\n}}'
        yield Check(command, 'import with MPI' if item['why'] == 'import' else 'sanity check', True)


def _list(value: Any) -> List[Any]:
    return value if isinstance(value, list) else []


def _as_text(item: Any, record: Mapping[str, Any]) -> str:
    """A command of a sanity check as EasyBuild runs it: a text, or program and arguments."""
    if isinstance(item, list):
        program, arguments = [*item, None, None][:2]
        return f'{program or record["name"].lower()} {arguments or "-h"}'
    return str(item)


def _filled(text: str, record: Mapping[str, Any], root: str) -> str:
    """A command with the values of EasyBuild's templates that hold for an installation."""
    version = str(record.get('version', ''))
    numbers = version.split('.')
    known = {'name': record.get('name', ''), 'namelower': str(record.get('name', '')).lower(), 'version': version,
             'version_major': numbers[0], 'version_major_minor': '.'.join(numbers[:2]),
             'versionsuffix': record.get('versionsuffix', ''), 'installdir': root, 'mpi_cmd_prefix': 'srun -n 1'}
    return _TEMPLATE.sub(lambda match: str(known.get(match[1], match[0])), text).replace('%%', '%')


def with_srun(text: str) -> str:
    """
    A command with srun instead of what starts programs elsewhere; their number stays.

    >>> with_srun('cd x && mpirun -np 3 --oversubscribe icon --version'), with_srun('mpiexec -n=1 a | grep b')
    ('cd x && srun -n 3 icon --version', 'srun -n 1 a | grep b')
    """
    def change(match: 're.Match[str]') -> str:
        number = _NUMBER.search(match['options'])
        return f'srun -n {number[1]}' if number else 'srun'
    return _MPIRUN.sub(change, text)


def _starts(text: str) -> bool:
    """Does a command call for what starts MPI programs?"""
    return LAUNCHER.search(text) is not None


def _drops_tests(change: Mapping[str, Any]) -> bool:
    """Did a change leave out a step of tests, of the package or of an extension?"""
    if change['parameter'] == 'exts_list':
        return any(isinstance(item, list) and len(item) > 2 and isinstance(item[2], dict)
                   and (item[2].get('test_cmd') or item[2].get('runtest'))
                   and item not in _list(change.get('after')) for item in _list(change.get('before')))
    return change['parameter'] in ('runtest', 'test_cmd', 'skipsteps')


def stated(module: str) -> List[Check]:
    """
    The checks that the package's data name: each has to end well, or to say something.

    :param module: NAME/VERSION, with the suffix that tells variants apart
    """
    name, _, version = module.partition('/')
    found = [entry for entry in package(name).get('check', ()) if not re.search(entry.get('unless', '(?!)'), version)]
    checks = [Check(_told(entry), entry['reason'], not _starts(entry['command'])) for entry in found]
    if gpu.split_suffix(version)[1] == gpu.ROCM and 'check' in package(name).get('rocm', {}):
        checks.append(Check(package(name)['rocm']['check'], 'the variant for the GPUs', False))
    return checks


def _told(entry: Mapping[str, str]) -> str:
    """A command of the data; with what tells whether its output has the line that it should have."""
    if 'says' not in entry:
        return entry['command']
    return (f'said=$({entry["command"]} 2>&1); printf "%s\\n" "$said"; '
            f'grep -E -q -- {quote.shell(entry["says"])} <<< "$said"')


def script(tests: Tests, srun: str, start: str) -> Iterator[str]:
    """
    The lines that run them, one after the other, and say how each ended.

    :param srun: srun with its options, in words for a shell
    :param start: what sets the variables of commands that start srun themselves
    """
    yield 'cd "$(mktemp -d)"'
    for check in tests.checks:
        yield f'# {quote.comment(check.why)}'
        command = f'bash -c {quote.shell(check.command)}'
        yield f'try {srun} {command}' if check.by_srun else f'try {start}{command}'
    for command, reason in tests.not_run:
        yield f'# not run, as {quote.comment(reason)}: {quote.comment(command)}'
    yield from END


BEGIN = (
    "# commands that call for srun themselves hand their environment on, also where the job has one of its own",
    'export SLURM_EXPORT_ENV=ALL', 'failed=0', 'number=0', 'try() {', '    number=$((number + 1))', '    echo "== $*"',
    '    if "$@"; then echo "== passed"; else echo "== FAILED (exit code $?)"; failed=$((failed + 1)); fi', '}')
END = ('echo "== $failed of $number tests failed"', '[ "$failed" = 0 ]')


def rebuild(tests: Tests) -> Iterator[str]:
    """
    The lines that build it once more, up to its own tests: before its module is loaded, and beside what is installed,
    which stays as it is.
    """
    if tests.recipe:
        folder, easybuild = os.path.join(os.path.dirname(ROOT), 'modulefiles'), sites.said('easybuild', mode='user')
        yield f'# its own tests ({quote.comment(tests.step)}): they need the folder of the build, which is made again'
        yield 'own_tests() ('
        yield f'    module use {quote.shell(folder)} && module load {easybuild} lumi-hooks &&'
        yield f'        export {" ".join(f"{name}={quote.shell(value)}" for name, value in tests.settings)} &&'
        yield f'        eb {quote.shell(tests.recipe)} --rebuild --stop=test'
        yield ')'
        yield 'try own_tests'
