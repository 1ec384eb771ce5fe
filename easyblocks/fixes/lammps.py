# SPDX-License-Identifier: GPL-2.0-only
"""LAMMPS: dependencies that are external modules have no name, and upstream's easyblock stops at them.

Until EB_LAMMPS uses dependency_names(), or EasyBuild names external modules (seen in 5.4.1).
"""
from lumi_hooks_easyblocks.families import NamedDependencies
from lumi_hooks_easyblocks.registry import upstream_class


class EB_LAMMPS(NamedDependencies, upstream_class('EB_LAMMPS', 'lammps')):
    """Support for building LAMMPS."""
