# SPDX-License-Identifier: GPL-2.0-only
"""Somebody else's clone, read-only, in a fresh account, with the system's Python: nothing has to be installed."""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from another_user import NOBODY, needs_root
from elves import Place
from test_explain import installed

from lumi_hooks.extras import FOLDER

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def account():
    """Runs a command as another user, who may read the clone and write to a home folder of his or hers."""
    place = Path(tempfile.mkdtemp(prefix='lumi-hooks-first-'))
    place.chmod(0o755)
    for name in ('bin', 'lumi_hooks', 'setup.cfg', 'pyproject.toml'):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / 'clone' / name, ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy(source, place / 'clone' / name)
    (place / 'home').mkdir()
    os.chown(place / 'home', NOBODY, NOBODY)

    def run(command, **more):
        subprocess.run(['chmod', '-R', 'a+rX,go-w', str(place / 'clone')], check=True)
        env = {'PATH': f'{place}/clone/bin:/usr/bin:/bin', 'HOME': str(place / 'home'), **more}
        return subprocess.run(['setpriv', f'--reuid={NOBODY}', f'--regid={NOBODY}', '--clear-groups', 'sh', '-c',
                               command], cwd=place / 'home', env=env, capture_output=True, text=True, check=False)
    run.path = place
    yield run
    shutil.rmtree(place)


@needs_root
def test_O12_commands_run_from_somebody_else_s_clone(account):
    place = Place(account.path / 'place')
    place.program(runpath='/opt/rocm/lib', needs=[place.mpi()])
    for command, code, says in (
            ('lumi-eb', 0, 'next     module load LUMI/'), ('lumi-eb --json', 0, '"lumi_hooks"'),
            ('lumi-eb check-data', 0, 'data files, no problems'),
            (f'lumi-eb verify --system-root / {place.root}', 1, 'rpath-system'),
            ('lumi-eb job --account project_465000001 --program gmx GROMACS/2025.4-cpeGNU-25.03', 0, '#SBATCH')):
        done = account(command)
        assert (done.returncode, done.stderr) == (code, '') and says in done.stdout, command
    assert not list((account.path / 'clone').rglob('__pycache__'))


@needs_root
def test_O12_what_needs_a_package_says_a_command_that_leaves_the_clone_alone(account):
    (account.path / 'p').mkdir()
    installed(account.path / 'p')
    prefix = account.path / 'p' / 'p'
    done = account(f'lumi-eb sbom {prefix}')
    assert done.returncode == 2 and done.stderr.count('\n') == 1 and 'Traceback' not in done.stderr
    assert f'-m pip install --target "{FOLDER}" "cyclonedx-python-lib>=' in done.stderr
    assert str(account.path / 'clone') not in done.stderr
    # what pip puts there is found with the variable that is named, and with it alone
    package = account.path / 'home/.local/lib/lumi-hooks/cyclonedx'
    package.mkdir(parents=True)
    (package / '__init__.py').write_text('raise SystemExit("found")\n')
    variable = done.stderr.split('and then ')[1].split(' lumi-eb')[0]
    assert account(f'{variable} lumi-eb sbom {prefix}').stderr == 'found\n'
    assert 'lacks the package' in account(f'lumi-eb sbom {prefix}').stderr
