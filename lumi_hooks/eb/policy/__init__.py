# SPDX-License-Identifier: GPL-2.0-only
"""What this `eb` may read, which options it takes, and what it sees: the gate, prefixes, modules, jobs."""
