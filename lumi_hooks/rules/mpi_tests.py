# SPDX-License-Identifier: GPL-2.0-only
"""
Tests and sanity checks that start MPI programs: Cray MPICH starts them by srun alone, inside a job, and eb runs on a
login node. What was left out is said, and belongs into a job after the installation.
"""
import re
from typing import Any, Iterator, List, Mapping, Tuple

from .. import sites
from ..change import Change
from ..data import texts
from ..packages import uses
from ..site import Site
from .base import rule
from .draft import Draft

# what starts MPI programs, and Open MPI's own settings of that
LAUNCHER = re.compile(r'(?<![\w./+-])(?:mpirun|mpiexec|orterun|prterun|srun)(?![\w./+-])')
_STARTS = re.compile(LAUNCHER.pattern + r'|%\(mpi_cmd_prefix\)s|\b(?:OMPI|PRTE)_MCA_\w+')
_WORDS = ('mpirun', 'mpiexec', 'orterun', 'prterun', 'srun', 'mpi_cmd_prefix', '_MCA_')
_TESTS = ('runtest', 'test_cmd', 'pretestopts', 'testopts')
# options that build software with MPI: --enable-mpi, -DENABLE_MPI=ON, -Dhpcprof_mpi=enabled
_SWITCHED_ON = re.compile(r'--(?:enable|with)-mpi\b(?!=no\b)'
                          r'|-D(?:\w*_)?MPI(?::BOOL)?=(?:ON|YES|TRUE|1|enabled)\b', re.I)
_OPTIONS = ('configopts', 'preconfigopts', 'prebuildopts', 'buildopts')
CHECKS = 'sanity_check_commands'
_WHY = 'Cray MPICH has no mpirun, and starts programs by srun inside a job alone: run it there, lumi-eb job writes one'


@rule('mpi-tests', 'tests that start MPI programs do not run on a login node',
      link=sites.link('compilers'))
def mpi_tests(draft: Draft, site: Site):
    """
    The test step is left out where the package is known to start MPI programs in it (`mpi-tests` in its data file),
    or where the recipe says that it uses MPI, switches it on, or calls what starts its programs. Of sanity checks only
    the commands that start MPI programs are left out, the others and the files stay.
    """
    known = uses(draft.name, 'mpi-tests')
    starts = known['value'] if known else bool(draft.option('usempi')) or _says_so(draft.parameters) \
        or _has(_STARTS, draft.recipe.parameters, CHECKS) or _has(_SWITCHED_ON, draft.parameters, *_OPTIONS)
    if starts:
        why = f'{known["reason"]}; {_WHY}' if known else f'the tests of software that uses MPI start it; {_WHY}'
        if known and known.get('whole'):
            before = draft.parameters.get('skipsteps')
            yield Change('skipsteps', before, [*(before or ()), 'test'], 'mpi-tests', why, mpi_tests.link)
        wanted = draft.parameters.get('runtest') or draft.parameters.get('test_cmd')
        if (wanted or known) and draft.parameters.get('runtest') is not False:
            yield Change('runtest', draft.parameters.get('runtest'), False, 'mpi-tests', why, mpi_tests.link)
        if draft.parameters.get('test_cmd'):
            yield Change('test_cmd', draft.parameters['test_cmd'], None, 'mpi-tests', why, mpi_tests.link)
    for name, before, after in _without_launchers(draft, bool(known and starts)):
        yield Change(name, before, after, 'mpi-tests', _WHY, mpi_tests.link)


def _says_so(parameters: Mapping[str, Any]) -> bool:
    """Does one of the parameters about tests call what starts MPI programs?"""
    return _has(_STARTS, parameters, *_TESTS)


def _has(pattern: 're.Pattern', parameters: Mapping[str, Any], *names: str) -> bool:
    """Is the pattern in a text of one of these parameters?"""
    return any(pattern.search(text) for name in names for text in texts(parameters.get(name)))


def _without_launchers(draft: Draft, starts: bool) -> Iterator[Tuple[str, Any, Any]]:
    """Sanity checks and extensions without the commands that start MPI programs; `starts`: all tests do."""
    # quicker than the pattern, for most recipes
    if not starts and not any(word in draft.recipe.text for word in _WORDS):
        return
    before = draft.parameters.get(CHECKS)
    after = _others(before)
    if after != before:
        yield CHECKS, before, after
    extensions = draft.parameters.get('exts_list')
    if isinstance(extensions, (list, tuple)):
        changed = [_extension(item, starts) for item in extensions]
        if changed != list(extensions):
            yield 'exts_list', extensions, changed


def _others(commands: Any) -> Any:
    """The commands of a sanity check that start no MPI program."""
    if not isinstance(commands, (list, tuple)):
        return commands
    kept: List[Any] = [item for item in commands if not any(_STARTS.search(text) for text in texts(item))]
    return commands if len(kept) == len(commands) else type(commands)(kept)


def _extension(item: Any, starts: bool) -> Any:
    """An extension without what starts MPI programs in its tests; `starts`: they do, whatever it says."""
    if not isinstance(item, (list, tuple)) or len(item) < 3 or not isinstance(item[2], dict):
        return item
    options = dict(item[2])
    if _says_so(options) or starts and (options.get('test_cmd') or options.get('runtest')):
        options.pop('test_cmd', None)
        options['runtest'] = False
    if CHECKS in options:
        options[CHECKS] = _others(options[CHECKS])
    return item if options == item[2] else type(item)([*item[:2], options, *item[3:]])
