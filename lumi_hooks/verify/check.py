# SPDX-License-Identifier: GPL-2.0-only
"""All rules over one folder: the facts, the findings, the summary."""
import os
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from ..errors import LumiHooksError
from ..releases import load_machine
from . import policy
from .elf import LIBRARY, PROGRAM, Elf, NotReadable, read_elf
from .loader import Loader, system_cache
from .locations import Locations, under
from .rules import RULES, InstallationFacts
from .scan import Scan, scan

# kinds of libraries that the summary tells, by their names in policy.json
TOLD = ('mpi', 'libfabric', 'gtl', 'openmp', 'libsci', 'blas', 'hip', 'cuda')


class Violation(NamedTuple):
    """Something wrong with a file."""
    file: str
    rule: str
    severity: str
    found: str
    mend: str


@dataclass(frozen=True)
class Question:
    """
    What is to be looked at, and by which rules of the place.

    `library_path` are the folders of LD_LIBRARY_PATH in a process that uses the software; `gpu` says whether it is
    for a partition with GPUs (None: not known); `software` is the package's name, whose own data win.
    """
    locations: Locations
    library_path: Tuple[str, ...] = ()
    release: str = ''
    gpu: Optional[bool] = None
    gpu_targets: Tuple[str, ...] = ()
    software: str = ''
    jobs: Optional[int] = None


@dataclass(frozen=True)
class Report:
    """What was found."""
    question: Question
    files: int
    elf: int
    seconds: float
    findings: Tuple[Violation, ...]
    summary: Mapping[str, Any]

    @property
    def errors(self) -> int:
        """Number of findings that make an installation fail."""
        return sum(finding.severity == policy.ERROR for finding in self.findings)

    def as_json(self) -> Dict[str, Any]:
        """The report as plain data; the fields are a contract (docs/verify.md)."""
        return {'root': self.question.locations.root, 'files': self.files, 'elf': self.elf,
                'seconds': round(self.seconds, 3),
                'findings': [finding._asdict() for finding in self.findings], 'summary': dict(self.summary)}


def verify(question: Question, progress: Callable[[int, int], None] = lambda done, total: None,
           cache: Optional[Mapping[str, str]] = None) -> Report:
    """
    Read every ELF file of an installation and apply the rules.

    :param progress: called with the number of files read and of all files
    :param cache: names and paths of the loader's cache; the system's where not given
    :raises LumiHooksError: there is no such folder, or it can't be listed
    """
    start = time.monotonic()
    root = question.locations.root
    if not os.path.exists(root):
        raise LumiHooksError(f'{root}: there is no such folder')
    found = scan(root, policy.processors(), question.jobs, progress)
    if root in found.unreadable:
        raise LumiHooksError(f'{root}: {found.unreadable[root]}')
    loader = make_loader(question, found, cache if cache is not None else system_cache())
    targets = (load_machine()['rocm']['gpu_target'],
               *(target for target in question.gpu_targets if target != load_machine()['rocm']['gpu_target']))
    installation = InstallationFacts(question.locations, found, loader, targets, question.gpu, question.software)
    findings = findings_of(installation, question)
    return Report(question, found.files, len(found.elf), time.monotonic() - start, findings, summary_of(installation))


def make_loader(question: Question, found: Scan, cache: Mapping[str, str]) -> Loader:
    """The loader of the machine: its own folders, and what a process has on LD_LIBRARY_PATH."""
    facts = load_machine()['loader']
    locations = question.locations
    system = [os.path.join(locations.system, folder) for folder in facts['folders']]
    modules_last = question.release >= facts['before_modules_from'] if question.release else True

    def late(folder: str) -> bool:
        return modules_last and under(folder, (locations.cray,)) and folder not in system

    known: Dict[str, Optional[Elf]] = {}

    def read(path: str) -> Optional[Elf]:
        if path not in known:
            known[path] = _loadable(path, found)
        return known[path]

    return Loader(read, question.library_path, system, late, cache)


def _loadable(path: str, found: Scan) -> Optional[Elf]:
    """Facts of a file that a process could load, under the path by which it finds it; None where it could not."""
    elf = found.elf.get(path) or found.elf.get(os.path.realpath(path))
    if elf is None:
        try:
            elf = read_elf(path, policy.processors())
        except (OSError, NotReadable):
            return None
    return elf if elf and elf.kind in (PROGRAM, LIBRARY) else None


def findings_of(installation: InstallationFacts, question: Question) -> Tuple[Violation, ...]:
    """What the rules find, errors first, without what the policy switches off."""
    found: Set[Violation] = set()
    for name, rule in RULES.items():
        for problem in rule(installation):
            file = os.path.relpath(problem.file, question.locations.root)
            severity = policy.severity(name, file, question.software, question.gpu)
            if severity != policy.OFF:
                found.add(Violation(problem.file, name, severity, problem.found, problem.mend))
    order = list(RULES)
    return tuple(sorted(found, key=lambda one: (one.severity != policy.ERROR, order.index(one.rule), one)))


def summary_of(installation: InstallationFacts) -> Dict[str, Any]:
    """What the installation uses: libraries that matter by kind, GPU targets, numbers of programs and libraries."""
    summary: Dict[str, Any] = {}
    kinds: Dict[str, set] = {kind: set() for kind in TOLD}
    binaries: List[Elf] = list(installation.binaries())
    for elf in binaries:
        for kind, libraries in kinds.items():
            libraries.update(installation.loads(elf.path, kind))
    summary.update({kind: sorted(libraries) for kind, libraries in kinds.items()})
    summary['gpu_targets'] = sorted({target for elf in installation.scan.elf.values() for target in elf.gpu})
    summary['programs'] = sum(elf.kind == PROGRAM for elf in binaries)
    summary['libraries'] = sum(elf.kind == LIBRARY for elf in binaries)
    return summary


def own_folders(root: str, folders: Sequence[str] = ('lib', 'lib64')) -> Tuple[str, ...]:
    """The folders that a module of EasyBuild puts on LD_LIBRARY_PATH for an installation."""
    return tuple(path for path in (os.path.join(root, folder) for folder in folders) if os.path.isdir(path))
