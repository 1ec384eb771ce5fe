# SPDX-License-Identifier: GPL-2.0-only
"""
Attacks, tried for real: a victim who runs `eb` and `lumi-eb`, a member of the victim's project, and a stranger who
prepares what they come across. Nothing of the stranger's may run as the victim.
"""
import copy
import json
import os
import shlex
import shutil
import struct
import subprocess

import pytest

from .conftest import HOOKS
from .members import ONE, PROJECT_ID, STRANGER, TWO, folder
from .test_live import tiny

pytestmark = pytest.mark.security
LUMI_EB = HOOKS.parents[1] / 'bin' / 'lumi-eb'


@pytest.fixture
def mark(people):
    """A file that appears where code of others is run as the victim; it is looked for at the end of every test."""
    path = people['base'] / f'home{ONE}' / 'was-run'
    yield path
    there = path.exists()
    path.unlink(missing_ok=True)
    assert not there, 'code of others was run'


@pytest.fixture
def trap(mark):
    """Lines of a recipe that leave the mark when they are read."""
    return f"import os\nos.system('touch {mark}')\n"


def owned(path, user, group=None, mode=None):
    """Give a file or folder to a user; returns it."""
    os.chown(path, user, user if group is None else group)
    if mode is not None:
        path.chmod(mode)
    return path


def at(member, prefix):
    """The same person with another prefix, set before modules are loaded."""
    found = copy.copy(member)
    found.prefix, found.env = prefix, {**member.env, 'EBU_USER_PREFIX': str(prefix)}
    return found


def access_list(user):
    """An ACL that lets one more user write, as the kernel keeps it."""
    entries = [(0x01, 7, 0xffffffff), (0x02, 7, user), (0x04, 5, 0xffffffff), (0x10, 7, 0xffffffff),
               (0x20, 5, 0xffffffff)]
    return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *entry) for entry in entries)


@pytest.fixture(scope='module')
def theirs(people):
    """An installation of the stranger's, made with these hooks, whose recorded recipe is a trap now."""
    prefix = folder(people['base'] / 'strangers', owner=STRANGER)
    at(people['stranger'], prefix).eb(f'{tiny(people["recipes"], name="bait")}')
    return prefix / 'SW' / 'LUMI-25.03' / 'C' / 'bait' / '1.0-cpeGNU-25.03', prefix


@pytest.fixture
def baited(theirs, trap):
    """The same, with a trap in every recipe that it keeps, and a record that goes with them."""
    import hashlib
    installation, prefix = theirs
    path = installation / 'easybuild' / 'lumi' / 'record.json'
    record = json.loads(path.read_text())
    for recipe in [*installation.rglob('*.eb'), *(prefix / 'ebfiles_repo').rglob('*.eb')]:
        if 'was-run' not in recipe.read_text():
            recipe.write_text(trap + recipe.read_text())
    for key, folder_of in (('recipe', 'easybuild'), ('source', os.path.join('easybuild', 'lumi'))):
        text = (installation / folder_of / record[key]['file']).read_bytes()
        record[key]['sha256'] = hashlib.sha256(text).hexdigest()
    path.write_text(json.dumps(record))
    return installation, prefix


def test_S1_explain_runs_no_recipe_of_a_stranger(people, baited, mark):
    installation, prefix = baited
    victim = people['one']
    for what in (installation, f'--json {installation}'):
        said = victim.run(f'{LUMI_EB} explain {what}')
        assert 'recorded, not yours: not evaluated' in said.stdout and 'Traceback' not in said.stdout, said.stdout
    modules = prefix / 'modules/LUMI/25.03/partition/C'
    said = victim.run(f'module use {modules}; {LUMI_EB} explain bait; {LUMI_EB} explain bait/1.0-cpeGNU-25.03')
    assert said.stdout.count('recorded, not yours: not evaluated') == 2, said.stdout


def test_S1_a_supporter_looks_into_a_strangers_prefix(people, baited, mark):
    _, prefix = baited
    said = at(people['one'], prefix).run(f'{LUMI_EB} explain; {LUMI_EB} plan bait-1.0-cpeGNU-25.03.eb; {LUMI_EB} sbom; '
                                         f'{LUMI_EB} adapt bait-1.0-cpeGNU-25.03.eb')
    assert 'not yours' in said.stdout and 'Traceback' not in said.stdout, said.stdout


def test_S2_a_recipe_of_a_projects_group_that_is_no_prefix_of_mine(people, mark, trap):
    """LICENSED is a group of the victim's too, but no prefix of theirs is its."""
    from .members import LICENSED_ID
    place = folder(people['base'] / 'other-project', owner=STRANGER, group=LICENSED_ID, mode=0o2775)
    path = owned(tiny(place, name='grouped', extra=trap), ONE, LICENSED_ID, 0o664)
    said = people['one'].eb(f'{path}', check=False)
    assert said.returncode != 0 and 'is not read, as it decides on what is run' in said.stdout, said.stdout


def test_S2_a_patch_that_everybody_can_write(people, mark):
    victim = people['one']
    place = folder(people['base'] / f'home{ONE}' / 'mine')
    path = owned(tiny(place, name='patched', extra="patches = ['fix.patch']\n"), ONE)
    (place / 'fix.patch').write_text('')
    owned(place / 'fix.patch', ONE, mode=0o666)
    said = victim.eb(f'{path}', check=False)
    assert said.returncode != 0 and f'the patch {place}/fix.patch is not read' in said.stdout, said.stdout
    assert f'chmod o-w {place}/fix.patch' in said.stdout


def test_S2_a_link_whose_folder_others_can_write_to(people, mark):
    """Patches are looked for next to the link."""
    place = folder(people['base'] / f'home{ONE}' / 'linked')
    path = owned(tiny(place, name='linked'), ONE)
    public = folder(people['base'] / 'public', owner=STRANGER, mode=0o777)
    (public / path.name).symlink_to(path)
    said = people['one'].eb(f'{public / path.name}', check=False)
    assert said.returncode != 0 and f'everybody can write to {public}' in said.stdout, said.stdout
    shutil.rmtree(public)


def test_S2_acls(people, mark, trap):
    place = folder(people['base'] / f'home{ONE}' / 'listed')
    path = owned(tiny(place, name='listed', extra=trap), ONE)
    os.setxattr(path, 'system.posix_acl_access', access_list(STRANGER))
    said = people['one'].eb(f'{path}', check=False)
    assert said.returncode != 0 and f'an ACL lets user {STRANGER} write to {path}: setfacl -b {path}' in said.stdout


def test_S2_upstreams_folder_that_everybody_can_write_to(people, mark, trap):
    upstream = folder(people['base'] / 'upstream', mode=0o777)
    owned(tiny(upstream, name='up', extra=trap), STRANGER)
    said = people['one'].eb('up-1.0-GCCcore-14.2.0.eb', check=False, LUMI_HOOKS_UPSTREAM=upstream)
    assert said.returncode != 0 and 'is not read, as it decides on what is run' in said.stdout, said.stdout
    said = people['one'].run(f'{LUMI_EB} adapt up-1.0-GCCcore-14.2.0.eb', LUMI_HOOKS_UPSTREAM=upstream)
    assert said.returncode == 2 and 'is not read' in said.stdout, said.stdout


def test_S2_an_eb_in_the_home_folder_makes_no_site(people, mark, trap):
    """`~/eb` made the folder above all homes one of the site's."""
    public = folder(people['base'] / 'beside', owner=STRANGER, mode=0o777)
    path = owned(tiny(public, name='beside', extra=trap), STRANGER)
    home = people['base'] / f'home{ONE}'
    eb = owned(home / 'eb', ONE, mode=0o755) if (home / 'eb').exists() else home / 'eb'
    eb.write_text('#!/bin/sh\nexec /nowhere "$@"\n')
    owned(eb, ONE, mode=0o755)
    said = people['one'].run(f'PATH={home}:$PATH {LUMI_EB} adapt {path}')
    eb.unlink()
    assert said.returncode == 2 and 'is not read' in said.stdout, said.stdout


def test_S2_a_list_of_prefixes_that_everybody_can_write(people, mark, trap):
    victim = people['one']
    lent = folder(people['base'] / 'lent', owner=STRANGER, mode=0o777)
    recipes = folder(lent / 'UserRepo' / 'easybuild' / 'easyconfigs', owner=STRANGER)
    owned(tiny(recipes, name='lent', extra=trap), STRANGER)
    own = folder(people['base'] / 'own')
    folder(own / '.lumi-hooks')
    (own / '.lumi-hooks' / 'prefixes').write_text(f'{lent}\n')
    owned(own / '.lumi-hooks' / 'prefixes', ONE, mode=0o666)
    for command in (f'eb --hooks={HOOKS} lent-1.0-GCCcore-14.2.0.eb', f'{LUMI_EB} plan lent-1.0-GCCcore-14.2.0.eb'):
        said = at(victim, own).run(command)
        assert said.returncode != 0 and 'prefixes is not followed' in said.stdout, said.stdout
    # the user's own list that names a stranger's prefix: it lends no trust to what lies there
    owned(own / '.lumi-hooks' / 'prefixes', ONE, mode=0o644)
    said = at(victim, own).run(f'eb --hooks={HOOKS} lent-1.0-GCCcore-14.2.0.eb')
    assert said.returncode != 0 and 'no recipes are taken from' in said.stdout, said.stdout


def copied(people, name, owner=ONE, group=None):
    """A clone of the library as a user has it."""
    clone = people['base'] / name
    clone.mkdir()
    subprocess.run(['cp', '-r', *(HOOKS.parents[1] / part for part in ('lumi_hooks', 'toolchains', 'easyblocks', 'bin',
                                                                      'easyconfigs', 'setup.cfg', 'modulefiles')),
                    clone], check=True)
    subprocess.run(['chown', '-R', f'{owner}:{owner if group is None else group}', clone], check=True)
    subprocess.run(['find', clone, '-name', '__pycache__', '-prune', '-exec', 'rm', '-rf', '{}', ';'], check=True)
    return clone


def test_S2_a_clone_that_everybody_can_write_to(people, mark):
    victim, clone = people['one'], copied(people, 'clone')
    path = tiny(people['recipes'], name='cloned')
    for place in (clone / 'lumi_hooks' / 'rules', clone / 'easyblocks' / 'fixes' / 'boost.py'):
        before = place.stat().st_mode
        place.chmod(0o777)
        said = victim.run(f'eb --hooks={clone}/lumi_hooks/hooks.py {path}')
        assert said.returncode != 0 and 'this copy of lumi-hooks is not used' in said.stdout, said.stdout
        assert f'chmod -R o-w {clone}' in said.stdout and 'building and installing' not in said.stdout
        place.chmod(before)
    # a stranger's clone that the user chose is as good as its owner
    victim.run(f'eb --hooks={clone}/lumi_hooks/hooks.py {path} -D', check=True)


def test_a_clone_in_the_projects_folder_with_group_write(people, mark):
    """As git makes it under umask 002 in a folder with the set-gid bit: accepted by its members."""
    clone = copied(people, 'project/clone', TWO, PROJECT_ID)
    subprocess.run(['chmod', '-R', 'g+w', clone], check=True)
    subprocess.run(['find', clone, '-type', 'd', '-exec', 'chmod', 'g+s', '{}', '+'], check=True)
    people['one'].run(f'eb --hooks={clone}/lumi_hooks/hooks.py {tiny(people["recipes"], name="shared")} -D', check=True)


def test_honest_people_are_not_refused(people, mark):
    """A member's recipe in the project's prefix, a member's override, LUMI's own folders, the other's installation."""
    one, two, prefix = people['one'], people['two'], people['prefix']
    repo = prefix / 'UserRepo' / 'easybuild' / 'easyconfigs' / 'o' / 'ours'
    override = {'name': 'ours', 'overrides': [{'reason': 'we need it', 'parameters': {'maxparallel': 1}}]}
    one.eb(f'{tiny(people["recipes"], name="first")}')  # the folders become the project's
    mine = tiny(people['recipes'], name='ours')
    two.run(f'set -e; umask 002; mkdir -p {repo} {prefix}/overrides; cp {mine} {repo}/; '
            f'echo {shlex.quote(json.dumps(override))} > {prefix}/overrides/ours.json', check=True)
    done = one.eb('ours-1.0-GCCcore-14.2.0.eb')
    assert 'ours/1.0-cpeGNU-25.03' in done.stdout
    said = two.run(f'{LUMI_EB} explain ours')
    assert 'same' in said.stdout and 'not yours' not in said.stdout, said.stdout


def test_S7_eb_in_a_strangers_folder(people, mark):
    """Python imports from the current folder first, as `eb` starts it: the hooks import nothing from there."""
    victim = people['one']
    public = folder(people['base'] / 'shared-work', owner=STRANGER)
    # what EasyBuild itself imports before the hooks can't be helped: docs/security.md
    planted = public / 'lumi_hooks.py'
    planted.write_text(f"open({str(mark)!r}, 'w').close()\nraise SystemExit('it was run')\n")
    owned(planted, STRANGER)
    path = tiny(people['recipes'], name='worked')
    said = victim.run(f'cd {public} && eb --hooks={HOOKS} {path}')
    assert said.returncode != 0 and f'eb was started in {public}, which Python imports from' in said.stdout, said.stdout
    assert 'building and installing' not in said.stdout
    (public / 'argparse.py').write_text(f"open({str(mark)!r}, 'w').close()\n")
    said = victim.run(f'cd {public} && PYTHONPATH=: {LUMI_EB} status --json; PYTHONPATH=.:/x {LUMI_EB} status --json')
    assert said.stdout.count('"lumi_hooks"') == 2, said.stdout


def test_S7_with_the_module_eb_imports_nothing_from_there(people, mark):
    """Not even what EasyBuild imports before the hooks; and what is built may import from beside its own script."""
    victim = people['one']
    public = folder(people['base'] / 'planted', owner=STRANGER)
    planted = public / 'optparse.py'
    planted.write_text(f"open({str(mark)!r}, 'w').close()\n")
    owned(planted, STRANGER)
    path = tiny(people['recipes'], name='moduled', extra="""
prebuildopts += "printf 'import sibling\\n' > script.py; printf 'x = 1\\n' > sibling.py; $EB_PYTHON script.py && "
""")
    load = f'module use {HOOKS.parents[1]}/modulefiles; module load lumi-hooks'
    said = victim.run(f'{load}; cd {public} && eb {path}')
    assert 'moduled/1.0-cpeGNU-25.03 is in' in said.stdout, said.stdout[-3000:]


def test_S9_a_build_path_that_somebody_else_prepared(people, mark):
    victim = people['one']
    path = tiny(people['recipes'], name='placed')
    prepared = folder(people['base'] / 'prepared', owner=STRANGER, mode=0o777)
    for variable in ('EASYBUILD_TMPDIR', 'EASYBUILD_BUILDPATH'):
        said = victim.eb(f'{path}', check=False, **{variable: prepared})
        assert said.returncode != 0 and 'nothing was built' in said.stdout and f'{prepared}' in said.stdout, said.stdout
    # /tmp/<name> of a package, made before the victim's build makes it
    public = folder(people['base'] / 'public-tmp', owner=0, group=0, mode=0o1777)
    folder(public / 'placed', owner=STRANGER, mode=0o777)
    said = victim.eb(f'{path}', check=False, EASYBUILD_BUILDPATH=public)
    assert said.returncode != 0 and 'nothing was built' in said.stdout, said.stdout
    shutil.rmtree(public / 'placed')
    victim.eb(f'{path}', EASYBUILD_BUILDPATH=public, EASYBUILD_TMPDIR=public)


def test_more_an_easystack_that_everybody_can_write(people, mark):
    """It may name options for each recipe, --include-easyblocks among them."""
    stack = people['base'] / f'home{ONE}' / 'stack.yaml'
    stack.write_text(f'easyconfigs:\n  - {tiny(people["recipes"], name="stacked").name}\n')
    owned(stack, ONE, mode=0o666)
    said = people['one'].eb(f'--easystack {stack} --experimental --robot={people["recipes"]}', check=False)
    assert said.returncode != 0 and f'the file {stack} is not read' in said.stdout, said.stdout


def test_more_checksums_beside_that_everybody_can_write(people, mark):
    place = folder(people['base'] / f'home{ONE}' / 'summed')
    path = owned(tiny(place, name='summed'), ONE)
    (place / 'checksums.json').write_text('{}')
    owned(place / 'checksums.json', ONE, mode=0o666)
    said = people['one'].eb(f'{path}', check=False)
    assert said.returncode != 0 and 'the list of checksums' in said.stdout and 'is not read' in said.stdout, said.stdout


def test_more_a_strangers_link_in_a_folder_for_everybody(people, mark, trap):
    """The sticky bit keeps the link, and its owner can lead it elsewhere."""
    place = folder(people['base'] / f'home{ONE}' / 'target')
    path = owned(tiny(place, name='target'), ONE)
    sticky = folder(people['base'] / 'sticky', owner=0, group=0, mode=0o1777)
    (sticky / 'way').symlink_to(place)
    os.chown(sticky / 'way', STRANGER, STRANGER, follow_symlinks=False)
    said = people['one'].eb(f'{sticky}/way/{path.name}', check=False)
    assert said.returncode != 0 and f'{sticky}/way belongs to' in said.stdout, said.stdout


def test_more_a_fifo_in_the_place_of_a_recipe(people, mark):
    place = folder(people['base'] / f'home{ONE}' / 'pipes')
    os.mkfifo(place / 'pipe-1.0.eb')
    owned(place / 'pipe-1.0.eb', ONE)
    said = people['one'].run(f'timeout 60 {LUMI_EB} adapt {place}/pipe-1.0.eb')
    assert said.returncode == 2 and 'Traceback' not in said.stdout, said.stdout


def test_more_the_module_follows_no_list_that_everybody_can_write(people, mark):
    """modulefiles/lumi-hooks.lua puts the prefixes' modules onto MODULEPATH: a module is code, too."""
    lent = folder(people['base'] / 'lent-modules', owner=STRANGER)
    folder(lent / 'modules/LUMI/25.03/partition/C', owner=STRANGER)
    own = folder(people['base'] / 'own-modules')
    folder(own / '.lumi-hooks')
    (own / '.lumi-hooks' / 'prefixes').write_text(f'{lent}\n')
    owned(own / '.lumi-hooks' / 'prefixes', ONE, mode=0o666)
    said = at(people['one'], own).run(f'module use {HOOKS.parents[1]}/modulefiles; module load lumi-hooks; '
                                      'echo $MODULEPATH')
    assert f'{lent}/modules' not in said.stdout, said.stdout


def test_more_git_runs_nothing_of_a_clones_configuration(people, mark):
    """The record notes the clone's commit: git status would run core.fsmonitor of a configuration that others wrote."""
    victim, clone = people['one'], copied(people, 'gitclone')
    subprocess.run(['chown', '-R', '0:0', clone], check=True)
    git = ['git', '-C', clone, '-c', 'user.name=x', '-c', 'user.email=x@x']
    for words in (['init', '-q'], ['add', '-A'], ['commit', '-qm', 'x']):
        subprocess.run([*git, *words], check=True)
    (clone / 'fsmonitor').write_text(f'#!/bin/sh\ntouch {mark}\n')
    (clone / 'fsmonitor').chmod(0o755)
    subprocess.run([*git, 'config', 'core.fsmonitor', str(clone / 'fsmonitor')], check=True)
    subprocess.run(['chown', '-R', f'{ONE}:{ONE}', clone], check=True)
    done = victim.run(f'eb --hooks={clone}/lumi_hooks/hooks.py {tiny(people["recipes"], name="gitted")}')
    assert done.returncode == 0, done.stdout[-3000:]
