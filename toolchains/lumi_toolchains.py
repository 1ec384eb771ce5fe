# SPDX-License-Identifier: GPL-2.0-only
"""The toolchains cpeGNU, cpeCray, cpeAOCC and cpeAMD: the compilers of a PrgEnv module, Cray MPICH, LibSci and FFTW."""

from .compiler.lumi_cpecce import CpeCce
from .compiler.lumi_cpeclang import CpeAmd, CpeAocc
from .compiler.lumi_cpegcc import CpeGcc
from .lumi_crayfftw import CpeFftw
from .lumi_craympich import CpeMpich
from .lumi_libsci import CpeLibSci
from .registry import register


@register
class cpeGNU(CpeGcc, CpeMpich, CpeLibSci, CpeFftw):
    """Cray PE with PrgEnv-gnu."""

    NAME = 'cpeGNU'
    LIBSCI_COMPILER = 'gnu'


@register
class cpeCray(CpeCce, CpeMpich, CpeLibSci, CpeFftw):
    """Cray PE with PrgEnv-cray."""

    NAME = 'cpeCray'
    LIBSCI_COMPILER = 'cray'


@register
class cpeAOCC(CpeAocc, CpeMpich, CpeLibSci, CpeFftw):
    """Cray PE with PrgEnv-aocc."""

    NAME = 'cpeAOCC'
    LIBSCI_COMPILER = 'aocc'


@register
class cpeAMD(CpeAmd, CpeMpich, CpeLibSci, CpeFftw):
    """Cray PE with PrgEnv-amd."""

    NAME = 'cpeAMD'
    LIBSCI_COMPILER = 'amd'
