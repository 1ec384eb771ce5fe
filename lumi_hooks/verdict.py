# SPDX-License-Identifier: GPL-2.0-only
"""The words of a plan: what a module can be, and why something can't be installed."""
from typing import Mapping

CRAY, CENTRAL, INSTALLED, BUILD, REFUSED = 'cray', 'central', 'installed', 'build', 'refused'
STATUSES = (CRAY, CENTRAL, INSTALLED, BUILD, REFUSED)

# every reason code of a refusal, the most telling first: one recipe may be refused for several
REASONS: Mapping[str, str] = {
    'cuda': 'it stands on CUDA, and the GPUs here are AMD\'s',
    'nvidia': 'it is for NVIDIA\'s compilers',
    'intel': 'it names Intel\'s compilers, MPI or MKL, which are not here',
    'rocm-provided': 'it is a part of ROCm, which LUMI has as one module',
    'partition': 'it needs GPUs, and the partition has none',
    'upstream-toolchain': 'it is a toolchain of upstream\'s, in whose place a cpe* toolchain stands',
    'toolchain': 'its toolchain, or that of something it needs, has no counterpart on the Cray PE',
    'easyblock': 'upstream\'s easyblock would stop in the middle of the build',
    'release': 'it is for another release of the software stack',
    'python': 'it can\'t work with the release\'s cray-python',
    'cray-module': 'the release of the Cray PE lacks a module that is to stand in',
    'two-versions': 'its plan holds two versions of one package, which can\'t be loaded together',
    'circle': 'it needs itself',
    'no-recipe': 'there is no recipe for something that it needs',
    'unreadable': 'a recipe that it needs can\'t be read',
}
