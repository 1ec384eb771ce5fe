# SPDX-License-Identifier: GPL-2.0-only
"""The rules of `verify`, a file a topic; each is registered under its id in RULES."""
from . import compilers, files, gpu, libraries, links, symbols, texts  # noqa: F401 (they register their rules)
from .base import RULES, InstallationFacts, Problem, Rule

__all__ = ['RULES', 'InstallationFacts', 'Problem', 'Rule']
