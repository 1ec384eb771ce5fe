# SPDX-License-Identifier: GPL-2.0-only
"""What happens inside `eb`: the session, live recipes, and the modules that a build sees. Imports EasyBuild."""
