# SPDX-License-Identifier: GPL-2.0-only
"""The fabric, and MPI over it, for what was not built here: what foreign programs want, and how they run."""
