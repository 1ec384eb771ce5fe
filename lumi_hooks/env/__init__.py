# SPDX-License-Identifier: GPL-2.0-only
"""
Personal environments: one file says what is in one, and one module loads all of it.

spec.py reads the file, resolve.py plans it, lock.py keeps what it was resolved to, recipe.py writes the recipe that
`eb` installs it by, generations.py knows what is installed. Inside `eb` the easyblock (easyblocks/fixes_generic/
lumienvironment.py) uses module.py alone.
"""
