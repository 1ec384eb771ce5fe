# SPDX-License-Identifier: GPL-2.0-only
"""Kokkos: dependencies that are external modules have no name, and upstream's easyblock stops at them.

Until EB_Kokkos uses dependency_names(), or EasyBuild names external modules (seen in 5.4.1).
"""
from lumi_hooks_easyblocks.families import NamedDependencies
from lumi_hooks_easyblocks.registry import passed_on, upstream_class


class EB_Kokkos(NamedDependencies, upstream_class('EB_Kokkos', 'kokkos')):
    """Support for building Kokkos."""


# LAMMPS takes lists from here
__getattr__ = passed_on('kokkos')
