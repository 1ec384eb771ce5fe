# SPDX-License-Identifier: GPL-2.0-only
"""LAMMPS: dependencies that are external modules have no name, and upstream's easyblock stops at them.

It takes FFTW for the FFT of the KOKKOS package (-DFFT_KOKKOS=FFTW3) where there is no CUDA, which KOKKOS on HIP does
not take: the recipe's own -DFFT_KOKKOS=HIPFFT stays.

Until EB_LAMMPS uses dependency_names(), or EasyBuild names external modules, and it knows HIP (seen in 5.4.1).
"""
from lumi_hooks_easyblocks.families import NamedDependencies
from lumi_hooks_easyblocks.registry import upstream_class
from lumi_hooks_easyblocks.registry.recipe_wins import RecipeWins


class EB_LAMMPS(NamedDependencies, upstream_class('EB_LAMMPS', 'lammps'), RecipeWins):
    """Support for building LAMMPS."""
