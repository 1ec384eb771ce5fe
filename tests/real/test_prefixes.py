# SPDX-License-Identifier: GPL-2.0-only
"""A stack of prefixes on the stand-in: the user's own on top of a project's, for eb and for the shell."""
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

import pytest

from .conftest import HOOKS, ROOT, Lumi
from .members import ONE, TWO, Member, folder

RECIPE = """easyblock = 'Bundle'

name = '{name}'
version = '1.0'

homepage = 'https://example.org'
description = 'A recipe of the tests.'

toolchain = {{'name': 'gfbf', 'version': '2025a'}}

dependencies = [{dependency}]

moduleclass = 'tools'
"""
LOWER = """easyblock = 'Tarball'

name = 'Lower'
version = '1.0'

homepage = 'https://example.org'
description = 'A recipe of the tests, with a source that is nowhere but in the project.'

toolchain = {{'name': 'gfbf', 'version': '2025a'}}

source_urls = ['file:///nowhere']
sources = [SOURCE_TAR_GZ]
checksums = ['{checksum}']

sanity_check_paths = {{'files': ['hello'], 'dirs': []}}

moduleclass = 'tools'
"""
USE = f'module use {ROOT}/modulefiles && module load lumi-hooks && '


@pytest.fixture(scope='module')
def both(standin, sources, upstream, tmp_path_factory):
    """A user on top of a project, in whose prefix Base is installed."""
    base = tmp_path_factory.mktemp('stack')
    (base / 'home').mkdir()
    for name, dependency in (('Base', ''), ('Thing', "('Base', '1.0')"), ('More', "('Base', '1.0'), ('Thing', '1.0')"),
                             ('New', ''), ('Top', "('Base', '1.0'), ('New', '1.0')")):
        (base / f'{name}-1.0-gfbf-2025a.eb').write_text(RECIPE.format(name=name, dependency=dependency))
    project = Lumi(standin, sources, upstream, base / 'project', base / 'home')
    project.eb(f'{base}/Base-1.0-gfbf-2025a.eb')
    user = Lumi(standin, sources, upstream, base / 'own prefix', base / 'home')
    (base / 'own prefix' / '.lumi-hooks').mkdir(parents=True)
    (base / 'own prefix' / '.lumi-hooks' / 'prefixes').write_text(f'# ours\n{base}/project\n')
    return user, project, base


def test_a_dependency_from_the_project(both):
    user, project, base = both
    done = user.eb(f'{base}/Thing-1.0-gfbf-2025a.eb -r')
    assert 'COMPLETED: Installation ended successfully' in done.stdout
    assert user.software('Thing', '1.0-cpeGNU-25.03').is_dir()
    assert not user.software('Base', '1.0-cpeGNU-25.03').exists(), 'the project\'s Base was built again'
    assert project.software('Base', '1.0-cpeGNU-25.03').is_dir()
    assert not project.software('Thing', '1.0-cpeGNU-25.03').exists()


def test_the_record_knows_what_comes_from_prefixes(both):
    """From the project's, and from the user's own, where it was installed in the same run."""
    user, _, base = both
    user.eb(f'{base}/New-1.0-gfbf-2025a.eb {base}/Top-1.0-gfbf-2025a.eb')
    record = json.loads((user.software('Top', '1.0-cpeGNU-25.03') / 'easybuild/lumi/record.json').read_text())
    origins = {item['name']: item['origin'] for item in record['dependencies']}
    assert (origins['Base'], origins['New']) == ('prefix', 'prefix')


def test_the_module_for_the_shell(both):
    user, project, base = both
    done = user.run(USE + 'echo "PATH1 $MODULEPATH" && module load Base/1.0-cpeGNU-25.03 && echo "ROOT $EBROOTBASE" '
                    '&& module help Base/1.0-cpeGNU-25.03 2>&1 '
                    '&& module unload Base lumi-hooks && echo "PATH2 $MODULEPATH" '
                    '&& echo "LEFT ${LUMI_HOOKS_LOADED_PREFIXES:-nothing}"', check=True)
    said = dict(line.split(' ', 1) for line in done.stdout.splitlines() if line.startswith(('PATH', 'ROOT', 'LEFT')))
    path = said['PATH1'].split(':')
    own, below = (f'{prefix}/modules/LUMI/25.03/partition/C' for prefix in (base / 'own prefix', base / 'project'))
    central = next(entry for entry in path if '/modules/easybuild/LUMI/25.03/partition/C' in entry)
    assert path.index(own) < path.index(below) < path.index(central)
    assert said['ROOT'].startswith(f'{base}/project/SW/')
    assert f'Installed into the prefix {base}/project.\n' in done.stdout, 'the module says which prefix it came from'
    assert below not in said['PATH2'].split(':') and own in said['PATH2'].split(':') and said['LEFT'] == 'nothing'


def test_plan_and_status_say_which_prefix(both):
    user, project, base = both
    done = user.run(USE + f'lumi-eb plan --json {base}/More-1.0-gfbf-2025a.eb && echo SPLIT && '
                    'lumi-eb status --json', check=True)
    plan, status = (json.loads(text[text.index('{'):]) for text in done.stdout.split('SPLIT'))
    found = {node['module']: (node['status'], node['prefix']) for node in plan['nodes']}
    assert found['Base/1.0-cpeGNU-25.03'] == ('installed', f'{base}/project')
    assert found['Thing/1.0-cpeGNU-25.03'] == ('installed', f'{base}/own prefix')
    assert status['prefixes'] == [f'{base}/own prefix', f'{base}/project'] and status['problem'] is None


def test_another_prefix_while_modules_are_loaded(both):
    user, project, base = both
    done = user.run(f'export EBU_USER_PREFIX={base}/third && eb --hooks={user.hooks} lz4-1.10.0-GCCcore-14.2.0.eb')
    assert done.returncode != 0 and 'when EasyBuild-user was loaded' in done.stdout and 'new shell' in done.stdout
    assert not (base / 'third').exists()


def test_sources_of_the_project(both):
    user, project, base = both
    name, there = 'Lower-1.0-gfbf-2025a.eb', base / 'project' / 'sources' / 'l' / 'Lower'
    there.mkdir(parents=True)
    (base / 'hello').write_text('hello\n')
    with tarfile.open(there / 'Lower-1.0.tar.gz', 'w:gz') as archive:
        archive.add(base / 'hello', 'Lower-1.0/hello')
    before = sorted((base / 'project').rglob('*'))
    (base / name).write_text(LOWER.format(checksum='0' * 64))
    done = user.eb(f'{base}/{name}', check=False)
    assert done.returncode != 0 and 'Checksum verification' in done.stdout and str(there) in done.stdout
    checksum = hashlib.sha256((there / 'Lower-1.0.tar.gz').read_bytes()).hexdigest()
    (base / name).write_text(LOWER.format(checksum=checksum))
    user.eb(f'{base}/{name}')
    assert (user.software('Lower', '1.0-cpeGNU-25.03') / 'hello').read_text() == 'hello\n'
    assert sorted((base / 'project').rglob('*')) == before, 'something was written to the project\'s prefix'
    assert not list((base / 'own prefix' / 'sources').rglob('*.tar.gz')), 'it is used where it lies'
    # whoever may write there decides on what is built
    (base / 'project' / 'sources').chmod(0o777)
    done = user.eb(f'{base}/{name} --rebuild', check=False)
    assert done.returncode != 0 and f'no sources are taken from {base}/project/sources' in done.stdout


def test_a_closed_prefix_is_told_by_eb(tmp_path, standin, sources, upstream):
    """As another user than root, who sees everything: its modules are planned again, and eb says why."""
    if os.geteuid() != 0:
        pytest.skip('only root can run eb as several users')
    base = Path(tempfile.mkdtemp(prefix='lumi-hooks-closed-'))
    try:
        base.chmod(0o755)
        for user in (ONE, TWO):
            folder(base / f'home{user}', owner=user, mode=0o700)
        own, below = folder(base / 'own'), folder(base / 'below', owner=TWO)
        recipe = base / 'Base-1.0-gfbf-2025a.eb'
        recipe.write_text(RECIPE.format(name='Base', dependency=''))
        lower = Member(standin, sources, upstream, below, base / f'home{TWO}', TWO, ())
        lower.eb(f'{recipe}')
        member = Member(standin, sources, upstream, own, base / f'home{ONE}', ONE, ())
        ask = f'{ROOT}/bin/lumi-eb plan --json {recipe}; eb --hooks={HOOKS} -D {recipe}'
        stacked = {'LUMI_HOOKS_PREFIXES': f'{own}:{below}'}
        found = member.run(ask, **stacked).stdout
        assert 'is closed to you' not in found and '"status": "installed"' in found, found
        for shut, lost in ((below, 'nothing that it holds is found'), (below / 'modules', 'its modules are not found')):
            shut.chmod(0o700)
            found = member.run(ask, **stacked).stdout
            shut.chmod(0o755)
            assert found.count(f'{shut} is closed to you: {lost}') == 2, found
            assert '"status": "build"' in found and f'lumi-hooks: {shut}' in found, found
    finally:
        shutil.rmtree(base)
