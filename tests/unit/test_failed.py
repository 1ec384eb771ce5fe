# SPDX-License-Identifier: GPL-2.0-only
"""Failed builds as they are kept in a prefix, also by hostile neighbours: logs, facts, what was installed since."""
import json
import os
import time

import pytest
from another_user import NOBODY, OTHER, STRANGER, Place, needs_root

from lumi_hooks.errors import LumiHooksError
from lumi_hooks.prefix.licensed import is_licensed
from lumi_hooks.record.failed import clear, failed_builds, keep, matching, read_log
from lumi_hooks.record.failure import first_error
from lumi_hooks.schemas import schema
from lumi_hooks.schemas.plain import faults

LOG = '== 2026-11-24 06:00:00,000 run.py:652 WARNING Shell command FAILED (exit code 2)\nOutput:\n' \
      'a.c:1:10: fatal error: foo.h: No such file or directory\nmake: *** [all] Error 1\n'


def facts(module='Thing/1.0-cpeGNU-25.03', seconds=1_000_000_000, **more):
    """Facts as eb keeps them."""
    found = first_error(LOG)
    return {'module': module, 'when': {'seconds': seconds, 'time': '2001-09-09T01:46:40Z'}, 'release': '25.03',
            'partition': 'C', 'toolchain': 'cpeGNU', 'easybuild': '5.4.1', 'lumi_hooks': '0.1.0', 'node': 'nid001234',
            'job': '77', 'private': False, 'notes': [], 'rule': None,
            'recipe': {'given': 'Thing-1.0-foss-2025a.eb', 'given_text': "name = 'Thing'\n",
                       'file': 'Thing-1.0-cpeGNU-25.03.eb', 'text': "name = 'Thing' # adapted\n"},
            'error': {'kind': found.kind, 'line': found.line, 'number': found.number, 'context': list(found.context),
                      'means': found.means, 'advice': found.advice}, **more}


def put(prefix, log=LOG, private=False, **more):
    """A failed build in a prefix; returns its log's copy."""
    os.makedirs(prefix, exist_ok=True)
    source = os.path.join(prefix, 'easybuild.log')
    with open(source, 'w', encoding='utf-8') as handle:
        handle.write(log)
    return keep(source, facts(**more), str(prefix), private)


def install(prefix, module='Thing/1.0-cpeGNU-25.03', partition='C'):
    """A module file of the prefix."""
    path = prefix / 'modules' / 'LUMI' / '25.03' / 'partition' / partition / (module + '.lua')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('x')
    return path


def test_what_is_kept_is_read_again(tmp_path):
    log = put(tmp_path)
    build, = failed_builds(str(tmp_path))
    assert build.module == 'Thing/1.0-cpeGNU-25.03' and build.log == log and build.since is None
    assert read_log(log) == LOG and build.facts['error']['number'] == 3
    assert not list(faults({'schema_version': 1, **facts()}, schema('failed')))
    assert sorted(os.listdir(tmp_path / '.lumi-hooks' / 'failed')) == ['Thing-1.0-cpeGNU-25.03.json',
                                                                       'Thing-1.0-cpeGNU-25.03.log']
    assert all(os.stat(path).st_mode & 0o777 == 0o644 for path in build.files)
    put(tmp_path, log=LOG + 'again\n', seconds=2_000_000_000)
    assert [one.when for one in failed_builds(str(tmp_path))] == [2_000_000_000]
    assert clear([build], str(tmp_path)) == 2 and failed_builds(str(tmp_path)) == []
    assert failed_builds(str(tmp_path / 'nowhere')) == []


def test_the_newest_comes_first_and_what_was_installed_is_told(tmp_path):
    put(tmp_path, seconds=5)
    put(tmp_path, module='Other/2.0-cpeGNU-25.03', seconds=9)
    assert [build.module[:5] for build in failed_builds(str(tmp_path))] == ['Other', 'Thing']
    install(tmp_path, partition='G')
    assert all(build.since is None for build in failed_builds(str(tmp_path)))
    install(tmp_path)
    assert [build.since is None for build in failed_builds(str(tmp_path))] == [True, False]
    put(tmp_path, seconds=time.time() + 60)  # failed again since
    assert all(build.since is None for build in failed_builds(str(tmp_path)))


def test_a_log_of_an_older_version_is_listed(tmp_path):
    folder = tmp_path / '.lumi-hooks' / 'failed'
    folder.mkdir(parents=True)
    (folder / 'HPCC-1.5.0-cpeGNU-25.03.log').write_text(LOG)
    (folder / 'GTK-doc-1.0-cpeGNU-25.03.log').write_text('')
    os.utime(folder / 'GTK-doc-1.0-cpeGNU-25.03.log', (5, 5))
    first, second = failed_builds(str(tmp_path))
    assert first.module == 'HPCC/1.5.0-cpeGNU-25.03' and first.facts['error']['kind'] == 'header'
    assert second.module == 'GTK-doc/1.0-cpeGNU-25.03' and second.facts['error'] is None
    install(tmp_path, 'HPCC/1.5.0-cpeGNU-25.03')
    os.utime(folder / 'HPCC-1.5.0-cpeGNU-25.03.log', (9, 9))
    assert failed_builds(str(tmp_path))[0].since


def test_what_a_name_means(tmp_path):
    log = put(tmp_path)
    builds = failed_builds(str(tmp_path))
    for what in ('Thing', 'Thing/1.0-cpeGNU-25.03', 'Thing-1.0-foss-2025a.eb', '/x/Thing-1.0-foss-2025a.eb',
                 'Thing-1.0-cpeGNU-25.03.eb', log):
        assert matching(what, builds) == builds, what
    for what in ('', 'thing', 'Thing/2', 'Thing/1.0', '..'):
        assert matching(what, builds) == [], what


@pytest.mark.parametrize('text', ['', 'null', '[]', '{', '[' * 100_000, '{"schema_version": 1}',
                                  '{"schema_version": 2}',
                                  json.dumps({'schema_version': 1, **facts(module='../../x')}),
                                  json.dumps({'schema_version': 1, **facts(seconds=1e300)}),
                                  json.dumps({'schema_version': 1, **facts(seconds='x')}),
                                  json.dumps({'schema_version': 1, **facts(), 'error': {'kind': 1}})])
def test_facts_of_others_can_not_harm(tmp_path, text):
    put(tmp_path)
    folder = tmp_path / '.lumi-hooks' / 'failed'
    (folder / 'Thing-1.0-cpeGNU-25.03.json').write_text(text)
    (folder / 'X-1.0.json').write_text(text)
    os.mkfifo(folder / 'Y-1.0.json')
    os.mkfifo(folder / 'Y-1.0.log')
    os.symlink('/etc/passwd', folder / 'Z-1.0.log')
    build, = failed_builds(str(tmp_path))
    assert build.module == 'Thing/1.0-cpeGNU-25.03' and build.facts['error']['kind'] == 'header'  # from the log


def test_links_are_not_followed(tmp_path):
    outside = tmp_path / 'outside'
    outside.mkdir()
    victim = outside / 'file'
    victim.write_text('mine')
    prefix = tmp_path / 'p'
    (prefix / '.lumi-hooks').mkdir(parents=True)
    os.symlink(outside, prefix / '.lumi-hooks' / 'failed')
    with pytest.raises(OSError):
        put(prefix)
    assert os.listdir(outside) == ['file']
    os.unlink(prefix / '.lumi-hooks' / 'failed')
    (prefix / '.lumi-hooks' / 'failed').mkdir()
    os.symlink(victim, prefix / '.lumi-hooks' / 'failed' / 'Thing-1.0-cpeGNU-25.03.log')
    put(prefix)
    assert victim.read_text() == 'mine'
    with pytest.raises(LumiHooksError, match='not a regular file'):
        read_log(str(outside))


def test_a_restricted_package_leaves_the_folder_open(tmp_path):
    (tmp_path / '.lumi-hooks').mkdir()
    (tmp_path / '.lumi-hooks').chmod(0o2775)
    before = os.umask(0o077)
    try:
        put(tmp_path, private=True)
    finally:
        os.umask(before)
    assert os.stat(tmp_path / '.lumi-hooks' / 'failed').st_mode & 0o7777 == 0o2775


def test_S15_what_is_licensed_is_decided_in_one_place():
    assert is_licensed('X', group='g') and is_licensed('X', license_file='27000@server')
    assert is_licensed('VASP') and is_licensed('vasp') and not is_licensed('HPCC')


@pytest.fixture
def place():
    found = Place()
    yield found
    found.remove()


@pytest.mark.security
@needs_root
def test_S15_nobody_else_reads_a_licensed_log(place):
    prefix = place.folder('project', mode=0o755)
    code = f'''
import os
from lumi_hooks.record.failed import keep
os.makedirs({str(prefix)!r}, exist_ok=True)
open({str(prefix)!r} + '/eb.log', 'w').write('secret source\\n')
facts = {{'module': %r, 'when': {{'seconds': 1, 'time': 'x'}}, 'error': None}}
result = keep({str(prefix)!r} + '/eb.log', facts, {str(prefix)!r}, %r)
'''
    secret, public = place.run(code % ('VASP/6', True)), place.run(code % ('HPCC/1', False))
    read = 'result = []\nfor path in (%r, %r, %r):\n    try:\n        result.append(open(path).read())\n' \
           '    except PermissionError:\n        result.append(None)\n'
    assert place.run(read % (secret, secret[:-4] + '.json', public), user=OTHER) == [None, None, 'secret source\n']


@pytest.mark.security
@needs_root
def test_S15_a_member_of_the_project_can_not_lead_the_copy_elsewhere(place):
    """An attacker who may write to the folder exchanges every file that appears in it for a link to a victim's."""
    import subprocess
    prefix = place.folder('project', group=STRANGER, mode=0o2777)
    (prefix / '.lumi-hooks').mkdir()
    failed = prefix / '.lumi-hooks' / 'failed'
    failed.mkdir()
    os.chown(failed, NOBODY, STRANGER)
    failed.chmod(0o777)
    victim = place.folder('home') / 'secret'
    victim.write_text('mine')
    os.chown(victim, NOBODY, NOBODY)
    victim.chmod(0o600)
    attack = f'''
import os, time
end = time.monotonic() + 4
while time.monotonic() < end:
    for name in os.listdir({str(failed)!r}):
        path = {str(failed)!r} + '/' + name
        try:
            os.unlink(path)
            os.symlink({str(victim)!r}, path)
        except OSError:
            pass
'''
    attacker = subprocess.Popen(['setpriv', f'--reuid={STRANGER}', f'--regid={STRANGER}', '--clear-groups',
                                 '/usr/bin/python3', '-c', attack])
    place.run(f'''
import time
from lumi_hooks.record.failed import keep
log = {str(prefix)!r} + '/eb.log'
open(log, 'w').write('x' * 3_000_000)
facts = {{'module': 'VASP/6', 'when': {{'seconds': 1, 'time': 'x'}}, 'error': None}}
end, result = time.monotonic() + 4, 0
while time.monotonic() < end:
    try:
        keep(log, facts, {str(prefix)!r}, False)
        result += 1
    except OSError:
        pass
''')
    attacker.wait()
    assert victim.read_text() == 'mine' and os.stat(victim).st_mode & 0o777 == 0o600
