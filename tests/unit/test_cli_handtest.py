# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb handtest: what it reports, and that nothing personal is in it."""
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from lumi_hooks.cli import handtest, main
from lumi_hooks.data import ROOT
from lumi_hooks.site import make_site


def test_a_name_is_enough(capsys):
    assert main(['handtest', '--no-build', '--json', 'libpng']) == 0
    done = capsys.readouterr()
    test, = json.loads(done.out)['tests']
    assert test['recipe'].startswith('libpng-') and f'libpng is {test["recipe"]}: ' in done.err
    assert main(['handtest', '--no-build', 'NoSuchThing']) == 2
    assert 'there is no recipe or module of NoSuchThing' in capsys.readouterr().err


def test_plans_only(capsys):
    assert main(['handtest', '--no-build', '--json', 'ParMETIS-4.0.3-gompi-2025a.eb']) == 0
    found = json.loads(capsys.readouterr().out)
    test, = found['tests']
    assert test['outcome'] == 'planned' and test['module'] == 'ParMETIS/4.0.3-cpeGNU-25.03'
    assert test['build'] == ['ParMETIS/4.0.3-cpeGNU-25.03'] and found['facts']['toolchain'] == 'cpeGNU/25.03'


def test_what_is_refused_fails(capsys):
    assert main(['handtest', '--no-build', 'CCCL-2.3.0-GCCcore-12.3.0-CUDA-12.1.1.eb']) == 1
    text = capsys.readouterr().out
    assert text.startswith(handtest.START) and text.strip().endswith(handtest.END)
    assert 'REFUSED' in text and 'CUDA' in text


def test_without_lumis_modules_nothing_is_installed(capsys):
    assert main(['handtest', 'libpng']) == 2
    assert 'module load LUMI' in capsys.readouterr().err


def test_the_report_names_neither_prefix_nor_home(monkeypatch):
    monkeypatch.setenv('HOME', '/users/somebody')
    site = make_site(prefix='/project/project_465/EasyBuild', env={})
    said = handtest.last_lines('x\n' * 40 + '\x1b[31m/project/project_465/EasyBuild/SW\x1b[0m /users/somebody/x', site)
    assert said.splitlines()[-1] == '$EBU_USER_PREFIX/SW $HOME/x' and len(said.splitlines()) == 25


@pytest.mark.parametrize('name, root', [('netCDF-C++4', 'EBROOTNETCDFMINCPLUSPLUS4'), ('Boost.MPI', 'EBROOTBOOSTMPI')])
def test_the_prefix_variable_is_easybuilds(name, root):
    assert f'"${root}"' in handtest.use(name, f'{name}/1', '')


def test_a_module_that_does_not_load_is_told(monkeypatch, tmp_path):
    lmod = tmp_path / 'lmod'
    lmod.write_text('#!/bin/sh\necho "export EBROOTTHING=$2"\n')
    lmod.chmod(0o755)
    monkeypatch.setenv('LMOD_CMD', str(lmod))
    code, _ = handtest.shell(handtest.use('Thing', 'Thing/1.0', ''))
    assert code == 3  # no such folder
    lmod.write_text(f'#!/bin/sh\necho "export EBROOTTHING={tmp_path}"\n')
    code, said = handtest.shell(handtest.use('Thing', 'Thing/1.0', 'echo version 1.0'))
    assert code == 0 and said.splitlines()[-1] == 'version 1.0'


def test_a_wrong_name_ends_it_before_anything_is_built(monkeypatch, capsys):
    monkeypatch.setattr(handtest, 'test', lambda *_: pytest.fail('something was tested'))
    monkeypatch.setattr(handtest, 'is_lumi', lambda: True)
    assert main(['handtest', 'libpng', 'NoSuchThing']) == 2
    out, err = capsys.readouterr()
    assert 'NoSuchThing' in err and out == ''


def test_ctrl_c_loses_no_report(monkeypatch, capsys, tmp_path):
    original = handtest.test

    def test(path, *more):
        if 'zlib' in path:
            raise KeyboardInterrupt
        return original(path, *more)

    monkeypatch.setattr(handtest, 'test', test)
    report = tmp_path / 'report.txt'
    assert main(['handtest', '--no-build', '--output', str(report), 'ParMETIS-4.0.3-gompi-2025a.eb', 'zlib']) == 130
    out, err = capsys.readouterr()
    assert 'ParMETIS/4.0.3-cpeGNU-25.03: PLANNED' in out and out == report.read_text()
    assert 'interrupted at zlib' in err and 'nothing was changed' not in err


def test_eb_may_put_things_in_order_after_ctrl_c(tmp_path):
    """As in a terminal: the signal reaches all processes, and eb takes its time to remove its locks."""
    command = 'trap "sleep 1; echo > tidy; exit 1" INT; echo > started; while :; do sleep 0.1; done'
    program = f'from lumi_hooks.cli import handtest; handtest.shell({command!r})'
    process = subprocess.Popen([sys.executable, '-c', program], cwd=tmp_path, stderr=subprocess.PIPE,
                               env={**os.environ, 'PYTHONPATH': os.path.dirname(ROOT)}, start_new_session=True,
                               # a shell starts its background jobs with the signal ignored, and that is inherited
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    while process.poll() is None and not (tmp_path / 'started').exists():
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    assert b'KeyboardInterrupt' in process.communicate(timeout=60)[1]
    assert (tmp_path / 'tidy').exists()
