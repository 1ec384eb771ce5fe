# SPDX-License-Identifier: GPL-2.0-only
"""A stand-in for HPE's Cray PE: its modules and wrappers, with free compilers and libraries behind them."""
