# SPDX-License-Identifier: GPL-2.0-only
"""ELPA: upstream's easyblock knows no C preprocessor for the compilers of cpeCray, cpeAOCC and cpeAMD.

GNU's cpp of the operating system, which it takes with GCC, reads the sources for any compiler.

Until EB_ELPA has an entry for them in its cpp_dict (seen in 5.1.2 to 5.4.1).
"""
from lumi_hooks_easyblocks.families import KnownAs
from lumi_hooks_easyblocks.registry.upstream import upstream_class


class EB_ELPA(KnownAs, upstream_class('EB_ELPA', 'elpa')):
    """Support for building ELPA."""
