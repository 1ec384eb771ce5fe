# SPDX-License-Identifier: GPL-2.0-only
"""The stack's own files: LUMI-SoftwareStack, LUMI-EasyBuild-contrib, module links, defaults, login script."""
import shutil

from ..steps import Staging, link, write
from . import tree as where
from .metadata import metadata
from .recipes import write_recipes

LOGIN = '''# Sourced by enter.sh: the rest of a login on LUMI.
# init-lumi: the software stacks are on the module path, the Cray PE with its default modules is loaded.
export LMOD_PACKAGE_PATH='%(repository)s/LMOD'
export MODULEPATH="%(modules)s/SoftwareStack:$MODULEPATH"
[ -n "${USER:-}" ] || export USER="$(id -un)"
if [ -d '%(core)s/PrgEnv-cray' ]; then _env=PrgEnv-cray; else _env=PrgEnv-gnu; fi
module load craype-x86-rome craype-network-ofi perftools-base xpmem $_env
unset _env
'''


def write_repository(tree, releases):
    """Write ROOT/appl/lumi/LUMI-SoftwareStack and -contrib, whole, in one rename each.

    tree: where. releases: Release objects of the stacks.
    """
    with Staging(tree.repository) as folder:
        shutil.copytree(where.HERE / 'stack', folder, dirs_exist_ok=True)
        write(folder / 'LMOD/machine.lua', machine_data(tree, releases))
        for release in releases:
            write(folder / 'CrayPE' / ('CPEpackages_%s.csv' % release.name), packages_csv(release))
            write(folder / 'easybuild/config' / ('external_modules_metadata-CPE-%s.cfg' % release.name),
                  metadata())
        write_recipes(folder / 'easybuild/easyconfigs', releases)
    with Staging(tree.contrib) as folder:
        dummy = 'easybuild/easyblocks/00/00dummy.py'
        (folder / dummy).parent.mkdir(parents=True)
        shutil.copy(where.HERE / 'stack' / dummy, folder / dummy)
        write_recipes(folder / 'easybuild/easyconfigs', releases, contrib=True)


def machine_data(tree, releases):
    """Return the Lua data file that the module files read."""
    machine = where.machine()
    root = tree.layout
    return 'return ' + where.lua({
        'order': where.facts()['partitions'],
        'partitions': {name: {key: data[key] for key in ('description', 'hosts', 'targets', 'optarch')}
                       for name, data in machine['partitions'].items()},
        'stacks': {release.name: {'cpe': release.data['cpe'], 'easybuild': where.easybuild_version(release)}
                   for release in releases},
        'cray_modulepath': [str(root / name) for name in (
            'opt/cray/pe/lmod/modulefiles/core', 'opt/cray/pe/lmod/modulefiles/craype-targets/default',
            'opt/cray/modulefiles', 'opt/modulefiles', 'usr/share/Modules/modulefiles',
            'usr/share/modulefiles')],
    }) + '\n'


def packages_csv(release):
    """Return the version table of a release in the form of LUMI's CPEpackages (keys: module names)."""
    rows = sorted(release.modules.items()) + [('EasyBuild', release.data['easybuild'])]
    return 'Package,Version\n' + ''.join('%s,%s\n' % row for row in rows)


def write_modules(tree, releases):
    """Make the module tree of the stacks: links to the repository's files, defaults, empty folders."""
    partitions = where.facts()['partitions']
    source = tree.repository / 'modules'
    for release in releases:
        name = release.name
        link(source / 'LUMIstack/25.01.lua', tree.modules / 'SoftwareStack/LUMI' / (name + '.lua'))
        for partition in partitions:
            link(source / 'LUMIpartition/25.01.lua',
                 tree.modules / 'SystemPartition/LUMI' / name / 'partition' / (partition + '.lua'))
            infrastructure = tree.infrastructure(name, partition)
            for mode in ('user', 'production', 'infrastructure'):
                link(source / 'EasyBuild-config/25.01.lua',
                     infrastructure / ('EasyBuild-' + mode) / 'LUMI.lua')
            link(source / 'EasyBuild/unlock.lua', infrastructure / 'EasyBuild-unlock/LUMI.lua')
            for folder in (tree.central(name, partition),
                           tree.lumi / 'SW' / ('LUMI-' + name) / partition / 'EB',
                           tree.lumi / 'mgmt/ebfiles_repo' / ('LUMI-' + name) / ('LUMI-' + partition)):
                folder.mkdir(parents=True, exist_ok=True)
        write(tree.lumi / 'mgmt/LMOD/ModuleRC' / ('LUMIstack_%s_modulerc.lua' % name), defaults(release))
        write(tree.lumi / 'mgmt/LMOD/VisibilityHookData' / ('CPEmodules_%s.lua' % name.replace('.', '_')),
              'CPEmodules = ' + where.lua(release.modules) + '\n')
    for folder in (tree.modules / 'easybuild/system', tree.modules / 'easybuild/container', tree.sources,
                   tree.lumi / 'containers', tree.lumi / 'packages',
                   tree.layout.root / 'appl/local/containers/easybuild-sif-images'):
        folder.mkdir(parents=True, exist_ok=True)
    write(tree.enter, LOGIN % {
        'core': tree.layout.pe / 'lmod/modulefiles/core', 'repository': tree.repository, 'modules': tree.modules})


def defaults(release):
    """Return the modulerc of a stack: the default versions of Cray PE modules; EasyBuild is hidden."""
    lines = ['module_version("%s/%s", "default")' % pair for pair in sorted(release.modules.items())]
    lines += ['hide_version("EasyBuild/%s")' % version
              for version in sorted({where.easybuild_version(release), where.facts()['easybuild']})]
    return '\n'.join(lines) + '\n'
