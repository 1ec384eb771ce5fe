# SPDX-License-Identifier: GPL-2.0-only
"""
What the library costs, measured side by side: `ci/bench`.

A benchmark is a function in a file of its own that is registered by name (registry.py) and imported below.
"""
from . import affected, dry_run, environments, file_calls, parse, survey, verify  # noqa: F401 (imported to be registered)
