# SPDX-License-Identifier: GPL-2.0-only
"""One installation, from its lock to its record: what hooks and patches do while a package is installed."""
