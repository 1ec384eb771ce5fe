# SPDX-License-Identifier: GPL-2.0-only
"""
What a login on Dardel finds besides the Cray PE, by our reading of public facts: the modules PDC/<release>,
easybuild-user/4.9.4 and cpeGNU/<release>, EasyBuild 4.9.4 with its own naming scheme, and of build tools CMake alone.

The names of the folders below ROOT/pdc are made up; docs/another-cray.md says what PDC is to be asked.
"""
import shutil

from ..layout import HERE, RELEASES, SITES, read_json
from ..lumi import easybuildinstall
from ..lumi.metadata import metadata
from ..steps import Staging, write

EASYBUILD = '4.9.4'
# PDC's version, and the nearest that PyPI has
CMAKE, WHEEL = '3.31.3', 'cmake==3.31.2'
STACK = HERE / 'lumi/stack/easybuild'   # PDC borrows LUMI's toolchains and easyblocks

LOGIN = '''# Sourced by enter.sh: the rest of a login on Dardel.
export MODULEPATH="%(modules)s:%(modules)s/easybuild/system:$MODULEPATH"
[ -n "${USER:-}" ] || export USER="$(id -un)"
module load craype-x86-rome craype-network-ofi perftools-base xpmem PrgEnv-gnu
'''

RELEASE = '''help([[The software of PDC for release %(release)s of the Cray PE.]])
family('PDC')
setenv('CRAY_PE_VERSION', '%(release)s')
prepend_path('MODULEPATH', '%(modules)s/tools')
prepend_path('MODULEPATH', '%(modules)s/%(release)s')
'''

USER = '''help([[EasyBuild for the folder that EB_USER_PREFIX names.]])
local prefix = os.getenv('EB_USER_PREFIX') or pathJoin(os.getenv('HOME'), '.local/easybuild')
if mode() == 'load' then
   for _, name in ipairs({'modules/all', 'easyconfigs'}) do
      local folder = pathJoin(prefix, name)
      if not isDir(folder) then execute{cmd='mkdir -p ' .. folder, modeA={'load'}} end
   end
end
load('EasyBuild/%(easybuild)s')
setenv('EB_USER_PREFIX', prefix)
setenv('EASYBUILD_PREFIX', prefix)
setenv('EASYBUILD_MODULES_TOOL', 'Lmod')
setenv('EASYBUILD_MODULE_SYNTAX', 'Lua')
setenv('EASYBUILD_MODULE_NAMING_SCHEME', 'EasyBuildMNS')
setenv('EASYBUILD_CHECK_EBROOT_ENV_VARS', 'ignore')
setenv('EASYBUILD_OPTARCH', 'x86-rome')
setenv('EASYBUILD_ROBOT_PATHS', pathJoin(prefix, 'easyconfigs') .. ':%(pdc)s/easyconfigs')
setenv('EASYBUILD_SOURCEPATH', pathJoin(prefix, 'sources') .. ':%(pdc)s/sources')
setenv('EASYBUILD_INCLUDE_TOOLCHAINS', '%(pdc)s/easybuild/toolchains/*.py,%(pdc)s/easybuild/toolchains/compiler/*.py')
setenv('EASYBUILD_INCLUDE_EASYBLOCKS', '%(pdc)s/easybuild/easyblocks/*/*.py')
setenv('EASYBUILD_EXTERNAL_MODULES_METADATA', '%(pdc)s/easybuild/metadata.cfg')
prepend_path('MODULEPATH', pathJoin(prefix, 'modules/all'))
'''

TOOL = '''help([[CMake, a module of PDC's for every toolchain; behind it is a wheel.]])
prepend_path('PATH', '%(prefix)s/cmake/data/bin')
prepend_path('CMAKE_PREFIX_PATH', '%(prefix)s/cmake/data')
setenv('EBROOTCMAKE', '%(prefix)s/cmake/data')
setenv('EBVERSIONCMAKE', '%(version)s')
'''


class Tree:
    """The folders of PDC's software below one root of the stand-in."""

    def __init__(self, layout):
        """layout: of the stand-in Cray PE below it."""
        self.pdc = layout.root / 'pdc'
        self.modules = self.pdc / 'modules'

    def easybuild(self, version):
        """Prefix of an EasyBuild installation."""
        return self.pdc / 'EasyBuild' / version


def build(builder, releases):
    """Run the steps.

    builder: runs and stamps them. releases: Release objects.
    """
    layout, tree = builder.layout, Tree(builder.layout)
    machine = read_json(SITES / layout.site / 'machine.json')
    python = layout.python(releases[-1].version('cray-python')) / 'bin/python3.11'
    builder.step('dardel-modules', "PDC's modules -> %s" % tree.modules, lambda: write_modules(tree, releases, machine),
                 [[release.data for release in releases], machine, str(python)],
                 ['dardel/__init__.py', 'lumi/metadata.py'])
    builder.step('dardel-easybuild', 'EasyBuild %s (a minute)' % EASYBUILD,
                 lambda: easybuildinstall.install(builder, tree, EASYBUILD, python), [EASYBUILD, str(python)],
                 ['lumi/easybuildinstall.py'])
    prefix = tree.pdc / 'cmake' / CMAKE
    builder.step('dardel-cmake', 'cmake/%s -> %s' % (CMAKE, prefix),
                 lambda: install_cmake(builder, tree, python, prefix), [CMAKE, WHEEL, str(python)])


def install_cmake(builder, tree, python, prefix):
    """Install CMake as PDC's recipes load it, by its name in small letters: a wheel.

    builder: runs the commands. tree: where. python: its pip installs. prefix: where to.
    """
    with Staging(prefix) as folder:
        builder.run([python, '-m', 'pip', 'install', '--no-deps', '--no-compile', '--target', folder, WHEEL],
                    'installing ' + WHEEL, log='cmake')
    write(tree.modules / 'tools/cmake' / (CMAKE + '.lua'), TOOL % {'prefix': prefix, 'version': CMAKE})


def write_modules(tree, releases, machine):
    """Write the modules and what EasyBuild is configured with.

    tree: where. releases: Release objects. machine: the site's machine.json.
    """
    with Staging(tree.modules / 'PDC') as folder:
        for release in releases:
            write(folder / (release.name + '.lua'), RELEASE % {'release': release.name, 'modules': tree.modules})
    write(tree.modules / 'easybuild-user' / (EASYBUILD + '.lua'), USER % {'easybuild': EASYBUILD, 'pdc': tree.pdc})
    for release in releases:
        for name, about in read_json(RELEASES / 'toolchains.json')['toolchains'].items():
            if name in machine['partitions']['cpu']['toolchains']:
                write(tree.modules / release.name / name / (release.name + '.lua'),
                      toolchain(name, about, release, machine))
    with Staging(tree.pdc / 'easybuild') as folder:
        for name in ('toolchains', 'easyblocks'):
            shutil.copytree(STACK / name, folder / name)
        write(folder / 'metadata.cfg', metadata())
    for name in ('easyconfigs', 'sources'):
        (tree.pdc / name).mkdir(parents=True, exist_ok=True)
    write(tree.pdc / 'enter-pdc.sh', LOGIN % {'modules': tree.modules})


def toolchain(name, about, release, machine):
    """Return the text of the module of a cpe* toolchain, as LUMI's easyblock would write it."""
    known = read_json(RELEASES / 'toolchains.json')
    compiler = next(module for module in about['compiler'] if module in release.modules)
    modules = ['%s/%s' % (module, release.modules[module]) for module in (about['prgenv'], compiler, *known['always'])]
    lines = ['-- %s/%s: compilers, MPI and LibSci of the Cray PE' % (name, release.name), 'family("cpeToolchain")']
    for module in machine['partitions']['cpu']['targets'] + modules + known['unversioned']:
        lines.append('if not ( isloaded("%s") ) then\n    load("%s")\nend' % (module, module))
    return '\n'.join([*lines, 'setenv("EBROOT%s", "")' % name.upper(),
                      'setenv("EBVERSION%s", "%s")' % (name.upper(), release.name)]) + '\n'
