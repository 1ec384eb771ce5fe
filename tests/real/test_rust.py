# SPDX-License-Identifier: GPL-2.0-only
"""
A Rust program with a vendored crate, built without a network on a binary Rust.

The archive of Rust's own project could not be fetched where this was written. Debian's compiler is packed in the form
of one, and a clone gets it as it gets any new version of Rust: by releases/rust.json and ci/generate.
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile

import pytest

from .conftest import ROOT

pytestmark = pytest.mark.long

TRIPLE = 'x86_64-unknown-linux-gnu'
# as in Rust's archives: a folder for each component
INSTALLER = """#!/bin/bash
set -e
for word; do
    case $word in
        --prefix=*) prefix=${word#*=} ;;
        --components=*) components=${word#*=} ;;
        --disable-ldconfig) ;;
        *) echo "unknown option $word" >&2; exit 1 ;;
    esac
done
for component in ${components//,/ }; do cp -a "$component/." "$prefix/"; done
"""
MAIN = 'fn main() {\n    println!("{}", itoa::Buffer::new().format(6 * 7));\n}\n'
MANIFEST = '[package]\nname = "answer"\nversion = "1.0.0"\nedition = "2021"\n\n[dependencies]\nitoa = "1"\n'
RECIPE = """easyblock = 'Cargo'
name = 'answer'
version = '1.0.0'
homepage = 'https://example.org'
description = 'A program with a vendored crate'
toolchain = {{'name': 'GCCcore', 'version': '14.2.0'}}
sources = ['answer-1.0.0.tar.gz']
crates = [('itoa', '{crate}')]
checksums = ['{program}', '{vendored}']
builddependencies = [('binutils', '2.42'), ('Rust', '{rust}')]
sanity_check_paths = {{'files': ['bin/answer'], 'dirs': []}}
sanity_check_commands = ['test "$(answer)" = 42']
moduleclass = 'tools'
"""


def debian(folder):
    """Debian's Rust, with a crate, and what they need that this machine lacks, unpacked without root; usr of it."""
    names = ['rustc', 'cargo', 'librust-itoa-dev']
    told = subprocess.run(['apt-get', '--simulate', '--no-install-recommends', 'install', *names], capture_output=True,
                          text=True, check=False).stdout
    debs = folder / 'debs'
    debs.mkdir()
    done = subprocess.run(['apt-get', '-o', 'APT::Sandbox::User=root', 'download',
                           *dict.fromkeys([*names, *re.findall(r'^Inst (\S+)', told, re.M)])], cwd=debs,
                          capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f'Debian\'s Rust cannot be fetched: {done.stderr.strip()[-300:]}')
    for package in debs.glob('*.deb'):
        subprocess.run(['dpkg', '-x', package, folder / 'debian'], check=True)
    return folder / 'debian' / 'usr'


def packed(archive, folder, name):
    """Pack a folder under a name; sha256 of the archive."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, 'w:gz', compresslevel=1) as stream:
        stream.add(folder, name)
    return hashlib.sha256(archive.read_bytes()).hexdigest()


def rust_archive(usr, folder, sources):
    """Pack Debian's compiler as Rust's project packs its own; version and sha256."""
    libraries = usr / 'lib' / 'x86_64-linux-gnu'
    told = subprocess.run([usr / 'bin' / 'rustc', '--version'], env={'LD_LIBRARY_PATH': str(libraries)}, check=True,
                          capture_output=True, text=True).stdout
    version = told.split()[1]
    root = folder / f'rust-{version}-{TRIPLE}'
    for component, program in (('rustc', 'rustc'), ('cargo', 'cargo')):
        (root / component / 'bin').mkdir(parents=True)
        shutil.copy(usr / 'bin' / program, root / component / 'bin')
    shutil.copytree(libraries, root / 'rustc' / 'lib', symlinks=True)
    standard = root / f'rust-std-{TRIPLE}' / 'lib'
    shutil.copytree(usr / 'lib' / 'rustlib' / TRIPLE / 'lib', standard / 'rustlib' / TRIPLE / 'lib', symlinks=True)
    # Debian's folder of libraries
    (standard / 'x86_64-linux-gnu').symlink_to('.')
    (root / 'install.sh').write_text(INSTALLER)
    (root / 'install.sh').chmod(0o755)
    return version, packed(sources / 'r' / 'Rust' / f'{root.name}.tar.gz', root, root.name)


def clone_with(version, sha256, folder):
    """A clone of this project that knows one version of Rust; its hooks file."""
    for name in ('lumi_hooks', 'toolchains', 'easyblocks', 'easyconfigs', 'ci', 'bin', 'setup.cfg'):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy(source, folder)
    path = folder / 'lumi_hooks' / 'releases' / 'rust.json'
    facts = json.loads(path.read_text())
    facts.update(archives={version: {'sha256': sha256}}, choice=[version])
    path.write_text(json.dumps(facts))
    shutil.rmtree(folder / 'easyconfigs' / 'r' / 'Rust')
    subprocess.run([sys.executable, folder / 'ci' / 'generate'], check=True, capture_output=True)
    return folder / 'lumi_hooks' / 'hooks.py'


@pytest.fixture(scope='module')
def rust(tmp_path_factory):
    """Folder, sources, hooks file and recipe of the program."""
    folder = tmp_path_factory.mktemp('rust')
    usr, sources = debian(folder), folder / 'sources'
    version, sha256 = rust_archive(usr, folder, sources)
    crate = next((usr / 'share' / 'cargo' / 'registry').glob('itoa-*'))
    # Debian's list of checksums is not part of the crate
    (crate / '.cargo-checksum.json').unlink(missing_ok=True)
    (folder / 'answer' / 'src').mkdir(parents=True)
    (folder / 'answer' / 'src' / 'main.rs').write_text(MAIN)
    (folder / 'answer' / 'Cargo.toml').write_text(MANIFEST)
    recipe = folder / 'answer-1.0.0-GCCcore-14.2.0.eb'
    recipe.write_text(RECIPE.format(
        rust=version, crate=crate.name[len('itoa-'):],
        program=packed(sources / 'a' / 'answer' / 'answer-1.0.0.tar.gz', folder / 'answer', 'answer-1.0.0'),
        vendored=packed(sources / 'c' / 'crates.io' / f'{crate.name}.tar.gz', crate, crate.name)))
    return version, sources, clone_with(version, sha256, folder / 'clone'), recipe


def test_a_program_with_a_vendored_crate_is_built_on_the_binary_rust(rust, fresh):
    version, fresh.sources, hooks, recipe = rust
    done = fresh.eb(f'{recipe} -r', hooks=hooks, timeout=1500)
    assert f'Rust/{version}' in done.stdout
    assert os.access(fresh.software('Rust', version) / 'bin' / 'rustc', os.X_OK)
    record, = (fresh.software('answer', '1.0.0-cpeGNU-25.03') / 'easybuild' / 'lumi').glob('record.json')
    assert json.loads(record.read_text())['network']['cut_off']
    told = fresh.run('module load answer/1.0.0-cpeGNU-25.03 && answer && module -t list 2>&1', check=True).stdout
    assert '42' in told.splitlines() and 'Rust/' not in told
    # the rule changed the program's recipe, and Rust's is the one that ci/generate wrote
    assert f"('Rust', '{version}', '', " in fresh.archive('answer-1.0.0-cpeGNU-25.03.eb')
    assert "install_cmd = './install.sh" in fresh.archive(f'Rust-{version}.eb')
