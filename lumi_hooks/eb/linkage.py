# SPDX-License-Identifier: GPL-2.0-only
"""
What was installed is verified before its module is written: `lumi-eb verify`, by the Python that runs eb.

It is a process of its own, as a file that gets shorter while it is read ends the process that reads it, as it reads
with several processes, which eb (with its open logs and the build's environment) should not be copied for, and as it
looks at the environment that eb was started in.
"""
import json
import os
import subprocess
import sys
import tempfile
from typing import Any, Dict, List, Mapping, Optional

from easybuild.base import fancylogger
from easybuild.tools.build_log import EasyBuildError, print_msg, print_warning
from easybuild.tools.config import build_option, build_path, install_path
from easybuild.tools.environment import ORIG_OS_ENVIRON

from ..data import ROOT
from ..quote import terminal
from ..site import Site

SWITCH = 'LUMI_HOOKS_VERIFY'
FAIL, WARN, OFF = 'error', 'warn', 'off'
# what says where libraries are looked for, and where the system lies
VARIABLES = ('LD_LIBRARY_PATH', 'CRAYPE_DIR', 'ROCM_PATH', 'LUMI_HOOKS_SYSTEM_ROOT')
# findings that are written out in a message; the log has all
SHOWN = 10
# Python's -m and -c look for modules in the current folder first, and eb's may be one of unpacked sources
_AWAY = os.path.dirname(ROOT)

_log = fancylogger.getLogger('lumi_hooks.linkage', fname=False)


def level(env: Mapping[str, str] = os.environ) -> str:
    """
    What a finding does: $LUMI_HOOKS_VERIFY, error where it is not set.

    :raises EasyBuildError: it is none of error, warn and off
    """
    value = env.get(SWITCH) or FAIL
    if value not in (FAIL, WARN, OFF):
        raise EasyBuildError('lumi-hooks: %s=%s is not known; it may be %s, %s or %s', SWITCH, value, FAIL, WARN, OFF)
    return value


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
    print_msg('lumi-hooks: verified %d ELF files: %s, %s%s', report['elf'], _count(errors, 'error'),
              _count(warnings, 'warning'),
              f' (lumi-eb verify {easyblock.full_mod_name} shows them)' if warnings and not errors else '', log=_log,
              silent=build_option('silent'))
    if errors:
        text = '\n'.join(_lines(errors, report['root']))
        if how == FAIL:
            raise EasyBuildError('lumi-hooks: what was installed for %s is not linked as it has to be here (%s=%s lets '
                                 'it pass):\n%s', easyblock.full_mod_name, SWITCH, WARN, text)
        print_warning('lumi-hooks: %s is not linked as it has to be here:\n%s', easyblock.full_mod_name, text)
    return report


def _environment(environment: Mapping[str, str]) -> Dict[str, str]:
    """What eb was started with, and the variables that verify asks for as the installation's module leaves them."""
    env = dict(ORIG_OS_ENVIRON)
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
    for folder in (easyblock.builddir, build_path(), tempfile.gettempdir()):
        command.extend(['--build-dir', folder] if folder else [])
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


def _count(things: List[Any], name: str) -> str:
    return f'{len(things) or "no"} {name}{"" if len(things) == 1 else "s"}'


def _lines(findings: List[Dict[str, Any]], root: str) -> List[str]:
    lines = []
    for finding in findings[:SHOWN]:
        file = os.path.relpath(finding['file'], root)
        lines.append(terminal(f'  * {file}: [{finding["rule"]}] {finding["found"]}'))
        lines.append(terminal(f'    fix: {finding["mend"]}'))
    if len(findings) > SHOWN:
        lines.append(f'  and {len(findings) - SHOWN} more; the log lists them')
    return lines
