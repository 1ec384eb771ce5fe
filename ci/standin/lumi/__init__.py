# SPDX-License-Identifier: GPL-2.0-only
"""LUMI's software stack on top of the stand-in Cray PE, written by `build` below ROOT/appl/lumi."""
