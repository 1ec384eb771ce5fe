# SPDX-License-Identifier: GPL-2.0-only
"""lumi-hooks: upstream EasyBuild recipes, adapted to the Cray PE of LUMI while they are installed."""

__version__ = '0.2.0'
