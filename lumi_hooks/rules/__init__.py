# SPDX-License-Identifier: GPL-2.0-only
"""The rules, listed once, in the order in which they act."""
from typing import Tuple

from .base import Rule
from .compiler import compiler_strictness
from .dependencies import (
    central_tools,
    cray_provided,
    impossible,
    release_version,
    toolchain_fft,
    toolchain_provided,
)
from .easyblock import easyblock
from .known import package_dependencies
from .python import python_bound, python_carried
from .pythonbuild import python_build_tools
from .templates import suffix, templates
from .toolchain import other_compiler, toolchain

RULES: Tuple[Rule, ...] = (
    # what the recipe means is written out before anything changes
    templates,
    toolchain,
    other_compiler,
    # before anything stands in for a dependency: what is added or moved is treated like any other
    package_dependencies,
    impossible,
    easyblock,
    python_bound,
    toolchain_provided,
    central_tools,
    python_carried,
    cray_provided,
    toolchain_fft,
    python_build_tools,
    release_version,
    suffix,
    compiler_strictness,
)
