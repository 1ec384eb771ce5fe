# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb adapt: a contract that other tools build on."""
import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from writing import put_module, put_recipe

from lumi_hooks import __version__
from lumi_hooks.catalogue import our_recipes
from lumi_hooks.cli import main, site_options
from lumi_hooks.cli.adapt import look
from lumi_hooks.data import ROOT
from lumi_hooks.recipe import RECORD, parse_recipe, read_recipe
from lumi_hooks.releases import default_release, load_release
from lumi_hooks.render import body

FIELDS = ['recipe', 'status', 'reason', 'name', 'version', 'versionsuffix', 'toolchain', 'module', 'dependencies',
          'builddependencies', 'changes']
HPCC, MPI4PY = 'HPCC-1.5.0-foss-2022a.eb', 'mpi4py-4.1.0-gompi-2025a.eb'
SCOTCH = 'SCOTCH-7.0.8-gompi-2025a.eb'
GPU = 'GROMACS-2024.4-foss-2023b-CUDA-12.4.0.eb'
SYSTEM = 'bzip2-1.0.8.eb'


@pytest.fixture
def adapt(capsys):
    """Runs lumi-eb adapt; returns exit code, output, errors."""
    def run(*arguments):
        try:
            code = main(['adapt', *map(str, arguments)])
        except SystemExit as err:
            code = err.code
        out, err = capsys.readouterr()
        return code, out, err
    return run


@pytest.fixture
def as_json(adapt):
    def run(*arguments):
        code, out, err = adapt('--json', *arguments)
        found = json.loads(out)
        assert found['schema_version'] == 1 and found['errors'] == []
        return code, found['recipes']
    return run


def test_json_of_an_adapted_recipe(as_json):
    code, found = as_json('--release', '25.03', '--partition', 'C', '--toolchain', 'cpeGNU', HPCC)
    assert code == 0 and len(found) == 1
    entry, = found
    assert set(FIELDS) <= set(entry)
    assert entry['status'] == 'adapted' and entry['module'] == 'HPCC/1.5.0-cpeGNU-25.03'
    assert (entry['name'], entry['version'], entry['versionsuffix']) == ('HPCC', '1.5.0', '')
    assert entry['toolchain'] == {'name': 'cpeGNU', 'version': '25.03'}
    assert os.path.basename(entry['recipe']) == HPCC and os.path.isfile(entry['recipe'])
    for change in entry['changes']:
        assert {'parameter', 'before', 'after', 'rule', 'reason'} <= set(change) and change['reason']
    first = entry['changes'][0]
    assert (first['parameter'], first['rule']) == ('toolchain', 'toolchain')
    assert first['before'] == {'name': 'foss', 'version': '2022a'} and first['after'] == entry['toolchain']


@pytest.mark.parametrize('arguments, recipe, said', [
    ([], SCOTCH, 'buildtools 25.03'), (['--diff'], SCOTCH, 'buildtools 25.03'),
    (['--partition', 'G'], 'CSBDeep-0.7.4-foss-2022a-CUDA-11.7.0.eb', 'TensorFlow 2.11.0-CUDA-11.7.0')])
def test_people_read_versions_not_templates(adapt, arguments, recipe, said):
    _, out, _ = adapt('--release', '25.03', *arguments, recipe)
    lines = [line for line in out.splitlines() if not line.startswith(('+', '-', ' '))] if '--diff' in arguments \
        else out.splitlines()
    assert said in out and not [line for line in lines if '%(' in line]


def test_json_of_dependencies(as_json):
    _, (entry,) = as_json('--release', '25.03', MPI4PY)
    fields = {'name', 'version', 'versionsuffix', 'toolchain', 'external_module'}
    for parameter in ('dependencies', 'builddependencies'):
        assert all(set(item) == fields for item in entry[parameter])
    python = load_release('25.03').modules['cray-python']
    assert entry['dependencies'] == [{'name': 'cray-python', 'version': python, 'versionsuffix': '', 'toolchain': None,
                                      'external_module': f'cray-python/{python}'}]


def test_json_of_other_dependencies(as_json, tmp_path):
    path = put_recipe(tmp_path, more="builddependencies = [('CMake', '3')]\ndependencies = [('zlib', '1.3.1')]\n",
                      toolchain=('GCC', '14.2.0'))
    _, (entry,) = as_json('--release', '25.03', path)
    assert entry['builddependencies'] == [
        {'name': 'buildtools', 'version': '25.03', 'versionsuffix': '', 'external_module': None,
         'toolchain': {'name': 'system', 'version': 'system'}}]
    assert entry['dependencies'][0]['toolchain'] == {'name': 'cpeGNU', 'version': '25.03'}
    assert entry['dependencies'][0]['external_module'] is None


def test_json_is_plain_data(as_json, tmp_path):
    path = put_recipe(tmp_path, more="dependencies = [('netCDF', '4.9.2'), ('binutils', '2')]\n")
    _, (entry,) = as_json('--release', '25.03', path)
    changes = {str(change['before']): change['after'] for change in entry['changes']}
    assert changes["['binutils', '2']"] is None
    hdf5, netcdf = changes["['netCDF', '4.9.2']"]
    assert hdf5[1] == netcdf[1] == 'EXTERNAL_MODULE' and netcdf[0].startswith('cray-netcdf-hdf5parallel/')


def test_defaults_are_lumis(as_json):
    _, (entry,) = as_json(HPCC)
    assert entry['toolchain'] == {'name': 'cpeGNU', 'version': default_release().cpe}


def test_loaded_modules_decide(as_json, monkeypatch):
    for name, value in {'LUMI_STACK_VERSION': '24.03', 'LUMI_STACK_PARTITION': 'G', 'EBU_USER_PREFIX': '/p'}.items():
        monkeypatch.setenv(name, value)
    assert as_json(HPCC)[1][0]['module'] == 'HPCC/1.5.0-cpeGNU-24.03'
    assert as_json('--release', '25.09', '--toolchain', 'cpeAMD', HPCC)[1][0]['module'] == 'HPCC/1.5.0-cpeAMD-25.09'


def test_what_is_loaded_says_nothing_of_another_release(as_json, monkeypatch, tmp_path):
    put_module(tmp_path / 'modules', 'zlib', '0.1-cpeGNU-25.03')
    put_module(tmp_path / 'modules', 'zlib', '0.2-cpeGNU-25.09')
    path = put_recipe(tmp_path, more="dependencies = [('zlib', '9')]\n", toolchain=('GCC', '14.2.0'))
    for name, value in {'LUMI_STACK_VERSION': '25.03', 'LUMI_STACK_PARTITION': 'C', 'EBU_USER_PREFIX': '/p',
                        'MODULEPATH': str(tmp_path / 'modules'), 'LUMI_HOOKS_UPSTREAM': str(tmp_path / 'none')}.items():
        monkeypatch.setenv(name, value)
    assert as_json(path)[1][0]['dependencies'][0]['version'] == '0.1'
    assert as_json('--release', '25.09', path)[1][0]['dependencies'][0]['version'] == '9'


@pytest.mark.parametrize('recipes, code, statuses', [
    ([HPCC], 0, ['adapted']), ([SYSTEM], 0, ['unchanged']), ([GPU], 1, ['refused']),
    ([HPCC, SYSTEM, GPU], 1, ['adapted', 'unchanged', 'refused'])])
def test_exit_codes_and_order(as_json, recipes, code, statuses):
    found_code, found = as_json(*recipes)
    assert found_code == code and [entry['status'] for entry in found] == statuses
    assert [os.path.basename(entry['recipe']) for entry in found] == recipes
    assert all(entry['reason'] for entry in found)


def test_refused_says_why(adapt):
    code, out, _ = adapt(GPU)
    assert code == 1 and 'refused' in out and 'AMD' in out and 'HIP' in out


def test_refused_for_a_dependency(as_json, tmp_path, monkeypatch):
    put_recipe(tmp_path, 'Gpu', more="dependencies = [('CUDA', '12')]\n")
    top = put_recipe(tmp_path, 'Top', more="dependencies = [('Gpu', '1.0')]\n")
    monkeypatch.setenv('LUMI_HOOKS_UPSTREAM', str(tmp_path))
    code, (entry,) = as_json(top)
    assert code == 1 and entry['status'] == 'refused' and 'Gpu-1.0-foss-2025a.eb' in entry['reason']


def test_own_recipe_wins(as_json, tmp_path, monkeypatch):
    own = put_recipe(tmp_path / 'own', 'HPCC', '1.5.0', ('cpeGNU', '25.03'))
    monkeypatch.setenv('EASYBUILD_ROBOT_PATHS', str(tmp_path / 'own'))
    code, (entry,) = as_json('--release', '25.03', HPCC)
    assert code == 0 and entry['status'] == 'unchanged' and entry['changes'] == []
    assert own in entry['reason'] and 'LUMI_HOOKS_DERIVE=HPCC' in entry['reason']
    monkeypatch.setenv('LUMI_HOOKS_DERIVE', 'HPCC')
    assert as_json('--release', '25.03', HPCC)[1][0]['status'] == 'adapted'


def test_own_recipe_wins_and_is_changed_by_an_override(adapt, tmp_path, monkeypatch):
    own = put_recipe(tmp_path / 'own', 'HPCC', '1.5.0', ('cpeGNU', '25.03'))
    overrides = tmp_path / 'overrides'
    overrides.mkdir()
    (overrides / 'HPCC.json').write_text(json.dumps({'name': 'HPCC', 'overrides': [
        {'reason': 'ours alone', 'parameters': {'configopts': '--ours'}}]}))
    monkeypatch.setenv('EASYBUILD_ROBOT_PATHS', str(tmp_path / 'own'))
    monkeypatch.setenv('LUMI_HOOKS_OVERRIDES', str(overrides))
    code, out, _ = adapt('--release', '25.03', HPCC)
    assert code == 0 and '--ours' in out and f'note {own} has the same module name and wins' in out, out


def test_an_archived_copy_is_meant_by_its_path_alone(as_json, tmp_path, monkeypatch):
    """As eb does it: by its name it is the recipe that it was made of."""
    source = put_recipe(tmp_path / 'upstream')
    copy = put_recipe(tmp_path / 'ebfiles_repo', toolchain=('cpeGNU', '25.03'),
                      more=f"{RECORD} = {{'source': {os.path.basename(source)!r}, 'rules': ['toolchain']}}\n")
    monkeypatch.setenv('EASYBUILD_ROBOT_PATHS', str(tmp_path / 'ebfiles_repo'))
    monkeypatch.setenv('LUMI_HOOKS_UPSTREAM', str(tmp_path / 'upstream'))
    _, (entry,) = as_json('--release', '25.03', os.path.basename(copy))
    assert (entry['recipe'], entry['status']) == (source, 'adapted')
    _, (entry,) = as_json('--release', '25.03', copy)
    assert (entry['recipe'], entry['status']) == (copy, 'unchanged')


def test_an_easystack_is_no_recipe(adapt, tmp_path):
    stack = tmp_path / 'stack.yaml'
    stack.write_text('easyconfigs:\n  - HPCC-1.5.0-foss-2022a\n')
    code, _, err = adapt(stack)
    assert code == 2 and 'is no recipe; if it is an easystack, name the recipes that it lists' in err


def test_the_environment_of_the_docs(as_json, tmp_path):
    """docs/prefixes.md: one module that loads what it lists, in the release's versions."""
    with open(os.path.join(os.path.dirname(ROOT), 'docs', 'prefixes.md'), encoding='utf-8') as stream:
        text = stream.read().partition('```python\n')[2].partition('```')[0]
    path = tmp_path / 'MyEnv-2026.11-foss-2025a.eb'
    path.write_text(text)
    code, (entry,) = as_json('--release', '25.03', path)
    assert (code, entry['module']) == (0, 'MyEnv/2026.11-cpeGNU-25.03')
    loaded = {item['name'] or item['external_module'].partition('/')[0] for item in entry['dependencies']}
    assert loaded >= {'lz4', 'Hypre', 'cray-netcdf-hdf5parallel', 'cray-hdf5-parallel'}


def test_native_recipe(as_json, tmp_path):
    path = put_recipe(tmp_path, toolchain=('cpeGNU', '25.03'))
    code, (entry,) = as_json('--release', '25.03', path)
    assert (code, entry['status'], entry['module']) == (0, 'unchanged', 'Thing/1.0-cpeGNU-25.03')
    code, (entry,) = as_json('--release', '25.09', path)
    assert (code, entry['status']) == (1, 'refused') and 'LUMI/25.03' in entry['reason']


def test_diff(adapt):
    code, out, _ = adapt('--release', '25.03', '--diff', HPCC)
    lines = out.splitlines()
    head = lines.index(f'--- {HPCC}')
    assert code == 0 and lines[head + 1] == '+++ HPCC-1.5.0-cpeGNU-25.03.eb' and lines[head + 2].startswith('@@ -')
    assert "-toolchain = {'name': 'foss', 'version': '2022a'}" in lines
    assert "+toolchain = {'name': 'cpeGNU', 'version': '25.03'}" in lines
    assert lines[0].startswith('# [toolchain] foss/2022a → cpeGNU/25.03')
    assert ' @@ toolchain' in lines[head + 2] and not [line for line in lines[head:] if line.startswith('#')]


def test_diff_explains_every_change_once_with_its_link(adapt, as_json, tmp_path):
    path = put_recipe(tmp_path, more="dependencies = [('HDF5', '1.14.5'), ('binutils', '2')]\nconfigopts = '-x'\n")
    _, out, _ = adapt('--diff', path)
    changes = as_json(path)[1][0]['changes']
    assert len(changes) >= 4
    assert f'\n{out}'.count('\n# [') == len(changes)
    for change in changes:
        assert f'# [{change["rule"]}]' in out and change['reason'] in out
        assert not change['link'] or change['link'] in out


@pytest.mark.parametrize('end', ['\n', '\r\n'])
@pytest.mark.parametrize('last', ["moduleclass = 'lib'\n", "moduleclass = 'lib'", '# a \x85 or \u2028 ends no line\n'])
def test_U6_the_diff_is_a_patch(adapt, tmp_path, end, last):
    """As it is printed, comments and all, it turns the recipe into the adapted one, whatever its line ends are."""
    path = put_recipe(tmp_path, more="sources = ['a']\ndependencies = [\n    ('HDF5', '1.14.5'),\n    ('zlib', '1'),\n"
                                     "]\n# between\n# two\n# hunks\n# of it\nconfigopts = '--with-openblas'\n")
    text = Path(path).read_text().rstrip('\n') + '\n' + last
    with open(path, 'w', encoding='utf-8', newline='') as handle:
        handle.write(text.replace('\n', end))
    _, out, _ = adapt('--release', '25.03', '--diff', path)
    assert 'is no patch' not in out
    (tmp_path / 'changes.diff').write_bytes(out.encode())
    done = subprocess.run(['patch', '--binary', '--output', str(tmp_path / 'new.eb'), path,
                           str(tmp_path / 'changes.diff')], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and 'fuzz' not in done.stdout and 'offset' not in done.stdout, done.stdout
    site, _ = site_options.find_site(argparse.Namespace(release='25.03'))
    assert (tmp_path / 'new.eb').read_bytes().decode() == body(look(path, site), parse_recipe).replace('\n', end)
    assert read_recipe(str(tmp_path / 'new.eb')).toolchain == ('cpeGNU', '25.03')


def test_U6_a_diff_that_is_no_patch_says_so(adapt, tmp_path):
    path = put_recipe(tmp_path, more="# a \x1b[2J\nconfigopts = '--with-openblas'\nbuildopts = 'NP=32'\n")
    _, out, _ = adapt('--diff', path)
    assert 'so this is no patch' in out.split('\n')[0] and '\\x1b[2J' in out and '\x1b' not in out


def test_diff_of_what_is_not_adapted(adapt):
    code, out, _ = adapt('--diff', SYSTEM, GPU)
    assert code == 1
    assert out.splitlines()[0].startswith(f'# {SYSTEM}: unchanged: ')
    assert out.splitlines()[1].startswith(f'# {GPU}: refused: ')


def test_output(adapt, tmp_path):
    folder = tmp_path / 'new' / 'folder'
    code, out, _ = adapt('--release', '25.03', '--output', folder, HPCC, SYSTEM)
    assert code == 0
    assert out.splitlines() == [str(folder / 'HPCC-1.5.0-cpeGNU-25.03.eb'), str(folder / SYSTEM)]
    text = (folder / 'HPCC-1.5.0-cpeGNU-25.03.eb').read_text()
    assert RECORD not in text and 'import lumi' not in text and 'adapted by lumi-hooks' in text
    assert read_recipe(str(folder / 'HPCC-1.5.0-cpeGNU-25.03.eb')).toolchain == ('cpeGNU', '25.03')
    assert sorted(name for name in os.listdir(folder) if not name.endswith('.patch')) == \
        ['HPCC-1.5.0-cpeGNU-25.03.eb', SYSTEM]


def test_output_is_idempotent(adapt, tmp_path):
    def state():
        return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    adapt('--output', tmp_path, HPCC)
    before = state()
    adapt('--output', tmp_path, HPCC)
    assert len(before) > 1 and state() == before


def test_output_of_refused_is_nothing(adapt, tmp_path):
    code, out, err = adapt('--output', tmp_path / 'x', GPU)
    assert code == 1 and out == '' and err.startswith('refused: GROMACS')
    assert not (tmp_path / 'x').exists()


def test_output_with_dependencies(adapt, tmp_path, monkeypatch):
    put_recipe(tmp_path / 'up', 'Bottom')
    top = put_recipe(tmp_path / 'up', 'Top', more="dependencies = [('Bottom', '1.0')]\n")
    monkeypatch.setenv('LUMI_HOOKS_UPSTREAM', str(tmp_path / 'up'))
    adapt('--output', tmp_path / 'out', '--with-dependencies', top)
    release = default_release().cpe
    assert sorted(os.listdir(tmp_path / 'out')) == [f'{name}-1.0-cpeGNU-{release}.eb' for name in ('Bottom', 'Top')]


def test_output_takes_patches_along(adapt, tmp_path):
    """A plain recipe that installs without this library needs the patches that lie next to its source."""
    path = put_recipe(tmp_path / 'own', more="patches = ['mine.patch']\n", flat=True)
    (tmp_path / 'own' / 'mine.patch').write_bytes(b'a patch\r\n')
    adapt('--output', tmp_path / 'out', path)
    assert (tmp_path / 'out' / 'mine.patch').read_bytes() == b'a patch\r\n'


def test_dependencies_are_shown_once(as_json, tmp_path, monkeypatch):
    put_recipe(tmp_path, 'Bottom')
    tops = [put_recipe(tmp_path, name, more="dependencies = [('Bottom', '1.0')]\n") for name in ('Left', 'Right')]
    monkeypatch.setenv('LUMI_HOOKS_UPSTREAM', str(tmp_path))
    names = [entry['name'] for entry in as_json('--with-dependencies', *tops)[1]]
    assert names == ['Bottom', 'Left', 'Right']


def test_table(adapt):
    code, out, _ = adapt('--release', '25.03', HPCC, SYSTEM)
    assert code == 0
    assert f'adapted  {HPCC} → HPCC/1.5.0-cpeGNU-25.03' in out and 'foss/2022a → cpeGNU/25.03' in out
    assert f'unchanged  {SYSTEM} → bzip2/1.0.8' in out and 'SYSTEM' in out


@pytest.mark.parametrize('arguments, says', [
    (['Nothing-1.0.eb'], 'there is no recipe Nothing-1.0.eb'),
    (['broken.eb'], 'broken.eb is not a readable recipe'),
    (['binary.eb'], 'it is not text'),
    (['--release', '99.01', HPCC], 'unknown release "99.01"'),
    (['--partition', 'Q', HPCC], 'unknown partition "Q"'),
    (['--toolchain', 'foss', HPCC], 'unknown toolchain "foss"'),
    (['--toolchain', 'cpeAMD', HPCC], 'partition C has no toolchain cpeAMD'),
    (['--output', 'file', HPCC], 'cannot be written'),
])
def test_bad_input_is_one_line(adapt, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'broken.eb').write_text('name = (\n')
    (tmp_path / 'binary.eb').write_bytes(b'\xff\x00')
    (tmp_path / 'file').write_text('in the way')
    code, out, err = adapt(*arguments)
    assert code == 2 and out == ''
    assert err.startswith('lumi-eb: ') and says in err and err.count('\n') == 1


@pytest.mark.parametrize('arguments', [[], ['--json', '--diff', HPCC], ['--nonsense', HPCC], ['--release']])
def test_bad_use(adapt, arguments):
    code, out, err = adapt(*arguments)
    assert code == 2 and out == '' and 'Traceback' not in err


def test_contradictory_environment(adapt, monkeypatch):
    monkeypatch.setenv('LUMI_STACK_VERSION', '25.03')
    monkeypatch.setenv('LUMI_STACK_CPE_VERSION', '24.03')
    code, out, err = adapt(HPCC)
    assert code == 2 and 'contradict' in err and err.count('\n') == 1


def test_help_has_examples_and_the_default_release(adapt):
    code, out, _ = adapt('--help')
    assert code == 0 and 'examples:' in out and 'exit code' in out
    assert f'default: {default_release().name}' in ' '.join(out.split())


def eb(*arguments, **env):
    """lumi-eb as a process of its own."""
    keep = {name: os.environ[name] for name in ('PATH', 'HOME') if name in os.environ}
    return subprocess.run([sys.executable, '-m', 'lumi_hooks.cli', *arguments], capture_output=True, text=True,
                          check=False, cwd=os.path.dirname(ROOT), env={**keep, **env})


def test_as_a_process():
    done = eb('adapt', 'Nothing-1.0.eb')
    assert done.returncode == 2 and done.stdout == ''
    assert 'Traceback' not in done.stderr and done.stderr.count('\n') == 1
    done = eb('adapt', '--json', HPCC, GPU)
    assert done.returncode == 1 and len(json.loads(done.stdout)['recipes']) == 2 and done.stderr == ''


def test_closed_pipe_is_no_error():
    keep = {name: os.environ[name] for name in ('PATH', 'HOME') if name in os.environ}
    done = subprocess.run(['sh', '-c', f'"{sys.executable}" -m lumi_hooks.cli adapt --json {HPCC} {MPI4PY} | true'],
                          capture_output=True, text=True, check=False, cwd=os.path.dirname(ROOT), env=keep)
    assert 'Traceback' not in done.stderr and 'Exception' not in done.stderr


def test_interrupted(monkeypatch, capsys):
    from lumi_hooks.cli import adapt as command

    def interrupt(*_):
        raise KeyboardInterrupt
    monkeypatch.setattr(command, 'look', interrupt)
    assert main(['adapt', HPCC]) == 130
    assert capsys.readouterr().err.count('\n') == 1


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(['--version'])
    assert caught.value.code == 0 and capsys.readouterr().out.strip() == f'lumi-hooks {__version__}'


def test_our_recipes_are_found(as_json):
    assert our_recipes()
    _, (entry,) = as_json(f'cpeGNU-{default_release().name}.eb')
    assert entry['status'] == 'unchanged' and entry['name'] == 'cpeGNU'
