# SPDX-License-Identifier: GPL-2.0-only
"""The words of a plan: what a module can be, and why something can't be installed."""
from typing import Mapping

from .. import sites

CRAY, CENTRAL, INSTALLED, BUILD, REFUSED = 'cray', 'central', 'installed', 'build', 'refused'
STATUSES = (CRAY, CENTRAL, INSTALLED, BUILD, REFUSED)

# every reason code of a refusal, the most telling first: one recipe may be refused for several
REASONS: Mapping[str, str] = {
    'cuda': 'it is built on CUDA, and nothing is known about a build of it for AMD\'s GPUs, or it is NVIDIA\'s own',
    'container': 'its framework for GPUs comes as a container on this machine',
    'no-gpu-backend': 'it is for NVIDIA\'s GPUs, and the software has no back end for AMD\'s',
    'gpu-uncovered': 'it can drive AMD\'s GPUs, but not by what this recipe builds',
    'gpu-version': 'the back end for AMD\'s GPUs is in other versions of the software',
    'gpu-compiler': 'the GPU variant is built by another toolchain',
    'nvidia': 'it is for NVIDIA\'s compilers',
    'intel': f'it names Intel\'s compilers, MPI or MKL, which {sites.name()} does not have',
    'rocm-provided': f'it is a part of ROCm, which {sites.name()} has as one module',
    'driver': 'it needs a ROCm that the driver of the GPUs does not support',
    'partition': 'it needs GPUs, and the partition has none',
    'upstream-toolchain': 'it is a toolchain of upstream\'s, which a cpe* toolchain replaces here',
    'toolchain': 'its toolchain, or that of something it needs, has no counterpart on the Cray PE',
    'easyblock': 'upstream\'s easyblock would stop in the middle of the build',
    'option': 'it has a toolchain option that the cpe* toolchain does not know',
    'not-here': 'it names a folder or a variable that only other sites have',
    'release': 'it is for another release of the software stack',
    'python': 'it does not work with the release\'s cray-python',
    'python-packages': 'it needs newer Python packages than the release can have',
    'cray-module': 'the release of the Cray PE lacks the module that would replace it',
    'two-versions': 'its plan holds two versions of one package, which can\'t be loaded together',
    'two-mpis': 'it would get another MPI beside Cray MPICH',
    'circle': 'it needs itself',
    'no-recipe': 'there is no recipe for something that it needs',
    'unreadable': 'a recipe that it needs can\'t be read',
    'override': 'an override of it has a mistake, or others can write to it',
}
