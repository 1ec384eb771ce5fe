# SPDX-License-Identifier: GPL-2.0-only
"""The library's own modules and data files are shown to the gate before they are read, however late that is."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.security
CLONE = Path(__file__).parents[2]
# what `eb` does first, as session.py has it; then the line that a test is about
START = '''
import os, sys
sys.path.insert(0, {clone!r})
from lumi_hooks import library
sys.meta_path.insert(0, library.Finder)
from lumi_hooks import data
from lumi_hooks.eb.policy import gate
from lumi_hooks.errors import TrustError
try:
    gate.watch_clone()
    {line}
except TrustError as err:
    sys.exit(f'refused: {{err}}')
print('read')
'''
LATE_MODULE, LATE_DATA = 'import lumi_hooks.runpaths', 'data.load_json("sizes.json")'


@pytest.fixture(scope='module', name='clone')
def _clone(tmp_path_factory):
    clone = tmp_path_factory.mktemp('clone')
    shutil.copytree(CLONE / 'lumi_hooks', clone / 'lumi_hooks', ignore=shutil.ignore_patterns('__pycache__'))
    subprocess.run(['chmod', '-R', 'go-w', clone], check=True)
    return clone


def run(clone, line):
    """Exit code and output of a Python that uses the clone as `eb` does."""
    done = subprocess.run([sys.executable, '-c', START.format(clone=str(clone), line=line)], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=clone)
    return done.returncode, done.stdout


@pytest.mark.parametrize('line', (LATE_MODULE, LATE_DATA))
def test_what_is_read_of_a_sound_clone_is_read(clone, line):
    code, said = run(clone, line)
    assert (code, said.strip()) == (0, 'read'), said


@pytest.mark.parametrize('file, line', (
    ('lumi_hooks/runpaths.py', LATE_MODULE),   # imported long after the start
    ('lumi_hooks/sizes.json', LATE_DATA),
    ('lumi_hooks/errors.py', 'pass'),          # read before anybody could look
    ('lumi_hooks/hooks.py', 'pass'),           # which EasyBuild loads under another name
    ('lumi_hooks', LATE_MODULE),
))
def test_what_others_can_write_is_not_read(clone, file, line):
    place = clone / file
    before = place.stat().st_mode
    place.chmod(before | 0o002)
    try:
        code, said = run(clone, line)
    finally:
        place.chmod(before)
    assert code == 1 and f'everybody can write to {place}' in said, said


def test_a_late_module_is_refused_before_it_runs(clone, tmp_path):
    """A module that somebody plants beside ours, and a line of ours that imports it."""
    planted, mark = clone / 'lumi_hooks' / 'planted.py', tmp_path / 'ran'
    planted.write_text(f'open({str(mark)!r}, "w")\n')
    planted.chmod(0o666)
    try:
        code, said = run(clone, 'import lumi_hooks.planted')
    finally:
        planted.unlink()
    assert code == 1 and 'refused' in said and not mark.exists(), said


@pytest.mark.skipif(os.geteuid() != 0, reason='gives a file to another group')
def test_a_module_that_another_group_can_write_is_not_read(clone):
    place = clone / 'lumi_hooks' / 'runpaths.py'
    os.chown(place, -1, 54321)
    place.chmod(0o664)
    try:
        code, said = run(clone, LATE_MODULE)
    finally:
        os.chown(place, -1, 0)
        place.chmod(0o644)
    assert code == 1 and 'the group 54321 can write' in said, said


def test_compiled_modules_that_others_can_replace_are_not_run(clone):
    folder = clone / 'lumi_hooks' / '__pycache__'
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    try:
        code, said = run(clone, LATE_MODULE)
    finally:
        folder.chmod(0o755)
    assert code == 1 and f'everybody can write to {folder}' in said, said


def test_the_finder_sees_each_module_once(clone):
    """One lstat for each of our modules, and none where Python has it already."""
    line = 'seen = []; real = os.lstat; os.lstat = lambda p, **k: seen.append(p) or real(p, **k); ' \
           'import lumi_hooks.runpaths; import lumi_hooks.runpaths; ' \
           'assert sum(str(p).endswith("/runpaths.py") for p in seen) == 1, seen'
    code, said = run(clone, line)
    assert code == 0, said
