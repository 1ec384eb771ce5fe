# SPDX-License-Identifier: GPL-2.0-only
"""What a site offers (catalogue.py), and exactly what of it a change affects (compare.py), found by adapting twice."""
