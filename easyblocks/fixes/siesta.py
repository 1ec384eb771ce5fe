# SPDX-License-Identifier: GPL-2.0-only
"""Siesta 4: upstream's easyblock stops at the compiler families of cpeCray, cpeAOCC and cpeAMD.

It also compares the version of GCC whatever the compiler is. What it does for GCC serves the others in the words of
their Fortran compilers; configuring and building are one step of it, hence the words are changed as they are written.

Until EB_Siesta knows these families (seen in 5.1.2 to 5.4.1; Siesta 5 is built with CMake).
"""
import sys
from unittest import mock

from lumi_hooks_easyblocks.families import KnownAs, fortran
from lumi_hooks_easyblocks.registry.upstream import upstream_class

Upstream = upstream_class('EB_Siesta', 'siesta')
upstream = sys.modules[Upstream.__module__]


class EB_Siesta(KnownAs, Upstream):
    """Support for building Siesta."""

    def configure_step(self):
        apply = upstream.apply_regex_substitutions

        def apply_in_own_words(paths, regex_subs, *args, **kwargs):
            regex_subs = [(regex, fortran(text, self.toolchain)) for regex, text in regex_subs]
            return apply(paths, regex_subs, *args, **kwargs)

        with mock.patch.object(upstream, 'apply_regex_substitutions', apply_in_own_words):
            super().configure_step()
