# SPDX-License-Identifier: GPL-2.0-only
"""The errors of the library: each is one sentence that says what to do."""
import sys

# packages that lumi-eb can do without, as setup.cfg has them (extras)
PACKAGES = {'cyclonedx-python-lib': '>=11,<12', 'zstandard': '>=0.20,<1'}
FOLDER = '$HOME/.local/lib/lumi-hooks'


def packages_remedy(name: str) -> str:
    """
    How to get a package for the Python that runs lumi-eb: into a folder of its own, as neither that Python nor the
    clone need be the user's, and as what lies there is then found by this one command, and by no build.

    :param name: one of PACKAGES
    """
    return f'once {sys.executable} -m pip install --target "{FOLDER}" "{name}{PACKAGES[name]}", and then ' \
           f'PYTHONPATH="{FOLDER}${{PYTHONPATH:+:$PYTHONPATH}}" lumi-eb …'


class LumiHooksError(Exception):
    """Something that the user can fix; the text is shown as it is, without a traceback."""


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
