# SPDX-License-Identifier: GPL-2.0-only
"""
The start of a folder for another site: sites/another, with what the machine's modules and variables say.

What they do not say (hosts, queues, quotas, the driver) stays the harder case, and the site is to be asked.
"""
import json
import os
import re
from typing import Any, Dict, List, Mapping, Set, Tuple

from .data import ROOT
from .errors import LumiHooksError
from .files import write_atomic
from .index import Index
from .schemas import checked
from .versions import version_key

PARTS = ('site', 'machine', 'jobs')
# what a user of the site does not type: modules of the Cray PE, and what others load
_CRAY = re.compile(r'PrgEnv-|cray-|craype|perftools|libfabric|xpmem|gcc|cce|aocc|amd|rocm|cpe|EasyBuild/|lumi-hooks')
# of each release these may be there in another version than HPE's list says
_FOLLOWED = ('gcc-native', 'gcc-native-mixed', 'rocm', 'amd', 'amd-mixed', 'cce', 'aocc', 'cray-python')


def describe(name: str, date: str, env: Mapping[str, str]) -> Dict[str, Any]:
    """
    The files of a site's folder, by their names without .json.

    :param name: of the site; also that of its folder
    :param date: noted as a part of the source
    :raises LumiHooksError: the machine is out of scope, or no release of the Cray PE is known of it
    """
    folders = [folder for folder in env.get('MODULEPATH', '').split(os.pathsep) if folder]
    index = Index(folders)
    there = {module: tuple(sorted(index.modules(module), key=version_key))
             for module in (*_FOLLOWED, 'cpe', 'libfabric')}
    target, accelerator = env.get('CRAY_CPU_TARGET', ''), ' '.join(_names(folders, 'craype-accel-'))
    if not target.startswith('x86-') or 'nvidia' in accelerator:
        raise LumiHooksError(f'processors of type {target or "unknown (no craype-* module is loaded)"}'
                             f'{" with GPUs of NVIDIA" if "nvidia" in accelerator else ""} are out of scope: only '
                             'x86 processors and GPUs of AMD are known (docs/another-cray.md)')
    known = sorted(entry[:-len('.json')] for entry in os.listdir(os.path.join(ROOT, 'releases', 'cpe')))
    releases = [release for release in known if release in there['cpe']]
    if not releases:
        raise LumiHooksError(f'MODULEPATH has no module cpe of a known release ({", ".join(known)}): load the Cray PE, '
                             'or add the release to lumi_hooks/releases/cpe (CONTRIBUTING.md)')
    source = f'modules of {name}, as lumi-eb capture --site read them on {date}'
    site, machine, jobs = (checked(f'sites/another/{part}.json') for part in PARTS)
    site.update(name=name, called=name.capitalize(), source=source)
    loaded, prefix = _told(env, releases), env.get('EASYBUILD_PREFIX', '')
    site['variables'] = {'release': loaded or site['variables']['release'],
                         'prefix': _variable(env, prefix) or site['variables']['prefix']}
    home = os.path.relpath(prefix, env.get('HOME', '/')) if prefix else '..'
    if not home.startswith('..'):
        site['layout']['home'] = home
    latest = env[loaded] if loaded else releases[-1]
    site['releases'] = {release: _release(release, there, release == latest, source) for release in releases}
    command = 'module load ' + ' '.join(module for module in env.get('LOADEDMODULES', '').split(':')
                                        if module and not _CRAY.match(module))
    if command != 'module load ':
        site['words'].update(load=command, load_release=command, stack=site['words']['stack'])
    machine.update(name=name, source=source)
    if there['libfabric']:
        machine['libfabric'] = {'version': there['libfabric'][-1], 'source': source}
    if there['rocm']:
        machine['rocm'].update(default=there['rocm'][-1], source=f'{source}; the window of the driver is to be asked')
    cpu = machine['partitions']['cpu']
    cpu.update(targets=[f'craype-{target}', *cpu['targets'][1:]], optarch=target)
    if 'amd-gfx90a' not in accelerator:
        for data in (machine['partitions'], jobs['partitions'], jobs['queues']):
            del data['gpu']
    return {'site': site, 'machine': machine, 'jobs': jobs}


def write(folder: str, files: Mapping[str, Any]) -> List[str]:
    """
    Write a site's folder, and read it as the library will; the paths of the files.

    :raises LumiHooksError: there is such a folder already, it can't be written, or what was written is wrong
    """
    if os.path.exists(os.path.join(folder, 'site.json')):
        raise LumiHooksError(f'{folder} has a site.json already: name a new folder')
    paths = []
    try:
        os.makedirs(folder, exist_ok=True)
        for part, content in files.items():
            paths.append(os.path.join(os.path.abspath(folder), f'{part}.json'))
            write_atomic(paths[-1], json.dumps(content, indent=2, ensure_ascii=False) + '\n')
            checked(paths[-1], part)
    except OSError as err:
        raise LumiHooksError(f'{folder} cannot be written: {err.strerror}') from err
    return paths


def _release(release: str, there: Mapping[str, Tuple[str, ...]], default: bool, source: str) -> Dict[str, Any]:
    """What a release has in another version than HPE's list; the newest that is no newer, else the oldest."""
    listed: Mapping[str, str] = checked(f'releases/cpe/{release}.json')['modules']
    found = {}
    for module in _FOLLOWED:
        if module in listed and there[module] and listed[module] not in there[module]:
            older = [version for version in there[module] if version_key(version) <= version_key(listed[module])]
            found[module] = older[-1] if older else there[module][0]
    return {'default': default, 'installation': 'native', 'support': 'hpe', 'modules': found, 'source': source}


def _names(folders: List[str], start: str) -> List[str]:
    """Modules without a version whose names start so, without that start."""
    found: Set[str] = set()
    for folder in folders:
        try:
            found.update(entry.split('.lua')[0][len(start):] for entry in os.listdir(folder) if entry.startswith(start))
        except OSError:
            continue
    return sorted(found)


def _told(env: Mapping[str, str], releases: List[str]) -> str:
    """The variable that names the loaded release: a site's own rather than HPE's."""
    names = sorted(name for name, value in env.items() if value in releases
                   and not name.startswith(('LUMI_HOOKS', 'EB')))
    return next((name for name in names if name != 'CPE_VERSION'), names[0] if names else '')


def _variable(env: Mapping[str, str], prefix: str) -> str:
    """The variable that names the user's prefix, which EasyBuild's own variables follow."""
    return next((name for name, value in sorted(env.items()) if prefix and value == prefix
                 and re.fullmatch(r'[A-Z][A-Z0-9_]*', name) and not name.startswith(('EASYBUILD_', 'LUMI_HOOKS_'))), '')
