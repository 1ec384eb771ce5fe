# SPDX-License-Identifier: GPL-2.0-only
"""The rules by id, and what one of them says of a recipe that no other rule has changed."""
from lumi_hooks import gpu
from lumi_hooks.rules import RULES
from lumi_hooks.rules.draft import Draft

BY_ID = {entry.id: entry for entry in RULES}


def says(rule_id, recipe, site):
    """What one rule says of a recipe that no other rule has changed."""
    return list(BY_ID[rule_id](Draft(recipe), gpu.site_for_recipe(recipe, site)))
