# SPDX-License-Identifier: GPL-2.0-only
"""A small Cray PE of real Lmod modules, and EasyBuild run in processes of its own."""

import json
import os
import subprocess
import sys

import pytest

from lumi_hooks.data import load_json
from tests.lmod_command import require_lmod

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RELEASE = '25.03'

INCLUDE_EASYBLOCKS = os.path.join(ROOT, 'easyblocks', '*.py')
INCLUDE_TOOLCHAINS = ','.join(
    [os.path.join(ROOT, 'toolchains', '*.py'), os.path.join(ROOT, 'toolchains', 'compiler', '*.py')]
)

class Cray:
    """The folders of the small Cray PE, and the ways to run EasyBuild on it."""

    def __init__(self, root):
        self.root = str(root)
        self.modules = os.path.join(self.root, 'modules')
        self.libsci = os.path.join(self.root, 'libsci')
        self.mpich = os.path.join(self.root, 'mpich')
        self.fftw = os.path.join(self.root, 'fftw')
        self.installed = os.path.join(self.root, 'installed')

    def environment(self, partition='C', **more):
        """Return an environment with these modules and nothing of the caller's Lmod or EasyBuild."""
        env = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(
                ('EASYBUILD_', 'LMOD_', '_ModuleTable', 'LUMI_', 'EBROOT', 'EBVERSION', 'CRAY', 'PE_')
            )
        }
        env.pop('LOADEDMODULES', None)
        env.pop('_LMFILES_', None)
        prefix = os.path.join(self.installed, partition or 'none')
        env.update(
            {
                'LMOD_CMD': require_lmod(),
                'MODULEPATH': ':'.join(
                    [os.path.join(prefix, 'modules', 'all'), os.path.join(self.modules, 'core')]
                ),
                'PATH': os.path.dirname(sys.executable) + ':' + os.environ['PATH'],
                'HOME': self.root,
                'EASYBUILD_PREFIX': prefix,
                'EASYBUILD_ROBOT_PATHS': os.path.join(ROOT, 'easyconfigs'),
                'EASYBUILD_ALLOW_USE_AS_ROOT_AND_ACCEPT_CONSEQUENCES': '1',
                'PYTHONPATH': ROOT,
            }
        )
        if partition:
            env['LUMI_STACK_PARTITION'] = partition
        env.update(more)
        return {k: v for k, v in env.items() if v is not None}

    def eb(self, *arguments, partition='C', **more):
        """Run eb; return the finished process."""
        return subprocess.run(
            [sys.executable, '-m', 'easybuild.main', *arguments],
            universal_newlines=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            env=self.environment(partition, **more),
            cwd=self.root,
        )

    def probe(self, *cases, arguments=(), how='package', partition='C', **more):
        """Prepare toolchains in one EasyBuild session; return a list of what each case gave."""
        done = subprocess.run(
            [sys.executable, os.path.join(HERE, 'toolchain_probe.py')],
            universal_newlines=True,
            input=json.dumps({'how': how, 'arguments': list(arguments), 'cases': cases, 'root': ROOT}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
            env=self.environment(partition, **more),
            cwd=self.root,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])


def build_cray(folder):
    """Make the small Cray PE in a folder, with the module of cpeGNU installed by eb for partition C."""
    pytest.importorskip('easybuild.framework', reason='EasyBuild is not installed for this Python')
    require_lmod()
    tree = Cray(folder)
    _write_modules(tree)
    done = tree.eb('cpeGNU-%s.eb' % RELEASE, '--include-easyblocks', INCLUDE_EASYBLOCKS)
    assert done.returncode == 0, done.stdout
    return tree


def _write_modules(tree):
    """Write modules in the places where Cray has them: MPI is seen only with network and compiler."""
    versions = load_json('releases/cpe/%s.json' % RELEASE)['modules']
    machine = load_json('sites/lumi/machine.json')

    def module(folder, name, *lines, version=True):
        path = os.path.join(tree.modules, folder, name + ('/' + versions[name] if version else '') + '.lua')
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as stream:
            stream.write('\n'.join(lines) + '\n')

    def library(folder, *names):
        os.makedirs(os.path.join(folder, 'lib'))
        os.makedirs(os.path.join(folder, 'include'))
        for name in names:
            for suffix in ('.so', '.a'):
                with open(os.path.join(folder, 'lib', 'lib' + name + suffix), 'w', encoding='utf-8'):
                    pass

    # EasyBuild looks into library folders for names only
    library(
        tree.libsci,
        *('sci_%s%s%s' % (c, m, t) for c in ('gnu', 'cray', 'aocc', 'amd') for m in ('', '_mpi') for t in ('', '_mp')),
    )
    library(tree.mpich, 'mpich')
    library(tree.fftw, 'fftw3', 'fftw3_omp', 'fftw3_mpi')

    bindir = os.path.join(tree.root, 'craype', 'bin')
    os.makedirs(bindir)
    for wrapper, compiler in (('cc', 'gcc'), ('CC', 'g++'), ('ftn', 'gfortran')):
        path = os.path.join(bindir, wrapper)
        with open(path, 'w', encoding='utf-8') as stream:
            stream.write('#!/bin/sh\nexec %s "$@"\n' % compiler)
        os.chmod(path, 0o755)

    module('core', 'PrgEnv-gnu', 'family("PrgEnv")', 'setenv("PE_ENV", "GNU")')
    module('core', 'craype', 'prepend_path("PATH", "%s")' % bindir)
    module(
        'core',
        'gcc-native',
        'family("compiler")',
        'setenv("GCC_VERSION", "%s")' % versions['gcc-native'],
        'prepend_path("MODULEPATH", "%s/gnu")' % tree.modules,
    )
    for target in {t for p in machine['partitions'].values() for t in p['targets']}:
        lines = ['prepend_path("MODULEPATH", "%s/ofi")' % tree.modules] if 'network' in target else []
        lines += (
            ['family("craype_cpu")', 'setenv("CRAY_CPU_TARGET", "%s")' % target] if 'x86' in target else []
        )
        module('core', target, *lines, version=False)
    for name in ('cray-dsmml', 'perftools-base', 'rocm'):
        module('core', name)
    module('core', 'xpmem/2.8.2', version=False)
    module(
        'ofi',
        'cray-mpich',
        'setenv("CRAY_MPICH_DIR", "%s")' % tree.mpich,
        'setenv("CRAY_MPICH_VERSION", "%s")' % versions['cray-mpich'],
    )
    module('gnu', 'cray-libsci', 'setenv("CRAY_PE_LIBSCI_PREFIX_DIR", "%s")' % tree.libsci)
    module(
        'gnu',
        'cray-fftw',
        'setenv("CRAY_FFTW_PREFIX", "%s")' % tree.fftw,
        'setenv("CRAY_FFTW_VERSION", "%s")' % versions['cray-fftw'],
    )
