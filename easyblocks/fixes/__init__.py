# SPDX-License-Identifier: GPL-2.0-only
"""Upstream's easyblocks, with fixes: each replaces upstream's by class name, with why and until when."""
