# SPDX-License-Identifier: GPL-2.0-only
"""Upstream's generic easyblocks, with fixes."""
