# SPDX-License-Identifier: GPL-2.0-only
"""
What was installed is verified before its module is written: `lumi-eb verify`, by the Python that runs eb.

It is a process of its own, as a file that gets shorter while it is read ends the process that reads it, as it reads
with several processes, which eb (with its open logs and the build's environment) should not be copied for, and as it
looks at the environment that eb was started in.
"""
import contextlib
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from typing import Any, Dict, List, Mapping, Optional, Tuple

from easybuild.base import fancylogger
from easybuild.tools.build_log import EasyBuildError, print_msg, print_warning
from easybuild.tools.config import build_option, build_path, install_path

from ... import runpaths, settings, tree
from ...amounts import count_in_words
from ...data import ROOT
from ...files import of, read_bytes, replacing
from ...quote import terminal
from ...site import Site
from ...verify import policy
from ...verify.loader import expand
from ...verify.locations import find_locations
from ..policy.modules import SCOPE
from .environment import original

SWITCH = 'LUMI_HOOKS_VERIFY'
FAIL, WARN, OFF = 'error', 'warn', 'off'
# what says where libraries are looked for, and where the system lies
VARIABLES = ('LD_LIBRARY_PATH', 'CRAYPE_DIR', 'ROCM_PATH', 'LUMI_HOOKS_SYSTEM_ROOT')
# findings that are written out in a message; the log has all
SHOWN = 10
# bytes of a text that tells of folders: larger ones are data
_LARGEST_TEXT = 1 << 20
# Python's -m and -c look for modules in the current folder first, and eb's may be one of unpacked sources
_AWAY = os.path.dirname(ROOT)

_log = fancylogger.getLogger('lumi_hooks.linkage', fname=False)


def level(env: Mapping[str, str] = os.environ) -> str:
    """What a finding does: $LUMI_HOOKS_VERIFY, error where it is not set; raises as `settings.value` does."""
    return settings.value('VERIFY', env) or FAIL


def mend_run_paths(easyblock) -> Dict[str, List[str]]:
    """
    Take folders out of the run paths of what was just installed, in place, and say so: those of the Cray PE and ROCm,
    which move at system updates (CMake writes them where a project asks for the folders of what it links, and no option
    of ours wins over the project's), and those of the build, which are gone afterwards and may be anybody's then
    (makefiles write them so that the build's own tests run). What was found through them alone is `missing` then.

    :return: files below the installation, and the folders that went
    """
    root = easyblock.installdir
    locations = find_locations(os.path.realpath(root), prefixes=[install_path()], builds=build_folders(easyblock))
    rules = {'rpath-system': lambda folder: locations.in_cray(folder) or locations.in_rocm(folder),
             'build-path': locations.is_build}

    def unwanted(file: str, folder: str) -> bool:
        full = expand([folder], file)
        return bool(full) and any(holds(full[0]) and policy.severity(rule, os.path.relpath(file, root), easyblock.name)
                                  != policy.OFF for rule, holds in rules.items())

    taken = list(runpaths.clean(root, unwanted))
    for one in taken:
        _log.info('lumi-hooks: run path of %s: without %s', one.file, ':'.join(one.folders))
    for why, of_build in (('of the build, which are gone now,', True), ('that move at system updates', False)):
        files = {one.file: folders for one in taken
                 for folders in [[folder for folder in one.folders
                                  if locations.is_build(expand([folder], one.file)[0]) == of_build]] if folders}
        if files:
            folders = ', '.join(sorted({folder for gone in files.values() for folder in gone}))
            print_msg(terminal(f'lumi-hooks: took folders {why} out of the run paths of '
                               f'{count_in_words(len(files), "file")}: {folders}'), log=_log,
                      silent=build_option('silent'))
    return {os.path.relpath(one.file, root): list(one.folders) for one in taken}


def forget_names(easyblock) -> List[str]:
    """
    Take the folder of LibSci's other names (toolchains/lumi_libsci.py), which goes with the build, out of the texts
    that were just installed: configure copies what the compiler looks through into pkg-config's and libtool's files.

    :return: the files
    """
    folder = getattr(easyblock.toolchain, 'names_folder', None)
    if not folder:
        return []
    word = re.compile(rb'(?:-L|-Wl,-rpath,)%b(?=["\'\s]|$) ?' % re.escape(os.fsencode(folder)))
    changed, root = [], os.path.realpath(easyblock.installdir)
    for entry in tree.entries(root):
        if not stat.S_ISREG(entry.status.st_mode) or entry.status.st_size > _LARGEST_TEXT:
            continue
        with contextlib.suppress(OSError):
            old = read_bytes(of(entry.file))
            new = old if b'\0' in old else word.sub(b'', old)
            if new != old:
                with replacing(entry.path, stat.S_IMODE(entry.status.st_mode)) as handle:
                    handle.write(new)
                changed.append(os.path.relpath(entry.path, root))
    if changed:
        _log.info('lumi-hooks: without the folder of LibSci\'s other names: %s', ', '.join(changed))
    return changed


def verify(session, easyblock) -> None:
    """
    The package has passed EasyBuild's sanity check, and its module is not written yet: is it linked as it has to be? In
    SCOPE.environment the check has left what the package's own module sets.

    :raises EasyBuildError: it is not
    """
    if SCOPE.active:
        report = verified(easyblock, session.site, SCOPE.environment)
        if report is not None:
            mended = session.run_paths.pop(easyblock.full_mod_name, None)
            session.linkage[easyblock.full_mod_name] = {**report, 'run_paths': mended} if mended else report


def verified(easyblock, site: Site, environment: Mapping[str, str]) -> Optional[Dict[str, Any]]:
    """
    Verify the folder of an installation.

    :param environment: as it was while the installation's own module was loaded
    :return: the report, as `lumi-eb verify --json` prints it; None where it was not verified, which is told
    :raises EasyBuildError: an error was found
    """
    how = level()
    if how == OFF or easyblock.dry_run:
        return None
    report = _run(easyblock, site, environment)
    if report is None:
        return None
    errors = [one for one in report['findings'] if one['severity'] == 'error']
    warnings = [one for one in report['findings'] if one['severity'] != 'error']
    for finding in report['findings']:
        _log.info('verify: %s', finding)
    print_msg('lumi-hooks: verified %s: %s, %s%s', count_in_words(report['elf'], 'ELF file'),
              count_in_words(len(errors), 'error'), count_in_words(len(warnings), 'warning'),
              f' (lumi-eb verify {easyblock.full_mod_name} shows them)' if warnings and not errors else '', log=_log,
              silent=build_option('silent'))
    if errors:
        text = '\n'.join(_lines(errors, report['root']))
        # told here, once: EasyBuild repeats the text of an error, and so does what is said of a failure
        print_warning('lumi-hooks: findings of lumi-eb verify for %s:\n%s', easyblock.full_mod_name, text)
        if how == FAIL:
            rules = ', '.join(dict.fromkeys(one['rule'] for one in errors))
            raise EasyBuildError('lumi-hooks: what was installed for %s is not linked as it has to be here: %s of '
                                 'lumi-eb verify (%s), with files and fixes above and in the log (%s=%s lets it pass)',
                                 easyblock.full_mod_name, count_in_words(len(errors), 'error'), rules, SWITCH, WARN)
    return report


def build_folders(easyblock) -> List[str]:
    """The folders that are gone after the installation."""
    return [folder for folder in (easyblock.builddir, build_path(), tempfile.gettempdir()) if folder]


def _environment(environment: Mapping[str, str]) -> Dict[str, str]:
    """What eb was started with, and the variables that verify asks for as the installation's module leaves them."""
    env = original()
    env.update({name: environment[name] for name in VARIABLES if name in environment and name != 'LD_LIBRARY_PATH'})
    # relative entries are of the folder that eb was started in, which may be anybody's
    env['PYTHONPATH'] = ':'.join([os.path.dirname(ROOT), *(path for path in env.get('PYTHONPATH', '').split(':')
                                                           if os.path.isabs(path))])
    return env


def _run(easyblock, site: Site, environment: Mapping[str, str]) -> Optional[Dict[str, Any]]:
    """The report; None where verify itself failed, which is told and is no reason to fail an installation."""
    command = [sys.executable, '-m', 'lumi_hooks.cli', 'verify', easyblock.installdir, '--json',
               '--library-path', environment.get('LD_LIBRARY_PATH', ''), '--partition', site.partition,
               '--release', site.release.name, '--software', easyblock.name, '--prefix', install_path()]
    for folder in build_folders(easyblock):
        command.extend(['--build-dir', folder])
    for target in build_option('amdgcn_capabilities', default=None) or ():
        command.extend(['--gpu-target', target])
    done = subprocess.run(command, env=_environment(environment), cwd=_AWAY, capture_output=True, text=True,
                          check=False)
    try:
        report = json.loads(done.stdout)
        if 'findings' not in report:
            raise ValueError('it failed, and the object holds errors')
        return report
    except ValueError:
        said = terminal(' '.join(done.stderr.split()[-40:])) or 'no output'
        print_warning('lumi-hooks: %s could not be verified (exit code %d of %s): %s', easyblock.full_mod_name,
                      done.returncode, ' '.join(command[:4]), said)
        return None


def _lines(findings: List[Dict[str, Any]], root: str) -> List[str]:
    """Findings for reading: the same one of several files once, with the first one's fix."""
    same: Dict[Tuple[str, str], List[Dict[str, str]]] = {}
    for finding in findings:
        same.setdefault((finding['rule'], finding['found']), []).append(finding)
    lines = []
    for (rule, found), group in list(same.items())[:SHOWN]:
        file = os.path.relpath(group[0]['file'], root)
        more = f' and {count_in_words(len(group) - 1, "more file")}' if len(group) > 1 else ''
        lines.append(terminal(f'  * {file}{more}: [{rule}] {found}'))
        lines.append(terminal(f'    fix: {group[0]["mend"]}'))
    if len(same) > SHOWN:
        lines.append(f'  and {len(same) - SHOWN} more; the log lists them')
    return lines
