# SPDX-License-Identifier: GPL-2.0-only
"""Options of CMake that a recipe names win over those that its easyblock puts behind them."""
import re

from easybuild.easyblocks.generic.cmakemake import CMakeMake

# -DNAME=value and -DNAME:TYPE=value, the value maybe quoted
_OPTION = re.compile(r"""-D\s?(\w+)(?::\w+)?=(?:"[^"]*"|'[^']*'|[^\s"']+)+""")


def first_wins(options: str) -> str:
    """
    CMake's options with the first of each name alone: of two CMake takes the last.

    >>> first_wins('-DGMX_GPU=HIP -DGMX_MPI=ON -DGMX_GPU=OFF')
    '-DGMX_GPU=HIP -DGMX_MPI=ON '
    """
    seen = set()

    def once(match):
        name = match.group(1)
        if name in seen:
            return ''
        seen.add(name)
        return match.group(0)

    return _OPTION.sub(once, options)


class RecipeWins(CMakeMake):
    """To be inherited from behind an easyblock on CMakeMake, which appends its options to the recipe's."""

    def configure_step(self, *args, **kwargs):
        """Configure with the recipe's options where the easyblock has others of the same names."""
        self.cfg['configopts'] = first_wins(self.cfg['configopts'])
        return super().configure_step(*args, **kwargs)
