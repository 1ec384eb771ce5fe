# SPDX-License-Identifier: GPL-2.0-only
"""
pip of a given Python, run so that neither the user's own packages nor settings of where to install matter.

Options: https://pip.pypa.io/en/stable/cli/; the report: https://pip.pypa.io/en/stable/reference/installation-report/.
"""
import os
import re
import subprocess
import tempfile
from types import MappingProxyType
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .. import quote
from ..errors import LumiHooksError
from ..files import read_json
from ..versions import version_key

# settings of pip's that say where packages come from, and how to get there
_WHERE = frozenset(f'PIP_{name}' for name in (
    'INDEX_URL', 'EXTRA_INDEX_URL', 'FIND_LINKS', 'NO_INDEX', 'CERT', 'CLIENT_CERT', 'PROXY', 'TRUSTED_HOST',
    'CONFIG_FILE', 'DEFAULT_TIMEOUT', 'TIMEOUT', 'RETRIES', 'KEYRING_PROVIDER'))
# --dry-run and --report, from which a resolution is read
OLDEST = '22.2'
# for the Python that the packages are for, with what pip itself reads requirements by
_BROKEN = '''
from importlib.metadata import distributions
from pip._vendor.packaging.requirements import InvalidRequirement, Requirement
from pip._vendor.packaging.utils import canonicalize_name

there = {}
for found in distributions():
    there.setdefault(canonicalize_name(found.metadata["Name"] or ""), found)
for name, found in there.items():
    for text in found.requires or ():
        try:
            needed = Requirement(text)
        except InvalidRequirement:
            continue
        other = there.get(canonicalize_name(needed.name))
        if needed.marker and not needed.marker.evaluate({"extra": ""}):
            continue
        if other is None:
            print(f"{name} {found.version} requires {needed.name}, which is not installed.")
        elif not needed.specifier.contains(other.version, prereleases=True):
            print(f"{name} {found.version} requires {needed}, and {needed.name} {other.version} is installed.")
'''
_CONFLICT = re.compile(r'^ {4}(\S.*)$', re.MULTILINE)
_NO_VERSION = re.compile(r'Could not find a version that satisfies the requirement (.+?) \(from (?:versions: (.*))?')
_NOT_BUILT = re.compile(r'(?:Failed building wheel for|Could not build wheels for|Failed to build'
                        r'(?: installable wheels for)?) ([\w.,\- ]+)')


class PipError(LumiHooksError):
    """pip failed; the message says why in a sentence. `missing`: the requirement that it found nothing for."""

    def __init__(self, text: str, missing: str = ''):
        super().__init__(text)
        self.missing = missing


def run(python: str, *arguments: str, paths: Sequence[str] = (), network: bool = False,
        keep: Sequence[int] = (0,), variables: Optional[Mapping[str, str]] = None) -> str:
    """
    Run `python -m pip`; returns what it wrote.

    :param paths: folders of packages, found before Python's own
    :param network: may it use the index that the user's settings name?
    :param keep: exit codes that are no failure
    :param variables: more of its environment
    :raises PipError: it failed
    """
    return _run([python, '-s', '-m', 'pip', *([] if network else ['--isolated']), *arguments], paths, network, keep,
                variables or {})


def broken(python: str, paths: Sequence[str]) -> List[str]:
    """
    What installed packages lack, a sentence each: what "pip check" says, in half of its time.

    :param paths: folders of packages, found before Python's own
    :raises PipError: this Python has no pip
    """
    return _run([python, '-s', '-c', _BROKEN], paths).splitlines()


def _run(command: Sequence[str], paths: Sequence[str], network: bool = False, keep: Sequence[int] = (0,),
         variables: Mapping[str, str] = MappingProxyType({})) -> str:
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(('PIP_', 'PYTHON')) or (network and name in _WHERE)}
    env.update(variables, PYTHONPATH=os.pathsep.join(paths), PYTHONNOUSERSITE='1',
               PIP_DISABLE_PIP_VERSION_CHECK='1', PIP_NO_INPUT='1', PIP_NO_COLOR='1')
    try:
        # what lies in the folder where one stands would be imported
        done = subprocess.run(command, env=env, cwd='/', stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors='replace', check=False)
    except OSError as err:
        raise PipError(f'{quote.line(command[0])} cannot be run: {err.strerror}') from err
    if done.returncode not in keep:
        found = _NO_VERSION.search(done.stdout)
        raise PipError(why(done.stdout), found[1] if found else '')
    return done.stdout


def why(output: str) -> str:
    """One sentence on why pip failed, from what it wrote."""
    text = quote.terminal(output)
    if 'conflict' in text:
        _, _, rest = text.partition('The conflict is caused by:')
        reasons = [line.replace('The user requested (constraint)', 'the loaded modules have')
                   .replace('The user requested', 'you asked for') for line in _CONFLICT.findall(rest.split('\n\n')[0])]
        if reasons:
            return f'these packages do not go together: {"; ".join(dict.fromkeys(reasons))}'
    found = _NO_VERSION.search(text)
    if found:
        versions = (found[2] or '').split(')')[0].split(', ')
        return f'there is no {found[1]} for this Python' + (
            f'; there are {", ".join(versions[-5:])}' if versions[0] not in ('', 'none') else '')
    found = _NOT_BUILT.search(text)
    errors = [line.strip() for line in text.splitlines() if re.match(r'\s*(\w+Error|error|fatal error|ERROR)\b', line)]
    if found:
        return f'{found[1].strip(" ,")} could not be built: {errors[0] if errors else "its output has no error"}'
    return f'pip failed: {errors[-1] if errors else (text.strip().splitlines() or ["it says nothing"])[-1]}'


def check_version(python: str) -> None:
    """
    Is this Python's pip new enough?

    :raises PipError: it is not, or there is none
    """
    found = re.match(r'pip ([0-9.]+)', run(python, '--version'))
    if not found or version_key(found[1]) < version_key(OLDEST):
        raise PipError(f'{quote.line(python)} has pip {found[1] if found else "of no version"}, and {OLDEST} is needed')


def report(python: str, requirements: Sequence[str], *options: str, constraints: Sequence[str] = (),
           paths: Sequence[str] = ()) -> List[Mapping[str, Any]]:
    """
    What pip would install for requirements: the entries of its report.

    :raises PipError: they can't be satisfied
    """
    with tempfile.TemporaryDirectory(prefix='lumi-hooks-pip-') as folder:
        asked, given, told = (os.path.join(folder, name) for name in ('asked.txt', 'constraints.txt', 'report.json'))
        for path, lines in ((asked, requirements), (given, constraints)):
            with open(path, 'w', encoding='utf-8') as stream:
                stream.writelines(f'{line}\n' for line in lines)
        run(python, 'install', '--dry-run', '--report', told, '-r', asked, '-c', given, *options, paths=paths,
            network=True)
        found = read_json(told)
        entries: List[Mapping[str, Any]] = found['install']
        return entries


def pretend(folder: str, carried: Mapping[str, str]) -> None:
    """
    Make packages seem installed: pip takes them as they are, and asks no index for them.

    :param folder: where their metadata is written
    """
    for name, version in carried.items():
        place = os.path.join(folder, f'{re.sub("[-_.]+", "_", name)}-{version}.dist-info')
        os.makedirs(place, exist_ok=True)
        for file, text in {'METADATA': f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n',
                           'INSTALLER': 'lumi-hooks\n', 'RECORD': ''}.items():
            with open(os.path.join(place, file), 'w', encoding='utf-8') as stream:
                stream.write(text)


def locked(pins: Sequence[Tuple[str, str, str]]) -> str:
    """A requirements file of exact versions: name, version, sha256 each."""
    return ''.join(f'{name}=={version} --hash=sha256:{digest}\n' for name, version, digest in pins)


def compilers(environ: Mapping[str, str], found: bool) -> Dict[str, str]:
    """
    Variables that lead builds to the Cray PE's compiler wrappers, which link with Cray MPICH.

    :param found: is there a `cc`?
    """
    wanted = {'CC': 'cc', 'CXX': 'CC', 'FC': 'ftn', 'F77': 'ftn', 'F90': 'ftn', 'MPICC': 'cc', 'MPICXX': 'CC',
              'MPIFORT': 'ftn'}
    return {name: value for name, value in wanted.items() if name not in environ} if found else {}
