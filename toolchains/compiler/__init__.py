# SPDX-License-Identifier: GPL-2.0-only
"""Compiler parts of the cpe* toolchains."""
