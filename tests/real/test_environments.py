# SPDX-License-Identifier: GPL-2.0-only
"""
Environments, for real: made, loaded, run on two ranks, changed, rolled back, shared, removed; two side by side, steps
with two versions in one job; and killed at many moments.
"""
import json
import re
import shlex
import shutil
import zipfile
from pathlib import Path

import pytest

from .conftest import ROOT, Lumi
from .faults import User, base_folder, remove

LUMI_EB = shlex.quote(str(ROOT / 'bin' / 'lumi-eb'))
SPEC = 'name: my-md\nrelease: "25.03"\npartitions: [C]\nrecipes: [lz4, mpi4py-4.1.0-gompi-2025a.eb]\n' \
       'variables: {{MY_VARIABLE: "{value}"}}\n'
RANKS = 'from mpi4py import MPI; c = MPI.COMM_WORLD; print("rank", c.rank, "of", c.allreduce(1))'


pytestmark = pytest.mark.long


@pytest.fixture(scope='module')
def made(standin, sources, upstream, tmp_path_factory):
    """A shell with my-md/1 installed, into a prefix of its own: other tests count what gets installed."""
    base = tmp_path_factory.mktemp('environments')
    (base / 'home').mkdir()
    lumi = Lumi(standin, sources, upstream, base / 'EasyBuild', base / 'home')
    Path(lumi.home, 'my-md.yaml').write_text(SPEC.format(value=42))
    done = env(lumi, 'create my-md.yaml --yes', timeout=1500)
    assert 'my-md/1 is installed' in done.stdout
    return lumi


def env(lumi, words, code=0, **more):
    done = lumi.run(f'cd {lumi.home} && {LUMI_EB} env {words}', **more)
    assert done.returncode == code, done.stdout[-4000:]
    return done


def found(lumi, words):
    text = env(lumi, f'{words} --json 2>/dev/null').stdout
    return json.loads(text[text.index('{'):])


def modules(lumi):
    """The generations of my-md that are listed."""
    return [item['module'] for item in found(lumi, 'list')['environments'] if item['module'].startswith('my-md/')]


def told(lumi, command, **more):
    """What a command prints; what Lmod says while the shell is made ready left out."""
    return lumi.run(f'echo @@@; {command}', **more).stdout.partition('@@@\n')[2]


def loaded(lumi, module, command):
    return told(lumi, f'module load {module} 2>/dev/null && {command}')


def test_one_module_loads_all_of_it(made):
    out = loaded(made, 'my-md', 'which lz4; echo $MY_VARIABLE $EBROOTLZ4; python3 -c "import mpi4py; '
                                'print(mpi4py.__file__)"; module unload my-md 2>/dev/null; '
                                'env | grep -E "LZ4|EB.*MPI4PY|MY_VARIABLE"; echo $PATH $PYTHONPATH $LD_LIBRARY_PATH')
    lines = out.splitlines()
    lz4 = str(made.software('lz4', '1.10.0-cpeGNU-25.03'))
    assert lines[0] == f'{lz4}/bin/lz4' and lines[1] == f'42 {lz4}' and str(made.prefix) in lines[2]
    assert len(lines) == 4 and str(made.prefix) not in lines[3]
    text = (made.prefix / 'modules/LUMI/25.03/partition/C/my-md/1.lua').read_text()
    assert text.count('prepend_path("PATH"') == 1
    assert 'depends_on("cpeGNU/25.03")' in text and 'pushenv("EBROOTLZ4"' in text


def test_it_runs_on_two_ranks(made, slurm):
    out = made.run(f'module load my-md && srun -n 2 python3 -c {shlex.quote(RANKS)}', check=True, **slurm).stdout
    assert sorted(line for line in out.splitlines() if line.startswith('rank')) == ['rank 0 of 2', 'rank 1 of 2']


def test_it_is_an_installation_like_any_other(made):
    record = json.loads((made.software('my-md', '1') / 'easybuild/lumi/record.json').read_text())
    assert 'lz4/1.10.0-cpeGNU-25.03' in [item['module'] for item in record['dependencies']]
    assert 'my-md/1, installed by lumi-hooks' in made.run(f'{LUMI_EB} explain my-md/1').stdout
    done = made.run(f'{LUMI_EB} remove lz4 --yes')
    assert done.returncode == 1 and 'my-md/1' in done.stdout


def test_what_changes_is_a_new_generation_and_the_old_one_comes_back(made):
    env(made, 'update my-md --yes')
    assert modules(made) == ['my-md/1']
    spec = Path(made.home, 'my-md.yaml')
    spec.write_text(SPEC.format(value=43))
    # in the shell that has it loaded, as docs/environments.md does
    done = made.run(f'cd {made.home} && module load my-md && {LUMI_EB} env update my-md --yes')
    assert 'my-md/2 is installed' in done.stdout
    assert re.findall(r'SUCCESS\] (\S+)', done.stdout) == ['my-md/2']
    assert loaded(made, 'my-md', 'echo $MY_VARIABLE').strip() == '43'
    assert loaded(made, 'my-md/1', 'echo $MY_VARIABLE').strip() == '42'
    assert found(made, 'diff my-md')['differences'] == ["$MY_VARIABLE: '42' → '43'"]
    env(made, 'rollback my-md')
    assert loaded(made, 'my-md', 'echo $MY_VARIABLE').strip() == '42'
    done = env(made, 'update my-md --yes')
    assert 'my-md/2 is the same' in done.stdout and loaded(made, 'my-md', 'echo $MY_VARIABLE').strip() == '43'
    for value in (44, 45):
        spec.write_text(SPEC.format(value=value))
        env(made, 'update my-md --yes')
    assert [item['module'] for item in found(made, 'gc')['generations']] == ['my-md/1', 'my-md/2']
    out = env(made, 'gc --yes').stdout
    assert 'together: ' in out and 'files and folders' in out
    assert modules(made) == ['my-md/3', 'my-md/4']
    assert loaded(made, 'my-md', 'echo $MY_VARIABLE').strip() == '45'


def test_the_same_elsewhere(made, standin, sources, upstream, tmp_path):
    env(made, f'export my-md --output {tmp_path}/my-md.json')
    (tmp_path / 'home').mkdir()
    other = type(made)(standin, sources, upstream, tmp_path / 'other', tmp_path / 'home')
    # only the tiny part is built anew
    text = json.loads((tmp_path / 'my-md.json').read_text())
    assert text['lock']['targets'] == ['lz4/1.10.0-cpeGNU-25.03', 'mpi4py/4.1.0-cpeGNU-25.03']
    text['lock']['modules'][-1]['adapted'] = '0' * 64
    (tmp_path / 'changed.json').write_text(json.dumps(text))
    done = env(other, f'import {tmp_path}/changed.json --yes', code=2)
    assert 'is not what the lock says' in done.stdout and 'adapted in another way' in done.stdout
    done = env(other, f'import {tmp_path}/my-md.json --yes --folder here --dry-run')
    assert 'to build' in done.stdout and not (tmp_path / 'home/here').exists()
    shared = type(made)(standin, sources, upstream, made.prefix, tmp_path / 'home')
    done = env(shared, f'import {tmp_path}/my-md.json --yes --folder here')
    assert 'nothing to do' in done.stdout and (tmp_path / 'home/here/my-md.lock.json').is_file()


SAY = """easyblock = 'MakeCp'
name = 'Say'
version = '{version}'
homepage = 'https://example.org'
description = "says its version"
toolchain = {{'name': 'GCCcore', 'version': '14.2.0'}}
sources = []
prebuildopts = 'printf "#!/bin/sh\\necho {version}\\n" > say; chmod 755 say; true '
files_to_copy = [(['say'], 'bin')]
sanity_check_paths = {{'files': ['bin/say'], 'dirs': []}}
moduleclass = 'tools'
"""


def test_two_side_by_side_and_two_versions_in_one_job(made, slurm):
    home = Path(made.home)
    for version in ('1.0', '2.0'):
        (home / f'Say-{version}-GCCcore-14.2.0.eb').write_text(SAY.format(version=version))
    one, two = ('Say-1.0-GCCcore-14.2.0.eb', 'Say-2.0-GCCcore-14.2.0.eb')
    (home / 'both.yaml').write_text(f'name: both\nrecipes:\n- {one}\n- {two}\n')
    done = env(made, 'create both.yaml --yes', code=2)
    assert 'both.yaml:2: two modules of Say cannot be loaded together: Say/1.0-cpeGNU-25.03 and Say/2.0' in done.stdout
    (home / 'both.yaml').write_text(f'name: both\nrecipes: [{one}]\nsteps:\n'
                                    f'  new: {{recipes: [{two}], commands: [say]}}\n'
                                    f'  other: {{recipes: [lz4], variables: {{STEP: "other one"}}}}\n')
    (home / 'second.yaml').write_text(f'name: second\nrecipes: [{two}]\n')
    for name in ('both', 'second'):
        assert f'{name}/1 is installed' in env(made, f'create {name}.yaml --yes').stdout
    job = 'module load both 2>/dev/null; $EBROOTSAY/bin/say; say; srun -n 1 in-new say; ' \
          'in-other sh -c "echo \\$STEP; say"; ' \
          'lz4 --version | grep -ci lz4; module unload both 2>/dev/null; ' \
          'module load second 2>/dev/null; say; module unload second 2>/dev/null; say'
    out = told(made, job, **slurm).splitlines()
    assert out[:2] == ['1.0', '2.0'] and out[2:4] == ['2.0', 'other one']
    # the step "other" has no Say: there the command of the step "new" is meant
    assert out[4] == '2.0' and out[5:7] == ['1', '2.0'] and 'not found' in out[7]


def wheel(folder, name, version):
    """A wheel of pure Python with one module and one program (PyPA's binary distribution format)."""
    info = f'{name}-{version}.dist-info'
    files = {f'{name}.py': f'VERSION = "{version}"\n\n\ndef main():\n    print(VERSION)\n',
             f'{info}/METADATA': f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n',
             f'{info}/WHEEL': 'Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
             f'{info}/entry_points.txt': f'[console_scripts]\n{name} = {name}:main\n'}
    files[f'{info}/RECORD'] = ''.join(f'{path},,\n' for path in [*files, f'{info}/RECORD'])
    with zipfile.ZipFile(folder / f'{name}-{version}-py3-none-any.whl', 'w') as archive:
        for path, text in files.items():
            archive.writestr(path, text)


def test_python_on_top_packed_and_not(made, tmp_path, slurm):
    for version in ('1.0', '2.0'):
        wheel(tmp_path, 'tellme', version)
    index = {'PIP_NO_INDEX': '1', 'PIP_FIND_LINKS': tmp_path}
    spec = Path(made.home, 'py.yaml')
    spec.write_text('name: my-py\nrecipes: [mpi4py]\npython: [tellme<2]\npacked: false\n')
    env(made, 'create py.yaml --yes', **index)
    tell = 'tellme; python3 -c "import tellme, mpi4py; print(tellme.__file__)"'
    out = loaded(made, 'my-py', f'{tell}; module unload my-py 2>/dev/null; which tellme').splitlines()
    folder = made.software('my-py', '1')
    assert out[:2] == ['1.0', f'{folder}/python/lib/python3.11/site-packages/tellme.py'] and len(out) == 2
    spec.write_text(spec.read_text().replace('<2', '>=2'))
    env(made, 'update py.yaml --yes', **index)
    assert found(made, 'diff my-py')['differences'] == ['tellme 1.0 → 2.0']
    assert loaded(made, 'my-py', 'tellme').strip() == '2.0'
    env(made, 'pack my-py --yes', **index)
    folder = made.software('my-py', '3')
    assert (folder / 'python.sqsh').is_file() and list((folder / 'python').iterdir()) == []
    record = json.loads((folder / 'easybuild/lumi/record.json').read_text())
    assert [item['file'] for item in record['sources']] == ['tellme-2.0-py3-none-any.whl']
    ranks = f'srun -n 2 python3 -c {shlex.quote("import tellme; " + RANKS)}'
    out = told(made, f'module load my-py 2>/dev/null; {tell}; {ranks}', **slurm)
    assert out.splitlines()[:2] == ['2.0', f'{folder}/python/lib/python3.11/site-packages/tellme.py']
    assert 'rank 0 of 2' in out and 'rank 1 of 2' in out
    assert found(made, 'diff my-py')['differences'] == ['packed: now in one file']


def test_removed_it_is_gone(made):
    done = env(made, 'remove my-md --yes')
    assert 'removed; on disk until' in done.stdout
    assert modules(made) == []
    assert made.run('module load my-md').returncode != 0
    assert not (made.prefix / 'modules/LUMI/25.03/partition/C/my-md/default').is_symlink()
    assert made.run('module load lz4/1.10.0-cpeGNU-25.03 && lz4 --version', check=True)


# ---- killed

MOMENTS = ('pre_easyblock', 'post_fetch', 'post_install', 'post_sanitycheck', 'pre_module', 'post_module',
           'post_permissions', 'after:reveal')
TINY = 'name: tiny\nrecipes: [{recipe}]\nvariables: {{MY_VARIABLE: "{value}"}}\n'


@pytest.fixture(scope='module')
def user(standin, sources, upstream):
    path = base_folder()
    yield User(standin, sources, upstream, path)
    remove(path)


def tiny(user, value):
    spec = user.base / 'home' / 'tiny.yaml'
    spec.write_text(TINY.format(recipe=user.recipe('start'), value=value))
    user.own(user.base / 'home')


@pytest.mark.parametrize('moment', MOMENTS)
def test_killed_the_earlier_one_loads_and_a_rerun_completes(user, moment):
    """Of a create in the first case, of updates in the others."""
    before = told(user, 'module load tiny >/dev/null 2>&1 && echo $MY_VARIABLE').strip()
    tiny(user, moment)
    mark = user.base / 'home' / 'mark'
    mark.unlink(missing_ok=True)
    done = user.run(f'cd && {LUMI_EB} env create tiny.yaml --yes', FAULT_AT=moment, FAULT_MARK=mark,
                    LUMI_HOOKS_CHAIN=Path(__file__).with_name('fault_hooks.py'))
    assert mark.exists() and done.returncode not in (0, 2), done.stdout[-3000:]
    assert told(user, 'module load tiny >/dev/null 2>&1 && echo $MY_VARIABLE').strip() in (
        (before,) if before or moment != 'after:reveal' else (before, moment))
    again = user.run(f'cd && {LUMI_EB} env create tiny.yaml --yes')
    assert again.returncode == 0, again.stdout[-3000:]
    assert told(user, 'module load tiny >/dev/null 2>&1 && echo $MY_VARIABLE').strip() == moment


# in place of mksquashfs: ends eb before or after the real one has done its work
KILLER = '#!/bin/sh\n{before}/usr/bin/mksquashfs "$@" >/dev/null\ntouch {mark}\nkill -9 $PPID\n'


@pytest.mark.parametrize('before', ['touch {mark}; kill -9 $PPID; exit 1\n', ''], ids=['begins', 'ends'])
def test_killed_while_it_is_packed_the_earlier_one_loads(user, before):
    if not shutil.which('mksquashfs', path='/usr/bin:/usr/sbin'):
        pytest.skip('squashfs-tools is not installed')
    wheel(user.base, 'tellme', '1.0')
    spec, mark, tools = (user.base / 'home' / name for name in ('many.yaml', 'mark', 'tools'))
    index = {'PIP_NO_INDEX': '1', 'PIP_FIND_LINKS': user.base}
    text = 'name: many\npython: [tellme]\nvariables: {{MANY: "{value}"}}\n'
    spec.write_text(text.format(value='first'))
    user.own(user.base)
    done = user.run(f'cd && {LUMI_EB} env create many.yaml --yes', **index)
    assert done.returncode == 0, done.stdout[-3000:]
    spec.write_text(text.format(value='second'))
    tools.mkdir(exist_ok=True)
    (tools / 'mksquashfs').write_text(KILLER.format(before=before.format(mark=mark), mark=mark))
    (tools / 'mksquashfs').chmod(0o755)
    mark.unlink(missing_ok=True)
    user.own(user.base)
    killed = user.run(f'cd && export PATH={tools}:$PATH && {LUMI_EB} env update many --yes', **index)
    assert mark.exists() and killed.returncode not in (0, 2), killed.stdout[-3000:]
    shown = 'module load many >/dev/null 2>&1 && echo $MANY'
    assert told(user, shown).strip() == 'first'
    again = user.run(f'cd && {LUMI_EB} env update many --yes', **index)
    assert again.returncode == 0, again.stdout[-3000:]
    assert told(user, shown).strip() == 'second'
    # what was cut off is kept aside for some days, as any earlier installation is
    assert not [path for path in (user.prefix / 'SW').rglob('.python.sqsh.part') if '.kept.' not in str(path)]
    assert user.run(f'cd && {LUMI_EB} env remove many --yes && rm -f many.*').returncode == 0
