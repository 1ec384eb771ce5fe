# SPDX-License-Identifier: GPL-2.0-only
"""The rules, listed once, in the order in which they act."""
from typing import Tuple

from .base import Rule
from .dependencies import (
                           central_tools,
                           cray_provided,
                           impossible,
                           release_version,
                           toolchain_fft,
                           toolchain_provided,
)
from .python import python_bound
from .toolchain import toolchain

RULES: Tuple[Rule, ...] = (
    toolchain,
    impossible,
    python_bound,
    toolchain_provided,
    central_tools,
    cray_provided,
    toolchain_fft,
    release_version,
)
