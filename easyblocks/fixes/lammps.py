# SPDX-License-Identifier: GPL-2.0-only
"""LAMMPS: the FFT of the KOKKOS package on AMD's GPUs, and no MPI programs outside of a job.

Upstream's easyblock takes FFTW for it (-DFFT_KOKKOS=FFTW3) where there is no CUDA, which KOKKOS on HIP does not take:
the recipe's own -DFFT_KOKKOS=HIPFFT stays.

Its sanity check starts up to four ranks, whatever the option mpi_tests says.

Until EB_LAMMPS knows HIP and asks for mpi_tests (seen in 5.4.1).
"""
from lumi_hooks_easyblocks.registry import upstream_class
from lumi_hooks_easyblocks.registry.checks import Checks
from lumi_hooks_easyblocks.registry.recipe_wins import RecipeWins


class EB_LAMMPS(upstream_class('EB_LAMMPS', 'lammps'), RecipeWins, Checks):
    """Support for building LAMMPS."""
