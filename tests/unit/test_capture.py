# SPDX-License-Identifier: GPL-2.0-only
"""What a Python carries, asked of itself."""
import json
import os
import stat
import subprocess
import sys

import pytest

from lumi_hooks import capture
from lumi_hooks.cli import main
from lumi_hooks.errors import LumiHooksError
from lumi_hooks.index import normal_name
from lumi_hooks.schemas.files import problems


def test_a_python_says_what_it_carries():
    found = capture.ask(sys.executable)
    assert found['version'].split('.')[:2] == [str(part) for part in sys.version_info[:2]]
    assert 'pytest' in found['packages'] and 'hypothesis' in found['packages']
    assert list(found['packages']) == sorted(found['packages'])


def pips_names():
    """What pip itself says of this Python: pairs of name and version."""
    done = subprocess.run([sys.executable, '-I', '-m', 'pip', 'list', '--format', 'json'], capture_output=True,
                          text=True, check=True)
    return [(item['name'], item['version']) for item in json.loads(done.stdout)]


def test_names_are_found_however_pip_writes_them():
    """pip says typing_extensions, or Jinja2; rules and upstream's recipes ask for typing-extensions, jinja2."""
    said, found = dict(pips_names()), capture.ask(sys.executable)['packages']
    assert found == {normal_name(name): version for name, version in said.items()}
    assert any(normal_name(name) != name for name in said), 'this Python has no package that tells the difference'


def test_of_two_installations_of_one_name_the_first_counts(tmp_path):
    """What Python imports, too: an old folder of metadata that an upgrade left behind says nothing."""
    python = tmp_path / 'python3'
    answer = json.dumps({'version': '3.11.7', 'packages': [['my_package', '2'], ['My.Package', '1']], 'files': []})
    python.write_text(f"#!/bin/sh\necho '{answer}'\n")
    python.chmod(0o755)
    assert capture.ask(str(python))['packages'] == {'my-package': '2'}


def test_the_user_s_own_packages_do_not_count(tmp_path, monkeypatch):
    (tmp_path / 'mine-1.0.dist-info').mkdir()
    (tmp_path / 'mine-1.0.dist-info' / 'METADATA').write_text('Name: mine\nVersion: 1.0\n')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    assert 'mine' not in capture.ask(sys.executable)['packages']


def test_the_file_is_valid_data(tmp_path, capsys):
    assert main(['capture', '--python', sys.executable, '--output', str(tmp_path), '--where', 'a test']) == 0
    name, = os.listdir(tmp_path)
    folder = tmp_path / 'releases' / 'python'
    folder.mkdir(parents=True)
    os.rename(tmp_path / name, folder / name)
    assert problems(f'releases/python/{name}', str(tmp_path)) == []
    data = json.loads((folder / name).read_text())
    assert name == f'{data["cray-python"]}.json' and 'on a test' in data['source']
    assert all(entry['verified'] for entry in data['packages'].values())
    assert f'{len(data["packages"])} packages' in capsys.readouterr().out


@pytest.mark.parametrize('program, says', [
    ('echo no json', 'did not answer'), ('echo broken >&2; exit 3', 'broken')])
def test_a_python_that_does_not_answer(tmp_path, capsys, program, says):
    python = tmp_path / 'python3'
    python.write_text(f'#!/bin/sh\n{program}\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(LumiHooksError, match=says):
        capture.ask(str(python))
    assert main(['capture', '--python', str(python)]) == 1
    assert str(python) in capsys.readouterr().err


def test_which_python(monkeypatch, tmp_path, capsys):
    assert capture.interpreters({'CRAY_PYTHON_PREFIX': '/opt/cray/pe/python/9'}) == [
        '/opt/cray/pe/python/9/bin/python3']
    monkeypatch.setattr(capture, 'PLACES', str(tmp_path / '*' / 'python3'))
    monkeypatch.delenv('CRAY_PYTHON_PREFIX', raising=False)
    assert main(['capture']) == 2
    assert 'name one with --python' in capsys.readouterr().err


def test_a_fourth_part_of_the_version_is_the_folder_s(tmp_path):
    """cray-python/3.9.13.1 is Python 3.9.13."""
    answer = json.dumps({'version': '3.9.13', 'packages': [], 'files': []})
    for folder, version in (('3.9.13.1', '3.9.13.1'), ('elsewhere', '3.9.13'), ('3.10.1', '3.9.13')):
        python = tmp_path / folder / 'bin' / 'python3'
        python.parent.mkdir(parents=True)
        python.write_text(f"#!/bin/sh\necho '{answer}'\n")
        python.chmod(0o755)
        assert capture.ask(str(python))['version'] == version


def test_libraries_by_name(monkeypatch):
    said = '\tlibsci_gnu_123_mp.so.6 => /opt/cray/pe/lib64/libsci_gnu_123_mp.so.6 (0x1)\n' \
           '\tlibgomp.so.1 => /usr/lib64/x\n'
    monkeypatch.setattr(capture, '_linked', lambda files: said)
    found = capture.ask(sys.executable)
    assert found['openmp'] == ['libgomp'] and found['blas'] == ['libsci_gnu_123_mp']
    assert capture.as_data(found, 'x', 'y')['openmp'] == ['libgomp']
