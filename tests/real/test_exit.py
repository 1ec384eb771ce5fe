# SPDX-License-Identifier: GPL-2.0-only
"""The exit: archived recipes install with LUMI's own EasyBuild, classes and hooks file, without this library."""
import hashlib
import subprocess

import pytest

from .conftest import ROOT, Lumi
from .test_live import tiny

METADATA = ROOT / 'easyconfigs' / 'cray-modules-25.03.cfg'

PYTHON = """easyblock = 'PythonBundle'
name = 'purest'
version = '1.0'
homepage = 'https://example.org'
description = "a Python package"
toolchain = {{'name': 'GCCcore', 'version': '14.2.0'}}
dependencies = [('Python', '3.13.1')]
exts_list = [(name, version, {{'checksums': ['{sha256}'], 'source_tmpl': 'purest-1.0.tar.gz'}})]
moduleclass = 'tools'
"""


def pair(standin, sources, upstream, tmp_path):
    """A prefix that is used with the hooks and one that is used without, both with LUMI/25.03's EasyBuild."""
    found = []
    for name in ('with', 'without'):
        (tmp_path / f'home-{name}').mkdir()
        found.append(Lumi(standin, sources, upstream, tmp_path / name, tmp_path / f'home-{name}', easybuild='5.1.2'))
    return found


def archived(lumi, name):
    """Path of a recipe in the archive of a prefix."""
    path, = (lumi.prefix / 'ebfiles_repo').rglob(name)
    return path


def back_ends(lumi):
    """The folder of the archive that has what Python packages are built with."""
    return archived(lumi, 'Python-build-backends-25.03-cray-python3.11-setuptools80.eb').parent


def without_the_library(lumi, arguments, metadata=True):
    """Run `eb` as EasyBuild-user leaves it, with the metadata of docs/leaving.md and nothing else of this library."""
    more = f'export EASYBUILD_EXTERNAL_MODULES_METADATA="$EASYBUILD_EXTERNAL_MODULES_METADATA,{METADATA}"\n'
    done = lumi.run((more if metadata else '') + f'echo "hooks: $EASYBUILD_HOOKS"\neb {arguments}')
    assert 'LUMI_site_hooks' in done.stdout and 'lumi_hooks/hooks.py' not in done.stdout
    return done


def source(folder, name, files):
    """A source with these files; returns its sha256."""
    (folder / name).mkdir()
    for path, text in files.items():
        (folder / name / path).write_text(text)
    subprocess.run(['tar', 'czf', folder / f'{name}.tar.gz', '-C', folder, name], check=True)
    return hashlib.sha256((folder / f'{name}.tar.gz').read_bytes()).hexdigest()


@pytest.mark.long
def test_archived_recipes_install_without_the_hooks(standin, sources, upstream, tmp_path):
    """A program with a patch that uses Cray's HDF5, and lz4 of upstream: the archive is all that is taken along."""
    hooked, plain = pair(standin, sources, upstream, tmp_path)
    mine = tmp_path / 'mine'
    mine.mkdir()
    sha256 = source(mine, 'tiny-1.0', {'tiny.c': 'int main(void) { return 1; }\n'})
    (mine / 'tiny-1.0_fix.patch').write_text(
        '--- a/tiny.c\n+++ b/tiny.c\n@@ -1 +1 @@\n-int main(void) { return 1; }\n+int main(void) { return 0; }\n')
    recipe = tiny(mine, extra="sources = ['tiny-1.0.tar.gz']\nprebuildopts = ''\npatches = ['tiny-1.0_fix.patch']\n"
                  f"checksums = ['{sha256}']\ndependencies = [('HDF5', '1.14.6'), ('lz4', '1.10.0')]\n"
                  "builddependencies = [('CMake', '3.31.3')]\n")
    hooked.eb(f'{recipe} --sourcepath={mine}:{sources} -r')
    (mine / 'tiny-1.0_fix.patch').unlink()
    recipe.unlink()
    done = without_the_library(plain, f'{archived(hooked, "tiny-1.0-cpeGNU-25.03.eb")} -r '
                               f'{archived(hooked, "lz4-1.10.0-cpeGNU-25.03.eb").parent} --sourcepath={mine}:{sources}')
    assert done.returncode == 0, done.stdout[-4000:]
    for name, version in (('tiny', '1.0-cpeGNU-25.03'), ('lz4', '1.10.0-cpeGNU-25.03')):
        assert not (plain.software(name, version) / 'easybuild' / 'lumi').exists()
    told = plain.run('module load tiny/1.0-cpeGNU-25.03 && tiny && lz4 --version && module list 2>&1', check=True)
    assert 'cray-hdf5/' in told.stdout and 'lz4/1.10.0-cpeGNU-25.03' in told.stdout
    assert not (plain.prefix / '.lumi-hooks').exists()


@pytest.mark.long
def test_packages_of_cray_python_install_without_the_hooks(standin, sources, upstream, tmp_path):
    """Their default sanity check needs cray-python's version: LUMI's metadata lacks it, the generated file has it."""
    hooked, plain = pair(standin, sources, upstream, tmp_path)
    mine = tmp_path / 'mine'
    mine.mkdir()
    sha256 = source(mine, 'purest-1.0', {
        'setup.py': "from setuptools import setup\nsetup(name='purest', version='1.0', py_modules=['purest'])\n",
        'purest.py': 'ANSWER = 42\n'})
    recipe = mine / 'purest-1.0-GCCcore-14.2.0.eb'
    recipe.write_text(PYTHON.format(sha256=sha256))
    # the packages of upstream's Python, whose sources are not part of the tests', are not the matter here
    hooked.eb(f'{recipe} --sourcepath={mine}:{sources} -r', LUMI_HOOKS_DISABLE='python-run-time')
    again = f'{archived(hooked, "purest-1.0-cpeGNU-25.03.eb")} -r {back_ends(hooked)} --sourcepath={mine}:{sources}'
    done = without_the_library(plain, again, metadata=False)
    assert done.returncode != 0 and 'lib/pythonCRAY_PYTHON_VERSION/site-packages' in done.stdout, done.stdout[-3000:]
    done = without_the_library(plain, again)
    assert done.returncode == 0, done.stdout[-4000:]
    told = plain.run('module load purest/1.0-cpeGNU-25.03 && python3 -c "import purest; print(purest.ANSWER)"',
                     check=True)
    assert told.stdout.splitlines()[-1] == '42'


@pytest.mark.long
def test_mpi4py_is_built_again_without_the_hooks(standin, sources, upstream, slurm, tmp_path):
    hooked, plain = pair(standin, sources, upstream, tmp_path)
    hooked.eb('mpi4py-4.1.0-gompi-2025a.eb -r')
    done = without_the_library(plain, f'{archived(hooked, "mpi4py-4.1.0-cpeGNU-25.03.eb")} -r '
                               f'{back_ends(hooked)}')
    assert done.returncode == 0, done.stdout[-4000:]
    told = plain.run('module load mpi4py/4.1.0-cpeGNU-25.03 && srun -n 2 python3 -c "from mpi4py import MPI; '
                     'print(MPI.COMM_WORLD.allreduce(1))"', check=True, **slurm)
    assert told.stdout.splitlines()[-2:] == ['2', '2']
