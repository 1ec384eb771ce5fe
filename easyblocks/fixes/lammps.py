# SPDX-License-Identifier: GPL-2.0-only
"""LAMMPS: the KOKKOS package on AMD's GPUs.

Upstream's easyblock takes FFTW for it (-DFFT_KOKKOS=FFTW3) where there is no CUDA, which KOKKOS on HIP does not take:
the recipe's own -DFFT_KOKKOS=HIPFFT stays. And its sanity check starts KOKKOS without a GPU (-k on), which is fatal
where KOKKOS is made for one.

Until EB_LAMMPS knows HIP (seen in 5.4.1).
"""
from lumi_hooks_easyblocks.registry.recipe_wins import RecipeWins
from lumi_hooks_easyblocks.registry.upstream import upstream_class


class EB_LAMMPS(upstream_class('EB_LAMMPS', 'lammps'), RecipeWins):
    """Support for building LAMMPS."""

    def sanity_check_step(self, *args, **kwargs):
        kokkos = self.cfg['kokkos']
        if 'Kokkos_ENABLE_HIP=yes' in self.cfg['configopts']:
            self.cfg['kokkos'] = False
        try:
            return super().sanity_check_step(*args, **kwargs)
        finally:
            self.cfg['kokkos'] = kokkos
