# SPDX-License-Identifier: GPL-2.0-only
"""Trinity: upstream's easyblock stops at compilers other than GNU's and Intel's.

TRINITY_COMPILER chooses between GNU's options of g++ and Intel's, and the other compilers, made of Clang, take GNU's.

Until EB_Trinity knows the compiler families CCE, AOCC and AMD (seen in 5.1.2 to 5.4.1).
"""
from lumi_hooks_easyblocks.families import KnownAs
from lumi_hooks_easyblocks.registry.upstream import upstream_class


class EB_Trinity(KnownAs, upstream_class('EB_Trinity', 'trinity')):
    """Support for building Trinity."""
