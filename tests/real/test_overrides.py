# SPDX-License-Identifier: GPL-2.0-only
"""Overrides in a real `eb`: a patch of the user's own, applied and recorded, on an upstream and on a LUMI recipe."""
import hashlib
import json
import subprocess
import sys

import pytest

from .test_live import tiny

PATCH = '--- a/tiny.c\n+++ b/tiny.c\n@@ -1 +1 @@\n-int main(void) { return 1; }\n+int main(void) { return 0; }\n'


@pytest.fixture
def overridden(fresh, tmp_path):
    """A recipe whose program fails, and an override with a patch that mends it."""
    source = tmp_path / 'tiny-1.0'
    source.mkdir()
    (source / 'tiny.c').write_text('int main(void) { return 1; }\n')
    subprocess.run(['tar', 'czf', tmp_path / 'tiny-1.0.tar.gz', '-C', tmp_path, 'tiny-1.0'], check=True)
    digest = hashlib.sha256((tmp_path / 'tiny-1.0.tar.gz').read_bytes()).hexdigest()
    folder = fresh.prefix / 'overrides'
    folder.mkdir(parents=True)
    (folder / 'mend.patch').write_text(PATCH)
    entry = {'reason': 'it returned 1', 'version': '1.0', 'patches': ['mend.patch'],
             'parameters': {'postinstallcmds': ['touch %(installdir)s/ours']}}
    (folder / 'tiny.json').write_text(json.dumps({'name': 'tiny', 'overrides': [entry]}))
    more = f"sources = ['tiny-1.0.tar.gz']\nchecksums = ['{digest}']\nprebuildopts = ''\n"

    def recipe(**facts):
        return tiny(tmp_path, extra=more, **facts)
    return fresh, recipe, folder / 'tiny.json', tmp_path


@pytest.mark.parametrize('facts', [{}, {'toolchain': 'cpeGNU', 'toolchain_version': '25.03'}])
def test_patch_and_command_of_an_override(overridden, facts):
    lumi, recipe, file, tmp_path = overridden
    path = recipe(**facts)
    lumi.eb(f'{path} --sourcepath={tmp_path}')
    top = lumi.software('tiny', '1.0-cpeGNU-25.03')
    assert (top / 'ours').exists()
    assert subprocess.run([top / 'bin' / 'tiny'], check=False).returncode == 0
    archived = lumi.archive('tiny-1.0-cpeGNU-25.03.eb')
    assert str(file) in archived and 'it returned 1' in archived
    assert hashlib.sha256(PATCH.encode()).hexdigest() in archived


def test_lumi_eb_shows_it(overridden):
    lumi, recipe, file, tmp_path = overridden
    tool = lumi.hooks.parent.parent / 'bin' / 'lumi-eb'
    done = lumi.run(f'{tool} adapt --diff {recipe()} && {tool} plan --json {recipe()}', check=True,
                    EB_PYTHON=sys.executable)
    assert '# [override] patches' in done.stdout and str(file) in done.stdout
    plan = json.loads(done.stdout[done.stdout.index('\n{\n'):])
    changes = [change for node in plan['nodes'] for change in node['changes'] if change['rule'] == 'override']
    assert {change['parameter'] for change in changes} == {'patches', 'checksums', 'postinstallcmds'}


def test_a_wrong_override_refuses_its_package_alone(overridden):
    lumi, recipe, file, tmp_path = overridden
    file.write_text('{"name": "tiny", "name": "tiny"}')
    done = lumi.eb(f'{recipe()} --sourcepath={tmp_path}', check=False)
    assert done.returncode != 0 and 'duplicate' in done.stdout and 'Traceback' not in done.stdout
    other = tiny(tmp_path, name='other')
    done = lumi.eb(f'{other}')
    assert 'duplicate' in done.stdout and lumi.software('other', '1.0-cpeGNU-25.03').is_dir()
