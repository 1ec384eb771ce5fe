# SPDX-License-Identifier: GPL-2.0-only
"""
Removal, for real and as an ordinary user, with eb and Lmod: what a job uses stays, what was removed or replaced comes
back, what was deleted by hand is told and installed again, and the list of modules stays short.
"""
import json
import os
import shutil
import time

import pytest

from .conftest import ROOT
from .faults import MODULE, RECIPE, User, base_folder, remove, wait_for
from .members import ONE, PROJECT_ID, STRANGER, TWO, Member, folder

NEEDED = 'needed/1.0-cpeGNU-25.03'
TOP = 'fault-1.0-GCCcore-14.2.0.eb'


@pytest.fixture
def user(standin, sources, upstream):
    path = base_folder()
    found = User(standin, sources, upstream, path)
    found.own(path)
    yield found
    remove(path)


def lumi_eb(user, arguments, check=True, **env):
    """Run lumi-eb of the checkout, without a terminal."""
    return user.run(f'{ROOT}/bin/lumi-eb {arguments} </dev/null', check=check, **env)


def as_json(done):
    """The object behind what Lmod says when EasyBuild's version is chosen."""
    return json.loads(done.stdout[done.stdout.index('{'):])


def listed(user, name='fault'):
    """What `module avail` lists of a software."""
    done = user.run(f'module -t avail {name} 2>&1')
    return [line for line in done.stdout.splitlines() if line.startswith(f'{name}/') and not line.endswith('/')]


def notes(user):
    return sorted((user.prefix / '.lumi-hooks/removed').glob('*.json'))


def with_dependency(user):
    """Two recipes, of which one needs the other."""
    folder = user.base / 'recipes'
    for name, more in (('needed', ''), ('fault', "dependencies = [('needed', '1.0')]\n")):
        text = RECIPE.format(generation='one', build='true').replace("'fault'", f"'{name}'")
        (folder / f'{name}-1.0-GCCcore-14.2.0.eb').write_text(text + more)
    user.own(folder)
    return folder / TOP, f'--robot={folder}'


def test_a_running_job_goes_on_and_undo_brings_it_back(user):
    user.install('one')
    assert listed(user) == [MODULE]
    home = user.base / 'home'
    job = user.start(f'module load {MODULE} && touch {home}/started && while ! test -e {home}/go; do sleep 0.2; done; '
                     'cat $EBROOTFAULT/share/f1 && echo it-went-on')
    wait_for((home / 'started').exists)
    done = lumi_eb(user, f'remove {MODULE}', check=False)
    assert done.returncode == 2 and 'there is no terminal to ask on: add --yes' in done.stdout
    assert 'Traceback' not in done.stdout and listed(user) == [MODULE]
    done = lumi_eb(user, 'remove --yes FAULT')
    assert 'inodes' not in done.stdout and 'stays on disk until' in done.stdout
    assert str(user.module_file) in done.stdout and str(user.folder) in done.stdout and 'fault-1.0' in done.stdout
    assert listed(user) == [] and not list((user.prefix / 'ebfiles_repo').rglob('fault*.eb'))
    # a job that was queued, and begins now
    late = user.run(f'module load {MODULE} && cat $EBROOTFAULT/share/f2')
    assert 'is due for deletion on' in late.stdout and late.stdout.strip().endswith('one'), late.stdout
    assert user.run('module load fault').returncode != 0
    (home / 'go').touch()
    out = job.communicate(timeout=60)[0]
    assert 'it-went-on' in out, out
    # it is not installed for anybody who asks
    plan = lumi_eb(user, f'plan {user.base}/recipes/one/{TOP}')
    assert 'build' in plan.stdout and lumi_eb(user, 'explain fault', check=False).returncode == 2
    again = lumi_eb(user, f'remove --yes {MODULE}', check=False)
    assert again.returncode == 2 and 'was removed already' in again.stdout
    assert MODULE in lumi_eb(user, 'remove').stdout
    assert as_json(lumi_eb(user, 'remove --json'))['kept'][0]['kind'] == 'removed'
    for said in ('is back', 'there is nothing to bring back'):
        assert said in lumi_eb(user, f'remove --undo {MODULE}').stdout
    assert listed(user) == [MODULE] and user.seen() == 'one'
    assert 'is due' not in user.run(f'module load {MODULE}', check=True).stdout
    assert list((user.prefix / 'ebfiles_repo').rglob('fault*.eb'))
    assert 'already installed' in user.install('one', '').stdout


@pytest.mark.long
def test_it_is_built_anew_and_what_was_removed_is_kept_and_expires(user):
    user.install('one')
    lumi_eb(user, f'remove --yes {MODULE}')
    done = user.install('two', '')
    assert 'COMPLETED: Installation ended successfully' in done.stdout and user.seen() == 'two'
    assert listed(user) == [MODULE] and user.kept('one')
    assert 'is due' not in user.run(f'module load {MODULE}', check=True).stdout
    # a rebuild
    done = user.install('three', '--rebuild')
    assert 'is kept until' in done.stdout and '--undo' in done.stdout
    assert user.seen() == 'three' and user.kept('two') and user.kept('one')
    assert 'is back as it was' in lumi_eb(user, 'remove --undo fault').stdout
    assert user.seen() == 'two' and user.kept('three') and listed(user) == [MODULE]
    assert 'nothing to bring back' in lumi_eb(user, 'remove --undo fault').stdout and user.seen() == 'two'
    # four days later
    assert 'nothing was to be deleted' in lumi_eb(user, 'remove --expire').stdout
    for note in notes(user):
        os.utime(note, (time.time() - 5 * 86400,) * 2)
    user.eb('lz4-1.10.0-GCCcore-14.2.0.eb --dry-run')
    assert notes(user) == [] and not user.kept('one') and user.seen() == 'two'
    assert sorted(path.name for path in user.folder.parent.iterdir()) == ['1.0-cpeGNU-25.03']
    # at once
    lumi_eb(user, f'remove --yes {MODULE}')
    assert 'deleted' in lumi_eb(user, f'remove --expire --now {MODULE}').stdout
    assert not user.folder.exists() and not user.module_file.exists() and notes(user) == []
    assert not (user.module_file.parent.parent / '.modulerc.lua').exists()


def test_a_build_that_fails_or_is_killed_leaves_what_is_due(user):
    user.install('one')
    lumi_eb(user, f'remove --yes {MODULE}')
    user.install('bad', '', check=False, extra="sanity_check_commands = ['false']\n")
    assert user.kept('one') and listed(user) == []
    user.killed('two', 'post_install')
    assert user.kept('one')
    done = lumi_eb(user, f'remove --undo {MODULE}')
    assert 'is back' in done.stdout and user.seen() == 'one' and user.litter() == []


def test_nothing_goes_that_others_need(user):
    top, robot = with_dependency(user)
    user.eb(f'{top} {robot}')
    done = lumi_eb(user, f'remove --yes {NEEDED}', check=False)
    assert done.returncode == 1 and f'needed by    {MODULE}' in done.stdout and 'add --force' in done.stdout
    found = as_json(lumi_eb(user, f'remove --yes --json {NEEDED}', check=False))
    assert found['removed'] is False and found['modules'][0]['needed_by'] == [MODULE]
    # by its module file alone
    record = user.folder / 'easybuild/lumi/record.json'
    record.rename(record.with_name('away'))
    assert lumi_eb(user, f'remove --yes {NEEDED}', check=False).returncode == 1
    record.with_name('away').rename(record)
    assert lumi_eb(user, f'remove --yes {NEEDED} {MODULE}').stdout.count('removed ') == 2


def test_what_came_in_as_a_dependency_is_not_listed_until_it_is_asked_for(user):
    top, robot = with_dependency(user)
    user.eb(f'{top} {robot}')
    assert listed(user) == [MODULE] and listed(user, 'needed') == []
    for name, asked in (('needed', False), ('fault', True)):
        record = json.loads((user.software(name, '1.0-cpeGNU-25.03') / 'easybuild/lumi/record.json').read_text())
        assert record['asked_for'] is asked
    assert NEEDED in user.run(f'module load {MODULE} && module list 2>&1', check=True).stdout
    user.run(f'module load {NEEDED} && test -n "$EBROOTNEEDED"', check=True)
    assert user.run('module load needed').returncode != 0
    # EasyBuild finds it, and does not build it again
    assert f'{NEEDED} is already installed' in user.eb(f'{top} {robot} --rebuild -D').stdout or \
        ' * [x] ' in user.eb(f'{top} {robot} -D').stdout
    asked = top.with_name('needed-1.0-GCCcore-14.2.0.eb')
    user.eb(f'{asked} --dry-run')
    assert listed(user, 'needed') == []
    done = user.eb(str(asked))
    assert 'already installed' in done.stdout and f'lists {NEEDED} from now on' in done.stdout
    assert listed(user, 'needed') == [NEEDED]
    user.eb(f'{top} {robot} --rebuild')
    assert listed(user, 'needed') == [NEEDED]


@pytest.mark.long
def test_jobs_of_slurm(fresh, slurm, tmp_path):
    """eb --job gives each recipe to an eb of its own; and a job goes on when what it uses is removed."""
    for name, more in (('needed', ''), ('fault', "dependencies = [('needed', '1.0')]\n")):
        text = RECIPE.format(generation='one', build='true').replace("'fault'", f"'{name}'")
        (tmp_path / f'{name}-1.0-GCCcore-14.2.0.eb').write_text(text + more)
    (tmp_path / 'jobs').mkdir()
    fresh.eb(f'{tmp_path}/{TOP} --robot={tmp_path} --job --job-backend=Slurm --job-cores=1 --job-max-walltime=1 '
             f'--job-output-dir={tmp_path}/jobs', **slurm)
    wait_for(lambda: not fresh.run('squeue -h', load=False, **slurm).stdout.strip(), 300)
    logs = '\n'.join(path.read_text()[-2000:] for path in (tmp_path / 'jobs').rglob('*') if path.is_file())
    assert listed(fresh) == [MODULE], logs
    assert listed(fresh, 'needed') == [] and (fresh.software('needed', '1.0-cpeGNU-25.03') / 'share/f1').exists(), logs
    script = tmp_path / 'job.sh'
    script.write_text(f'#!/bin/bash\nmodule load {MODULE} && touch {tmp_path}/started\n'
                      f'while ! test -e {tmp_path}/go; do sleep 0.2; done\n'
                      'cat $EBROOTFAULT/share/f1\necho it-went-on\n')
    fresh.run(f'sbatch --output={tmp_path}/out {script}', check=True, **slurm)
    wait_for((tmp_path / 'started').exists)
    lumi_eb(fresh, 'remove --yes fault')
    assert listed(fresh) == []
    (tmp_path / 'go').touch()
    wait_for(lambda: not fresh.run('squeue -h', load=False, **slurm).stdout.strip())
    assert (tmp_path / 'out').read_text().split()[-2:] == ['one', 'it-went-on']


def test_two_members_of_a_project(standin, sources, upstream):
    """One installs, the other asks by name, removes and brings back; nothing that one of them did is lost."""
    base = base_folder()
    try:
        prefix = folder(base / 'project', ONE, PROJECT_ID, 0o2775)
        one, two = (Member(standin, sources, upstream, prefix, folder(base / f'home{user}', user), user)
                    for user in (ONE, TWO))
        recipes = folder(base / 'recipes', 0)
        for name, more in (('needed', ''), ('fault', "dependencies = [('needed', '1.0')]\n")):
            text = RECIPE.format(generation='one', build='true').replace("'fault'", f"'{name}'")
            (recipes / f'{name}-1.0-GCCcore-14.2.0.eb').write_text(text + more)
        one.eb(f'{recipes}/{TOP} --robot={recipes}')
        assert listed(two, 'needed') == []
        done = two.eb(f'{recipes}/needed-1.0-GCCcore-14.2.0.eb', check=False)
        assert listed(one, 'needed') == [NEEDED], done.stdout[-3000:]
        assert 'stays on disk until' in lumi_eb(two, 'remove --yes fault').stdout
        assert listed(one) == []
        assert 'is back' in lumi_eb(one, 'remove --undo fault').stdout
        assert listed(two) == [MODULE]
        # a stranger
        away = Member(standin, sources, upstream, prefix, folder(base / 'homeless', STRANGER), STRANGER, ())
        done = lumi_eb(away, 'remove --yes fault', check=False)
        assert done.returncode == 2 and 'Traceback' not in done.stdout and listed(two) == [MODULE], done.stdout
    finally:
        remove(base)


def test_it_can_be_switched_off(user):
    top, robot = with_dependency(user)
    user.eb(f'{top} {robot}', LUMI_HOOKS_HIDE='off')
    assert listed(user, 'needed') == [NEEDED]


@pytest.mark.parametrize('by_hand', ['installation', *(pytest.param(what, marks=pytest.mark.long)
                                                     for what in ('contents', 'module'))])
def test_what_was_deleted_by_hand_is_told_and_installed_again(user, by_hand):
    user.install('one')
    if by_hand == 'module':
        user.module_file.unlink()
    else:
        shutil.rmtree(user.folder)
        if by_hand == 'contents':
            user.folder.mkdir()
            user.own(user.folder)
    told = lumi_eb(user, 'doctor', check=False)
    assert MODULE in told.stdout and '--robot' in told.stdout, told.stdout
    plan = lumi_eb(user, f'plan {user.base}/recipes/one/{TOP}')
    assert 'build' in plan.stdout and 'by hand' in plan.stdout, plan.stdout
    done = user.install('two', '')
    assert 'COMPLETED: Installation ended successfully' in done.stdout and user.seen() == 'two'
    assert user.litter() == []


@pytest.mark.long
def test_a_dependency_that_was_deleted_by_hand_is_built_again(user):
    top, robot = with_dependency(user)
    user.eb(f'{top} {robot}')
    shutil.rmtree(user.software('needed', '1.0-cpeGNU-25.03'))
    done = user.eb(f'{top} {robot} --rebuild')
    assert 'installing needed/1.0-cpeGNU-25.03' in done.stdout, done.stdout[-3000:]
    assert (user.software('needed', '1.0-cpeGNU-25.03') / 'share/f1').exists()


def test_it_says_whose_it_is(user):
    user.install('one')
    for said in (user.run(f'module help {MODULE}').stdout, lumi_eb(user, 'explain fault').stdout):
        assert f'Derived by lumi-hooks from {TOP}; not supported by LUST' in said and 'https://' in said


@pytest.mark.parametrize('command, said', [
    ('remove nonsense', 'nonsense is not installed'), ('remove --yes falt', 'did you mean fault'),
    ('remove --now fault', '--now goes with --expire'), ('remove --undo', '--undo takes a MODULE'),
    ('remove --undo fault', 'nothing of fault was removed or replaced'), ('remove --yes lz4', 'not'),
    ('remove --yes cray-mpich/8.1.32', 'not in your prefix'),
])
def test_what_can_not_be_removed_is_told_in_a_line(user, command, said):
    user.install('one')
    done = lumi_eb(user, command, check=False)
    assert done.returncode == 2 and said in done.stdout and 'Traceback' not in done.stdout, done.stdout
    assert user.seen() == 'one'
