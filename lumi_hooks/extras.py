# SPDX-License-Identifier: GPL-2.0-only
"""The packages that lumi-eb can do without, and how to get one."""
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
