# SPDX-License-Identifier: GPL-2.0-only
"""A build that fails for real: what eb says, and what lumi-eb failures, explain and report make of it."""
import hashlib
import json
import os
import re
import tarfile

import pytest

from .conftest import ROOT

RECIPE = """easyblock = 'ConfigureMake'
name = '{name}'
version = '1.0'
homepage = 'https://example.org'
description = "a test"
toolchain = {{'name': 'GCCcore', 'version': '14.2.0'}}
sources = ['{name}-1.0.tar.gz']
checksums = ['{sum}']
{more}
sanity_check_paths = {{'files': ['bin/x'], 'dirs': []}}
moduleclass = 'tools'
"""


def recipe(lumi, name, more='', source='int main(void) { return 0; }', checksum=None):
    """A recipe next to its source; returns its path."""
    folder = lumi.home / 'recipes'
    folder.mkdir(exist_ok=True)
    tree = folder / f'{name}-1.0'
    tree.mkdir(exist_ok=True)
    (tree / 'configure').write_text('#!/bin/sh\necho "prefix=${1#--prefix=}" > prefix.mk\n')
    (tree / 'configure').chmod(0o755)
    (tree / 'x.c').write_text(source + '\n')
    (tree / 'Makefile').write_text('include prefix.mk\nx: x.c\n\tcc -o x x.c\ninstall: x\n\tmkdir -p $(prefix)/bin\n'
                                   '\tcp x $(prefix)/bin/x\n')
    archive = folder / f'{name}-1.0.tar.gz'
    with tarfile.open(archive, 'w:gz') as tar:
        tar.add(tree, arcname=tree.name)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    path = folder / f'{name}-1.0-GCCcore-14.2.0.eb'
    path.write_text(RECIPE.format(name=name, sum=checksum or found, more=more))
    return path


def lumi_eb(lumi, words):
    """Run lumi-eb of this checkout."""
    return lumi.run(f'{ROOT}/bin/lumi-eb {words}')


def test_a_build_that_fails_is_told_kept_explained_and_reported(fresh):
    path = recipe(fresh, 'Failing', source='#include <foo/bar.h>')
    done = fresh.eb(str(path), check=False)
    assert done.returncode != 0
    for words in ('fatal error: foo/bar.h: No such file', 'what it means: a header is missing', 'what to try: is what',
                  'lumi-eb report Failing/1.0-cpeGNU-25.03'):
        assert words in done.stdout, (words, done.stdout[-3000:])
    assert 'it names what the rule' not in done.stdout
    told = lumi_eb(fresh, 'failures')
    assert told.returncode == 0 and '1 failed build in' in told.stdout and 'foo/bar.h' in told.stdout, told.stdout
    printed = lumi_eb(fresh, 'failures --json').stdout  # behind what Lmod says
    facts, = json.loads(printed[printed.index('{'):])['failures']
    assert facts['error']['kind'] == 'header' and facts['easybuild'] == '5.4.1'
    assert facts['recipe']['given'] == path.name and 'cpeGNU' in facts['recipe']['text']
    explained = lumi_eb(fresh, 'explain Failing')
    assert explained.returncode == 1 and 'its build failed' in explained.stdout, explained.stdout
    report = lumi_eb(fresh, f'report --output {fresh.home}/report.md')
    text = (fresh.home / 'report.md').read_text()
    assert report.returncode == 0 and 'foo/bar.h' in text and 'GCCcore' in text and '25.03' in text
    assert len(text) < 400_000
    recipe(fresh, 'Failing')
    fresh.eb(str(path))
    told = lumi_eb(fresh, 'failures')
    assert told.returncode == 0 and 'installed since: Failing/1.0-cpeGNU-25.03' in told.stdout, told.stdout


@pytest.mark.parametrize('easybuild', ['5.1.2', pytest.param('5.2.0', marks=pytest.mark.long),
                                       pytest.param('5.4.1', marks=pytest.mark.long)])
def test_a_command_that_says_nothing(fresh, easybuild):
    fresh.easybuild = easybuild
    path = recipe(fresh, 'Silent', more="preconfigopts = 'false && '")
    done = fresh.eb(str(path), check=False)
    assert done.returncode != 0 and 'Silent/1.0-cpeGNU-25.03 was not installed' in done.stdout, done.stdout[-3000:]
    assert "shell command 'false ...' failed" in done.stdout.partition('It ended with:')[2], done.stdout[-3000:]
    assert 'what to try' not in done.stdout  # nothing right can be said
    assert 'Silent/1.0-cpeGNU-25.03' in lumi_eb(fresh, 'failures').stdout


def test_a_checksum_of_ones_own_version(fresh):
    path = recipe(fresh, 'Summed', checksum='0' * 64)
    found = hashlib.sha256((path.parent / 'Summed-1.0.tar.gz').read_bytes()).hexdigest()
    done = fresh.eb(str(path), check=False)
    assert f"the sha256 of Summed-1.0.tar.gz is {found}" in done.stdout, done.stdout[-3000:]
    assert f"'{found}',  # Summed-1.0.tar.gz" in done.stdout


def test_the_log_of_licensed_software_is_the_users_alone(fresh):
    done = fresh.eb(str(recipe(fresh, 'VASP', more="preconfigopts = 'false && '")), check=False)
    log = re.search(r'the whole log.*: (\S+)', done.stdout)[1]
    assert '/.lumi-hooks/failed/' in log and os.stat(log).st_mode & 0o777 == 0o600
    assert os.stat(log[:-4] + '.json').st_mode & 0o777 == 0o600
