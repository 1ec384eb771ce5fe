# SPDX-License-Identifier: GPL-2.0-only
"""Real EasyBuild installations, run by cray-python as on LUMI: modules EasyBuild/<version>."""
from ..layout import Problem
from ..steps import Staging, write

PARTS = ('framework', 'easyblocks', 'easyconfigs')

MODULE = '''-- EasyBuild %(version)s, with its easyblocks and easyconfigs.
help([[EasyBuild builds and installs software. Load EasyBuild-user instead of this module.]])
whatis('Description: EasyBuild %(version)s')
conflict('EasyBuild')
local root = '%(prefix)s'
prepend_path('PATH', pathJoin(root, 'bin'))
prepend_path('PYTHONPATH', pathJoin(root, '%(packages)s'))
setenv('EBROOTEASYBUILD', root)
setenv('EBVERSIONEASYBUILD', '%(version)s')
setenv('EBDEVELEASYBUILD', pathJoin(root, 'easybuild/EasyBuild-%(version)s-easybuild-devel'))
setenv('EB_PYTHON', '%(python)s')
setenv('EB_INSTALLPYTHON', '%(python)s')
setenv('EASYBUILD_DISABLE_RPATH', '1')
'''
PACKAGES = 'lib/python3.11/site-packages'


def install(builder, tree, version, python):
    """Install one EasyBuild version from PyPI below SW/system and write its module.

    builder: runs the commands. tree: where. version: of EasyBuild. python: the interpreter that runs it.
    Raises Problem if pip does not get it.
    """
    prefix = tree.easybuild(version)
    with Staging(prefix) as folder:
        wanted = ['easybuild-%s==%s' % (part, version) for part in PARTS]
        builder.run([python, '-m', 'pip', 'install', '--no-deps', '--no-compile', '--ignore-installed',
                     '--no-warn-script-location', '--prefix', folder] + wanted,
                    'installing EasyBuild ' + version, log='easybuild')
        if not (folder / 'easybuild/easyconfigs').is_dir():
            raise Problem('EasyBuild %s came without its easyconfigs' % version)
        packages = folder / PACKAGES
        builder.run([python, '-m', 'compileall', '-q', '-s', folder, '-p', prefix, packages],
                    'compiling EasyBuild', log='easybuild')
    write(tree.modules / 'easybuild/system/EasyBuild' / (version + '.lua'),
          MODULE % {'version': version, 'prefix': prefix, 'python': python, 'packages': PACKAGES})
