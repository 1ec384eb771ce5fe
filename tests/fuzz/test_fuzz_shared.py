# SPDX-License-Identifier: GPL-2.0-only
"""
Mangled and hostile files that members of a project can put into each other's way: records, owners of locks, notes of
what is set aside. See test_fuzz.py.
"""
import json
import re
import shutil
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from fuzzing import examples, unharmed
from hypothesis import given
from hypothesis import strategies as st
from mangling import mangled_json
from watch import watched

from lumi_hooks import quote, record
from lumi_hooks.eb.lifecycle import locks
from lumi_hooks.eb.lifecycle.rollback import notes, pending
from lumi_hooks.errors import DataError, LumiHooksError
from lumi_hooks.record import experience, reproduce
from lumi_hooks.record import text as record_text

RECORDS = [{
    'schema_version': record.SCHEMA_VERSION, 'module': 'Thing/1.0-cpeGNU-25.03', 'name': 'Thing', 'version': '1.0',
    'installation': '/p/SW/Thing', 'rules': ['toolchain'], 'kept_out': ['rocm'], 'modules': ['cpeGNU/25.03'],
    'changes': [{'parameter': 'configopts', 'before': None, 'after': '--x', 'rule': 'override', 'reason': 'r'}],
    'sources': [{'file': 'a.tgz', 'sha256': '0'}], 'patches': [{'file': 'x.patch'}], 'environment': {'PATH': '/bin'},
    'toolchain': {'name': 'cpeGNU', 'version': '25.03'}, 'library': {'version': '1', 'commit': 'abc'},
    'easybuild': {'version': '5', 'easyblock': 'MakeCp', 'settings': {'optarch': 'x86-milan'}},
    'site': {'release': '25.03', 'partition': 'C', 'toolchain': 'cpeGNU', 'mode': 'user', 'prefix': '/p',
             'stack': 'LUMI/25.03', 'disabled': ['x'], 'derive': ['y']},
    'recipe': {'file': 'Thing-1.0-cpeGNU-25.03.eb', 'sha256': '0', 'status': 'adapted'},
    'source': {'file': 'Thing-1.0-foss-2025a.eb', 'sha256': '0', 'origin': 'upstream'},
    'size': {'bytes': 1, 'inodes': 2}, 'times': {'finished': '2026-11-24T07:00:00Z', 'seconds': 3},
    'dependencies': [{'name': 'zlib', 'module': 'zlib/1', 'build_only': False}], 'overrides': ['/o.json']}]


@pytest.fixture(scope='module')
def commands(tmp_path_factory):
    """A PATH with nothing on it but what a script that repeats an installation needs, and touch."""
    path = tmp_path_factory.mktemp('commands')
    for name in ('touch', 'dirname', 'true'):
        (path / name).symlink_to(shutil.which(name))
    (path / 'eb').symlink_to(shutil.which('true'))
    return path


# what others can put into a file that is read as JSON: nested without an end, numbers without an end, no text at all
MONSTERS = [b'[' * 100_000, b'[' * 100_000 + b']' * 100_000, b'{"a":' * 100_000 + b'1' + b'}' * 100_000,
            b'[' * 500 + b']' * 500, b'[' * 70 + b']' * 70, b'9' * 5000, b'[1e999, -Infinity, NaN]', b'"\\ud800"',
            b'\x00', b'\xff\xfe', b'', b'null', b'{"schema_version": 1}', b'[' + b'0,' * 50_000 + b'0]']


def hostile_json(samples):
    """A mangled sample, now and then a monster, or a sample with a monster in one of its values."""
    keys = [(sample, key) for sample in samples for key in sample]
    inside = st.tuples(st.sampled_from(keys), st.sampled_from(MONSTERS[1:6])).map(
        lambda found: json.dumps(dict(found[0][0], **{found[0][1]: 'HERE'})).encode().replace(b'"HERE"', found[1]))
    return st.one_of(mangled_json(samples), mangled_json(samples), st.sampled_from(MONSTERS), inside)


OWNERS = [asdict(owner) for owner in (
    locks.this_process(), replace(locks.this_process(), start=1, job='42'),
    replace(locks.this_process(), boot='another', host='nid001234', job='42_7'))]


@examples('locks')
@given(text=hostile_json(OWNERS))
def test_owners_of_locks(ground, text):
    """Whoever holds a lock is told in one line, or it is cleared; a question to Slurm names a job and nothing else."""
    path = ground / 'prefix' / 'SW' / '.locks' / 'x.lock'
    path.mkdir(parents=True)
    (path / 'owner.json').write_bytes(text.replace(b'{mark}', b'mark'))

    def run(command, **_):
        assert re.fullmatch('--jobs=[0-9_+]+', command[-1], re.ASCII), command
        raise OSError('there is no Slurm here')
    with pytest.MonkeyPatch.context() as patch, watched(ground / 'prefix') as seen:
        patch.setattr(locks.subprocess, 'run', run)
        told = []
        lock = locks.Lock(str(path), 'x')
        try:
            lock.acquire(limit=0, tell=told.append)
            lock.release()
        except LumiHooksError as err:
            told.append(str(err))
    assert all(quote.line(line) == line for line in told), told
    unharmed(ground, seen)
    shutil.rmtree(path.parent)


NOTES = [{'installdir': 'GROUND/prefix/SW/Thing/1.0', 'module': 'GROUND/prefix/modules/Thing/1.0.lua',
          'lock': 'GROUND/prefix/SW/.locks/x.lock'},
         {'installdir': 'GROUND/prefix/SW/../../kept', 'module': 'GROUND/kept', 'lock': 'GROUND/prefix/../kept.lock'}]


@examples('notes')
@given(text=hostile_json(NOTES))
def test_notes_of_what_is_set_aside(ground, text):
    """A note leads to nothing outside of the prefix; what it leads to is finished, or told to be none of ours."""
    prefix = ground / 'prefix'
    (ground / 'kept').write_text('kept')
    folder = Path(notes(str(prefix)))
    folder.mkdir(parents=True)
    here = str(ground).encode()
    (folder / 'x.json').write_bytes(text.replace(b'{mark}', b'mark').replace(b'GROUND', here))
    with watched(prefix) as seen:
        for found in pending(str(prefix)):
            lock = locks.Lock(found.lock, 'x')
            try:
                lock.acquire(limit=0, tell=lambda line: None)
                found.recover()
                lock.release()
            except (OSError, LumiHooksError) as err:  # install.py makes a sentence of the first
                assert str(err)
    unharmed(ground, seen)
    assert (ground / 'kept').read_text() == 'kept'
    shutil.rmtree(prefix)
    prefix.mkdir()


@examples('records')
@given(text=hostile_json(RECORDS))
def test_records(ground, commands, text):
    """A record is read, shown, and made a script of, which repeats the installation and does nothing else."""
    folder = ground / 'prefix' / 'SW' / 'LUMI-25.03' / 'C' / 'Thing' / '1.0'
    (folder / record.FOLDER).mkdir(parents=True, exist_ok=True)
    (folder / record.FILE).write_bytes(text.replace(b'{mark}', b'mark'))
    script = None
    with watched(ground / 'prefix') as seen:
        experience.Experience([str(ground / 'prefix')]).estimate('Thing/1.0')
        try:
            found = record.read_record(str(folder))
        except DataError as err:
            assert str(err)
        else:
            record_text.with_help('help([==[\n]==])\n', record_text.help_text(found))
            record_text.changes_markdown(found, [])
            try:
                script = reproduce.script(found)
            except LumiHooksError as err:
                assert str(err)
    unharmed(ground, seen)
    if script:
        (ground / 'again.sh').write_text(script, encoding='utf-8', errors='surrogateescape')
        subprocess.run(['/bin/bash', '--norc', str(ground / 'again.sh')], cwd=ground, check=False, timeout=20,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       env={'PATH': str(commands), 'HOOKS': 'hooks.py', 'BASH_FUNC_module%%': '() { :; }'})
        unharmed(ground, seen)
