# SPDX-License-Identifier: GPL-2.0-only
"""PDT: upstream's easyblock stops at compilers other than GNU's, Intel's and PGI's.

PDT is a parser with programs of its own; no software is linked with it, so GNU's rules do.

Until EB_PDT knows the compiler families CCE, AOCC and AMD (seen in 5.1.2 to 5.4.1).
"""
from lumi_hooks_easyblocks.families import KnownAs
from lumi_hooks_easyblocks.registry.upstream import upstream_class


class EB_PDT(KnownAs, upstream_class('EB_PDT', 'pdt')):
    """Support for building PDT."""
