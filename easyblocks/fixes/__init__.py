# SPDX-License-Identifier: GPL-2.0-only
"""Upstream's easyblocks, mended: each takes the place of upstream's by class name, with why and until when."""
