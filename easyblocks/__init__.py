# SPDX-License-Identifier: GPL-2.0-only
"""EasyBuild easyblocks for the Cray Programming Environment.

The files work with --include-easyblocks, as the installed package lumi_hooks_easyblocks (entry points), and
loaded under that name from a checkout. Included files end up in different packages: they can't import
each other.
"""
