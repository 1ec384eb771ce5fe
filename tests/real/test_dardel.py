# SPDX-License-Identifier: GPL-2.0-only
"""Unmodified upstream recipes on a stand-in that is built as Dardel: no software stack of LUMI's, no build tools."""
import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from .conftest import BARE, CACHE, ROOT

pytestmark = pytest.mark.long
FIVE = {'lz4-1.10.0-GCCcore-14.2.0.eb': 'serial C', 'Hypre-2.32.0-foss-2024a.eb': 'Fortran interface, BLAS, LAPACK',
        'HPCC-1.5.0-foss-2022a.eb': 'MPI, BLAS',
        'nsync-1.29.2-GCCcore-13.2.0.eb': 'CMake of PDC\'s, Ninja built for it',
        'mpi4py-4.1.0-gompi-2025a.eb': 'Python'}
NINJA = 'Ninja-1.11.1-GCCcore-12.3.0.eb'


class Dardel:
    """A shell as a user of Dardel has it, by our reading of what is known."""

    def __init__(self, root, prefix, home, sources):
        self.root, self.prefix = root, prefix
        self.env = {'HOME': str(home), 'PATH': '/usr/bin:/bin', 'USER': 'tester', 'EB_USER_PREFIX': str(prefix),
                    'LUMI_HOOKS_SITE': 'dardel', 'PYTHONDONTWRITEBYTECODE': '1',
                    'EASYBUILD_ALLOW_USE_AS_ROOT_AND_ACCEPT_CONSEQUENCES': '1'}
        self.sources = sources

    def run(self, command, hooks=True, check=True):
        """Run a bash command with PDC's modules, and lumi-hooks behind them; what it printed."""
        lines = [f'. {self.root}/enter.sh', 'module load PDC/24.11 easybuild-user']
        lines += [f'module use {ROOT}/modulefiles', 'module load lumi-hooks'] if hooks else []
        lines += [f'export EASYBUILD_SOURCEPATH={shlex.quote(str(self.sources))}:$EASYBUILD_SOURCEPATH']
        done = subprocess.run([str(BARE), '/bin/bash', '--norc', '-c', '\n'.join([*lines, command])], env=self.env,
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1800, check=False)
        assert done.returncode == 0 or not check, done.stdout[-6000:]
        return done.stdout


@pytest.fixture(scope='module')
def dardel(tmp_path_factory, sources):
    """One prefix for all, with an EasyBuild of its own, and sources of the recipes (both need the network)."""
    root = Path(os.environ.get('LUMI_HOOKS_STANDIN_DARDEL') or CACHE / 'standin-dardel')
    if not (root / 'pdc' / 'enter-pdc.sh').exists():
        pytest.skip(f'there is no stand-in in {root}: run ci/standin/build --site dardel --root {root} --with rocm')
    base = tmp_path_factory.mktemp('dardel')
    (base / 'home').mkdir()
    back_ends = ROOT.glob('easyconfigs/p/Python-build-backends/Python-build-backends-24.11-*.eb')
    subprocess.run([ROOT / 'ci/sources/stage', '--into', base / 'sources', *FIVE, NINJA, *back_ends], check=False,
                   stdout=subprocess.DEVNULL)
    here = Dardel(root, base / 'prefix', base / 'home', f'{base}/sources:{sources}')
    too_old = here.run('lumi-eb install --yes lz4', check=False)
    assert 'EasyBuild 4.9.4 is loaded, and lumi-hooks requires 5.1.2' in too_old and 'Traceback' not in too_old
    here.run(f'module load cray-python; {ROOT}/libexec/own-easybuild "$EB_USER_PREFIX" 5.1.2', hooks=False)
    return here


def test_where_we_are(dardel):
    found = json.loads(dardel.run('lumi-eb --json'))
    assert (found['stack'], found['partition'], found['compiler']) == ('PDC/24.11', 'cpu', 'gcc-native/12.3')
    assert found['easybuild'] == '5.1.2' and found['hooks_active'] and found['prefix'] == str(dardel.prefix)
    assert '5.1.2' in dardel.run('eb --version')


@pytest.mark.parametrize('recipe', FIVE)
def test_an_unmodified_recipe(recipe, dardel):
    said = dardel.run(f'lumi-eb install --yes {recipe}')
    name, version = recipe.split('-')[:2]
    assert 'Installation ended successfully' in said and 'LUMI' not in said.replace('LUMI_HOOKS', '')
    installed = dardel.prefix / 'software' / name / f'{version}-cpeGNU-24.11'
    assert (dardel.prefix / 'modules/all' / name / f'{version}-cpeGNU-24.11.lua').is_file()
    assert (installed / 'easybuild/lumi/record.json').is_file()
    dardel.run(f'module load {name}/{version}-cpeGNU-24.11; test "$EBROOT{name.upper()}" = {installed}; '
               f'lumi-eb verify {name}/{version}-cpeGNU-24.11')


def test_what_came_from_pdc_and_what_was_built(dardel):
    record = json.loads((dardel.prefix / 'software/nsync/1.29.2-cpeGNU-24.11/easybuild/lumi/record.json').read_text())
    assert 'cmake/3.31.3' in json.dumps(record)
    assert list((dardel.prefix / 'software/Ninja').iterdir()) and not (dardel.prefix / 'software/CMake').exists()


def test_programs_run(dardel):
    version = dardel.run('module load lz4/1.10.0-cpeGNU-24.11; lz4 --version')
    assert '1.10.0' in version
    said = dardel.run('module load mpi4py/4.1.0-cpeGNU-24.11; python3 -c "import mpi4py; print(mpi4py.__version__)"')
    assert '4.1.0' in said


def test_a_folder_of_a_site_from_its_modules(dardel, tmp_path):
    """What lumi-eb capture --site finds is what sites/dardel says, and the library takes it."""
    folder = tmp_path / 'captured'
    dardel.run(f'lumi-eb capture --site {folder}')
    site = json.loads((folder / 'site.json').read_text())
    ours = json.loads((ROOT / 'lumi_hooks/sites/dardel/site.json').read_text())
    assert site['variables'] == ours['variables'] and site['words']['load'].startswith('module load PDC/24.11')
    assert site['releases']['24.11']['modules'].items() <= ours['releases']['24.11']['modules'].items()
    said = dardel.run(f'export LUMI_HOOKS_SITE_DIR={folder}; lumi-eb plan HPCC-1.5.0-foss-2022a.eb')
    assert 'HPCC/1.5.0-cpeGNU-24.11' in said
