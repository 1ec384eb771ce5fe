# SPDX-License-Identifier: GPL-2.0-only
"""Where files lie: the Cray PE, ROCm, installed software, the folders of a build. Read from the environment once."""
import os
import re
from dataclasses import dataclass
from typing import Iterable, Mapping, Optional, Tuple

from .. import sites

# where builds are done and what is there today is gone tomorrow (LUMI: $XDG_RUNTIME_DIR and /tmp, EasyBuild-config)
TEMPORARY = ('/tmp', '/var/tmp', '/dev/shm', '/run/user')
# variables with folders of installed software, which never is a build folder wherever it lies
PREFIXES = ('EASYBUILD_INSTALLPATH', 'EASYBUILD_INSTALLPATH_SOFTWARE', sites.variable('prefix'), 'LUMI_HOOKS_PREFIXES')
BUILDS = ('EASYBUILD_BUILDPATH', 'EASYBUILD_TMPDIR')


@dataclass(frozen=True)
class Locations:
    """
    Folders by what lies in them.

    `system` is the folder that /opt lies in: / on a Cray, another one for a stand-in.
    """
    root: str
    system: str = '/'
    prefixes: Tuple[str, ...] = ()
    builds: Tuple[str, ...] = ()
    rocm: Tuple[str, ...] = ()

    @property
    def cray(self) -> str:
        """The folder of what HPE brings."""
        return os.path.join(self.system, 'opt/cray')

    @property
    def amd(self) -> str:
        """The folder of AMD's compilers for CPUs (AOCC), which are in no folder of HPE's."""
        return os.path.join(self.system, 'opt/AMD')

    @property
    def central(self) -> Tuple[str, ...]:
        """The folders of the site's own software."""
        return tuple(os.path.join(self.system, folder.lstrip('/')) for folder in sites.site()['central'])

    def in_cray(self, path: str) -> bool:
        """Does a file (or what a link to it points to) belong to the Cray PE?"""
        return under(path, (self.cray,)) or under(os.path.realpath(path), (os.path.realpath(self.cray),))

    def in_rocm(self, path: str) -> bool:
        """Does a path lie in the system's ROCm: /opt/rocm, or /opt/rocm-<version>?"""
        start = os.path.join(self.system, 'opt/rocm')
        return path == start or path.startswith((start + '/', start + '-')) or under(path, self.rocm)

    def is_own(self, path: str) -> bool:
        """Does a file belong to the installation?"""
        return under(path, (self.root,))

    def is_system(self, path: str) -> bool:
        """Does a file belong to the system: the Cray PE, ROCm, AOCC, the distribution?"""
        return self.in_cray(path) or self.in_rocm(path) or under(path, (self.amd, '/usr', '/lib', '/lib64', '/opt/rh'))

    def is_build(self, path: str) -> bool:
        """
        Does a path lie in the folder of a build, or where everything is temporary? Of folders within each other the
        inner one counts: a build folder in a prefix, a prefix below /tmp, a system that is kept there.
        """
        path = os.path.normpath(path)
        system = () if self.system == os.sep else (self.system,)
        kept = (self.root, self.cray, self.amd, *system, *self.central, *self.rocm, *self.prefixes)
        return not self.in_rocm(path) and _depth(path, (*self.builds, *TEMPORARY)) > _depth(path, kept)


def _depth(path: str, folders: Iterable[str]) -> int:
    """Length of the innermost folder that a path lies in, 0 where it lies in none."""
    return max((len(folder) for folder in folders if under(path, (folder,))), default=0)


def under(path: str, folders: Iterable[str]) -> bool:
    """Is a path one of the folders, or below one?"""
    return any(path == folder or path.startswith(folder.rstrip('/') + '/') for folder in folders)


def find_locations(root: str, env: Mapping[str, str] = os.environ, system: Optional[str] = None,
                prefixes: Iterable[str] = (), builds: Iterable[str] = ()) -> Locations:
    """
    The places for one installation.

    :param system: folder that /opt/cray lies in; where not given (or empty) $LUMI_HOOKS_SYSTEM_ROOT, else taken from
        $CRAYPE_DIR
    :param prefixes: more folders of installed software
    :param builds: more build folders
    """
    system = system or env.get('LUMI_HOOKS_SYSTEM_ROOT')
    if not system:
        match = re.match(r'(.*/)opt/cray/pe/', env.get('CRAYPE_DIR', '') + '/')
        system = match.group(1) if match else '/'
    return Locations(root, os.path.abspath(system), tuple(_folders(prefixes, env, PREFIXES)),
                  tuple(_folders(builds, env, BUILDS)), tuple(_folders((), env, ('ROCM_PATH',))))


def _folders(given: Iterable[str], env: Mapping[str, str], names: Iterable[str]) -> Iterable[str]:
    for path in [*given, *(part for name in names for part in env.get(name, '').split(':'))]:
        if path and os.path.normpath(path) != '/':
            yield os.path.abspath(path)
