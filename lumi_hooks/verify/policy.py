# SPDX-License-Identifier: GPL-2.0-only
"""policy.json: which library is which, how severe a finding is; and what single packages say otherwise."""
import fnmatch
import os
import re
from functools import lru_cache
from typing import Dict, Mapping, Optional, Sequence

from .. import sites
from ..packages import package
from ..schemas import checked

ERROR, WARNING, OFF = 'error', 'warning', 'off'


@lru_cache(maxsize=None)
def load_policy() -> Mapping:
    """The policy as data (verify/policy.json)."""
    return sites.filled(checked('verify/policy.json'))


@lru_cache(maxsize=None)
def _patterns() -> Mapping[str, re.Pattern]:
    return {kind: re.compile('|'.join(fnmatch.translate(pattern) for pattern in entry['files']))
            for kind, entry in load_policy()['libraries'].items()}


@lru_cache(maxsize=None)
def kind_of(name: str) -> Optional[str]:
    """What kind of library it is by its file name (mpi, gtl, openmp …), None where it is of no kind that matters."""
    name = os.path.basename(name)
    return next((kind for kind, pattern in _patterns().items() if pattern.match(name)), None)


@lru_cache(maxsize=None)
def processors() -> Dict[int, str]:
    """EF_AMDGPU_MACH -> gfx name."""
    return {int(number, 16): name for number, name in load_policy()['processors']['values'].items()}


@lru_cache(maxsize=None)
def family(name: str) -> Optional[str]:
    """Of which library a file is a build (HDF5, netCDF …), by its name; None where two of them may meet."""
    return next((label for label, entry in _families().items() if entry.match(name)), None)


@lru_cache(maxsize=None)
def _families() -> Mapping[str, re.Pattern]:
    return {entry['name']: re.compile(entry['pattern'] + r'\Z') for entry in load_policy()['once']['libraries']}


@lru_cache(maxsize=None)
def looked_up_elsewhere(symbol: str) -> bool:
    """Is a symbol one that the program has which loads the library: an interpreter's, a Java machine's …?"""
    return symbol.startswith(tuple(load_policy()['interpreters']['symbols']))


def links(software: str) -> Sequence[Mapping]:
    """What a package has to be linked with, by its own data: files, libraries (one of them), reason."""
    return package(software).get('verify', {}).get('links', ()) if software else ()


def reason(rule: str) -> str:
    """Why a rule matters, in one sentence."""
    return load_policy()['rules'][rule]['reason']


def severity(rule: str, file: str, software: str = '', gpu: Optional[bool] = None) -> str:
    """
    How severe a finding is: error, warning or off.

    :param rule: id of the rule
    :param file: the file, relative to the installation
    :param software: name of the package, whose own data win
    :param gpu: does the partition have GPUs (None: not known)?
    """
    own = package(software).get('verify', {}).get(rule) if software else None
    if own and any(fnmatch.fnmatch(file, pattern) for pattern in own.get('files', ['*'])):
        return own['severity']
    entry = load_policy()['rules'][rule]
    return entry.get('without_gpu', entry['severity']) if gpu is False else entry['severity']
