# SPDX-License-Identifier: GPL-2.0-only
"""
lumi-eb install and search as an ordinary user has them: LUMI's modules and the module lumi-hooks, EasyBuild-user's own
EasyBuild, no Python packages and no LUMI_HOOKS_UPSTREAM.
"""
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lumi_hooks.easybuilds import collection

from .conftest import BARE, ROOT
from .members import ONE, Member, folder
from .otheruser import become

LZ4 = 'lz4-1.10.0-GCCcore-14.2.0.eb'


class Stranger(Member):
    """Somebody who has loaded what README says, and nothing else."""

    def script(self, command, load=True, **env):
        lines = [f'. {shlex.quote(str(self.standin))}/enter.sh >/dev/null', f'cd {shlex.quote(str(self.home))}',
                 f'module load LUMI/{self.release} partition/{self.partition} EasyBuild-user >/dev/null',
                 f'module use {shlex.quote(str(ROOT / "modulefiles"))}; module load lumi-hooks',
                 f'export EASYBUILD_SOURCEPATH=$EBU_USER_PREFIX/sources:{shlex.quote(str(self.sources))}']
        lines.extend(f'export {name}={shlex.quote(str(value))}' for name, value in env.items())
        return '\n'.join([*lines, command])

    def run(self, command, load=True, check=False, timeout=900, umask='0022', **env):
        start = become(self.user, self.groups, (self.standin, self.sources))
        done = subprocess.run([str(BARE), *start, '/bin/bash', '--norc', '-c',
                               f'umask {umask}\n' + self.script(command, **env)], env=self.env, text=True, cwd='/',
                              timeout=timeout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, check=False)
        if check:
            assert done.returncode == 0, done.stdout[-6000:]
        return done


@pytest.fixture(scope='module')
def stranger(standin, sources):
    # not below pytest's folder, which is root's alone
    base = Path(tempfile.mkdtemp(prefix='stranger-'))
    base.chmod(0o755)
    home = folder(base / 'home')
    found = Stranger(standin, sources, '', home / 'EasyBuild', home, user=ONE, groups=())
    for name in ('LUMI_HOOKS_UPSTREAM', 'LUMI_HOOKS_PYTHON'):
        del found.env[name]
    yield found
    shutil.rmtree(base)


def test_lumi_eb_sees_what_eb_sees(stranger):
    """5.1.2's collection, which the release's EasyBuild-user loads; a recipe that came later is there for neither."""
    # the Python of the tests holds EasyBuild 5.4.1, as a virtual environment of somebody's may
    done = stranger.run('lumi-eb plan --json lz4 2>/dev/null; echo; echo $EBROOTEASYBUILD; '
                        'r=Kokkos-5.0.2-GCC-14.2.0.eb; lumi-eb adapt $r; eb $r -D', LUMI_HOOKS_PYTHON=sys.executable)
    text, _, rest = done.stdout.partition('\n\n')
    root = rest.splitlines()[0]
    said = json.loads(text)['collection']
    assert said['easybuild'] == '5.1.2' == root.rpartition('/')[2] and said['origin'] == 'loaded'
    assert said['folders'] == [os.path.realpath(f'{root}/easybuild/easyconfigs')]
    assert said['recipes'] == collection(said['folders'], {}).recipes() > 10000
    assert 'there is no recipe Kokkos-5.0.2-GCC-14.2.0.eb' in rest
    assert 'files not found: Kokkos-5.0.2-GCC-14.2.0.eb' in rest


def test_a_newer_collection_for_both(stranger, standin):
    """LUMI_HOOKS_UPSTREAM holds for eb and lumi-eb, and what the loaded easyblocks lack is told."""
    newer = f'{standin}/appl/lumi/SW/system/EB/EasyBuild/5.4.1/easybuild/easyconfigs'
    done = stranger.run('lumi-eb plan --json Kokkos/5.0.2 2>/dev/null; eb -D LZO-2.10-GCCcore-15.2.0.eb',
                        LUMI_HOOKS_UPSTREAM=newer)
    text, _, rest = done.stdout.partition('\n== ')
    found = json.loads(text)
    said = found['collection']
    assert (said['easybuild'], said['origin']) == ('5.4.1', 'named by LUMI_HOOKS_UPSTREAM')
    assert ['the easyblock EB_Kokkos, which EasyBuild 5.1.2, which is loaded, does not have' in note
            for note in found['warnings']] == [True]
    # a recipe of it that 5.1.2 does not have
    assert 'LZO/2.10-cpeGNU-25.03' in rest, rest


def test_install_by_name(stranger):
    refused = stranger.run('lumi-eb install lz4')
    assert refused.returncode == 2 and refused.stdout.splitlines()[-1].startswith('lumi-eb: there is no terminal')
    said_no = stranger.run('echo n | script -qec "lumi-eb install lz4" /dev/null')
    assert said_no.returncode == 1 and 'install this? [y/N]' in said_no.stdout, said_no.stdout
    assert 'nothing was installed' in said_no.stdout and not (stranger.software('lz4', '') / '1').exists()

    done = stranger.run('lumi-eb install --yes LZ4', check=True)
    assert f'LZ4: {LZ4}: 1.10.0 is the version of lz4 in the stack' in done.stdout
    assert '== COMPLETED: Installation ended successfully' in done.stdout, 'eb speaks for itself'
    assert stranger.run('module load lz4 && lz4 --version', check=True)

    again = stranger.run('lumi-eb install lz4', check=True)
    assert 'becomes lz4/1.10.0-cpeGNU-25.03, which is installed' in again.stdout
    assert '== ' not in again.stdout, 'nothing is started'
    found = json.loads(stranger.run('lumi-eb search --json lz4', check=True).stdout)
    best, = [item for item in found['found'] if item['best']]
    assert best['recipe'] == LZ4 and best['installed'] and found['found'][0]['from'] == 'installed (yours)'


def test_what_has_changed_since_is_told(stranger):
    """After test_install_by_name: an override of what is installed (O16)."""
    stranger.run('mkdir -p $EBU_USER_PREFIX/overrides; echo \'{"name": "lz4", "overrides": [{"reason": "tested", '
                 '"parameters": {"buildopts": {"append": " V=1"}}}]}\' > $EBU_USER_PREFIX/overrides/lz4.json')
    for command in (f'eb {LZ4} -r', f'eb --rebuild {LZ4} -r -D'):
        done = stranger.run(command, check=True)
        told = [line for line in done.stdout.splitlines() if 'is installed already, but' in line]
        assert len(told) == ('--rebuild' not in command), done.stdout
        assert all('add --rebuild' in line and len(line) < 400 for line in told)
    done = stranger.run('lumi-eb install lz4', check=True)
    assert 'has changed since it was installed. "lumi-eb install lz4 -- --rebuild"' in done.stdout
    assert 'V=1' in done.stdout, 'what differs'
    done = stranger.run('lumi-eb install --yes lz4 -- --rebuild', check=True)
    assert '== COMPLETED' in done.stdout
    assert 'is installed already, but' not in stranger.run(f'eb {LZ4} -r', check=True).stdout


def test_nothing_is_imported_from_the_current_folder(stranger):
    stranger.run('mkdir -p evil/easybuild; echo "raise SystemExit(66)" | tee evil/easybuild/__init__.py > evil/json.py')
    done = stranger.run('cd evil && lumi-eb install --yes lz4 -- --show-config')
    assert done.returncode == 0 and 'robot-paths' in done.stdout, done.stdout


def test_a_recipe_of_ones_own_is_a_source(stranger):
    """An override to a version that only the user's own recipe, for upstream's toolchain, holds (B4)."""
    stranger.run('''
own=$EBU_USER_PREFIX/UserRepo/easybuild/easyconfigs; mkdir -p $own/s/SCOTCH $EBU_USER_PREFIX/overrides
sed "s/^version = .*/version = '7.0.99'/" $EBROOTEASYBUILD/easybuild/easyconfigs/s/SCOTCH/SCOTCH-7.0.6-gompi-2024a.eb \\
    > $own/s/SCOTCH/SCOTCH-7.0.99-gompi-2024a.eb
echo '{"name": "MUMPS", "overrides": [{"reason": "tested", "dependencies": {"SCOTCH": "7.0.99"}}]}' \\
    > $EBU_USER_PREFIX/overrides/MUMPS.json''', check=True)
    done = stranger.run('lumi-eb plan --json MUMPS; eb -D -r MUMPS-5.7.2-foss-2024a-metis.eb')
    assert 'SCOTCH/7.0.99-cpeGNU-25.03' in done.stdout, done.stdout[-3000:]
    assert 'no recipe' not in done.stdout
    assert '[ ] ' in done.stdout and 'SCOTCH-7.0.99-cpeGNU-25.03.eb' in done.stdout.partition('Dry run')[2]


def test_the_hooks_survive_another_partition(stranger):
    """LUMI's EasyBuild-user names LUMI's own hooks file again with each partition; plain eb goes on with ours (U4)."""
    done = stranger.run(f'''
module load partition/G >/dev/null 2>&1; echo "hooks: $EASYBUILD_HOOKS"
eb -D {LZ4}; lumi-eb status --json | grep '"hooks_active"'
module load LUMI/25.09 partition/C >/dev/null 2>&1; eb -D {LZ4}; eb --version
EASYBUILD_HOOKS=/mine.py eb --show-config | grep ^hooks
module unload lumi-hooks; command -v eb; eb -D {LZ4}''')
    here, partition, release = done.stdout.partition('"hooks_active": true')
    assert partition and '/LUMI-SoftwareStack/easybuild/hooks/' in here.splitlines()[0], done.stdout
    assert 'lz4/1.10.0-cpeGNU-25.03' in here
    assert 'lz4/1.10.0-cpeGNU-25.09' in release and 'This is EasyBuild 5.2.0' in release
    # a file that somebody names stays, and without the module nothing of it is left
    assert '= /mine.py' in release
    assert any(line.endswith('/EasyBuild/5.2.0/bin/eb') for line in release.splitlines())
    assert 'files not found' in release
