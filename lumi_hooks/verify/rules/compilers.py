# SPDX-License-Identifier: GPL-2.0-only
"""A rule about the compilers of a file, which they note in its section .comment."""
import os
import re
from typing import Iterator, Optional, Tuple

from ...releases import compiler_family, load_release, load_toolchains, release_names
from .. import policy
from .base import InstallationFacts, Problem, rule

# the end of a version that EasyBuild has named after a toolchain
_TOOLCHAIN = re.compile(r'-(cpe[A-Z][A-Za-z]*)-(\d\d\.\d\d)(?=-|$)')


@rule('compiler-other')
def compiler_other(installation: InstallationFacts) -> Iterator[Problem]:
    """No file of a toolchain is by the operating system's compiler alone."""
    expected = _expected(os.path.basename(installation.locations.root))
    if not expected:
        return
    toolchain, pattern = expected
    system = re.compile(policy.load_policy()['compilers']['system'])
    for elf in installation.binaries():
        if elf.comment and all(system.match(one) for one in elf.comment) \
                and not any(re.search(pattern, one) for one in elf.comment):
            yield Problem(elf.path, f'is by {" and ".join(elf.comment)} alone: no compiler of {toolchain} made it',
                          'find the command (gcc, g++, gfortran) in the log of the build (lumi-eb explain names it), '
                          'and give the package the wrappers instead: CC=cc CXX=CC FC=ftn in a recipe of your own')


def _expected(folder: str) -> Optional[Tuple[str, str]]:
    """A toolchain, and what its compilers note, by the name of an installation's folder; None where it tells none."""
    match = _TOOLCHAIN.search(folder)
    known = load_toolchains()['toolchains'].get(match.group(1)) if match else None
    if not match or not known or match.group(2) not in release_names():
        return None
    modules = load_release(match.group(2)).modules
    version = next((modules[name] for name in compiler_family(known['family'])['modules'] if name in modules), '')
    pattern = policy.load_policy()['compilers']['families'][known['family']]
    return match.group(1), pattern.replace('{major}', version.split('.')[0])
