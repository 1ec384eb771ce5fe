# SPDX-License-Identifier: GPL-2.0-only
"""What `eb` builds is what is true when it runs: after an edit, with a new module or upstream, in jobs, easystacks."""
from concurrent.futures import ThreadPoolExecutor

import pytest

from .test_live import tiny

# the one that LUMI/25.03 loads in each run, the others in the long ones
VERSIONS = ['5.1.2', *(pytest.param(version, marks=pytest.mark.long) for version in ('5.2.0', '5.4.1'))]


def own(fresh, name='mine', extra=''):
    """A recipe of the user in UserRepo, for an upstream toolchain, that says which text was built."""
    folder = fresh.prefix / 'UserRepo' / 'easybuild' / 'easyconfigs' / name[0] / name
    folder.mkdir(parents=True, exist_ok=True)
    return tiny(folder, name=name, extra=extra)


def says(word):
    """Lines of a recipe by which the build leaves a word."""
    return f"prebuildopts += 'echo {word} > said; '\nfiles_to_copy += [(['said'], 'bin')]\n"


def said(fresh, name='mine'):
    return (fresh.software(name, '1.0-cpeGNU-25.03') / 'bin' / 'said').read_text().strip()


@pytest.fixture(params=VERSIONS)
def version(fresh, request):
    """A fresh prefix, with each EasyBuild that LUMI loads or users may."""
    fresh.easybuild = request.param
    return fresh


def test_O1_an_edited_recipe_is_built_by_name_and_by_path(version):
    """A copy of the first text, below a folder on the robot path, was found by the recipe's name."""
    path = own(version, extra=says('first'))
    version.eb(f'{path.name}')
    assert said(version) == 'first'
    own(version, extra=says('second'))
    version.eb(f'{path.name} --rebuild')
    assert said(version) == 'second'
    own(version, extra=says('third'))
    version.eb(f'{path} --rebuild')
    assert said(version) == 'third'
    # and by its names, with the store on the robot path, which EasyBuild searches to its depth
    own(version, extra=says('fourth'))
    version.eb(f'{path.name} --rebuild --robot={version.prefix}/.lumi-hooks')
    assert said(version) == 'fourth'
    own(version, extra=says('fifth'))
    version.eb(f'mine-1.0-cpeGNU-25.03.eb --rebuild --robot={version.prefix}/.lumi-hooks')
    assert said(version) == 'fifth'


def test_O1_an_edited_dependency_is_built(version):
    """A recipe of the user that another one needs."""
    own(version, 'part', says('first'))
    top = own(version, 'top', "dependencies = [('part', '1.0')]\n")
    version.eb(f'{top.name} -r')
    assert said(version, 'part') == 'first'
    own(version, 'part', says('second'))
    version.eb('part-1.0-GCCcore-14.2.0.eb --rebuild')
    assert said(version, 'part') == 'second'


def test_O2_a_module_that_appears_between_two_runs(version):
    """Rules depend on what is installed: the second run makes another text of the same recipe."""
    before = version.eb('Seaborn-0.13.2-gfbf-2024a.eb -D -r').stdout
    folder = version.prefix / 'modules/LUMI/25.03/partition/C/matplotlib'
    folder.mkdir(parents=True)
    (folder / '3.9.2-cpeGNU-25.03.lua').write_text('-- a module of this test\n')
    after = version.eb('Seaborn-0.13.2-gfbf-2024a.eb -D -r').stdout
    assert 'Seaborn/0.13.2-cpeGNU-25.03' in before and 'Seaborn/0.13.2-cpeGNU-25.03' in after
    assert '[x] ' in after and 'has different contents' not in after


def test_O2_an_upstream_folder_that_changes(version, tmp_path):
    """As after `git pull`."""
    upstream = tmp_path / 'upstream' / 't' / 'tiny'
    upstream.mkdir(parents=True)
    for word in ('first', 'second'):
        tiny(upstream, extra=says(word))
        version.eb('tiny-1.0-GCCcore-14.2.0.eb --rebuild', LUMI_HOOKS_UPSTREAM=tmp_path / 'upstream')
        assert said(version, 'tiny') == word


def test_an_easystack_after_an_edit(version, tmp_path):
    own(version, 'mine', says('first'))
    own(version, 'other', says('first'))
    stack = tmp_path / 'stack.yaml'
    stack.write_text('easyconfigs:\n  - mine-1.0-GCCcore-14.2.0.eb\n  - other-1.0-GCCcore-14.2.0.eb\n')
    version.eb(f'--easystack {stack} -r --experimental')
    own(version, 'mine', says('second'))
    version.eb(f'--easystack {stack} -r --experimental --rebuild')
    assert said(version, 'mine') == 'second' and said(version, 'other') == 'first'


def test_eight_at_once(fresh):
    """Of one recipe and of recipes that need it; nobody meets what another one has written."""
    own(fresh, 'shared', says('first'))
    names = [f'user{number}' for number in range(7)]
    for name in names:
        own(fresh, name, "dependencies = [('shared', '1.0')]\n")
    fresh.run('true', check=True)  # the folders that loading EasyBuild-user makes
    # two first runs of EasyBuild at once may both make it, and one then stops: its options.py asks first, then makes it
    (fresh.home / 'work' / 'easybuild' / 'tmp').mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda name: fresh.eb(f'{name}-1.0-GCCcore-14.2.0.eb -r', check=False),
                             ['shared', *names]))
    assert [one.returncode for one in done] == [0] * 8, '\n'.join(one.stdout[-1500:] for one in done)
    assert said(fresh, 'shared') == 'first'
    # no folder of links is left, and nothing half written
    left = [path.name for path in fresh.prefix.joinpath('.lumi-hooks', 'store').iterdir() if len(path.name) != 2]
    assert [name for name in left if name != '.expired'] == []
    assert not list(fresh.home.rglob('lumi-hooks-recipes-*'))


def test_what_goes_wrong_leaves_no_folder_of_links(fresh):
    own(fresh, 'broken', "prebuildopts = 'false && '\n")
    assert fresh.eb('broken-1.0-GCCcore-14.2.0.eb', check=False).returncode != 0
    assert not list(fresh.home.rglob('lumi-hooks-recipes-*'))


def test_a_job_builds_what_was_true_when_it_was_submitted(fresh, slurm, tmp_path):
    """It is given a path in the store, which no later edit changes; the next one builds the new text."""
    (tmp_path / 'jobs').mkdir()
    own(fresh, extra=says('first'))
    submit = f'mine-1.0-GCCcore-14.2.0.eb --rebuild --job --job-backend=Slurm --job-cores=1 --job-max-walltime=1 ' \
             f'--job-output-dir={tmp_path}/jobs'
    for word in ('first', 'second'):
        own(fresh, extra=says(word))
        done = fresh.eb(submit, **slurm)
        assert 'List of submitted jobs (1)' in done.stdout, done.stdout[-2000:]
        own(fresh, extra=says('edited while it waited'))
        wait = 'for i in $(seq 120); do [ -z "$(squeue -h)" ] && break; sleep 1; done'
        fresh.run(wait, load=False, **slurm)
        logs = '\n'.join(path.read_text()[-2000:] for path in (tmp_path / 'jobs').rglob('*') if path.is_file())
        assert said(fresh) == word, logs
