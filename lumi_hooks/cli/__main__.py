# SPDX-License-Identifier: GPL-2.0-only
"""python -m lumi_hooks.cli"""
import sys

from . import main

sys.exit(main())
