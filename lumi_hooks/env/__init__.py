# SPDX-License-Identifier: GPL-2.0-only
"""
Personal environments: one file says what is in one, and one module loads all of it.

spec.py reads the file, resolve.py plans it, lock.py keeps what it was resolved to, recipe.py writes the recipe that
`eb` installs it by, generations.py knows what is installed. Inside `eb` the easyblock (easyblocks/fixes_generic/
lumienvironment.py) uses module.py for the module, and installing.py for the rest: wheels.py for Python packages (with
pip.py, asked.py, foreign.py, stored.py), pack.py for the image that they are kept in (wrapper.sh, epilog.sh).
"""
