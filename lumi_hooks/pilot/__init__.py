# SPDX-License-Identifier: GPL-2.0-only
"""
What this project had to assume of LUMI, and what a run of ci/pilot found there.

assumptions.json   what is assumed, where it stands, and by which fact of a probe it is judged
probe.py           reads the facts that ci/pilot wrote
compare.py         judges each assumption by them
page.py            the table of the assumptions in docs/pilot.md
"""
