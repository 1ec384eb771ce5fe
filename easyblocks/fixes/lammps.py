# SPDX-License-Identifier: GPL-2.0-only
"""LAMMPS: the FFT of the KOKKOS package on AMD's GPUs.

Upstream's easyblock takes FFTW for it (-DFFT_KOKKOS=FFTW3) where there is no CUDA, which KOKKOS on HIP does not take:
the recipe's own -DFFT_KOKKOS=HIPFFT stays.

Until EB_LAMMPS knows HIP (seen in 5.4.1).
"""
from lumi_hooks_easyblocks.registry.recipe_wins import RecipeWins
from lumi_hooks_easyblocks.registry.upstream import upstream_class


class EB_LAMMPS(upstream_class('EB_LAMMPS', 'lammps'), RecipeWins):
    """Support for building LAMMPS."""
