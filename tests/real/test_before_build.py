# SPDX-License-Identifier: GPL-2.0-only
"""Before, while and after a package is installed by ordinary users: findings, trust, permissions, licensed software."""
import hashlib
import json
import os
import stat
import subprocess

import pytest

from .conftest import HOOKS
from .members import LICENSED, LICENSED_ID, ONE, PROJECT_ID, TWO, folder
from .test_live import tiny

SCRIPT = """
prebuildopts = "echo 'int main(void) { return 0; }' > tiny.c; "
prebuildopts += "printf '#!/bin/sh\\nexit 0\\n' > script; chmod 600 script; "
files_to_copy = [(['tiny', 'script'], 'bin')]
sanity_check_commands = ['script']
"""


def of(path):
    """Mode and group of everything below a folder, links left out."""
    for place, folders, files in os.walk(path):
        for name in ['', *folders, *files]:
            entry = os.path.join(place, name) if name else place
            status = os.lstat(entry)
            if not stat.S_ISLNK(status.st_mode):
                yield entry, status


def test_users_are_ordinary(people):
    assert not people['stranger'].can('-w', people['prefix']) and people['two'].can('-w', people['prefix'])
    assert people['stranger'].run(f'touch {people["prefix"]}/x', load=False).returncode != 0


def test_a_projects_installation_is_the_projects(people):
    """Under a umask that gives the group nothing, and with a script that `sed -i` left as it does on SP6."""
    one, prefix = people['one'], people['prefix']
    prefix.chmod(0o2755)  # as EasyBuild-user makes it
    done = one.eb(f'{tiny(people["recipes"], extra=SCRIPT)}', umask='0077')
    assert stat.S_IMODE(os.stat(prefix).st_mode) == 0o2775
    assert 'script was readable only by its owner (mode 600), and is executable again' in done.stdout
    top = one.software('tiny', '1.0-cpeGNU-25.03')
    assert stat.S_IMODE(os.stat(top / 'bin' / 'script').st_mode) == 0o775
    written = [top, prefix / 'modules/LUMI/25.03/partition/C/tiny', prefix / 'ebfiles_repo/LUMI-25.03/LUMI-C/tiny']
    for place in written:
        for entry, status in of(place):
            mode = status.st_mode
            assert status.st_gid == PROJECT_ID and status.st_uid == ONE, entry
            assert mode & stat.S_IRGRP and mode & stat.S_IWGRP and not mode & stat.S_IWOTH, (entry, oct(mode))
            if stat.S_ISDIR(mode):
                assert mode & stat.S_ISGID and mode & stat.S_IXGRP, (entry, oct(mode))
    # a prefix that its owner has closed stays closed
    prefix.chmod(0o2700)
    one.eb(f'{people["recipes"]}/tiny-1.0-GCCcore-14.2.0.eb --rebuild')
    assert stat.S_IMODE(os.stat(prefix).st_mode) == 0o2700
    prefix.chmod(0o2775)
    # the other member uses it, and installs another version beside it
    assert people['two'].run('module load tiny/1.0-cpeGNU-25.03 && script && tiny').returncode == 0
    people['two'].eb(f'{tiny(people["recipes"], version="2.0")}', umask='0077')
    assert one.run('module load tiny/2.0-cpeGNU-25.03 && tiny').returncode == 0
    assert os.stat(one.software('tiny', '2.0-cpeGNU-25.03')).st_uid == TWO


def test_licensed_software(people):
    """Sources from the user's own folder, the installation for those alone who have the licence."""
    one, prefix, base_folder = people['one'], people['prefix'], people['base']
    private = folder(base_folder / f'home{ONE}' / 'licensed', mode=0o700)
    source = base_folder / 'secret-1.0'
    source.mkdir()
    (source / 'secret.c').write_text('int main(void) { return 0; }\n')
    subprocess.run(['tar', 'czf', private / 'secret-1.0.tar.gz', '-C', base_folder, 'secret-1.0'], check=True)
    os.chown(private / 'secret-1.0.tar.gz', ONE, ONE)
    (private / 'secret-1.0.tar.gz').chmod(0o600)
    digest = hashlib.sha256((private / 'secret-1.0.tar.gz').read_bytes()).hexdigest()
    recipe = tiny(people['recipes'], name='secret', extra=f"sources = ['secret-1.0.tar.gz']\nchecksums = ['{digest}']\n"
                  "prebuildopts = '$PREBUILD '\nbuildopts = 'secret'\nfiles_to_copy = [(['secret'], 'bin')]\n"
                  "sanity_check_paths = {'files': ['bin/secret'], 'dirs': []}\n")
    overrides = folder(prefix / 'overrides', group=PROJECT_ID, mode=0o2775)
    entry = {'reason': 'our licence is for these people', 'group': LICENSED, 'license_file': str(private / 'licence')}
    (overrides / 'secret.json').write_text(json.dumps({'name': 'secret', 'overrides': [entry]}))

    asked = {'LUMI_HOOKS_PRIVATE_SOURCES': private}
    done = one.eb(f'{recipe}', check=False, **asked)
    assert done.returncode != 0
    assert f'needs the licence {private}/licence, which does not exist' in done.stdout, done.stdout
    assert not one.software('secret', '').exists()
    (private / 'licence').write_text('')
    # the log of a build that fails quotes its sources
    done = one.eb(f'{recipe}', check=False, PREBUILD='false', **asked)
    log = prefix / '.lumi-hooks/failed/secret-1.0-cpeGNU-25.03.log'
    assert done.returncode != 0 and one.can('-r', log) and not people['two'].can('-r', log), done.stdout[-3000:]
    done = one.eb(f'{recipe}', **asked)
    top = one.software('secret', '1.0-cpeGNU-25.03')
    assert stat.S_IMODE(os.stat(top).st_mode) == 0o2770
    for entry, status in of(top):
        # EasyBuild's report is written when eb ends, into the folder that is closed by then
        if not entry.endswith('_test_report.md'):
            assert status.st_gid == LICENSED_ID and not status.st_mode & 0o007, (entry, oct(status.st_mode))
    # the module says so, and is there for all; the program is not
    module = prefix / 'modules/LUMI/25.03/partition/C/secret/1.0-cpeGNU-25.03.lua'
    assert LICENSED in module.read_text()
    assert people['two'].can('-r', module) and not people['two'].can('-r', top / 'bin' / 'secret')
    assert not people['two'].can('-x', top)
    # and lumi-eb says so, instead of that there is none
    command = HOOKS.parents[1] / 'bin' / 'lumi-eb'
    told = people['two'].run(f'{command} explain secret')
    assert told.returncode == 2 and f"{top} can't be read by you" in told.stdout, told.stdout
    assert one.run('module load secret/1.0-cpeGNU-25.03 && secret').returncode == 0
    refused = people['two'].run('module load secret/1.0-cpeGNU-25.03')
    assert refused.returncode != 0 and LICENSED in refused.stdout, refused.stdout
    # the source lies nowhere else
    found = subprocess.run(['find', str(base_folder), '-name', 'secret-1.0.tar.gz'], capture_output=True, text=True,
                           check=True).stdout.split()
    assert found == [str(private / 'secret-1.0.tar.gz')]
    # and what others need to go on working here is not closed to them
    people['two'].eb(f'{tiny(people["recipes"], version="3.0")}')
    told = people['two'].run(f'{command} sbom --output ~/sbom.json; echo code=$?; cat ~/sbom.json')
    assert f"left out: {top} can't be read by you" in told.stdout and 'code=1' in told.stdout, told.stdout
    assert '"name": "tiny"' in told.stdout and '"name": "secret"' not in told.stdout


def test_what_would_go_wrong_is_told_at_once(people, base):
    """An error stops before the first byte is built; a warning does not."""
    recipe = tiny(people['recipes'], name='unchecked', extra="sources = ['unchecked-1.0.tar.gz']\n"
                  "license_file = '/nowhere/licence'\n")
    done = people['one'].eb(f'{recipe} {tiny(people["recipes"], name="fine")}', check=False)
    assert done.returncode != 0 and 'Traceback' not in done.stdout
    assert 'nothing was built' in done.stdout and 'has no checksum for unchecked-1.0.tar.gz' in done.stdout
    assert '/nowhere/licence' in done.stdout and 'LUMI_HOOKS_ALLOW=unchecked' in done.stdout
    assert not people['one'].software('fine', '').exists()
    # allowed by name; then it is EasyBuild that does not find it
    done = people['one'].eb(f'{recipe}', check=False, LUMI_HOOKS_ALLOW='unchecked')
    assert 'has no checksum' not in done.stdout and '/nowhere/licence' in done.stdout


def test_a_prefix_that_cannot_be_written(people, base):
    closed = folder(base / 'closed', owner=0, group=0)
    member = people['two']
    assert not member.can('-w', closed)
    # loading EasyBuild-user fails there already, as it makes folders: what is asked is lumi-eb
    done = member.run(f'{people["one"].hooks.parent.parent}/bin/lumi-eb doctor --json', load=False,
                      EBU_USER_PREFIX=closed, EB_PYTHON='/usr/bin/python3', LUMI_STACK_VERSION='25.03',
                      LUMI_STACK_PARTITION='C')
    found = json.loads(done.stdout[done.stdout.index('{'):])
    assert done.returncode == 1
    assert any(finding['check'] == 'prefix' and 'Permission denied' in finding['text'] for finding in found['findings'])


def test_recipes_of_others_are_not_run(people, base):
    """A recipe that everybody can write is refused before EasyBuild reads it, as reading it runs it."""
    trap = folder(base / 'trap', mode=0o777)
    mark = base / 'home65533' / 'was-run'
    path = tiny(trap, name='trap', extra=f"import os\nos.system('touch {mark}')\n")
    path.chmod(0o644)
    done = people['two'].eb(f'{path}', check=False)
    assert done.returncode != 0 and 'is not read, as it decides on what is run' in done.stdout
    assert not mark.exists()
    done = people['two'].eb(f'trap-1.0-GCCcore-14.2.0.eb -r {trap}', check=False)
    assert done.returncode != 0 and 'no recipes are taken from' in done.stdout and not mark.exists()
    # deeper on the robot path, where the folder that is named is in order
    robot = folder(base / 'robot', owner=0, group=0)
    deep = folder(robot / 't' / 'trap', mode=0o777)
    path.rename(deep / path.name)
    done = people['two'].eb(f'trap-1.0-GCCcore-14.2.0.eb -r {robot}', check=False)
    assert done.returncode != 0 and f'everybody can write to {deep}' in done.stdout and not mark.exists()


def test_easyblocks_of_others_build_nothing(people, base):
    """EasyBuild loads what --include-easyblocks names before any hook runs: that can only be told, and stopped."""
    block = folder(base / 'blocks', mode=0o777) / 'trap.py'
    block.write_text('from easybuild.framework.easyblock import EasyBlock\n\n\nclass EB_trap(EasyBlock):\n    pass\n')
    path = tiny(people['recipes'], name='included')
    done = people['two'].eb(f'{path} --include-easyblocks={block}', check=False)
    assert done.returncode != 0 and 'which an option --include-easyblocks names, is not used' in done.stdout
    assert 'building and installing' not in done.stdout


def closed_below(top, *own):
    """Folders that the project's other members cannot use; locks, what is one group's and `own` ones left out."""
    found = []
    for place, folders, _ in os.walk(top):
        for name in folders:
            status = os.lstat(os.path.join(place, name))
            if status.st_gid == PROJECT_ID and status.st_mode & 0o2070 != 0o2070 and not name.endswith('.lock'):
                found.append(os.path.join(place, name))
        folders[:] = [name for name in folders if os.lstat(os.path.join(place, name)).st_gid == PROJECT_ID]
    return sorted(set(found) - set(map(str, own)))


@pytest.mark.parametrize('ends', ['well', 'badly', 'killed'])
def test_restricted_software_locks_nobody_out(people, ends):
    """
    An override with `group`, and the first of the project that installs anything under that letter, of that name …:
    the folders above are the project's from the moment they are made, and the files are not.
    """
    one, two = people['one'], people['two']
    prefix = folder(people['base'] / f'project-{ends}', group=PROJECT_ID, mode=0o2775)
    for member in (one, two):
        member.env['EBU_USER_PREFIX'] = member.env['EBU_USER_PREFIX'].replace(str(member.prefix), str(prefix))
        member.prefix = prefix
    served = folder(people['base'] / f'served-{ends}')
    names = ['closed', 'curious']
    for name in names:
        source = served / f'{name}-1.0'
        source.mkdir()
        (source / f'{name}.c').write_text('int main(void) { return 0; }\n')
        subprocess.run(['tar', 'czf', served / f'{name}-1.0.tar.gz', '-C', served, f'{name}-1.0'], check=True)
    overrides = folder(prefix / 'overrides', group=PROJECT_ID, mode=0o2775)
    entry = {'reason': 'it is for these people', 'group': LICENSED}
    (overrides / 'closed.json').write_text(json.dumps({'name': 'closed', 'overrides': [entry]}))

    def recipe(name, prebuild=''):
        digest = hashlib.sha256((served / f'{name}-1.0.tar.gz').read_bytes()).hexdigest()
        return tiny(people['recipes'], name=name, extra=f"source_urls = ['file://{served}']\n"
                    f"sources = ['{name}-1.0.tar.gz']\nchecksums = ['{digest}']\nprebuildopts = '{prebuild}'\n"
                    f"buildopts = '{name}'\nfiles_to_copy = [(['{name}'], 'bin')]\n"
                    f"sanity_check_paths = {{'files': ['bin/{name}'], 'dirs': []}}\n")

    source = prefix / 'sources' / 'c' / 'closed' / 'closed-1.0.tar.gz'
    seen = people['base'] / f'seen-{ends}'
    seen.touch()
    os.chown(seen, ONE, ONE)
    prebuild = f'stat -c %a {source.parents[1]} {source.parents[0]} {source} > {seen} && '
    prebuild += {'well': '', 'badly': 'false && ', 'killed': 'kill -9 $LUMI_HOOKS_TEST_PID && '}[ends]
    start = 'export LUMI_HOOKS_TEST_PID=$BASHPID; exec '
    done = one.run(f'({start} eb --hooks={HOOKS} {recipe("closed", prebuild)})', umask='0022')
    assert (done.returncode == 0) is (ends == 'well'), done.stdout[-3000:]
    # while it was built, and so whatever ended it
    assert seen.read_text().split() == ['2775', '2775', '600'], (seen.read_text(), done.stdout[-3000:])
    top = one.software('closed', '1.0-cpeGNU-25.03')
    assert closed_below(prefix, top) == []  # a killed build leaves it to itself alone
    assert not two.can('-r', source) and not two.can('-r', top / 'bin' / 'closed')
    if ends == 'well':
        assert (os.stat(source).st_gid, stat.S_IMODE(os.stat(source).st_mode) & 0o777) == (LICENSED_ID, 0o660)
        assert os.stat(top).st_gid == LICENSED_ID
    # the other one installs of the same letter, and finds the locks, modules and archive open
    two.eb(f'{recipe("curious")}')
    assert one.run('module load curious/1.0-cpeGNU-25.03 && curious').returncode == 0
    assert closed_below(prefix, top) == []
