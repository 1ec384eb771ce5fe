# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb verify: what it takes, what it prints, its exit codes."""
import json
import os
import signal
import stat
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from elves import Place

from lumi_hooks.cli import main
from lumi_hooks.errors import LumiHooksError
from lumi_hooks.extras import packages_remedy
from lumi_hooks.verify import target

FIELDS = {'root', 'files', 'elf', 'seconds', 'findings', 'summary'}
SUMMARY = {'mpi', 'libfabric', 'gtl', 'openmp', 'libsci', 'blas', 'hip', 'cuda', 'gpu_targets', 'programs', 'libraries'}


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Nothing of the machine that the tests run on, and no Cray PE."""
    for name in ('LD_LIBRARY_PATH', 'CRAYPE_DIR', 'ROCM_PATH', 'LMOD_CMD', 'LUMI_HOOKS_SYSTEM_ROOT'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('COLUMNS', '200')


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def arguments(place, *more):
    return ['verify', str(place.root), '--system-root', str(place.system), '--prefix', str(place.software),
            '--jobs', '1', *more]


def test_clean(place, capsys):
    place.program(needs=[place.lib('libthing.so.1', needs=[place.mpi()])])
    assert main(arguments(place)) == 0
    out = capsys.readouterr().out
    assert 'no errors, no warnings' in out and 'libmpi_gnu_123.so.12' in out and '2 ELF files of 2 files' in out


def test_warnings_only_are_no_failure(place, capsys):
    (place.root / 'broken').write_bytes(b'\x7fELF')
    assert main(arguments(place)) == 0
    assert 'warning unreadable' in capsys.readouterr().out


def test_errors(place, capsys):
    for number in range(5):
        place.program(f'thing{number}', runpath='/opt/rocm/lib')
    assert main(['verify', str(place.root), '--system-root', '/', '--prefix', str(place.software)]) == 1
    out = capsys.readouterr().out
    assert out.count('rpath-system') == 1, 'the same finding of many files stands once'
    assert 'bin/thing0' in out and 'and 2 more files' in out and 'why' in out and 'fix ' in out and '5 errors' in out


def test_json_is_the_contract(place, capsys):
    place.program(runpath=f'{place.system}/opt/rocm/lib', needs=[place.mpi()])
    assert main(arguments(place, '--json')) == 1
    found = json.loads(capsys.readouterr().out)
    assert set(found) == FIELDS | {'schema_version'} and set(found['summary']) == SUMMARY
    assert (found['root'], found['files'], found['elf']) == (str(place.root), 1, 1)
    (finding,) = found['findings']
    assert set(finding) == {'file', 'rule', 'severity', 'found', 'mend'}
    assert (finding['file'], finding['rule'], finding['severity']) == (
        f'{place.root}/bin/thing', 'rpath-system', 'error')
    docs = (Path(__file__).parents[2] / 'docs/verify.md').read_text()
    assert [field for field in FIELDS | SUMMARY if f'`{field}`' not in docs] == []


def test_several_are_reports(place, capsys):
    place.program()
    assert main(['verify', str(place.root), str(place.root / 'bin'), '--json', '--system-root', str(place.system)]) == 0
    reports = json.loads(capsys.readouterr().out)['reports']
    assert [one['root'] for one in reports] == [str(place.root), f'{place.root}/bin']


@pytest.mark.parametrize('words', [
    ('verify',), ('verify', '--nonsense', '/'), ('verify', '/nonexistent'), ('verify', './nonexistent'),
    ('verify', 'NoSuchModule/1.0'), ('verify', '/usr/lib/os-release', '--partition', 'Q')])
def test_bad_use(words, capsys):
    try:
        code = main(list(words))
    except SystemExit as err:
        code = err.code
    assert code == 2
    assert 'lumi-eb' in capsys.readouterr().err


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit):
        main(['verify', '--help'])
    assert 'lumi-eb verify GROMACS' in capsys.readouterr().out


def test_O12_it_needs_the_standard_library_alone(place):
    place.program(runpath='/opt/rocm/lib', needs=[place.mpi()])
    done = subprocess.run([sys.executable, '-S', '-c', 'from lumi_hooks.cli import main; import sys; sys.exit(main())',
                           'verify', str(place.root), '--system-root', '/'], capture_output=True, text=True,
                          check=False, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stderr) == (1, '') and 'rpath-system' in done.stdout


def test_O12_gpu_code_that_needs_a_package_is_told_as_unknown_with_a_command(place, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'zstandard', None)
    (place.root / 'x.hsaco').write_bytes(b'CCOB' + struct.pack('<HHIIQ', 2, 1, 40, 99, 7) + bytes(16))
    assert main(arguments(place)) == 0
    out = ' '.join(capsys.readouterr().out.split())
    assert 'gpu-unknown' in out and packages_remedy('zstandard') in out and '-m pip install --target' in out


def test_the_partition_decides_what_gtl_is(place, capsys):
    gtl = place.cray('libmpi_gtl_hsa.so.0')
    place.program(needs=[place.mpi(), gtl])
    assert main(arguments(place, '--partition', 'G')) == 0
    assert main(arguments(place, '--partition', 'C')) == 1


# modules

def write_module(place, text, name='Thing/1.0-cpeGNU-25.03'):
    file = place.folder / f'modules/{name}.lua'
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return str(place.folder / 'modules')


@pytest.mark.parametrize('text', ['local root = "{root}"\n', '#%Module\nset root {root}\n',
                                  'help([[x]])\nsetenv("EBROOTTHING", "{root}")\n',
                                  '#%Module\nsetenv EBROOTTHING {root}\n'])
def test_root_of_a_module(place, text):
    folder = write_module(place, text.format(root=place.root))
    found = target.find_target('Thing/1.0-cpeGNU-25.03', {'MODULEPATH': f'/nonexistent:{folder}'})
    assert (found.root, found.software, found.module) == (str(place.root), 'Thing', 'Thing/1.0-cpeGNU-25.03')


def test_a_name_alone_is_enough_where_there_is_one(place):
    folder = write_module(place, f'local root = "{place.root}"')
    assert target.find_target('Thing', {'MODULEPATH': folder}).root == str(place.root)
    write_module(place, f'local root = "{place.root}"', 'Thing/2.0')
    with pytest.raises(LumiHooksError, match=r'Thing/1\.0-cpeGNU-25\.03, Thing/2\.0'):
        target.find_target('Thing', {'MODULEPATH': folder})


@pytest.mark.parametrize('text,message', [('-- nothing\n', 'names no folder'),
                                          ('local root = "/nonexistent/x"\n', 'does not exist')])
def test_modules_without_a_folder(place, text, message):
    folder = write_module(place, text)
    with pytest.raises(LumiHooksError, match=message):
        target.find_target('Thing', {'MODULEPATH': folder})


def lmod(place, text, code=0):
    """A command in the place of Lmod, which prints what Lmod's shell for Python prints."""
    command = place.folder / 'lmod'
    command.write_text(f'#!/bin/sh\ncat <<"X"\n{text}\nX\necho a message >&2\nexit {code}\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return str(command)


def test_the_modules_environment_is_read_and_not_run(place):
    text = 'os.environ["LOADEDMODULES"] = "Thing/1.0";\nos.environ["LD_LIBRARY_PATH"] = "/a/\\"b\\":/c";\n' \
           'import os; os.mkdir("/tmp/should-not-be")\nos.environ["X"] = __import__("os").getcwd();'
    changed = target.load_module('Thing/1.0', {'LMOD_CMD': lmod(place, text)})
    assert changed == {'LOADEDMODULES': 'Thing/1.0', 'LD_LIBRARY_PATH': '/a/"b":/c'}
    assert not os.path.exists('/tmp/should-not-be')


def test_the_folder_of_a_module_gets_its_environment(place):
    folder = write_module(place, f'local root = "{place.root}"')
    (place.root / 'easybuild').mkdir()
    text = 'os.environ["LOADEDMODULES"] = "Thing/1.0-cpeGNU-25.03";\nos.environ["LD_LIBRARY_PATH"] = "/a";'
    env = {'MODULEPATH': folder, 'LMOD_CMD': lmod(place, text), 'LD_LIBRARY_PATH': '/present'}
    found = target.find_target(str(place.root), env)
    assert (found.module, target.environment_path(found, env)) == ('Thing/1.0-cpeGNU-25.03', ('/a',))
    assert target.find_target(str(place.root), env, load=False).environment == {}
    # one that can't be loaded, or is for another folder, is left alone
    plain = target.find_target(str(place.root), {**env, 'LMOD_CMD': lmod(place, 'False', 1)})
    assert (plain.module, target.environment_path(plain, env)) == (None, ('/present',))
    write_module(place, f'local root = "{place.software}"')
    assert target.find_target(str(place.root), {**env, 'LMOD_CMD': lmod(place, text)}).module is None


def test_a_module_that_cannot_be_loaded_is_told(place):
    with pytest.raises(LumiHooksError, match='can\'t be loaded.*a message'):
        target.load_module('Thing/1.0', {'LMOD_CMD': lmod(place, 'False', 1)})


def test_software_by_its_folder(place):
    assert target.find_target(str(place.root)).software == ''
    (place.root / 'easybuild').mkdir()
    assert target.find_target(str(place.root)).software == 'Thing'


def test_ctrl_c_in_a_shell():
    """The signal reaches all processes: one line, and no process is left."""
    command = [sys.executable, '-m', 'lumi_hooks.cli', 'verify', '--jobs', '2', '--json', '/usr']
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2], text=True, start_new_session=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               # a shell starts its background jobs with the signal ignored, and that is inherited
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    children = Path(f'/proc/{process.pid}/task/{process.pid}/children')
    while process.poll() is None and not (children.exists() and children.read_text()):
        time.sleep(0.05)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, '') and err.count('\n') == 1 and 'interrupted' in err
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
