# SPDX-License-Identifier: GPL-2.0-only
"""MUMPS: upstream's easyblock stops at compilers other than GNU's, Intel's and LLVM's.

What it does for GNU's and LLVM's (a template of make variables that $CC and the flags fill) serves any compiler.

Until EB_MUMPS knows the compiler families CCE, AOCC and AMD (seen in 5.1.2 to 5.4.1).
"""
from lumi_hooks_easyblocks.families import KnownAs
from lumi_hooks_easyblocks.registry.upstream import upstream_class


class EB_MUMPS(KnownAs, upstream_class('EB_MUMPS', 'mumps')):
    """Support for building MUMPS."""
