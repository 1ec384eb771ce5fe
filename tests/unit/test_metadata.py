# SPDX-License-Identifier: GPL-2.0-only
"""What a package says itself, read from its archive, and the look at it before it is built."""
import io
import tarfile
import zipfile
from types import SimpleNamespace

import pytest

from lumi_hooks import metadata
from lumi_hooks.doctor import CHECKS, WARNING, Package, Situation, examine
from lumi_hooks.eb.lifecycle import python
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
NEEDS = {'numpy': '1.26', 'scipy-thing': '1.0,<2', 'packaging': '', 'pandas': '2'}


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


class PythonPackage(SimpleNamespace):
    """Stands for an easyblock that runs pip: its name tells."""


def package(*paths, exts=(), kind=PythonPackage, **parameters):
    return kind(name='mine', version='1.0', src=[{'path': path} for path in paths], cfg=parameters,
                exts=[{'name': name, 'src': path} for name, path in exts])


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Puts packages where a loaded cray-python finds them, or a module before it: installed(numpy='1.24.4')."""
    def put(before=False, **versions):
        folder = tmp_path / ('module' if before else 'python/lib/python3.11/site-packages')
        for name, version in versions.items():
            (folder / f'{name}-{version}.dist-info').mkdir(parents=True)
        if before:
            monkeypatch.setenv('PYTHONPATH', str(folder))
    monkeypatch.setenv('CRAY_PYTHON_PREFIX', str(tmp_path / 'python'))
    monkeypatch.delenv('PYTHONPATH', raising=False)
    return put


OTHERS = {'SciPy_Thing': '1.5', 'packaging': '23.0', 'pandas': '2.2.2'}


def test_R17_a_package_is_not_built_on_what_is_too_old(tmp_path, site, installed):
    path = sdist(tmp_path / 'thing-1.0.tar.gz')
    installed(numpy='1.24.4', **OTHERS)
    for app in (package(path), package(exts=[('thing', path)])):
        with pytest.raises(LumiHooksError, match=r'needs numpy 1\.26 or newer, by its own metadata, and 1\.24\.4 is '
                                                 r'there.*LUMI_HOOKS_DISABLE=python-carried'):
            python.check(site, app)
    # it brings its own; the recipe does without pip check
    python.check(site, package(exts=[('thing', path), ('numpy', '')]))
    python.check(site, package(path, components=[('numpy', '2.0', {})]))
    python.check(site, package(path, sanity_pip_check=False))
    # one of several wheels that a recipe installs at once
    (tmp_path / 'numpy-1.26.4-py3-none-any.whl').write_bytes(b'')
    python.check(site, package(path, str(tmp_path / 'numpy-1.26.4-py3-none-any.whl')))
    # no archive of other software is opened
    python.check(site, package(path, kind=SimpleNamespace))
    with pytest.raises(LumiHooksError):
        python.check(site, package(exts=[('thing', path)], kind=SimpleNamespace, exts_defaultclass='PythonPackage'))
    # the bundle that is loaded before cray-python's own
    installed(before=True, numpy='1.26.4')
    python.check(site, package(path))


def test_R17_a_package_is_not_built_without_what_it_needs(tmp_path, site, installed, monkeypatch):
    """It would be noticed by "pip check" when it is built; tomli and colorama are for others."""
    path = sdist(tmp_path / 'thing-1.0.tar.gz')
    installed(numpy='1.26.4', packaging='23.0', pandas='2.2.2')
    with pytest.raises(LumiHooksError, match='needs scipy-thing, by its own metadata, and it is not there'):
        python.check(site, package(path))
    monkeypatch.delenv('CRAY_PYTHON_PREFIX')
    python.check(site, package(path))


@pytest.mark.parametrize('text', ['Requires-Dist: numpy>=1.24\n', ''])
def test_R17_what_suffices_is_built(tmp_path, site, installed, text):
    installed(numpy='1.24.4')
    python.check(site, package(sdist(tmp_path / 'thing-1.0.tar.gz', text)))


def test_what_a_python_finds(tmp_path):
    for name in ('Ruamel.YAML-0.18.dist-info', 'old_one-1.2-py3.11.egg-info', 'egg-3.0-py3.11.egg', 'numpy', 'x.py'):
        (tmp_path / name).mkdir()
    assert metadata.visible([str(tmp_path), str(tmp_path / 'missing')]) == {
        'ruamel-yaml': '0.18', 'old-one': '1.2', 'egg': '3.0'}


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


def test_a_source_that_is_patched_is_left_to_pip_check(tmp_path):
    """The patch of ecbundle 2.5.0 drops pathlib, which its source asks for: it was refused."""
    source = tmp_path / 'ecbundle.tar.gz'
    source.touch()
    app = SimpleNamespace(src=[{'path': str(source)}], exts=[{'src': str(source)}], patches=[], cfg={})
    assert list(python._archives(app)) == [str(source)] * 2
    app.patches, app.exts[0]['patches'] = [{'path': 'drop.patch'}], [{'path': 'drop.patch'}]
    assert not list(python._archives(app))


def test_a_source_that_is_edited_is_left_to_pip_check(tmp_path):
    """370 of upstream's recipes take bounds out of setup.py with sed; a variable that is set edits nothing."""
    source = tmp_path / 'thing.tar.gz'
    source.touch()
    extension = {'src': str(source), 'options': {'preinstallopts': 'A=1 '}}
    app = SimpleNamespace(src=[{'path': str(source)}], exts=[extension], cfg={'preinstallopts': 'B=2 '})
    assert list(python._archives(app)) == [str(source)] * 2
    app.exts[0]['options'] = {'preinstallopts': "sed -i 's/numpy<2/numpy/' setup.py && "}
    assert list(python._archives(app)) == [str(source)]
    app.cfg = {'prebuildopts': 'sed -i /pin/d setup.py && '}
    assert not list(python._archives(app))


@pytest.mark.parametrize('text, version, said', [
    ('urllib3<2.1,>=1.25.4; python_version >= "3.10"', '2.4.0', 'urllib3 1.25.4 or newer, below 2.1'),
    ('urllib3<1.27,>=1.25.4; python_version < "3.10"', '2.4.0', ''),
    ('urllib3 (~=1.26.5)', '1.27', 'urllib3 1.26.5 or newer, below 1.27'), ('urllib3==2.4.*', '2.4.1', ''),
    ('urllib3==2.0', '2.0.7', 'urllib3 exactly 2.0'), ('urllib3<=2', '2.0.0', ''), ('urllib3!=2.4.0', '2.4.0', '')])
def test_G_a_package_is_not_built_on_what_is_too_new(tmp_path, site, installed, text, version, said):
    """botocore 1.33.13 of s3fs: "pip check" found it, when all was built. What pip alone understands is left to it."""
    installed(urllib3=version)
    app = package(sdist(tmp_path / 'thing-1.0.tar.gz', f'Requires-Dist: {text}\n'))
    if not said:
        python.check(site, app)
        return
    with pytest.raises(LumiHooksError, match=f'needs {said}, by its own metadata, and {version} is there'):
        python.check(site, app)
