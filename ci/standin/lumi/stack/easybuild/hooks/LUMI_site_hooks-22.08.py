# SPDX-License-Identifier: GPL-2.0-only
"""LUMI's EasyBuild hooks as every LUMI stack loads them, in our own words.

The behaviour is LUMI's, its weaknesses included (no default for $LUMI_EASYBUILD_MODE and $USER). One thing
differs: the Lmod cache that end_hook removes is looked for in the user's home, not under /users.
"""
import os
import shutil

from easybuild.tools.build_log import EasyBuildError

CPE_TOOLCHAINS = ('cpeGNU', 'cpeCray', 'cpeAOCC', 'cpeAMD', 'cpeIntel', 'cpeNVIDIA')
SITE_CONTACTS = 'https://lumi-supercomputer.eu/user-support/need-help/'

TARGETS = {
    'C': ['craype-x86-milan', 'craype-accel-host', 'craype-network-ofi'],
    'G': ['craype-x86-trento', 'craype-accel-amd-gfx90a', 'craype-network-ofi'],
    'D': ['craype-x86-rome', 'craype-accel-host', 'craype-network-ofi'],
    'L': ['craype-x86-rome', 'craype-accel-host', 'craype-network-ofi'],
    'common': ['craype-x86-rome', 'craype-accel-host', 'craype-network-ofi'],
}


def parse_hook(ec, *args, **kwargs):
    """Fill in contacts and targets; in user mode refuse recipes of another release."""
    mode = os.environ['LUMI_EASYBUILD_MODE']

    if mode in ('production', 'infrastructure') and ec['site_contacts'] is None:
        ec['site_contacts'] = SITE_CONTACTS

    if ec.name in CPE_TOOLCHAINS and 'cray_targets' in ec and not ec['cray_targets']:
        ec['cray_targets'] = TARGETS[os.environ['LUMI_STACK_PARTITION']]

    if mode == 'user' and ec['toolchain']['name'] in CPE_TOOLCHAINS:
        release = os.environ['LUMI_STACK_CPE_VERSION']
        if ec['toolchain']['version'] != release:
            raise EasyBuildError(
                'Toolchain %s/%s does not fit the loaded software stack, which is for release %s: '
                'load another LUMI module or use another recipe.',
                ec['toolchain']['name'], ec['toolchain']['version'], release)


def end_hook(*args, **kwargs):
    """Remove Lmod's user cache, so that new modules are seen at once."""
    os.environ['USER']
    home = os.path.expanduser('~')
    for path in ('.lmod.d/.cache', '.cache/lmod'):
        shutil.rmtree(os.path.join(home, path), ignore_errors=True)
