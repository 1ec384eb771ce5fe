# SPDX-License-Identifier: GPL-2.0-only
"""Checks of the fabric: libfabric, Slingshot's devices and libraries, PMI, GTL against ROCm, versions that fit."""
import glob
import os
import re
import shutil
import subprocess
from typing import Dict, List, Mapping, Optional

from ..errors import DataError
from ..fabric.matrix import load_fabric, shs_of, unproven, versions_of
from ..record import installations, read_record, software_folders
from ..releases import load_machine
from ..verify import policy
from ..verify.elf import NotReadable, read_elf
from ..verify.locations import find_locations
from ..versions import version_key
from . import WARNING, Situation, check

# a question to pkg-config is answered at once
_SECONDS = 10


def libfabric(env: Mapping[str, str]) -> Dict[str, str]:
    """
    Version and folder (`prefix`) of libfabric as pkg-config has them: folder and version may differ. Empty where there
    is none. Source of the warning: HewlettPackard/shs-ccl-docs, README (libfabric 1.29.1 in a folder 2.3.1).
    """
    tool, found = shutil.which('pkg-config', path=env.get('PATH')), {}
    for name, option in (('version', '--modversion'), ('prefix', '--variable=prefix')) if tool else ():
        try:
            done = subprocess.run([str(tool), option, 'libfabric'], capture_output=True, text=True, check=False,
                                  env=dict(env), timeout=_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            return {}
        if done.returncode or not done.stdout.strip():
            return {}
        found[name] = done.stdout.strip()
    return found


def parts(situation: Situation) -> Dict[str, List[str]]:
    """The parts of the fabric by name, and where each was found; empty lists: not there."""
    root = find_locations('', situation.env).system
    return {part['name']: sorted(path for pattern in part['paths']
                                 for path in glob.glob(os.path.join(root, pattern[1:]) if '/cray/' in pattern
                                                       else pattern))
            for part in load_fabric()['parts']}


def _inside(situation: Situation) -> Optional[str]:
    return 'it is looked at by "lumi-eb doctor", not before each build' if situation.inside else None


def no_fabric(situation: Situation) -> Optional[str]:
    """A machine without Slingshot: what is absent is named."""
    there = parts(situation)
    if _inside(situation) or there['CXI'] or there['libcxi']:
        return _inside(situation)
    lacking = [name for name, paths in there.items() if not paths]
    return f'this machine has no Slingshot: there is no {", no ".join(lacking)}' + \
        ('' if libfabric(situation.env) else ', and no libfabric that pkg-config knows')


@check('fabric', 'libfabric, Slingshot\'s devices and libraries, xpmem, PMI and PALS are there', no_fabric)
def fabric(situation: Situation):
    """What MPI needs between nodes. GTL is looked at with GPUs alone."""
    for part in load_fabric()['parts']:
        if not parts(situation)[part['name']] and (part['name'] != 'GTL' or situation.site.partition_facts['gpu']):
            yield WARNING, f'there is no {part["name"]} ({part["is"]}): {" or ".join(part["paths"])}'
    found, known = libfabric(situation.env), load_machine()['libfabric']['version']
    if not found:
        yield WARNING, 'pkg-config knows no libfabric: module load libfabric'
    elif found['version'] != known:
        ships = shs_of(found['version'])
        yield WARNING, f'libfabric is {found["version"]} in {found["prefix"]}' \
            + (f' (SHS {" or ".join(ships)})' if ships else '') + f', and what is installed was built with {known}: ' \
            'software that was linked with a newer one does not start'


@check('built-with', 'what is installed was built with no newer libfabric than there is', no_fabric)
def built_with(situation: Situation):
    """By the records of what uses MPI: where the machine went back to an older one, it does not start."""
    here, site = libfabric(situation.env).get('version', ''), situation.site
    newer: Dict[str, List[str]] = {}
    for folder in software_folders(site.prefix, site.release.name, site.partition) if here and site.prefix else ():
        for path in installations(folder):
            try:
                found = read_record(path) or {}
            except DataError:
                continue  # lumi-eb explain tells it
            version = (found.get('fabric') or {}).get('libfabric')
            if version and version_key(version) > version_key(here):
                newer.setdefault(version, []).append(found['module'])
    for version, modules in sorted(newer.items()):
        more = f' and {len(modules) - 3} more' if len(modules) > 3 else ''
        yield WARNING, f'{", ".join(sorted(modules)[:3])}{more}: built with {_with_shs(version)}, and the machine ' \
                       f'has {_with_shs(here)}: build again what does not start'


def _with_shs(version: str) -> str:
    ships = shs_of(version)
    return f'libfabric {version}' + (f' (SHS {" or ".join(ships)})' if ships else '')


@check('versions', 'the versions of Cray MPICH, PMI, ROCm, CCE and libfabric are known to fit together', _inside)
def versions(situation: Situation):
    """By the matrix of releases/fabric.json; what is not proven is a note."""
    for pair in unproven(versions_of(situation.site.release)):
        if not pair.other.startswith('rocm/') or situation.site.partition_facts['gpu']:
            yield WARNING, f'{pair.what} with {pair.other} is not proven: {pair.reason} ({pair.source})'


def no_gtl(situation: Situation) -> Optional[str]:
    """Without GPUs, GTL or ROCm there is nothing to compare."""
    if _inside(situation) or not situation.site.partition_facts['gpu']:
        return _inside(situation) or f'partition {situation.site.partition} has no GPUs'
    if not parts(situation)['GTL']:
        return 'there is no GTL'
    return None if situation.env.get('ROCM_PATH') else 'no ROCm is loaded (ROCM_PATH is not set)'


@check('gtl', 'GTL and the ROCm that is loaded have the same HIP', no_gtl)
def gtl(situation: Situation):
    """GTL of this release's Cray MPICH names a libamdhip64, of which a ROCm has one."""
    version, rocm = situation.site.release.modules['cray-mpich'], situation.env['ROCM_PATH']
    for path in [path for path in parts(situation)['GTL'] if f'/{version}/' in path][:1]:
        try:
            elf = read_elf(path, policy.processors())
        except (OSError, NotReadable):
            continue
        for name in elf.needed if elf else ():
            if re.match(r'libamdhip64\.so\.\d', name) and not any(
                    os.path.exists(os.path.join(rocm, folder, name)) for folder in ('lib', 'lib64')):
                yield WARNING, f'GTL of cray-mpich/{version} wants {name}, which {rocm} has not: programs that hand ' \
                               'buffers of GPUs to MPI do not start'


@check('ranks', 'srun starts ranks that find each other, on pages of the usual size', _inside)
def ranks(situation: Situation):
    """What would make each rank of an MPI program a program of its own, or memory go wrong."""
    if situation.env.get('SLURM_MPI_TYPE') == 'none':
        yield WARNING, 'SLURM_MPI_TYPE is none, so ranks that srun starts are alone (each is rank 0 of 1): unset it'
    for name in re.findall(r'craype-hugepages(\w+)', situation.env.get('LOADEDMODULES', '')):
        if name != '2M':
            yield WARNING, f'craype-hugepages{name} is loaded, and huge pages of other sizes than 2M have corrupted ' \
                           'memory on SLES 15 SP6: module unload it'
