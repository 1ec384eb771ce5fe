# SPDX-License-Identifier: GPL-2.0-only
"""`lumi-eb verify` of 10,000 ELF files, beside `readelf -d` and `ldd` of each."""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Set

from lumishell import ROOT, standin

from .measure import Cost, MeasureError, alternating, cost_of
from .registry import Result, Run, benchmark, compared

FILES, FRACTION = 10_000, 10
# libraries of the system that are copied: how many, and up to which size in bytes
TEMPLATES, LARGEST = 120, 100_000
NOTHING, RUNPATH = 'libnothing.so.7', '/opt/rocm-6.3.4/lib'
PLAIN = {'PATH': '/usr/bin:/bin:/usr/sbin:/sbin', 'LC_ALL': 'C'}


@benchmark('verify', f'`lumi-eb verify` of {FILES:,} ELF files, and one `readelf -d` and one `ldd` a file',
           goal='at least 10 times as fast, with the same findings: what a file needs, its run path, what is missing',
           columns=('verify', 'readelf and ldd'))
def verify(run: Run) -> Iterator[Result]:
    """
    The files are copies of the system's libraries; a third has a run path into the system, a third needs a library
    that is nowhere. Both sides use as many processes as there are processors. readelf and ldd are run on every 10th
    file, and their time is multiplied.
    """
    folder = Path(run.folder('files'))
    files = make_files(folder, Path(run.folder('templates')))
    sample = files[::FRACTION]
    (Path(run.work) / 'sample').write_text('\0'.join(map(str, sample)))
    jobs = len(os.sched_getaffinity(0))
    run.tell(f'{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB')

    def ours() -> Cost:
        cost = cost_of([sys.executable, '-m', 'lumi_hooks.cli', 'verify', str(folder), '--json', '--library-path', '',
                        '--system-root', '/', '--jobs', str(jobs)], {**PLAIN, 'PYTHONPATH': ROOT}, codes=(1,))
        if json.loads(cost.output)['elf'] != len(files):
            raise MeasureError(f'verify has read {json.loads(cost.output)["elf"]} files of {len(files)}')
        return cost

    def theirs() -> Cost:
        each = 'for file; do readelf -d "$file"; ldd "$file"; done > /dev/null 2>&1; true'
        command = f'xargs -0 -n 50 -P {jobs} /bin/sh -c {shlex.quote(each)} sh < {shlex.quote(run.work)}/sample'
        return cost_of(['/bin/sh', '-c', command], PLAIN)

    mine, others = alternating(run.pairs, ours, theirs, run.tell)
    differences = compare(json.loads(mine[-1].output)['findings'], sample)
    if differences:
        raise MeasureError('verify does not find what readelf and ldd find: ' + '; '.join(differences[:5]))
    note = f'readelf and ldd of every {FRACTION}th file, times {FRACTION}; {jobs} processes on both sides; CPU ' \
           f'{min(cost.cpu for cost in mine):.1f} and {min(cost.cpu for cost in others) * FRACTION:.0f} s; the same ' \
           f'needed, run paths and missing libraries for all {len(sample)} files'
    yield compared(f'{len(files):,} files', 's', [cost.seconds for cost in mine],
                   [cost.seconds * FRACTION for cost in others], limit=0.1, note=note)


def make_files(folder: Path, templates: Path) -> List[Path]:
    """Copies of the system's libraries, changed as the benchmark says."""
    patchelf = os.path.join(standin(), 'store/tools/bin/patchelf')
    found = [path for path in sorted(Path('/usr/lib/x86_64-linux-gnu').glob('*.so.*'))
             if not path.is_symlink() and path.stat().st_size <= LARGEST][:TEMPLATES]
    if len(found) < 20:
        raise MeasureError('the system has too few libraries to copy')
    made = []
    for number, path in enumerate(found):
        copy = templates / path.name
        shutil.copy(path, copy)
        change = ([], ['--set-rpath', RUNPATH], ['--add-needed', NOTHING])[number % 3]
        if change:
            subprocess.run([patchelf, *change, str(copy)], check=True)
        made.append(copy)
    files = []
    for number in range(FILES):
        template = made[number % len(made)]
        path = folder / f'{number // 500:02}' / f'{number}-{template.name}'
        path.parent.mkdir(exist_ok=True)
        shutil.copy(template, path)
        files.append(path)
    return files


def compare(findings: List[Dict[str, str]], files: List[Path]) -> List[str]:
    """Where verify and the two commands differ: names that a file needs, its run path, what is missing for it."""
    from lumi_hooks.verify.elf import read_elf
    from lumi_hooks.verify.loader import Loader, system_cache
    from lumi_hooks.verify.policy import processors
    loader = Loader(lambda path: read_elf(path, processors()), cache=system_cache())
    missing, paths = _told(findings, 'missing'), _told(findings, 'rpath-system')
    differences = []
    for path in files:
        elf = subprocess.run(['readelf', '-d', str(path)], env=PLAIN, capture_output=True, text=True, check=True).stdout
        ldd = subprocess.run(['ldd', str(path)], env=PLAIN, capture_output=True, text=True, check=False).stdout
        ours, facts = loader.closure(str(path)), read_elf(str(path), processors())
        assert facts, path
        run_path = ':'.join(re.findall(r'\(RUNPATH\).*\[(.*)\]', elf))
        lost = set(re.findall(r'(\S+) => not found', ldd))
        for what, one, other in (
                ('needed', list(facts.needed), re.findall(r'\(NEEDED\).*\[(.*)\]', elf)),
                ('run path', ':'.join(facts.runpath), run_path),
                ('missing', {entry.name for entry in ours if not entry.path}, lost),
                ('finding of what is missing', str(path) in missing, bool(lost)),
                ('finding of a run path', str(path) in paths, run_path == RUNPATH),
                ('places', {entry.name: os.path.realpath(entry.path) for entry in ours
                            if entry.path and 'ld-linux' not in entry.name},
                 {name: os.path.realpath(place) for name, place in re.findall(r'(\S+) => (/\S+)', ldd)})):
            if one != other:
                differences.append(f'{path.name}, {what}: {one} and {other}')
    return differences


def _told(findings: List[Dict[str, str]], rule: str) -> Set[str]:
    return {finding['file'] for finding in findings if finding['rule'] == rule}
