# SPDX-License-Identifier: GPL-2.0-only
"""What programs read of ci/: --json against its schemas, exit codes against docs/json.md."""
import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys

import pytest
from test_ci_commands import CI, compared, page, single, sixty
from test_json import documented, parsed, valid
from writing import put_recipe

from lumi_hooks.cli.console import print_json
from lumi_hooks.data import ROOT


def from_ci(*words, name, code=0):
    """Run a program of ci/ with --json; its output, which is as the schema says."""
    done = subprocess.run([sys.executable, os.path.join(CI, words[0]), *words[1:], '--json'], capture_output=True,
                          text=True, check=False)
    assert done.returncode == code, done.stderr
    found = parsed(done.stdout)
    valid(found, name)
    return found, done.stderr


def test_json_of_plans_and_easyblocks():
    found, err = from_ci('plans', '--no-eb', 'zlib-1.3.1-GCCcore-14.2.0.eb', 'missing.eb', name='ci-plans', code=2)
    assert len(found['recipes']) == 1 and found['errors'][0]['recipe'] == 'missing.eb' and 'missing.eb' in err
    assert 'EB_ABAQUS' in from_ci('easyblocks', name='ci-easyblocks')[0]['easyblocks']


def test_json_of_what_was_built(tmp_path, monkeypatch):
    (tmp_path / 'collection').mkdir()
    (tmp_path / 'collection/results.json').write_text(json.dumps([
        {'recipe': 'a.eb', 'outcome': 'built', 'module': 'a/1', 'modules': ['a/1'], 'seconds': 1.5}]))
    monkeypatch.setenv('LUMI_HOOKS_CACHE', str(tmp_path))
    monkeypatch.setenv('PYTHONPATH', os.path.dirname(ROOT))
    found, _ = from_ci('collecting.py', '--show', 'a.eb', name='ci-collection')
    assert found['recipes'][0]['module'] == 'a/1'


def test_json_of_agreement(tmp_path):
    known = tmp_path / 'lumi.json'
    known.write_text(json.dumps([
        {'file': f'ESMF-8.6.0-cpeGNU-24.03{suffix}.eb', 'name': 'ESMF', 'version': '8.6.0', 'suffix': suffix,
         'tc': ['cpeGNU', '24.03'], 'deps': [['ext', 'cray-hdf5']], 'bdeps': [], 'up': ['ESMF-8.6.0-foss-2023a.eb']}
        for suffix in ('', '-x')]))
    assert from_ci('agreement', str(known), name='ci-agreement', code=1)[0]['differences']


def test_json_of_closures(tmp_path):
    known = tmp_path / 'pairs.csv'
    known.write_text('lumi_recipe,modules_that_lumi_builds,upstream_recipe\n'
                     'Boost-1.83.0-cpeGNU-25.03.eb,2,lz4-1.10.0-GCCcore-14.2.0.eb\n'
                     'h5py-3.11.0-cpeGNU-25.03-parallel.eb,1,h5py-3.11.0-foss-2023b.eb\n'
                     'h5py-3.11.0-cpeGNU-25.03.eb,1,h5py-3.11.0-foss-2023b.eb\n'
                     'GPAW-25.7.0-cpeGNU-25.03-rocm.eb,8,GPAW-25.7.0-foss-2025a.eb\n')
    found, _ = from_ci('closures', str(known), name='ci-closures')
    # each of upstream's recipes once, and none for GPUs
    assert [row['recipe'] for row in found['pairs']] == ['lz4-1.10.0-GCCcore-14.2.0.eb', 'h5py-3.11.0-foss-2023b.eb']
    figures = found['summary']['empty']
    assert figures['lumi'] == 3 and figures['ours'] == sum(len(row['empty']['modules']) for row in found['pairs'])
    known.write_text('no,pairs\n1,2\n')
    done = subprocess.run([sys.executable, os.path.join(CI, 'closures'), str(known)], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 2 and 'is no list of pairs' in done.stderr and 'Traceback' not in done.stderr


def test_json_of_packages_and_bench(tmp_path, monkeypatch, capsys):
    (tmp_path / 'packages.json').write_text(json.dumps({'source': 'a test', 'packages': [
        {'name': name, 'recipes': 1, 'sample': 0} for name in ('METIS', 'lumi-CPEtools')]}))
    monkeypatch.setattr(sixty, 'LIST', str(tmp_path / 'packages.json'))
    assert sixty.main(['--json']) == 0
    found = parsed(capsys.readouterr().out)
    valid(found, 'ci-packages')
    assert [row['name'] for row in found['packages']] == ['METIS', 'lumi-CPEtools']
    broken = tmp_path / 'upstream/m/METIS'
    broken.mkdir(parents=True)
    (broken / 'METIS-5.1.0-GCCcore-14.2.0.eb').write_text('name = (\n')
    monkeypatch.setenv('LUMI_HOOKS_UPSTREAM', str(tmp_path / 'upstream'))
    assert sixty.main(['--json']) == 1
    found = parsed(capsys.readouterr().out)
    valid(found, 'ci-packages')
    assert [item['name'] for item in found['errors']] == ['METIS'] and len(found['packages']) == 2
    print_json(page.as_json({'parse': [compared('one', 'ms', [2.0], [1.0], limit=1.05), single('two', 's', [3.0])]}))
    valid(parsed(capsys.readouterr().out), 'ci-bench')


def test_json_of_what_is_staged(tmp_path):
    """A recipe that is not there, and one whose only source lies there already: nothing is fetched."""
    source = tmp_path / 'l/Lib/lib.txt'
    source.parent.mkdir(parents=True)
    source.write_text('contents')
    recipe = put_recipe(tmp_path, 'Lib', flat=True, more=(
        f"sources = ['lib.txt']\nchecksums = ['{hashlib.sha256(b'contents').hexdigest()}']\n"))
    words = ['sources/stage', '--cache', str(tmp_path / 'index'), '--into', str(tmp_path), recipe]
    found, _ = from_ci(*words, 'NoSuch-1.0.eb', name='ci-sources-stage', code=1)
    assert [(row['path'], row['state']) for row in found['files']] == [('l/Lib/lib.txt', 'present'), (None, 'failed')]
    assert from_ci(*words, name='ci-sources-stage')[0]['files'][0]['state'] == 'present'
    done = subprocess.run([sys.executable, os.path.join(CI, 'sources/stage')], capture_output=True, text=True,
                          check=False)
    assert (done.returncode, done.stdout, done.stderr) == (
        2, '', 'ci/sources/stage: name a recipe or a --set; see --help\n')


def test_the_page_has_the_exit_codes_that_the_help_of_ci_names():
    """Of those whose help has no such line, argparse's alone."""
    codes = {name: found for name, found in documented()[1].items() if name.startswith('ci/')}
    assert len(codes) == 8
    for name, found in codes.items():
        path = os.path.join(os.path.dirname(CI), name)
        with open(path, encoding='utf-8') as script:
            python = [sys.executable] if 'python' in script.readline() else []
        said = subprocess.run([*python, path, '--help'], capture_output=True, text=True, check=True).stdout
        line = ' '.join(said.partition('exit code: ')[2].split()) or '0 done, 2 bad use'
        assert found == set(re.findall(r'(?:^|[,;] )([0-2])\b', line)), name


@pytest.mark.parametrize('words', [['plans', '--no-eb'], ['easyblocks'], ['agreement', 'empty']])
def test_nobody_reads_what_a_program_of_ci_prints(tmp_path, words):
    (tmp_path / 'empty').write_text('[]')
    reader, writer = os.pipe()
    os.close(reader)
    with contextlib.closing(os.fdopen(writer, 'w')) as nobody:
        done = subprocess.run([sys.executable, os.path.join(CI, words[0]), *words[1:], '--json'], stdout=nobody,
                              stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, '')
