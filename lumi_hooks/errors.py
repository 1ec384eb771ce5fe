# SPDX-License-Identifier: GPL-2.0-only
"""The errors of the library: each is one sentence that says what to do."""
import os
import sys


def packages_remedy() -> str:
    """
    How to get a Python with all that lumi-eb needs: an environment, as a package of one's own home depends on which
    Python is loaded. Said seldom, so it is looked up then, and not when `eb` starts.
    """
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    source = here if os.path.isfile(os.path.join(here, 'setup.cfg')) else 'lumi-hooks'
    return f'once "{sys.executable} -m venv DIR && DIR/bin/pip install {source}", and then ' \
           '"export LUMI_HOOKS_PYTHON=DIR/bin/python"'


class LumiHooksError(Exception):
    """Something that the user can mend; the text is shown as it is, without a traceback."""


class DataError(LumiHooksError):
    """A data file of the library (or of a user) is wrong: duplicate key, missing field, unknown name."""


class SiteError(LumiHooksError):
    """The environment does not say, or contradicts itself on, where we are."""


class RecipeError(LumiHooksError):
    """A recipe can't be found or read."""


class TrustError(LumiHooksError):
    """A file is not read as code, or followed as configuration: others could have written it."""


class UntrustedRecipeError(TrustError, RecipeError):
    """The same of a recipe."""
