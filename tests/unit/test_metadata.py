# SPDX-License-Identifier: GPL-2.0-only
"""What a package says itself, read from its archive, and the look at it before it is built."""
import io
import tarfile
import zipfile
from types import SimpleNamespace

import pytest

from lumi_hooks import metadata
from lumi_hooks.doctor import CHECKS, WARNING, Package, Situation, examine
from lumi_hooks.eb import python
from lumi_hooks.errors import LumiHooksError

TEXT = '''Metadata-Version: 2.1
Name: thing
Requires-Python: >=3.9
Requires-Dist: numpy>=1.26
Requires-Dist: SciPy_Thing (>=1.0,<2)
Requires-Dist: packaging
Requires-Dist: pandas[io]>=2; python_version >= "3.9" and python_version < "3.13"
Requires-Dist: tomli>=1; python_version < "3.11"
Requires-Dist: pytest>=8; extra == "test"
Requires-Dist: colorama>=1; sys_platform == "win32"

Requires-Dist: told>=1 in the description
'''
NEEDS = {'numpy': '1.26', 'scipy-thing': '1.0', 'packaging': '', 'pandas': '2'}


def sdist(path, text=TEXT, name='thing-1.0/PKG-INFO'):
    with tarfile.open(path, 'w:gz') as archive:
        for where, what in (('thing-1.0/thing/PKG-INFO', 'Requires-Dist: wrong>=1'), (name, text)):
            member = tarfile.TarInfo(where)
            member.size = len(what.encode())
            archive.addfile(member, io.BytesIO(what.encode()))
    return str(path)


def wheel(path, text=TEXT):
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('thing/__init__.py', '')
        archive.writestr('thing-1.0.dist-info/METADATA', text)
    return str(path)


@pytest.mark.parametrize('make, name', [(sdist, 'thing-1.0.tar.gz'), (wheel, 'thing-1.0-py3-none-any.whl')])
def test_R17_an_archive_says_what_the_package_needs(tmp_path, make, name):
    assert metadata.needs(make(tmp_path / name), '3.11.7') == NEEDS
    assert metadata.needs(make(tmp_path / name), '3.10.10') == {**NEEDS, 'tomli': '1'}


@pytest.mark.parametrize('name, content', [
    ('a.tar.gz', b'no archive'), ('a.whl', b'PK\x03\x04broken'), ('a.zip', b''), ('a.txt', TEXT.encode()),
    ('a.tar.xz', b'\xfd7zXZ\x00 cut')])
def test_an_archive_that_cannot_be_read_says_nothing(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert metadata.needs(str(tmp_path / name), '3.11.7') == {}
    assert metadata.needs(str(tmp_path / 'missing.tar.gz'), '3.11.7') == {}


def package(*paths, exts=()):
    return SimpleNamespace(name='thing', version='1.0', src=[{'path': path} for path in paths],
                           exts=[{'name': name, 'src': path} for name, path in exts])


def test_R17_a_package_is_not_built_on_what_is_too_old(tmp_path, site, monkeypatch):
    path = sdist(tmp_path / 'thing-1.0.tar.gz')
    monkeypatch.setenv('CRAY_PYTHON_PREFIX', '/opt')
    for app in (package(path), package(exts=[('thing', path)])):
        with pytest.raises(LumiHooksError, match=r'needs numpy 1\.26 or newer, by its own metadata, and 1\.24\.4 is '
                                                 r'there.*LUMI_HOOKS_DISABLE=python-carried'):
            python.check(site, app)
    # the bundle that is loaded before cray-python's own
    monkeypatch.setenv('EBVERSIONSCIPYMINBUNDLE', '2024.05')
    python.check(site, package(path))
    monkeypatch.delenv('EBVERSIONSCIPYMINBUNDLE')
    # it brings its own, or is no Python package
    python.check(site, package(exts=[('thing', path), ('numpy', '')]))
    monkeypatch.delenv('CRAY_PYTHON_PREFIX')
    python.check(site, package(path))


@pytest.mark.parametrize('text', ['Requires-Dist: numpy>=1.24\n', 'Requires-Dist: nobody>=9\n', ''])
def test_R17_what_suffices_is_built(tmp_path, site, monkeypatch, text):
    monkeypatch.setenv('EBROOTPYTHON', '/opt')
    python.check(site, package(sdist(tmp_path / 'thing-1.0.tar.gz', text)))


@pytest.mark.parametrize('dependencies, said', [
    ([], True), ([('SciPy-bundle', '2024.05')], False), ([('other', '1')], False),
    ([('SciPy-extras', '2024.05')], True)])
def test_R17_doctor_reads_a_source_that_is_there(tmp_path, site, dependencies, said):
    place = tmp_path / 'sources/t/thing/extensions'
    place.mkdir(parents=True)
    sdist(place / 'thing_of-1.0.tar.gz')
    sdist(place / 'thing_of-0.9.tar.gz', 'Requires-Dist: numpy>=9\n')
    packages = (
        Package('thing', 'thing/1.0', {'version': '1.0', 'dependencies': dependencies, 'easyblock': 'PythonBundle',
                                       'exts_list': [('thing-of', '1.0'), ('plain', '2', {})]}),
        Package('other', 'other/1', {'version': '1', 'dependencies': [('SciPy-bundle', '2024.05')]}))
    here = Situation(site, {'EASYBUILD_SOURCEPATH': str(tmp_path / 'sources')}, packages)
    examine(here)
    found = list(CHECKS['python-packages'](here))
    assert [finding.level for finding in found] == ([WARNING] if said else [])
    for finding in found:
        assert 'needs numpy 1.26' in finding.text and 'numpy 9' not in finding.text
