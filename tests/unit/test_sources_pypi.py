# SPDX-License-Identifier: GPL-2.0-only
"""ci/sources takes what pip has fetched, and does not wait for a build that may fail."""
import functools
import hashlib
import http.server
import importlib.util
import io
import pathlib
import tarfile
import threading

import pytest

SOURCE = pathlib.Path(__file__).parents[2] / 'ci' / 'sources' / 'pypi.py'


@pytest.fixture(name='index')
def an_index(tmp_path, monkeypatch):
    """A package index on this machine with one package, whose metadata can't be built; the checksum of its sdist."""
    folder = tmp_path / 'index' / 'simple' / 'odd'
    folder.mkdir(parents=True)
    with tarfile.open(folder / 'odd-1.0.tar.gz', 'w:gz') as archive:
        for name, text in (('setup.py', b"raise SystemExit('it needs a library that is not here')"),
                           ('PKG-INFO', b'Metadata-Version: 1.0\nName: odd\nVersion: 1.0\n')):
            info = tarfile.TarInfo('odd-1.0/' + name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    (folder / 'index.html').write_text('<a href="odd-1.0.tar.gz">odd-1.0.tar.gz</a>')
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / 'index'))
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, 'log_message', lambda *_: None)
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in (('PIP_CONFIG_FILE', '/dev/null'), ('PIP_FIND_LINKS', ''), ('PIP_EXTRA_INDEX_URL', ''),
                        ('PIP_INDEX_URL', f'http://127.0.0.1:{server.server_port}/simple'), ('no_proxy', '127.0.0.1')):
        monkeypatch.setenv(name, value)
    yield hashlib.sha256((folder / 'odd-1.0.tar.gz').read_bytes()).hexdigest()
    server.shutdown()
    server.server_close()


@pytest.fixture(name='pypi')
def the_module():
    """ci/sources/pypi.py."""
    spec = importlib.util.spec_from_file_location('sources_pypi', SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_fetched_before_its_metadata_is_built(index, pypi, tmp_path):
    target = tmp_path / 'target'
    assert pypi.fetch('odd', '1.0', 'odd-1.0.tar.gz', str(target), [index]) == 'PyPI, odd-1.0.tar.gz'
    assert hashlib.sha256(target.read_bytes()).hexdigest() == index
    assert {path.name for path in tmp_path.iterdir()} == {'index', 'target'}


def test_a_file_with_another_checksum_is_not_taken(index, pypi, tmp_path):
    with pytest.raises(LookupError, match='pip'):
        pypi.fetch('odd', '1.0', 'odd-1.0.tar.gz', str(tmp_path / 'target'), ['0' * 64])
    assert {path.name for path in tmp_path.iterdir()} == {'index'}


@pytest.mark.parametrize('urls, filename, project', [
    (['https://pypi.python.org/packages/source/n/netCDF4'], 'netcdf4-1.7.2.tar.gz', 'netCDF4'),
    (['https://files.pythonhosted.org/packages/10/8e/2c53'], 'spg-lib-2.5.0.tar.gz', 'spg-lib'),
    # a wheel has the name of its project, wherever the recipe fetches it
    (['https://github.com/theochem/iodata/releases/download/v1.0.0a5/'], 'qc_iodata-1.0.0a5-py3-none-any.whl',
     'qc_iodata'),
    (['https://github.com/yaml/pyyaml/archive'], '6.0.2.tar.gz', None)])
def test_files_that_pypi_has(urls, filename, project):
    """iodata was said not to be obtainable."""
    pytest.importorskip('easybuild.framework')
    spec = importlib.util.spec_from_file_location('sources_wanted', SOURCE.with_name('wanted.py'))
    wanted = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(wanted)
    assert wanted._pypi_project(urls, filename) == project


def test_what_debian_has_to_have_is_asked_for_first_of_all_recipes(monkeypatch, tmp_path):
    """With --stop: a plan of many recipes that can't be had is known before PyPI is asked for a file."""
    monkeypatch.syspath_prepend(str(SOURCE.parent))
    import staging
    files = {'a.eb': [('a.tar.gz', 'a')], 'b.eb': [('b.tar.gz', None), ('b2.tar.gz', 'b2')], 'c.eb': []}
    asked = []

    def fetched(entry, into, debian):
        asked.append(entry['file'])
        return ('fetched', '') if entry['pypi'] else ('failed', 'not in Debian')

    monkeypatch.setattr(staging.wanted, 'set_up', list)
    monkeypatch.setattr(staging.wanted, 'find_recipe', lambda name, folders: name)
    monkeypatch.setattr(staging.wanted, 'files_of', lambda path: [
        {'file': name, 'path': name, 'sha256': ['0'], 'pypi': project} for name, project in files[path]])
    monkeypatch.setattr(staging, '_stage_file', fetched)
    found = staging.stage_recipes(list(files), str(tmp_path), str(tmp_path), stop=True)
    assert asked == ['b.tar.gz'] and [item['state'] for item in found] == ['failed']
    asked.clear()
    found = staging.stage_recipes(list(files), str(tmp_path), str(tmp_path))
    assert asked == ['a.tar.gz', 'b.tar.gz', 'b2.tar.gz']
    assert [item['recipe'] for item in found] == ['a.eb', 'b.eb', 'b.eb']
