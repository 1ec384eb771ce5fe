# SPDX-License-Identifier: GPL-2.0-only
"""Values of lumi-eb's options that nothing can come of, packages that lack: one line says which, and what to do."""
import sys

import pytest

from lumi_hooks.cli import main, parser

ZLIB = 'zlib-1.3.1-GCCcore-14.2.0.eb'


@pytest.mark.parametrize('arguments, says', [
    ('survey --sample 0', 'argument --sample: 0 is no number from 1 up'),
    ('survey --jobs -1', '-1 is no number from 1 up'),
    ('survey --jobs two', 'two is no number from 1 up'),
    ('verify --jobs 0 .', '0 is no number from 1 up'),
    ('job Thing/1.0 --nodes 0', 'argument --nodes: 0'),
    ('job Thing/1.0 --tasks 0', 'argument --tasks: 0'),
    ('job Thing/1.0 --time soon', 'soon is no time: HH:MM:SS, D-HH:MM:SS or minutes'),
    ('job Thing/1.0 --time 1:2:3:4', '1:2:3:4 is no time'),
])
def test_what_the_parser_refuses(capsys, arguments, says):
    with pytest.raises(SystemExit) as caught:
        main(arguments.split())
    assert caught.value.code == 2 and says in capsys.readouterr().err


@pytest.mark.parametrize('time', ['90', '01:00:00', '30:00', '1-12', '1-00:00:00'])
def test_times_as_sbatch_takes_them(capsys, time):
    assert main(['job', 'Thing/1.0', '--time', time]) == 0
    assert f'#SBATCH --time={time}\n' in capsys.readouterr().out


@pytest.mark.parametrize('arguments, says', [
    (f'plan --gpu GROMACS {ZLIB}', 'partition C have none: add --partition G'),
    (f'plan --partition G --gpu gromacs {ZLIB}', '--gpu gromacs: nothing is known of a variant'),
    (f'adapt --partition G --gpu AlphaFold {ZLIB}', 'come as containers'),
    ('verify --release 1.1 .', 'unknown release "1.1" of the Cray PE; known are '),
    ('verify NoSuchThing', 'load the LUMI modules that it was installed with, or give the folder'),
    ('survey --report /nowhere/x.html', '/nowhere/x.html cannot be written: there is no such folder'),
    ('sbom /nowhere', 'record that you can read in /nowhere: name the prefix of a project or a colleague'),
    ('sbom --partition G /nowhere', 'record that you can read in /nowhere for partition G: name'),
])
def test_what_a_command_refuses(capsys, monkeypatch, arguments, says):
    monkeypatch.setattr('lumi_hooks.cli.survey.counted', lambda *_, **more: pytest.fail('it was counted first'))
    assert main(arguments.split()) == 2
    err = capsys.readouterr().err
    assert err.count('\n') == 1 and says in err


@pytest.mark.parametrize('name', ['GROMACS', '*'])
def test_gpu_variants_that_there_are(capsys, name):
    assert main(['plan', '--partition', 'G', '--gpu', name, ZLIB]) == 0


def test_every_command_has_a_description_and_examples():
    commands = next(action for action in parser()._actions if action.dest == 'command').choices
    assert len(commands) > 10
    for name, command in commands.items():
        examples = command.epilog or ''
        assert command.description and 'exit code: 0' in examples, name
        assert examples.startswith('examples') and f'  lumi-eb {name} ' in examples.replace('\n', ' \n'), name


def test_one_line_says_that_easybuild_is_lacking(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.partition('.')[0] == 'easybuild']:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'easybuild', None)
    assert main(['adapt', ZLIB]) == 2
    err = capsys.readouterr().err
    assert err.count('\n') == 1 and 'has no EasyBuild, which reads recipes: load the module EasyBuild-user' in err


def test_a_survey_without_recipes_says_where_they_come_from(monkeypatch, capsys):
    monkeypatch.setattr('lumi_hooks.cli.site_options.upstream_recipes', lambda *_: [])
    assert main(['survey']) == 2
    assert 'load the module EasyBuild-user' in capsys.readouterr().err
