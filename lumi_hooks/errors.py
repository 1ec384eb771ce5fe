# SPDX-License-Identifier: GPL-2.0-only
"""The errors of the library: each is one sentence that says what to do."""


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
